"""Whatever ends a run, and whenever: no process, no port, no file of it is left."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.conftest import CONTENT, Command, Started, wait_until

WAYS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
RUNS = (
    ("run", "unclosed-body", "--steps", "100"),
    ("run", "open-cursor", "--steps", "100"),
    ("run", "leaves-daemon", "--scenarios", str(CONTENT)),
    ("compare", "close-in-loop", "huge-array", "--size", "32MiB", "--json"),
)
ROUNDS = 25
"""In each, every kind of run is ended once: 100 moments in all."""


def start_all(leaklab: Command) -> list[Started]:
    return [leaklab.start(*arguments, stdout=subprocess.DEVNULL) for arguments in RUNS]


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Seconds that each kind of run takes here, beside the others, when nobody ends it."""
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
    return [took[index] for index in range(len(RUNS))]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_run_that_is_ended_at_any_moment_leaves_nothing(leaklab: Command, lengths: list[float], number: int) -> None:
    """Ctrl-C, SIGTERM, a closed terminal, and kill -9, each on each kind of run, round by round later in it."""
    rng = random.Random(number)  # noqa: S311 # repeatable shares of the length, no secret
    moments = sorted(((number + rng.random()) / ROUNDS * length, index) for index, length in enumerate(lengths))
    begun = time.monotonic()
    started = start_all(leaklab)
    for moment, index in moments:
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        started[index].send(WAYS[(number + index) % len(WAYS)])
    for run in started:
        _, stderr = run.process.communicate(timeout=60)
        # Before leaklab's first line, the interpreter tells of a Ctrl-C in its own way.
        assert b"leaklab" not in stderr.partition(b"Traceback")[2], stderr.decode()
        run.check_nothing_is_left(patience_s=30)


def test_a_daemon_that_left_the_process_group_ends_with_its_half(leaklab: Command, tmp_path: Path) -> None:
    """It is a session of its own, its parent is gone, and it ignores SIGTERM: it still bears the half's mark."""
    finished = leaklab("run", "leaves-daemon", "--scenarios", str(CONTENT), "--json")
    assert finished.document["halves"]["leaky"]["outcome"] == "completed"
