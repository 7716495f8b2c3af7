"""How a leaky half died, next to its forecast and the fixed half, as a Rich table."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leaklab.lab.until_failure import Failure
from leaklab.measure.trace import Outcome
from leaklab.units import format_size

RESOURCES = {"descriptors": "open files", "threads": "threads"}
"""What the table calls the resources that are counted; memory has a size."""


def failure_table(failure: Failure) -> RenderableType:
    """Predicted and completed steps of both halves under the same limit, and how each ended."""
    result = failure.result
    resource = RESOURCES.get(failure.resource)
    limit = f"{failure.limit:,} {resource}" if resource else f"{format_size(failure.limit)} of memory"
    table = Table(
        title=Text.assemble((result.scenario, "bold"), f"  until failure, under a limit of {limit}"),
        title_justify="left",
        min_width=72,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in ("half", "steps predicted", "steps completed", "outcome"):
        table.add_column(column, justify="right" if "steps" in column else "left")
    for name, half in result.halves.items():
        predicted = f"about {failure.forecast.steps:,}" if name == "leaky" else "no limit"
        trace = half.runs[0].trace
        done = trace.steps if half.error is None else max(0, trace.steps - 1)
        if half.error is None:
            end = Text("did all the work", style="green")
        elif half.runs[0].trace.outcome is Outcome.CRASHED and not result.interrupted:
            end = Text("died", style="bold red")
        else:
            end = Text("stopped before that", style="bold yellow")
        table.add_row(Text(name, style="bold"), predicted, f"{done:,}", end)
    parts: list[RenderableType] = [table, Text("")]
    if result.interrupted:
        parts.append(Text("Interrupted: the table shows the steps completed until then."))
    elif failure.died_at_step is None:
        parts.append(Text(f"The leaky half did not die within {result.settings.steps:,} steps."))
    if not result.interrupted:
        parts.append(Text.assemble(("Predicted: ", "bold"), failure.forecast.words))
    if failure.died_at_step is not None:
        parts.append(Text.assemble(("What a user would see: ", "bold"), failure.error or ""))
    return Group(*parts)
