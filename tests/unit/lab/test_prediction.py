"""Guesses are parsed as people write them, refused with place and remedy, and scored against the measurement.

What is shown is in tests/golden/predictions.txt and prediction_errors.txt.
"""

from __future__ import annotations

import json
from unittest.mock import Mock, call

import jsonschema
import pytest

from leaklab.commands.output import _IN_ASCII
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
from leaklab.reports.document import predicted_document, schema
from leaklab.reports.guesses import guesses_shown, prompt
from leaklab.reports.histogram import Bar, bars
from tests.unit import scripted
from tests.unit.golden import assert_golden, rendered, sections
from tests.unit.scripted import MIB

SOCKETS = Question("leaky", "open_sockets", Moment.COLLECTED)
FIXED_SOCKETS = Question("fixed", "open_sockets", Moment.COLLECTED)
TIME = Question("leaky", "elapsed", Moment.PEAK)
MEMORY = Question("leaky", "rss", Moment.END)
ASKED = (SOCKETS, FIXED_SOCKETS)


def read(text: str) -> list[tuple[str | None, str, float]]:
    return [(guess.who, guess.question.half, guess.value) for guess in read_guesses({"room.csv": text}, ASKED)]


# ---- the questions


@pytest.mark.parametrize(
    ("scenario", "asked"),
    [
        ("unclosed-body", [("open_sockets", Moment.COLLECTED), ("connections_opened", Moment.COLLECTED)]),
        ("close-in-loop", [("open_sockets", Moment.PEAK), ("connections_opened", Moment.COLLECTED)]),
        ("unbounded-wait", [("elapsed", Moment.PEAK), ("threads", Moment.COLLECTED)]),
        ("huge-array", [("rss", Moment.END)]),
    ],
)
def test_the_key_metrics_are_asked_at_the_moment_that_shows_the_leak(
    scenario: str, asked: list[tuple[str, Moment]]
) -> None:
    halves = ("leaky", "almost", "fixed")
    found = questions(Catalog().get(scenario).scenario, halves)
    assert [(question.metric, question.reading) for question in found] == [each for each in asked for _ in halves]
    assert [question.half for question in found] == [*halves] * len(asked)


# ---- one guess


@pytest.mark.parametrize(
    ("question", "text", "value"),
    [
        (SOCKETS, " 0 ", 0),
        (SOCKETS, "1,000", 1000),
        (SOCKETS, "50 sockets", 50),
        (SOCKETS, "1 Socket", 1),
        (TIME, "500ms", 0.5),
        (TIME, "2", 2.0),
        (MEMORY, "256", 256 * MIB),
        (MEMORY, "0", 0),
        (TIME, "0s", 0),
        (MEMORY, "1.5", 1.5 * MIB),
        (MEMORY, "1GB", 10**9),
        *((question, text, None) for question in (SOCKETS, TIME, MEMORY) for text in ("", "  ", "-", "–", "—", "?")),
    ],
)
def test_a_guess_may_have_its_unit_and_a_dash_or_nothing_skips_the_question(
    question: Question, text: str, value: float | None
) -> None:
    assert parse_guess(question, text) == value


NO_COUNTS = ("many", "-5", "1.5", "50 threads", "1,00", "²", "9" * 5000)


@pytest.mark.parametrize(
    ("question", "text"), [(TIME, "3 sockets"), (TIME, "200h"), (MEMORY, "9999TiB"), (MEMORY, "lots"), (MEMORY, "3s")]
)
def test_what_is_no_guess_is_refused_with_its_value(question: Question, text: str) -> None:
    with pytest.raises(ValueError, match=repr(text)):
        parse_guess(question, text)


# ---- asking one person


def test_bad_input_is_explained_and_asked_again_until_the_end_of_input() -> None:
    put, explain = Mock(side_effect=["many", "50\n", "-", None]), Mock()
    assert ask((*ASKED, TIME, MEMORY), put, explain) == (Guess(SOCKETS, 50),)
    assert put.mock_calls == [call(SOCKETS), call(SOCKETS), call(FIXED_SOCKETS), call(TIME)]
    explain.assert_called_once()


# ---- the guesses of a room

HEAD = "who,half,metric,guess\n"


def test_a_room_is_read_from_csv() -> None:
    text = HEAD + "Ada,leaky,open_sockets,50\nGrace,leaky,open_sockets,-\nGrace,fixed,open_sockets,1\n"
    assert read(text) == [("Ada", "leaky", 50), ("Grace", "fixed", 1)]


@pytest.mark.parametrize("name", ["almost", "Partial fix"])
def test_the_partial_fix_may_be_named_as_in_tables(name: str) -> None:
    partial = Question("almost", "open_sockets", Moment.COLLECTED)
    assert read_guesses({"": f"half,metric,guess\n{name},open_sockets,1\n"}, [partial]) == (Guess(partial, 1),)


