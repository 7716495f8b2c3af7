"""Results of scripted halves: every number is written down, nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from leaklab.content.declaration import LEAKS_NOTHING, Expected
from leaklab.content.settings import Settings
from leaklab.judge.forecast import Capacities
from leaklab.judge.summary import summarize
from leaklab.judge.verdict import Judgement, Thresholds, judge
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_result
from leaklab.measure.trace import COMPLETED, Ending, Outcome, Phase, Sample, Trace

STEPS = 50
MIB = 2**20
CAPACITIES = Capacities(descriptors=1024, memory=2**30, threads=1000)


@dataclass
class Half:
    """A half by its numbers: what each metric is before, at each number of steps done, after return, and after gc."""

    steps: int = 50
    elapsed_s: float = 0.1
    waited_s: float = 0.0
    outcome: Outcome = Outcome.COMPLETED
    looks: int = 1
    peaks: dict[str, float] = field(default_factory=dict)
    series: dict[str, Callable[[int], float | None]] = field(default_factory=dict)
    before: dict[str, float | None] = field(default_factory=dict)
    returned: dict[str, float] = field(default_factory=dict)
    collected: dict[str, float] = field(default_factory=dict)

    def counts(
        self,
        metric: str,
        at_step: Callable[[int], float | None],
        *,
        before: float | None = 0,
        returned: float | None = None,
        collected: float | None = None,
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
            moments.append((Phase.RETURNED, self.steps, {**last, **self.returned}))
            moments.append((Phase.COLLECTED, self.steps, {**last, **self.returned, **self.collected}))
        samples = tuple(Sample(phase, done, self.elapsed_s, values) for phase, done, values in moments)
        ending = COMPLETED if self.outcome is Outcome.COMPLETED else Ending(self.outcome, "it was ended by SIGSEGV")
        return Trace(
            half, self.steps, self.elapsed_s, self.waited_s, samples, self.peaks, None, ending,
            looks=self.looks,
        )  # fmt: skip

    def judged(self, bounds: Thresholds | None = None) -> Judgement:
        return judge(self.trace(), summarize(self.trace()), bounds or Thresholds())


def trace(
    half: str,
    sockets_at: Callable[[int], int],
    *,
    ending: Ending = COMPLETED,
    output: str = "",
    elapsed_s: float = 0.25,
    rss: int = 30 * MIB,
) -> Trace:
    """A half that has so many sockets open after each step, and closes none of them later."""
    done = STEPS if ending is COMPLETED else STEPS // 2

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
    moments += [(Phase.STEP if step < STEPS else Phase.END, step, sockets_at(step)) for step in range(done + 1)]
    moments.append((Phase.RETURNED, done, sockets_at(done)))
    if ending is COMPLETED:
        moments.append((Phase.COLLECTED, done, sockets_at(done)))
    return Trace(
        half=half,
        steps=min(done + 1, STEPS),
        elapsed_s=elapsed_s,
        waited_s=0.0,
        samples=tuple(Sample(phase, at, at * 0.005, values(sockets)) for phase, at, sockets in moments),
        ending=ending,
        output=output,
    )


def leaky(*traces: Trace) -> HalfResult:
    """One socket a step, unless traces are given."""
    given = traces or (trace("leaky", lambda step: step),)
    return half_result("leaky", [MeasuredRun(one, None) for one in given], Thresholds(), CAPACITIES)


def fixed(complaint: str | None = None, output: str = "") -> HalfResult:
    """One socket for all steps."""
    one = trace("fixed", lambda step: min(step, 1), output=output, elapsed_s=0.2)
    return half_result("fixed", [MeasuredRun(one, complaint)], Thresholds(), CAPACITIES)


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
