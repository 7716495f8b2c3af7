"""Unbounded wait: three services are asked at the same time, one is dead, and the wait has no limit."""

import json

from leaklab.scenario import CHOICE, DURATION, LEAKS_NOTHING, Expected, InGo, Lab, Scenario, Setting, Settings

ALIVE = {"profile": 7, "friend": 8}
DRIP_S = 0.1


def dead_path(settings: Settings) -> str:
    """The path of the dead service, which takes `hang` seconds to send its whole answer."""
    drips = max(1, round(settings.hang / DRIP_S))
    interval = settings.hang / drips
    return {
        "silent": f"/silent/{settings.hang}",
        "drip": f"/drip/{drips}/{interval}",
        "drip-head": f"/drip-head/{drips}/{interval}",
    }[settings.dead]


def workload(lab: Lab) -> dict[str, object]:
    """Two services that answer immediately, and a dead one."""
    urls = {name: lab.http.url(f"/profiles/{number}") for name, number in ALIVE.items()}
    return {
        "services": {**urls, "stock": lab.http.url(dead_path(lab.settings))},
        "deadline": lab.settings.deadline,
    }


def check_answer(lab: Lab, answer: object) -> str | None:
    """Both living services must have answered; the dead one must be in `late`, or its answer must be whole."""
    if not isinstance(answer, dict) or set(answer) != {"answers", "late"}:
        return f'expected {{"answers": …, "late": …}}, got {json.dumps(answer)[:80]}'
    answers, late = answer["answers"], answer["late"]
    for name, number in ALIVE.items():
        if answers.get(name) != lab.http.profile(number).decode():
            return f"{name} is alive, but its answer is missing or differs from what it sent"
    if late not in ([], ["stock"]) or ("stock" in answers) == bool(late):
        return f"stock must be in answers or in late, and not in both: late is {json.dumps(late)[:80]}"
    whole = lab.http.late_body(dead_path(lab.settings)).decode()
    if "stock" in answers and answers["stock"] != whole:
        return f"the answer of stock differs from what stock sends: {json.dumps(answers['stock'])[:80]}"
    return None


SCENARIO = Scenario(
    number=4,
    minutes=20,
    difficulty="hard",
    title="Unbounded wait",
    leaks="the caller's time, plus a thread and a socket for as long as it waits",
    summary="three services are asked, one is dead, and the wait has no limit",
    settings=Settings(
        Setting("hang", DURATION, 3.0, "How long the dead service takes to answer.", least=0.1, most=3600),
        # A body that comes byte by byte, a head that comes byte by byte, no answer at all.
        Setting(
            "dead",
            CHOICE,
            "drip",
            "How it is dead: its body or its head comes byte by byte, or nothing comes.",
            choices=("drip", "drip-head", "silent"),
        ),
        deadline=0.5,
    ),
    services=("http",),
    workload=workload,
    check_answer=check_answer,
    hang=lambda settings: settings.hang,
    requests=lambda settings: {"profiles": len(ALIVE), settings.dead: 1},
    expected={
        "leaky": Expected("leaks", (("stalled", "elapsed"),)),
        "almost": Expected("leaks", (("stalled", "threads"), ("stalled", "open_sockets"))),
        "almost2": Expected("leaks", (("stalled", "elapsed"),), unless={"dead": "silent"}),
        "fixed": LEAKS_NOTHING,
    },
    telling=("elapsed", "threads"),
    # The caller only needs the name of the dead service: to return it or to raise it is a matter of style.
    check_error=lambda _, words: words.startswith("TimeoutError: ") and "stock" in words,
    task="Instead of returning, run() may raise a TimeoutError that names the late service in its message.",
    hints=(
        "Two of the three services answer immediately, yet the caller waits for the third until it recovers. "
        "Which line waits, and what tells it to stop?",
        "join() and get() wait forever unless you give them a limit. A timeout on join() frees only the caller: look "
        "at threads and open sockets after return. What ends the request that the caller has given up on?",
        "The request itself must give up. The timeout= of requests starts again with every byte, and this service sends "
        "one every 100 ms: the timeout never comes (with --set dead=silent it does). Bound the whole exchange: shut "
        "down the socket at the deadline (socket.shutdown ends a read that waits in another thread, and http.client "
        "shows you its socket), or ask with aiohttp (it came with leaklab), where asyncio.timeout cancels the request "
        "wherever it waits. An answer that was cut short does not count.",
    ),
    release=(
        "At the deadline `asyncio.timeout` cancels the request wherever it waits, in the head or in the body, and "
        "leaving the `async with` closes its connection, so `gather` has nothing left to wait for."
    ),
    go=InGo(
        expected={
            "leaky": Expected("leaks", (("stalled", "elapsed"),)),
            "almost": Expected("leaks", (("stalled", "goroutines"), ("stalled", "open_sockets"))),
            "fixed": LEAKS_NOTHING,
        },
        telling=("elapsed", "goroutines"),
        leaks="the caller's time, plus a goroutine and a socket for as long as it waits",
        task="Instead of returning the late service, Run may return an error that is a timeout and names it.",
        hints=(
            "Two of the three services answer immediately, yet the caller waits for the third until it recovers. "
            "Which line waits, and what tells it to stop?",
            "A receive has no limit. A `select` with a timeout frees only the caller: look at goroutines and open sockets "
            "after return. What ends the request that the caller has given up on?",
            "The request itself must end. A context with a deadline (context.WithTimeout) that is handed to each "
            "request (http.NewRequestWithContext) ends it wherever it waits, also while its body is read. Then every "
            "goroutine sends its reply in time, and the caller can take as many replies as it made requests.",
        ),
        release=(
            "At the deadline the context ends each request, in the head or in the body, so that every goroutine sends "
            "its reply, and the caller takes as many replies as it made requests: no sender is left behind."
        ),
    ),
)