@pytest.mark.parametrize(
    "text",
    [
        "half,metric,guess\nleaky,open_sockets,50",
        "\N{BYTE ORDER MARK}half;metric;guess\r\nleaky;open_sockets;50\r\n",
        "half\tmetric\tguess\nleaky\topen_sockets\t50\n",
        'Metric, Half, Guess\n"open sockets, after run()", Leaky, 50\n\n',
        'half,metric,guess\nleaky,open-sockets,"50"\n',
        "\n\nhalf,metric,guess\n,,\nleaky,OPEN_SOCKETS,50\n",
    ],
)
def test_columns_may_have_any_order_and_separator_and_a_metric_its_label(text: str) -> None:
    assert read(text) == [(None, "leaky", 50)]


def tallied(*texts: str, asked: tuple[Question, ...] = ASKED) -> list[tuple[str, float, int | None]]:
    sources = {f"{number}.txt": text for number, text in enumerate(texts)}
    return [(guess.question.half, guess.value, guess.hands) for guess in read_guesses(sources, asked)]


@pytest.mark.parametrize(
    "text",
    [
        "leaky,open_sockets: 0×12 50×3",
        "leaky, open sockets, after return : 0 x 12, 50 X 3\r\n",
        "Leaky open-sockets:0*12;50*3",
        '"leaky,open_sockets: 0×12, 50×3",,\n',
        "leaky;open_sockets: 0×12 50 sockets ×3 7×0 -×4;;;\n",
        "\N{BYTE ORDER MARK}\nleaky\topen_sockets:\t0×12\t50×3\n",
    ],
)
def test_a_tally_may_be_written_in_many_ways(text: str) -> None:
    assert tallied(text) == [("leaky", 0, 12), ("leaky", 50, 3)]


def test_a_tally_has_the_units_that_guesses_have() -> None:
    asked = (TIME, MEMORY, Question("almost", "rss", Moment.END))
    text = "leaky,elapsed: 0.5s×3 500 ms × 2 2×1\nleaky,rss: 256MiB×7, 1×1\npartial fix, memory: 1 GiB x 2"
    times, memory = (
        [("leaky", 0.5, 3), ("leaky", 0.5, 2), ("leaky", 2, 1)],
        [("leaky", 256 * MIB, 7), ("leaky", MIB, 1)],
    )
    assert tallied(text, asked=asked) == [*times, *memory, ("almost", 2**30, 2)]


def test_rows_and_tallies_may_be_in_one_file_or_in_several_and_tallies_add_up() -> None:
    row, tally = HEAD + "Team: 5,leaky,open_sockets,50\n", "leaky,open_sockets: 0×12\n"
    for texts in ((tally + row,), (row + tally,), (tally, row), (row, tally)):
        assert sorted(tallied(*texts), key=str) == [("leaky", 0, 12), ("leaky", 50, None)]
    assert tallied(tally, tally) == [("leaky", 0, 12)] * 2
    with pytest.raises(UsageError, match=r"1\.txt, line 2: Team: 5 already guessed"):
        tallied(row, row)


BAD_FILES = {
    "empty": "",
    "blank": " \n\n",
    "no header": "Ada,leaky,open_sockets,50\n",
    "a column missing": "who,half,guess\nAda,leaky,50\n",
    "a column twice": "who,who,half,metric,guess\n",
    "only a header": HEAD,
    "only dashes": HEAD + "Ada,leaky,open_sockets,-\n",
    "a short line": HEAD + "Ada,leaky,open_sockets\n",
    "a long line": HEAD + "Ada,leaky,open_sockets,1,000\n",
    "not a number": HEAD + "\nAda,leaky,open_sockets,many\n",
    "another half": HEAD + "Ada,almost,open_sockets,1\n",
    "another metric": HEAD + "Ada,leaky,rss,1\n",
    "no name": HEAD + " ,leaky,open_sockets,1\n",
    "twice": HEAD + "Ada,leaky,open_sockets,1\nAda,leaky,open sockets,2\n",
    "a tally without a colon": "leaky,open_sockets 0×12\n",
    "a tally of another half": "leaky,open_sockets: 0×12\nleeky,open_sockets: 0×12\n",
    "a tally of nothing": "leaky,open_sockets:\n",
    "a tally of dashes": "leaky,open_sockets: -×3\n",
    "a tally without counts": HEAD + "\nleaky,open_sockets: 0 12\n",
    "a tally with a fraction of a person": "leaky,open_sockets: 0×1.5\n",
    "a tally of words": "leaky,open_sockets: 0×12 many×3\n",
    "a tally of too many": f"leaky,open_sockets: 0×12 3×{'9' * 5000}\n",
}


