"""The probe of a process, on real ones; and the sampler, which reads seldom what is dear."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import ANY, Mock

import pytest

from leaklab.measure.probes import Family, SystemProbe, leaves
from leaklab.measure.run_trace import Phase
from leaklab.measure.sampler import Sampler, StepClock
from leaklab.services.client import HalfServices, Services
from leaklab.services.kinds import ServiceCounts
from leaklab.system import connections
from leaklab.system.process_status import PORTABLE
from tests.unit.scripted import MIB


@pytest.fixture(autouse=True)
def proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here Linux is asked in its own way, even where all other tests ask psutil."""
    monkeypatch.delenv(PORTABLE, raising=False)


BEGIN = """
import mmap, os, subprocess, time

MIB = 2**20

def fork(child):
    seen, say = os.pipe()
    if not os.fork():
        kept = child(), os.write(say, b"x"), time.sleep(60)
    os.read(seen, 1)

def shared_memory():
    file = os.memfd_create("shared")
    os.write(file, bytes(32 * MIB))
    return file

input()
"""


@contextmanager
def doing(text: str) -> Iterator[SystemProbe]:
    """The probe of a process that has done this since it was first looked at, and waits."""
    command = [sys.executable, "-c", f"{BEGIN}{text}\nprint('done', flush=True)\ninput()\n"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as process:
        probe = SystemProbe(process.pid, frozenset())
        assert probe.family().running == 0
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            os.write(process.stdin.fileno(), b"\n")
            assert process.stdout.readline() == b"done\n"
            yield probe
        finally:
            os.killpg(process.pid, signal.SIGKILL)


ENDS = "ended = subprocess.Popen(['true']); os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)"


@pytest.mark.parametrize(
    ("text", "running", "zombies"),
    [("", 0, 0), (ENDS, 0, 1), (f"subprocess.Popen(['sleep', '60']); fork(int); {ENDS}", 2, 1)],
)
def test_children_that_run_and_zombies_are_told_apart_and_only_the_former_may_end(
    text: str, running: int, zombies: int
) -> None:
    with doing(text) as probe:
        family = probe.family()
        assert (family.running, family.zombies, probe.may_change()) == (running, zombies, running > 0)
        assert sys.platform != "linux" or probe.cpu_wait() is not None
    assert (probe.family().running, probe.cpu_wait()) == (None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what processes share")
@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("kept = b'x' * 64 * MIB; fork(int); fork(int)", 0),
        ("kept = b'x' * 64 * MIB; fork(lambda: b'x' * 32 * MIB)", 32),
        ("kept = shared_memory(); os.dup(kept); fork(int)", 32),
        ("kept = mmap.mmap(shared_memory(), 0); kept[:]; fork(lambda: len(kept[:]))", 0),
    ],
)
def test_memory_that_the_process_itself_does_not_show_is_counted_once(text: str, mib: int) -> None:
    """A child adds a little of its own: what it writes to is copied."""
    with doing(text) as probe:
        assert probe.family().memory / 2**20 == pytest.approx(mib, abs=6)


