"""Halves that do the unexpected: each has its outcome in words, and the other halves are measured."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest

from leaklab.content.catalog import Entry
from leaklab.content.declaration import Scenario
from leaklab.content.settings import Settings
from leaklab.lab.pair import run_halves
from leaklab.lab.result import HalfResult
from leaklab.lab.run_options import RunOptions
from leaklab.measure.run_trace import Outcome
from leaklab.measure.sampler import CLOCK_MAX_S
from leaklab.measure.target import Steps
from leaklab.system.limits import Limits
from leaklab.system.temporary import SHARED_MEMORY

MIB = 2**20
STEPS = 20
GOOD = "def run(jobs):\n    return [*jobs]\n"


@dataclass(frozen=True)
class Odd(Entry):
    """A scenario of jobs to be returned as they are, without a folder of its own."""

    steps: int = field(default=STEPS, kw_only=True)

    @cached_property
    def scenario(self) -> Scenario:
        return Scenario(
            title="odd",
            leaks="",
            summary="",
            workload=lambda lab: {"jobs": Steps(lab.steps)},
            check_answer=lambda lab, answer: None if answer == [*range(1, lab.steps + 1)] else "not the jobs",
            expected={},
            telling=("open_fds",),
            settings=Settings(steps=self.steps),
        )


def measured(folder: Path, text: str, limits: Limits | None = None, steps: int = STEPS) -> HalfResult:
    """What is said of the half with this text; a good one runs after it, and must be as good as ever."""
    paths = {"odd": folder / "odd.py", "good": folder / "good.py"}
    paths["odd"].write_text(textwrap.dedent(text), encoding="utf-8")
    paths["good"].write_text(GOOD, encoding="utf-8")
    entry = Odd(folder, steps=steps)
    result = run_halves(entry, paths, entry.scenario.settings, RunOptions(limits=limits or Limits()))
    good = result.halves["good"]
    assert (good.outcome, good.error, good.complaint) == (Outcome.COMPLETED, None, None)
    return result.halves["odd"]


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        ('raise SyntaxError("bad config")', "it raised SyntaxError: bad config (odd.py, line 5: "),
        ('raise SyntaxError({"no": "text"})', "it raised SyntaxError: {'no': 'text'} (odd.py, line 5: "),
        ('import ast; ast.literal_eval("x =")', "it raised SyntaxError: invalid syntax (odd.py, line 5: import ast; "),
        ("a = ValueError('a'); b = ValueError('b'); a.__context__ = b; b.__context__ = a; raise a", "ValueError: a ("),
    ],
)
def test_an_error_is_told_with_the_line_of_the_half_it_went_through(tmp_path: Path, raised: str, words: str) -> None:
    half = measured(
        tmp_path, f"def run(jobs):\n    done = []\n    for job in jobs:\n        done.append(job)\n        {raised}\n"
    )
    assert half.outcome is Outcome.CRASHED
    assert words in (half.error or "")


@pytest.mark.parametrize("depth", [400, 970, 985, 5_000])
def test_an_answer_is_carried_over_or_told_however_deep_it_is(tmp_path: Path, depth: int) -> None:
    half = measured(
        tmp_path,
        f"""
        def run(jobs):
            answer = [*jobs]
            for _ in range({depth}):
                answer = [answer]
            return answer
        """,
    )
    assert half.outcome is Outcome.COMPLETED
    assert half.complaint in (
        "not the jobs",
        *(
            f"its answer cannot be read: {why}"
            for why in ("it is nested too deeply", "it is nested too deeply, or contains itself")
        ),
    )


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"{}\n",
        b"[1, 2]\n",
        b'{"say": "bye"}\n',
        b'{"say": "step"}\n',
        b'{"say": "raised", "at": 1, "cpu": 1, "error": {}}\n',
        b'{"say": "raised", "at": 1, "cpu": 1, "error": {"kinds": [], "message": "", "places": []}}\n',
        b'{"say": "raised", "at": 1, "cpu": 1, "error": {"kinds": ["E"], "message": "", "places": [3]}}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_a_half_that_writes_on_the_labs_channel_is_told_so(tmp_path: Path, line: bytes) -> None:
    half = measured(
        tmp_path,
        f"""
        import os
        import stat

        def run(jobs):
            for descriptor in range(3, 50):
                try:
                    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                        os.write(descriptor, {line!r} if len({line!r}) < 1000 else b"[" * 100_000 + b"\\n")
                except OSError:
                    pass
            return [*jobs]
        """,
    )
    assert half.outcome is Outcome.CRASHED
    assert (half.error or "").startswith("it wrote on the lab's channel")


def test_items_can_be_taken_by_number_and_in_slices_and_each_is_one_step(tmp_path: Path) -> None:
    half = measured(
        tmp_path,
        """
        files = []

        def run(jobs):
            done = []
            for first in range(0, len(jobs), 4):
                done += jobs[first : first + 3]
                files.append(open(__file__))
                done.append(jobs[first + 3])
            assert jobs[-1] == done[-1] and jobs[0] == 1 and list(reversed(jobs))[0] == done[-1]
            return done
        """,
    )
    assert (half.outcome, half.complaint) == (Outcome.COMPLETED, None)
    assert half.runs[0].trace.steps == STEPS
    assert {(finding.kind, finding.metric) for finding in half.judgement.findings} == {("leaked", "open_fds")}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_process_that_is_started_anew_finds_the_half_by_its_name(tmp_path: Path, method: str) -> None:
    half = measured(
        tmp_path,
        f"""
        import multiprocessing

        def same(job):
            return job

        def run(jobs):
            with multiprocessing.get_context("{method}").Pool(1) as pool:
                return pool.map(same, list(jobs))
        """,
    )
    assert (half.outcome, half.error, half.complaint) == (Outcome.COMPLETED, None, None)


def test_memory_is_watched_while_step_follows_step(tmp_path: Path) -> None:
    """No pause between the steps is long enough for the clock of a half that stands still."""
    half = measured(
        tmp_path,
        f"""
        import time

        def run(jobs):
            kept = []
            for job in jobs:
                kept.append(b"x" * {MIB // 4})
                time.sleep({CLOCK_MAX_S / 50})
            return kept
        """,
        Limits(memory=100 * MIB),
        steps=20_000,
    )
    assert half.outcome is Outcome.CRASHED
    assert "memory limit of 100 MiB (--limit memory)" in (half.error or "")


def test_the_memory_of_what_a_half_starts_counts_as_its_own(tmp_path: Path) -> None:
    half = measured(
        tmp_path,
        f"""
        import subprocess
        import sys

        def run(jobs):
            subprocess.run([sys.executable, "-c", "import time; kept = b'x' * {200 * MIB}; time.sleep(60)"])
        """,
        Limits(memory=100 * MIB),
    )
    assert half.outcome is Outcome.CRASHED
    assert "memory limit of 100 MiB (--limit memory)" in (half.error or "")
    assert "1 child process included" in (half.error or "")


def test_a_file_cannot_be_larger_than_the_memory_a_half_may_hold(tmp_path: Path) -> None:
    half = measured(
        tmp_path,
        """
        import os

        def run(jobs):
            descriptor = os.memfd_create("large") if hasattr(os, "memfd_create") else os.open("/dev/null", os.O_RDWR)
            os.ftruncate(descriptor, 2**40)
        """,
    )
    assert half.outcome is Outcome.CRASHED
    assert "File too large" in (half.error or "")


@pytest.mark.parametrize(
    "line",
    ["exec('import leaklab')", "import importlib; importlib.import_module('leak' + 'lab.cli')"],
)
def test_the_lab_is_not_found_however_it_is_looked_for(tmp_path: Path, line: str) -> None:
    half = measured(tmp_path, f"def run(jobs):\n    {line}\n    return [*jobs]\n")
    assert half.outcome is Outcome.CRASHED
    assert (half.error or "").startswith("it raised ModuleNotFoundError: ")


def test_the_worker_is_not_found_as_the_main_module(tmp_path: Path) -> None:
    half = measured(
        tmp_path,
        """
        import sys

        def run(jobs):
            assert [name for name in vars(sys.modules["__main__"]) if not name.startswith("__")] == []
            return [*jobs]
        """,
    )
    assert (half.outcome, half.error, half.complaint) == (Outcome.COMPLETED, None, None)


SHARES = """
from multiprocessing import resource_tracker, shared_memory

def run(jobs):
    done = [*jobs]
    {does}
    return done
"""


def shared(does: str) -> str:
    return SHARES.format(does=does.replace("\n", "\n    "))


MAKES = (
    "made = shared_memory.SharedMemory(create=True, size=10)\nresource_tracker.unregister(made._name, 'shared_memory')"
)


IN_A_CHILD = MAKES.replace("\n", "\n    ")


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="shared memory has no folder here")
@pytest.mark.parametrize(
    ("does", "left"),
    [
        (f"{MAKES}\nmade.close()", 1),
        (f"{MAKES}\nimport os\nos._exit(3)", 1),
        (f"import os\nif os.fork() == 0:\n    {IN_A_CHILD}\n    os._exit(0)\nos.wait()", 1),
        ("open('/dev/shm/leaklab-test', 'w').close()", 1),
        ("made = shared_memory.SharedMemory(create=True, size=10)\nmade.close()\nmade.unlink()", 0),
        ("kept = shared_memory.SharedMemory('{theirs}')\nresource_tracker.unregister(kept._name, 'shared_memory')", 0),
        ("kept = open('/dev/shm/{theirs}', 'r+b')", 0),
    ],
)
def test_shared_memory_of_its_own_is_removed_and_told_and_that_of_others_is_kept(
    tmp_path: Path, does: str, left: int
) -> None:
    theirs = SharedMemory(create=True, size=10)
    try:
        half = measured(tmp_path, shared(does.replace("{theirs}", theirs.name)))
        names = half.runs[0].trace.shared_memory
        assert len(names) == left
        assert [name for name in names if (SHARED_MEMORY / name).exists()] == []
        assert (SHARED_MEMORY / theirs.name).exists()
    finally:
        theirs.close()
        theirs.unlink()


@pytest.mark.parametrize(
    ("ends", "words"),
    [("os._exit(3)", "it exited with code 3"), ("os.kill(os.getpid(), 40)", "it was ended by signal 40")],
)
def test_the_end_of_a_half_is_seen_although_a_child_of_it_keeps_the_channel(
    tmp_path: Path, ends: str, words: str
) -> None:
    half = measured(
        tmp_path,
        f"""
        import os, time

        def run(jobs):
            if os.fork() == 0:
                time.sleep(600)
            {ends}
        """,
    )
    assert half.outcome is Outcome.CRASHED
    assert (half.error or "").startswith(words)
