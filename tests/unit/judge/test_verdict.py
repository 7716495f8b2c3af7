"""The verdict on scripted traces: what each shape of the numbers is found to be, and that the reason says them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from leaklab.judge.summary import summarize
from leaklab.judge.verdict import (
    IN_TIME,
    TOO_LATE,
    Finding,
    FindingKind,
    Judgement,
    Thresholds,
    Verdict,
    combine,
    judge,
    may_be_the_machine,
)
from leaklab.measure.trace import COMPLETED, Ending, Outcome, Phase, Sample, Trace
from leaklab.metrics import MEMORY_FLOOR

MIB = 2**20
COUNTERS = ["open_sockets", "open_cursors", "threads", "open_fds"]


@dataclass
class Script:
    """One metric's numbers: what it is before, at each number of steps done, after return, and after gc."""

    before: float
    at_step: Callable[[int], float]
    returned: float
    collected: float


@dataclass
class Half:
    """A trace to be written down by its numbers."""

    steps: int = 50
    elapsed_s: float = 0.1
    waited_s: float = 0.0
    outcome: Outcome = Outcome.COMPLETED
    metrics: dict[str, Script] = field(default_factory=dict)

    def counts(
        self,
        metric: str,
        at_step: Callable[[int], float],
        *,
        before: float = 0,
        returned: float | None = None,
        collected: float | None = None,
    ) -> Half:
        """`returned` and `collected` are what the last step was unless they are given."""
        last = at_step(self.steps)
        returned = last if returned is None else returned
        self.metrics[metric] = Script(before, at_step, returned, returned if collected is None else collected)
        return self

    def trace(self) -> Trace:
        completed = self.outcome is Outcome.COMPLETED
        moments: list[tuple[Phase, int, Mapping[str, float]]] = [
            (Phase.BASELINE, 0, {name: script.before for name, script in self.metrics.items()})
        ]
        for done in range(self.steps + 1 if self.steps else 0):
            phase = Phase.STEP if done < self.steps else Phase.END
            moments.append((phase, done, {name: script.at_step(done) for name, script in self.metrics.items()}))
        if completed:
            moments.append((Phase.RETURNED, self.steps, {n: s.returned for n, s in self.metrics.items()}))
            moments.append((Phase.COLLECTED, self.steps, {n: s.collected for n, s in self.metrics.items()}))
        return Trace(
            half="leaky",
            steps=self.steps,
            elapsed_s=self.elapsed_s,
            waited_s=self.waited_s,
            samples=tuple(Sample(phase, done, self.elapsed_s, values) for phase, done, values in moments),
            ending=COMPLETED if completed else Ending(self.outcome, "it was ended by SIGSEGV"),
        )

    def judged(self, bounds: Thresholds | None = None) -> Judgement:
        trace = self.trace()
        return judge(trace, summarize(trace), bounds or Thresholds())


def kinds(judgement: Judgement) -> list[tuple[str, str]]:
    return [(finding.kind.value, finding.metric) for finding in judgement.findings]


def only_finding(judgement: Judgement) -> Finding:
    assert len(judgement.findings) == 1
    return judgement.findings[0]


def only_doubt(judgement: Judgement) -> str:
    assert len(judgement.doubts) == 1
    return judgement.doubts[0]


def every_step(done: int) -> int:
    return done


# ---- leaked


@pytest.mark.parametrize("metric", COUNTERS)
@pytest.mark.parametrize("steps", [3, 7, 50, 500, 2000])
def test_one_left_open_by_every_step_after_return_and_gc_is_leaked(metric: str, steps: int) -> None:
    judgement = Half(steps=steps).counts(metric, every_step).judged()
    assert judgement.verdict is Verdict.LEAKS
    finding = only_finding(judgement)
    assert (finding.kind, finding.metric, finding.value, finding.threshold) == (FindingKind.LEAKED, metric, steps, 0)
    assert finding.reason.startswith(f"{steps:,} of {steps:,} steps left one ")


