"""The verdict on scripted halves. Each row of CASES is one rule; tests/golden/verdicts.txt has their sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from leaklab.judge.verdict import (
    IN_TIME,
    Finding,
    FindingKind,
    Judgement,
    Thresholds,
    Verdict,
    combine,
    could_be_noise,
    judge,
)
from leaklab.measure.trace import Outcome, Phase, Sample, Trace, summarize
from tests.unit.golden import assert_golden
from tests.unit.scripted import Half

MIB = 2**20
DEADLINE = Thresholds(deadline_s=0.5)
BUDGET = Thresholds(memory=128 * MIB)
WORK = Thresholds(steps=50)
WAVE = (1, 4, 2, 6, 3, 5)


def each(done: int) -> int:
    return done


def none(_: int) -> int:
    return 0


def up_to(bound: int) -> Callable[[int], float]:
    return lambda done: min(done, bound)


def every(steps: int, burst: int = 1) -> Callable[[int], float]:
    return lambda done: done // steps * burst


def from_the_first(count: int) -> Callable[[int], float]:
    return lambda done: count if done else 0


def threads(at_step: Callable[[int], float], steps: int = 50, *, returned: float | None = None) -> Half:
    return Half(steps).counts("threads", lambda done: 1 + at_step(done), before=1, returned=returned)


def asked(opened: Callable[[int], float], steps: int = 50) -> Half:
    return Half(steps).counts("connections_opened", opened).counts("requests_served", each)


def unasked(metric: str, peak: float, left: float) -> Half:
    """A half that did its work without asking for the items, as by `range(len(jobs))`."""
    return Half(steps=0, peaks={metric: peak}).counts(metric, none, returned=left)


def memory(at_step: Callable[[int], float], *, left: float, outcome: Outcome = Outcome.COMPLETED) -> Half:
    start = 30 * MIB
    half = Half(outcome=outcome)
    return half.counts("rss", lambda done: start + at_step(done), before=start, returned=start + left)


def sockets_and_fds(fds: Callable[[int], float], *, closed: bool = False) -> Half:
    half = Half().counts("open_sockets", each, returned=0 if closed else None)
    return half.counts("open_fds", lambda done: 4 + fds(done), before=4, returned=4 if closed else None)


def lazy_client(*, with_threads: bool) -> Half:
    """pymongo's background thread opens a connection of its own, at whatever step it first needs one."""
    half = Half(130).counts("open_sockets", lambda done: 0 if not done else 2 if done < 84 else 3)
    return half.counts("threads", lambda done: 3 if done else 1, before=1) if with_threads else half


