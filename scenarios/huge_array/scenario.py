"""Huge array: a large buffer that was needed once is kept alive by a name while the function goes on."""

from leaklab.scenario import LEAKS_NOTHING, Expected, Lab, Scenario, Settings, Steps


def workload(lab: Lab) -> dict[str, object]:
    """One buffer, then one small job per step."""
    return {"size": lab.settings.size, "jobs": Steps(lab.steps)}


def check_answer(lab: Lab, answer: object) -> str | None:
    """Each job times the mean of the buffer."""
    weighed = [job * 1.5 for job in range(1, lab.steps + 1)]
    return None if answer == weighed else f"expected the jobs 1 to {lab.steps}, each times the mean, 1.5"


SCENARIO = Scenario(
    number=5,
    title="Huge array",
    leaks="the whole buffer, until the function returns",
    summary="a large buffer is kept alive by a name that is not used any more",
    settings=Settings(steps=50, size=256 * 2**20),
    workload=workload,
    check_answer=check_answer,
    # Half of the buffer: far above what identical runs differ by, far below what a kept buffer costs.
    memory_budget=lambda settings: (settings.size or 0) // 2,
    expected={
        "leaky": Expected("leaks", (("held", "rss"),)),
        "almost": Expected("leaks", (("leaked", "rss"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("rss",),
)
