"""Guesses about a scenario before it is run: the questions, parsing, and scoring."""

import csv
import io
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from leaklab.content.declaration import Scenario
from leaklab.content.settings import DURATION, SIZE
from leaklab.errors import UsageError
from leaklab.lab.result import Result, half_label
from leaklab.metrics import METRICS, Metric, Moment

NEAR = 0.2
"""A guess of seconds or bytes is right within this share of the measurement; a guess of a count must be exact."""

COLUMNS = ("who", "half", "metric", "guess")
"""The columns of rows of guesses; without `who`, all guesses are by one person."""

MOST_COUNT = 10**12
"""The highest possible guess of a count."""

MOST_PEOPLE = 10_000
"""People in a room, at most."""

_TALLIED = re.compile(r"([^×x*]+?) ?[×x*] ?(\d+)(?: ?[,;] ?| |$)", re.IGNORECASE | re.ASCII)
_HAS_TALLY = re.compile(r"\d ?[a-z]{0,20} ?[×x*] ?\d", re.IGNORECASE | re.ASCII)
_COUNT = re.compile(r"([1-9]\d{0,2}(?:[, ]\d{3})+|\d+)\s*([a-z ]*)", re.IGNORECASE | re.ASCII)
_KINDS = {"bytes": SIZE, "seconds": DURATION}
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

    @property
    def tally(self) -> str:
        """A tally of guesses in its proper form."""
        return f"{self.half},{self.metric}: {self.example}×12"


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess, by one person or by all who raised their hands for it.

    Attributes:
        value: in the metric's unit.
        who: whose it is; None in a tally, or if there is only one person.
        hands: how many people made it, in a tally; None if it is one person's.
    """

    question: Question
    value: float
    who: str | None = None
    hands: int | None = None

    @property
    def people(self) -> int:
        """How many people made it."""
        return 1 if self.hands is None else self.hands


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question, its measurement (in the metric's unit; None if it could not be read), and all guesses in order."""

    question: Question
    measured: float | None
    guesses: tuple[Guess, ...]

    @property
    def median(self) -> float | None:
        """The median of what the people guessed, None without guesses."""
        if not self.guesses:
            return None
        ordered = sorted(self.guesses, key=lambda guess: guess.value)
        reached = list(accumulate(guess.people for guess in ordered))
        middle = ((reached[-1] - 1) // 2, reached[-1] // 2)
        return sum(ordered[bisect_right(reached, place)].value for place in middle) / 2

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
    if (kind := _KINDS.get(counted.unit)) is not None:
        amount = float(kind.parse(f"{text}MiB" if kind is SIZE and text[-1:].isdigit() else text))
        if amount > kind.most:
            raise ValueError(f"{text[:40]!r} is more than any machine has: write something like {question.example}")
        return amount
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


def read_guesses(sources: Mapping[str, str], asked: Sequence[Question]) -> tuple[Guess, ...]:
    """The guesses in these texts, by what each text is called: rows of people and tallies of hands, in any order.

    Rows are CSV with a header, `who,half,metric,guess`, in any order and with or without `who`; semicolons and tabs
    separate too, as spreadsheets write them. A line `half,metric: VALUE×COUNT VALUE×COUNT …` is a tally: so many people
    guessed that; `x` and `*` are as good as `×`, and tallies of one question add up. A metric may have its label.

    Raises UsageError, which names the text and the line, if there is no guess in a text or a line cannot be read.
    """
    guesses: list[Guess] = []
    answered: set[tuple[str | None, Question]] = set()
    named = _spellings(asked)
    a_tally = f"or a tally, like {asked[0].tally}"
    for source, text in sources.items():
        lines = list(io.StringIO(text.removeprefix("\N{BYTE ORDER MARK}"), newline=""))
        hands: list[Guess] = []
        tallies = 0
        for index, line in enumerate(lines):
            try:
                tally = _read_tally(line, named)
            except ValueError as error:
                raise UsageError(f"{source}, line {index + 1}: {error}") from None
            if tally is not None:
                hands += tally
                tallies += 1
                lines[index] = "\n"  # the other lines keep their numbers
        numbered = _csv_rows(source, lines)
        if not numbered and not tallies:
            header = ",".join(COLUMNS)
            raise UsageError(f"{source} is empty: write a header, {header}, and one line per guess, {a_tally}")
        found = [*_read_rows(source, numbered, named, answered, a_tally), *hands]
        if not found:
            raise UsageError(f"{source} has no guesses: write one line per guess, {a_tally}")
        guesses += found
    return tuple(guesses)


def _read_tally(line: str, named: Mapping[str, Question]) -> Sequence[Guess] | None:
    """The guesses of a tally, None if the line is not one. Raises ValueError with what is wrong."""
    # A spreadsheet quotes a line with commas, and fills it up to its columns.
    head, colon, tallied = " ".join(line.strip(' \t\r\n,;"').split()).partition(":")
    if not colon:
        return None
    question = _question(re.split("[,;]", head), named)
    if question is None:
        if not _HAS_TALLY.search(tallied):
            return None
        raise _no_question(head, named)
    tallied = tallied.strip()
    if not tallied:
        raise ValueError(f"there is nothing after the colon: write a guess and how many made it, like {question.tally}")
    guesses: list[Guess] = []
    at = 0
    while at < len(tallied):
        match = _TALLIED.match(tallied, at)
        if match is None:
            left = tallied[at : at + 40]
            raise ValueError(f"{left!r} is not a guess and how many made it: write them like {question.tally}")
        # As a float, for the same reason as a guess.
        people = float(match[2])
        if people > MOST_PEOPLE:
            raise ValueError(f"{match[0][:40]!r} is more people than a room holds: write up to {MOST_PEOPLE:,}")
        value = parse_guess(question, match[1])
        if value is not None and people:
            guesses.append(Guess(question, value, hands=int(people)))
        at = match.end()
    return guesses


def _csv_rows(source: str, lines: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its line. Raises UsageError if the lines are not CSV."""
    head = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=head.count)
    try:
        rows = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
        return [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"{source} is not CSV: {error}. Write {','.join(COLUMNS)} in each line.") from None


def _read_rows(
    source: str,
    numbered: Sequence[tuple[int, Sequence[str]]],
    named: Mapping[str, Question],
    answered: set[tuple[str | None, Question]],
    a_tally: str,
) -> Iterator[Guess]:
    """The guesses in rows, the first of which is the header; who answered what is added to `answered`.

    Raises UsageError as `read_guesses` does.
    """
    if not numbered:
        return
    names = [cell.strip().lower() for cell in numbered[0][1]]
    if sorted(names) not in (sorted(COLUMNS), sorted(COLUMNS[1:])):
        raise UsageError(
            f"{source}, line {numbered[0][0]}: {','.join(numbered[0][1])[:80]!r} is not the header: "
            f"write {','.join(COLUMNS)} (or, for one person, {','.join(COLUMNS[1:])}), {a_tally}"
        )
    for number, row in numbered[1:]:
        try:
            who, question, value = _read_row(names, row, named)
            if (who, question) in answered:
                raise ValueError(f"{who or 'you'} already guessed {question.metric} of the {question.half} half")
        except ValueError as error:
            raise UsageError(f"{source}, line {number}: {error}") from None
        answered.add((who, question))
        if value is not None:
            yield Guess(question, value, who)


def _read_row(
    names: Sequence[str], row: Sequence[str], named: Mapping[str, Question]
) -> tuple[str | None, Question, float | None]:
    """Who guessed, the question, and the guess (None for a dash). Raises ValueError with what is wrong."""
    if len(row) < len(names):
        raise ValueError(f"{','.join(row)[:80]!r} has too few columns")
    if len(row) > len(names):
        raise ValueError(f"{','.join(row)[:80]!r} has too many columns: put a guess with a comma in quotes")
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
    question = _question([cells["half"], *cells["metric"].split(",")], named)
    if question is None:
        raise _no_question(f"{cells['half']},{cells['metric']}", named)
    who = cells.get("who")
    if who == "":
        raise ValueError("the name of the person is missing")
    if who is not None and not who.isprintable():
        raise ValueError(f"the name {who!r} holds characters that cannot be shown")
    return who, question, parse_guess(question, cells["guess"])


def _spellings(asked: Sequence[Question]) -> Mapping[str, Question]:
    """The questions by the words that name them: the half and the metric, each by its name or label."""
    return {
        _words(f"{half} {metric}"): one
        for one in asked
        for half in (one.half, half_label(one.half))
        for metric in (one.metric, one.counted.label)
    }


def _question(cells: Sequence[str], named: Mapping[str, Question]) -> Question | None:
    """The question that the first cells name; the last may be the moment: `open sockets, after run()`."""
    begun = (_words(" ".join(cells[:end])) for end in range(1, min(len(cells), 3) + 1))
    return next((named[words] for words in begun if words in named), None)


def _words(text: str) -> str:
    """The words of a name, however they are joined."""
    return re.sub(r"[\W_]+", " ", text).strip().lower()


def _no_question(said: str, named: Mapping[str, Question]) -> ValueError:
    there = "; ".join(f"{one.half},{one.metric}" for one in dict.fromkeys(named.values()))
    return ValueError(f"there is no question {said[:80]!r}. The questions are: {there}")


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
    """How many guesses of each person are right, best first; equals in the order of their first guess.

    Hands that were counted are nobody's, and what was not measured counts for nobody.
    """
    scored = [prediction for prediction in scored if prediction.measured is not None]
    made = Counter(guess.who for prediction in scored for guess in prediction.guesses if guess.hands is None)
    right = Counter(guess.who for prediction in scored for guess in prediction.right if guess.hands is None)
    return tuple(Score(who, right[who], of) for who, of in sorted(made.items(), key=lambda item: -right[item[0]]))
