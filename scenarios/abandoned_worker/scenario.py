"""Abandoned worker: the caller gives up, and the task that it started waits for it forever."""

from leaklab.scenario import (
    DURATION,
    LEAKS_NOTHING,
    Expected,
    InGo,
    Lab,
    Scenario,
    Setting,
    Settings,
    Steps,
    difference,
)


def workload(lab: Lab) -> dict[str, object]:
    """One question per step, each answered too late."""
    urls = Steps(lab.steps, lab.http.url(f"/delay/{lab.settings.delay}?question={{n}}"))
    return {"urls": urls, "patience": lab.settings.patience}


def check_answer(lab: Lab, answer: object) -> str | None:
    """All URLs, in order: each answer was late."""
    path = f"/delay/{lab.settings.delay}?question="
    urls = [lab.http.url(f"{path}{number}") for number in range(1, lab.steps + 1)]
    return difference(answer, urls, f"the {lab.steps} URLs in order")


SCENARIO = Scenario(
    number=8,
    difficulty="medium",
    title="Abandoned worker",
    leaks="a task per question that the caller gave up",
    summary="a caller gives up, and its worker waits for it to take the answer",
    # 40 ms are enough to send the question, also on a busy machine, and the answer is always later than that.
    settings=Settings(
        Setting("delay", DURATION, 0.2, "How long the service takes to answer.", least=0.05, most=10),
        Setting("patience", DURATION, 0.04, "How long the caller waits for an answer.", least=0.005, most=10),
        steps=30,
    ),
    services=("http",),
    workload=workload,
    check_answer=check_answer,
    # On a busy machine, the patience may be over before a request is sent.
    requests=lambda settings: {"delay": range((settings.steps or 0) * 4 // 5, (settings.steps or 0) + 1)},
    # A step takes as long as the patience. More steps than a pool has connections (100) make a third run unnecessary.
    second_steps=lambda _: 104,
    expected={
        "leaky": Expected("leaks", (("leaked", "tasks"),)),
        "almost": Expected("leaks", (("leaked", "tasks"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("tasks",),
    hints=(
        "The caller gives up in time, the service answers every question, and no socket stays open. But one more task "
        "per question is still pending at the end. What is it waiting for?",
        "A Queue(maxsize=1) holds one item: the second put() waits until the first item has been taken. The caller, "
        "the only one who would take it, has gone by then. A timeout for the request does not help: the request is "
        "over.",
        "ask() started the worker, so ask() must end it: cancel the task on every way out of ask(), in a `finally`. "
        "(Room in the queue for all that the worker puts there would also let it end, but only after the whole "
        "request.)",
    ),
    release=(
        "`finally` cancels the worker on every way out of `ask`: that ends its wait, for the service or for the "
        "queue, and does nothing to a worker that is done."
    ),
    go=InGo(
        why=(
            "A send on a channel without a buffer needs a receiver. If the caller may give up, give the channel room for one."
        ),
        expected={"leaky": Expected("leaks", (("leaked", "goroutines"),)), "fixed": LEAKS_NOTHING},
        telling=("goroutines",),
        leaks="a goroutine per question that the caller gave up",
        hints=(
            "The caller gives up in time, the service answers every question, and no socket stays open. But one more "
            "goroutine per question is still there at the end. What is it waiting for?",
            "A send on a channel without a buffer waits until the value is received. The caller, the only one who "
            "would receive it, has gone by then. Nothing can stop a goroutine from outside, and none is ever "
            "collected.",
            "Give the channel room for the one answer: then the send always succeeds, and the goroutine ends. (A "
            "context for the request would end it even earlier.)",
        ),
        release=(
            "The channel has room for the answer, so the send succeeds although nobody receives, and the goroutine "
            "ends; the channel is collected with the answer in it."
        ),
    ),
)
