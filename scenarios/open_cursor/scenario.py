"""Open cursor: a result that is neither read to its end nor closed stays open on the server."""

import random

from leaklab.scenario import LEAKS_NOTHING, Documents, Expected, InGo, Lab, Scenario, Settings, Steps, difference

ORDERS = 1_000
FIRST = random.randrange(10_000, 100_000)  # random: a half must ask for the newest order's number
NEWEST = FIRST + ORDERS - 1


def workload(lab: Lab) -> dict[str, object]:
    """One report per step, on one database."""
    return {"mongo_uri": lab.mongo.uri, "database": lab.mongo.database, "reports": Steps(lab.steps)}


def check_answer(lab: Lab, answer: object) -> str | None:
    """The number of the newest order, once per report."""
    return difference(answer, [NEWEST] * lab.steps, f"the number of the newest order, {lab.steps} times")


SCENARIO = Scenario(
    number=3,
    minutes=8,
    difficulty="medium",
    title="Open cursor",
    leaks="a cursor on the database server per query",
    summary="a result is neither read to its end nor closed",
    settings=Settings(steps=50),
    services=("mongo",),
    documents=(Documents("orders", ORDERS, {"_id": None, "customer": "customer {n}", "state": "open"}, FIRST),),
    workload=workload,
    check_answer=check_answer,
    requests=lambda settings: {"read": settings.steps or 0},
    expected={
        "leaky": Expected("leaks", (("leaked", "open_cursors"),)),
        # pymongo's thread kills them once a second: on a slow machine some may be gone before the last step.
        "almost": Expected("either"),
        "fixed": LEAKS_NOTHING,
    },
    telling=("open_cursors",),
    hints=(
        "The client is closed at the end, and pymongo leaves no socket open. The leak is on the other side: one more "
        "cursor on the server per report. Which of these cursors has been read to its end?",
        "A find() with more documents to give stays open on the server until it is read to its end, closed, or timed "
        "out. next() takes one document out of the first ten, and `open_reports` keeps every cursor alive.",
        "Close each cursor in the iteration that made it (a cursor is a context manager), or ask only for the one "
        "document you need. And keep in `open_reports` the place where a report stopped: a number, not a cursor.",
    ),
    release=(
        "`with` closes each cursor as soon as its order has been read, which tells the server; `open_reports` "
        "keeps the last ten numbers instead of every cursor."
    ),
    go=InGo(
        why=(
            "A cursor stays open on the server until it is read to its end or closed. Go's driver never closes one that you drop."
        ),
        expected={
            "leaky": Expected("leaks", (("leaked", "open_cursors"),)),
            "almost": Expected("leaks", (("leaked", "open_cursors"),)),
            "fixed": LEAKS_NOTHING,
        },
        hints=(
            "The client is disconnected at the end, and no socket stays open. The leak is on the other side: one more "
            "cursor on the server per report. Which of these cursors has been read to its end?",
            "A Find with more documents to give stays open on the server until it is read to its end, closed, or timed "
            "out. Next takes one document out of the first ten. The driver has no finalizer and no thread that would "
            "close the cursor later, and a cancelled context does not close it either.",
            "Close the cursor on every way out of `first`: cursor.Close, by `defer`, right after the error of Find was "
            "checked.",
        ),
        release=(
            "The deferred `Close` tells the server on every way out of `first`: after the order, and after an error."
        ),
    ),
)
