"""What people guess of a scenario before they see it: the questions, how guesses are read, and how they are scored."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaklab.content.declaration import Scenario
from leaklab.errors import UsageError
from leaklab.lab.result import Result, median
from leaklab.metrics import METRICS, Metric, Moment
from leaklab.units import parse_duration, parse_size

NEAR = 0.2
"""A guess of seconds or bytes is right within this share of what was measured; a guess of a count is right if it is
the count."""

COLUMNS = ("who", "half", "metric", "guess")
"""The columns of a file of guesses; without `who`, all guesses are one person's."""

MOST_COUNT = 10**12
"""The highest count that can be guessed."""

_COUNT = re.compile(r"(\d{1,3}(?:[, ]\d{3})+|\d+)\s*([a-z ]*)", re.IGNORECASE | re.ASCII)
_NO_GUESS = {"", "-", "–", "—", "?"}


@dataclass(frozen=True, slots=True)
class Question:
    """One figure to be guessed: of which half, what is counted, and at which moment."""

    half: str
    metric: str
    reading: Moment

    @property
    def counted(self) -> Metric:
        """What is counted."""
        return METRICS[self.metric]

    @property
    def example(self) -> str:
        """A guess as it can be written."""
        return {"bytes": "64MiB", "seconds": "2.5s"}.get(self.counted.unit, "7")


@dataclass(frozen=True, slots=True)
class Guess:
    """What one person guessed, in the metric's unit; `who` is None where there is one person only."""

    question: Question
    value: float
    who: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question, what was measured, and what everybody guessed.

    Attributes:
        question: what was asked.
        measured: in the metric's unit; None if it could not be read.
        guesses: in the order they were made; who made none is not among them.
    """

    question: Question
    measured: float | None
    guesses: tuple[Guess, ...]

    @property
    def median(self) -> float | None:
        """The median guess, None if there is none."""
        return median([guess.value for guess in self.guesses]) if self.guesses else None

    @property
    def closest(self) -> tuple[Guess, ...]:
        """The guesses nearest to what was measured: several if they are equally near."""
        if self.measured is None or not self.guesses:
            return ()
        least = min(abs(guess.value - self.measured) for guess in self.guesses)
        return tuple(guess for guess in self.guesses if abs(guess.value - self.measured) == least)

    @property
    def right(self) -> tuple[Guess, ...]:
        """The guesses that are right."""
        return tuple(guess for guess in self.guesses if is_right(guess, self.measured))


@dataclass(frozen=True, slots=True)
class Score:
    """How many of somebody's guesses are right; `who` is None where there is one person only."""

    who: str | None
    right: int
    of: int


def questions(scenario: Scenario, halves: Sequence[str]) -> tuple[Question, ...]:
    """What is asked of these halves: the metrics that tell the leak, at the moment at which it shows.

    That is the last moment that a table shows, or, for what is held until the function returns, the one before that:
    the last step for memory, the peak for what is counted.
    """
    held = {metric for kind, metric in scenario.expected["leaky"].findings if kind == "held"}
    asked: list[Question] = []
    for metric in scenario.telling:
        moments = METRICS[metric].moments
        reading = moments[-2] if metric in held and len(moments) > 1 else moments[-1]
        asked += [Question(half, metric, reading) for half in halves]
    return tuple(asked)


def parse_guess(question: Question, text: str) -> float | None:
    """The guess that `text` means, in the metric's unit; None for a dash or nothing: no guess.

    A bare number means pieces, seconds, or MiB; sizes and durations may have any unit that options take.

    Raises:
        ValueError: it is no guess at all.
    """
    text = text.strip()
    if text in _NO_GUESS:
        return None
    counted = question.counted
    if counted.unit == "seconds":
        return parse_duration(text)
    if counted.unit == "bytes":
        return float(parse_size(f"{text}MiB" if text[-1:].isdigit() else text))
    match = _COUNT.fullmatch(text)
    if match is None or match[2].strip().lower() not in {"", counted.singular, counted.plural}:
        raise ValueError(f"{text!r} is not a number of {counted.plural}: write a whole number, like {question.example}")
    # As a float: int() refuses some thousand digits with words of its own.
    value = float(re.sub("[, ]", "", match[1]))
    if value > MOST_COUNT:
        raise ValueError(f"{text[:40]!r} is more {counted.plural} than any machine has")
    return value


def ask(
    asked: Sequence[Question], put: Callable[[Question], str | None], explain: Callable[[str], None]
) -> tuple[Guess, ...]:
    """Have each question answered; what cannot be a guess is explained, and asked again.

    Args:
        asked: the questions.
        put: asks one question, and returns what was answered; None when nobody answers any more.
        explain: tells what was wrong with an answer.
    """
    guesses: list[Guess] = []
    for question in asked:
        while (text := put(question)) is not None:
            try:
                value = parse_guess(question, text)
            except ValueError as error:
                explain(str(error))
                continue
            if value is not None:
                guesses.append(Guess(question, value))
            break
        else:
            break
    return tuple(guesses)


