"""From growth to its consequence: after how many steps a limit is reached; tests/golden/forecasts.txt has the words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from leaklab.lab.forecast import CURSOR_RATE, CURSOR_TIMEOUT_S, Capacities, Forecast, forecasts
from tests.unit.golden import assert_golden
from tests.unit.scripted import Half

MIB = 2**20
Series = Callable[[int], float]


def predicted(
    series: Mapping[str, Series], capacities: Capacities, *, steps: int = 50, before: float = 0
) -> tuple[Forecast, ...]:
    half = Half(steps)
    for metric, at_step in series.items():
        half.counts(metric, at_step, before=before)
    return forecasts(half.sized, half.judged().findings, capacities)


def each(done: int) -> int:
    return done


FILES = Capacities(descriptors=1024)
CASES: dict[str, tuple[tuple[Forecast, ...], tuple[str, float, float, int]]] = {
    "sockets": (
        predicted({"open_sockets": each, "open_fds": lambda done: 4 + done}, FILES),
        ("open_sockets", 1.0, 1024, 1020)),
    "files that are not sockets": (
        predicted({"open_sockets": lambda _: 1, "open_fds": lambda done: 4 + 2 * done},
                  Capacities(descriptors=1024, descriptors_are="--limit fds")),
        ("open_fds", 2.0, 1024, 510)),
    "one file in five steps": (predicted({"open_fds": lambda done: done // 5}, FILES), ("open_fds", 0.2, 1024, 5120)),
    "opened before the first step": (
        predicted({"open_fds": lambda done: 30 + done}, Capacities(descriptors=1000)), ("open_fds", 1.0, 1000, 970)),
    "reached already": (
        predicted({"open_fds": lambda done: 90 + done}, Capacities(descriptors=64), steps=5, before=90),
        ("open_fds", 1.0, 64, 0)),
    "threads": (
        predicted({"threads": lambda done: 1 + done}, Capacities(threads=2001)), ("threads", 1.0, 2001, 2000)),
    "memory": (
        predicted({"rss": lambda done: (20 + done) * MIB}, Capacities(memory=2**30), before=20 * MIB),
        ("rss", MIB, 2**30 + 20 * MIB, 1024)),
    "cursors": (
        predicted({"open_cursors": each}, Capacities()),
        ("open_cursors", 1.0, 18_000, CURSOR_RATE * CURSOR_TIMEOUT_S)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_growth_with_the_work_reaches_a_limit(name: str) -> None:
    (forecast,), expected = CASES[name]
    assert (forecast.metric, forecast.per_step, forecast.limit, forecast.steps) == expected


@pytest.mark.parametrize("series", [lambda _: 4, lambda step: min(step, 10)], ids=["flat", "a pool"])
def test_what_does_not_grow_with_the_work_has_no_forecast(series: Series) -> None:
    everything = Capacities(descriptors=1024, threads=1000, memory=2**30)
    names = ("open_sockets", "open_fds", "threads", "open_cursors")
    assert predicted(dict.fromkeys(names, series), everything) == ()


def test_without_a_known_limit_there_is_no_forecast() -> None:
    assert predicted({"open_fds": each, "threads": each}, Capacities()) == ()


def test_the_sentences_of_forecasts() -> None:
    assert_golden("forecasts", "\n".join(f"{name}: {found[0].words}" for name, (found, _) in CASES.items()))
