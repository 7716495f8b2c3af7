"""Growth on scripted numbers: a steady pace is separated from a plateau, at few and many steps.

What no rule can decide (a single rise is just as well the first item of a pool) must at least not be called the
opposite: a leak is never flat or bounded, a plateau is never steady.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.judge.growth import Growth, Shape, growth_of, lasting_values
from leaklab.metrics import MEMORY_FLOOR

MIB = 2**20
Series = Callable[[int], float]
COUNTS = (3, 7, 50, 99, 100, 101, 149, 333, 2000)


def grown(series: Series, steps: int, *, samples: int = 100, least: float = 1) -> Growth:
    """The growth of a series that is sampled at so many of its steps, evenly, and at the last."""
    sampled = sorted(
        {round(number * steps / samples) for number in range(samples)} if steps > samples else range(steps)
    )
    return growth_of([*((step, series(step)) for step in sampled), (steps, series(steps))], least=least)


def shapes(series: Series, *counts: int, samples: int = 100) -> list[Shape]:
    return [grown(series, steps, samples=samples).shape for steps in counts]


@pytest.mark.parametrize("samples", [100, 16])
@pytest.mark.parametrize("series", [lambda step: step, lambda step: 500 + 10 * step, lambda step: step + step * 7 % 3])
def test_a_rise_at_every_step_is_steady(series: Series, samples: int) -> None:
    assert set(shapes(series, *(COUNTS if series(1) != 2 else COUNTS[2:]), samples=samples)) == {Shape.STEADY}


def test_the_pace_is_exact_however_many_steps_are_sampled() -> None:
    for steps in COUNTS:
        growth = grown(lambda step: 3 + 2 * step, steps)
        assert (growth.shape, growth.total, growth.per_step, growth.steps) == (Shape.STEADY, 2 * steps, 2.0, steps)


def test_one_a_step_is_a_rise_by_exactly_one_at_each_step() -> None:
    for steps in (3, 101):
        assert grown(lambda step: 4 + step, steps).one_a_step
        for series in (lambda step: 2 * step, lambda step: step // 2 * 2, lambda step: min(step, steps - 1)):  # noqa: B023 # used within the iteration
            assert not grown(series, steps).one_a_step


@pytest.mark.parametrize("every", [2, 7, 10])
@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_rise_at_one_step_in_many_is_steady_from_the_third_on_and_never_bounded(every: int, at_the_end: bool) -> None:
    first = every if at_the_end else 1

    def series(step: int) -> float:
        return 0 if step < first else 1 + (step - first) // every

    for steps in range(first + every, 130):
        shape = grown(series, steps).shape
        assert shape is Shape.STEADY if steps >= first + 2 * every else shape in (Shape.STEADY, Shape.UNCLEAR)


@pytest.mark.parametrize("bursts", [3, 10])
def test_equal_bursts_over_the_run_are_steady(bursts: int) -> None:
    for steps in COUNTS[2:]:
        growth = grown(lambda step: step * bursts // steps * 5, steps)  # noqa: B023 # used within the iteration
        assert (growth.shape, growth.total) == (Shape.STEADY, 5 * bursts)


@pytest.mark.parametrize("series", [lambda _: 50, lambda step: -step, lambda step: 9 * (step % 2)])
def test_what_stays_or_falls_or_comes_and_goes_is_flat(series: Series) -> None:
    for steps in (2, 50, 100):
        assert grown(series, steps) == Growth(Shape.FLAT, 0, 0, 0, steps)
    assert growth_of([(0, 0.0), (0, 5.0)]) == Growth(Shape.FLAT, 5.0, 0.0, 0, 0), "without steps"


@pytest.mark.parametrize("samples", [100, 16])
def test_a_pool_that_is_full_after_half_of_the_steps_is_bounded_and_later_never_steady(samples: int) -> None:
    for steps in COUNTS[2:]:
        for place in (0.1, 0.5, 0.8):
            shape = grown(lambda step: min(step, steps * place), steps, samples=samples).shape  # noqa: B023 # used within the iteration
            assert shape is Shape.BOUNDED if place <= 0.5 else shape is not Shape.STEADY, (steps, place)


@pytest.mark.parametrize(("bound", "every"), [(1, 1), (1, 40), (4, 3), (10, 10)])
def test_a_pool_that_is_filled_now_and_then_is_bounded_once_it_rested_long_enough(bound: int, every: int) -> None:
    counts = range((bound + 3) * every, 300, 7)
    assert set(shapes(lambda step: min(step // every, bound), *counts)) == {Shape.BOUNDED}


@pytest.mark.parametrize("steps", [50, 300, 2000])
def test_growth_that_slows_down_is_not_steady(steps: int) -> None:
    assert grown(lambda step: int(10 * math.log2(step + 1)), steps).shape is not Shape.STEADY
    for room in (10, 1000):
        assert grown(lambda step: round(room * (1 - math.exp(-step * 5 / steps))), steps).shape is not Shape.STEADY  # noqa: B023 # used within the iteration


@pytest.mark.parametrize("wave", [(1, 4, 2, 6, 3, 5), (0, 8), (0, 1, 2, 3, 4, 5, 6, 7)])
def test_a_fluctuating_count_is_never_steady_wherever_the_wave_ends(wave: tuple[int, ...]) -> None:
    """Only if every step is sampled: an even spread of samples can beat with an even wave."""
    assert Shape.STEADY not in shapes(lambda step: wave[step % len(wave)], *range(4 * len(wave), 100))


def test_one_or_two_steps_are_too_few_to_be_steady() -> None:
    for growth in (grown(lambda step: step, 1), grown(lambda step: step, 2)):
        assert (growth.shape, growth.per_step) == (Shape.UNCLEAR, 1.0)


def noisy(series: Series, noise: float) -> Series:
    rng = random.Random(7)  # noqa: S311 # repeatable numbers, no secret
    values = [series(step) + rng.uniform(0, noise) for step in range(2001)]
    return lambda step: values[step]


@pytest.mark.parametrize("steps", [3, 50, 2000])
def test_memory_that_wavers_below_the_floor_is_flat(steps: int) -> None:
    series = noisy(lambda _: 30 * MIB, MEMORY_FLOOR - 1)
    assert grown(series, steps, least=MEMORY_FLOOR) == Growth(Shape.FLAT, 0, 0, 0, steps)


@pytest.mark.parametrize(("steps", "each"), [(10, 8 * MIB), (50, 2 * MIB), (2000, MIB / 4)])
def test_memory_that_leaks_at_every_step_is_steady_under_its_noise(steps: int, each: float) -> None:
    growth = grown(noisy(lambda step: 30 * MIB + each * step, 3 * MIB), steps, least=MEMORY_FLOOR)
    assert growth.shape is Shape.STEADY
    assert growth.per_step == pytest.approx(each, rel=0.1)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("steps", [50, 2000])
def test_a_noisy_cache_that_is_full_is_not_steady(steps: int, place: float) -> None:
    series = noisy(lambda step: min(step / (steps * place), 1) * 64 * MIB, 3 * MIB)
    assert grown(series, steps, least=MEMORY_FLOOR).shape is not Shape.STEADY


def test_one_large_buffer_of_the_first_step_is_bounded() -> None:
    growth = grown(lambda step: 256 * MIB if step else 0, 50, least=MEMORY_FLOOR)
    assert (growth.shape, growth.per_step) == (Shape.BOUNDED, 0)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=60), st.integers(0, 1000))
def test_any_series_has_the_same_growth_from_any_level(values: list[int], level: int) -> None:
    low = growth_of([(step, float(value)) for step, value in enumerate(values)])
    assert low == growth_of([(step, float(value + level)) for step, value in enumerate(values)])
    assert low.total == max(0, values[-1] - values[0])
    assert (low.per_step > 0) == (low.shape in (Shape.STEADY, Shape.UNCLEAR))


@given(st.lists(st.integers(0, 5), min_size=4, max_size=60))
def test_what_ends_where_it_began_is_flat(values: list[int]) -> None:
    points = [(step, float(value)) for step, value in enumerate([*values, min(values[0], values[-1])])]
    assert growth_of(points).shape is Shape.FLAT


def test_lasting_values_are_capped_by_the_lowest_value_after_them() -> None:
    assert lasting_values([1, 4, 2, 6, 3, 5]) == [1, 2, 2, 3, 3, 5]
