"""The worker's protocol, driven by the test itself: lines of JSON over a socket pair, a real child process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import leaklab.measure.worker as worker_module
from leaklab.measure.worker import RUNNER_GONE, fill, plain

PATIENCE_S = 60.0

Message = dict[str, Any]


@dataclass
class Worker:
    """A worker process, and the runner's end of its channel."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    lifetime: int
    buffer: bytes = field(default=b"")

    def say(self, **message: Any) -> None:
        self.channel.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> Message:
        while b"\n" not in self.buffer:
            data = self.channel.recv(65536)
            assert data, f"the worker closed its channel: {self.process.wait(PATIENCE_S)}"
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        message: Message = json.loads(line)
        return message

    def until_ready(self, workload: Message) -> None:
        assert self.hear() == {"say": "loaded"}
        self.say(workload=workload)
        assert self.hear() == {"say": "ready"}
        self.say(do="run", limits={}, lifetime=self.lifetime)

    def to_the_end(self) -> int:
        """Answer what follows the return, and return the exit code."""
        self.say(do="collect")
        assert self.hear() == {"say": "collected"}
        self.say(do="leave")
        return self.process.wait(PATIENCE_S)


Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker on a half with the given text."""
    started: list[Worker] = []

    def start_worker(text: str, lifetime: int = 120, **limits: int) -> Worker:
        path = tmp_path / "half.py"
        path.write_text(textwrap.dedent(text))
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE_S)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", str(worker_module.__file__), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        worker = Worker(process, ours, lifetime)
        started.append(worker)
        worker.say(half=str(path), limits=limits, lifetime=60)
        return worker

    yield start_worker
    for worker in started:
        worker.process.kill()
        worker.process.wait()
        worker.channel.close()


STEPS = {"jobs": {"$steps": {"count": 3, "item": "job {n}"}}, "factor": 2}


def test_a_half_is_loaded_made_ready_run_step_by_step_and_collected(start: Start) -> None:
    worker = start(
        """
        def run(jobs, factor):
            return [len(jobs), *[job * factor for job in jobs]]
        """
    )
    worker.until_ready(STEPS)
    for done in range(3):
        message = worker.hear()
        assert (message["say"], message["done"], message["pause"]) == ("step", done, True)
        worker.say(next=done + 1)
    message = worker.hear()
    assert (message["say"], message["done"], message["pause"]) == ("end", 3, True)
    worker.say(next=2**62)
    message = worker.hear()
    assert message["say"] == "returned"
    assert json.loads(message["answer"]) == [3, "job 1job 1", "job 2job 2", "job 3job 3"]
    assert message["problem"] is None
    assert worker.to_the_end() == 0


def told_by(start: Start, expression: str) -> tuple[list[tuple[str, int]], object]:
    """What a half that takes its jobs like this says, and what it returns."""
    worker = start(f"import copy, pickle, threading\n\n\ndef run(jobs, factor):\n    return {expression}\n")
    worker.until_ready(STEPS)
    said: list[tuple[str, int]] = []
    while (message := worker.hear())["say"] != "returned":
        said.append((message["say"], message["done"]))
        worker.say(next=message["done"] + 1)
    assert message["problem"] is None
    return said, json.loads(message["answer"])


ONE_PASS = [("step", 0), ("step", 1), ("step", 2), ("end", 3)]
JOBS = ["job 1", "job 2", "job 3"]


def test_an_item_is_a_step_once_in_each_pass_over_them(start: Start) -> None:
    """A pass is over when one more is asked for than there are."""
    said, answer = told_by(start, "[jobs[1], jobs[1], *jobs], [*jobs], jobs[0]")
    assert said == [*ONE_PASS, *ONE_PASS, ("step", 0)]
    assert answer == [["job 2", "job 2", *JOBS], JOBS, "job 1"]


def test_passes_without_end_are_not_told_without_end(start: Start) -> None:
    said, _ = told_by(start, "[[*jobs] for _ in range(50)] and None")
    assert said == 4 * ONE_PASS


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("jobs.copy()", JOBS),
        ("copy.copy(jobs)", JOBS),
        ("pickle.loads(pickle.dumps(jobs))", JOBS),
        ("[*reversed(jobs)]", JOBS[::-1]),
        ("[jobs.index('job 2'), jobs.count('job 3'), 'job 9' in jobs]", [1, 1, False]),
        ("[*zip(jobs, iter(jobs))]", [[job, job] for job in JOBS]),
        ("[len(jobs), jobs[-1], jobs[1:]]", [3, "job 3", ["job 2", "job 3"]]),
    ],
)
def test_items_do_what_a_list_does(start: Start, expression: str, answer: object) -> None:
    assert told_by(start, expression)[1] == answer


def test_items_match_as_a_list_does(start: Start) -> None:
    worker = start(
        """
        def run(jobs, factor):
            match jobs:
                case [first, *others]:
                    return [first, others]
        """
    )
    worker.until_ready(STEPS)
    while (message := worker.hear())["say"] != "returned":
        worker.say(next=2**62)
    assert json.loads(message["answer"]) == ["job 1", ["job 2", "job 3"]]


def test_threads_may_share_an_iterator_over_the_items(start: Start) -> None:
    worker = start(
        """
        import threading


        def run(jobs, factor):
            taken, shared = [], iter(jobs)
            threads = [threading.Thread(target=lambda: taken.extend(shared)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return sorted(taken)
        """
    )
    worker.until_ready({"jobs": {"$steps": {"count": 200, "item": None}}, "factor": 1})
    while (message := worker.hear())["say"] != "returned":
        worker.say(next=message["done"] + 1)
    assert json.loads(message["answer"]) == [*range(1, 201)]


def test_steps_before_the_one_that_is_asked_for_are_said_without_a_pause(start: Start) -> None:
    worker = start("def run(jobs, factor):\n    return [*jobs]\n")
    worker.until_ready(STEPS)
    assert worker.hear()["pause"] is True
    worker.say(next=2)
    said = [worker.hear(), worker.hear()]
    assert [(message["done"], message["pause"]) for message in said] == [(1, False), (2, True)]


def test_the_pause_in_which_a_sample_is_taken_is_left_out_of_the_time(start: Start) -> None:
    """The worker's clock stands while the test keeps it waiting: so long a wait would show in any reading."""
    worker = start("def run(jobs, factor):\n    return [*jobs]\n")
    worker.until_ready(STEPS)
    for _ in range(4):
        message = worker.hear()
        os.sched_yield()
        pause = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)"])
        pause.wait()
        worker.say(next=message["done"] + 1)
    assert worker.hear()["at"] < 4 * 0.5


def test_the_time_of_a_half_is_never_less_than_what_it_slept(start: Start) -> None:
    worker = start("import time\n\n\ndef run(jobs, factor):\n    time.sleep(0.3)\n    return [*jobs]\n")
    worker.until_ready({"jobs": [], "factor": 1})
    assert worker.hear()["at"] >= 0.3


def test_a_half_that_raises_tells_its_error_with_the_line_and_is_collected(start: Start) -> None:
    worker = start('def run(jobs, factor):\n    raise ValueError("no jobs")\n')
    worker.until_ready(STEPS)
    message = worker.hear()
    assert message["say"] == "raised"
    error = message["error"]
    assert (error["kinds"][0], error["message"]) == ("ValueError", "no jobs")
    assert [(Path(frame["file"]).name, frame["line"]) for frame in error["places"]] == [("half.py", 2)]
    assert worker.to_the_end() == 0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("def run(:", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("raise SystemExit(9)", "SystemExit"),
        ("walk = 1", "AttributeError"),
        ("run = 1", "AttributeError"),
    ],
)
def test_a_half_that_cannot_be_loaded_is_told_with_the_reason(start: Start, text: str, kind: str) -> None:
    worker = start(text)
    message = worker.hear()
    assert message["say"] == "unloadable"
    assert message["error"]["kinds"][0] == kind
    worker.say(do="leave")
    assert worker.process.wait(PATIENCE_S) == 0