def test_a_file_that_cannot_be_read_is_refused_with_the_line_and_a_remedy() -> None:
    refused: dict[str, str] = {}
    for name, text in BAD_FILES.items():
        with pytest.raises(UsageError) as refusal:
            read(text)
        refused[name] = str(refusal.value)
    for text in NO_COUNTS:
        with pytest.raises(ValueError) as no_count:  # noqa: PT011 # its words are in the golden file
            parse_guess(SOCKETS, text)
        refused[f"a guess: {text[:20]}"] = str(no_count.value)
    assert_golden("prediction_errors", sections(**refused))


# ---- scores


@pytest.mark.parametrize(
    ("question", "guess", "measured", "right"),
    [
        (SOCKETS, 49, 50, False),
        (SOCKETS, 0, 0, True),
        (SOCKETS, 50, None, False),
        (TIME, 2.4, 3.0, True),
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


ROOM = predictions(
    ASKED,
    [
        Guess(SOCKETS, 48, "Ada"),
        Guess(SOCKETS, 52, "Grace"),
        Guess(SOCKETS, 1, "Ken"),
        Guess(FIXED_SOCKETS, 1, "Ken"),
        Guess(FIXED_SOCKETS, 1, "Ada"),
    ],
    scripted.result(),
)


def test_a_room_has_a_median_its_closest_people_and_scores() -> None:
    leaky, fixed = ROOM
    assert (leaky.measured, leaky.median, len(leaky.right)) == (50, 48, 0)
    assert [guess.who for guess in leaky.closest] == ["Ada", "Grace"]
    assert (fixed.measured, fixed.median, len(fixed.right)) == (1, 1, 2)
    assert scores(ROOM) == (Score("Ada", 1, 2), Score("Ken", 1, 2), Score("Grace", 0, 1))


def test_hands_that_were_counted_weigh_in_the_median_and_are_in_no_score() -> None:
    made = [Guess(SOCKETS, 50, hands=15), Guess(SOCKETS, 1, hands=3), Guess(SOCKETS, 0, hands=12)]
    (leaky, _) = predictions(ASKED, made, scripted.result())
    assert leaky.median == 25.5
    assert Prediction(SOCKETS, 50, (*made, Guess(SOCKETS, 50))).median == 50
    assert scores([leaky]) == ()
    both = Prediction(SOCKETS, 50, (*made, Guess(SOCKETS, 1)))
    assert scores([both]) == (Score(None, 0, 1),)


def test_what_was_not_measured_or_not_guessed_has_no_closest() -> None:
    unread = Prediction(SOCKETS, None, (Guess(SOCKETS, 3, "Ada"),))
    assert (unread.closest, unread.right) == ((), ())
    assert Prediction(SOCKETS, 3, ()).median is None
    (only,) = predictions((Question("almost", "open_sockets", Moment.PEAK),), (), scripted.result())
    assert only.measured is None


# ---- the reports


def hands(question: Question, **made: int) -> list[Guess]:
    """So many hands for each guess: `_50=15`."""
    return [Guess(question, float(value.strip("_")), hands=count) for value, count in made.items()]


CONNECTIONS = Question("leaky", "connections_opened", Moment.COLLECTED)
PARTIAL = Question("almost", "open_sockets", Moment.COLLECTED)
SPREAD = [Guess(MEMORY, size * MIB, hands=1 + size % 3) for size in range(40, 400, 20)]
FULL_HOUSE = tuple(
    Prediction(Question(half, metric, Moment.PEAK), 50.0, tuple(Guess(SOCKETS, n, hands=n % 4 + 1) for n in range(30)))
    for metric in ("open_sockets", "open_cursors", "threads")
    for half in ("leaky", "fixed")
)


@pytest.mark.parametrize("questions", [2, 4, 6])
def test_the_guesses_about_two_or_three_metrics_of_two_halves_fit_one_screen(questions: int) -> None:
    shown = rendered(guesses_shown(FULL_HOUSE[:questions])).splitlines()
    assert len(shown) <= 23
    assert sum("others" in line for line in shown) == questions // 2
    assert sum(line.count("▸") for line in shown) == questions


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_a_histogram_fits_any_width_and_what_is_ascii(width: int) -> None:
    (wide,) = (Prediction(SOCKETS, 50, (Guess(SOCKETS, 10**12, hands=9999), Guess(SOCKETS, 50, hands=1))),)
    shown = rendered(guesses_shown([*FULL_HOUSE, wide]), width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown.translate(_IN_ASCII).isascii()


def test_a_bar_is_as_long_as_its_people_are_many_and_never_nothing() -> None:
    shown = rendered(guesses_shown([Prediction(SOCKETS, 7, tuple(hands(SOCKETS, _1=200, _2=100, _3=1)))]))
    blocks = [(line.count("█") + line.count("▌") / 2) for line in shown.splitlines()[2:6]]
    assert blocks[0] == pytest.approx(2 * blocks[1], abs=0.5)
    assert blocks[2:] == [0.5, 0]


def test_guesses_that_are_shown_alike_share_a_row_and_the_fewest_share_the_last() -> None:
    alike = (Guess(TIME, 3.001), Guess(TIME, 3.002, hands=2), Guess(TIME, 9.0))
    assert bars(Prediction(TIME, 3.003, alike), 6) == [Bar("3.00 s", 3, "right", is_measured=True), Bar("9.00 s", 1)]
    many = Prediction(SOCKETS, 50, tuple(hands(SOCKETS, _0=12, _1=3, _2=1, _7=2, _40=1)))
    few = [Bar("0", 12), Bar("1", 3), Bar("50", 0, is_measured=True), Bar("others", 4, "2 to 40")]
    assert bars(many, 4) == few
    assert [bar.label for bar in bars(many, 6)] == ["0", "1", "2", "7", "40", "50"]
    sizes = Prediction(MEMORY, 50 * MIB, tuple(Guess(MEMORY, n * MIB, hands=9 - n) for n in range(1, 7)))
    assert bars(sizes, 4)[-1] == Bar("others", 18, "3.0 to 6.0 MiB")


def test_a_long_note_does_not_make_all_bars_alike() -> None:
    # Eighteen people share the last row, which goes from MiB to GiB.
    few = [Guess(MEMORY, size * MIB, hands=3) for size in (400, 800, 1600, 8000)]
    made = (*few, *(Guess(MEMORY, n * MIB, hands=n) for n in (6, 7, 8, 9, 10)))
    shown = rendered(guesses_shown([Prediction(MEMORY, 99 * MIB, made)] * 2))
    blocks = [line[:39].count("█") for line in shown.splitlines() if "MiB  █" in line]
    assert blocks == sorted(blocks)
    assert blocks[0] < blocks[-1]


def test_the_tables_of_predictions_and_the_questions() -> None:
    many = tuple(Guess(SOCKETS, 50, f"person {number}") for number in range(30))
    alone = [Guess(SOCKETS, 50), Guess(FIXED_SOCKETS, 3)]
    tables = {
        "hands": predictions(
            (*ASKED, CONNECTIONS),
            [
                *hands(SOCKETS, _0=12, _1=3, _50=15),
                *hands(FIXED_SOCKETS, _0=30),
                *hands(CONNECTIONS, _1=8, _49=2, _50=20),
            ],
            scripted.result(),
        ),
        "three_halves_and_not_measured": predictions(
            (*ASKED, PARTIAL), [guess for one in (*ASKED, PARTIAL) for guess in hands(one, _1=2)], scripted.result()
        ),
        "many_guesses_of_memory": (Prediction(MEMORY, 271.4 * MIB, tuple(SPREAD)),),
        "hands_and_people": (Prediction(SOCKETS, 50, (Guess(SOCKETS, 50, "Ada"), *hands(SOCKETS, _50=3))),),
        "a_room": ROOM,
        "many_equals": (Prediction(SOCKETS, 50, many),),
        "markup_in_a_name": (Prediction(SOCKETS, 50, (Guess(SOCKETS, 50, "[bold]Eve[/]"),)),),
        "one_person": (
            *predictions(ASKED, alone, scripted.result()),
            *(Prediction(TIME, 3.0, (Guess(TIME, guess),)) for guess in (1.0, 9.0)),
        ),
        "no_guess": predictions(ASKED, (), scripted.result()),
    }
    shown = {name: rendered(guesses_shown(each)) for name, each in tables.items()}
    assert all(len(line) <= 80 for text in shown.values() for line in text.splitlines())
    shown["questions"] = "\n".join(prompt(question) for question in (SOCKETS, MEMORY, TIME))
    assert_golden("predictions", sections(**shown))


@pytest.mark.parametrize("predicted", [ROOM, predictions(ASKED, (Guess(SOCKETS, 2, hands=3),), scripted.result())])
def test_the_document_with_predictions_validates_and_a_broken_one_does_not(predicted: tuple[Prediction, ...]) -> None:
    document = predicted_document(scripted.result(), predicted)
    validator = jsonschema.Draft202012Validator(schema())
    validator.validate(json.loads(json.dumps(document)))
    del document["predictions"][0]["measured"]
    assert not validator.is_valid(document)
