"""Which files are the half's own code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import leaklab
from leaklab.explain.own_code import OwnCode

PACKAGE = Path(leaklab.__file__).parent
SCENARIO = PACKAGE / "scenarios" / "huge_array"


@pytest.mark.parametrize(
    ("folder", "file", "own"),
    [
        ("/home/ann", "/home/ann/mine.py", True),
        ("/home/ann", "/home/ann/helpers/net.py", True),
        ("/home/ann", "/home/annabel/mine.py", False),
        ("/home/ann", "/home/ann/env/lib/python3.11/site-packages/requests/api.py", False),
        ("/home/ann", "<string>", False),
        (str(Path(sys.prefix).parent), f"{sys.prefix}/lib/python3.11/json/decoder.py", False),
        # In an installed leaklab, the built-in scenarios lie in the package itself.
        (str(SCENARIO), str(SCENARIO / "leaky.py"), True),
        ("/venv/lib/python3.11/site-packages/pack/one", "/venv/lib/python3.11/site-packages/pack/one/leaky.py", True),
        (str(PACKAGE.parent), str(PACKAGE / "explain" / "witness.py"), False),
        (str(PACKAGE.parent), str(PACKAGE / "measure" / "worker.py"), False),
    ],
)
def test_own_code_is_what_lies_in_the_folder_and_is_no_installed_package(folder: str, file: str, own: bool) -> None:
    assert OwnCode(folder).has(file) is own