CASES: dict[str, tuple[Half, Thresholds | None, str]] = {
    # leaked: grows with the steps and survives return and gc
    "a socket per step": (Half().counts("open_sockets", each), None, "leaked open_sockets 50/0"),
    "a cursor per step": (Half().counts("open_cursors", each), None, "leaked open_cursors 50/0"),
    "a thread per step": (threads(each), None, "leaked threads 50/0"),
    "a descriptor per step": (Half().counts("open_fds", each), None, "leaked open_fds 50/0"),
    "three steps are enough": (Half(3).counts("open_sockets", each), None, "leaked open_sockets 3/0"),
    "many steps": (Half(2000).counts("open_sockets", each), None, "leaked open_sockets 2000/0"),
    "at every fifth step": (Half().counts("open_sockets", every(5)), None, "leaked open_sockets 10/0"),
    "five at every fifth step": (Half().counts("open_fds", every(5, 5)), None, "leaked open_fds 50/0"),
    "some were there before": (
        Half().counts("open_fds", lambda done: 9 + done, before=9), None, "leaked open_fds 50/0"),
    "still there after waiting": (
        Half(waited_s=1.02).counts("open_cursors", each), None, "leaked open_cursors 50/0"),
    "return closes fewer than half": (
        Half().counts("open_fds", each, returned=26), None, "leaked open_fds 26/0"),
    "all items taken first": (Half().counts("open_sockets", none, returned=50), None, "leaked open_sockets 50/0"),
    "items never taken, left open": (unasked("open_cursors", 50, 50), WORK, "leaked open_cursors 50/0"),
    # held: grows with the steps until return
    "sockets until return": (Half().counts("open_sockets", each, returned=0), None, "held open_sockets 50/0"),
    "two sockets per step until return": (
        Half().counts("open_sockets", lambda done: 2 * done, returned=0), None, "held open_sockets 100/0"),
    "cursors until return": (Half(3).counts("open_cursors", each, returned=0), None, "held open_cursors 3/0"),
    "most descriptors until return": (Half().counts("open_fds", each, returned=3), None, "held open_fds 50/0"),
    "items never taken, closed": (unasked("open_cursors", 50, 0), WORK, "held open_cursors 50/0"),
    "more threads than a pool starts": (threads(each, 33, returned=1), None, "held threads 33/0"),
    "as many threads as a pool starts": (threads(each, 32, returned=1), None, "clean"),
    # wasted: connections that are not reused
    "a connection per request": (
        asked(each).counts("open_sockets", none), None, "wasted connections_opened 50/25"),
    "nine connections in ten requests": (
        asked(lambda done: done - done // 10), None, "wasted connections_opened 45/23"),
    "a connection per two requests": (asked(every(2)), None, "wasted connections_opened 25/12"),
    "a connection per ten requests": (asked(every(10)), None, "wasted connections_opened 5/2"),
    "a connection per ten, many steps": (asked(every(10), 2000), None, "wasted connections_opened 200/100"),
    "requests not counted": (Half(40).counts("connections_opened", each), None, "wasted connections_opened 40/20"),
    "items taken early by a pool": (
        asked(each).counts("connections_opened", lambda done: min(18, done // 2), returned=50),
        None, "wasted connections_opened 50/12"),
    "items never taken, connections": (
        unasked("connections_opened", 50, 50), WORK, "wasted connections_opened 50/0"),
    "a connection per 15 requests": (asked(lambda done: -(-done // 15)), None, "clean"),
    "a connection per 15, many steps": (asked(lambda done: -(-done // 15), 2000), None, "clean"),
    "requests are work": (Half().counts("requests_served", each), None, "clean"),
    # pools, caches and background threads
    "one connection": (Half().counts("open_sockets", up_to(1)).counts("connections_opened", up_to(1)), None, "clean"),
    "one connection, two steps": (Half(2).counts("open_sockets", up_to(1)), None, "clean"),
    "a full pool": (Half().counts("open_sockets", up_to(10)), None, "clean"),
    "a warm pool": (Half().counts("open_cursors", from_the_first(50)), None, "clean"),
    "a warm pool, few steps": (Half(5).counts("open_fds", from_the_first(5)), None, "clean"),
    "a warm pool that is closed": (Half().counts("open_cursors", from_the_first(50), returned=0), None, "clean"),
    "warm connections": (Half().counts("connections_opened", from_the_first(50)), None, "clean"),
    "items never taken, a pool": (unasked("open_cursors", 1, 0), WORK, "clean"),
    "items never taken, one connection": (unasked("connections_opened", 1, 1), WORK, "clean"),
    "two threads of a library": (threads(lambda done: 2 * min(done, 1)), None, "clean"),
    "a lazy client with threads": (lazy_client(with_threads=True), None, "clean"),
    "a lazy client": (lazy_client(with_threads=False), None, "inconclusive"),
    "as many as threads": (threads(each, 20, returned=1).counts("open_sockets", each), None, "inconclusive"),
    "most opened outside the steps": (
        Half().counts("open_sockets", up_to(2), returned=12), None, "inconclusive"),
    "uneven connections": (
        Half().counts("connections_opened", lambda done: max(0, done - 43)), None, "inconclusive"),
    # stalled: past the deadline
    "at twice the deadline": (Half(0, 1.0), DEADLINE, "stalled elapsed 1/1"),
    "long after the deadline": (Half(0, 3.06), DEADLINE, "stalled elapsed 3.06/1"),
    "late in each of three runs": (Half(0, 1.2, looks=3), DEADLINE, "stalled elapsed 1.2/1"),
    "no answer at all": (Half(0, 3.0, outcome=Outcome.TIMED_OUT), DEADLINE, "stalled elapsed 3/1"),
    "a little late": (Half(0, 0.66), DEADLINE, "inconclusive"),
    "nearly at twice the deadline": (Half(0, 0.99, looks=3), DEADLINE, "inconclusive"),
    "in time": (Half(0, IN_TIME * 0.5), DEADLINE, "clean"),
    "slow, without a deadline": (Half(0, 3000), None, "clean"),
    # memory
    "over the budget until return": (memory(from_the_first(256 * MIB), left=0), BUDGET, "held rss 256M/128M"),
    "over the budget, less after return": (
        memory(from_the_first(256 * MIB), left=40 * MIB), BUDGET, "held rss 256M/128M"),
    "over the budget to the end": (
        memory(from_the_first(256 * MIB), left=250 * MIB), BUDGET, "leaked rss 256M/128M"),
    "over the budget at many steps": (
        memory(lambda done: 256 * MIB if done < 49 else 0, left=0), BUDGET, "held rss 256M/128M"),
    "over the budget after return only": (memory(none, left=200 * MIB), BUDGET, "leaked rss 200M/128M"),
    "over the budget when it died": (
        memory(from_the_first(256 * MIB), left=0, outcome=Outcome.CRASHED), BUDGET, "held rss 256M/128M"),
    "exactly the budget": (memory(from_the_first(128 * MIB), left=0), BUDGET, "clean"),
    "a peak before the last step": (memory(lambda done: (256 if done == 1 else 1) * MIB, left=MIB), BUDGET, "clean"),
    "a MiB per step": (memory(lambda done: done * MIB, left=50 * MIB), None, "leaked rss 50M/16M"),
    "a MiB per step until return": (memory(lambda done: done * MIB, left=0), None, "held rss 50M/16M"),
    "below the floor": (memory(lambda done: done * 15 * MIB / 50, left=15 * MIB), None, "clean"),
    # sockets are descriptors: one leak is one finding
    "descriptors that are sockets": (sockets_and_fds(each), None, "leaked open_sockets 50/0"),
    "held descriptors that are sockets": (sockets_and_fds(each, closed=True), None, "held open_sockets 50/0"),
    "descriptors beyond the sockets": (
        sockets_and_fds(lambda done: 2 * done), None, "leaked open_sockets 50/0; leaked open_fds 50/0"),
    "one more descriptor": (sockets_and_fds(lambda done: done + min(done, 1)), None, "leaked open_sockets 50/0"),
    # not enough to decide
    "one step": (Half(1).counts("open_sockets", each), None, "inconclusive"),
    "two steps": (Half(2).counts("open_sockets", each).counts("connections_opened", each), None, "inconclusive"),
    "no steps": (Half(0).counts("open_fds", each, returned=2), None, "inconclusive"),
    "a key metric unread": (Half(), Thresholds(telling=("open_sockets",)), "inconclusive"),
    "crashed": (Half(outcome=Outcome.CRASHED).counts("open_sockets", each), None, "inconclusive"),
    "timed out": (Half(outcome=Outcome.TIMED_OUT).counts("open_sockets", each), None, "inconclusive"),
}  # fmt: skip


def number(value: float, metric: str) -> str:
    return f"{value / MIB:g}M" if metric == "rss" else f"{value:g}"


def short(judgement: Judgement) -> str:
    """The findings with value and threshold, or else the verdict."""
    found = [
        f"{one.kind} {one.metric} {number(one.value, one.metric)}/{number(one.threshold, one.metric)}"
        for one in judgement.findings
    ]
    assert (judgement.verdict is Verdict.LEAKS) == bool(found)
    return "; ".join(found) or judgement.verdict.value


@pytest.mark.parametrize("name", CASES)
def test_each_shape_of_the_numbers_has_its_verdict(name: str) -> None:
    half, bounds, expected = CASES[name]
    assert short(half.judged(bounds)) == expected


def test_a_fluctuating_count_is_clean_wherever_the_wave_ends() -> None:
    for steps in range(24, 31):
        half = Half(steps).counts("open_fds", lambda done: WAVE[done % 6], before=1, returned=1)
        assert half.judged().findings == (), steps


# ---- late answers and abandoned work


def late(*threads_at: tuple[float, int], due: int | None = None, metric: str = "threads") -> Judgement:
    """A half that returned after 500 ms; (seconds, count) of each sample afterwards, the last one `collected`."""
    phases = [Phase.RETURNED, *[Phase.SETTLING] * (len(threads_at) - 2), Phase.COLLECTED]
    samples = [Sample(Phase.BASELINE, 0, 0.0, {metric: 1.0})]
    for phase, (at, count) in zip(phases, threads_at, strict=True):
        samples.append(Sample(phase, 0, at, {metric: count}, None if phase is Phase.RETURNED else due))
    trace = Trace("fixed", Outcome.COMPLETED, 0, 0.5, threads_at[-1][0] - 0.5, tuple(samples))
    return judge(trace, summarize(trace), DEADLINE)


LATE = {
    "a thread twice the deadline after": (late((0.5, 2), (0.9, 2), (1.04, 2), (2.5, 1)), "stalled threads 1/0"),
    "sockets at the last sample": (late((0.5, 3), (0.6, 3), metric="open_sockets"), "stalled open_sockets 2/0"),
    "a pool that still waits": (late((0.5, 4), (1.1, 4), (2.5, 4), due=1), "stalled threads 1/0"),
    "a pool whose work was cancelled": (late((0.5, 4), (1.1, 4), (2.5, 4), due=0), "clean"),
    "ends soon after the return": (late((0.5, 2), (0.52, 2), (0.6, 1)), "clean"),
}  # fmt: skip


@pytest.mark.parametrize("name", LATE)
def test_abandoned_work_is_stalled_and_cancelled_work_is_clean(name: str) -> None:
    judgement, expected = LATE[name]
    assert short(judgement) == expected


@pytest.mark.parametrize(
    ("took", "bounds", "noise"),
    [
        (0.65, replace(DEADLINE, hang_s=3.0), False),
        (0.66, replace(DEADLINE, hang_s=3.0), True),
        (2.99, replace(DEADLINE, hang_s=3.0), True),
        (3.0, replace(DEADLINE, hang_s=3.0), False),
        (3.0, DEADLINE, True),
        (1.0, replace(DEADLINE, hang_s=1.0), True),
        (60.0, Thresholds(), False),
    ],
)
def test_a_late_answer_could_be_noise_unless_it_came_when_the_dead_service_answered(
    took: float, bounds: Thresholds, noise: bool
) -> None:
    """A dead service that answers soon after the deadline proves nothing: a busy machine may be as late as that."""
    assert could_be_noise(Half(0, took).trace(), bounds) is noise


def test_a_half_that_did_not_complete_is_no_noise() -> None:
    assert not could_be_noise(Half(elapsed_s=1.0, outcome=Outcome.CRASHED).trace(), DEADLINE)


# ---- memory that no step shows


def test_a_buffer_of_which_no_step_says_whether_it_was_kept_is_in_doubt() -> None:
    never_taken = unasked("rss", 300 * MIB, 0).judged(BUDGET)
    trace = memory(none, left=0).trace()
    clock = Sample(Phase.CLOCK, 50, 0.1, {"rss": 300 * MIB})
    after = replace(trace, samples=(*trace.samples[:-2], clock, *trace.samples[-2:]))
    for judgement in (never_taken, judge(after, summarize(after), BUDGET)):
        assert judgement.verdict is Verdict.INCONCLUSIVE


# ---- what was not read


@pytest.mark.parametrize("missing", [Phase.BASELINE, Phase.COLLECTED])
def test_a_counter_without_its_first_or_last_sample_is_not_taken_for_0(missing: Phase) -> None:
    trace = Half().counts("open_fds", each).trace()
    samples = tuple(replace(s, values={"open_fds": None}) if s.phase is missing else s for s in trace.samples)
    cut = replace(trace, samples=samples)
    assert judge(cut, summarize(cut), Thresholds()).findings == ()


# ---- several runs


LEAKS = Judgement(Verdict.LEAKS, (Finding(FindingKind.LEAKED, "threads", 5, 0, "5 of 5"),))
CLEAN = Judgement(Verdict.CLEAN)
DOUBTFUL = Judgement(Verdict.INCONCLUSIVE, (), ("a doubt",))


@pytest.mark.parametrize("judgement", [LEAKS, CLEAN, DOUBTFUL])
def test_runs_that_agree_have_the_verdict_of_each(judgement: Judgement) -> None:
    assert combine([judgement]) == combine([judgement] * 5) == judgement


@pytest.mark.parametrize(
    ("runs", "counted"),
    [
        ([CLEAN, LEAKS, LEAKS], "(2 × leaks, 1 × clean)"),
        ([LEAKS, DOUBTFUL, CLEAN], "(1 × leaks, 1 × inconclusive, 1 × clean)"),
    ],
)
def test_runs_that_disagree_are_inconclusive_and_their_verdicts_are_counted(
    runs: list[Judgement], counted: str
) -> None:
    together = combine(runs)
    assert (together.verdict, together.findings) == (Verdict.INCONCLUSIVE, ())
    assert counted in together.doubts[0]
    assert together.doubts[1:] == (("a doubt",) if DOUBTFUL in runs else ())


def test_of_several_runs_the_common_findings_count() -> None:
    both = Half().counts("open_sockets", each).counts("threads", lambda done: 1 + done, before=1).judged()
    one = Half().counts("open_sockets", each).judged()
    assert short(combine([both, one, both])) == "leaked open_sockets 50/0"


# ---- the sentences


def test_the_sentences_of_all_findings_and_doubts() -> None:
    judged = {name: half.judged(bounds) for name, (half, bounds, _) in CASES.items()}
    judged |= {name: judgement for name, (judgement, _) in LATE.items()}
    judged["runs that disagree"] = combine([CLEAN, LEAKS, LEAKS])
    lines: list[str] = []
    for name, judgement in judged.items():
        if judgement.verdict is not Verdict.CLEAN:
            lines += [f"{name}: {short(judgement)}", *(f"    {finding.reason}" for finding in judgement.findings)]
            lines += [f"    ? {doubt}" for doubt in judgement.doubts]
    assert_golden("verdicts", "\n".join(lines))
