"""Redirect failure: the exception of a redirect loop carries a response, and that keeps a socket."""

from leaklab.scenario import LEAKS_NOTHING, Expected, InGo, Lab, Scenario, Settings, Steps, difference

REQUESTS = 31
"""Requests of one call: the first one, and one for each of the 30 redirects that requests follows."""


def workload(lab: Lab) -> dict[str, object]:
    """One URL per step, all of which redirect to themselves."""
    return {"urls": Steps(lab.steps, lab.http.url("/redirect-loop?page={n}"))}


def check_answer(lab: Lab, answer: object) -> str | None:
    """Every URL, in order."""
    urls = [lab.http.url(f"/redirect-loop?page={number}") for number in range(1, lab.steps + 1)]
    return difference(answer, urls, f"the {lab.steps} URLs in order")


SCENARIO = Scenario(
    number=9,
    difficulty="easy",
    title="Redirect failure",
    leaks="a socket and a connection per failed request",
    summary="an exception that is kept carries a response, and that a socket",
    settings=Settings(steps=10),
    services=("http",),
    workload=workload,
    check_answer=check_answer,
    requests=lambda settings: {"redirect-loop": REQUESTS * (settings.steps or 0)},
    # A step takes 31 requests. More steps than a pool has connections (100) make a third run unnecessary.
    second_steps=lambda _: 104,
    expected={
        "leaky": Expected("leaks", (("leaked", "open_sockets"), ("wasted", "connections_opened"))),
        "almost": Expected("leaks", (("leaked", "open_sockets"), ("wasted", "connections_opened"))),
        "almost2": Expected("leaks", (("wasted", "connections_opened"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("open_sockets", "connections_opened"),
    hints=(
        "One more socket per failed request stays open, although requests.get() closes the session that it made. What "
        "is still there after the call, and what does it refer to?",
        "TooManyRedirects carries `response`, which refers to the connection pool that it came from. Its body has been "
        "read, and its connection is back in the pool, so response.close() finds nothing to close. And without the "
        "exceptions? Look at connections opened: every requests.get() makes a new Session with a pool of its own.",
        "Keep in `failures` what the page shows: the text of the error, not the exception. And ask for all URLs with "
        "one Session, in a `with`: a failed request gives its connection back, and the next one uses it.",
    ),
    release=(
        "One session asks for all URLs, so each failed request leaves its connection to the next one, and `with` "
        "closes it at the end; `failures` keeps the last ten texts instead of every exception with its responses."
    ),
    # The note's guard is in the fixed half: both leak nothing.
    go=InGo(
        why=("After a failed redirect the response is non-nil beside the error, but its body is closed already."),
        expected={"leaky": LEAKS_NOTHING, "fixed": LEAKS_NOTHING},
        leaks="nothing: the body is closed already",
        summary="a redirect failure returns a response beside the error",
        hints=(),
        release="",
    ),
)
