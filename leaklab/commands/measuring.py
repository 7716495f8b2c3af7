"""`run`, `compare` and `validate`: halves are run and measured, and their results shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from leaklab.commands import given, output
from leaklab.commands.options import (
    Almost,
    Dead,
    Deadline,
    DescriptorLimit,
    Guesses,
    Hang,
    Json,
    Markdown,
    MemoryLimit,
    Mongo,
    Name,
    Names,
    OutputLimit,
    Predict,
    Repeat,
    Samples,
    Scenarios,
    Size,
    Steps,
    ThreadLimit,
    TimeLimit,
    UntilFailure,
)
from leaklab.errors import ExitCode, LeaklabError, UsageError
from leaklab.system.limits import TIME_LIMIT_S

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.declaration import Settings
    from leaklab.lab.pair import RunOptions
    from leaklab.lab.prediction import Guess, Prediction
    from leaklab.lab.result import Result
    from leaklab.system.limits import Limits


def run(
    name: Name,
    steps: Steps = None,
    size: Size = None,
    hang: Hang = None,
    deadline: Deadline = None,
    dead: Dead = None,
    repeat: Repeat = 1,
    almost: Almost = False,
    until_failure: UntilFailure = False,
    predict: Predict = False,
    guesses: Guesses = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    memory_limit: MemoryLimit = None,
    thread_limit: ThreadLimit = None,
    descriptor_limit: DescriptorLimit = None,
    output_limit: OutputLimit = None,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    as_json: Json = False,
    as_markdown: Markdown = False,
    samples: Samples = False,
) -> None:
    """Run a scenario's leaky and fixed halves and show what each left open."""
    from leaklab.content.catalog import Catalog

    _check_form(as_json=as_json, as_markdown=as_markdown, samples=samples)
    entry = Catalog(scenarios).get(name)
    settings = entry.scenario.settings.changed(entry.id, given.wanted(steps, size, hang, deadline, dead))
    limits = given.limits(time_limit, memory_limit, thread_limit, descriptor_limit, output_limit)
    options = given.options(limits, repeat, mongo)
    predict = predict or guesses is not None
    if predict and (until_failure or as_markdown):
        other = "--until-failure" if until_failure else "--markdown"
        raise UsageError(f"--predict and {other} do not go together: leave one of them out")
    if until_failure:
        if almost or repeat > 1:
            raise UsageError("--until-failure runs the leaky and the fixed half once: leave --almost and --repeat out")
        if as_markdown:
            raise UsageError("--until-failure has no Markdown form: leave --markdown out, or take --json")
        _run_until_failure(entry, settings, options, as_json=as_json, samples=samples)
        return
    halves = _halves(entry, almost)
    guessed = _guessed(entry, halves, settings, options, guesses) if predict else None
    result = _measure(entry, settings, options, halves)
    predicted = None if guessed is None else _predictions(entry, halves, guessed, result)
    if as_json:
        from leaklab.reports.document import result_document

        document = result_document(result, samples=samples)
        if predicted is not None:
            from leaklab.reports.document import predictions_document

            document["predictions"] = predictions_document(predicted)
        output.show_json(document)
    elif as_markdown:
        from leaklab.reports import markdown

        output.show_text(markdown.scenario_result(result, entry.why))
    else:
        from leaklab.reports.table import scenario_result

        output.show(scenario_result(result, entry.why))
        if predicted is not None:
            from leaklab.reports.guesses import predictions_table

            output.show(predictions_table(predicted))
    _exit_for([result])


