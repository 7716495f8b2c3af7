"""Results of scripted halves: every number is written down, nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs

from leaklab.content.declaration import LEAKS_NOTHING, Expected
from leaklab.content.settings import Settings
from leaklab.explain.evidence import CodeSite, Evidence, KeptBy
from leaklab.judge.findings import Finding, Judgement, Verdict
from leaklab.judge.scaling import SizedRun, Thresholds, suspects, unclear
from leaklab.judge.verdict import judge
from leaklab.lab.forecast import Capacities
from leaklab.lab.reruns import second_size, third_size
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_result
from leaklab.lab.tracing import TracedProgram, TraceMoment
from leaklab.measure.counting import Way
from leaklab.measure.run_trace import COMPLETED, Ending, Outcome, Phase, Sample, Trace
from leaklab.measure.summary import summarize
from leaklab.measure.tree import TreeReading

STEPS = 50
MIB = 2**20
CAPACITIES = Capacities(descriptors=1024, memory=2**30, threads=1000)


Number = float | Callable[[int], float]
"""A number, or what it is by the number of steps of the work."""


def number(value: Number, steps: int) -> float:
    return value(steps) if callable(value) else value


@dataclass
class Half:
    """A half by its numbers: what each metric is before, at each number of steps done, after return, and after gc."""

    steps: int = 50
    elapsed_s: float = 0.1
    waited_s: float = 0.0
    outcome: Outcome = Outcome.COMPLETED
    looks: int = 1
    cpu_s: float | None = None
    awaited_s: float | None = None
    peaks: dict[str, Number] = field(default_factory=dict)
    series: dict[str, Callable[[int], float | None]] = field(default_factory=dict)
    before: dict[str, float | None] = field(default_factory=dict)
    returned: dict[str, Number] = field(default_factory=dict)
    collected: dict[str, Number] = field(default_factory=dict)

    def counts(
        self,
        metric: str,
        at_step: Callable[[int], float | None],
        *,
        before: float | None = 0,
        returned: Number | None = None,
        collected: Number | None = None,
    ) -> Half:
        """`returned` is what the last step was unless it is given; `collected` the same as `returned`."""
        self.series[metric], self.before[metric] = at_step, before
        if returned is not None:
            self.returned[metric] = returned
        if collected is not None:
            self.collected[metric] = collected
        return self

    def trace(self, half: str = "leaky") -> Trace:
        last = {name: at_step(self.steps) for name, at_step in self.series.items()}
        moments: list[tuple[Phase, int, Mapping[str, float | None]]] = [(Phase.BASELINE, 0, self.before)]
        for done in range(self.steps + 1 if self.steps else 0):
            phase = Phase.STEP if done < self.steps else Phase.END
            moments.append((phase, done, {name: at_step(done) for name, at_step in self.series.items()}))
        if self.outcome is Outcome.COMPLETED:
            returned = {**last, **{name: number(value, self.steps) for name, value in self.returned.items()}}
            collected = {**returned, **{name: number(value, self.steps) for name, value in self.collected.items()}}
            moments += [(Phase.RETURNED, self.steps, returned), (Phase.COLLECTED, self.steps, collected)]
        samples = tuple(Sample(phase, done, self.elapsed_s, values) for phase, done, values in moments)
        ending = COMPLETED if self.outcome is Outcome.COMPLETED else Ending(self.outcome, "it was ended by SIGSEGV")
        return Trace(
            half, self.steps, self.elapsed_s, self.waited_s, samples,
            {name: number(value, self.steps) for name, value in self.peaks.items()}, None, ending,
            looks=self.looks, cpu_s=self.cpu_s, answers_awaited_s=self.awaited_s,
        )  # fmt: skip

    @property
    def sized(self) -> SizedRun:
        return SizedRun(self.steps, summarize(self.trace()))

    def judged(self, bounds: Thresholds | None = None, *, doubts: tuple[str, ...] = ()) -> Judgement:
        """Judged as the lab does: with runs of other sizes, if the first is suspect."""
        bounds = bounds or Thresholds()
        suspect = self.steps and not doubts and suspects(self.sized, bounds)
        others: list[SizedRun] = []
        if suspect:
            others.append(replace(self, steps=second_size(self.steps)).sized)
            if metrics := unclear([self.sized, *others], bounds):
                others.append(replace(self, steps=third_size(self.steps, others[0].steps, metrics)).sized)
        return judge(self.trace(), self.sized, bounds, others, doubts=doubts)


def trace(
    half: str,
    sockets_at: Callable[[int], int],
    *,
    ending: Ending = COMPLETED,
    output: str = "",
    elapsed_s: float = 0.25,
    rss: int = 30 * MIB,
    steps: int = STEPS,
) -> Trace:
    """A half that has so many sockets open after each step, and closes none of them later."""
    done = steps if ending is COMPLETED else steps // 2

    def values(sockets: int) -> Mapping[str, float | None]:
        return {
            "open_sockets": sockets,
            "connections_opened": sockets,
            "requests_served": sockets,
            "threads": 1,
            "open_fds": 4 + sockets,
            "rss": rss,
        }

    moments = [(Phase.BASELINE, 0, 0)]
    moments += [(Phase.STEP if step < steps else Phase.END, step, sockets_at(step)) for step in range(done + 1)]
    moments.append((Phase.RETURNED, done, sockets_at(done)))
    if ending is COMPLETED:
        moments.append((Phase.COLLECTED, done, sockets_at(done)))
    return Trace(
        half=half,
        steps=min(done + 1, steps),
        elapsed_s=elapsed_s,
        waited_s=0.0,
        samples=tuple(Sample(phase, at, at * 0.005, values(sockets)) for phase, at, sockets in moments),
        ending=ending,
        output=output,
    )


def measured(one: Trace, complaint: str | None = None) -> MeasuredRun:
    """A run with one of four times the work, in which what came to three or more grew as the work did."""
    before = one.samples[0].values if one.samples else {}

    def more(name: str, value: float | None) -> float | None:
        start = before.get(name)
        return value if value is None or start is None or value - start < 3 else start + 4 * (value - start)

    if one.outcome is not Outcome.COMPLETED or not one.steps:
        return MeasuredRun(one, complaint, one.steps)
    samples = [
        replace(each, values={name: more(name, value) for name, value in each.values.items()}) for each in one.samples
    ]
    large = replace(
        one, samples=tuple(samples), peaks={name: more(name, peak) or 0 for name, peak in one.peaks.items()}
    )
    return MeasuredRun(one, complaint, one.steps, others=(MeasuredRun(large, None, 4 * one.steps),))


def leaky(*traces: Trace) -> HalfResult:
    """One socket a step, unless traces are given."""
    given = traces or (trace("leaky", lambda step: step),)
    return half_result("leaky", [measured(one) for one in given], Thresholds(), CAPACITIES)


OPENED = CodeSite("leaky.py", 11, "run", "response = session.get(url, stream=True)")
KEPT = KeptBy("recent[…].raw._connection.sock", "global recent of leaky.py", "a list of 50 Response")
WAITS = CodeSite("leaky.py", 18, "run", "thread.join()")


def evidence(
    count: int = 50,
    opened: CodeSite | None = OPENED,
    kept_by: KeptBy | None = None,
    waits_at: CodeSite | None = None,
    note: str = "",
) -> Evidence:
    return Evidence(count, "socket to 127.0.0.1:80", opened, kept_by, waits_at, note)


def explained(half: HalfResult, *found: tuple[Evidence, ...] | str) -> HalfResult:
    """The half with the evidence for its findings in turn, or with the reason why there is none."""
    findings = list(half.judgement.findings)
    for at, one in enumerate(found):
        given = {"unexplained": one} if isinstance(one, str) else {"evidence": one, "unexplained": ""}
        findings[at] = structs.replace(findings[at], **given)
    return replace(half, judgement=replace(half.judgement, findings=tuple(findings)))


def fixed(complaint: str | None = None, output: str = "") -> HalfResult:
    """One socket for all steps."""
    one = trace("fixed", lambda step: min(step, 1), output=output, elapsed_s=0.2)
    return half_result("fixed", [MeasuredRun(one, complaint, STEPS)], Thresholds(), CAPACITIES)


def crashed(error: str) -> HalfResult:
    """Half of the steps, and then `error`."""
    return leaky(trace("leaky", lambda step: step, ending=Ending(Outcome.CRASHED, error)))


def result(*halves: HalfResult, scenario: str = "unclosed-body", settings: Settings | None = None) -> Result:
    """A result of these halves, the leaky and the fixed one unless some are given."""
    given = halves or (leaky(), fixed())
    return Result(
        scenario=scenario,
        settings=settings or Settings(steps=STEPS),
        mongo=None,
        python="3.11.7",
        halves={half.half: half for half in given},
        expected={"leaky": Expected("leaks", (("leaked", "open_sockets"),)), "fixed": LEAKS_NOTHING},
        telling=("open_sockets",),
    )


def moment(loads: int, at_s: float = 0.0, **counters: float | None) -> TraceMoment:
    """What a traced program had after so many loads; its descriptors are sockets, but for four."""
    sockets = int(counters.get("sockets") or 0)
    read: dict[str, float | None] = {
        "fds": 4 + sockets,
        "sockets": 0,
        "close_wait": 0,
        "threads": 1,
        "children": 0,
        "zombies": 0,
        "rss": 30 * MIB,
    }
    kinds = {"devices": 1, "files": 2, "listening sockets": 1, "TCP connections": sockets}
    ends = {("to 127.0.0.1:9001", "ESTABLISHED"): sockets} if sockets else {}
    return TraceMoment(loads, at_s, TreeReading({**read, **counters}, kinds, ends, (4711,)))


def traced(*, findings: Sequence[Finding] = (), **changes: Any) -> TracedProgram:
    """A traced program that leaks as these findings say, or is clean."""
    verdict = Verdict.LEAKS if findings else Verdict.CLEAN
    judgement = Judgement(verdict, tuple(findings), looked_at="" if findings else "none of 6 counts grew by 3 or more")
    grown = (0, 50, 250) if findings else (0, 1)
    moments = tuple(moment(loads, sockets=loads, connections=loads) for loads in grown)
    told = TracedProgram(("python3", "app.py"), 4711, "curl -s :8000", moments, judgement, Way.HOOK, "")
    return replace(told, **changes)
