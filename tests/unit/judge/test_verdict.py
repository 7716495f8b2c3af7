"""The verdict on scripted halves. Each row of CASES is one rule; tests/golden/verdicts.txt has their sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from leaklab.judge.summary import summarize
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
from leaklab.measure.trace import Outcome, Phase, Sample, Trace
from tests.unit.golden import assert_golden
from tests.unit.scripted import Half

MIB = 2**20
DEADLINE = Thresholds(deadline_s=0.5)
BUDGET = Thresholds(memory=128 * MIB)
WORK = Thresholds(steps=50)


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


CASES: dict[str, tuple[str, Half, Thresholds] | tuple[str, Half]] = {
    "a socket per step": ("leaked open_sockets 50/0", Half().counts("open_sockets", each)),
    "a cursor per step": ("leaked open_cursors 50/0", Half().counts("open_cursors", each)),
    "a thread per step": ("leaked threads 50/0", threads(each)),
    "a descriptor per step": ("leaked open_fds 50/0", Half().counts("open_fds", each)),
    "three steps are enough": ("leaked open_sockets 3/0", Half(3).counts("open_sockets", each)),
    "many steps": ("leaked open_sockets 2000/0", Half(2000).counts("open_sockets", each)),
    "at every fifth step": ("leaked open_sockets 10/0", Half().counts("open_sockets", every(5))),
    "five at every fifth step": ("leaked open_fds 50/0", Half().counts("open_fds", every(5, 5))),
    "some were there before": ("leaked open_fds 50/0", Half().counts("open_fds", lambda done: 9 + done, before=9)),
    "still there after waiting": ("leaked open_cursors 50/0", Half(waited_s=1.02).counts("open_cursors", each)),
    "return closes fewer than half": ("leaked open_fds 26/0", Half().counts("open_fds", each, returned=26)),
    "all items taken first": ("leaked open_sockets 50/0", Half().counts("open_sockets", none, returned=50)),
    "items never taken, left open": ("leaked open_cursors 50/0", unasked("open_cursors", 50, 50), WORK),
    # held: grows with the steps until return
    "sockets until return": ("held open_sockets 50/0", Half().counts("open_sockets", each, returned=0)),
    "two sockets per step until return": (
        "held open_sockets 100/0", Half().counts("open_sockets", lambda done: 2 * done, returned=0)),
    "cursors until return": ("held open_cursors 3/0", Half(3).counts("open_cursors", each, returned=0)),
    "most descriptors until return": ("held open_fds 50/0", Half().counts("open_fds", each, returned=3)),
    "items never taken, closed": ("held open_cursors 50/0", unasked("open_cursors", 50, 0), WORK),
    "more threads than a pool starts": ("held threads 33/0", threads(each, 33, returned=1)),
    "as many threads as a pool starts": ("clean", threads(each, 32, returned=1)),
    # wasted: connections that are not reused
    "a connection per request": ("wasted connections_opened 50/25", asked(each).counts("open_sockets", none)),
    "nine connections in ten requests": ("wasted connections_opened 45/23", asked(lambda done: done - done // 10)),
    "a connection per two requests": ("wasted connections_opened 25/12", asked(every(2))),
    "a connection per ten requests": ("wasted connections_opened 5/2", asked(every(10))),
    "a connection per ten, many steps": ("wasted connections_opened 200/100", asked(every(10), 2000)),
    "requests not counted": ("wasted connections_opened 40/20", Half(40).counts("connections_opened", each)),
    "items taken early by a pool": (
        "wasted connections_opened 50/12",
        asked(each).counts("connections_opened", lambda done: min(18, done // 2), returned=50)),
    "items never taken, connections": ("wasted connections_opened 50/0", unasked("connections_opened", 50, 50), WORK),
    "a connection per 15 requests": ("clean", asked(lambda done: -(-done // 15))),
    "a connection per 15, many steps": ("clean", asked(lambda done: -(-done // 15), 2000)),
    "requests are work": ("clean", Half().counts("requests_served", each)),
    # pools, caches and background threads
    "one connection": ("clean", Half().counts("open_sockets", up_to(1)).counts("connections_opened", up_to(1))),
    "one connection, two steps": ("clean", Half(2).counts("open_sockets", up_to(1))),
    "a full pool": ("clean", Half().counts("open_sockets", up_to(10))),
    "a warm pool": ("clean", Half().counts("open_cursors", from_the_first(50))),
    "a warm pool, few steps": ("clean", Half(5).counts("open_fds", from_the_first(5))),
    "a warm pool that is closed": ("clean", Half().counts("open_cursors", from_the_first(50), returned=0)),
    "warm connections": ("clean", Half().counts("connections_opened", from_the_first(50))),
    "items never taken, a pool": ("clean", unasked("open_cursors", 1, 0), WORK),
    "items never taken, one connection": ("clean", unasked("connections_opened", 1, 1), WORK),
    "two threads of a library": ("clean", threads(lambda done: 2 * min(done, 1))),
    "a lazy client with threads": ("clean", lazy_client(with_threads=True)),
    "a lazy client": ("inconclusive", lazy_client(with_threads=False)),
    "as many as threads": ("inconclusive", threads(each, 20, returned=1).counts("open_sockets", each)),
    "most opened outside the steps": ("inconclusive", Half().counts("open_sockets", up_to(2), returned=12)),
    "uneven connections": ("inconclusive", Half().counts("connections_opened", lambda done: max(0, done - 43))),
    "a fluctuating count": (
        "clean", Half(27).counts("open_fds", lambda done: (1, 4, 2, 6, 3, 5)[done % 6], before=1, returned=1)),
    # stalled: past the deadline
    "at twice the deadline": ("stalled elapsed 1/1", Half(0, 1.0), DEADLINE),
    "long after the deadline": ("stalled elapsed 3.06/1", Half(0, 3.06), DEADLINE),
    "late in each of three runs": ("stalled elapsed 1.2/1", Half(0, 1.2, looks=3), DEADLINE),
    "no answer at all": ("stalled elapsed 3/1", Half(0, 3.0, outcome=Outcome.TIMED_OUT), DEADLINE),
    "a little late": ("inconclusive", Half(0, 0.66), DEADLINE),
    "nearly at twice the deadline": ("inconclusive", Half(0, 0.99, looks=3), DEADLINE),
    "in time": ("clean", Half(0, IN_TIME * 0.5), DEADLINE),
    "slow, without a deadline": ("clean", Half(0, 3000)),
    # memory
    "over the budget until return": ("held rss 256M/128M", memory(from_the_first(256 * MIB), left=0), BUDGET),
    "over the budget, less after return": (
        "held rss 256M/128M", memory(from_the_first(256 * MIB), left=40 * MIB), BUDGET),
    "over the budget to the end": ("leaked rss 256M/128M", memory(from_the_first(256 * MIB), left=250 * MIB), BUDGET),
    "over the budget at many steps": (
        "held rss 256M/128M", memory(lambda done: 256 * MIB if done < 49 else 0, left=0), BUDGET),
    "over the budget after return only": ("leaked rss 200M/128M", memory(none, left=200 * MIB), BUDGET),
    "over the budget when it died": (
        "held rss 256M/128M", memory(from_the_first(256 * MIB), left=0, outcome=Outcome.CRASHED), BUDGET),
    "exactly the budget": ("clean", memory(from_the_first(128 * MIB), left=0), BUDGET),
    "a peak before the last step": ("clean", memory(lambda done: (256 if done == 1 else 1) * MIB, left=MIB), BUDGET),
    "a MiB per step": ("leaked rss 50M/16M", memory(lambda done: done * MIB, left=50 * MIB)),
    "a MiB per step until return": ("held rss 50M/16M", memory(lambda done: done * MIB, left=0)),
    "below the floor": ("clean", memory(lambda done: done * 15 * MIB / 50, left=15 * MIB)),
    # sockets are descriptors: one leak is one finding
    "descriptors that are sockets": ("leaked open_sockets 50/0", sockets_and_fds(each)),
    "held descriptors that are sockets": ("held open_sockets 50/0", sockets_and_fds(each, closed=True)),
    "descriptors beyond the sockets": (
        "leaked open_sockets 50/0; leaked open_fds 50/0", sockets_and_fds(lambda done: 2 * done)),
    "one more descriptor": ("leaked open_sockets 50/0", sockets_and_fds(lambda done: done + min(done, 1))),
    # not enough to decide
    "one step": ("inconclusive", Half(1).counts("open_sockets", each)),
    "two steps": ("inconclusive", Half(2).counts("open_sockets", each).counts("connections_opened", each)),
    "no steps": ("inconclusive", Half(0).counts("open_fds", each, returned=2)),
    "a key metric unread": ("inconclusive", Half(), Thresholds(telling=("open_sockets",))),
    "crashed": ("inconclusive", Half(outcome=Outcome.CRASHED).counts("open_sockets", each)),
    "timed out": ("inconclusive", Half(outcome=Outcome.TIMED_OUT).counts("open_sockets", each)),
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
    expected, half, *bounds = CASES[name]
    assert short(half.judged(*bounds)) == expected


def late(*threads_at: tuple[float, int], due: int | None = None, metric: str = "threads") -> Judgement:
    """A half that returned after 500 ms; (seconds, count) of each sample afterwards, the last one `collected`."""
    phases = [Phase.RETURNED, *[Phase.SETTLING] * (len(threads_at) - 2), Phase.COLLECTED]
    samples = [Sample(Phase.BASELINE, 0, 0.0, {metric: 1.0})]
    for phase, (at, count) in zip(phases, threads_at, strict=True):
        samples.append(Sample(phase, 0, at, {metric: count}, None if phase is Phase.RETURNED else due))
    trace = Trace("fixed", 0, 0.5, threads_at[-1][0] - 0.5, tuple(samples))
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


def test_a_buffer_of_which_no_step_says_whether_it_was_kept_is_in_doubt() -> None:
    never_taken = unasked("rss", 300 * MIB, 0).judged(BUDGET)
    trace = memory(none, left=0).trace()
    clock = Sample(Phase.CLOCK, 50, 0.1, {"rss": 300 * MIB})
    after = replace(trace, samples=(*trace.samples[:-2], clock, *trace.samples[-2:]))
    for judgement in (never_taken, judge(after, summarize(after), BUDGET)):
        assert judgement.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("missing", [Phase.BASELINE, Phase.COLLECTED])
def test_a_counter_without_its_first_or_last_sample_is_not_taken_for_0(missing: Phase) -> None:
    trace = Half().counts("open_fds", each).trace()
    samples = tuple(replace(s, values={"open_fds": None}) if s.phase is missing else s for s in trace.samples)
    cut = replace(trace, samples=samples)
    assert judge(cut, summarize(cut), Thresholds()).findings == ()


LEAKS = Judgement(Verdict.LEAKS, (Finding(FindingKind.LEAKED, "threads", 5, 0, "5 of 5"),))
CLEAN = Judgement(Verdict.CLEAN)
DOUBTFUL = Judgement(Verdict.INCONCLUSIVE, (), ("a doubt",))


@pytest.mark.parametrize("judgement", [LEAKS, CLEAN, DOUBTFUL])
def test_runs_that_agree_have_the_verdict_of_each(judgement: Judgement) -> None:
    assert combine([judgement]) == combine([judgement] * 5) == judgement


def test_runs_that_disagree_are_inconclusive_and_their_verdicts_are_counted() -> None:
    for runs, counted, doubts in (
        ([CLEAN, LEAKS, LEAKS], "(2 × leaks, 1 × clean)", ()),
        ([LEAKS, DOUBTFUL, CLEAN], "(1 × leaks, 1 × inconclusive, 1 × clean)", ("a doubt",)),
    ):
        together = combine(runs)
        assert (together.verdict, together.findings, together.doubts[1:]) == (Verdict.INCONCLUSIVE, (), doubts)
        assert counted in together.doubts[0]


def test_of_several_runs_the_common_findings_count() -> None:
    both = Half().counts("open_sockets", each).counts("threads", lambda done: 1 + done, before=1).judged()
    one = Half().counts("open_sockets", each).judged()
    assert short(combine([both, one, both])) == "leaked open_sockets 50/0"


def test_the_sentences_of_all_findings_and_doubts() -> None:
    judged = {name: half.judged(*bounds) for name, (_, half, *bounds) in CASES.items()}
    judged |= {name: judgement for name, (judgement, _) in LATE.items()}
    judged["runs that disagree"] = combine([CLEAN, LEAKS, LEAKS])
    lines: list[str] = []
    for name, judgement in judged.items():
        if judgement.verdict is not Verdict.CLEAN:
            lines += [f"{name}: {short(judgement)}", *(f"    {finding.reason}" for finding in judgement.findings)]
            lines += [f"    ? {doubt}" for doubt in judgement.doubts]
    assert_golden("verdicts", "\n".join(lines))
