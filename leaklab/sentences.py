"""The sentences of findings, doubts and forecasts: what was measured, never a cause that was not looked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaklab.metrics import MEMORY_FLOOR, MEMORY_SUSPECT, METRICS, FindingKind, Metric
from leaklab.units import format_duration, format_size

NO_ITEM_TAKEN = "run() took no item, so no step shows whether the buffer was kept; take the items one at a time"
AFTER_THE_STEPS = "the buffer came after the last step, so no step shows whether it was kept; work item by item"

Sized = tuple[int, float]
"""A number of steps, and what was counted after them."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What is measured is called this in sentences.

    Attributes:
        who: what did the work.
        unit: one unit of its work.
        after: after what something is left; `{work}` stands for how much work that was.
        again: how a count came about in a run of another size; `{count}` and `{work}` stand for the two, or `{more}`.
    """

    who: str = "the half"
    unit: str = "step"
    after: str = "after run() returned"
    again: str = "{count} when run again with {work}"

    def work(self, units: int) -> str:
        """So many units of work."""
        return f"{units:,} {self.unit}{'s' if units != 1 else ''}"

    def after_work(self, units: int) -> str:
        """After so much work."""
        return self.after.format(work=self.work(units))

    def other_sizes(self, others: Iterable[tuple[int, str]]) -> str:
        """What was counted in runs of other sizes."""
        said = ", ".join(
            self.again.format(count=count, work=(work := self.work(units)), more=work.replace(" ", " more "))
            for units, count in others
        )
        return f" ({said})" if said else ""


HALF = Wording()
"""What a half does in steps, in a process of its own for each size."""

LOADS = Wording("the program", "load", "after {work}", "{count} more after {more}")
"""What any program does in loads, one size after the other in one process."""


def leaked(metric: Metric, sizes: Sequence[Sized], pace: float, waited_s: float, words: Wording = HALF) -> str:
    """What survived the work (and garbage collection), at each size of the work, the size that is shown first."""
    (steps, here), *others = sizes
    other = words.other_sizes((steps, metric.format(count)) for steps, count in others)
    later = f", still there {format_duration(waited_s)} later" if waited_s >= 0.01 else ""
    be, remains = _be(metric, here, "is", "are"), metric.remains.format(after=words.after_work(steps))
    return f"{metric.quantity(here)} {be} {remains}{other}{later}: {per_step(metric, pace, words.unit)}"


def held(metric: Metric, sizes: Sequence[Sized], pace: float, left: float, words: Wording = HALF) -> str:
    """What was there at the same time, and `left` of it after the work."""
    (steps, here), *others = sizes
    other = words.other_sizes((steps, metric.format(count)) for steps, count in others)
    after = f"{metric.format(left) if left else 'none'} {words.after_work(steps)}"
    was = _be(metric, here, "was", "were")
    seen = "" if here else "seen "
    return (
        f"{metric.quantity(here)} {was} {seen}{metric.state} at the same time{other}, {after}: "
        f"{per_step(metric, pace, words.unit)}"
    )


def wasted(metric: Metric, sizes: Sequence[Sized], served: Sequence[float], words: Wording = HALF) -> str:
    """Connections that served one request each, or few; `served` are the requests, 0 where they are not counted."""
    requests, opened = METRICS[metric.serves or metric.name], [count for _, count in sizes]
    if not served[0]:
        (steps, here), *larger = sizes
        again = "".join(f", {metric.format(count)} in {more:,}" for more, count in larger)
        return f"{metric.quantity(here)} in {words.work(steps)}{again}: {per_step(metric, here / steps, words.unit)}"
    first, *others = zip(opened, served, strict=True)
    said = [f"{metric.quantity(first[0])} for {requests.quantity(first[1])}"]
    said += [f"{metric.format(count)} for {requests.format(of)}" for count, of in others]
    rate = f"one for every {requests.format(round(served[0] / opened[0], 1))} requests"
    return f"{', '.join(said)}: {'none reused' if opened[0] >= served[0] else rate}"


def clean(
    counts: int, few: int | None, memory: float, below: Sequence[tuple[Metric, float]], unit: str = "step"
) -> str:
    """What was looked at in a half that is clean, and what grew by too little to be judged, with its pace.

    `few` is how many things one run alone did not have; 0 where the work has no size, None after several runs.
    """
    all_counts = f"{counts} count{'s' if counts != 1 else ''}"
    if few is None:
        little = ", ".join(f"{metric.label} by {per_step(metric, pace, unit)}" for metric, pace in below)
        exception = f", except by too little to judge: {little}" if little else ""
        looked_at = f"none of {all_counts} grows with the work{exception}"
    elif few:
        looked_at = f"none of {all_counts} {'stayed above its start' if few == 1 else f'grew by {few} or more'}"
    else:
        looked_at = f"nothing was left at work after the answer ({all_counts})"
    within = MEMORY_SUSPECT if few else MEMORY_FLOOR
    if memory <= within:
        return f"{looked_at}; memory grew by less than {within / 2**20:.0f} MiB"
    is_told = any(metric.unit == "bytes" for metric, _ in below)
    return looked_at if is_told else f"{looked_at}; memory does not either"


def left_by_test(metric: Metric, sums: Sequence[float], work: str) -> str:
    """What was left after one run of `work`, after two, and so on."""
    first, *others = sums
    be = _be(metric, first, "is", "are")
    after = "".join(f", {metric.format(count)} after {number} runs" for number, count in enumerate(others, 2))
    pace = f": {per_step(metric, sums[-1] / len(sums), 'run')}" if others else ""
    return f"{metric.quantity(first)} {be} still {metric.state} after {work}{after}{pace}"


def too_many_connections(metric: Metric, count: int, address: str, limit: int, work: str) -> str:
    """So many connections were opened to one address by one line in one run of `work`."""
    return f"{metric.quantity(count)} to {address} in one run of {work}, by one line ({limit} allowed)"


def steady(metric: Metric, here: float, others: Sequence[float]) -> str:
    """So much was there at the same time, and no more in runs of other sizes."""
    again = ", ".join(metric.format(count) for count in others)
    return f"{metric.label} do not grow with the work: {metric.format(here)}, and {again} when run again"


def _be(metric: Metric, count: float, one: str, many: str) -> str:
    return one if metric.unit == "bytes" or count == 1 else many


def over_budget(held: float, left: float, budget: int, when: str, *, survived: bool) -> str:
    """Bytes above the start that were held at a moment, and what was left of them after return."""
    above = f"memory is still {format_size(held)} above the start {when} ({format_size(budget)} allowed)"
    if when == "after run() returned":
        return above
    if survived:
        return f"{above} and after run() returned"
    released = "released on return" if left < MEMORY_FLOOR else f"down to {format_size(left)} after run() returned"
    return f"{above}; {released}"


def in_time(elapsed: float, took: float, most: float) -> str:
    """The answer came before it would be late."""
    return f"the answer took {_took(elapsed, took, 1)} (in time: up to {format_duration(most)})"


def late(elapsed: float, took: float, deadline: float, looks: int, *, done: bool) -> str:
    """The answer came long after the deadline, or did not come while the half ran."""
    answer = f"the answer took {_took(elapsed, took, looks)}" if done else f"no answer after {format_duration(elapsed)}"
    return f"{answer} (deadline: {format_duration(deadline)})"


def maybe_late(elapsed: float, took: float, deadline: float, stalled: float, looks: int) -> str:
    """The answer came too late to be clean and too early to be stalled."""
    over = f"the answer took {_took(elapsed, took, looks)}: over the deadline of {format_duration(deadline)}"
    under = f"but under the {format_duration(stalled)} that counts as stalled"
    return f"{over}, {under}; if the machine is busy, try --repeat 5"


def _took(elapsed: float, took: float, looks: int) -> str:
    waited = f", {format_duration(took)} of it waiting" if took < 0.95 * elapsed else ""
    return f"{format_duration(max(elapsed, took))}{waited}" + (f" in the fastest of {looks} runs" if looks > 1 else "")


def abandoned(metric: Metric, left: float, at_s: float, answered_s: float | None) -> str:
    """`left` things went on, `at_s` seconds after the start, for a caller that had returned (None: said before)."""
    things, were = (metric.singular, "was") if left == 1 else (metric.plural, "were")
    still = (
        f"{metric.format(left)} abandoned {things} {were} still {metric.state} {format_duration(at_s)} after the start"
    )
    if answered_s is None:
        return still
    return f"{still}: the caller gave up after {format_duration(answered_s)}, and the work went on"


def unread(metric: Metric) -> str:
    """A metric that the verdict needs could not be read."""
    return f"{metric.label} could not be read; `leaklab doctor` shows what this machine allows"


def undecided(there: Iterable[tuple[Metric, float]]) -> str:
    """So much was there, and no run of another size says whether it grows with the work."""
    what = ", ".join(metric.quantity(count) for metric, count in there)
    return f"not enough data: {what}, and there is no run of another size that shows whether that grows with the work"


def suspected(metric: Metric, value: float, kind: FindingKind) -> str:
    """So much was there, and may be a leak or not."""
    when = {FindingKind.LEAKED: " after run() returned", FindingKind.HELD: " at the same time"}.get(kind, "")
    return f"{metric.quantity(value)}{when}, which may be a leak"


def each_step(metric: Metric, pace: float) -> str:
    """`one socket per step`, or how many per step on average."""
    if metric.unit == "bytes":
        return per_step(metric, pace)
    if pace == 1:
        return f"one {metric.singular} per step"
    return f"{_number(pace)} {metric.plural} per step"


def per_step(metric: Metric, pace: float, unit: str = "step") -> str:
    """`0.10 per step`, in the metric's unit, or per another unit of work."""
    if metric.unit == "bytes":
        return f"{format_size(pace)} per {unit}"
    return f"one per {unit}" if pace == 1 else f"{_number(pace)} per {unit}"


