"""When a half is run again: with other work, to see what grows; and where a busy machine may have been slow."""

from collections.abc import Sequence
from math import inf

from leaklab.judge.deadline import IN_TIME, waited
from leaklab.measure.run_trace import Outcome, Trace
from leaklab.metrics import Metric

LOOKS = 3
"""How often, at most, a half whose answer came late is run. A busy machine adds time and takes none away: the shortest
run is nearest to what the half itself takes (documentation of timeit, on `repeat`)."""

UNMISTAKABLE = 2.5
"""If a service was seen to be waited for over this many deadlines or more, a late answer is not noise."""

LARGE = 200
"""Steps from which on the second run is the smaller one. It is more than the pools that clients have by default hold:
100 connections in aiohttp and httpx, 100 in pymongo (their documentation), 32 threads in Python's executors."""


def second_size(steps: int, elapsed_s: float = 0.0, limit_s: float = inf) -> int:
    """The steps of the second run of a half that did `steps` in `elapsed_s`, so that half of the time limit will do."""
    larger = (max(LARGE, 4 * steps), 4 * steps) if steps < LARGE else ()
    return next((size for size in larger if elapsed_s * size / steps <= limit_s / 2), smaller_size(steps))


def third_size(steps: int, second: int, unclear: Sequence[Metric], elapsed_s: float = 0.0, limit_s: float = inf) -> int:
    """The steps of a third run: more than the second's, if that was the larger, and if there is time for it.

    Four times as many add more than what a usual pool still has room for. Memory is a load for the machine: twice.
    """
    times = 2 if any(metric.unit == "bytes" for metric in unclear) else 4
    return times * second if second > steps and elapsed_s * times <= limit_s / 2 else smaller_size(min(steps, second))


def smaller_size(steps: int) -> int:
    """The steps of a run that is to be smaller than one of `steps`."""
    return max(1, steps // 4)


def could_be_noise(trace: Trace, deadline: float | None, hang: float | None) -> bool:
    """Whether a busy machine could be why an answer came late: then the half is run again."""
    if deadline is None or trace.outcome is not Outcome.COMPLETED or waited(trace) <= deadline * IN_TIME:
        return False
    if (trace.answers_awaited_s or 0.0) >= deadline * UNMISTAKABLE:
        return False
    return hang is None or hang < deadline * UNMISTAKABLE or waited(trace) < hang
