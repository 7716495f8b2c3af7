"""Guesses about a scenario before it is run: the questions, parsing, and scoring."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaklab.content.declaration import Scenario
from leaklab.errors import UsageError
from leaklab.lab.result import Result, half_label, median
from leaklab.metrics import METRICS, Metric, Moment
from leaklab.units import parse_duration, parse_size

NEAR = 0.2
"""A guess of seconds or bytes is right within this share of the measurement; a guess of a count must be exact."""

COLUMNS = ("who", "half", "metric", "guess")
"""The columns of a file of guesses; without `who`, all guesses are by one person."""

MOST_COUNT = 10**12
"""The highest possible guess of a count."""

_COUNT = re.compile(r"(\d{1,3}(?:[, ]\d{3})+|\d+)\s*([a-z ]*)", re.IGNORECASE | re.ASCII)
_NO_GUESS = {"", "-", "–", "—", "?"}


@dataclass(frozen=True, slots=True)
class Question:
    """One figure to guess: the half, the metric and the moment."""

    half: str
    metric: str
    reading: Moment

    @property
    def counted(self) -> Metric:
        """The metric itself."""
        return METRICS[self.metric]

    @property
    def example(self) -> str:
        """A guess in its proper form."""
        return {"bytes": "64MiB", "seconds": "2.5s"}.get(self.counted.unit, "7")


@dataclass(frozen=True, slots=True)
class Guess:
    """One person's guess, in the metric's unit; `who` is None if there is only one person."""

    question: Question
    value: float
    who: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question, its measurement (in the metric's unit; None if it could not be read), and all guesses in order."""

    question: Question
    measured: float | None
    guesses: tuple[Guess, ...]

    @property
    def median(self) -> float | None:
        """The median guess, None without guesses."""
        return median([guess.value for guess in self.guesses]) if self.guesses else None

    @property
    def closest(self) -> tuple[Guess, ...]:
        """The guesses closest to the measurement: several if they are equally close."""
        if self.measured is None or not self.guesses:
            return ()
        least = min(abs(guess.value - self.measured) for guess in self.guesses)
        return tuple(guess for guess in self.guesses if abs(guess.value - self.measured) == least)

    @property
    def right(self) -> tuple[Guess, ...]:
        """The correct guesses."""
        return tuple(guess for guess in self.guesses if is_right(guess, self.measured))


@dataclass(frozen=True, slots=True)
class Score:
    """How many of one person's guesses are right; `who` is None if there is only one person."""

    who: str | None
    right: int
    of: int


def questions(scenario: Scenario, halves: Sequence[str]) -> tuple[Question, ...]:
    """The questions about these halves: the key metrics, at the moment at which they show the leak.

    That is the last moment in the table, or the one before if it is held until the function returns: the last step for
    memory, the peak for counts.
    """
    held = {metric for kind, metric in scenario.expected["leaky"].findings if kind == "held"}
    asked: list[Question] = []
    for metric in scenario.telling:
        moments = METRICS[metric].moments
        reading = moments[-2] if metric in held and len(moments) > 1 else moments[-1]
        asked += [Question(half, metric, reading) for half in halves]
    return tuple(asked)


