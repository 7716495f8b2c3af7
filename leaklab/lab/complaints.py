"""Whether a half did its work: by the answer, by the services' own counts, and by the time that it gave a dead one."""

from dataclasses import replace

from leaklab.content.declaration import Lab, Scenario
from leaklab.content.settings import Settings
from leaklab.judge.scaling import Thresholds
from leaklab.lab.run_options import bounds_of
from leaklab.measure.messages import UnreadableAnswer
from leaklab.measure.run_trace import COMPLETED, Outcome, Trace
from leaklab.services.client import HalfServices
from leaklab.units import format_duration

GIVEN = 0.8
"""The share of the deadline that a service must have been given before it is called late: some keep a reserve."""

GIVEN_AT_LEAST = 0.3
"""The share of the deadline in which the half must have been seen to wait or to work: the rest may be the start of a
program that asks for it."""


def complaint_of(scenario: Scenario, settings: Settings, its: HalfServices, trace: Trace) -> str | None:
    """What is wrong with the work that was done: by the answer, and by the services' own counts."""
    if trace.outcome is not Outcome.COMPLETED:
        return None
    if isinstance(trace.answer, UnreadableAnswer):
        return f"its answer cannot be read: {trace.answer.problem}"
    # A real server counts the requests of all its clients.
    wrong = None if its.is_remote else wrong_requests(scenario, settings, trace)
    early = gave_up_early(bounds_of(scenario, settings), trace)
    return wrong or early or scenario.check_answer(Lab(settings, its.endpoints), trace.answer)


def as_answer(scenario: Scenario, settings: Settings, trace: Trace) -> Trace:
    """The trace of a run that raised an error which the scenario accepts as an answer, as one that completed."""
    raised = trace.ending.raised
    # One that could not even be imported has no samples.
    if scenario.check_error is None or raised is None or not trace.samples:
        return trace
    # An error of a class of the learner's own counts as its base classes too.
    is_answer = any(scenario.check_error(settings, raised.named(kind)) for kind in raised.kinds)
    return replace(trace, ending=COMPLETED) if is_answer else trace


def gave_up_early(bounds: Thresholds, trace: Trace) -> str | None:
    """Why the dead service cannot be called late: it had not had its time yet; None if it had."""
    if bounds.hang_s is None or bounds.deadline_s is None:
        return None
    deadline, given = bounds.deadline_s, trace.elapsed_s
    if trace.answers_awaited_s is not None:
        # Its own computing before it asked, or after, is no reason to call it impatient; sleeping is.
        waited_or_worked = trace.answers_awaited_s + (trace.cpu_s or 0.0) + (trace.cpu_wait_s or 0.0)
        given = given if waited_or_worked >= GIVEN_AT_LEAST * deadline else waited_or_worked
    if given >= GIVEN * deadline:
        return None
    words = f"the dead service had until {format_duration(deadline)} to answer"
    return f"it gave up after {format_duration(given)}: {words}"


def wrong_requests(scenario: Scenario, settings: Settings, trace: Trace) -> str | None:
    """What the services were asked, in words, if that is not what the work takes."""
    made = {route: count for route, count in trace.requests_by_route.items() if count is not None}
    unknown = trace.requests_by_route.keys() - made.keys()
    asked = {route: count for route, count in scenario.requests(settings).items() if route not in unknown}
    if asked.keys() == made.keys() and all(_fits(made[route], count) for route, count in asked.items()):
        return None
    got, needed = (
        ", ".join(f"{requests_in_words(n)} × {route}" for route, n in sorted(each.items())) or "nothing"
        for each in (made, asked)
    )
    return f"it asked the services for {got}; the work takes {needed}"


def _fits(made: int, count: int | range) -> bool:
    return made in count if isinstance(count, range) else made == count


def requests_in_words(count: int | range) -> str:
    """How many requests, or how few and how many there may be."""
    return f"{count[0]} to {count[-1]}" if isinstance(count, range) else str(count)