def read_guesses(text: str, asked: Sequence[Question], source: str) -> tuple[Guess, ...]:
    """The guesses in `text`: CSV with a header, `who,half,metric,guess`, in any order and with or without `who`.

    A semicolon or a tab separates as well as a comma, as spreadsheets write them. A metric may be written as in a
    table.

    Args:
        text: the CSV.
        asked: the questions that can be answered.
        source: what to call it in errors.

    Raises:
        UsageError: there is no guess in it, or a line that cannot be read; the message says which.
    """
    lines = text.removeprefix("\N{BYTE ORDER MARK}")
    head = next((line for line in lines.splitlines() if line.strip()), "")
    separator = max(",;\t", key=head.count)
    try:
        rows = csv.reader(io.StringIO(lines, newline=""), delimiter=separator, skipinitialspace=True)
        numbered = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"{source} is no CSV: {error}") from None
    if not numbered:
        raise UsageError(f"{source} is empty: write a header, {','.join(COLUMNS)}, and a line for every guess")
    names = [cell.strip().lower() for cell in numbered[0][1]]
    if sorted(names) not in (sorted(COLUMNS), sorted(COLUMNS[1:])):
        raise UsageError(
            f"{source}, line {numbered[0][0]}: {separator.join(numbered[0][1])[:80]!r} is not the header: "
            f"write {','.join(COLUMNS)} (or, for one person, {','.join(COLUMNS[1:])})"
        )
    guesses: list[Guess] = []
    seen: set[tuple[str | None, Question]] = set()
    for number, row in numbered[1:]:
        guess, question, who = _read_row(f"{source}, line {number}", dict(zip(names, row, strict=False)), row, asked)
        if (who, question) in seen:
            raise UsageError(
                f"{source}, line {number}: {who or 'you'} guessed {question.metric} of the {question.half} half before"
            )
        seen.add((who, question))
        if guess is not None:
            guesses.append(Guess(question, guess, who))
    if not guesses:
        raise UsageError(f"{source}: there is no guess in it: write a line for every guess")
    return tuple(guesses)


def _read_row(
    place: str, cells: dict[str, str], row: Sequence[str], asked: Sequence[Question]
) -> tuple[float | None, Question, str | None]:
    if len(row) < len(cells) or not {"half", "metric", "guess"} <= set(cells):
        raise UsageError(f"{place}: {','.join(row)[:80]!r} has too few columns")
    if len(row) > len(cells):
        raise UsageError(f"{place}: {','.join(row)[:80]!r} has too many columns: put a guess with a comma in quotes")
    half, metric = cells["half"].strip().lower(), _metric_name(cells["metric"])
    question = next((one for one in asked if (one.half, one.metric) == (half, metric)), None)
    if question is None:
        there = "; ".join(f"{one.half},{one.metric}" for one in asked)
        raise UsageError(f"{place}: nothing is asked of {half!r}, {cells['metric'].strip()!r}. Asked are: {there}")
    who = cells["who"].strip() if "who" in cells else None
    if who == "":
        raise UsageError(f"{place}: it does not say who guessed")
    try:
        return parse_guess(question, cells["guess"]), question, who
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None


def _metric_name(text: str) -> str:
    """The name of the metric that is meant by its name or its label."""
    text = text.strip().lower().partition(",")[0]  # as a table calls it: `open sockets, after return and gc`
    by_label = {metric.label.lower(): metric.name for metric in METRICS.values()}
    return by_label.get(text, re.sub(r"[\s-]+", "_", text))


def is_right(guess: Guess, measured: float | None) -> bool:
    """Whether a guess is right: a count exactly, seconds and bytes nearly."""
    if measured is None:
        return False
    if guess.question.counted.unit == "count":
        return guess.value == measured
    return abs(guess.value - measured) <= NEAR * measured


def predictions(asked: Sequence[Question], guesses: Sequence[Guess], result: Result) -> tuple[Prediction, ...]:
    """Each question with what was measured and what was guessed."""
    return tuple(
        Prediction(
            question,
            half.value(question.metric, question.reading.value) if (half := result.halves.get(question.half)) else None,
            tuple(guess for guess in guesses if guess.question == question),
        )
        for question in asked
    )


def scores(scored: Sequence[Prediction]) -> tuple[Score, ...]:
    """How many guesses of each person are right, the best first; of equals, who guessed first."""
    made = Counter(guess.who for prediction in scored for guess in prediction.guesses)
    right = Counter(guess.who for prediction in scored for guess in prediction.right)
    return tuple(Score(who, right[who], of) for who, of in sorted(made.items(), key=lambda item: -right[item[0]]))
