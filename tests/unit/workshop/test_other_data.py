"""The same program on other data: which of its numbers are the data."""

import pytest

from leaklab.workshop.other_data import with_other_numbers


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ('array("d", [1.0, 2.0]) * (size // 16)', "array('d', [11.0, 27.0]) * (size // 16)"),
        ('pack("2d", 1.0, 2.0)', "pack('2d', 11.0, 27.0)"),
        ("a[::2] = 1.0", "a[::2] = 11.0"),
        ("(1, 2)", "(11, 27)"),
        ('array("d", [1, 2.0])', "array('d', [11, 27.0])"),
        ("range(1, size, 2)", "range(11, size, 27)"),
        ("jobs[1] + 2 * size // 16", "jobs[1] + 2 * size // 16"),
        ("range(1, 10)", "range(1, 10)"),
        ("[job * 1.5 for job in jobs]", "[job * 1.5 for job in jobs]"),
        ("True, 2", "(True, 2)"),
    ],
)
def test_numbers_with_a_point_are_the_data_and_whole_ones_where_all_of_them_stand_side_by_side(
    source: str, changed: str
) -> None:
    assert with_other_numbers(source.encode(), (1.0, 2.0)) == changed
