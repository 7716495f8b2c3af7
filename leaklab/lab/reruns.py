"""When a half is run again: with other work, to see what grows; and where a busy machine may have been slow."""

from leaklab.judge.deadline import IN_TIME, waited
from leaklab.measure.trace import Outcome, Trace

LOOKS = 3
"""How often, at most, a half whose answer came late is run. A busy machine adds time and takes none away: the shortest
run is nearest to what the half itself takes (documentation of timeit, on `repeat`)."""

UNMISTAKABLE = 2.5
"""If the dead service answers after this many deadlines or more, an answer that waited for it is not noise."""

LARGE = 200
"""Steps from which on the second run is the smaller one. It is more than the pools that clients have by default hold:
100 connections in aiohttp and httpx, 100 in pymongo (their documentation), 32 threads in Python's executors."""


def second_size(steps: int) -> int:
    """The steps of the second run of a half that has run `steps`."""
    return smaller_size(steps) if steps >= LARGE else max(LARGE, 4 * steps)


def smaller_size(steps: int) -> int:
    """The steps of a second run that is to be the smaller one."""
    return max(1, steps // 4)


def could_be_noise(trace: Trace, deadline: float | None, hang: float | None) -> bool:
    """Whether a busy machine could be why an answer came late: then the half is run again."""
    if deadline is None or trace.outcome is not Outcome.COMPLETED or waited(trace) <= deadline * IN_TIME:
        return False
    return hang is None or hang < deadline * UNMISTAKABLE or waited(trace) < hang
