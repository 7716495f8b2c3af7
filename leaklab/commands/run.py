"""`run`: one scenario's halves are measured, after a prediction or until one fails if that is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leaklab.commands import options, output
from leaklab.errors import ExitCode, UsageError
from leaklab.reports.formats import FAILURE, PREDICTION, RUN

if TYPE_CHECKING:
    from leaklab.lab.prediction import Guess, Question

MOST_GUESSES = 2**20
"""Characters of guesses that are read."""

UntilFailure = Annotated[bool, typer.Option("--until-failure", help="Run under a low limit until the leaky half dies.")]
Every = Annotated[bool, typer.Option("--all", help="Show every row of the table, not only those that tell.")]
Predict = Annotated[bool, typer.Option("--predict", help="Predict the measurements before you see them.")]
Guesses = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="A room's guesses: who,half,metric,guess, or tallies.")
]


def command(
    name: options.Name,
    lang: options.Lang = None,
    steps: options.Steps = None,
    set_: options.Set = None,
    repeat: options.Repeat = "1",
    almost: options.Almost = False,
    every: Every = False,
    no_explain: options.NoExplain = False,
    until_failure: UntilFailure = False,
    predict: Predict = False,
    guesses: Guesses = None,
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    form: Annotated[options.Text, options.format_of(RUN)] = None,
    as_json: options.Json = False,
    file: options.Output = None,
    samples: options.Samples = False,
) -> ExitCode:
    """Run a scenario's halves and show what each left open."""
    from leaklab.content.catalog import Catalog
    from leaklab.judge.findings import Verdict
    from leaklab.lab.pair import run_scenario
    from leaklab.lab.run_options import check_settings

    predict = predict or bool(guesses)
    how = options.run_options(limit, repeat, mongo, explain=not no_explain)
    if until_failure and (predict or almost or how.repeat > 1):
        raise UsageError("--until-failure cannot be combined with --predict, --guesses, --almost or --repeat")
    report = FAILURE if until_failure else PREDICTION if predict else RUN
    target = output.destination(report, form, file, as_json=as_json, samples=samples)
    if every and (until_failure or target.format not in ("table", "markdown")):
        raise UsageError(f"--all: {report.what} as {target.format} has no rows that are left out. Leave --all out.")
    for source in guesses or ():
        target.spare(source)
    entry = Catalog(scenarios).get(name, options.language_of(lang))
    settings = options.settings_from_options(entry.id, entry.scenario.settings, options.given_settings(steps, set_))
    options.built([entry])
    if until_failure:
        from leaklab.lab.until_failure import run_until_failure

        with output.live_counts(how, entry.id, entry.scenario.telling) as watched:
            failure = run_until_failure(entry, settings, watched)
        target.show(failure=failure, samples=samples)
        return output.exit_code([failure.result], as_expected=failure.as_expected)
    halves = options.halves_of(entry, almost=almost)
    sources = {half: entry.code(half) for half in halves}
    asked: Sequence[Question] = ()
    guessed: Sequence[Guess] = ()
    if predict:
        from leaklab.lab.prediction import questions

        check_settings(entry.id, entry.scenario, settings, how)
        asked = questions(entry.scenario, halves)
        guessed = _guesses_from(guesses or (), asked, ", ".join(filter(None, (entry.id, str(settings)))))
    with output.live_counts(how, entry.id, entry.scenario.telling, settings.steps) as watched:
        result = run_scenario(entry, settings, watched, halves)
    data = {"why": entry.why, "every": every, "sources": sources, "samples": samples}
    if predict:
        from leaklab.lab.prediction import predictions

        data["predicted"] = predictions(asked, guessed, result)
    target.show(paged=every, result=result, **data)
    undecided = any(one.judgement.verdict is Verdict.INCONCLUSIVE or one.complaint for one in result.halves.values())
    if target.format != "json" and not undecided:
        # Nothing above says it: a verdict that the scenario does not expect.
        output.complain(*(f"{entry.id}, {surprise}" for surprise in result.surprises))
    return output.exit_code([result], as_expected=result.as_expected)


def _guesses_from(files: Sequence[Path], asked: Sequence[Question], title: str) -> Sequence[Guess]:
    """The guesses in `files`, or on standard input, or typed at the terminal. Raises UsageError if they are no use."""
    from leaklab.lab.prediction import ask, read_guesses
    from leaklab.reports.guesses import prompt

    if not files and sys.stdin.isatty():
        output.say_aside(output.folded(f"{title}. Predict the measurements. Enter skips a question.") + "\n")
        return ask(asked, lambda question: output.answer(prompt(question)), lambda why: output.say_aside(f"  {why}\n"))
    named = [os.path.realpath(file) for file in files if file.is_file()]
    if twice := [file for file in files if named.count(os.path.realpath(file)) > 1]:
        raise UsageError(f"--guesses {twice[-1]}: this file is named twice: its hands would count twice")
    texts = {str(file or "standard input"): _text_of(file) for file in files or (None,)}
    return read_guesses(texts, asked)


def _text_of(file: Path | None) -> str:
    """The text of a file of guesses, or of standard input. Raises UsageError if it cannot be read or is too long."""
    try:
        if file is None:
            text = sys.stdin.read(MOST_GUESSES + 1)
        else:
            # What is named may be a pipe of the shell's.
            with file.open(encoding="utf-8") as source:
                text = source.read(MOST_GUESSES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        what = f"--guesses {file or '(standard input)'} cannot be read: {reason}"
        raise UsageError(f"{what}. Save them as CSV in UTF-8, and name that file.") from error
    if len(text) > MOST_GUESSES:
        what = f"{file or 'standard input'} has more than {MOST_GUESSES:,} characters"
        raise UsageError(f"{what}: leave some guesses out")
    return text
