"""What a scenario author uses: settings, a lab that says what is missing, and what is wrong with an answer."""

from __future__ import annotations

import copy
import math

import pytest

from leaklab.content.declaration import Lab, difference
from leaklab.content.settings import CHOICE, COUNT, DURATION, NUMBER, SIZE, TEXT, Kind, Setting, Settings, Value
from leaklab.errors import ExitCode, UsageError
from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint

MIB = 2**20
DEAD = Setting("dead", CHOICE, "silent", choices=("silent", "drip", "drip-head"))
WAIT = Settings(Setting("hang", DURATION, 3.0, "How long."), Setting("size", SIZE, 4 * MIB, least=MIB), DEAD, steps=50)


def test_values_are_had_by_attribute_and_by_item_and_shown_as_typed() -> None:
    assert (WAIT.steps, WAIT.hang, WAIT["size"], WAIT.dead) == (50, 3.0, 4 * MIB, "silent")
    assert WAIT.given() == {"steps": 50, "hang": 3.0, "size": 4 * MIB, "dead": "silent"}
    assert str(WAIT) == "50 steps, hang=3s, size=4MiB, dead=silent"
    assert [setting.usage for setting in WAIT.declared][:2] == ["--steps 50", "--set hang=3s"]
    assert (Settings().steps, str(Settings()), str(Settings(steps=1))) == (None, "", "1 step")
    with pytest.raises(AttributeError, match="no setting 'pause'"):
        _ = WAIT.pause
    assert copy.deepcopy(WAIT).given() == WAIT.given()


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (Setting("n", COUNT, 1), "10000000", 10_000_000),
        (Setting("n", SIZE, MIB), "64MiB", 64 * MIB),
        (Setting("n", DURATION, 1.0), "1ms", 0.001),
        (Setting("n", NUMBER, 1.0), "-0.5", -0.5),
        (Setting("n", TEXT, ""), "any text=this", "any text=this"),
        (DEAD, "drip", "drip"),
    ],
)
def test_each_kind_reads_what_is_typed(setting: Setting, text: str, value: Value) -> None:
    assert setting.parse(text) == value


@pytest.mark.parametrize(
    ("setting", "text", "words"),
    [
        (Setting("n", COUNT, 1), "0", "0 is out of range: write a whole number, 1 to 10,000,000"),
        (Setting("n", COUNT, 1), "9" * 30, "is out of range"),
        (Setting("n", SIZE, MIB), "2000TiB", "is out of range"),
        (Setting("n", DURATION, 1.0), "1us", "1us is out of range: write a duration, 1ms to 168h"),
        (Setting("n", DURATION, 1.0, least=0.5, most=2), "3s", "3s is out of range: write a duration, 500ms to 2s"),
        (Setting("n", NUMBER, 1.0, most=2), "3", "3 is out of range: write a number, up to 2"),
        (Setting("n", TEXT, ""), "a\x1b[2J", "cannot be shown"),
        (DEAD, "loud", "'loud' is unknown: choose silent, drip or drip-head"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_what_can_be_written(setting: Setting, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        setting.parse(text)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "kind", "default", "choices"),
    [
        ("two words", COUNT, 1, ()),
        ("changed", COUNT, 1, ()),
        ("declared", COUNT, 1, ()),
        ("_values", COUNT, 1, ()),
        ("steps", SIZE, 1, ()),
        ("n", COUNT, True, ()),
        ("n", COUNT, 1.5, ()),
        ("n", COUNT, 0, ()),
        ("n", NUMBER, math.nan, ()),
        ("n", NUMBER, math.inf, ()),
        ("n", CHOICE, "a", ()),
        ("n", CHOICE, "c", ("a", "b")),
    ],
)
def test_a_setting_that_could_not_be_set_is_refused_when_it_is_declared(
    name: str, kind: Kind, default: Value, choices: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="setting"):
        Setting(name, kind, default, choices=choices)


def test_two_settings_of_one_name_and_one_without_a_default_are_refused() -> None:
    for declared in ([DEAD, DEAD], [Setting("n", COUNT)]):
        with pytest.raises(ValueError, match="declared twice, or has no default"):
            Settings(*declared)


def test_changed_takes_what_is_wanted_and_leaves_the_rest_and_the_original() -> None:
    changed = WAIT.changed("x", {"steps": 7, "hang": None}).changed("x", {"dead": "drip"})
    assert changed.given() == {**WAIT.given(), "steps": 7, "dead": "drip"}
    assert (WAIT.steps, WAIT.dead, WAIT.changed("x", {}).given()) == (50, "silent", WAIT.given())
    assert WAIT.with_steps(10**9).steps == 10**9, "the lab itself may take more than can be typed"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"deadline": 1.0}, "unbounded-wait has no setting 'deadline': it has steps (a whole number, "),
        ({"hang": 0.0}, "unbounded-wait, hang: 0s is out of range"),
        ({"dead": 3}, "unbounded-wait, dead: 3 is not one of its choices"),
    ],
)
def test_what_cannot_be_changed_is_wrong_usage(wanted: dict[str, Value], words: str) -> None:
    with pytest.raises(UsageError) as error:
        WAIT.changed("unbounded-wait", wanted)
    assert words in str(error.value)
    assert error.value.exit_code is ExitCode.WRONG_USAGE


def test_a_lab_hands_out_what_the_scenario_asked_for() -> None:
    http, mongo = HttpEndpoint(8080), MongoEndpoint("mongodb://127.0.0.1:1", "leaklab_x")
    lab = Lab(Settings(steps=50), {"http": http, "mongo": mongo})
    assert (lab.http, lab.mongo, lab.steps) == (http, mongo, 50)
    assert lab.http.url("/profiles/{n}") == "http://127.0.0.1:8080/profiles/{n}"


@pytest.mark.parametrize(("what", "words"), [("http", '"http"'), ("mongo", '"mongo"'), ("steps", "no steps")])
def test_a_lab_says_what_the_scenario_forgot_to_ask_for(what: str, words: str) -> None:
    with pytest.raises(LookupError, match=words):
        getattr(Lab(Settings()), what)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([1, 2, 3], None),
        (None, "expected three numbers, got None: is there a return at its end?"),
        ([1, "2", 3], "expected three numbers, got '2' at [1], where 2 must be"),
        ([1, 2], "expected three numbers, got 2 of them"),
        ([1, 2, 3, 4], "expected three numbers, got 4 of them"),
        (6, "expected three numbers, got the int 6"),
        (["x" * 100, 2, 3], f"expected three numbers, got {repr('x' * 100)[:59]}… at [0], where 1 must be"),
    ],
)
def test_the_difference_of_an_answer_says_what_was_got_and_where(answer: object, words: str | None) -> None:
    assert difference(answer, [1, 2, 3], "three numbers") == words
