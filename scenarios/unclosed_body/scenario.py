"""Unclosed body: a streamed response that is neither read to its end nor closed."""

from leaklab.scenario import LEAKS_NOTHING, Expected, InGo, Lab, Scenario, Settings, Steps, difference


def workload(lab: Lab) -> dict[str, object]:
    """One export per step."""
    return {"urls": Steps(lab.steps, lab.http.url("/exports/{n}"))}


def check_answer(lab: Lab, answer: object) -> str | None:
    """Each export's size in bytes, in order."""
    sizes = [lab.http.export_size(number) for number in range(1, lab.steps + 1)]
    return difference(answer, sizes, f"the sizes of {lab.steps} exports in order")


SCENARIO = Scenario(
    number=1,
    minutes=9,
    difficulty="easy",
    title="Unclosed body",
    leaks="a socket and a connection per request",
    summary="a streamed response is neither read to its end nor closed",
    settings=Settings(steps=50),
    services=("http",),
    workload=workload,
    check_answer=check_answer,
    requests=lambda settings: {"exports": settings.steps or 0},
    expected={
        "leaky": Expected("leaks", (("leaked", "open_sockets"), ("wasted", "connections_opened"))),
        "almost": Expected("leaks", (("wasted", "connections_opened"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("open_sockets", "connections_opened"),
    hints=(
        "Count what stays open: one more socket per step, and none of them closes when run() returns. What still "
        "refers to the responses then, and where does the code release them?",
        "With stream=True, only the head has been read when get() returns; the body is still on its way on that "
        "connection. The connection returns to the pool once the body has been read; closing the response before "
        "that drops it. Without stream=True, get() reads the whole body into memory, and `recent` keeps it there. "
        "Look at all three: open sockets, connections opened, and memory.",
        "Closing the response is only half the fix: a connection with an unread body cannot be reused, so the next "
        "request opens another. Read the body inside a `with` over the response, piece by piece (iter_content), and "
        "add up the sizes of the pieces. Keep in `recent` only what you need from the last few responses, not the "
        "responses themselves.",
    ),
    release=(
        "`iter_content` reads the body to its end, which gives the connection back to the pool for the next request, "
        "and keeps one piece of it at a time; `with` closes the response even if reading fails, and `recent` keeps "
        "the last ten URLs instead of every response."
    ),
    go=InGo(
        why=(
            "An unclosed body keeps its socket and two goroutines. Closed unread, it usually costs the connection; read to the end, it gives it back."
        ),
        expected={
            "leaky": Expected(
                "leaks",
                (("leaked", "open_sockets"), ("wasted", "connections_opened"), ("leaked", "goroutines")),
            ),
            "almost": Expected("leaks", (("wasted", "connections_opened"),)),
            "fixed": LEAKS_NOTHING,
        },
        hints=(
            "Count what stays open: one more socket per step, and two more goroutines. None of them ends when Run "
            "returns. Who was told that the response is no longer needed?",
            "http.Get returns as soon as the head of the response has arrived; the body is still on its way on that "
            "connection. Two goroutines of the transport hold the connection until the body has been read to its end, "
            "or closed. A garbage collection does not help: it never frees a goroutine.",
            "Closing the body is only half the fix: with much of it unread, the connection is dropped, and the next "
            "request opens another. Read it to its end first (io.Copy to io.Discard), and close it in any case: put "
            "both into a function of their own, with a `defer`.",
        ),
        release=(
            "`io.Copy` reads the body to its end, which gives the connection back to the transport for the next "
            "request; the deferred `Close` closes it also if reading fails, at the end of `fetch`, not of `Run`."
        ),
    ),
)
