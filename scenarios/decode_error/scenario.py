"""Decode error: a value cannot be converted, and the function leaves its cursor in the middle."""

import random

from leaklab.scenario import LEAKS_NOTHING, Documents, Expected, InGo, Lab, Scenario, Settings, Steps, difference

ORDERS = 400
GOOD = random.randrange(110, 200)  # random: a half must read the orders to know how many come before the broken one
BROKEN = GOOD + 1


def workload(lab: Lab) -> dict[str, object]:
    """One report per step, on one database."""
    return {"mongo_uri": lab.mongo.uri, "database": lab.mongo.database, "reports": Steps(lab.steps)}


def check_answer(lab: Lab, answer: object) -> str | None:
    """How many orders come before the broken one, once per report."""
    return difference(answer, [GOOD] * lab.steps, f"the number of orders before the broken one, {lab.steps} times")


SCENARIO = Scenario(
    number=7,
    difficulty="medium",
    title="Decode error",
    leaks="a cursor on the database server per failed report",
    summary="a value cannot be converted, and the error leaves the cursor open",
    settings=Settings(steps=50),
    services=("mongo",),
    documents=(
        Documents("orders", GOOD, {"_id": None, "amount": None}),
        Documents("orders", 1, {"_id": None, "amount": "see order {n}a"}, BROKEN),
        Documents("orders", ORDERS - BROKEN, {"_id": None, "amount": None}, BROKEN + 1),
    ),
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
        "The client is closed at the end, but one more cursor stays open on the server per report. How does read() end "
        "when it comes to the broken order, and what happens to its cursor then?",
        "An exception refers to its traceback, and the traceback to the frame of every function that the exception "
        "left: read() is over, but its local names live on in `failures`. And without that list? Then pymongo would "
        "close the cursors from a background thread, up to a second later.",
        "Close the cursor on the way out of read(), also when an error comes: a cursor is a context manager. And keep "
        "in `failures` what the page shows: the text of the error, not the exception.",
    ),
    release=(
        "`with` closes the cursor on every way out of `read`, also when `int` raises; `failures` keeps the last ten "
        "texts instead of every exception with its traceback."
    ),
    go=InGo(
        why=(
            "An early return after Decode skips everything below it: `defer cursor.Close(ctx)` belongs right below Find."
        ),
        expected={"leaky": Expected("leaks", (("leaked", "open_cursors"),)), "fixed": LEAKS_NOTHING},
        summary="a value cannot be decoded, and the early return leaves the cursor open",
        hints=(
            "The client is disconnected at the end, but one more cursor stays open on the server per report. How does "
            "`read` end when it comes to the broken order, and what happens to its cursor then?",
            "Decode returns an error, and so does `read`: in the middle of the cursor. From then on only the server "
            "knows that it is open. Read to the end, it would have closed by itself.",
            "Close the cursor on every way out of `read`: cursor.Close, by `defer`, in its first line. "
            "(Or read with `All`, which closes it even if decoding fails.)",
        ),
        release="The deferred `Close` tells the server on every way out of `read`, also after an error of `Decode`.",
    ),
)
