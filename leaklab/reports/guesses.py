"""Guesses next to the measurements, for one person and for a whole room."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from leaklab.lab.prediction import NEAR, Guess, Prediction, Question, is_right, scores
from leaklab.lab.result import Result, half_label
from leaklab.reports.rows import row_label
from leaklab.reports.table import numbers, ruled, scenario_result

NAMES = 3
"""Names shown of people whose guesses are equally close; the others are counted."""

BEST = 5
"""People whose score is shown: a room may hold many."""


def prompt(question: Question) -> str:
    """A question as one person is asked it."""
    unit = {"bytes": ", in MiB", "seconds": ", in seconds"}.get(question.counted.unit, "")
    label, half = _named(question)
    return f"{half}: {label}{unit}? "


def predictions_table(predicted: Sequence[Prediction]) -> RenderableType:
    """Each question with its guesses and the measurement, then the scores."""
    alone = all(guess.who is None for prediction in predicted for guess in prediction.guesses)
    if alone:
        table = ruled("metric", "half", numbers("your guess"), numbers("measured"), "")
    else:
        table = ruled("metric", "half", *map(numbers, ("guesses", "median", "measured", "right")), "closest")
    for prediction in predicted:
        figure, measured = prediction.question.counted.format, prediction.measured
        if alone:
            guess = next(iter(prediction.guesses), None)
            guessed, mark = figure(None if guess is None else guess.value), _mark(guess, measured)
            cells: tuple[RenderableType, ...] = guessed, figure(measured), mark
        else:
            guesses, right = (f"{len(these):,}" for these in (prediction.guesses, prediction.right))
            cells = guesses, figure(prediction.median), figure(measured), right, _closest(prediction)
        table.add_row(*_named(prediction.question), *cells)
    return Group(table, _scores(predicted, alone=alone), Text(""))


def predicted_result(result: Result, why: str, predicted: Sequence[Prediction]) -> RenderableType:
    """The table of a run, and that of the predictions below it."""
    return Group(scenario_result(result, why), predictions_table(predicted))


def _named(question: Question) -> tuple[str, str]:
    return row_label(question.counted, question.reading), half_label(question.half)


def _mark(guess: Guess | None, measured: float | None) -> Text:
    if guess is None or measured is None:
        return Text("")
    if is_right(guess, measured):
        return Text("right", style="bold green")
    above, below = ("too many", "too few") if guess.question.counted.unit == "count" else ("too high", "too low")
    return Text(above if guess.value > measured else below, style="bold red")


def _closest(prediction: Prediction) -> Text:
    closest = prediction.closest
    if not closest:
        return Text("–")
    names = ", ".join(guess.who or "you" for guess in closest[:NAMES])
    more = f" and {len(closest) - NAMES:,} more" if len(closest) > NAMES else ""
    values = {guess.value for guess in closest}
    figures = " or ".join(prediction.question.counted.format(value) for value in sorted(values))
    return Text(f"{names}{more} ({figures})")


def _scores(predicted: Sequence[Prediction], *, alone: bool) -> Text:
    held = scores(predicted)
    if not held:
        return Text("You made no guess.")
    best = ", ".join(f"{'' if alone else f'{score.who}: '}{score.right} of {score.of}" for score in held[:BEST])
    more = f", and {len(held) - BEST:,} more" if len(held) > BEST else ""
    return Text.assemble(("Right: ", "bold"), f"{best}{more} (counts exact, time and memory within {NEAR:.0%})")
