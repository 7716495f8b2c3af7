"""The worker's protocol, driven by the test itself: lines of JSON over a socket pair, a real child process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import leaklab.measure.worker as worker_module
from leaklab.measure.worker import ANSWER_LIMIT, RUNNER_GONE, fill, plain
from leaklab.system.processes import Child, start_child

PATIENCE_S = 60.0

Message = dict[str, Any]


@dataclass
class Worker:
    """A worker process, and the runner's end of its channel."""

    child: Child
    lifetime: int

    def __post_init__(self) -> None:
        self.child.channel.settimeout(PATIENCE_S)
        self.lines = self.child.channel.makefile("rb")

    def say(self, **message: Any) -> None:
        self.child.send(message)

    def hear(self) -> Any:
        return json.loads(self.lines.readline())

    def hang_up(self) -> int:
        """Close the channel, as a runner does that ends, and return the worker's exit code."""
        self.lines.close()
        self.child.channel.close()
        return self.exit_code()

    def exit_code(self) -> int:
        return self.child.process.wait(PATIENCE_S)

    def until_ready(self, workload: Message) -> None:
        assert self.hear() == {"say": "loaded"}
        self.say(workload=workload)
        assert self.hear() == {"say": "ready"}
        self.say(do="run", limits={}, lifetime=self.lifetime)

    def to_the_end(self) -> int:
        """Answer what follows the return, and return the exit code."""
        self.tasks_left()
        return self.exit_code()

    def tasks_left(self) -> object:
        """Answer what follows the return, up to the last that the worker says."""
        self.say(do="collect")
        assert self.hear() == {"say": "collected"}
        self.say(do="leave")
        message = self.hear()
        assert message["say"] == "tasks"
        return message["count"]


Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker on a half with the given text."""
    started: list[Worker] = []

    def start_worker(text: str, lifetime: int = 120, modules: Sequence[str] = (), **limits: int) -> Worker:
        path = tmp_path / "half.py"
        path.write_text(textwrap.dedent(text))
        worker = Worker(start_child(Path(worker_module.__file__)), lifetime)
        started.append(worker)
        (tmp_path / "steps").write_bytes(bytes(worker_module.STEP_COUNTER))
        notes, steps = str(tmp_path / "notes"), str(tmp_path / "steps")
        worker.say(limits=limits, notes=notes, steps=steps, modules=modules)
        worker.say(half=str(path), lifetime=60)
        return worker

    yield start_worker
    for worker in started:
        worker.lines.close()
        worker.child.end()


STEPS = {"jobs": {"$steps": {"count": 3, "item": "job {n}"}}, "factor": 2}
ONE_PASS = [("step", 0), ("step", 1), ("step", 2), ("end", 3)]
JOBS = ["job 1", "job 2", "job 3"]
TAKES_ALL = "def run(jobs, factor):\n    return [*jobs]\n"


def test_a_half_is_loaded_made_ready_run_step_by_step_and_collected(start: Start) -> None:
    worker = start("def run(jobs, factor):\n    return [len(jobs), *[job * factor for job in jobs]]\n")
    assert to_the_return(worker, STEPS) == (ONE_PASS, [3, *[job * 2 for job in JOBS]])
    assert worker.to_the_end() == 0


def to_the_return(worker: Worker, workload: Message) -> tuple[list[tuple[str, int]], object]:
    """What a worker says while its half runs, pausing at every step, and what the half returns."""
    worker.until_ready(workload)
    said: list[tuple[str, int]] = []
    while (message := worker.hear())["say"] != "returned":
        if message["say"] == "tasks":
            said.append(("tasks", message["count"]))
        else:
            said.append((message["say"], message["done"]))
            worker.say(next=message["done"] + 1)
    assert message["problem"] is None
    return said, json.loads(message["answer"])


def told_by(start: Start, expression: str) -> tuple[list[tuple[str, int]], object]:
    """What a half that takes its jobs like this says, and what it returns."""
    text = f"import copy, pickle, threading\n\n\ndef run(jobs, factor):\n    return {expression}\n"
    return to_the_return(start(text), STEPS)


def test_an_item_is_a_step_when_it_is_taken_for_the_first_time_and_the_end_comes_once(start: Start) -> None:
    """However often the items are gone over."""
    said, answer = told_by(start, "[jobs[1], jobs[1], *jobs], [*jobs], jobs[0]")
    assert said == ONE_PASS
    assert answer == [["job 2", "job 2", *JOBS], JOBS, "job 1"]


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
    match = "match jobs:\n        case [first, *others]:\n            return [first, others]\n"
    assert to_the_return(start(f"def run(jobs, factor):\n    {match}"), STEPS)[1] == ["job 1", ["job 2", "job 3"]]


def test_threads_may_share_an_iterator_over_the_items(start: Start) -> None:
    worker = start(
        """
        from concurrent.futures import ThreadPoolExecutor


        def run(jobs, factor):
            shared = iter(jobs)
            with ThreadPoolExecutor(8) as pool:
                return sorted(job for taken in pool.map(list, [shared] * 8) for job in taken)
        """
    )
    _, answer = to_the_return(worker, {"jobs": {"$steps": {"count": 200, "item": None}}, "factor": 1})
    assert answer == [*range(1, 201)]


def test_steps_before_the_one_that_is_asked_for_are_counted_without_a_word(start: Start, tmp_path: Path) -> None:
    """All but the last one: from there on the runner watches more closely."""
    worker = start(TAKES_ALL)
    worker.until_ready({"jobs": {"$steps": {"count": 1000, "item": None}}, "factor": 1})
    said = []
    for pause_at in (500, 2**62, 2**62):
        message = worker.hear()
        counted = int.from_bytes((tmp_path / "steps").read_bytes(), sys.byteorder)
        said.append((message["say"], message["done"], message["pause"], counted))
        if message["pause"]:
            worker.say(next=pause_at)
    assert said == [("step", 0, True, 0), ("step", 500, True, 500), ("step", 999, False, 999)]
    assert worker.hear()["say"] == "end"


def test_the_file_in_which_steps_are_counted_is_no_descriptor_of_the_half(start: Start) -> None:
    text = """
        import os

        def run(jobs, factor):
            return [len(os.listdir("/dev/fd")), len([*jobs])]
    """
    _, answer = to_the_return(start(text), STEPS)
    # Standard input, output and error, the channel, and the folder that is listed.
    assert answer == [5, 3]


def test_the_pause_in_which_a_sample_is_taken_is_left_out_of_the_time(start: Start) -> None:
    """The worker's clock stands while the test keeps it waiting: so long a wait would show in any reading."""
    worker = start(TAKES_ALL)
    worker.until_ready(STEPS)
    for _ in range(4):
        message = worker.hear()
        time.sleep(0.5)
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
    assert worker.exit_code() == 0


