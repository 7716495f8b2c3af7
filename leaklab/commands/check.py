"""`check`: a learner's file is measured once."""

from typing import Annotated

from leaklab.commands import options, output
from leaklab.commands.task import locate
from leaklab.errors import ExitCode
from leaklab.reports.formats import CHECK
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S


def command(
    file: options.File = None,
    scenario: options.ScenarioName = None,
    steps: options.Steps = None,
    set_: options.Set = None,
    repeat: options.Repeat = "1",
    no_explain: options.NoExplain = False,
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    form: Annotated[options.Text, options.format_of(CHECK)] = None,
    as_json: options.Json = False,
    out: options.Output = None,
) -> ExitCode:
    """Measure your file beside both halves, and say if it is fixed."""
    from leaklab.workshop.check_result import CheckState

    target = output.destination(CHECK, form, out, as_json=as_json)
    how = options.run_options(limit, repeat, mongo, LEARNERS_TIME_LIMIT_S, explain=not no_explain)
    task = locate(file, scenario, scenarios)
    target.spare(task.file)
    content = task.content()
    checked = task.measure(how, options.given_settings(steps, set_))
    if checked.state is not CheckState.INTERRUPTED:
        task.record(checked)
        task.note_evidence(checked, content)
    exercise = task.found.exercise
    fixed, release = task.entry.code("fixed"), task.entry.scenario.release
    target.show(check=checked, file=task.file, exercise=exercise, fixed=fixed, release=release)
    codes = {
        CheckState.FIXED: ExitCode.DONE,
        CheckState.TIMED_OUT: ExitCode.TIME_LIMIT,
        CheckState.INTERRUPTED: ExitCode.INTERRUPTED,
    }
    return codes.get(checked.state, ExitCode.NOT_AS_EXPECTED)
