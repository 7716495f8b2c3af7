"""Unbounded wait: three services are asked at once, one of them is dead, and nobody set a deadline."""

import json

from leaklab.scenario import CHOICE, DURATION, LEAKS_NOTHING, Expected, Lab, Scenario, Setting, Settings

ALIVE = {"profile": 7, "friend": 8}
DRIP_S = 0.1


def dead_path(settings: Settings) -> str:
    """The path of the dead service: its whole answer takes `hang` seconds."""
    drips = max(1, round(settings.hang / DRIP_S))
    interval = settings.hang / drips
    return {
        "silent": f"/silent/{settings.hang}",
        "drip": f"/drip/{drips}/{interval}",
        "drip-head": f"/drip-head/{drips}/{interval}",
    }[settings.dead]


def workload(lab: Lab) -> dict[str, object]:
    """Two services that answer at once and a dead one."""
    urls = {name: lab.http.url(f"/profiles/{number}") for name, number in ALIVE.items()}
    return {
        "services": {**urls, "stock": lab.http.url(dead_path(lab.settings))},
        "deadline": lab.settings.deadline,
    }


def check_answer(lab: Lab, answer: object) -> str | None:
    """The answers of both living services; the dead one's is there as a whole, or it is named as late."""
    if not isinstance(answer, dict) or set(answer) != {"answers", "late"}:
        return f'expected {{"answers": …, "late": …}}, got {json.dumps(answer)[:80]}'
    answers, late = answer["answers"], answer["late"]
    for name, number in ALIVE.items():
        if answers.get(name) != lab.http.profile(number).decode():
            return f"the answer of {name}, which is alive, is missing or not what it sent"
    if late not in ([], ["stock"]) or ("stock" in answers) == bool(late):
        return f"stock must either have answered or be named as late: late is {json.dumps(late)[:80]}"
    whole = lab.http.late_body(dead_path(lab.settings)).decode()
    if "stock" in answers and answers["stock"] != whole:
        return f"what is given as the answer of stock is not what it sends: {json.dumps(answers['stock'])[:80]}"
    return None


SCENARIO = Scenario(
    number=4,
    title="Unbounded wait",
    leaks="the caller's time, and a thread and a socket for as long",
    summary="three services are asked, one is dead, and nobody set a deadline",
    settings=Settings(
        Setting("hang", DURATION, 3.0, "How long the dead service takes to answer.", least=0.1, most=3600),
        Setting("deadline", DURATION, 0.5, "When the caller needs its answer.", least=0.001),
        # No answer at all, a body that comes byte by byte, a head that comes byte by byte.
        Setting("dead", CHOICE, "silent", "How the dead service is dead.", choices=("silent", "drip", "drip-head")),
    ),
    services=("http",),
    workload=workload,
    check_answer=check_answer,
    deadline=lambda settings: settings.deadline,
    hang=lambda settings: settings.hang,
    requests=lambda settings: {"profiles": len(ALIVE), settings.dead: 1},
    expected={
        "leaky": Expected("leaks", (("stalled", "elapsed"),)),
        "almost": Expected("leaks", (("stalled", "threads"), ("stalled", "open_sockets"))),
        "fixed": LEAKS_NOTHING,
    },
    telling=("elapsed", "threads"),
    # Naming the dead service is all that the caller needs: whether by return or by raise is a matter of style.
    check_error=lambda _, words: words.startswith("TimeoutError: ") and "stock" in words,
    task="Instead of returning, run may also raise a TimeoutError whose message names the late service.",
    hints=(
        "Two of three services answer at once, and yet the caller waits for the third, as long as that is dead. "
        "Which line waits, and what tells it to stop?",
        "join() and get() wait for ever unless they are told how long. A timeout on join() frees the caller only: look "
        "at threads and open sockets after return. Who ends the request that nobody waits for any more?",
        "Let the request itself give up: requests takes timeout=, and a service that cannot be heard within it raises, "
        "in the thread, where you catch it. But that timeout starts anew with every byte (try --set dead=drip): against a "
        "service that drips, the caller must be able to break the request off, for example by shutting its socket.",
    ),
)
