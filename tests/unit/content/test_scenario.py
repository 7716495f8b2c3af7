"""What a scenario author uses: a lab that says what is missing, and what is wrong with an answer."""

from __future__ import annotations

import pytest

from leaklab.content.declaration import Lab, difference
from leaklab.content.settings import Settings
from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint


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
        (6, "expected three numbers, got a int, 6"),
        (["x" * 100, 2, 3], f"expected three numbers, got {repr('x' * 100)[:59]}… at [0], where 1 must be"),
    ],
)
def test_the_difference_of_an_answer_says_what_was_got_and_where(answer: object, words: str | None) -> None:
    assert difference(answer, [1, 2, 3], "three numbers") == words
