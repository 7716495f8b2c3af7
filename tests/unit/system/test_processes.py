"""The system as leaklab sees it: who descends from a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from leaklab.system import processes
from leaklab.system.processes import Child, descendants, start_child

GONE = 2**22 + 1
"""No process has this number: it is above the highest that Linux gives (proc(5), pid_max)."""


@contextmanager
def family() -> Iterator[set[int]]:
    """A child that started two processes and waits; the ids of all three."""
    child = subprocess.Popen(
        ["/bin/sh", "-c", "sleep 60 & sleep 60 & echo ready; wait"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "ready\n"
        ids = {child.pid, *(one.pid for one in psutil.Process(child.pid).children())}
        yield ids
        for pid in ids:
            os.kill(pid, 9)
        child.wait()


@pytest.fixture(params=[processes.CHILDREN, "/proc/no/{pid}/{tid}"], ids=["by thread", "by psutil"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to look for descendants."""
    monkeypatch.setattr(processes, "CHILDREN", request.param)


def started(folder: Path, text: str) -> Child:
    """A child that runs this text."""
    script = folder / "script.py"
    script.write_text(text)
    return start_child(script)


@pytest.mark.usefixtures("way")
def test_children_and_their_children_are_descendants_and_so_is_one_that_is_not_waited_for() -> None:
    before = set(descendants(os.getpid()))
    with family() as ids, subprocess.Popen([sys.executable, "-c", ""]) as ended:
        while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert len(ids) == 3
        assert set(descendants(os.getpid())) - before == {*ids, ended.pid}


STARTS_A_STRANGER = """
import socket, subprocess, sys
stranger = subprocess.Popen(["sleep", "60"], env={}, start_new_session=True)
socket.socket(fileno=int(sys.argv[1])).sendall(b"%d\\n" % stranger.pid)
import time
time.sleep(60)
stranger.wait()
"""


def test_a_child_is_ended_with_what_left_its_group_and_its_environment(tmp_path: Path) -> None:
    child = started(tmp_path, STARTS_A_STRANGER)
    stranger = psutil.Process(int(child.channel.recv(64)))
    assert child.end() == -signal.SIGKILL
    psutil.wait_procs([stranger], timeout=20)
    assert not stranger.is_running() or stranger.status() == psutil.STATUS_ZOMBIE


LEAVES_SHARED_MEMORY = """
import socket, sys, time
from multiprocessing.shared_memory import SharedMemory
kept = SharedMemory(create=True, size=4096)
socket.socket(fileno=int(sys.argv[1])).sendall(kept.name.encode() + b"\\n")
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is no file here")  # noqa: S108 # where it is
def test_what_a_child_left_in_shared_memory_is_gone_with_it(tmp_path: Path) -> None:
    child = started(tmp_path, LEAVES_SHARED_MEMORY)
    kept = Path("/dev/shm") / child.channel.recv(64).decode().strip()  # noqa: S108 # as above
    assert kept.exists()
    child.end()
    assert not kept.exists()


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)])
def test_how_a_child_ended_can_be_asked_before_it_is_waited_for(tmp_path: Path, ending: str, code: int) -> None:
    child = started(tmp_path, f"import os, sys\n{ending}\n")
    assert child.ended(within_s=20) == code
    if hasattr(os, "waitid"):
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert child.end() == code


def test_a_child_that_goes_on_has_not_ended(tmp_path: Path) -> None:
    child = started(tmp_path, "import time\ntime.sleep(60)\n")
    assert child.ended(within_s=0.01) is None
    assert child.end() == -signal.SIGKILL


@pytest.mark.usefixtures("way")
def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    with pytest.raises((OSError, psutil.Error)):
        descendants(GONE)
