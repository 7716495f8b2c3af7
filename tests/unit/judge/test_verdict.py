"""The verdict on scripted halves. Each row of CASES is one rule; tests/golden/verdicts.txt has their sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from leaklab.judge.deadline import IN_TIME
from leaklab.judge.findings import Finding, Judgement, Verdict
from leaklab.judge.scaling import SizedRun, Thresholds, growing, suspects
from leaklab.judge.verdict import judge
from leaklab.lab.reruns import could_be_noise, second_size, third_size
from leaklab.lab.result import combine
from leaklab.measure.run_trace import Outcome, Phase, Sample, Trace
from leaklab.measure.summary import summarize
from leaklab.metrics import METRICS, FindingKind, Judge, Metric
from tests.unit.golden import assert_golden
from tests.unit.scripted import Half, Number

MIB = 2**20
DEADLINE = Thresholds(deadline_s=0.5)
BUDGET = Thresholds(memory=128 * MIB)


def each(done: int) -> int:
    return done


def none(_: int) -> int:
    return 0


def up_to(bound: int) -> Callable[[int], float]:
    return lambda done: min(done, bound)


def every(steps: int, burst: int = 1) -> Callable[[int], float]:
    return lambda done: done // steps * burst


def threads(at_step: Callable[[int], float], steps: int = 50, *, returned: Number | None = None) -> Half:
    return Half(steps).counts("threads", lambda done: 1 + at_step(done), before=1, returned=returned)


def asked(opened: Callable[[int], float], steps: int = 50) -> Half:
    return Half(steps).counts("connections_opened", opened).counts("requests_served", each)


def unasked(metric: str, peak: Number, left: Number) -> Half:
    """A half that did its work without asking for the items, as by `range(len(jobs))`."""
    return Half(peaks={metric: peak}).counts(metric, none, returned=left)


def memory(at_step: Callable[[int], float], *, left: Number, outcome: Outcome = Outcome.COMPLETED) -> Half:
    start = 30 * MIB
    after = (lambda steps: start + left(steps)) if callable(left) else start + left
    half = Half(outcome=outcome)
    return half.counts("rss", lambda done: start + at_step(done), before=start, returned=after)


def buffer(mib: int) -> Callable[[int], float]:
    """Resident from the first step on."""
    return lambda done: mib * MIB if done else 0


def sockets_and_fds(fds: Callable[[int], float], *, closed: bool = False) -> Half:
    half = Half().counts("open_sockets", each, returned=0 if closed else None)
    return half.counts("open_fds", lambda done: 4 + fds(done), before=4, returned=4 if closed else None)


CASES: dict[str, tuple[str, Half, Thresholds] | tuple[str, Half]] = {
    "a socket per step": ("leaked open_sockets 50/0", Half().counts("open_sockets", each)),
    "a cursor per step": ("leaked open_cursors 50/0", Half().counts("open_cursors", each)),
    "a thread per step": ("leaked threads 50/0", threads(each)),
    "a descriptor per step": ("leaked open_fds 50/0", Half().counts("open_fds", each)),
    "three steps are enough": ("leaked open_sockets 3/0", Half(3).counts("open_sockets", each)),
    "two steps are enough": ("leaked open_sockets 2/0", Half(2).counts("open_sockets", each)),
    "one step is enough": ("leaked open_sockets 1/0", Half(1).counts("open_sockets", each)),
    "many steps": ("leaked open_sockets 2000/0", Half(2000).counts("open_sockets", each)),
    "at every fifth step": ("leaked open_sockets 10/0", Half().counts("open_sockets", every(5))),
    "at every 14th step": ("leaked open_sockets 3/0", Half().counts("open_sockets", every(14))),
    "five at every fifth step": ("leaked open_fds 50/0", Half().counts("open_fds", every(5, 5))),
    "some were there before": ("leaked open_fds 50/0", Half().counts("open_fds", lambda done: 9 + done, before=9)),
    "still there after waiting": ("leaked open_cursors 50/0", Half(waited_s=1.02).counts("open_cursors", each)),
    "return closes half": (
        "leaked open_fds 25/0", Half().counts("open_fds", each, returned=lambda steps: steps // 2)),
    "a leak beside a pool that is large for so few steps": (
        "leaked threads 44/0", threads(lambda done: 32 + done, 12)),
    "half a leak beside a pool that was full at once": (
        "leaked threads 42/0", threads(lambda done: 32 + done // 2, 20)),
    "a pool of 32 that was not seen in less work": (
        "held open_fds 50/0",
        threads(lambda done: min(done, 32) if done > 60 else 0, returned=1).counts("open_fds", each, returned=0)),
    "a cache of 128": ("clean", Half().counts("open_fds", up_to(128))),
    "a pool of 100, few steps": ("clean", threads(up_to(100), 7)),
    "a leak beside a pool": ("leaked open_sockets 60/0", Half().counts("open_sockets", lambda done: 10 + done)),
    "all items taken first": ("leaked open_sockets 50/0", Half().counts("open_sockets", none, returned=each)),
    "items never taken, left open": ("leaked open_cursors 50/0", unasked("open_cursors", each, each)),
    # held: grows with the work until return
    "sockets until return": ("held open_sockets 50/0", Half().counts("open_sockets", each, returned=0)),
    "two sockets per step until return": (
        "held open_sockets 100/0", Half().counts("open_sockets", lambda done: 2 * done, returned=0)),
    "cursors until return": ("held open_cursors 3/0", Half(3).counts("open_cursors", each, returned=0)),
    "most descriptors until return": ("held open_fds 50/0", Half().counts("open_fds", each, returned=3)),
    "items never taken, closed": ("held open_cursors 50/0", unasked("open_cursors", each, 0)),
    "threads until return": ("held threads 12/0", threads(each, 12, returned=1)),
    "more than is permitted": (
        "held open_fds 50/0", Half().counts("open_fds", each, returned=0), Thresholds(concurrency=199)),
    "as many as is permitted": ("clean", Half().counts("open_fds", each, returned=0), Thresholds(concurrency=200)),
    "permitted, and left": ("leaked open_fds 50/0", Half().counts("open_fds", each), Thresholds(concurrency=200)),
    # wasted: connections that are not reused
    "a connection per request": ("wasted connections_opened 50/0", asked(each).counts("open_sockets", none)),
    "nine connections in ten requests": ("wasted connections_opened 45/0", asked(lambda done: done - done // 10)),
    "a connection per two requests": ("wasted connections_opened 25/0", asked(every(2))),
    "a connection per ten requests": ("wasted connections_opened 5/0", asked(every(10))),
    "a connection per ten, many steps": ("wasted connections_opened 200/0", asked(every(10), 2000)),
    "two connections per request": ("wasted connections_opened 60/0", asked(lambda done: 2 * done, 30)),
    "requests not counted": ("wasted connections_opened 40/0", Half(40).counts("connections_opened", each)),
    "a connection per 16 requests": ("clean", asked(every(16))),
    "a connection per 16, many steps": ("clean", asked(every(16), 2000)),
    "requests are work": ("clean", Half().counts("requests_served", each)),
    # pools, caches and honest concurrency
    "one connection": ("clean", Half().counts("open_sockets", up_to(1)).counts("connections_opened", up_to(1))),
    "one connection, one step": ("clean", Half(1).counts("open_sockets", up_to(1))),
    "a pool of ten": ("clean", Half().counts("open_sockets", up_to(10))),
    "a pool of ten, few steps": ("clean", Half(7).counts("open_sockets", up_to(10))),
    "a gather over 100 connections": (
        "clean", Half().counts("open_sockets", up_to(100), returned=0).counts("connections_opened", up_to(100))),
    "a cache of 40": ("clean", Half().counts("open_cursors", up_to(40))),
    "a cache of 40, many steps": ("clean", Half(1000).counts("open_cursors", up_to(40))),
    "items never taken, a pool": ("clean", unasked("open_cursors", 10, 10)),
    "two threads of a library": ("clean", threads(up_to(2))),
    "32 threads of an executor": ("clean", threads(up_to(32), returned=1)),
    "a fluctuating count": (
        "clean", Half(27).counts("open_fds", lambda done: (1, 4, 2, 6, 3, 5)[done % 6], before=1, returned=1)),
    "too few to judge": ("clean", Half(60).counts("open_sockets", every(20))),
    # stalled: past the deadline
    "at twice the deadline": ("stalled elapsed 1/1", Half(0, 1.0), DEADLINE),
    "long after the deadline": ("stalled elapsed 3.06/1", Half(0, 3.06), DEADLINE),
    "late in each of three runs": ("stalled elapsed 1.2/1", Half(0, 1.2, looks=3), DEADLINE),
    "no answer at all": ("stalled elapsed 3/1", Half(0, 3.0, outcome=Outcome.TIMED_OUT), DEADLINE),
    "late by waiting, not by computing": ("stalled elapsed 2.5/1", Half(0, 3.0, cpu_s=0.5), DEADLINE),
    "computing while it waits": ("stalled elapsed 3/1", Half(0, 3.1, cpu_s=3.0, awaited_s=3.0), DEADLINE),
    "a little late": ("inconclusive", Half(0, 0.66), DEADLINE),
    "nearly at twice the deadline": ("inconclusive", Half(0, 0.99, looks=3), DEADLINE),
    "in time": ("clean", Half(0, IN_TIME * 0.5), DEADLINE),
    "late by its own computing": ("clean", Half(0, 1.2, cpu_s=0.6, awaited_s=0.5), DEADLINE),
    "slow, without a deadline": ("clean", Half(0, 3000)),
    # memory
    "over the budget until return": ("held rss 256M/128M", memory(buffer(256), left=0), BUDGET),
    "over the budget, less after return": ("held rss 256M/128M", memory(buffer(256), left=40 * MIB), BUDGET),
    "over the budget to the end": ("leaked rss 256M/128M", memory(buffer(256), left=250 * MIB), BUDGET),
    "over the budget at many steps": (
        "held rss 256M/128M", memory(lambda done: 256 * MIB if done < 49 else 0, left=0), BUDGET),
    "over the budget after return only": ("leaked rss 200M/128M", memory(none, left=200 * MIB), BUDGET),
    "over the budget when it returned": (
        "held rss 256M/128M",
        memory(none, left=256 * MIB).counts("rss", lambda _: 30 * MIB, before=30 * MIB, collected=30 * MIB), BUDGET),
    "over the budget when it died": (
        "held rss 256M/128M", memory(buffer(256), left=0, outcome=Outcome.CRASHED), BUDGET),
    "exactly the budget": ("clean", memory(buffer(128), left=0), BUDGET),
    "a peak before the last step": ("clean", memory(lambda done: (256 if done == 1 else 1) * MIB, left=MIB), BUDGET),
    "a leak below the budget": (
        "leaked rss 25M/16M", memory(lambda done: done * MIB / 2, left=lambda steps: steps * MIB / 2), BUDGET),
    "a MiB per step": ("leaked rss 50M/16M", memory(lambda done: done * MIB, left=lambda steps: steps * MIB)),
    "a MiB per step until return": ("held rss 50M/16M", memory(lambda done: done * MIB, left=0)),
    "a MiB per step beside a model that was loaded first": (
        "leaked rss 120M/16M",
        replace(memory(lambda done: (100 + done) * MIB, left=lambda steps: (100 + steps) * MIB), steps=20)),
    "a cache of 128 MiB": ("clean", memory(lambda done: min(done, 128) * MIB, left=lambda done: min(done, 128) * MIB)),
    "a cache of memory": ("clean", memory(lambda done: min(done, 40) * MIB, left=40 * MIB)),
    "memory below the floor": (
        "clean", memory(lambda done: done * MIB / 10, left=lambda steps: steps * MIB / 10)),
    # sockets are descriptors: one leak is one finding
    "descriptors that are sockets": ("leaked open_sockets 50/0", sockets_and_fds(each)),
    "held descriptors that are sockets": ("held open_sockets 50/0", sockets_and_fds(each, closed=True)),
    "descriptors beyond the sockets": (
        "leaked open_sockets 50/0; leaked open_fds 50/0", sockets_and_fds(lambda done: 2 * done)),
    "one more descriptor": ("leaked open_sockets 50/0", sockets_and_fds(lambda done: done + min(done, 1))),
    # not enough to decide
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
    return judge(trace, SizedRun(0, summarize(trace)), DEADLINE)


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
    ("took", "hang", "noise"),
    [(0.65, 3.0, False), (0.66, 3.0, True), (2.99, 3.0, True), (3.0, 3.0, False), (3.0, None, True), (1.0, 1.0, True)],
)
def test_a_late_answer_could_be_noise_unless_it_came_when_the_dead_service_answered(
    took: float, hang: float | None, noise: bool
) -> None:
    """A dead service that answers soon after the deadline proves nothing: a busy machine may be as late as that."""
    assert could_be_noise(Half(0, took).trace(), 0.5, hang) is noise


def test_nothing_is_late_without_a_deadline_and_a_half_that_did_not_complete_is_no_noise() -> None:
    assert not could_be_noise(Half(0, 60.0).trace(), None, None)
    assert not could_be_noise(Half(elapsed_s=1.0, outcome=Outcome.CRASHED).trace(), 0.5, None)


def test_a_buffer_of_which_no_step_says_whether_it_was_kept_is_in_doubt() -> None:
    trace = memory(none, left=0).trace()
    clock = Sample(Phase.CLOCK, 50, 0.1, {"rss": 300 * MIB})
    after = replace(trace, samples=(*trace.samples[:-2], clock, *trace.samples[-2:]))
    untaken = replace(after, samples=(after.samples[0], *after.samples[-3:]))
    for doubtful in (after, untaken):
        assert judge(doubtful, SizedRun(50, summarize(doubtful)), BUDGET).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("missing", [Phase.BASELINE, Phase.COLLECTED])
def test_a_counter_without_its_first_or_last_sample_is_not_taken_for_0(missing: Phase) -> None:
    trace = Half().counts("open_fds", each).trace()
    samples = tuple(replace(s, values={"open_fds": None}) if s.phase is missing else s for s in trace.samples)
    cut = replace(trace, samples=samples)
    assert judge(cut, SizedRun(50, summarize(cut)), Thresholds()).findings == ()


def test_what_goes_on_after_return_and_ends_by_itself_was_not_held() -> None:
    """More than half of the threads are still there shortly after: `run` did not end them."""
    held = threads(each, returned=1)
    for lingering, found in ((26, []), (24, ["held threads"])):
        sizes = []
        for half in (held, replace(held, steps=200)):
            trace = half.trace()
            *before, last = trace.samples
            values = {"threads": 1 + lingering * half.steps // 50}
            looks = [Sample(Phase.SETTLING, half.steps, last.at_s + later, values) for later in (0, 0.06)]
            ended = replace(last, at_s=last.at_s + 1)
            sizes.append(SizedRun(half.steps, summarize(replace(trace, samples=(*before, *looks, ended)))))
        assert [f"{one.kind} {one.metric.name}" for one in growing(sizes, Thresholds())] == found


@pytest.mark.parametrize(
    ("steps", "second"), [(1, 200), (7, 200), (50, 200), (51, 204), (199, 796), (200, 50), (2000, 500)]
)
def test_the_second_run_is_larger_and_of_much_work_it_is_the_smaller_one(steps: int, second: int) -> None:
    assert second_size(steps) == second


@pytest.mark.parametrize(
    ("steps", "count", "suspect"),
    [(50, 3, True), (50, 2, False), (20, 2, True), (20, 1, False), (15, 1, True), (1, 1, True)],
)
def test_three_things_are_suspect_and_of_less_work_one_in_15_steps(steps: int, count: int, suspect: bool) -> None:
    half = Half(steps).counts("threads", lambda done: 1 + min(done, count), before=1)
    assert bool(suspects(half.sized, Thresholds())) is suspect


@pytest.mark.parametrize(("elapsed_s", "second", "third"), [(1, 200, 800), (3, 200, 12), (7, 200, 12), (12, 12, 3)])
def test_where_steps_are_slow_there_are_fewer_of_them(elapsed_s: float, second: int, third: int) -> None:
    """Of 50 steps, with a limit of 60 s."""
    assert second_size(50, elapsed_s, 60.0) == second
    assert third_size(50, second, [METRICS["threads"]], elapsed_s * second / 50, 60.0) == third


def test_a_run_of_another_size_that_did_not_do_its_work_is_a_doubt_and_never_clean() -> None:
    judgement = Half().counts("open_fds", up_to(10)).judged(doubts=("at 200 steps it raised ValueError",))
    assert (judgement.verdict, judgement.doubts) == (Verdict.INCONCLUSIVE, ("at 200 steps it raised ValueError",))


def test_what_ended_before_it_began_says_nothing_of_what_can_be_read() -> None:
    ended = replace(Half(outcome=Outcome.CRASHED).trace(), samples=())
    doubts = judge(ended, SizedRun(50, {}), Thresholds(telling=("open_sockets",))).doubts
    assert [doubt for doubt in doubts if "could not be read" in doubt] == []
    assert len(doubts) == 1


def test_of_a_half_that_leaks_key_metrics_that_do_not_grow_are_said() -> None:
    key = Thresholds(telling=("open_sockets", "connections_opened"))
    batches = asked(each).counts("open_sockets", lambda done: done % 10, returned=0)
    assert batches.judged(key).steady == ("open sockets do not grow with the work: 9, and 9 when run again",)
    quiet = (
        batches.judged(Thresholds(telling=("connections_opened",))),
        asked(each).counts("open_sockets", each).judged(key),
        asked(none).counts("open_sockets", up_to(9)).judged(key),
        asked(each).counts("open_sockets", up_to(1)).judged(key),
    )
    assert [one.steady for one in quiet] == [()] * 4


def test_a_control_half_is_judged_by_one_run_and_by_what_it_is_known_for() -> None:
    half = Half().counts("open_sockets", each).counts("threads", lambda done: 1 + done, before=1)
    for known in ([("leaked", "open_sockets")], []):
        judgement = judge(half.trace(), half.sized, Thresholds(), known=known)
        assert [(one.kind.value, one.metric) for one in judgement.findings] == known
        assert [len(one.work) for one in judgement.findings] == [1] * len(known)


@pytest.mark.parametrize("metric", [metric for metric in METRICS.values() if metric.judge is not Judge.DEADLINE])
def test_every_metric_is_judged_by_the_same_rule(metric: Metric) -> None:
    """A leak of 16 MiB, or of one thing, at each step; and 20 steps' worth of it that stay the same."""
    unit = 16 * MIB if metric.unit == "bytes" else 1
    leak = Half().counts(metric.name, lambda done: done * unit).judged()
    pool = Half().counts(metric.name, lambda done: min(done, 20) * unit).judged()
    kinds = {Judge.LEFT_OPEN: "leaked", Judge.LEFT_BEHIND: "leaked", Judge.REUSE: "wasted"}
    expected = [kinds[metric.judge]] if metric.judge in kinds else []
    assert [one.kind.value for one in leak.findings] == expected
    assert pool.verdict is Verdict.CLEAN


LEAKS = Judgement(Verdict.LEAKS, (Finding.of(FindingKind.LEAKED, "threads", 5, 0, "5 of 5"),))
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
    lines += ["clean:", *sorted({f"    {one.looked_at}" for one in judged.values() if one.looked_at})]
    assert_golden("verdicts", "\n".join(lines))
