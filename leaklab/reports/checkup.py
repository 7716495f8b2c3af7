"""The doctor's checks: whether all is well in one line, and a table of what is not."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from leaklab.doctor.health import Health, HealthCheck

STYLES = {Health.OK: "green", Health.WARNING: "bold yellow", Health.FAILED: "bold red"}


def checkup(checks: Sequence[HealthCheck], *, every: bool = False) -> RenderableType:
    """The summary and below it each problem with its remedy; or `every` check, and the summary last."""
    shown = checks if every else [check for check in checks if check.state is not Health.OK]
    # The last folds, as paths have no blanks to break at.
    columns = Column(no_wrap=True), Column(no_wrap=True, style="bold"), Column(overflow="fold")
    table = Table.grid(*columns, padding=(0, 2, 0, 0))
    for check in shown:
        table.add_row(Text(check.state.value, style=STYLES[check.state]), check.name, Text(check.found))
        if check.remedy:
            table.add_row("", "", Text.assemble(("-> ", "bold"), check.remedy))
    words = summary(checks)
    if every:
        return Group(table, Text(""), Text(f"{words}.", style="bold"))
    return Group(Text(f"{words}:", style="bold"), table) if shown else Text(f"{words}.", style="bold")


def summary(checks: Sequence[HealthCheck]) -> str:
    """The outcome of the checks in one line, without its full stop."""
    failed, warnings = (sum(check.state is state for check in checks) for state in (Health.FAILED, Health.WARNING))
    warned = f"{warnings} warning{'' if warnings == 1 else 's'}"
    if failed:
        return f"{failed} of {len(checks)} checks failed" + (f", {warned}" if warnings else "")
    return f"leaklab works here, with {warned}" if warnings else f"leaklab works here: {len(checks)} checks passed"
