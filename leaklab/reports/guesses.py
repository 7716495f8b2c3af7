"""Guesses next to the measurements, for one person and for a whole room."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from leaklab.judge.findings import Verdict
from leaklab.lab.prediction import NEAR, Guess, Prediction, Question, is_right, scores
from leaklab.lab.result import Result, half_label
from leaklab.reports.histogram import Histogram
from leaklab.reports.rows import row_label
from leaklab.reports.table import MetricsTable, numbers, ruled, scenario_result, why_line

BEST = 5
"""People whose score is shown: a room may hold many."""


def prompt(question: Question) -> str:
    """A question as one person is asked it."""
    unit = {"bytes": ", in MiB", "seconds": ", in seconds"}.get(question.counted.unit, "")
    label, half = _named(question)
    return f"{half}: {label}{unit}? "


def guesses_shown(predicted: Sequence[Prediction]) -> RenderableType:
    """One person's guesses beside the measurements, or the histogram of a room; below, how many are right."""
    guesses = [guess for prediction in predicted for guess in prediction.guesses]
    alone = all(guess.who is None and guess.hands is None for guess in guesses)
    return Group(_of_one(predicted) if alone else Histogram(predicted), _scores(predicted, alone=alone), Text(""))


def predicted_result(result: Result, why: str, predicted: Sequence[Prediction], every: bool = False) -> RenderableType:
    """The predictions, and below them the table of the run, as they are to be seen together on a screen of 24 lines.

    What is found in the code is in the run itself, unless a half has no verdict: then all is said.
    """
    if any(half.judgement.verdict is Verdict.INCONCLUSIVE for half in result.halves.values()):
        return Group(guesses_shown(predicted), scenario_result(result, why, every))
    more = Text.assemble("Which line, and what keeps it: ", (f"leaklab run {result.scenario}", "bold"))
    return Group(guesses_shown(predicted), MetricsTable(result, every=every), Text(""), why_line(why), more)


def _of_one(predicted: Sequence[Prediction]) -> RenderableType:
    table = ruled("metric", "half", numbers("your guess"), numbers("measured"), "")
    for prediction in predicted:
        figure, measured = prediction.question.counted.format, prediction.measured
        guess = next(iter(prediction.guesses), None)
        guessed = figure(None if guess is None else guess.value)
        table.add_row(*_named(prediction.question), guessed, figure(measured), _mark(guess, measured))
    return table


def _named(question: Question) -> tuple[str, str]:
    return row_label(question.counted, question.reading), half_label(question.half)


def _mark(guess: Guess | None, measured: float | None) -> Text:
    if guess is None or measured is None:
        return Text("")
    if is_right(guess, measured):
        return Text("right", style="bold green")
    above, below = ("too many", "too few") if guess.question.counted.unit == "count" else ("too high", "too low")
    return Text(above if guess.value > measured else below, style="bold red")


def _scores(predicted: Sequence[Prediction], *, alone: bool) -> Text:
    held = scores(predicted)
    rule = f"counts exact, time and memory within {NEAR:.0%}"
    if not held:
        return Text("You made no guess." if alone else f"Right: {rule}.", style="" if alone else "dim")
    names = ["" if alone else f"{score.who or 'you'}: " for score in held[:BEST]]
    best = ", ".join(f"{name}{score.right} of {score.of}" for name, score in zip(names, held, strict=False))
    more = f", and {len(held) - BEST:,} more" if len(held) > BEST else ""
    return Text.assemble(("Right: ", "bold"), f"{best}{more} ({rule})")
