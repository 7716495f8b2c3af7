"""The sentences of findings, doubts and forecasts: what was measured, never a cause that was not looked for."""

from leaklab.metrics import MEMORY_FLOOR, METRICS, Metric
from leaklab.units import format_duration, format_size

LATE = ", many of them after the last step"
NOTHING_FOUND = "nothing grew, nothing was left open, nothing was late"

_FEW = {1: "one step", 2: "two steps"}


def leaked(metric: Metric, left: float, pace: str, waited_s: float) -> str:
    """`left` things survived return and garbage collection."""
    be = "is" if left == 1 else "are"
    return f"{metric.quantity(left)} {be} still {_state(metric)} after run() returned: {pace}{_later(waited_s)}"


def held(metric: Metric, most: float, left: float, pace: str | None) -> str:
    """`most` things were open until `run` returned; without a `pace`, at a moment between the steps."""
    when = "at the same time, more than any step showed" if pace is None else f"at the last step ({pace})"
    after = metric.format(left) if left > 0 else "none"
    return f"{metric.quantity(most)} were {_state(metric)} {when}, {after} after run() returned"


def wasted(metric: Metric, opened: float, served: float | None, steps: int, *, rising: bool) -> str:
    """`opened` connections for `served` requests, if their number is known."""
    when = "" if rising else LATE
    if not served or metric.serves is None:
        return f"{metric.quantity(opened)} were opened in {steps:,} steps{when}"
    requests = METRICS[metric.serves]
    if opened >= served:
        reused = "none was reused"
    elif opened >= 0.9 * served:
        reused = "hardly any was reused"
    else:
        reused = f"one for every {requests.format(round(served / opened, 1))} requests"
    return f"{requests.quantity(served)} opened {metric.quantity(opened)}{when}: {reused}"


def over_budget(held: float, left: float | None, budget: int, *, when: str, survived: bool) -> str:
    """Bytes above the start that were held at `when`, and (unless None) what was left of them after return."""
    above = f"still {format_size(held)} above the start {when} ({format_size(budget)} allowed)"
    if survived or left is None:
        return f"{above} and after run() returned" if survived else above
    return f"{above}; {_released(left)}"


def grown(total: float, left: float, per_step: float, steps: int, *, survived: bool) -> str:
    """Bytes that memory grew by over the steps."""
    grew = f"grew by {format_size(total)} in {steps:,} steps, {format_size(per_step)} per step"
    return f"{grew}; {'still there after run() returned' if survived else _released(left)}"


def late(took: float, deadline: float, looks: int, *, answered: bool) -> str:
    """The answer came long after the deadline, or did not come while the half ran."""
    took_so_long = f"the answer took {format_duration(took)}{_fastest(looks)}"
    none_came = f"no answer after {format_duration(took)}"
    return f"{took_so_long if answered else none_came}; the deadline was {format_duration(deadline)}"


def abandoned(metric: Metric, left: float, at_s: float, answered_s: float) -> str:
    """`left` things went on, `at_s` seconds after the start, for a caller that had returned."""
    things, were = (metric.singular, "was") if left == 1 else (metric.plural, "were")
    gave_up = f"the caller gave up after {format_duration(answered_s)}, but nothing cancelled the request"
    still = f"{were} still {_state(metric)} {format_duration(at_s)} after the start"
    return f"{metric.format(left)} abandoned {things} {still}: {gave_up}"


def pace(per_step: float, *, one_a_step: bool, when: str = "") -> str:
    """`one per step`, or how many per step on average, and when they came."""
    return "one per step" if one_a_step else f"{per_step:.2f} per step{when}"


def unread(metric: Metric) -> str:
    """A metric that the verdict needs could not be read."""
    return f"{metric.label} could not be read; `leaklab doctor` shows what this machine allows"


def maybe_late(took: float, deadline: float, stalled: float, looks: int) -> str:
    """The answer came too late to be clean and too early to be stalled."""
    over = f"the answer took {format_duration(took)}{_fastest(looks)}: over the deadline of {format_duration(deadline)}"
    under = f"but under the {format_duration(stalled)} that counts as stalled"
    return f"{over}, {under}; if the machine is busy, try --repeat 5"


def left_open(metric: Metric, left: float, waited_s: float, but: str) -> str:
    """`left` things survived return and garbage collection, `but` that decides nothing."""
    stayed = "kept running" if _state(metric) == "running" else "stayed open"
    return f"not enough data: {metric.quantity(left)} {stayed}{_later(waited_s)}, but {but}"


def few_rises(rises: int, steps: int) -> str:
    """The steps are too few, or the count rose too seldom."""
    few = _FEW.get(steps, f"{rises} rise{'s' if rises != 1 else ''} in {steps:,} steps")
    return f"{few} cannot tell a leak from a pool; {more(steps)}"


def more(steps: int) -> str:
    """More steps would decide."""
    return f"try --steps {max(50, 4 * steps)}"


def uneven(metric: Metric, opened: float, steps: int) -> str:
    """Connections rose neither steadily nor to a plateau."""
    seen = f"{metric.quantity(opened)} were opened"
    if steps in _FEW:
        return f"not enough data: {seen}, but {few_rises(0, steps)}"
    return f"not enough data: {seen} in {steps:,} steps, neither steadily nor levelling off; {more(steps)}"


WITHOUT_STEPS = "without steps, a leak cannot be told from a pool"
NO_ITEM_TAKEN = "run() took no item, so no step shows whether the buffer was kept; take the items one at a time"
AFTER_THE_STEPS = "the buffer came after the last step, so no step shows whether it was kept; work item by item"


def forecast(metric: Metric, per_step: float, limit: str, steps: int) -> str:
    """When a limit is reached; `limit` says which, with its verb."""
    return f"at {_each_step(metric, per_step)}, {limit} after about {steps:,} steps"


def forecast_of_cursors(metric: Metric, per_step: float, still_open: int, rate: int, timeout_min: int) -> str:
    """How many cursors a server keeps open where only time bounds them."""
    closed = f"a MongoDB server closes a cursor after {timeout_min} idle minutes (30 in a session)"
    return f"at {_each_step(metric, per_step)} and {rate} steps a second, at least {still_open:,} stay open: {closed}"


def _state(metric: Metric) -> str:
    return "running" if metric.runs else "open"


def _later(waited_s: float) -> str:
    return f" (still there {format_duration(waited_s)} later)" if waited_s >= 0.01 else ""


def _fastest(looks: int) -> str:
    return f" in the fastest of {looks} runs" if looks > 1 else ""


def _released(left: float) -> str:
    return "released on return" if left < MEMORY_FLOOR else f"down to {format_size(left)} after run() returned"


def _each_step(metric: Metric, per_step: float) -> str:
    if metric.unit == "bytes":
        return f"{format_size(per_step)} per step"
    if per_step == 1:
        return f"one {metric.singular} per step"
    number = f"{per_step:.0f}" if per_step.is_integer() else f"{per_step:.2f}"
    return f"{number} {metric.plural} per step"
