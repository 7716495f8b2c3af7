"""What is read from /proc, and what psutil says of the same processes: it is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from leaklab.system.process_status import (
    PORTABLE,
    all_pids,
    command_of,
    environment_of,
    fds_of,
    memory_available,
    reads_proc,
    status_of,
)

GONE = 2**22 + 1
"""No process has this number: it is above the highest that Linux gives (proc(5), pid_max)."""

BUSY = """
import os, threading, time
kept = bytearray(32 * 2**20)
files = [os.open(os.devnull, os.O_RDONLY) for _ in range(2000)]
for _ in range(3): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
while time.process_time() < 0.2: pass
print('ready', flush=True)
time.sleep(60)
"""


@pytest.fixture(params=[False, True], ids=["/proc", "psutil"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to ask the system."""
    monkeypatch.delenv(PORTABLE, raising=False)
    if request.param:
        monkeypatch.setenv(PORTABLE, "1")
    assert reads_proc() == (sys.platform == "linux" and not request.param)


@pytest.fixture
def busy() -> Iterator[int]:
    """A process that has threads, memory, descriptors and CPU time, and changes no more."""
    environment = {**os.environ, "LEAKLAB_TEST": "as given", "OTHER": "x" * 10_000}
    command = [sys.executable, "-c", f"'a () b'\n{BUSY}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_both_ways_say_the_same(busy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PORTABLE, raising=False)
    read = [asked(busy) for asked in (status_of, fds_of, environment_of, command_of)]
    near = memory_available()
    monkeypatch.setenv(PORTABLE, "1")
    assert [asked(busy) for asked in (status_of, fds_of, environment_of, command_of)] == read
    # Other processes take and give back memory meanwhile.
    assert memory_available() == pytest.approx(near, rel=0.2)


@pytest.mark.usefixtures("way")
def test_a_process_has_what_it_was_given(busy: int) -> None:
    status = status_of(busy)
    assert (status.threads, status.is_zombie) == (4, False)
    assert 32 * 2**20 < status.rss < status.address_space
    assert status.cpu_s >= 0.19
    assert 2000 <= fds_of(busy) < 2010
    assert b"\0LEAKLAB_TEST=as given\0" in environment_of(busy)
    assert command_of(busy).startswith(os.fsencode(sys.executable))
    assert {busy, os.getpid()} <= set(all_pids())


@pytest.mark.usefixtures("way")
def test_a_zombie_is_one_and_has_no_environment_any_more() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert status_of(process.pid).is_zombie
        with pytest.raises(ProcessLookupError):
            environment_of(process.pid)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("asked", [status_of, fds_of, environment_of, command_of])
def test_a_process_that_is_not_there_is_an_error_of_the_system(asked: Callable[[int], object]) -> None:
    with pytest.raises((ProcessLookupError, FileNotFoundError)):
        asked(GONE)
