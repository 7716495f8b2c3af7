"""When a half is run again: with other work, to see what grows; and where a busy machine may have been slow."""

from math import inf

from leaklab.judge.deadline import IN_TIME, waited
from leaklab.measure.trace import Outcome, Trace

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


def third_size(steps: int, second: int, elapsed_s: float = 0.0, limit_s: float = inf) -> int:
    """The steps of a third run: twice the larger size, if that is the second run's, and if there is time for it."""
    return 2 * second if second > steps and elapsed_s * 2 <= limit_s / 2 else smaller_size(min(steps, second))


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
