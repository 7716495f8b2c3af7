"""Values against type annotations: the first part that does not fit is named, with its value and its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from leaklab.content.annotations import mismatch


@dataclass
class Point:
    """A dataclass whose fields are checked too."""

    x: float
    label: str | None = None


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError


def test_what_fits_has_no_mismatch() -> None:
    fitting: list[tuple[object, object]] = [
        *((1, int), (1, float), (0.5, float), (True, bool), (None, str | None), (object(), object)),
        *(((), tuple[str, ...]), (("leaked", 3), tuple[str, int]), ({"a": 1}, Mapping[str, float])),
        *((len, Callable[[Any], int]), (Point(1, "a"), Point | None), ("drip", Literal["drip", "silent"])),
    ]
    assert [mismatch(value, annotation, "it") for value, annotation in fitting] == [None] * len(fitting)


@pytest.mark.parametrize(
    ("value", "annotation", "words"),
    [
        (5, str, "it is 5: it must be a string"),
        (True, int, "it is True: it must be a whole number"),
        (True, float, "it is True: it must be a number"),
        (0.5, int, "it is 0.5: it must be a whole number"),
        (1, bool, "it is 1: it must be True or False"),
        (1, str | None, "it is 1: it must be a string or None"),
        ("a", tuple[str, ...], "it is 'a': it must be a tuple of strings, like (\"http\",)"),
        (("a", 1), tuple[str, ...], "it[1] is 1: it must be a string"),
        (("a",), tuple[str, str], "it is ('a',): it must be of type tuple[str, str]"),
        ({1: "a"}, Mapping[str, str], "the key 1 of it is 1: it must be a string"),
        ({"a": 1}, Mapping[str, str], "it['a'] is 1: it must be a string"),
        (1, Callable[[Point], str] | None, "it is 1: it must be of type Callable[[Point], str] or None"),
        ((Point("a"),), tuple[Point, ...], "it[0].x is 'a': it must be a number"),  # type: ignore[arg-type] # on purpose
        (Point(1, 2), Point | None, "it.label is 2: it must be a string or None"),  # type: ignore[arg-type] # on purpose
        ("asleep", Literal["drip", "silent"], "it is 'asleep': it must be of type Literal['drip', 'silent']"),
        (Unprintable(), str, "it is a Unprintable: it must be a string"),
        ("x" * 90, int, f"it is '{'x' * 78}…: it must be a whole number"),
    ],
)
def test_what_does_not_fit_is_named(value: object, annotation: object, words: str) -> None:
    assert mismatch(value, annotation, "it") == words
