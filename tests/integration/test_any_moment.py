"""Whatever ends a run, and whenever: no process, no port, no file of it is left."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.conftest import CONTENT, Command, Started, wait_until
from tests.integration.endings import RUNS, WAYS

OURS = ("--scenarios", str(CONTENT))
TAKEN = RUNS[:4]
ROUNDS = 8
"""In each, every kind of run is ended once: 32 moments in all, each way at least once."""

AT_ONCE = 4
NEVER = 10**9


def start_all(leaklab: Command) -> list[Started]:
    return [leaklab.start(*arguments, stdout=subprocess.DEVNULL) for arguments in TAKEN]


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Seconds that each kind of run takes here, beside the others, when it is not ended."""
    leaklab = Command(tmp_path_factory.mktemp("whole"))
    begun = time.monotonic()
    running = dict(enumerate(start_all(leaklab)))
    took: dict[int, float] = {}

    def have_ended() -> bool:
        for index in [index for index, run in running.items() if run.process.poll() is not None]:
            took[index] = time.monotonic() - begun
            assert running.pop(index).finish().code == 0
        return not running

    try:
        wait_until(have_ended, "the end of all runs")
    finally:
        leaklab.close()
    return [took[index] for index in range(len(TAKEN))]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_run_that_is_ended_at_any_moment_leaves_nothing(leaklab: Command, lengths: list[float], number: int) -> None:
    """Signals to the command and its parts, two of them killed at once, stopped for a while: later in each round."""
    rng = random.Random(number)  # noqa: S311 # repeatable shares of the length, no secret
    moments = sorted(((number + rng.random()) / ROUNDS * length, index) for index, length in enumerate(lengths))
    begun = time.monotonic()
    started = start_all(leaklab)
    for moment, index in moments:
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        WAYS[list(WAYS)[(number * len(TAKEN) + index) % len(WAYS)]](started[index])
    for run in started:
        _, stderr = run.process.communicate(timeout=60)
        # Before leaklab's first line, the interpreter tells of a Ctrl-C in its own way.
        assert b"leaklab" not in stderr.partition(b"Traceback")[2], stderr.decode()
        run.check_nothing_is_left(patience_s=30)


LINES = 12
"""How many of its lines a run is ended at; of the lines between two of these, one is drawn."""


@pytest.mark.parametrize("within", ["enter_context", "run_scenario"])
def test_a_run_that_is_ended_at_any_line_of_the_lab_leaves_nothing(tmp_path: Path, within: str) -> None:
    """Between the start of a child and its having an owner there are microseconds, which no clock meets.

    The half is one that talks to no service: the lab's own lines are the same, and each takes longer when counted.
    """
    leaklab = Command(tmp_path, (sys.executable, str(Path(__file__).with_name("signal_at.py"))))
    arguments = (within, "run", "leaks-files", "--json", *OURS)

    def lines(said: str) -> int:
        return int(said.removesuffix(" lines\n"))

    try:
        whole = lines(leaklab(str(NEVER), *arguments).stderr)
        rng = random.Random(within)  # noqa: S311 # repeatable lines, no secret
        for first in range(0, LINES, AT_ONCE):
            places = [int((first + index + rng.random()) / LINES * whole) + 1 for index in range(AT_ONCE)]
            started = [leaklab.start(str(at), *arguments) for at in places]
            for at, run in zip(places, started, strict=True):
                finished = run.finish()
                assert "Traceback" not in finished.stderr, at
                # Another run has not the same number of lines: it may have ended before.
                assert finished.code == 130 or (finished.code == 0 and lines(finished.stderr) < at), at
    finally:
        leaklab.close()


def test_a_daemon_that_left_the_process_group_ends_with_its_half(leaklab: Command, tmp_path: Path) -> None:
    """It is a session of its own, its parent is gone, and it ignores SIGTERM: it still bears the half's mark."""
    finished = leaklab("run", "leaves-daemon", "--json", *OURS)
    assert finished.document["halves"]["leaky"]["outcome"] == "completed"
