"""From growth to consequence: after how many steps a limit is met, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from leaklab.judge.forecast import CURSOR_RATE, CURSOR_TIMEOUT_S, Capacities, Forecast, forecasts
from leaklab.judge.summary import summarize
from leaklab.measure.trace import Phase, Sample, Trace

MIB = 2**20
Series = Callable[[int], float]


def foretold(
    series: Mapping[str, Series], capacities: Capacities, *, steps: int = 50, before: float = 0
) -> tuple[Forecast, ...]:
    """What a half leads to whose metrics are this after each step, and `before` at the baseline."""
    samples = [Sample(Phase.BASELINE, 0, 0.0, dict.fromkeys(series, before))]
    for step in range(steps + 1):
        phase = Phase.STEP if step < steps else Phase.END
        samples.append(Sample(phase, step, 0.1, {name: value(step) for name, value in series.items()}))
    return forecasts(summarize(Trace("leaky", steps, 0.1, 0.0, tuple(samples))), capacities)


def only(found: tuple[Forecast, ...]) -> Forecast:
    assert len(found) == 1
    return found[0]


def test_sockets_reach_the_limit_of_descriptors() -> None:
    series: dict[str, Series] = {"open_sockets": lambda step: step, "open_fds": lambda step: 4 + step}
    forecast = only(foretold(series, Capacities(descriptors=1024)))
    assert forecast == Forecast(
        "open_sockets",
        1.0,
        1024,
        1020,
        "1.00 sockets per step: this process reaches its limit of 1,024 descriptors (ulimit -n) after about 1,020 "
        "steps",
    )


def test_files_that_are_no_sockets_are_called_descriptors() -> None:
    series: dict[str, Series] = {"open_sockets": lambda _: 1, "open_fds": lambda step: 4 + 2 * step}
    forecast = only(foretold(series, Capacities(descriptors=1024, descriptors_are="--descriptor-limit")))
    assert (forecast.metric, forecast.steps) == ("open_fds", 510)
    assert forecast.words.startswith(
        "2.00 file descriptors per step: this process reaches its limit of 1,024 descriptors (--d"
    )


@pytest.mark.parametrize("first", [0, 30, 500])
def test_what_was_opened_before_the_first_step_is_there_and_does_not_come_again(first: int) -> None:
    forecast = only(foretold({"open_fds": lambda step: first + step}, Capacities(descriptors=1000)))
    assert forecast.steps == 1000 - first


def test_a_limit_that_is_met_already_is_met_at_once() -> None:
    forecast = only(foretold({"open_fds": lambda step: 90 + step}, Capacities(descriptors=64), steps=5))
    assert forecast.steps == 0


def test_threads_reach_the_limit_of_threads() -> None:
    forecast = only(foretold({"threads": lambda step: 1 + step}, Capacities(threads=2001)))
    assert forecast.steps == 2000
    assert "the limit of 2,001 threads" in forecast.words


def test_memory_reaches_what_is_free_beside_what_was_there() -> None:
    series: dict[str, Series] = {"rss": lambda step: (20 + step) * MIB}
    forecast = only(foretold(series, Capacities(memory=2**30), before=20 * MIB))
    assert (forecast.metric, forecast.steps) == ("rss", 1024)
    assert forecast.words == (
        "1.0 MiB per step: this process reaches the 1.0 GiB that are free after about 1,024 steps"
    )


def test_cursors_are_bounded_by_time_and_not_by_a_number() -> None:
    forecast = only(foretold({"open_cursors": lambda step: step}, Capacities()))
    assert forecast.steps == CURSOR_RATE * CURSOR_TIMEOUT_S
    assert forecast.limit == 6000
    assert "keeps at least 6,000 open" in forecast.words


@pytest.mark.parametrize("series", [lambda _: 4, lambda step: min(step, 10)], ids=["flat", "a pool"])
def test_what_does_not_go_on_growing_leads_nowhere(series: Series) -> None:
    everything = Capacities(descriptors=1024, threads=1000, memory=2**30)
    names = ("open_sockets", "open_fds", "threads", "open_cursors")
    assert foretold(dict.fromkeys(names, series), everything) == ()


def test_where_a_limit_is_not_known_nothing_is_foretold() -> None:
    assert foretold({"open_fds": lambda step: step, "threads": lambda step: step}, Capacities()) == ()
