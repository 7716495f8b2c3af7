"""Huge array: a name keeps a large buffer alive after its last use, while the function goes on."""

from leaklab.scenario import LEAKS_NOTHING, SIZE, Expected, Lab, Scenario, Setting, Settings, Steps, difference

MIB = 2**20


def workload(lab: Lab) -> dict[str, object]:
    """One buffer, then one small job per step."""
    return {"size": lab.settings.size, "jobs": Steps(lab.steps)}


def check_answer(lab: Lab, answer: object) -> str | None:
    """Each job times the mean of the buffer."""
    weighed = [job * 1.5 for job in range(1, lab.steps + 1)]
    return difference(answer, weighed, f"the jobs 1 to {lab.steps}, each multiplied by the mean")


SCENARIO = Scenario(
    number=5,
    minutes=5,
    difficulty="easy",
    title="Huge array",
    leaks="the whole buffer, until the function returns",
    summary="a name that is no longer used keeps a large buffer alive",
    settings=Settings(Setting("size", SIZE, 256 * MIB, "Size of the buffer.", least=MIB), steps=50),
    # Each half goes through its buffer in Python: a quarter of it is a quarter of the wait.
    learners={"size": 64 * MIB},
    workload=workload,
    check_answer=check_answer,
    buffer=lambda settings: settings.size,
    # Half of the buffer: far above what identical runs differ by, far below what a kept buffer costs.
    memory_budget=lambda settings: settings.size // 2,
    expected={
        "leaky": Expected("leaks", (("held", "rss"),)),
        "almost": Expected("leaks", (("leaked", "rss"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("rss",),
    # numpy reads the buffer in pieces, in a seventeenth of the CPU time (30 ms of 517 ms, 256 MiB); a half that does
    # not read it at all takes a hundredth.
    effort=0.03,
    data=(1.0, 2.0),
    hints=(
        "Memory at the peak is the same in both halves; memory at the last step is not. Which line is the last to "
        "need the buffer, and which name still refers to it after that?",
        "CPython frees an object when its last reference goes, and a local name is a reference until the function "
        "returns, used or not. A memoryview, or another object made from the buffer, may hold one as well.",
        "Drop the name once the mean is known: delete it, or compute the mean in a function of its own, whose names "
        "end when it returns. Or never hold the whole buffer: add up the sum in pieces.",
    ),
    release=(
        "`del readings` drops the only name of the array before the jobs begin, so its memory is freed there and "
        "then, not when `run` returns."
    ),
)
