"""Whatever ends a run, and whenever: no process, no port, no file of it is left."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.conftest import CONTENT, Command

MOMENTS = 100
AT_ONCE = 4
LONGEST_S = 1.6
"""Seconds in which the moments lie: a run of 200 steps starts, imports, measures and ends in about so long."""

WAYS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
RUNS = (
    ("run", "unclosed-body", "--steps", "200"),
    ("run", "open-cursor", "--steps", "200"),
    ("run", "leaves-daemon", "--scenarios", str(CONTENT)),
    ("compare", "close-in-loop", "huge-array", "--json"),
)


@pytest.mark.parametrize("batch", range(MOMENTS // AT_ONCE))
def test_a_run_that_is_ended_at_any_moment_leaves_nothing(leaklab: Command, batch: int) -> None:
    """Ctrl-C, SIGTERM, a closed terminal, and kill -9, each on each kind of run, at moments spread over the run."""
    rng = random.Random(batch)  # noqa: S311 # repeatable moments, no secret
    started = [leaklab.start(*RUNS[(batch + index) % len(RUNS)], stdout=subprocess.DEVNULL) for index in range(AT_ONCE)]
    moments = sorted((rng.uniform(0, LONGEST_S), index) for index in range(AT_ONCE))
    begun = time.monotonic()
    for moment, index in moments:
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        started[index].send(WAYS[(batch // len(RUNS) + index) % len(WAYS)])
    for run in started:
        _, stderr = run.process.communicate(timeout=60)
        # Before leaklab's first line, the interpreter tells of a Ctrl-C in its own way.
        assert b"leaklab" not in stderr.partition(b"Traceback")[2], stderr.decode()
        run.check_nothing_is_left(patience_s=30)


def test_a_daemon_that_left_the_process_group_ends_with_its_half(leaklab: Command, tmp_path: Path) -> None:
    """It is a session of its own, its parent is gone, and it ignores SIGTERM: it still bears the half's mark."""
    finished = leaklab("run", "leaves-daemon", "--scenarios", str(CONTENT), "--json")
    assert finished.document["halves"]["leaky"]["outcome"] == "completed"
