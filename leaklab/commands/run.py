"""`run`: one scenario's halves are measured, after a prediction or until one fails if that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from leaklab.commands import output, parsing
from leaklab.commands.guessing import guesses_from
from leaklab.commands.measuring import exit_for, halves_of, measure
from leaklab.commands.options import (
    Almost,
    Json,
    Limit,
    Mongo,
    Name,
    Output,
    Repeat,
    Samples,
    Scenarios,
    Set,
    Steps,
    format_of,
)
from leaklab.errors import UsageError
from leaklab.reports.formats import FailureReport, PredictedReport, Report, RunReport

Format = Annotated[str | None, format_of(RunReport)]
UntilFailure = Annotated[bool, typer.Option("--until-failure", help="Run under a low limit until the leaky half dies.")]
Predict = Annotated[bool, typer.Option("--predict", help="Predict the measurements before you see them.")]
Guesses = Annotated[Path | None, typer.Option(metavar="FILE", help="Predictions as CSV: who,half,metric,guess.")]


def command(
    name: Name,
    steps: Steps = None,
    set_: Set = None,
    repeat: Repeat = 1,
    almost: Almost = False,
    until_failure: UntilFailure = False,
    predict: Predict = False,
    guesses: Guesses = None,
    limit: Limit = None,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    form: Format = None,
    as_json: Json = False,
    file: Output = None,
    samples: Samples = False,
) -> None:
    """Run a scenario's halves and show what each left open."""
    from leaklab.content.catalog import Catalog
    from leaklab.lab.pair import check_settings

    predict = predict or guesses is not None
    if until_failure and (predict or almost or repeat > 1):
        raise UsageError(
            "--until-failure goes with none of --predict, --guesses, --almost and --repeat: leave them out"
        )
    kind: type[Report] = FailureReport if until_failure else PredictedReport if predict else RunReport
    target = output.destination(kind, form, file, as_json=as_json, samples=samples)
    entry = Catalog(scenarios).get(name)
    settings = parsing.settings_from_options(entry.id, entry.scenario.settings, parsing.given_settings(steps, set_))
    options = parsing.run_options(parsing.limits_from_options(limit), repeat, mongo)
    if until_failure:
        from leaklab.lab.until_failure import run_until_failure

        with output.progress_bar(entry.id, None, 1) as progress:
            failure = run_until_failure(entry, settings, replace(options, progress=progress))
        target.show(FailureReport(failure, samples))
        exit_for([failure.result], as_expected=failure.as_expected)
        return
    if not predict:
        result = measure(entry, settings, options, almost=almost)
        target.show(RunReport(result, entry.why, samples))
    else:
        from leaklab.lab.prediction import predictions, questions

        # What cannot be run is refused before the questions.
        check_settings(entry.id, entry.scenario, settings, options)
        asked = questions(entry.scenario, halves_of(entry, almost=almost))
        guessed = guesses_from(guesses, asked, ", ".join(filter(None, (entry.id, str(settings)))))
        result = measure(entry, settings, options, almost=almost)
        target.show(PredictedReport(RunReport(result, entry.why, samples), predictions(asked, guessed, result)))
    exit_for([result])
