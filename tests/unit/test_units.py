"""Amounts: what people write is understood, the rest is refused, with the way to write it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.units import (
    format_duration,
    format_size,
    parse_count,
    parse_duration,
    parse_number,
    parse_size,
    written_duration,
    written_size,
)

NO_NUMBER = ["", " ", "5 ", " 5", "+5", "1_0", "1e3", "٣", "５", "0x10", "nan", "inf", "1,5"]
SIZES = {"4096": 4096, "1KB": 1000, "64k": 2**16, "256mib": 2**28, "1.5 MiB": 3 * 2**19, "2TB": 2 * 10**12}
DURATIONS = {"3": 3.0, "1.5s": 1.5, "500 MS": 0.5, "250us": 0.00025, "2m": 120.0, "2min": 120.0, "1h": 3600.0}


@pytest.mark.parametrize("text", NO_NUMBER)
@pytest.mark.parametrize("parse", [parse_count, parse_number, parse_size, parse_duration])
def test_only_plain_digits_are_a_number_and_what_is_none_is_named(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="write ") as error:
        parse(text)
    assert repr(text) in str(error.value)


def test_a_number_is_what_was_written_and_one_too_long_to_count_is_large() -> None:
    assert (parse_count("0"), parse_count("007"), parse_number("-1.5"), parse_number("2.")) == (0, 7, -1.5, 2.0)
    assert parse_count("9" * 5000) == 10**18
    with pytest.raises(ValueError, match="is not a size"):
        parse_size("9" * 400 + "TiB")


def test_an_amount_is_a_number_and_a_unit_and_without_one_bytes_or_seconds() -> None:
    assert {text: parse_size(text) for text in SIZES} == SIZES
    assert {text: parse_duration(text) for text in DURATIONS} == pytest.approx(DURATIONS, rel=1e-12)


@pytest.mark.parametrize("text", ["256XB", "1..5", "1:30", "3s5", "-1"])
@pytest.mark.parametrize("parse", [parse_size, parse_duration])
def test_what_is_no_amount_is_refused(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="write a"):
        parse(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (-3072, "-3.0 KiB"), (2**28, "256 MiB"), (2**20 - 1, "1.0 MiB")],
)
def test_a_size_is_shown_in_the_largest_unit_that_it_fills(size: float, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0099, "9.9 ms"), (0.01, "10 ms"), (0.9996, "1.00 s"), (-3.0, "-3.00 s"), (179.7, "3 min 0 s")],
)
def test_a_duration_is_shown_in_the_unit_a_person_would_say(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=1, max_value=10**7))
def test_what_is_written_of_an_amount_is_that_amount(amount: int) -> None:
    assert parse_size(written_size(amount**2)) == amount**2
    assert parse_duration(written_duration(amount / 1000)) == pytest.approx(amount / 1000, rel=1e-5)
