"""Whether the packages that a scenario's halves need are there, without importing them."""

import sys
from importlib.util import find_spec
from pathlib import Path

from leaklab.content.declaration import Scenario
from leaklab.units import as_argument


def missing_packages(name: str, scenario: Scenario) -> str | None:
    """Which packages the scenario `name` lacks here, and how to install them; None if all are there."""
    pairs = (package.partition("=") for package in scenario.requires)
    missing = {module: distribution or module for module, _, distribution in pairs if find_spec(module) is None}
    if not missing:
        return None
    # Halves run in this interpreter, which need not be the one that a bare `pip` installs for.
    pip = f"{as_argument(Path(sys.executable))} -m pip install {' '.join(missing.values())}"
    are = "is not installed" if len(missing) == 1 else "are not installed"
    return f"scenario {name} needs {' and '.join(missing)}, which {are} here. Install what is missing: {pip}"