def test_leaves_are_files_and_empty_folders_and_links_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a" / "empty").mkdir(parents=True)
    (folder / "a" / "b").mkdir()
    assert leaves(folder)[0] == 2
    (folder / "a" / "b" / "file").write_bytes(b"x" * MIB)
    (folder / "link").symlink_to(tmp_path)
    (folder / "broken").symlink_to("nowhere")
    count, size = leaves(folder)
    assert count == 4
    assert size == pytest.approx(MIB, abs=MIB // 8)
    assert leaves(tmp_path / "nowhere") == (0, 0)


def test_a_socket_that_the_other_end_has_closed_is_in_close_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = SystemProbe(os.getpid(), frozenset({server.getsockname()[1]}))
        with socket.create_connection(server.getsockname()) as ours, server.accept()[0] as theirs:
            assert probe.read_sockets() == {"sockets": 1, "own_sockets": 1, "close_wait": 0, "fds": ANY}
            theirs.close()
            assert ours.recv(1) == b""
            assert probe.read_sockets() == {"sockets": 1, "own_sockets": 1, "close_wait": 1, "fds": ANY}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked for some ports")
@pytest.mark.parametrize("kind", ["tcp4", "tcp"])
def test_sockets_are_counted_alike_in_both_ways(kind: str) -> None:
    """Two to each port, one of them with two descriptors, one closed by the other end; and some that do not count."""
    with ExitStack() as opened:
        families = (socket.AF_INET, socket.AF_INET6) if socket.has_ipv6 else (socket.AF_INET,)
        servers = [
            opened.enter_context(
                socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
            )
            for family in (*families, socket.AF_INET)
        ]
        ports = [server.getsockname()[1] for server in servers]
        for server in servers:
            address = server.getsockname()[:2]
            first, second, third = (opened.enter_context(socket.create_connection(address)) for _ in range(3))
            opened.enter_context(first.dup())
            for number in range(3):
                other, _ = server.accept()
                if number == 1:
                    other.close()
                else:
                    opened.enter_context(other)
            assert second.recv(1) == b""
            third.close()
        probe = SystemProbe(os.getpid(), frozenset(ports[:-1]), kind)
        asked, elsewhere = probe._socket_states(), probe._socket_states_elsewhere()
        assert asked == elsewhere
        counted = len(families) if kind == "tcp" else 1
        assert asked[:2] == (counted, 2 * counted)
        # The last three descriptors may be those of the reading itself.
        assert asked[2] == pytest.approx(len(list(Path("/proc/self/fd").iterdir())), abs=2)


def test_a_socket_that_is_opened_while_they_are_counted_is_no_other_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system is asked before the descriptors are listed: what was opened in between leads to the port, too."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as opened:
        address, list_them = server.getsockname(), os.listdir
        probe = SystemProbe(os.getpid(), frozenset({address[1]}))
        before = probe._socket_states()

        def opens_then_lists(folder: str) -> list[str]:
            opened.enter_context(socket.create_connection(address))
            return list_them(folder)

        monkeypatch.setattr(os, "listdir", opens_then_lists)
        _, sockets, descriptors = probe._socket_states()
        assert (before[1], sockets, descriptors - before[2]) == (0, 1, 1)


def test_where_sockets_cannot_be_asked_for_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "states", Mock(side_effect=PermissionError))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        probe = SystemProbe(os.getpid(), frozenset({server.getsockname()[1]}))
        assert probe.read_sockets() == {"sockets": 1, "own_sockets": 1, "close_wait": 0, "fds": ANY}


def test_what_is_dear_is_read_at_some_steps_and_what_children_hold_at_each_once_there_are_any() -> None:
    """Here the probe finds as many bytes beside the process as steps are done, and from the 40th step on a child."""
    clock, system, services = StepClock(), Mock(spec=SystemProbe), Mock(spec=Services)
    system.read.side_effect = lambda: {"threads": 1, "rss": 1000, "fds": 4}
    system.family.side_effect = lambda _: Family(running=int(clock.done >= 40), memory=clock.done)
    system.read_files.return_value = {"files": 3}
    system.read_sockets.side_effect = lambda: {"sockets": 1, "own_sockets": 1, "close_wait": 0, "fds": 3}
    services.hear_counts.return_value = ServiceCounts(half_connections=3)
    sampler = Sampler("leaky", system, services, HalfServices((1,), frozenset()), 60, clock, ())
    for clock.done in range(60):
        sampler.step()
    sampler.keep(Phase.COLLECTED, sampler.look())
    *at_steps, collected = sampler.samples
    dear = [sample.steps_done for sample in at_steps if sample.get("files_left") == 3]
    assert dear == [0, 10, 20, 30, 40, 50]
    assert [sample.get("rss") for sample in at_steps] == [1000 + (n if n >= 40 else n // 10 * 10) for n in range(60)]
    assert sum(sample.get("child_processes") == 1 for sample in at_steps) == 20
    assert (collected.get("open_sockets"), collected.own) == (3, {"open_sockets": 1, "open_fds": 3})


def test_samples_are_in_the_order_of_their_times_where_the_clock_was_ahead_of_the_next_report() -> None:
    services = Mock(spec=Services)
    sampler = Sampler("leaky", Mock(spec=SystemProbe), services, HalfServices((1,), frozenset()), 3, StepClock(), ())
    for sampler.clock.at_s in (0.0, 1.34, 1.33, 1.5):
        sampler.keep(Phase.CLOCK, {})
    assert [sample.at_s for sample in sampler.samples] == [0.0, 1.34, 1.34, 1.5]
