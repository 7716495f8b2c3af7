"""`check`: a learner's file is measured once."""

from __future__ import annotations

from typing import Annotated

import typer

from leaklab.commands import output, parsing
from leaklab.commands.options import (
    File,
    Json,
    Limit,
    Mongo,
    Output,
    Repeat,
    ScenarioName,
    Scenarios,
    Set,
    Steps,
    format_of,
)
from leaklab.commands.task import locate
from leaklab.errors import ExitCode
from leaklab.reports.formats import CheckReport
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S

Format = Annotated[str | None, format_of(CheckReport)]


def command(
    file: File = None,
    scenario: ScenarioName = None,
    steps: Steps = None,
    set_: Set = None,
    repeat: Repeat = 1,
    limit: Limit = None,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    form: Format = None,
    as_json: Json = False,
    out: Output = None,
) -> None:
    """Measure your file beside both halves, and say if it is fixed."""
    from leaklab.workshop.check_result import CheckState

    target = output.destination(CheckReport, form, out, as_json=as_json)
    given, limits = parsing.given_settings(steps, set_), parsing.limits_from_options(limit, LEARNERS_TIME_LIMIT_S)
    task = locate(file, scenario, scenarios)
    checked = task.measure(parsing.run_options(limits, repeat, mongo), given)
    target.show(CheckReport(checked, task.file, task.record(checked)))
    codes = {
        CheckState.FIXED: ExitCode.DONE,
        CheckState.TIMED_OUT: ExitCode.TIME_LIMIT,
        CheckState.INTERRUPTED: ExitCode.INTERRUPTED,
    }
    raise typer.Exit(codes.get(checked.state, ExitCode.NOT_AS_EXPECTED))