def compare(
    names: Names = None,
    steps: Steps = None,
    size: Size = None,
    hang: Hang = None,
    deadline: Deadline = None,
    dead: Dead = None,
    repeat: Repeat = 1,
    almost: Almost = False,
    time_limit: TimeLimit = TIME_LIMIT_S,
    memory_limit: MemoryLimit = None,
    thread_limit: ThreadLimit = None,
    descriptor_limit: DescriptorLimit = None,
    output_limit: OutputLimit = None,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    as_json: Json = False,
    as_markdown: Markdown = False,
    samples: Samples = False,
) -> None:
    """Run several scenarios (all, unless named) and show their halves in one table."""
    from leaklab.content.catalog import Catalog

    _check_form(as_json=as_json, as_markdown=as_markdown, samples=samples)
    catalog = Catalog(scenarios)
    entries = catalog.select(names or [])
    # A scenario that was asked for by name must be there; among all, a broken one is named and the others are run.
    usable = entries if names else [entry for entry in entries if entry.error is None]
    limits = given.limits(time_limit, memory_limit, thread_limit, descriptor_limit, output_limit)
    plan = _plan(usable, given.wanted(steps, size, hang, deadline, dead), limits, repeat, mongo)
    results, ended = _measure_all(plan, almost=almost)
    if ended is not None and not results:
        raise ended
    _show_comparison(results, as_json=as_json, as_markdown=as_markdown, samples=samples)
    broken = [*(str(entry.error) for entry in entries if entry not in usable), *([] if names else catalog.problems)]
    for problem in broken:
        output.complain(problem)
    if ended is not None:
        raise ended
    _exit_for(results)
    if broken:
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


def _measure_all(
    plan: Sequence[tuple[Entry, Settings, RunOptions]], *, almost: bool
) -> tuple[list[Result], LeaklabError | KeyboardInterrupt | None]:
    """What was measured, and what ended it before all was, if anything did: what there is is told all the same."""
    results: list[Result] = []
    for entry, settings, options in plan:
        try:
            results.append(_measure(entry, settings, options, _halves(entry, almost)))
        except (LeaklabError, KeyboardInterrupt) as error:
            return results, error
        if results[-1].interrupted:
            break
    return results, None


def _show_comparison(results: Sequence[Result], *, as_json: bool, as_markdown: bool, samples: bool) -> None:
    if as_json:
        from leaklab.reports.document import comparison_document

        output.show_json(comparison_document(results, samples=samples))
        return
    if as_markdown:
        from leaklab.reports import markdown

        output.show_text(markdown.comparison(results))
    else:
        from leaklab.reports.table import comparison

        console = output.console()
        output.show(comparison(results, console), console)
    for result in results:
        for surprise in result.surprises:
            output.complain(f"{result.scenario}, {surprise}")


def validate(
    names: Names = None,
    repeat: Repeat = 1,
    time_limit: TimeLimit = TIME_LIMIT_S,
    memory_limit: MemoryLimit = None,
    thread_limit: ThreadLimit = None,
    descriptor_limit: DescriptorLimit = None,
    output_limit: OutputLimit = None,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
) -> None:
    """Prove that every leaky half leaks as its scenario says, every fixed half is clean, and every file is in place."""
    from leaklab.content.catalog import Catalog
    from leaklab.content.validation import validate as validate_one
    from leaklab.reports.validated import validation_line

    catalog = Catalog(scenarios)
    limits = given.limits(time_limit, memory_limit, thread_limit, descriptor_limit, output_limit)
    problems = list(catalog.problems) if not names else []
    console = output.console()
    entries = catalog.select(names or [])
    with_mongo = [entry for entry in entries if entry.error is None and "mongo" in entry.scenario.services]
    if given.mongo_uri(mongo) is not None and not with_mongo:
        raise UsageError("none of these scenarios uses MongoDB: leave --mongo out")
    for entry in entries:
        uri = mongo if entry in with_mongo else None
        steps = entry.scenario.settings.steps if entry.error is None else None
        with output.progress_bar(entry.id, steps, repeat) as progress:
            validation = validate_one(entry, replace(given.options(limits, repeat, uri), progress=progress))
        output.show(validation_line(validation), console)
        problems += validation.problems
        if validation.result is not None and validation.result.interrupted:
            raise typer.Exit(ExitCode.INTERRUPTED)
    for problem in catalog.problems if not names else ():
        output.complain(problem)
    if problems:
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