# ---- what can only be seen inside

TASKS = """
import asyncio

kept = []


async def work(jobs):
    {body}
    return [*jobs]


def run(jobs, factor):
    return {called}
"""
WAITS = "kept.append(asyncio.create_task(asyncio.sleep(60)))"
RUN = "asyncio.run(work(jobs))"


@pytest.mark.parametrize(
    ("body", "called", "left"),
    [
        (WAITS, RUN, 1),
        (WAITS, f"[{RUN} for _ in range(3)][0]", 3),
        (WAITS, "kept.append(asyncio.new_event_loop()) or kept[0].run_until_complete(work(jobs))", 1),
        (f"{WAITS}; kept[0].cancel()", RUN, 0),
        ("await asyncio.gather(*(asyncio.sleep(0) for _ in range(5)))", RUN, 0),
        ("async with asyncio.TaskGroup() as group: group.create_task(asyncio.sleep(0))", RUN, 0),
        ("pass", "[*jobs]", 0),
    ],
)
def test_tasks_are_left_that_the_program_has_not_ended_before_their_loop_ends(
    start: Start, body: str, called: str, left: int
) -> None:
    worker = start(TASKS.format(body=body, called=called))
    assert to_the_return(worker, STEPS)[1] == JOBS
    assert worker.tasks_left() == left


def test_tasks_of_the_loop_that_asks_for_an_item_are_counted_after_the_pause(start: Start) -> None:
    """The task of `work` itself is one of them."""
    said, _ = to_the_return(start(TASKS.format(body=WAITS, called=RUN)), STEPS)
    assert said == [one for step in ONE_PASS for one in (step, ("tasks", 2))]


