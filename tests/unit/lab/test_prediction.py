"""Guesses are read as people write them, refused with place and remedy, and scored against what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jsonschema
import pytest
from rich.console import Console

from leaklab.content.catalog import Catalog
from leaklab.errors import UsageError
from leaklab.lab.prediction import (
    Guess,
    Prediction,
    Question,
    Score,
    ask,
    is_right,
    parse_guess,
    predictions,
    questions,
    read_guesses,
    scores,
)
from leaklab.metrics import Moment
from leaklab.reports.document import predictions_document, result_document, schema
from leaklab.reports.guesses import predictions_table, prompt
from tests.unit import scripted

SOCKETS = Question("leaky", "open_sockets", Moment.COLLECTED)
FIXED_SOCKETS = Question("fixed", "open_sockets", Moment.COLLECTED)
TIME = Question("leaky", "elapsed", Moment.PEAK)
MEMORY = Question("leaky", "rss", Moment.END)
ASKED = (SOCKETS, FIXED_SOCKETS)
MIB = 2**20


def read(text: str) -> list[tuple[str | None, str, float]]:
    return [(guess.who, guess.question.half, guess.value) for guess in read_guesses(text, ASKED, "room.csv")]


def shown(predicted: tuple[Prediction, ...], width: int = 120) -> str:
    console = Console(width=width, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(predictions_table(predicted))
    return capture.get()


# ---- what is asked


@pytest.mark.parametrize(
    ("scenario", "asked"),
    [
        ("unclosed-body", [("open_sockets", Moment.COLLECTED), ("connections_opened", Moment.COLLECTED)]),
        ("close-in-loop", [("open_sockets", Moment.PEAK), ("connections_opened", Moment.COLLECTED)]),
        ("open-cursor", [("open_cursors", Moment.COLLECTED)]),
        ("unbounded-wait", [("elapsed", Moment.PEAK), ("threads", Moment.COLLECTED)]),
        ("huge-array", [("rss", Moment.END)]),
    ],
)
def test_the_telling_metrics_are_asked_at_the_moment_that_shows_the_leak(
    scenario: str, asked: list[tuple[str, Moment]]
) -> None:
    found = questions(Catalog().get(scenario).scenario, ("leaky", "fixed"))
    assert [(question.metric, question.reading) for question in found] == [each for each in asked for _ in range(2)]
    assert [question.half for question in found] == ["leaky", "fixed"] * len(asked)


def test_every_half_that_is_run_is_asked_about() -> None:
    found = questions(Catalog().get("open-cursor").scenario, ("leaky", "almost", "fixed"))
    assert [question.half for question in found] == ["leaky", "almost", "fixed"]


def test_a_question_names_half_metric_moment_and_unit() -> None:
    assert prompt(SOCKETS) == "leaky: open sockets, after return and gc? "
    assert prompt(MEMORY) == "leaky: memory (RSS), at the last step in MiB? "
    assert prompt(TIME) == "leaky: elapsed in seconds? "


# ---- one guess


@pytest.mark.parametrize(
    ("question", "text", "value"),
    [
        (SOCKETS, "50", 50),
        (SOCKETS, " 0 ", 0),
        (SOCKETS, "1,000", 1000),
        (SOCKETS, "50 sockets", 50),
        (SOCKETS, "1 Socket", 1),
        (TIME, "3s", 3.0),
        (TIME, "500ms", 0.5),
        (TIME, "2", 2.0),
        (MEMORY, "256MiB", 256 * MIB),
        (MEMORY, "256", 256 * MIB),
        (MEMORY, "1.5", 1.5 * MIB),
        (MEMORY, "1GB", 10**9),
    ],
)
def test_a_guess_is_read_with_or_without_its_unit(question: Question, text: str, value: float) -> None:
    assert parse_guess(question, text) == value


@pytest.mark.parametrize("text", ["", "  ", "-", "–", "—", "?"])
@pytest.mark.parametrize("question", [SOCKETS, TIME, MEMORY])
def test_a_dash_or_nothing_is_no_guess(question: Question, text: str) -> None:
    assert parse_guess(question, text) is None


@pytest.mark.parametrize(
    ("question", "text", "words"),
    [
        (SOCKETS, "many", "'many' is not a number of sockets: write a whole number, like 7"),
        (SOCKETS, "-5", "'-5' is not a number"),
        (SOCKETS, "1.5", "'1.5' is not a number"),
        (SOCKETS, "50 threads", "'50 threads' is not a number of sockets"),
        (SOCKETS, "1_000", "'1_000' is not a number"),
        (SOCKETS, "1,00", "'1,00' is not a number"),
        (SOCKETS, "²", "is not a number"),
        (SOCKETS, "9" * 5000, "more sockets than any machine has"),
        (TIME, "3 sockets", "is not a duration: write a number and a unit, like 3s"),
        (TIME, "0", "is not above zero"),
        (MEMORY, "lots", "is not a size"),
        (MEMORY, "3s", "is not a size"),
    ],
)
def test_what_is_no_guess_is_refused_with_the_value_and_what_to_write(
    question: Question, text: str, words: str
) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 # its words are looked at below
        parse_guess(question, text)
    assert words in str(refusal.value)


# ---- asking one person


def test_bad_input_is_explained_and_asked_again() -> None:
    answers: Iterator[str] = iter(["many", "50\n", "-"])
    explained: list[str] = []
    put: list[str] = []

    def answer(question: Question) -> str:
        put.append(question.half)
        return next(answers)

    assert ask(ASKED, answer, explained.append) == (Guess(SOCKETS, 50),)
    assert put == ["leaky", "leaky", "fixed"]
    assert len(explained) == 1
    assert "'many'" in explained[0]


def test_the_end_of_input_ends_the_questions_and_keeps_what_was_guessed() -> None:
    answers: Iterator[str | None] = iter(["50", None])
    assert ask((*ASKED, TIME), lambda _: next(answers), pytest.fail) == (Guess(SOCKETS, 50),)


# ---- the guesses of a room


def test_a_room_is_read_from_csv() -> None:
    text = "who,half,metric,guess\nAda,leaky,open_sockets,50\nGrace,leaky,open_sockets,-\nGrace,fixed,open_sockets,1\n"
    assert read(text) == [("Ada", "leaky", 50), ("Grace", "fixed", 1)]


@pytest.mark.parametrize(
    "text",
    [
        "half,metric,guess\nleaky,open_sockets,50",
        "\N{BYTE ORDER MARK}half;metric;guess\r\nleaky;open_sockets;50\r\n",
        "half\tmetric\tguess\nleaky\topen_sockets\t50\n",
        "Metric, Half, Guess\nopen sockets, Leaky, 50\n\n",
        'half,metric,guess\nleaky,open-sockets,"50"\n',
        "\n\nhalf,metric,guess\n,,\nleaky,OPEN_SOCKETS,50\n",
    ],
)
def test_columns_may_have_any_order_and_separator_and_a_metric_its_label(text: str) -> None:
    assert read(text) == [(None, "leaky", 50)]


HEAD = "who,half,metric,guess\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "room.csv is empty: write a header, who,half,metric,guess"),
        (" \n\n", "room.csv is empty"),
        ("Ada,leaky,open_sockets,50\n", "room.csv, line 1: 'Ada,leaky,open_sockets,50' is not the header"),
        ("who,half,guess\nAda,leaky,50\n", "is not the header"),
        ("who,who,half,metric,guess\n", "is not the header"),
        (HEAD, "room.csv: there is no guess in it"),
        (HEAD + "Ada,leaky,open_sockets,-\n", "there is no guess in it"),
        (HEAD + "Ada,leaky,open_sockets\n", "line 2: 'Ada,leaky,open_sockets' has too few columns"),
        (HEAD + "Ada,leaky,open_sockets,1,000\n", "line 2: 'Ada,leaky,open_sockets,1,000' has too many columns"),
        (HEAD + "\nAda,leaky,open_sockets,many\n", "line 3: 'many' is not a number of sockets"),
        (HEAD + "Ada,almost,open_sockets,1\n", "nothing is asked of 'almost', 'open_sockets'. Asked are: leaky,open_"),
        (HEAD + "Ada,leaky,rss,1\n", "nothing is asked of 'leaky', 'rss'"),
        (HEAD + " ,leaky,open_sockets,1\n", "line 2: it does not say who guessed"),
        (
            HEAD + "Ada,leaky,open_sockets,1\nAda,leaky,open sockets,2\n",
            "line 3: Ada guessed open_sockets of the leaky half before",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_line_and_a_remedy(text: str, words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read(text)
    assert words in str(refusal.value)


# ---- scores


@pytest.mark.parametrize(
    ("question", "guess", "measured", "right"),
    [
        (SOCKETS, 50, 50, True),
        (SOCKETS, 49, 50, False),
        (SOCKETS, 0, 0, True),
        (SOCKETS, 50, None, False),
        (TIME, 2.5, 3.0, True),
        (TIME, 3.6, 3.0, True),
        (TIME, 2.3, 3.0, False),
        (MEMORY, 240 * MIB, 280 * MIB, True),
        (MEMORY, 20 * MIB, 280 * MIB, False),
    ],
)
def test_counts_are_right_exactly_time_and_memory_within_a_fifth(
    question: Question, guess: float, measured: float | None, right: bool
) -> None:
    assert is_right(Guess(question, guess), measured) is right


def room() -> tuple[Prediction, ...]:
    """The leaky half left 50 sockets open, the fixed one 1."""
    guesses = [
        Guess(SOCKETS, 48, "Ada"),
        Guess(SOCKETS, 52, "Grace"),
        Guess(SOCKETS, 1, "Ken"),
        Guess(FIXED_SOCKETS, 1, "Ken"),
        Guess(FIXED_SOCKETS, 1, "Ada"),
    ]
    return predictions(ASKED, guesses, scripted.result())


def test_a_room_has_a_median_and_its_closest_people() -> None:
    leaky, fixed = room()
    assert (leaky.measured, leaky.median, len(leaky.right)) == (50, 48, 0)
    assert [guess.who for guess in leaky.closest] == ["Ada", "Grace"]
    assert (fixed.measured, fixed.median, len(fixed.right)) == (1, 1, 2)


def test_scores_are_sorted_best_first() -> None:
    assert scores(room()) == (Score("Ada", 1, 2), Score("Ken", 1, 2), Score("Grace", 0, 1))


def test_what_was_not_measured_or_not_guessed_has_no_closest() -> None:
    unread = Prediction(SOCKETS, None, (Guess(SOCKETS, 3, "Ada"),))
    assert (unread.closest, unread.right) == ((), ())
    assert Prediction(SOCKETS, 3, ()).median is None


def test_a_half_that_was_not_run_has_no_measurement() -> None:
    (only,) = predictions((Question("almost", "open_sockets", Moment.PEAK),), (), scripted.result())
    assert only.measured is None


# ---- what is shown


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_a_room_shows_guesses_median_measured_and_closest(width: int) -> None:
    text = shown(room(), width)
    assert all(len(line) <= width for line in text.splitlines())
    words = " ".join(text.split())
    assert "48" in words
    assert "Ada, Grace" in words
    assert "Right: Ada: 1 of 2, Ken: 1 of 2, Grace: 0 of 1" in words


def test_many_equally_near_are_counted_not_listed() -> None:
    many = tuple(Guess(SOCKETS, 50, f"person {number}") for number in range(30))
    text = " ".join(shown((Prediction(SOCKETS, 50, many),)).split())
    assert "person 0, person 1, person 2 and 27 more (50)" in text
    assert "and 25 more" in text


def test_one_person_sees_each_guess_beside_the_measurement() -> None:
    guesses = [Guess(SOCKETS, 50), Guess(FIXED_SOCKETS, 3)]
    text = " ".join(shown(predictions(ASKED, guesses, scripted.result())).split())
    assert "leaky 50 50 right" in text
    assert "fixed 3 1 too many" in text
    assert "Right: 1 of 2" in text


def test_no_guess_at_all_is_said() -> None:
    assert "no guess" in shown(predictions(ASKED, (), scripted.result()))


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    assert "[bold]Eve[/]" in shown((Prediction(SOCKETS, 50, (Guess(SOCKETS, 50, "[bold]Eve[/]"),)),))


@pytest.mark.parametrize("predicted", [room(), predictions(ASKED, (Guess(SOCKETS, 2),), scripted.result())])
def test_the_document_with_predictions_validates(predicted: tuple[Prediction, ...]) -> None:
    document = {**result_document(scripted.result()), "predictions": predictions_document(predicted)}
    jsonschema.Draft202012Validator(schema()).validate(json.loads(json.dumps(document)))


def test_a_broken_prediction_does_not_validate() -> None:
    broken = predictions_document(room())
    del broken[0]["measured"]
    document = {**result_document(scripted.result()), "predictions": broken}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(document)