def _guessed(
    entry: Entry, halves: Sequence[str], settings: Settings, options: RunOptions, file: Path | None
) -> Sequence[Guess]:
    """What is guessed of the halves: read from `file`, or from standard input, or asked at the terminal.

    Raises:
        UsageError: the guesses cannot be read; or the settings cannot be meant, which is said before anybody is asked.
    """
    import sys

    from leaklab.lab.pair import check_settings
    from leaklab.lab.prediction import ask, questions, read_guesses
    from leaklab.reports.guesses import prompt
    from leaklab.reports.rows import settings_in_words

    check_settings(entry.id, entry.scenario, settings, options)
    asked = questions(entry.scenario, halves)
    if file is not None or not sys.stdin.isatty():
        try:
            text = sys.stdin.read() if file is None else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise UsageError(f"--guesses {file or '(standard input)'} cannot be read: {reason}") from error
        return read_guesses(text, asked, "standard input" if file is None else str(file))
    said = settings_in_words(settings)
    output.say_aside(f"{entry.id}{f', {said}' if said else ''}. What will be measured? (- is no guess)\n")
    return ask(
        asked, lambda question: output.answer(prompt(question)), lambda problem: output.say_aside(f"  {problem}\n")
    )


def _predictions(entry: Entry, halves: Sequence[str], guessed: Sequence[Guess], result: Result) -> Sequence[Prediction]:
    from leaklab.lab.prediction import predictions, questions

    return predictions(questions(entry.scenario, halves), guessed, result)


def _run_until_failure(entry: Entry, settings: Settings, options: RunOptions, *, as_json: bool, samples: bool) -> None:
    from leaklab.lab.until_failure import run_until_failure

    with output.progress_bar(entry.id, None, 1) as progress:
        failure = run_until_failure(entry, settings, replace(options, progress=progress))
    if as_json:
        from leaklab.reports.document import failure_document

        output.show_json(failure_document(failure, samples=samples))
    else:
        from leaklab.reports.failure import failure_table

        output.show(failure_table(failure))
    _exit_unless([failure.result], as_expected=failure.as_expected)


def _halves(entry: Entry, almost: bool) -> Sequence[str]:
    from leaklab.content.declaration import HALVES

    return entry.halves if almost else HALVES


def _measure(entry: Entry, settings: Settings, options: RunOptions, halves: Sequence[str]) -> Result:
    from leaklab.lab.pair import run_scenario

    with output.progress_bar(entry.id, settings.steps, options.repeat) as progress:
        return run_scenario(entry, settings, replace(options, progress=progress), halves)


def _check_form(*, as_json: bool, as_markdown: bool, samples: bool) -> None:
    """Refuse forms of output that contradict each other."""
    if as_json and as_markdown:
        raise UsageError("--json and --markdown are two forms of the same result: leave one of them out")
    if samples and not as_json:
        raise UsageError("--samples: the trace is part of the JSON document: add --json")


def _plan(
    entries: Sequence[Entry], wanted: dict[str, Any], limits: Limits, repeat: int, mongo: str | None
) -> list[tuple[Entry, Settings, RunOptions]]:
    """What each scenario is run with: each takes the options that it has.

    Raises:
        UsageError: an option that none has, or that cannot be meant for one that has it; before any is run.
    """
    from leaklab.lab.pair import check_settings

    named = ", ".join(entry.id for entry in entries)
    for name, value in wanted.items():
        if value is not None and all(name not in entry.scenario.settings.given() for entry in entries):
            raise UsageError(f"none of {named} has a --{name}")
    if mongo is not None and all("mongo" not in entry.scenario.services for entry in entries):
        raise UsageError(f"none of {named} uses MongoDB: leave --mongo out")
    planned: list[tuple[Entry, Settings, RunOptions]] = []
    for entry in entries:
        here = entry.scenario.settings.given()
        its = {name: value for name, value in wanted.items() if name in here}
        options = given.options(limits, repeat, mongo if "mongo" in entry.scenario.services else None)
        settings = entry.scenario.settings.changed(entry.id, its)
        check_settings(entry.id, entry.scenario, settings, options)
        planned.append((entry, settings, options))
    return planned


def _exit_for(results: Sequence[Result]) -> None:
    """Leave with the exit code that the results ask for, if they ask for one."""
    _exit_unless(results, as_expected=all(result.as_expected for result in results))


def _exit_unless(results: Sequence[Result], *, as_expected: bool) -> None:
    """Leave with the exit code that fits unless every half came to an end of its own, and as expected."""
    from leaklab.measure.trace import Outcome

    outcomes = [half.outcome for result in results for half in result.halves.values()]
    if any(result.interrupted for result in results):
        raise typer.Exit(ExitCode.INTERRUPTED)
    if Outcome.TIMED_OUT in outcomes:
        raise typer.Exit(ExitCode.TIME_LIMIT)
    if not as_expected:
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)
