"""How a leaky half died, beside its forecast and the fixed half, as a Rich table."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leaklab.lab.until_failure import Failure
from leaklab.measure.trace import Outcome
from leaklab.units import format_size


def failure_table(failure: Failure) -> RenderableType:
    """What was foretold, what came, and what the fixed half did under the same limit."""
    result = failure.result
    limit = format_size(failure.limit) if failure.resource == "memory" else f"{failure.limit:,} {failure.resource}"
    table = Table(
        title=Text.assemble((result.scenario, "bold"), f"  until failure, under a limit of {limit}"),
        title_justify="left",
        min_width=72,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in ("half", "steps foretold", "whole steps done", "end"):
        table.add_column(column, justify="right" if "steps" in column else "left")
    for name, half in result.halves.items():
        foretold = f"about {failure.forecast.steps:,}" if name == "leaky" else "no end"
        trace = half.runs[0].trace
        done = trace.steps if half.error is None else max(0, trace.steps - 1)
        if half.error is None:
            end = Text("did all of the work", style="green")
        elif half.runs[0].trace.outcome is Outcome.CRASHED and not result.interrupted:
            end = Text("died", style="bold red")
        else:
            end = Text("was ended before that", style="bold yellow")
        table.add_row(Text(name, style="bold"), foretold, f"{done:,}", end)
    parts: list[RenderableType] = [table, Text("")]
    if result.interrupted:
        parts.append(Text("It was interrupted: what was done until then is in the table."))
    elif failure.died_at_step is None:
        parts.append(
            Text(f"The leaky half did not die within {result.settings.steps:,} steps: {failure.forecast.words}")
        )
    else:
        parts.append(Text.assemble(("Foretold: ", "bold"), failure.forecast.words))
        parts.append(Text.assemble(("What a user would meet: ", "bold"), failure.error or ""))
    return Group(*parts)
