"""Imports modules as they are: pytest rewrites the asserts of a plugin's whole package, which takes long."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from _pytest.assertion.rewrite import AssertionRewritingHook

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKING = ("leaklab.explain.resources", "leaklab.explain.waits")
"""What is imported once a test has opened something."""

EXPLAINING = ("leaklab.testing.leak_findings", "leaklab.testing.leak_report", "leaklab.testing.pytest_reports")
"""What is imported once there is a leak to tell."""


@contextmanager
def not_rewritten() -> Iterator[None]:
    """What is imported in this block is not rewritten."""
    finders = [*sys.meta_path]
    sys.meta_path[:] = [finder for finder in finders if not isinstance(finder, AssertionRewritingHook)]
    try:
        yield
    finally:
        sys.meta_path[:] = finders


def have_ready(modules: tuple[str, ...]) -> None:
    """Import these, unless they are there."""
    if modules[-1] not in sys.modules:
        with not_rewritten():
            for module in modules:
                import_module(module)
