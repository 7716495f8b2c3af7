"""Leaks in the form in which pytest shows why a test failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# What pytest makes of an exception; there is no public name, and pytest-xdist sends nothing else.
from _pytest._code.code import ReprEntry, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from leaklab.testing.leak_report import details_of, summary_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from leaklab.testing.leak_findings import Leak

ERROR = "LeakError"


def longrepr_of(leaks: Sequence[Leak], config: pytest.Config) -> ReprExceptionInfo:
    """These leaks, one after the other, in the style of `--tb`."""
    style: Any = "long" if config.getoption("tbstyle", "auto") in ("auto", "long") else "short"
    entries = [_entry(one, style) for one in leaks]
    place = entries[0].reprfileloc
    first = summary_of(leaks[0].finding)
    crash = ReprFileLocation(
        "" if place is None else place.path, 0 if place is None else place.lineno, f"{ERROR}: {first}"
    )
    return ReprExceptionInfo(reprtraceback=ReprTraceback(entries, None, style), reprcrash=crash)


def _entry(leak: Leak, style: Any) -> ReprEntry:
    finding = leak.finding
    place = next((one.opened for one in finding.evidence if one.opened is not None), None)
    code = (
        [f"{'>' if style == 'long' else ' '}   {'    ' * (style == 'long')}{place.code}"]
        if place and place.code
        else []
    )
    indent = "       " if style == "long" else "   "
    lines = [*code, *(f"E{indent}{line}" for line in details_of(finding))]
    where = (
        None
        if place is None
        else ReprFileLocation(place.file, place.line, ERROR if style == "long" else f"in {place.function}")
    )
    return ReprEntry(lines, None, None, where, style)
