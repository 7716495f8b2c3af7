"""`run`: one scenario's halves are measured, after a prediction or until one fails if that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaklab.commands import options, output, parsing
from leaklab.commands.guessing import guesses_from
from leaklab.commands.measuring import exit_for, halves_of, measure, measure_failure
from leaklab.errors import UsageError
from leaklab.reports.formats import FAILURE, PREDICTION, RUN

Format = Annotated[str | None, options.format_of(RUN)]
UntilFailure = Annotated[bool, typer.Option("--until-failure", help="Run under a low limit until the leaky half dies.")]
Predict = Annotated[bool, typer.Option("--predict", help="Predict the measurements before you see them.")]
Guesses = Annotated[Path | None, typer.Option(metavar="FILE", help="Predictions as CSV: who,half,metric,guess.")]


def command(
    name: options.Name,
    steps: options.Steps = None,
    set_: options.Set = None,
    repeat: options.Repeat = 1,
    almost: options.Almost = False,
    until_failure: UntilFailure = False,
    predict: Predict = False,
    guesses: Guesses = None,
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    form: Format = None,
    as_json: options.Json = False,
    file: options.Output = None,
    samples: options.Samples = False,
) -> None:
    """Run a scenario's halves and show what each left open."""
    from leaklab.content.catalog import Catalog

    predict = predict or guesses is not None
    if until_failure and (predict or almost or repeat > 1):
        raise UsageError(
            "--until-failure goes with none of --predict, --guesses, --almost and --repeat: leave them out"
        )
    report = FAILURE if until_failure else PREDICTION if predict else RUN
    target = output.destination(report, form, file, as_json=as_json, samples=samples)
    entry = Catalog(scenarios).get(name)
    given = parsing.given_settings(steps, set_)
    settings = parsing.settings_from_options(entry.id, entry.scenario.settings, given)
    how = parsing.run_options(limit, repeat, mongo)
    if until_failure:
        failure = measure_failure(entry, settings, how)
        target.show(failure=failure, samples=samples)
        exit_for([failure.result], as_expected=failure.as_expected)
        return
    halves = halves_of(entry, almost=almost)
    if not predict:
        result = measure(entry, settings, how, halves)
        target.show(result=result, why=entry.why, samples=samples)
    else:
        from leaklab.lab.pair import check_settings
        from leaklab.lab.prediction import predictions, questions

        check_settings(entry.id, entry.scenario, settings, how)
        asked = questions(entry.scenario, halves)
        guessed = guesses_from(guesses, asked, ", ".join(filter(None, (entry.id, str(settings)))))
        result = measure(entry, settings, how, halves)
        predicted = predictions(asked, guessed, result)
        target.show(result=result, why=entry.why, samples=samples, predicted=predicted)
    exit_for([result])
