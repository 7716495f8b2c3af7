"""The time limit ends whatever a half does, and what it writes on the lab's channel ends only itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from leaklab.lab.pair import run_halves
from leaklab.lab.result import HalfResult
from leaklab.lab.run_options import RunOptions
from leaklab.measure.run_trace import Outcome
from leaklab.system.limits import Limits
from tests.integration.conftest import Command
from tests.integration.test_odd_halves import GOOD, Odd, measured

WRITE = """
import os, stat, time

def channels():
    for descriptor in range(3, 500):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                yield descriptor
        except OSError:
            pass

def write(line):
    for descriptor in channels():
        os.write(descriptor, line)
"""

WROTE = "it wrote on the lab's channel"

RAISED = (
    b'{"say": "raised", "at": 1, "cpu": 1, '
    b'"error": {"kinds": ["E"], "message": "m", "places": [{"file": %s, "line": 1}]}}'
)

FORGED = {
    "a step of many digits": b'{"say": "step", "done": ' + b"9" * 4000 + b', "at": 0.1, "pause": false}',
    "a step beyond the work": b'{"say": "step", "done": 20, "at": 0.1, "pause": false}',
    "a negative step": b'{"say": "step", "done": -1, "at": 0.1, "pause": false}',
    "a time of many digits": b'{"say": "step", "done": 1, "at": ' + b"9" * 4000 + b', "pause": false}',
    "a time that is none": b'{"say": "step", "done": 1, "at": NaN, "pause": false}',
    "an end beyond the work": b'{"say": "end", "done": 21, "at": 0.1}',
    "tasks of many digits": b'{"say": "tasks", "count": ' + b"9" * 5000 + b"}",
    "negative tasks": b'{"say": "tasks", "count": -3}',
    "it is loaded again": b'{"say": "loaded"}',
    "it is collected before it returned": b'{"say": "collected"}',
    "evidence of a worker": b'{"say": "evidence", "moment": "left", "groups": [], "cpu": 0, "error": ""}',
    "a place elsewhere": RAISED % b'"/etc/hostname"',
    "a place above": RAISED % b'"FOLDER/../odd.py"',
    "a place below": RAISED % b'"FOLDER/below/odd.py"',
    "a place with a zero byte": RAISED % b'"FOLDER/odd.py\\u0000"',
    "a line of many digits": RAISED.replace(b'"line": 1', b'"line": ' + b"9" * 4000) % b'"FOLDER/odd.py"',
    "a message without end": RAISED.replace(b'"m"', b'"' + b"m" * 501 + b'"') % b'"FOLDER/odd.py"',
}


Measured = Mapping[str, HalfResult]


def all_measured(folder: Path, texts: Mapping[str, str], limits: Limits) -> Measured:
    """The halves with these texts, and a good one after them, which must be as good as ever."""
    paths = {name: folder / f"{name.replace(' ', '_')}.py" for name in (*texts, "good")}
    for name, path in paths.items():
        path.write_text(texts.get(name, GOOD), encoding="utf-8")
    entry = Odd(folder)
    halves = run_halves(entry, paths, entry.scenario.settings, RunOptions(limits=limits)).halves
    assert (halves["good"].outcome, halves["good"].complaint) == (Outcome.COMPLETED, None)
    return halves


@pytest.fixture(scope="module")
def forgers(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("forged")
    texts: dict[str, str] = {}
    for name, line in FORGED.items():
        lines = folder / f"{name}.line"
        lines.write_bytes(line.replace(b"FOLDER", str(folder).encode()) + b"\n")
        texts[name] = WRITE + f"def run(jobs):\n    write(open({str(lines)!r}, 'rb').read())\n    time.sleep(30)\n"
    return all_measured(folder, texts, Limits())


@pytest.mark.parametrize("forged", FORGED)
def test_what_no_worker_would_say_ends_the_half_with_the_message_for_it(forgers: Measured, forged: str) -> None:
    half = forgers[forged]
    assert half.outcome is Outcome.CRASHED
    assert (half.error or "").startswith(WROTE)
    assert half.runs[0].trace.ending.place is None


FLOODS = {
    "steps": b'{"say":"step","done":1,"at":0.1,"pause":false}\n',
    "pauses": b'{"say":"step","done":1,"at":0.1,"pause":true}\n',
    "the end": b'{"say":"end","done":1,"at":0.1,"pause":true}\n',
    "tasks": b'{"say":"tasks","count":1}\n',
    "no line": b"x" * 60,
}


@pytest.fixture(scope="module")
def flooders(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    write = "def run(jobs):\n    (channel,) = channels()\n    while True:\n        os.write(channel, {!r} * 1000)\n"
    texts = {name: WRITE + write.format(line) for name, line in FLOODS.items()}
    return all_measured(tmp_path_factory.mktemp("floods"), texts, Limits(time_s=1.0))


@pytest.mark.parametrize("flood", FLOODS)
def test_a_half_that_floods_the_channel_and_never_reads_ends_at_a_limit(flooders: Measured, flood: str) -> None:
    half = flooders[flood]
    assert half.outcome in (Outcome.TIMED_OUT, Outcome.CRASHED)
    assert (half.error or "").startswith(
        (WROTE, "it does not read the lab's channel", "it was ended at its time limit")
    )


def test_what_is_left_behind_cannot_keep_the_lab_by_steps_or_by_printing(tmp_path: Path) -> None:
    """The limit of the run is over by then."""
    half = measured(
        tmp_path,
        WRITE
        + """
import threading

def talk():
    (channel,) = channels()
    while True:
        os.write(channel, b'{"say":"step","done":1,"at":0.1,"pause":false}\\n' * 1000)
        os.write(1, b"x" * 100_000)

def run(jobs):
    done = [*jobs]
    threading.Thread(target=talk, daemon=True).start()
    return done
""",
        Limits(time_s=5.0),
    )
    assert half.outcome in (Outcome.COMPLETED, Outcome.CRASHED, Outcome.TIMED_OUT)


BUSY = """
import threading
from pymongo import MongoClient

def ask(orders):
    while True:
        try:
            list(orders.find({"s": {"$regex": "^(a+)+$x"}}))
        except Exception:
            pass

def run(mongo_uri, database, reports):
    orders = MongoClient(mongo_uri, maxPoolSize=100)[database]["orders"]
    orders.insert_one({"s": "a" * 40})
    for _ in range(30):
        threading.Thread(target=ask, args=(orders,), daemon=True).start()
    ask(orders)
"""


def test_a_half_that_keeps_the_database_busy_ends_at_its_limit(leaklab: Command, tmp_path: Path) -> None:
    file = tmp_path / "busy.py"
    file.write_text(BUSY)
    finished = leaklab("check", str(file), "--scenario", "open-cursor", "--limit", "time=1s", "--json")
    assert (finished.code, finished.stderr) == (124, "")
    assert finished.document["state"] == "timed-out"
    halves = finished.document["result"]["halves"]
    assert {half: halves[half]["outcome"] for half in halves} == {
        "leaky": "completed",
        "fixed": "completed",
        "yours": "timed-out",
    }
