"""Growth on scripted numbers: what keeps its pace is told from what comes to rest, at any number of steps.

A series is written as a function of the steps done, read where the runner reads it (`spread`), and at the last step.
What cannot be told by anybody (one rise is as well the first item of a pool) must at least not be called by the
opposite name: a leak is never flat or bounded, what is bounded is never steady.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.judge.growth import Growth, Shape, growth_of
from leaklab.measure.sampler import SAMPLED_STEPS, SOCKET_SAMPLES, spread
from leaklab.metrics import MEMORY_FLOOR

MIB = 2**20
Series = Callable[[int], float]

STEP_COUNTS = [*range(3, 130), 149, 150, 151, 199, 200, 201, 299, 333, 499, 500, 501, 777, 999, 1000, 1001, 1500, 2000]
READINGS = [SAMPLED_STEPS, 16]
"""Most readings of a run: as many as of most metrics, and few."""


def grown(series: Series, steps: int, *, read_at: int = SAMPLED_STEPS, least: float = 1) -> Growth:
    points = [(step, series(step)) for step in spread(steps, read_at)]
    return growth_of([*points, (steps, series(steps))], least=least)


def shapes(series: Callable[[int], Series], counts: list[int], *, read_at: int = SAMPLED_STEPS) -> dict[int, Shape]:
    return {steps: grown(series(steps), steps, read_at=read_at).shape for steps in counts}


def those(found: dict[int, Shape], *shape: Shape) -> list[int]:
    """The step counts at which one of `shape` was found: an empty list reads well in a failure."""
    return [steps for steps, its in found.items() if its in shape]


# ---- leaks


@pytest.mark.parametrize("read_at", READINGS)
@pytest.mark.parametrize("each", [1, 2, 10])
@pytest.mark.parametrize("start", [0, 1, 500])
def test_a_leak_at_every_step_is_steady_at_any_number_of_steps(read_at: int, each: int, start: int) -> None:
    found = shapes(lambda _: lambda step: start + each * step, STEP_COUNTS, read_at=read_at)
    assert those(found, Shape.STEADY) == STEP_COUNTS


@pytest.mark.parametrize("steps", [3, 7, 50, 99, 100, 101, 2000])
@pytest.mark.parametrize("start", [0, 4])
def test_one_a_step_is_what_rose_by_one_at_each_step_between_all_readings(steps: int, start: int) -> None:
    assert grown(lambda step: start + step, steps).one_a_step
    for series in (lambda step: 2 * step, lambda step: step // 2 * 2, lambda step: min(step, steps - 1), lambda _: 1):
        assert not grown(series, steps).one_a_step


@pytest.mark.parametrize("steps", [3, 7, 50, 99, 100, 101, 2000])
def test_the_pace_of_a_leak_is_exact_however_many_steps_are_read(steps: int) -> None:
    growth = grown(lambda step: 3 + 2 * step, steps)
    assert (growth.shape, growth.total, growth.per_step, growth.steps) == (Shape.STEADY, 2 * steps, 2.0, steps)
    assert growth.events == min(steps, SAMPLED_STEPS)


@pytest.mark.parametrize("read_at", READINGS)
@pytest.mark.parametrize("every", [2, 3, 7, 10])
@pytest.mark.parametrize("first", [0.0, 0.5, 1.0])
def test_a_leak_at_one_step_in_many_is_steady_once_it_was_seen_three_times_and_before_that_is_never_called_bounded(
    read_at: int, every: int, first: float
) -> None:
    """`first`: how far into its first round the leak strikes. From the second strike on it must not look at rest."""
    at = max(1, round(every * first))

    def series(_: int) -> Series:
        return lambda step: 0 if step < at else 1 + (step - at) // every

    twice = [steps for steps in STEP_COUNTS if steps >= at + every]
    found = shapes(series, twice, read_at=read_at)
    assert those(found, Shape.FLAT, Shape.BOUNDED) == []
    # Of 2,000 steps 16 are read: a whole strike may fall between two readings, the pace still holds.
    assert those(found, Shape.STEADY) == [steps for steps in twice if steps >= at + 2 * every]


@pytest.mark.parametrize("steps", [30, 31, 35, 39, 40, 50, 99, 100, 500, 2000])
def test_a_leak_in_bursts_is_steady(steps: int) -> None:
    growth = grown(lambda step: step // 10 * 8, steps)
    assert growth.shape is Shape.STEADY
    assert growth.total == steps // 10 * 8


@pytest.mark.parametrize("bursts", [3, 4, 5, 10])
def test_a_leak_in_a_few_equal_bursts_over_the_run_is_steady(bursts: int) -> None:
    counts = [steps for steps in STEP_COUNTS if steps >= 2 * bursts]
    found = shapes(lambda steps: lambda step: step * bursts // steps * 5, counts)
    assert those(found, Shape.STEADY) == counts


@pytest.mark.parametrize("amplitude", [1, 2, 3])
def test_a_leak_under_a_fluctuating_count_is_steady(amplitude: int) -> None:
    counts = [steps for steps in STEP_COUNTS if steps >= 10 * amplitude]
    found = shapes(lambda _: lambda step: step + step * 7 % (amplitude + 1), counts)
    assert those(found, Shape.STEADY) == counts


# ---- what comes to rest


@pytest.mark.parametrize("value", [0, 1, 50])
def test_what_never_changes_is_flat_and_has_no_pace(value: int) -> None:
    for steps in STEP_COUNTS:
        assert grown(lambda _: value, steps) == Growth(Shape.FLAT, 0, 0, 0, steps)


def test_what_falls_is_flat() -> None:
    assert those(shapes(lambda steps: lambda step: steps - step, STEP_COUNTS), Shape.FLAT) == STEP_COUNTS


@pytest.mark.parametrize("read_at", READINGS)
@pytest.mark.parametrize("place", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
def test_a_pool_that_reached_its_bound_is_never_steady_wherever_in_the_run_that_was(read_at: int, place: float) -> None:
    """It must have rested for two readings: with less, a leak that strikes at most steps looks the same."""
    rested = [Shape.BOUNDED] if place <= 0.5 else [Shape.BOUNDED, Shape.FLAT, Shape.UNCLEAR]
    counts = [
        steps for steps in STEP_COUNTS if len([s for s in spread(steps, read_at) if s > math.floor(steps * place)]) >= 2
    ]
    found = shapes(lambda steps: lambda step: min(step, math.floor(steps * place)), counts, read_at=read_at)
    grew = [steps for steps in counts if steps * place >= 1]
    assert those(found, *rested) == (grew if place <= 0.5 else counts)


@pytest.mark.parametrize("bound", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("every", [1, 3, 10])
def test_a_pool_that_is_filled_now_and_then_is_bounded_once_it_rested_long_enough(bound: int, every: int) -> None:
    counts = [steps for steps in STEP_COUNTS if steps >= (bound + 3) * every]
    found = shapes(lambda _: lambda step: min(step // every, bound), counts)
    assert those(found, Shape.BOUNDED) == counts


@pytest.mark.parametrize("at", [1, 2, 3, 10, 40])
def test_one_thing_made_at_its_first_use_is_bounded_once_half_the_run_went_on_without_another(at: int) -> None:
    counts = [steps for steps in STEP_COUNTS if steps >= 2 * at]
    found = shapes(lambda _: lambda step: int(step >= at), counts)
    assert those(found, Shape.BOUNDED) == counts


@pytest.mark.parametrize("steps", [200, 500, 1000, 2000])
@pytest.mark.parametrize("room", [10, 64, 1000])
def test_a_cache_that_fills_up_is_not_steady(steps: int, room: int) -> None:
    """Each step hits what is already there with a rising chance: the count nears its bound ever more slowly."""
    growth = grown(lambda step: round(room * (1 - math.exp(-step * 5 / steps))), steps)
    assert growth.shape is not Shape.STEADY


@pytest.mark.parametrize("steps", [20, 50, 100, 300, 2000])
def test_growth_that_slows_down_for_ever_is_not_called_steady(steps: int) -> None:
    assert grown(lambda step: int(10 * math.log2(step + 1)), steps).shape is not Shape.STEADY


def test_what_is_opened_and_closed_between_steps_is_no_growth() -> None:
    points = [(0, 0.0), (1, 9.0), (2, 0.0), (3, 9.0), (4, 0.0), (5, 9.0), (6, 0.0)]
    assert growth_of(points).shape is Shape.FLAT


@pytest.mark.parametrize(
    "wave", [(1, 4, 2, 6, 3, 5), (0, 8), (2, 5, 8, 5), (4, 3, 2, 1, 2, 3), (0, 1, 2, 3, 4, 5, 6, 7)]
)
def test_a_count_that_only_fluctuates_is_never_steady_wherever_the_run_ends_in_the_wave(wave: tuple[int, ...]) -> None:
    """The last wave always rises towards its top; what was there at the bottom of each wave did not grow.

    Only where every step is read: an even spread of readings can beat with an even wave.
    """
    counts = [steps for steps in STEP_COUNTS if 4 * len(wave) <= steps <= SAMPLED_STEPS]
    found = shapes(lambda _: lambda step: wave[step % len(wave)], counts)
    assert those(found, Shape.STEADY) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_count_that_fluctuates_at_random_is_never_steady(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 # repeatable numbers, no secret
    values = [rng.randint(1, 9) for _ in range(2001)]
    found = shapes(lambda _: lambda step: values[step], [steps for steps in STEP_COUNTS if steps >= 30])
    assert those(found, Shape.STEADY) == []


# ---- few steps


@pytest.mark.parametrize("steps", [1, 2])
def test_one_or_two_steps_are_too_few_to_call_a_rise_steady(steps: int) -> None:
    growth = grown(lambda step: step, steps)
    assert growth.shape is Shape.UNCLEAR
    assert growth.per_step == 1.0


def test_no_step_at_all_is_flat() -> None:
    assert growth_of([(0, 0.0), (0, 5.0)]) == Growth(Shape.FLAT, 5.0, 0.0, 0, 0)


def test_a_count_that_starts_above_zero_is_judged_by_what_it_rises_and_not_by_where_it_starts() -> None:
    for steps in STEP_COUNTS:
        low, high = grown(lambda step: step // 3, steps), grown(lambda step: 1000 + step // 3, steps)
        assert low == high


# ---- noisy memory


def noisy(series: Series, seed: int, noise: float) -> Series:
    rng = random.Random(seed)  # noqa: S311 # repeatable numbers, no secret
    values = [series(step) + rng.uniform(0, noise) for step in range(2001)]
    return lambda step: values[step]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("steps", [3, 10, 50, 500, 2000])
def test_memory_that_only_wavers_below_the_floor_is_flat(steps: int, seed: int) -> None:
    series = noisy(lambda _: 30 * MIB, seed, MEMORY_FLOOR - 1)
    assert grown(series, steps, least=MEMORY_FLOOR) == Growth(Shape.FLAT, 0, 0, 0, steps)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("steps", "each"), [(10, 8 * MIB), (50, 2 * MIB), (500, MIB), (2000, MIB / 4)])
def test_memory_that_leaks_at_every_step_is_steady_under_its_noise(steps: int, each: float, seed: int) -> None:
    growth = grown(noisy(lambda step: 30 * MIB + each * step, seed, 3 * MIB), steps, least=MEMORY_FLOOR)
    assert growth.shape is Shape.STEADY
    assert growth.per_step == pytest.approx(each, rel=0.1)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("steps", [50, 500, 2000])
def test_a_noisy_memory_cache_that_is_full_is_not_steady(steps: int, place: float, seed: int) -> None:
    def series(step: int) -> float:
        return 30 * MIB + min(step / (steps * place), 1) * 64 * MIB

    assert grown(noisy(series, seed, 3 * MIB), steps, least=MEMORY_FLOOR).shape is not Shape.STEADY


@pytest.mark.parametrize("steps", [3, 10, 50, 2000])
def test_one_large_buffer_that_is_filled_at_the_first_step_is_bounded(steps: int) -> None:
    growth = grown(lambda step: 30 * MIB + (256 * MIB if step else 0), steps, least=MEMORY_FLOOR)
    assert growth.shape is Shape.BOUNDED
    assert growth.per_step == 0


# ---- laws


@given(st.lists(st.integers(0, 30), min_size=2, max_size=60), st.integers(0, 1000))
def test_any_series_is_judged_without_an_error_and_the_same_from_any_level(values: list[int], level: int) -> None:
    low = growth_of([(step, float(value)) for step, value in enumerate(values)])
    high = growth_of([(step, float(value + level)) for step, value in enumerate(values)])
    assert low == high
    assert low.total == max(0, values[-1] - values[0])
    assert low.events <= len(values) - 1
    assert (low.per_step > 0) == (low.shape in (Shape.STEADY, Shape.UNCLEAR))


@given(st.lists(st.integers(0, 5), min_size=4, max_size=60))
def test_nothing_is_called_growth_that_ended_where_it_began(values: list[int]) -> None:
    points = [(step, float(value)) for step, value in enumerate([*values, min(values[0], values[-1])])]
    assert growth_of(points).shape is Shape.FLAT


# ---- which steps are read


@pytest.mark.parametrize("steps", [1, 2, 99, 100, 101, 150, 199, 2000, 10_000_000])
@pytest.mark.parametrize("most", [SAMPLED_STEPS, SOCKET_SAMPLES, 1])
def test_the_steps_that_are_read_are_evenly_spread_from_the_first_on(steps: int, most: int) -> None:
    read = spread(steps, most)
    assert len(read) == min(steps, most)
    assert read[0] == 0
    assert read[-1] < steps
    pauses = {later - earlier for earlier, later in itertools.pairwise(read)}
    assert len(pauses) <= 2
    assert not pauses or max(pauses) - min(pauses) <= 1