def parse_guess(question: Question, text: str) -> float | None:
    """The guess in `text`, in the metric's unit; None for a dash or nothing, which skips the question.

    A bare number means a count, seconds or MiB; sizes and durations take the same units as options. Raises ValueError
    for what is not a guess.
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
    # As a float: int() refuses thousands of digits with a message of its own.
    value = float(re.sub("[, ]", "", match[1]))
    if value > MOST_COUNT:
        raise ValueError(f"{text[:40]!r} is more {counted.plural} than any machine has")
    return value


def ask(
    asked: Sequence[Question], put: Callable[[Question], str | None], explain: Callable[[str], None]
) -> tuple[Guess, ...]:
    """Ask each question until the answer is a guess or a skip.

    `put` asks one question and returns the answer, None at the end of input; `explain` shows what was wrong with it.
    """
    guesses: list[Guess] = []
    waiting = list(asked)
    while waiting and (text := put(waiting[0])) is not None:
        try:
            value = parse_guess(waiting[0], text)
        except ValueError as error:
            explain(str(error))
            continue
        question = waiting.pop(0)
        if value is not None:
            guesses.append(Guess(question, value))
    return tuple(guesses)


def read_guesses(text: str, asked: Sequence[Question], source: str) -> tuple[Guess, ...]:
    """The guesses in `text`: CSV with a header, `who,half,metric,guess`, in any order and with or without `who`.

    Semicolons and tabs separate too, as spreadsheets write them. A metric may be named as in a table. Raises
    UsageError, which calls the CSV `source`, if there is no guess in it or a line cannot be read.
    """
    lines = text.removeprefix("\N{BYTE ORDER MARK}")
    head = next((line for line in lines.splitlines() if line.strip()), "")
    separator = max(",;\t", key=head.count)
    try:
        rows = csv.reader(io.StringIO(lines, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
        numbered = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"{source} is not CSV: {error}. Write {','.join(COLUMNS)} in each line.") from None
    if not numbered:
        raise UsageError(f"{source} is empty: write a header, {','.join(COLUMNS)}, and one line per guess")
    names = [cell.strip().lower() for cell in numbered[0][1]]
    if sorted(names) not in (sorted(COLUMNS), sorted(COLUMNS[1:])):
        raise UsageError(
            f"{source}, line {numbered[0][0]}: {separator.join(numbered[0][1])[:80]!r} is not the header: "
            f"write {','.join(COLUMNS)} (or, for one person, {','.join(COLUMNS[1:])})"
        )
    values: dict[tuple[str | None, Question], float | None] = {}
    for number, row in numbered[1:]:
        try:
            who, question, value = _read_row(names, row, asked)
            if (who, question) in values:
                raise ValueError(f"{who or 'you'} already guessed {question.metric} of the {question.half} half")
        except ValueError as error:
            raise UsageError(f"{source}, line {number}: {error}") from None
        values[who, question] = value
    guesses = tuple(Guess(question, value, who) for (who, question), value in values.items() if value is not None)
    if not guesses:
        raise UsageError(f"{source} has no guesses: write one line per guess")
    return guesses


def _read_row(
    names: Sequence[str], row: Sequence[str], asked: Sequence[Question]
) -> tuple[str | None, Question, float | None]:
    """Who guessed, the question, and the guess (None for a dash). Raises ValueError with what is wrong."""
    if len(row) < len(names):
        raise ValueError(f"{','.join(row)[:80]!r} has too few columns")
    if len(row) > len(names):
        raise ValueError(f"{','.join(row)[:80]!r} has too many columns: put a guess with a comma in quotes")
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
    half, metric = cells["half"].lower(), _metric_name(cells["metric"])
    question = next((one for one in asked if half in (one.half, half_label(one.half)) and one.metric == metric), None)
    if question is None:
        there = "; ".join(f"{one.half},{one.metric}" for one in asked)
        raise ValueError(f"there is no question {half + ',' + cells['metric']!r}. The questions are: {there}")
    who = cells.get("who")
    if who == "":
        raise ValueError("the name of the person is missing")
    if who is not None and not who.isprintable():
        raise ValueError(f"the name {who!r} holds characters that cannot be shown")
    return who, question, parse_guess(question, cells["guess"])


def _metric_name(text: str) -> str:
    """The name of a metric that is given by its name or its label."""
    text = text.lower().partition(",")[0]  # a row of a table: `open sockets, after run()`
    by_label = {metric.label.lower(): metric.name for metric in METRICS.values()}
    return by_label.get(text, re.sub(r"[\s-]+", "_", text))


def is_right(guess: Guess, measured: float | None) -> bool:
    """Whether a guess is right: a count exactly, seconds and bytes within NEAR."""
    if measured is None:
        return False
    if guess.question.counted.unit == "count":
        return guess.value == measured
    return abs(guess.value - measured) <= NEAR * measured


def predictions(asked: Sequence[Question], guesses: Sequence[Guess], result: Result) -> tuple[Prediction, ...]:
    """Each question with its measurement and its guesses."""
    return tuple(
        Prediction(
            question,
            half.value(question.metric, question.reading.value) if (half := result.halves.get(question.half)) else None,
            tuple(guess for guess in guesses if guess.question == question),
        )
        for question in asked
    )


def scores(scored: Sequence[Prediction]) -> tuple[Score, ...]:
    """How many guesses of each person are right, best first; equals in the order of their first guess."""
    made = Counter(guess.who for prediction in scored for guess in prediction.guesses)
    right = Counter(guess.who for prediction in scored for guess in prediction.right)
    return tuple(Score(who, right[who], of) for who, of in sorted(made.items(), key=lambda item: -right[item[0]]))
