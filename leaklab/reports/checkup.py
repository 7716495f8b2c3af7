"""The doctor's checks, as a Rich table and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import leaklab
from leaklab.doctor.checks import Health, HealthCheck

STYLES = {Health.OK: "green", Health.WARNING: "bold yellow", Health.FAILED: "bold red"}


def checkup(checks: Sequence[HealthCheck]) -> RenderableType:
    """Each check with what was found and its remedy, and a line of what it comes to. It fits any width."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    # Paths have no blanks to break at.
    table.add_column(overflow="fold")
    for check in checks:
        table.add_row(Text(check.state.value, style=STYLES[check.state]), check.name, Text(check.found))
        if check.remedy:
            table.add_row("", "", Text.assemble(("-> ", "bold"), check.remedy))
    return Group(table, Text(""), Text(summary(checks), style="bold"))


def summary(checks: Sequence[HealthCheck]) -> str:
    """What the checks come to, in a sentence."""
    failed = [check.name for check in checks if check.state is Health.FAILED]
    warnings = sum(1 for check in checks if check.state is Health.WARNING)
    warned = f"{warnings} warning{'s' if warnings != 1 else ''}"
    if failed:
        return f"{len(failed)} of {len(checks)} checks failed ({', '.join(failed)}), {warned}."
    if warnings:
        return f"leaklab works here, with {warned}."
    return "leaklab works here."


def checkup_document(checks: Sequence[HealthCheck]) -> dict[str, Any]:
    """The checks as JSON values: `works` is false if any failed; `remedy` is null where there is nothing to do."""
    return {
        "schema": 1,
        "leaklab": leaklab.__version__,
        "works": all(check.state is not Health.FAILED for check in checks),
        "checks": [
            {"name": c.name, "state": c.state.value, "found": c.found, "remedy": c.remedy or None} for c in checks
        ],
    }
