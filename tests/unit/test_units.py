"""Sizes and durations: what people write is understood, what they cannot mean is refused with the way to write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.units import format_duration, format_size, parse_duration, parse_size

MIB = 2**20


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("1b", 1),
        ("1B", 1),
        ("1kb", 1000),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("64k", 64 * 1024),
        ("64K", 64 * 1024),
        ("256MiB", 256 * MIB),
        ("256mib", 256 * MIB),
        ("256M", 256 * MIB),
        ("256 MiB", 256 * MIB),
        ("  256MiB ", 256 * MIB),
        ("256MB", 256_000_000),
        ("3.2GB", 3_200_000_000),
        (".5GiB", 2**29),
        ("1.GiB", 2**30),
        ("2TB", 2 * 10**12),
        ("2TiB", 2 * 2**40),
    ],
)
def test_a_size_is_a_number_and_a_unit_in_thousands_or_in_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", " ", "MiB", "lots", "-1MiB", "+1", "1 2", "1,5MiB", "1e6", "0x10", "256XB", "1..5", ".", "inf", "nan", "٣MiB"],
)
def test_what_is_no_size_is_refused_and_the_message_shows_the_text_and_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size: write a number and a unit, like 256MiB") as error:
        parse_size(text)
    assert str(error.value).startswith(repr(text))


@pytest.mark.parametrize("text", ["0", "0MiB", "0.0000001KB", "0.5b"])
def test_a_size_below_one_byte_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="less than one byte"):
        parse_size(text)


def test_a_size_that_no_float_can_hold_is_refused_rather_than_infinite() -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size("9" * 400 + "TiB")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3s", 3.0),
        ("3", 3.0),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("500 MS", 0.5),
        ("250us", 0.00025),
        ("2m", 120.0),
        ("2min", 120.0),
        ("1h", 3600.0),
        (" .5s ", 0.5),
    ],
)
def test_a_duration_is_a_number_with_a_unit_and_seconds_without_one(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text", ["", "soon", "-3s", "3 days", "1:30", "3s5", "1e3s", "inf", "nan"])
def test_what_is_no_duration_is_refused_and_the_message_shows_the_text_and_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write a number and a unit, like 3s or 500ms") as error:
        parse_duration(text)
    assert str(error.value).startswith(repr(text))


@pytest.mark.parametrize("text", ["0", "0s", "0.0ms"])
def test_a_duration_of_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time at all"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (-3072, "-3.0 KiB"),
        (100 * 1024, "100 KiB"),
        (256 * MIB, "256 MiB"),
        (27.9 * MIB, "27.9 MiB"),
        (1.5 * 2**30, "1.5 GiB"),
        (2000 * 2**30, "2000 GiB"),
    ],
)
def test_a_size_is_shown_in_the_largest_unit_that_it_fills(size: float, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize("size", [2**20 - 1, 2**30 - 1])
def test_a_size_just_below_a_unit_is_not_shown_as_1024_of_the_smaller_one(size: int) -> None:
    assert not format_size(size).startswith("1024 ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.0099, "9.9 ms"),
        (0.01, "10 ms"),
        (0.085, "85 ms"),
        (0.5, "500 ms"),
        (1, "1.00 s"),
        (3.012, "3.01 s"),
        (119, "119.00 s"),
        (125, "2 min 5 s"),
        (3600, "60 min 0 s"),
        (-0.085, "-85 ms"),
        (-3.0, "-3.00 s"),
    ],
)
def test_a_duration_is_shown_in_the_unit_a_person_would_say(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_duration_just_below_a_second_is_not_shown_as_1000_milliseconds() -> None:
    assert format_duration(0.9996) == "1.00 s"


@pytest.mark.parametrize(("seconds", "minutes"), [(179.7, "3 min 0 s"), (239.99, "4 min 0 s"), (120.4, "2 min 0 s")])
def test_minutes_never_show_60_seconds(seconds: float, minutes: str) -> None:
    assert format_duration(seconds) == minutes


@given(st.integers(min_value=1, max_value=2**50))
def test_every_whole_number_of_bytes_comes_back_as_it_was_written(size: int) -> None:
    assert parse_size(f"{size}") == parse_size(f"{size}B") == size


@given(st.integers(min_value=1, max_value=2**45))
def test_what_a_table_shows_of_a_size_is_understood_again_within_its_own_rounding(size: int) -> None:
    shown = parse_size(format_size(size))
    assert abs(shown - size) <= max(1, 0.05 * size)


@given(st.text(max_size=12))
def test_any_text_is_either_a_positive_amount_or_a_value_error(text: str) -> None:
    for parse in (parse_size, parse_duration):
        refused = ""
        try:
            assert parse(text) > 0
        except ValueError as error:
            refused = str(error)
        assert refused == "" or repr(text) in refused