def test_no_compiled_file_is_left_beside_a_half(start: Start, tmp_path: Path) -> None:
    worker = start("def run(jobs, factor):\n    return 1\n")
    worker.until_ready(STEPS)
    assert worker.hear()["say"] == "returned"
    assert [path.name for path in tmp_path.iterdir()] == ["half.py"]


# ---- a runner that goes away


def test_a_worker_whose_runner_is_gone_before_it_was_loaded_exits(start: Start) -> None:
    worker = start("def run(jobs, factor):\n    return 1\n")
    worker.channel.close()
    assert worker.process.wait(PATIENCE_S) == RUNNER_GONE


def test_a_worker_whose_runner_is_gone_exits_at_its_next_step(start: Start) -> None:
    worker = start("def run(jobs, factor):\n    return [*jobs]\n")
    worker.until_ready({"jobs": {"$steps": {"count": 10_000_000, "item": None}}, "factor": 1})
    assert worker.hear()["say"] == "step"
    worker.say(next=2**62)
    assert worker.hear()["pause"] is False
    worker.channel.close()
    assert worker.process.wait(PATIENCE_S) == RUNNER_GONE


def test_a_worker_that_waits_for_an_answer_exits_when_the_runner_is_gone(start: Start) -> None:
    worker = start("def run(jobs, factor):\n    return [*jobs]\n")
    worker.until_ready(STEPS)
    assert worker.hear()["say"] == "step"
    worker.channel.close()
    assert worker.process.wait(PATIENCE_S) == RUNNER_GONE


