"""Unclosed body: a streamed response that is neither read to its end nor closed."""

from leaklab.scenario import LEAKS_NOTHING, Expected, Lab, Scenario, Settings, Steps, difference


def workload(lab: Lab) -> dict[str, object]:
    """One profile per step."""
    return {"urls": Steps(lab.steps, lab.http.url("/profiles/{n}"))}


def check_answer(lab: Lab, answer: object) -> str | None:
    """Each profile's size in bytes, in order."""
    sizes = [len(lab.http.profile(number)) for number in range(1, lab.steps + 1)]
    return difference(answer, sizes, f"the sizes of {lab.steps} profiles in order")


SCENARIO = Scenario(
    number=1,
    minutes=8,
    difficulty="easy",
    title="Unclosed body",
    leaks="a socket and a connection per request",
    summary="a streamed response is neither read to its end nor closed",
    settings=Settings(steps=50),
    services=("http",),
    workload=workload,
    check_answer=check_answer,
    requests=lambda settings: {"profiles": settings.steps or 0},
    expected={
        "leaky": Expected("leaks", (("leaked", "open_sockets"), ("wasted", "connections_opened"))),
        "almost": Expected("leaks", (("wasted", "connections_opened"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("open_sockets", "connections_opened"),
    hints=(
        "Count what stays open: one more socket per step, and none of them closes when run() returns. What still "
        "refers to the responses then, and has the code said that it is finished with them?",
        "With stream=True, only the head has been read when get() returns; the body is still on its way on that "
        "connection. The connection returns to the pool once the body has been read; closing the response before "
        "that drops it. Look at both rows: open sockets, and connections opened.",
        "Closing the response is only half the fix: a connection with an unread body cannot be reused, so the next "
        "request opens another. Read the body inside a `with` over the response, take the size from what you read, "
        "and keep in `recent` only what you need from the response, not the response itself.",
    ),
    release=(
        "Reading `content` takes the body off the connection, which goes back to the pool for the next request; "
        "`with` closes the response even if reading fails, and `recent` keeps a URL instead of a response."
    ),
)