def test_a_half_that_never_imports_asyncio_has_no_count_of_tasks(start: Start) -> None:
    worker = start(TAKES_ALL)
    assert to_the_return(worker, STEPS)[0] == ONE_PASS
    assert worker.tasks_left() is None


@pytest.mark.parametrize(
    ("taken", "before"),
    [
        ("answer = [job for job in jobs]; return answer", b""),
        ("for job in jobs: pass", b""),
        ("thread = threading.Thread(target=lambda: [*jobs]); thread.start(); thread.join()", b""),
        ("[*jobs]; del held", b"gone"),
        ("[*jobs]; raise ValueError", b"gone"),
    ],
)
def test_what_the_names_of_run_hold_when_it_returns_is_there_until_garbage_is_collected(
    start: Start, taken: str, before: bytes
) -> None:
    """Where `run` raises, it goes with the error."""
    goes = "import os, threading\nclass Held:\n    def __del__(self, write=os.write): write(1, b'gone')\n"
    worker = start(f"{goes}def run(jobs, factor):\n    held = Held()\n    {taken}\n")
    worker.until_ready(STEPS)
    while (message := worker.hear())["say"] not in ("returned", "raised"):
        worker.say(next=message["done"] + 1)
    os.set_blocking(worker.child.output, False)
    written = b""
    with contextlib.suppress(BlockingIOError):
        written = os.read(worker.child.output, 1000)
    assert written == before
    worker.to_the_end()
    assert written + os.read(worker.child.output, 1000) == b"gone"


def test_no_compiled_file_is_left_beside_a_half(start: Start, tmp_path: Path) -> None:
    to_the_return(start(TAKES_ALL), STEPS)
    assert not {path.name for path in tmp_path.iterdir()} - {"half.py", "steps"}


# ---- a runner that goes away


def test_a_worker_whose_runner_is_gone_before_it_was_loaded_exits(start: Start) -> None:
    worker = start(TAKES_ALL)
    assert worker.hang_up() == RUNNER_GONE


@pytest.mark.parametrize("goes_on", [True, False], ids=["at its next pause", "in a pause"])
def test_a_worker_whose_runner_is_gone_exits(start: Start, goes_on: bool) -> None:
    worker = start(TAKES_ALL)
    worker.until_ready({"jobs": {"$steps": {"count": 10_000_000, "item": None}}, "factor": 1})
    assert worker.hear()["say"] == "step"
    if goes_on:
        worker.say(next=1_000_000)
    assert worker.hang_up() == RUNNER_GONE


def test_a_worker_that_hangs_in_its_half_does_not_outlive_its_lifetime(start: Start) -> None:
    worker = start("import time\n\n\ndef run(jobs, factor):\n    time.sleep(3600)\n", lifetime=1)
    worker.until_ready(STEPS)
    assert worker.exit_code() == -signal.SIGALRM


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


def numbers() -> Iterator[int]:
    yield 1


LOOP: list[object] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (object(), "an object that is not plain data (TypeError)"),
        ([b"x"], "a list that is not plain data (bytes at [0], TypeError)"),
        ({"a": 1, "b": {1}}, "a dict that is not plain data (set at ['b'], TypeError)"),
        ({1, 2}, "a set that is not plain data (TypeError)"),
        ((n for n in range(1)), "it is a generator expression, ( … for … ): return a list, [ … for … ]"),
        (numbers(), "numbers is a generator function: return a list of what it yields"),
        (LOOP, "a list that is not plain data (ValueError)"),
        ("x" * ANSWER_LIMIT, f"it is {ANSWER_LIMIT + 2:,} characters long as JSON, over {ANSWER_LIMIT:,}"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else type(value).__name__,
)
def test_an_answer_that_is_not_carried_over_is_told_with_the_reason(answer: object, words: str) -> None:
    assert plain(answer) == (None, words)


def test_a_coroutine_is_told_as_one_and_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    async def run() -> None: ...

    words = "run is a coroutine function: make it a plain one that calls asyncio.run()"
    assert plain(run()) == (None, words)
    assert list(recwarn) == []