def test_a_worker_that_hangs_in_its_half_does_not_outlive_its_lifetime(start: Start) -> None:
    worker = start("import time\n\n\ndef run(jobs, factor):\n    time.sleep(3600)\n", lifetime=1)
    worker.until_ready(STEPS)
    assert worker.process.wait(PATIENCE_S) == -signal.SIGALRM


# ---- what is filled in, and what is carried over


@pytest.mark.parametrize(
    ("template", "item"),
    [
        (None, 7),
        ("/profiles/{n}", "/profiles/7"),
        ("{n}-{n}", "7-7"),
        ("{other}", "{other}"),
        (["{n}", 1, None], ["7", 1, 7]),
        ({"name": "user {n}", "age": 3}, {"name": "user 7", "age": 3}),
        (3.5, 3.5),
    ],
)
def test_a_template_is_filled_with_the_number_of_the_step(template: object, item: object) -> None:
    assert fill(template, 7) == item


@pytest.mark.parametrize("answer", [None, 1, "text", [1, [2]], {"a": None}])
def test_a_plain_answer_is_carried_over_as_it_is(answer: object) -> None:
    text, problem = plain(answer)
    assert text is not None
    assert (json.loads(text), problem) == (answer, None)


def test_an_answer_that_is_not_plain_is_told_by_its_type() -> None:
    assert plain(object()) == (None, "an object that is not plain data (TypeError)")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([b"x"], "a list that is not plain data (bytes at [0], TypeError)"),
        ({"a": 1, "b": {1}}, "a dict that is not plain data (set at ['b'], TypeError)"),
        ({1, 2}, "a set that is not plain data (TypeError)"),
        ((n for n in range(1)), "run is a generator function: return a list of what it yields"),
    ],
)
def test_what_is_not_plain_in_an_answer_is_named_with_its_place(answer: object, words: str) -> None:
    assert plain(answer) == (None, words)


def test_a_coroutine_is_told_as_one_and_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    async def run() -> None: ...

    text, problem = plain(run())
    assert text is None
    assert problem == "run is a coroutine function: make it a plain one that calls asyncio.run()"
    assert list(recwarn) == []


def test_an_answer_that_contains_itself_is_not_carried_over() -> None:
    loop: list[object] = []
    loop.append(loop)
    text, problem = plain(loop)
    assert text is None
    assert problem is not None


def test_an_answer_that_is_too_long_is_not_carried_over() -> None:
    text, problem = plain("x" * worker_module.ANSWER_LIMIT)
    assert text is None
    assert problem is not None
    assert f"over {worker_module.ANSWER_LIMIT:,}" in problem
