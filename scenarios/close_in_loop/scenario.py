"""Close in loop: no response is closed until the function returns."""

from leaklab.scenario import LEAKS_NOTHING, Expected, InGo, Lab, Scenario, Settings, Steps, difference


def workload(lab: Lab) -> dict[str, object]:
    """One profile per step."""
    return {"urls": Steps(lab.steps, lab.http.url("/profiles/{n}"))}


def check_answer(lab: Lab, answer: object) -> str | None:
    """The first 16 characters of each profile, in order."""
    heads = [lab.http.profile(number)[:16].decode() for number in range(1, lab.steps + 1)]
    return difference(answer, heads, f"the first 16 characters of {lab.steps} profiles in order")


def dossiers(lab: Lab) -> dict[str, object]:
    """One dossier per step: Go reads a short body to its end when it is closed (net/http, since Go 1.27)."""
    return {"urls": Steps(lab.steps, lab.http.url("/dossiers/{n}"))}


def check_heads(lab: Lab, answer: object) -> str | None:
    """The first 16 characters of each dossier, in order."""
    heads = [lab.http.dossier(number)[:16].decode() for number in range(1, lab.steps + 1)]
    return difference(answer, heads, f"the first 16 characters of {lab.steps} dossiers in order")


SCENARIO = Scenario(
    number=2,
    minutes=6,
    difficulty="easy",
    title="Close in loop",
    leaks="a socket per request, until the function returns",
    summary="each response is closed at the end of the function, not of the iteration",
    settings=Settings(steps=50),
    services=("http",),
    workload=workload,
    check_answer=check_answer,
    requests=lambda settings: {"profiles": settings.steps or 0},
    expected={
        "leaky": Expected("leaks", (("held", "open_sockets"), ("wasted", "connections_opened"))),
        "almost": Expected("leaks", (("wasted", "connections_opened"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("open_sockets", "connections_opened"),
    hints=(
        "After return everything is closed, so nothing leaks for good. But look at the peak: how many sockets are "
        "open at the last step, and how many does one step need?",
        "There is a with statement, but where does its block end? The stack closes everything that enter_context() "
        "gave it, but only at the end of that block, and that is the end of the function.",
        "Give every response a `with` of its own, inside the loop. Then look at connections opened: closing a response "
        "after 16 bytes of its body costs the connection; reading it to the end gives the connection back to the pool.",
    ),
    release=(
        "The inner `with` closes each response in its own iteration, after `content` has read its body: `stack` "
        "holds only the session, whose one connection serves all requests."
    ),
    go=InGo(
        workload=dossiers,
        check_answer=check_heads,
        requests=lambda settings: {"dossiers": settings.steps or 0},
        expected={
            "leaky": Expected(
                "leaks", (("held", "open_sockets"), ("wasted", "connections_opened"), ("held", "goroutines"))
            ),
            "almost": Expected("leaks", (("wasted", "connections_opened"),)),
            "fixed": LEAKS_NOTHING,
        },
        hints=(
            "After return everything is closed, so nothing leaks for good. But look at the peak: how many sockets are "
            "open at the last step, and how many does one step need?",
            "There is a `defer`, but when does it run? When the function returns, not at the end of the iteration: "
            "the deferred calls pile up.",
            "Put one iteration into a function of its own, so that its `defer` runs at the end of each. Then look at "
            "connections opened: closing a body after 16 bytes costs the connection; reading it to its end gives it "
            "back to the transport.",
        ),
        release=(
            "`first` returns once per iteration, and so its `defer` closes each body in time; `io.ReadAll` has read "
            "the body to its end by then, so that the next request has the connection."
        ),
    ),
)
