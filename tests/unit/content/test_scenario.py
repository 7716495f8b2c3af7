"""What a scenario author uses: settings and what can be changed of them, and a lab that says what is missing."""

from __future__ import annotations

import dataclasses

import pytest

from leaklab.content.declaration import DEAD, Lab, Settings, difference
from leaklab.errors import ExitCode, UsageError
from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint

ALL = Settings(steps=50, size=2**20, hang=3.0, deadline=0.5, dead="silent")


def test_given_are_the_settings_that_are_there_in_their_order() -> None:
    assert ALL.given() == {"steps": 50, "size": 2**20, "hang": 3.0, "deadline": 0.5, "dead": "silent"}
    assert list(ALL.given()) == ["steps", "size", "hang", "deadline", "dead"]
    assert Settings(size=1).given() == {"size": 1}
    assert Settings().given() == {}


def test_changed_takes_what_is_wanted_and_leaves_the_rest_and_the_original() -> None:
    assert ALL.changed("x", {"steps": 7, "hang": None}) == dataclasses.replace(ALL, steps=7)
    assert ALL.steps == 50


def test_nothing_wanted_changes_nothing() -> None:
    assert ALL.changed("x", {}) == ALL
    assert Settings().changed("x", dict.fromkeys(ALL.given())) == Settings()


@pytest.mark.parametrize(("name", "value"), [("size", 1), ("hang", 3.0), ("deadline", 0.5), ("dead", "drip")])
def test_a_setting_that_the_scenario_does_not_have_is_refused_and_those_it_has_are_named(
    name: str, value: float | str
) -> None:
    with pytest.raises(UsageError, match=f"^unclosed-body has no --{name}: it takes --steps$") as error:
        Settings(steps=50).changed("unclosed-body", {"steps": 7, name: value})
    assert error.value.exit_code is ExitCode.WRONG_USAGE


def test_a_scenario_without_settings_says_so() -> None:
    with pytest.raises(UsageError, match="it takes no settings"):
        Settings().changed("still", {"steps": 7})


def test_all_settings_that_can_be_set_are_named() -> None:
    with pytest.raises(UsageError, match=r"it takes --steps, --size, --hang, --deadline, --dead$"):
        ALL.changed("x", {"unheard-of": 1})


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ALL.steps = 7  # type: ignore[misc] # that it cannot is what is tested


def test_the_ways_to_be_dead_start_with_the_default() -> None:
    assert DEAD == ("silent", "drip", "drip-head")


def test_a_lab_hands_out_what_the_scenario_asked_for() -> None:
    http, mongo = HttpEndpoint(8080), MongoEndpoint("mongodb://127.0.0.1:1", "leaklab_x")
    lab = Lab(ALL, {"http": http, "mongo": mongo})
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
        (6, "expected three numbers, got a int, 6"),
        ({"a": 1}, "expected three numbers, got a dict, {'a': 1}"),
        (["x" * 100, 2, 3], f"expected three numbers, got {repr('x' * 100)[:59]}… at [0], where 1 must be"),
    ],
)
def test_the_difference_of_an_answer_says_what_was_got_and_where(answer: object, words: str | None) -> None:
    assert difference(answer, [1, 2, 3], "three numbers") == words
