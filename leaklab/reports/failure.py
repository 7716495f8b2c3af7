"""How a leaky half died, next to its forecast and the fixed half, as a Rich table."""

import re

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from leaklab.lab.until_failure import Failure
from leaklab.measure.run_trace import Outcome
from leaklab.metrics import METRICS, Resource
from leaklab.reports.rows import evidence_lines
from leaklab.reports.table import evidence, numbers, ruled
from leaklab.units import format_size

RESOURCES = {Resource.DESCRIPTORS: "open files", Resource.THREADS: "threads"}
"""What the table calls the resources that are counted; memory has a size."""


CAUSE = re.compile(r"\[Errno \d+\] ([A-Z][a-z ]+)|(MemoryError|can't start new thread)")
"""What an error says of the resource that ran out, however deep in its message."""


def failure_table(failure: Failure) -> RenderableType:
    """Predicted and completed steps of both halves under the same limit, and how each ended."""
    result = failure.result
    resource = RESOURCES.get(failure.resource)
    limit = f"{failure.limit:,} {resource}" if resource else f"{format_size(failure.limit)} of memory"
    title = Text.assemble((result.title, "bold"), f"  until failure, under a limit of {limit}")
    table = ruled("half", numbers("steps predicted"), numbers("steps completed"), "outcome", title=title)
    table.min_width = 72
    for name, half in result.halves.items():
        predicted = f"about {failure.forecast.steps:,}" if name == "leaky" else "no limit"
        trace = half.runs[0].trace
        # Of a half that ended early, the last step began and did not end.
        done = trace.steps if half.error is None else max(0, trace.steps - 1)
        if half.error is None:
            end = Text("did all the work", style="green")
        elif trace.outcome is Outcome.CRASHED and not result.interrupted:
            cause = CAUSE.search(half.error)
            end = Text(f"died: {cause[1] or cause[2]}" if cause else "died", style="bold red")
        else:
            end = Text("stopped before that", style="bold yellow")
        table.add_row(Text(name, style="bold"), predicted, f"{done:,}", end)
    parts: list[RenderableType] = [table, Text("")]
    if result.interrupted:
        parts.append(Text("Interrupted: the table shows the steps completed until then."))
    else:
        if failure.died_at_step is None:
            parts.append(Text(f"The leaky half did not die within {result.settings.steps:,} steps."))
        parts.append(Text.assemble(("Predicted: ", "bold"), failure.forecast.words))
    if failure.died_at_step is not None:
        parts.append(Text.assemble(("What a user would see: ", "bold"), failure.error or ""))
    if failure.held is not None and (lines := list(evidence_lines(failure.held, set()))):
        metric = METRICS[failure.held.metric]
        what = metric.singular if metric.unit == "bytes" else metric.plural
        parts.append(Text(f"What held the {what}:", style="bold"))
        parts.append(Padding.indent(evidence(lines), 2))
    return Group(*parts)
