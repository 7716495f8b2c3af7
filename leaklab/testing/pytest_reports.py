"""Leaks in the form in which pytest shows why a test failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# What pytest makes of an exception; there is no public name, and pytest-xdist sends nothing else.
from _pytest._code.code import ReprEntry, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from leaklab.testing.leak_report import details_of, opened_at, summary_of

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
    place, is_long = opened_at(leak.finding), style == "long"
    indent = " " * (7 if is_long else 3)
    lines = [f"E{indent}{line}" for line in details_of(leak.finding)]
    if place is None:
        return ReprEntry(lines, None, None, None, style)
    if place.code:
        lines.insert(0, f"{'>' if is_long else ' '}{indent}{place.code}")
    where = ReprFileLocation(place.file, place.line, ERROR if is_long else f"in {place.function}")
    return ReprEntry(lines, None, None, where, style)
