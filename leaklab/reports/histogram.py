"""What a room guessed, as bars beside what was measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Column, Table
from rich.text import Text

from leaklab.lab.prediction import Guess, Prediction, is_right
from leaklab.lab.result import half_label
from leaklab.reports.rows import row_label

WIDTH = 38
"""Columns that a question needs: where there is room for two of them, its halves are side by side."""

SCREEN = 20
"""Lines that all questions share: a screen has 24, and the scores and the prompt need some."""

FEWEST, MOST = 3, 6
"""Rows of a question: what was measured, what most people guessed, and one for all other guesses."""


class Bar(NamedTuple):
    """A row: the guess, how many people made it, what is said of it, and whether it is what was measured."""

    label: str
    people: int
    note: str = ""
    is_measured: bool = False

    @property
    def tail(self) -> str:
        """What stands behind the bar."""
        return f" {self.people:,}  {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class Histogram:
    """The guesses of a room, as a Rich renderable: a question without any is left out."""

    predicted: Sequence[Prediction]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        guessed = [prediction for prediction in self.predicted if prediction.guesses]
        beside = max(1, options.max_width // WIDTH)
        shelves: list[Sequence[Prediction]] = []
        for _, of_metric in groupby(guessed, key=lambda prediction: prediction.question.metric):
            halves = list(of_metric)
            shelves += [halves[at : at + beside] for at in range(0, len(halves), beside)]
        rows = max(FEWEST, min(MOST, SCREEN // max(1, len(shelves)) - 2))
        barred = [[bars(prediction, rows) for prediction in shelf] for shelf in shelves]
        columns = max(map(len, shelves), default=1)
        width = options.max_width // columns
        each = [bar for shelf in barred for several in shelf for bar in several]
        label = max((len(bar.label) for bar in each), default=0)
        # One block for a person, or as much of it as lets every row fit; but no long note makes all bars alike.
        room = width - label - len(" ▸   ") - 2
        least = room / 3 / max((bar.people for bar in each), default=1)
        block = min(
            1.0, max(least, min(((room - len(bar.tail)) / bar.people for bar in each if bar.people), default=1))
        )
        before = None
        for shelf, several in zip(shelves, barred, strict=True):
            question = shelf[0].question
            if question.metric != before:
                yield Text(row_label(question.counted, question.reading), style="bold")
            before = question.metric
            grid = Table.grid(*(Column(width=width, no_wrap=True, overflow="ellipsis") for _ in range(columns)))
            grid.add_row(*(_block(one, those, label, block) for one, those in zip(shelf, several, strict=True)))
            yield grid


def bars(prediction: Prediction, most: int) -> list[Bar]:
    """The guesses of one question in order, equals together, at most so many rows.

    What was measured has a row even if it was not guessed. Where there are too many guesses, those of the fewest people
    share the last row.
    """
    figure, measured = prediction.question.counted.format, prediction.measured
    guesses = sorted(prediction.guesses, key=lambda guess: guess.value)
    by_label: dict[str, list[Guess]] = {}
    for value in sorted([*(guess.value for guess in guesses), *([] if measured is None else [measured])]):
        by_label[figure(value)] = []
    for guess in guesses:
        by_label[figure(guess.value)].append(guess)
    here = None if measured is None else figure(measured)
    # What was measured comes first, then what most people guessed; of equals, the lower.
    ranked = sorted(by_label, key=lambda label: (label != here, -_people(by_label[label])))
    kept = ranked if len(ranked) <= most else ranked[: most - 1]
    shown = [
        Bar(
            label, _people(those), "right" if those and _right(those, measured) == _people(those) else "", label == here
        )
        for label, those in by_label.items()
        if label in kept
    ]
    others = [guess for label in ranked[len(kept) :] for guess in by_label[label]]
    if others:
        low, high = figure(min(guess.value for guess in others)), figure(max(guess.value for guess in others))
        # The unit of both is written once.
        spread = f"{low.removesuffix(high.partition(' ')[2]).rstrip()} to {high}"
        right = _right(others, measured)
        shown.append(Bar("others", _people(others), f"{right:,} right" if right else spread))
    return shown


def _people(guesses: Sequence[Guess]) -> int:
    return sum(guess.people for guess in guesses)


def _right(guesses: Sequence[Guess], measured: float | None) -> int:
    return _people([guess for guess in guesses if is_right(guess, measured)])


def _block(prediction: Prediction, several: Sequence[Bar], label: int, block: float) -> Text:
    measured = prediction.measured
    was = "not measured" if measured is None else f"measured {prediction.question.counted.format(measured)}"
    text = Text(f"{half_label(prediction.question.half)}: {was}")
    for bar in several:
        halves = max(1, round(2 * block * bar.people)) if bar.people else 0
        drawn = "█" * (halves // 2) + "▌" * (halves % 2)
        style = "bold" if bar.is_measured else ""
        text.append(f"\n {'▸' if bar.is_measured else ' '} {bar.label:>{label}}  ", style)
        text.append(drawn, "green" if bar.note == "right" else "")
        text.append(bar.tail if drawn else bar.tail.lstrip(), style)
    return text