def grew_over_time(metric: Metric, growth: float, seconds: float) -> str:
    """What rose steadily while a program was watched by the clock."""
    return f"{metric.quantity(growth)} more in {format_duration(seconds)}, growing steadily"


def at_rest_over_time(counts: int, seconds: float) -> str:
    """What was looked at in a program that was watched by the clock, and in which nothing grew."""
    return f"none of {counts} counts grew steadily in {format_duration(seconds)}; memory did not either"


STEADY_LOAD = "this is a leak only if the load was steady: --load measures it after loads of a known number"
"""What growth over time alone cannot tell."""


def watched_too_short(samples: int, least: int) -> str:
    """A program was watched by the clock for too short a time."""
    looks = f"{samples} sample{'s' if samples != 1 else ''}"
    more = "watch it for longer, or look more often (--every)"
    return f"not enough data: {looks}, and growth over time takes {least}; {more}"


def fewer_loads(done: int, instead_of: int, processes: int, most: int) -> str:
    """Less work was done, as the program would have come to have so many processes."""
    return (
        f"only {done:,} more loads, as {instead_of:,} would have led to about {processes:,} processes ({most} at most)"
    )


def interrupted(done: int, times: int) -> str:
    """A trace was interrupted before the first size of the work was done."""
    return f"interrupted after {done:,} of {times:,} loads: nothing could be compared yet"


def _number(pace: float) -> str:
    return f"{pace:.0f}" if float(pace).is_integer() else f"{pace:.2f}"
