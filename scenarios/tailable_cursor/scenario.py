"""Tailable cursor: it follows a log, so reading to the end does not end it."""

import random

from leaklab.scenario import LEAKS_NOTHING, Documents, Expected, InGo, Lab, Scenario, Settings, Steps, difference

EVENTS = 40
FIRST = random.randrange(10_000, 100_000)  # random: a half must read the log to know the newest event's number
NEWEST = FIRST + EVENTS - 1


def workload(lab: Lab) -> dict[str, object]:
    """One look at the log per step, on one database."""
    return {"mongo_uri": lab.mongo.uri, "database": lab.mongo.database, "looks": Steps(lab.steps)}


def check_answer(lab: Lab, answer: object) -> str | None:
    """The number of the newest event, once per look."""
    return difference(answer, [NEWEST] * lab.steps, f"the number of the newest event, {lab.steps} times")


SCENARIO = Scenario(
    number=6,
    difficulty="medium",
    title="Tailable cursor",
    leaks="a cursor on the database server per look at a log",
    summary="a cursor that follows a log is read to the end, which does not end it",
    settings=Settings(steps=50),
    services=("mongo",),
    documents=(Documents("log", EVENTS, {"_id": None, "event": "event {n}"}, FIRST, capped=2**20),),
    workload=workload,
    check_answer=check_answer,
    requests=lambda settings: {"read": settings.steps or 0},
    expected={
        "leaky": Expected("leaks", (("leaked", "open_cursors"),)),
        "almost": Expected("leaks", (("leaked", "open_cursors"),)),
        "fixed": LEAKS_NOTHING,
    },
    telling=("open_cursors",),
    hints=(
        "Every look reads all events there are, and yet the server has one more open cursor per look. Which option of "
        "find() makes these cursors different from others?",
        "A tailable cursor follows a capped collection, as `tail -f` follows a file: after the last event it waits for "
        "the next one. It is still alive then (print cursor.alive), and `open_looks` keeps every one of them.",
        "Close each cursor once you have read what there is: a cursor is a context manager. To go on later, keep the "
        "number of the last event in `open_looks`, not the cursor.",
    ),
    release=(
        "`with` closes each cursor once the events have been read, which tells the server; `open_looks` keeps the "
        "last ten numbers instead of every cursor."
    ),
    go=InGo(
        why=(
            "A tailable cursor never ends by itself: close it, or it stays open on the server. Go's driver never closes one that you drop."
        ),
        expected={"leaky": Expected("leaks", (("leaked", "open_cursors"),)), "fixed": LEAKS_NOTHING},
        hints=(
            "Every look reads all events there are, and yet the server has one more open cursor per look. Which option "
            "of Find makes these cursors different from others?",
            "A tailable cursor follows a capped collection, as `tail -f` follows a file: after the last event it waits "
            "for the next one. TryNext returns false then, and leaves the cursor open. The driver has no finalizer "
            "that would close it later.",
            "Close each cursor once you have read what there is: cursor.Close, by `defer`, right after the error of "
            "Find was checked. To go on later, keep the number of the last event.",
        ),
        release="The deferred `Close` tells the server, on every way out of `newestIn`.",
    ),
)