def test_a_leak_at_some_steps_only_tells_how_many_are_left_and_the_pace() -> None:
    finding = only_finding(Half().counts("open_sockets", lambda done: done // 5).judged())
    assert finding.kind is FindingKind.LEAKED
    assert finding.value == 10
    assert "10 sockets left open after return and gc, 0.20 per step" in finding.reason


@pytest.mark.parametrize("metric", COUNTERS)
def test_what_was_there_before_the_first_step_is_not_leaked(metric: str) -> None:
    finding = only_finding(Half().counts(metric, lambda done: 9 + done, before=9).judged())
    assert finding.value == 50


def test_a_leak_that_is_found_after_waiting_says_how_long_was_waited() -> None:
    finding = only_finding(Half(waited_s=2.0).counts("open_cursors", every_step).judged())
    assert "looked again for 2.00 s" in finding.reason


def test_a_leak_of_which_return_undoes_less_than_half_is_still_leaked() -> None:
    judgement = Half().counts("open_fds", every_step, returned=26).judged()
    assert kinds(judgement) == [("leaked", "open_fds")]
    assert only_finding(judgement).value == 26


def test_all_items_taken_before_any_work_was_done_is_leaked_by_what_is_left() -> None:
    """`list(urls)` first: the steps are all over before the first connection is opened."""
    judgement = Half().counts("open_sockets", lambda _: 0, returned=50).judged()
    assert kinds(judgement) == [("leaked", "open_sockets")]
    assert only_finding(judgement).reason.startswith("50 sockets left open after return and gc, 1.00 per step, many")


@pytest.mark.parametrize(
    ("at_step", "words"),
    [
        (every_step, "50 of 50 steps left one file descriptor open"),
        (lambda done: done // 5 * 5, "50 file descriptors left open after return and gc, 1.00 per step, growing"),
        (lambda done: done // 2 * 2, "50 file descriptors left open after return and gc, 1.00 per step, growing"),
    ],
    ids=["one at every step", "five at every fifth", "two at every second"],
)
def test_that_every_step_left_one_is_said_only_where_it_was_seen(at_step: Callable[[int], float], words: str) -> None:
    assert only_finding(Half().counts("open_fds", at_step).judged()).reason.startswith(words)


def nobody_took_an_item(metric: str, peak: float, collected: float) -> Judgement:
    """A half that did the work of 50 steps without asking for its items, as by `range(len(jobs))`."""
    half = Half(steps=0).counts(metric, lambda _: 0, returned=collected)
    trace = replace(half.trace(), peaks={metric: peak})
    return judge(trace, summarize(trace), Thresholds(steps=50))


@pytest.mark.parametrize(
    ("metric", "peak", "collected", "found"),
    [
        ("open_cursors", 50, 50, [("leaked", "open_cursors")]),
        ("open_cursors", 50, 0, [("held", "open_cursors")]),
        ("connections_opened", 50, 50, [("wasted", "connections_opened")]),
        ("open_cursors", 1, 0, []),
        ("connections_opened", 1, 1, []),
    ],
)
def test_where_nobody_took_an_item_what_there_was_is_held_against_the_steps_of_the_work(
    metric: str, peak: float, collected: float, found: list[tuple[str, str]]
) -> None:
    assert kinds(nobody_took_an_item(metric, peak, collected)) == found


# ---- held


@pytest.mark.parametrize("metric", ["open_sockets", "open_cursors", "open_fds"])
@pytest.mark.parametrize("steps", [3, 7, 50, 2000])
def test_what_grows_to_the_last_step_and_is_gone_after_return_is_held(metric: str, steps: int) -> None:
    finding = only_finding(Half(steps=steps).counts(metric, every_step, returned=0).judged())
    assert (finding.kind, finding.metric, finding.value, finding.threshold) == (FindingKind.HELD, metric, steps, 0)
    assert f"open at the last of {steps:,} steps (1.00 per step" in finding.reason
    assert "0 after return" in finding.reason


def test_threads_that_a_pool_may_start_are_not_held_and_more_are() -> None:
    """ThreadPoolExecutor starts a thread per job, up to min(32, processors + 4), and ends them when it is left."""
    few = Half(steps=32).counts("threads", lambda done: 1 + done, before=1, returned=1).judged()
    many = Half(steps=33).counts("threads", lambda done: 1 + done, before=1, returned=1).judged()
    assert few == Judgement(Verdict.CLEAN)
    assert kinds(many) == [("held", "threads")]


def test_a_pool_that_is_full_and_stays_open_after_return_is_clean() -> None:
    judgement = Half().counts("open_sockets", lambda done: min(done, 10)).judged()
    assert judgement == Judgement(Verdict.CLEAN)


@pytest.mark.parametrize("metric", ["open_sockets", "open_cursors", "open_fds"])
@pytest.mark.parametrize("steps", [5, 8, 10, 50, 2000])
def test_a_warm_pool_is_clean_however_few_the_steps_are(metric: str, steps: int) -> None:
    """As many as there are steps, and all of them seen at the first: what no step shows is another matter."""
    for held in (steps, 5):
        kept = Half(steps=steps).counts(metric, lambda done, held=held: held if done else 0)  # type: ignore[misc]
        assert kept.judged() == Judgement(Verdict.CLEAN)
        closed = Half(steps=steps).counts(metric, lambda done, held=held: held if done else 0, returned=0)  # type: ignore[misc]
        assert closed.judged() == Judgement(Verdict.CLEAN)
    opened = Half(steps=steps).counts("connections_opened", lambda done: steps if done else 0)
    assert opened.judged() == Judgement(Verdict.CLEAN)


def test_a_half_that_takes_all_items_first_is_judged_by_what_no_step_showed() -> None:
    """Every step is over before anything is opened."""
    leaked = Half().counts("open_sockets", lambda _: 0, returned=50)
    assert kinds(leaked.judged()) == [("leaked", "open_sockets")]


def test_a_pool_that_asks_for_every_item_at_once_is_judged_by_all_that_came_of_them() -> None:
    """Executor.map takes all items first: some of the work is seen at the steps, at an uneven pace, most is not."""
    half = Half().counts("connections_opened", lambda done: min(18, done // 2), returned=50)
    half.metrics["connections_opened"].collected = 50
    assert kinds(half.judged()) == [("wasted", "connections_opened")]


def test_a_telling_metric_that_could_not_be_read_is_a_doubt_and_never_clean() -> None:
    judgement = Half().judged(Thresholds(telling=("open_sockets",)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "open sockets could not be read" in only_doubt(judgement)


def test_of_several_runs_the_findings_are_those_that_all_have() -> None:
    both = Half().counts("open_sockets", every_step).counts("threads", lambda done: 1 + done, before=1).judged()
    one = Half().counts("open_sockets", every_step).judged()
    assert kinds(combine([both, one, both])) == [("leaked", "open_sockets")]


def test_one_connection_that_is_kept_for_the_next_call_is_clean_at_any_number_of_steps() -> None:
    for steps in (2, 3, 7, 50, 2000):
        judgement = Half(steps=steps).counts("open_sockets", lambda done: min(done, 1)).judged()
        assert judgement == Judgement(Verdict.CLEAN), steps


def test_connections_that_a_client_opens_late_for_threads_of_its_own_are_no_doubt() -> None:
    """pymongo's background thread opens a connection of its own, at whatever step it first needs one."""

    def sockets(done: int) -> int:
        return 0 if not done else 2 if done < 84 else 3

    lazy = Half(steps=130).counts("open_sockets", sockets)
    assert "too little to tell" in only_doubt(lazy.judged())
    threads = lazy.counts("threads", lambda done: 3 if done else 1, before=1)
    assert threads.judged() == Judgement(Verdict.CLEAN)


def test_two_threads_of_a_library_that_stay_are_clean() -> None:
    assert Half().counts("threads", lambda done: 1 + 2 * min(done, 1), before=1).judged().verdict is Verdict.CLEAN


def test_descriptors_that_fluctuate_and_are_gone_after_return_are_clean_wherever_the_wave_ends() -> None:
    wave = (1, 4, 2, 6, 3, 5)
    for steps in range(24, 100):
        judgement = Half(steps=steps).counts("open_fds", lambda done: wave[done % 6], before=1, returned=1).judged()
        assert kinds(judgement) == [], steps


# ---- wasted


def test_connections_that_are_opened_at_every_step_are_wasted_even_if_none_stays_open() -> None:
    half = Half().counts("open_sockets", lambda _: 0).counts("connections_opened", every_step)
    finding = only_finding(half.counts("requests_served", every_step).judged())
    assert (finding.kind, finding.metric) == (FindingKind.WASTED, "connections_opened")
    assert (finding.value, finding.threshold) == (50, 25)
    assert "50 connections opened for 50 requests (1.00 per step" in finding.reason


def test_the_reason_of_a_waste_says_the_threshold_it_was_held_against() -> None:
    """Half as many connections as steps. `Finding.reason` promises both in words: the number and the threshold."""
    half = Half(steps=40).counts("connections_opened", every_step)
    assert re.search(r"\b20\b", only_finding(half.judged()).reason)


def test_a_threshold_is_never_above_the_number_that_was_found_to_be_too_much() -> None:
    """A new connection at one step in ten is found at its steady pace: the threshold that is told must agree."""
    finding = only_finding(Half().counts("connections_opened", lambda done: done // 10).judged())
    assert finding.kind is FindingKind.WASTED
    assert finding.threshold <= finding.value


def test_of_a_connection_in_ten_steps_it_is_not_said_that_none_is_used_again() -> None:
    half = Half().counts("connections_opened", lambda done: done // 10).counts("requests_served", every_step)
    assert "none is used again" not in only_finding(half.judged()).reason


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        (lambda done: done, "none is used again"),
        (lambda done: done - done // 10, "hardly any is used again"),
        (lambda done: done // 2, "they are not used again for long"),
    ],
)
def test_that_no_connection_is_used_again_is_said_only_where_there_are_as_many_as_requests(
    opened: Callable[[int], float], words: str
) -> None:
    half = Half().counts("connections_opened", opened).counts("requests_served", every_step)
    assert only_finding(half.judged()).reason.endswith(words)


@pytest.mark.parametrize("steps", [50, 60, 100, 200, 333, 2000])
@pytest.mark.parametrize(("each", "wasted"), [(1, True), (5, True), (10, True), (15, False), (20, False), (25, False)])
def test_a_connection_that_serves_a_dozen_requests_is_no_waste_at_any_number_of_steps(
    steps: int, each: int, wasted: bool
) -> None:
    judgement = Half(steps=steps).counts("connections_opened", lambda done: -(-done // each)).judged()
    assert (kinds(judgement) == [("wasted", "connections_opened")]) is wasted
    assert wasted or judgement.verdict is Verdict.CLEAN


def test_one_connection_for_all_steps_is_not_wasted() -> None:
    assert Half().counts("connections_opened", lambda done: min(done, 1)).judged().verdict is Verdict.CLEAN


def test_requests_and_answers_are_work_and_never_a_finding() -> None:
    assert Half().counts("requests_served", every_step).judged() == Judgement(Verdict.CLEAN)


# ---- stalled


@pytest.mark.parametrize("took", [TOO_LATE * 0.5, 3.0])
def test_an_answer_after_twice_the_deadline_is_stalled(took: float) -> None:
    finding = only_finding(Half(steps=0, elapsed_s=took).judged(Thresholds(deadline_s=0.5)))
    assert (finding.kind, finding.metric, finding.value, finding.threshold) == (
        FindingKind.STALLED,
        "elapsed",
        took,
        1.0,
    )
    assert f"{took:.2f} s" in finding.reason
    assert "needed within 500 ms" in finding.reason
    assert "1.00 s or more is stalled" in finding.reason


@pytest.mark.parametrize("took", [0.01, 0.5, IN_TIME * 0.5])
def test_an_answer_in_time_is_clean(took: float) -> None:
    assert Half(steps=0, elapsed_s=took).judged(Thresholds(deadline_s=0.5)) == Judgement(Verdict.CLEAN)


@pytest.mark.parametrize("took", [0.66, 0.99])
def test_between_in_time_and_stalled_there_is_no_verdict_and_the_doubt_says_the_numbers(took: float) -> None:
    judgement = Half(steps=0, elapsed_s=took).judged(Thresholds(deadline_s=0.5))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert f"{took * 1000:.0f} ms" in only_doubt(judgement)
    assert "500 ms" in only_doubt(judgement)


@pytest.mark.parametrize(
    ("took", "bounds", "again"),
    [
        (0.65, Thresholds(deadline_s=0.5, hang_s=3.0), False),
        (0.66, Thresholds(deadline_s=0.5, hang_s=3.0), True),
        (2.99, Thresholds(deadline_s=0.5, hang_s=3.0), True),
        (3.0, Thresholds(deadline_s=0.5, hang_s=3.0), False),
        (3.0, Thresholds(deadline_s=0.5), True),
        (1.0, Thresholds(deadline_s=0.5, hang_s=1.0), True),
        (60.0, Thresholds(), False),
    ],
)
def test_a_late_answer_may_be_the_machines_unless_it_came_when_the_dead_service_did(
    took: float, bounds: Thresholds, again: bool
) -> None:
    """A dead service that answers soon after the deadline tells nothing: the machine may be as late as that."""
    assert may_be_the_machine(Half(steps=0, elapsed_s=took).trace(), bounds) is again


def test_a_half_that_did_not_complete_is_not_looked_at_again() -> None:
    assert not may_be_the_machine(Half(elapsed_s=1.0, outcome=Outcome.CRASHED).trace(), Thresholds(deadline_s=0.5))


def test_a_verdict_on_the_shortest_of_several_runs_says_so() -> None:
    for took in (0.8, 1.2):
        trace = replace(Half(steps=0, elapsed_s=took).trace(), looks=3)
        judgement = judge(trace, summarize(trace), Thresholds(deadline_s=0.5))
        words = [*judgement.doubts, *(finding.reason for finding in judgement.findings)]
        assert "in the shortest of 3 runs" in words[0]


def test_without_a_deadline_no_time_is_too_long() -> None:
    assert Half(steps=0, elapsed_s=3_000.0).judged() == Judgement(Verdict.CLEAN)


def late(looks: Iterable[tuple[float, float]], *, elapsed_s: float = 0.5, due: int | None = None) -> Judgement:
    """A half that returned in time; `looks`: (seconds, threads) at each look afterwards, the last one `collected`."""
    found = list(looks)
    samples = [
        Sample(Phase.BASELINE, 0, 0.0, {"threads": 1.0}),
        Sample(Phase.RETURNED, 0, elapsed_s, {"threads": found[0][1]}),
        *(Sample(Phase.SETTLING, 0, at, {"threads": threads}, due) for at, threads in found[:-1]),
        Sample(Phase.COLLECTED, 0, found[-1][0], {"threads": found[-1][1]}, due),
    ]
    trace = Trace("fixed", 0, elapsed_s, found[-1][0] - elapsed_s, tuple(samples))
    return judge(trace, summarize(trace), Thresholds(deadline_s=0.5))


def test_work_that_was_given_up_and_goes_on_twice_the_deadline_after_the_start_is_stalled() -> None:
    finding = only_finding(late([(0.5, 2), (0.9, 2), (1.1, 2), (2.5, 1)]))
    assert (finding.kind, finding.metric, finding.value) == (FindingKind.STALLED, "threads", 1)
    assert "1 thread of work that was given up still there 1.10 s after the start" in finding.reason
    assert "the caller had its answer after 500 ms, and nothing cancelled the work" in finding.reason


def test_threads_of_a_pool_whose_work_was_cancelled_are_clean_and_those_that_still_wait_are_stalled() -> None:
    looks = [(0.5, 4.0), (1.1, 4.0), (2.5, 4.0)]
    assert late(looks, due=0) == Judgement(Verdict.CLEAN)
    finding = only_finding(late(looks, due=1))
    assert (finding.kind, finding.metric, finding.value) == (FindingKind.STALLED, "threads", 1)


def test_work_that_ends_soon_after_the_caller_went_on_is_clean() -> None:
    assert late([(0.5, 2), (0.52, 2), (0.6, 1)]) == Judgement(Verdict.CLEAN)


def test_work_that_is_there_at_the_last_look_of_all_is_stalled_although_no_look_was_late() -> None:
    assert kinds(late([(0.5, 3), (0.6, 3)])) == [("stalled", "threads")]


# ---- memory


def memory(at_step: Callable[[int], float], *, collected: float, steps: int = 50) -> Half:
    return Half(steps=steps).counts("rss", lambda done: 30 * MIB + at_step(done), before=30 * MIB,
                                    returned=30 * MIB + collected)  # fmt: skip


def test_more_than_the_budget_at_the_last_step_that_is_gone_after_return_is_held() -> None:
    judgement = memory(lambda done: 256 * MIB if done else 0, collected=0).judged(Thresholds(memory=128 * MIB))
    finding = only_finding(judgement)
    assert (finding.kind, finding.metric) == (FindingKind.HELD, "rss")
    assert (finding.value, finding.threshold) == (256 * MIB, 128 * MIB)
    assert "256 MiB above the baseline" in finding.reason
    assert "128 MiB is too much" in finding.reason
    assert "down to 0 B after return" in finding.reason


def test_more_than_the_budget_that_is_still_there_after_return_is_leaked() -> None:
    half = memory(lambda done: 256 * MIB if done else 0, collected=250 * MIB)
    assert kinds(half.judged(Thresholds(memory=128 * MIB))) == [("leaked", "rss")]


def test_a_peak_that_is_given_back_before_the_last_step_is_within_the_budget() -> None:
    half = memory(lambda done: 256 * MIB if done == 1 else MIB, collected=MIB)
    assert half.judged(Thresholds(memory=128 * MIB)) == Judgement(Verdict.CLEAN)


def test_exactly_the_budget_is_within_it() -> None:
    half = memory(lambda done: 128 * MIB if done else 0, collected=0)
    assert half.judged(Thresholds(memory=128 * MIB)) == Judgement(Verdict.CLEAN)


def test_without_a_budget_memory_that_grows_with_the_steps_is_judged_above_the_floor() -> None:
    leaked = memory(lambda done: done * MIB, collected=50 * MIB).judged()
    assert kinds(leaked) == [("leaked", "rss")]
    assert only_finding(leaked).threshold == MEMORY_FLOOR
    assert "50.0 MiB more at the last of 50 steps (1.0 MiB per step" in only_finding(leaked).reason
    assert "below 16.0 MiB" in only_finding(leaked).reason
    assert kinds(memory(lambda done: done * MIB, collected=0).judged()) == [("held", "rss")]


@pytest.mark.parametrize("collected", [0, 15 * MIB])
def test_without_a_budget_less_than_the_floor_is_clean(collected: int) -> None:
    half = memory(lambda done: done * 15 * MIB / 50, collected=collected)
    assert half.judged() == Judgement(Verdict.CLEAN)


# ---- descriptors that are sockets


def test_descriptors_that_are_the_sockets_are_told_once() -> None:
    half = Half().counts("open_sockets", every_step).counts("open_fds", lambda done: 4 + done, before=4)
    assert kinds(half.judged()) == [("leaked", "open_sockets")]


def test_descriptors_that_are_held_with_their_sockets_are_told_once() -> None:
    half = Half().counts("open_sockets", every_step, returned=0)
    assert kinds(half.counts("open_fds", lambda done: 4 + done, before=4, returned=4).judged()) == [
        ("held", "open_sockets")
    ]


def test_descriptors_besides_the_sockets_are_told_too() -> None:
    half = Half().counts("open_sockets", every_step).counts("open_fds", lambda done: 4 + 2 * done, before=4)
    assert kinds(half.judged()) == [("leaked", "open_sockets"), ("leaked", "open_fds")]


def test_one_descriptor_of_something_else_beside_the_leaked_sockets_is_not_a_leak_of_its_own() -> None:
    """A log file, an epoll: opened at the first step, one in the whole run. The leak is still one leak."""
    half = Half().counts("open_sockets", every_step)
    half.counts("open_fds", lambda done: 4 + done + min(done, 1), before=4)
    assert kinds(half.judged()) == [("leaked", "open_sockets")]


# ---- not enough to decide


@pytest.mark.parametrize("steps", [1, 2])
def test_what_is_left_of_one_or_two_steps_is_no_verdict_but_a_doubt_that_asks_for_more(steps: int) -> None:
    """But see `one connection that is kept for the next call`: at one step the two look the same."""
    judgement = Half(steps=steps).counts("open_sockets", every_step).judged()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.findings == ()
    assert "--steps" in only_doubt(judgement)


def test_something_left_over_by_a_half_without_steps_is_no_verdict() -> None:
    judgement = Half(steps=0).counts("open_fds", every_step, returned=2).judged()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "2 file descriptors left over" in only_doubt(judgement)


def test_a_metric_that_could_not_be_read_is_no_finding_and_no_number() -> None:
    trace = Trace("leaky", 50, 0.1, 0.0, (Sample(Phase.BASELINE, 0, 0.0, {"open_fds": None}),))
    assert judge(trace, summarize(trace), Thresholds()).findings == ()


@pytest.mark.parametrize("missing", [Phase.BASELINE, Phase.COLLECTED])
def test_a_counter_without_its_first_or_last_reading_is_not_taken_for_0(missing: Phase) -> None:
    trace = Half().counts("open_fds", every_step).trace()
    samples = tuple(
        Sample(s.phase, s.steps_done, s.at_s, {"open_fds": None}) if s.phase is missing else s for s in trace.samples
    )
    cut = Trace("leaky", 50, 0.1, 0.0, samples)
    assert judge(cut, summarize(cut), Thresholds()).findings == ()


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.TIMED_OUT])
def test_a_half_that_did_not_complete_is_not_clean_and_what_it_left_open_when_it_died_is_not_leaked(
    outcome: Outcome,
) -> None:
    judgement = Half(outcome=outcome).counts("open_sockets", every_step).judged()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "it was ended by SIGSEGV" in only_doubt(judgement)


def test_a_half_that_hung_past_its_deadline_is_stalled_although_it_was_ended() -> None:
    judgement = Half(steps=0, elapsed_s=3.0, outcome=Outcome.TIMED_OUT).judged(Thresholds(deadline_s=0.5))
    assert judgement.verdict is Verdict.LEAKS
    assert kinds(judgement) == [("stalled", "elapsed")]


def test_nothing_that_grows_is_left_or_is_late_is_clean() -> None:
    half = Half().counts("open_sockets", lambda done: min(done, 1), returned=0)
    half.counts("threads", lambda _: 1, before=1)
    half.counts("open_fds", lambda done: 4 + min(done, 1), before=4).counts("connections_opened", lambda d: min(d, 1))
    assert half.judged(Thresholds(deadline_s=0.5, memory=128 * MIB)) == Judgement(Verdict.CLEAN)


# ---- several runs


LEAKS = Judgement(Verdict.LEAKS, (Finding(FindingKind.LEAKED, "threads", 5, 0, "5 of 5"),))
CLEAN = Judgement(Verdict.CLEAN)
DOUBTFUL = Judgement(Verdict.INCONCLUSIVE, (), ("too late to be clean",))


@pytest.mark.parametrize("judgement", [LEAKS, CLEAN, DOUBTFUL])
@pytest.mark.parametrize("runs", [1, 2, 5])
def test_runs_that_agree_are_what_each_of_them_is(judgement: Judgement, runs: int) -> None:
    assert combine([judgement] * runs) == judgement


@pytest.mark.parametrize("runs", [[LEAKS, CLEAN], [CLEAN, LEAKS, LEAKS], [CLEAN, DOUBTFUL], [LEAKS, DOUBTFUL, CLEAN]])
def test_runs_that_disagree_are_inconclusive_and_say_how_many_said_what(runs: list[Judgement]) -> None:
    together = combine(runs)
    assert together.verdict is Verdict.INCONCLUSIVE
    assert together.findings == ()
    assert f"{len(runs)} runs disagree" in together.doubts[0]
    for run in runs:
        assert f"{sum(other.verdict is run.verdict for other in runs)} × {run.verdict}" in together.doubts[0]
    assert ("too late to be clean" in together.doubts) == (DOUBTFUL in runs)
