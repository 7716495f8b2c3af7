"""Late sender: the caller closes a channel on which a late worker still sends. Only Go has this one."""

from leaklab.scenario import DURATION, LEAKS_NOTHING, Expected, Lab, Scenario, Setting, Settings, difference

IN_TIME = {"profile": 7, "friend": 8}


def workload(lab: Lab) -> dict[str, object]:
    """Two services that answer immediately, and one that answers after the caller has given up."""
    urls = {name: lab.http.url(f"/profiles/{number}") for name, number in IN_TIME.items()}
    late = lab.http.url(f"/delay/{lab.settings.delay}")
    return {"services": {**urls, "stock": late}, "deadline": lab.settings.deadline}


def check_answer(_lab: Lab, answer: object) -> str | None:
    """Only the slow service is late."""
    return difference(answer, ["stock"], "the name of the service that was late, stock")


SCENARIO = Scenario(
    number=10,
    difficulty="hard",
    title="Late sender",
    leaks="the process: it panics after the caller has its answer",
    summary="the caller closes a channel on which a late worker still sends",
    settings=Settings(
        Setting("delay", DURATION, 1.2, "How long the slow service takes to answer.", least=0.1, most=3600),
        deadline=0.4,
    ),
    services=("http",),
    workload=workload,
    check_answer=check_answer,
    hang=lambda settings: settings.delay,
    requests=lambda _: {"profiles": len(IN_TIME), "delay": 1},
    expected={
        "leaky": Expected("crashes"),
        "almost": Expected("leaks", (("stalled", "goroutines"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("elapsed", "goroutines"),
    hints=(
        "Run returns in time, and with the right answer. A moment later the process ends. What was still going on "
        "then, and what did it do last?",
        "The message names the line: a send on a closed channel. A receiver that has gone does no harm to a sender, as "
        "long as there is room in the channel. A channel that was closed does: only its last sender may close it.",
        "Leave the close out: a channel is collected with what is in it. And look at goroutines after return: hand the "
        "context to the request (http.NewRequestWithContext), so that it ends with the deadline, and its goroutine.",
    ),
    release=(
        "Nothing closes the channel, and it has room for every reply. At the deadline the context ends the request, so "
        "that no goroutine is left to send."
    ),
)
