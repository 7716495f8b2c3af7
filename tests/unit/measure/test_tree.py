"""The probe of any program, on processes of these tests: kinds of descriptors, ends of connections, children."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from leaklab.measure.tree import CONNECTED, LISTENING, OTHER_SOCKETS, TreeProbe, TreeReading, endpoint
from leaklab.system.connections import tcp_sockets
from leaklab.system.process_status import PORTABLE

OPENS = """
import os, select, socket, sys
listening = socket.create_server(("127.0.0.1", 0))
port = listening.getsockname()[1]
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
accepted = []
kept = [socket.socketpair(), os.pipe(), select.epoll(), open(os.devnull), open("/etc/passwd")]
zombie = os.fork()
if not zombie:
    os._exit(0)
os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
child = os.fork()
if not child:
    listening.close()
    os.write(kept[1][1], b".")
    sys.stdin.read()
    os._exit(0)
os.read(kept[1][0], 1)
print(port, flush=True)
accepted.append(listening.accept()[0])
print("accepted", flush=True)
sys.stdin.read()
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="kinds of descriptors are read from /proc")


@pytest.fixture
def other() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def program(other: socket.socket) -> Iterator[tuple[int, socket.socket]]:
    """A process that has one of each, and a client of it."""
    command = [sys.executable, "-c", OPENS, str(other.getsockname()[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as client:
            process.stdout.readline()
            yield process.pid, client
        process.kill()
        for child in psutil.Process(process.pid).children():
            child.kill()


def read(pid: int) -> TreeReading:
    reading = TreeProbe(pid).read()
    assert reading is not None
    return reading


@linux
def test_each_kind_of_descriptor_is_counted_in_the_whole_tree(program: tuple[int, socket.socket]) -> None:
    reading = read(program[0])
    kinds, counters = reading.kinds, reading.counters
    # The child has all but the listening socket; the program has the accepted one besides.
    assert (kinds[LISTENING], kinds[CONNECTED], kinds[OTHER_SOCKETS], kinds["epoll"]) == (1, 3, 4, 2)
    assert counters["fds"] == sum(kinds.values())
    assert (counters["sockets"], counters["children"], counters["zombies"], counters["threads"]) == (3, 1, 1, 2)
    assert (counters["rss"] or 0) > 2**20


@linux
def test_clients_of_the_program_are_told_from_where_it_leads_itself(
    program: tuple[int, socket.socket], other: socket.socket
) -> None:
    pid, client = program
    here, there = client.getpeername()[1], other.getsockname()[1]
    ends = {(f"from clients to :{here}", "ESTABLISHED"): 1, (f"to 127.0.0.1:{there}", "ESTABLISHED"): 2}
    assert read(pid).ends == ends
    assert len(read(pid).outgoing) == 1


@linux
def test_a_connection_whose_other_end_has_hung_up_is_in_close_wait(
    program: tuple[int, socket.socket],
) -> None:
    pid, client = program
    probe = TreeProbe(pid)
    probe.read()
    client.shutdown(socket.SHUT_WR)
    # The system has done it once the program can read the end.
    reading = probe.read()
    while reading is not None and not reading.counters["close_wait"]:
        reading = probe.read()
    assert reading is not None
    assert (f"from clients to :{client.getpeername()[1]}", "CLOSE_WAIT") in reading.ends


@linux
def test_what_is_remembered_is_looked_at_again_once_it_is_gone() -> None:
    probe = TreeProbe(os.getpid())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = [socket.create_connection(listening.getsockname()) for _ in range(3)]
        before = probe.read()
        assert before is not None
        others = kept.pop().detach()
        os.dup2(1, others)  # the same number is another thing now
        kept.append(socket.create_connection(listening.getsockname()))
        remembered, anew = probe.read(anew=False), probe.read()
        assert remembered is not None
        assert anew is not None
        assert (remembered.kinds, remembered.ends) == (anew.kinds, anew.ends)
        assert anew.kinds[CONNECTED] == before.kinds[CONNECTED]
        os.close(others)
        for one in kept:
            one.close()


def test_where_proc_is_not_read_psutil_says_the_same(
    program: tuple[int, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    counters, ends = read(program[0]).counters, read(program[0]).ends
    monkeypatch.setenv(PORTABLE, "1")
    portable = read(program[0])
    names = ("fds", "sockets", "close_wait", "children", "zombies", "threads")
    assert [portable.counters[name] for name in names] == [counters[name] for name in names]
    assert portable.ends == ends


def test_a_program_that_has_ended_is_not_read() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert TreeProbe(process.pid).read() is None
    process.wait()
    assert TreeProbe(process.pid).read() is None


@linux
def test_what_may_not_be_looked_at_is_unknown_and_not_0(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str, *_: object, **__: object) -> int:
        raise PermissionError(path)

    with monkeypatch.context() as patched:
        patched.setattr("leaklab.measure.tree.os.open", refused)
        patched.setattr("leaklab.measure.tree.status_of", lambda _: _STATUS)
        reading = TreeProbe(os.getpid()).read()
    assert reading is not None
    assert (reading.counters["fds"], reading.counters["sockets"]) == (None, None)
    assert reading.counters["threads"] == len(reading.running)
    assert os.getpid() in reading.unread


@linux
def test_an_ipv4_connection_of_an_ipv6_socket_is_told_by_its_ipv4_address() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            # That end is the one of this process which is known by its address.
            listening.accept()[0].close()
            host, own = client.getsockname()[:2]
            assert own != port
            known = tcp_sockets({os.fstat(client.fileno()).st_ino}, {})
    assert [(one.local, one.remote) for one in known.values()] == [((host, own), ("127.0.0.1", port))]


def test_an_ipv6_address_is_written_as_in_a_url() -> None:
    assert (endpoint(("::1", 80)), endpoint(("127.0.0.1", 80))) == ("[::1]:80", "127.0.0.1:80")


class _Status:
    threads, rss, address_space, cpu_s, is_zombie = 1, 2**20, 2**20, 0.0, False


_STATUS = _Status()
