"""The sentences of findings, doubts and forecasts: what was measured, never a cause that was not looked for."""

from collections.abc import Iterable, Sequence

from leaklab.judge.scaling import Growth, SizedRun
from leaklab.metrics import COUNT_FLOOR, MEMORY_FLOOR, METRICS, FindingKind, Judge, Metric, Moment
from leaklab.units import format_duration, format_size

NO_ITEM_TAKEN = "run() took no item, so no step shows whether the buffer was kept; take the items one at a time"
AFTER_THE_STEPS = "the buffer came after the last step, so no step shows whether it was kept; work item by item"


def grown(run: SizedRun, second: SizedRun | None, growth: Growth, waited_s: float) -> str:
    """What grew with the work, at both sizes, the one that is shown first."""
    metric, moment, kind = growth.metric, growth.moment, growth.kind
    here = run.reading(metric, moment)
    if kind is FindingKind.WASTED:
        return _wasted(run, second, metric)
    there = None if second is None else (metric.format(second.reading(metric, moment)), second.steps)
    one = metric.unit == "bytes" or here == 1
    if kind is FindingKind.HELD:
        left = run.reading(metric, Moment.COLLECTED)
        after = f"{metric.format(left) if left else 'none'} after run() returned"
        other = f" ({there[0]} in {there[1]:,} steps)" if there else ""
        said = f"{'was' if one else 'were'} {metric.state} at the same time{other}, {after}"
    else:
        later = f" (still there {format_duration(waited_s)} later)" if waited_s >= 0.01 else ""
        other = f", {there[0]} after {there[1]:,} steps" if there else ""
        said = f"{'is' if one else 'are'} {metric.remains}{other}{later}"
    explained = "".join(
        f"; {explains.quantity(count)}"
        for explains in METRICS.values()
        if explains.explains == metric.name and (count := run.reading(explains, moment))
    )
    pace = "one per step" if metric.unit == "count" and growth.per_step == 1 else per_step(metric, growth.per_step)
    return f"{metric.quantity(here)} {said}: {pace}{explained}"


def _wasted(run: SizedRun, second: SizedRun | None, metric: Metric) -> str:
    """Connections that served one request each, or few."""
    requests, sizes = METRICS[metric.serves or metric.name], [run] if second is None else [run, second]
    counts = [(one.reading(requests, Moment.COLLECTED), one.reading(metric, Moment.COLLECTED)) for one in sizes]
    served, opened = counts[0]
    if served == 0:
        opens = (f"{metric.format(one[1])} in {size.steps:,}" for one, size in zip(counts, sizes, strict=True))
        return f"connections opened, by steps: {', '.join(opens)}"
    rate = f"one for every {requests.format(round(served / opened, 1))} requests"
    others = "".join(f", {requests.format(more)} opened {metric.format(count)}" for more, count in counts[1:])
    reused = "none was reused" if opened >= served else rate
    return f"{requests.quantity(served)} opened {metric.quantity(opened)}{others}: {reused}"


def clean(sizes: Sequence[SizedRun], below: Iterable[Growth]) -> str:
    """What was looked at in a half that is clean, and what grew by too little to be judged (`below`)."""
    read = [metric for metric in METRICS.values() if sizes[-1].summary.get(metric.name)]
    counts = [metric for metric in read if metric.unit == "count" and metric.judge is not Judge.WORK]
    held = max((sizes[-1].reading(metric, Moment.COLLECTED) for metric in read if metric.budgeted), default=0)
    few = f"none {COUNT_FLOOR} or more above its start" if sizes[-1].steps else "no work went on after the answer"
    grow = "none grows with the work" if len(sizes) > 1 else few
    looked_at = f"{len(counts)} count{'s' if len(counts) != 1 else ''}, {grow}"
    words = f"{looked_at}; memory within {max(held, MEMORY_FLOOR) / 2**20:.0f} MiB"
    little = [f"{one.metric.label} grew by {per_step(one.metric, one.per_step)}, too little to judge" for one in below]
    return "; ".join([words, *little])


def over_budget(held: float, left: float, budget: int, when: str, *, survived: bool) -> str:
    """Bytes above the start that were held at a moment, and what was left of them after return."""
    above = f"still {format_size(held)} above the start {when} ({format_size(budget)} allowed)"
    if when == "after run() returned":
        return above
    if survived:
        return f"{above} and after run() returned"
    released = "released on return" if left < MEMORY_FLOOR else f"down to {format_size(left)} after run() returned"
    return f"{above}; {released}"


def late(elapsed: float, took: float, deadline: float, looks: int, *, done: bool) -> str:
    """The answer came long after the deadline, or did not come while the half ran."""
    answer = f"the answer took {_took(elapsed, took, looks)}" if done else f"no answer after {format_duration(elapsed)}"
    return f"{answer}; the deadline was {format_duration(deadline)}"


def maybe_late(elapsed: float, took: float, deadline: float, stalled: float, looks: int) -> str:
    """The answer came too late to be clean and too early to be stalled."""
    over = f"the answer took {_took(elapsed, took, looks)}: over the deadline of {format_duration(deadline)}"
    under = f"but under the {format_duration(stalled)} that counts as stalled"
    return f"{over}, {under}; if the machine is busy, try --repeat 5"


def _took(elapsed: float, took: float, looks: int) -> str:
    waited = f", {format_duration(took)} of it waiting" if took < 0.95 * elapsed else ""
    return f"{format_duration(elapsed)}{waited}" + (f" in the fastest of {looks} runs" if looks > 1 else "")


def abandoned(metric: Metric, left: float, at_s: float, answered_s: float) -> str:
    """`left` things went on, `at_s` seconds after the start, for a caller that had returned."""
    things, were = (metric.singular, "was") if left == 1 else (metric.plural, "were")
    gave_up = f"the caller gave up after {format_duration(answered_s)}, but nothing cancelled the request"
    still = f"{were} still {metric.state} {format_duration(at_s)} after the start"
    return f"{metric.format(left)} abandoned {things} {still}: {gave_up}"


def unread(metric: Metric) -> str:
    """A metric that the verdict needs could not be read."""
    return f"{metric.label} could not be read; `leaklab doctor` shows what this machine allows"


def undecided(run: SizedRun, suspect: Sequence[Metric]) -> str:
    """So much was there, and no run of another size says whether it grows with the work."""
    there = ", ".join(metric.quantity(max(run.reading(metric, moment) for moment in Moment)) for metric in suspect)
    return f"not enough data: {there}, and there is no run of another size that shows whether that grows with the work"


def other_size(steps: int, words: str) -> str:
    """A run of another size did not do its work."""
    return f"at {steps:,} steps {words}"


def each_step(metric: Metric, pace: float) -> str:
    """`one socket per step`, or how many per step on average."""
    if metric.unit == "bytes":
        return f"{format_size(pace)} per step"
    if pace == 1:
        return f"one {metric.singular} per step"
    return f"{_number(pace)} {metric.plural} per step"


def per_step(metric: Metric, pace: float) -> str:
    """`0.10 per step`, in the metric's unit."""
    return f"{format_size(pace) if metric.unit == 'bytes' else _number(pace)} per step"


def _number(pace: float) -> str:
    return f"{pace:.0f}" if float(pace).is_integer() else f"{pace:.2f}"
