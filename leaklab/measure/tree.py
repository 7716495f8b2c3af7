"""The probe of any program: what it and all that it started have open, by kind, and to where their connections lead."""

import contextlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from leaklab.measure.probes import Counters, mapped_by
from leaklab.system.connections import CLOSE_WAIT, LISTEN, STATES, Address, TcpSocket, tcp_sockets
from leaklab.system.process_status import asking_psutil, reads_proc, status_of
from leaklab.system.processes import descendants

KINDS = {"pipe:": "pipes", "anon_inode:": "", "/memfd:": "shared memory", "/dev/": "devices"}
"""How the targets of descriptors begin that are no files, and what these are called (proc_pid_fd(5))."""

COUNTERS = ("fds", "sockets", "close_wait", "threads", "children", "zombies", "rss")
"""What is read, by the names of the metrics' table."""

OTHER_SOCKETS = "other sockets"
"""Sockets that are neither connected by TCP nor listening: UNIX, UDP, and those whose connection was reset."""

CONNECTED, LISTENING = "TCP connections", "listening sockets"


_REMOTE, _STATE = attrgetter("remote", "state"), attrgetter("state")

Descriptor = tuple[int, str]
"""A process and, as /proc names it, one of its descriptors."""


@dataclass(frozen=True, slots=True)
class TreeReading:
    """What a program and all that it started had at one moment.

    Attributes:
        counters: by the names of the metrics' table; None where it could not be read.
        kinds: its descriptors by kind.
        ends: its TCP connections by where they lead and their state.
        running: the processes that run, the program itself first.
        outgoing: the inodes of the connections that it has opened itself.
        unread: processes whose descriptors this user may not look at.
    """

    counters: Counters
    kinds: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[tuple[str, str], int] = field(default_factory=dict)
    running: tuple[int, ...] = ()
    outgoing: frozenset[int] = frozenset()
    unread: tuple[int, ...] = ()


class TreeProbe:
    """Reads what a program and its descendants have; what it remembers of their sockets saves most of the time."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._known: dict[int, TcpSocket] = {}
        self._numbers: dict[Descriptor, int] = {}

    def read(self, *, anew: bool = True) -> TreeReading | None:
        """What there is now; None if the program has ended.

        To look at each descriptor is dear. Unless that is to be done `anew`, one that was a TCP socket at the last
        reading is taken for the same, as long as that socket is there.
        """
        try:
            if status_of(self.root).is_zombie:
                return None
            family = [self.root, *descendants(self.root)]
        except OSError:
            return None
        running: list[int] = []
        threads = memory = zombies = 0
        for pid in family:
            with contextlib.suppress(OSError):
                status = status_of(pid)
                zombies += status.is_zombie
                if not status.is_zombie:
                    running.append(pid)
                    threads, memory = threads + status.threads, memory + status.rss
        if len(running) > 1:
            # Pages that several of them share count once, where the system says so; that is dear.
            shares = [mapped_by(pid).get("Pss") for pid in running]
            memory = sum(filter(None, shares)) if None not in shares else memory
        counters: Counters = {"threads": threads, "children": len(running) - 1, "zombies": zombies, "rss": memory}
        if not reads_proc():
            return _read_elsewhere(counters, running)
        remembered = {} if anew else self._numbers
        kinds, inodes, unread = _descriptors(running, remembered)
        if len(unread) < len(running):
            with contextlib.suppress(OSError):
                self._known = known = tcp_sockets(set(inodes.values()), self._known)
                if remembered and any(inode not in known for number, inode in inodes.items() if number in remembered):
                    return self.read()
                self._numbers = {number: inode for number, inode in inodes.items() if inode in known}
                return _told(counters, kinds, inodes.values(), known, running, unread)
        denied: Counters = {"fds": None, "sockets": None, "close_wait": None}
        return TreeReading({**counters, **denied}, running=tuple(running), unread=tuple(unread))


def _descriptors(
    pids: Iterable[int], remembered: Mapping[Descriptor, int]
) -> tuple[Counter[str], dict[Descriptor, int], list[int]]:
    """The descriptors of these processes by kind, the inodes of their sockets, and who may not be looked at."""
    kinds, sockets, unread = Counter[str](), dict[Descriptor, int](), list[int]()
    for pid in pids:
        try:
            folder = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            unread.append(pid)
            continue
        except OSError:
            continue
        try:
            for name in os.listdir(folder):  # noqa: PTH208 # hundreds of them
                number = pid, name
                if number in remembered:
                    sockets[number] = remembered[number]
                    continue
                try:
                    target = os.readlink(name, dir_fd=folder)
                except OSError:  # closed meanwhile
                    continue
                if target.startswith("socket:["):
                    sockets[number] = int(target[8:-1])
                else:
                    kinds[_kind(target)] += 1
        except PermissionError:
            unread.append(pid)
        except OSError:
            pass
        finally:
            os.close(folder)
    return kinds, sockets, unread


def _kind(target: str) -> str:
    for begins, kind in KINDS.items():
        if target.startswith(begins):
            return kind or target.removeprefix(begins).strip("[]").replace("eventpoll", "epoll")
    return "files"


def _told(
    counters: Counters,
    kinds: Counter[str],
    inodes: Collection[int],
    known: Mapping[int, TcpSocket],
    running: list[int],
    unread: list[int],
) -> TreeReading:
    """The reading of these: an inode for each descriptor that is a socket, and what is known of those by TCP."""
    own_ports = {one.local[1] for one in known.values() if one.state == LISTEN}
    connected = [known[inode] for inode in inodes if inode in known and known[inode].state != LISTEN]
    leading = [one for one in connected if one.local[1] not in own_ports]
    clients = [one for one in connected if one.local[1] in own_ports] if len(leading) < len(connected) else []
    ends = {
        (f"to {endpoint(remote)}", STATES[state]): count
        for (remote, state), count in Counter(map(_REMOTE, leading)).most_common()
    }
    for (port, state), count in Counter((one.local[1], one.state) for one in clients).most_common():
        ends[f"from clients to :{port}", STATES[state]] = count
    states = Counter(map(_STATE, connected))
    listening = sum(known[inode].state == LISTEN for inode in inodes if inode in known) if own_ports else 0
    others = len(inodes) - len(connected) - listening
    for kind, count in ((LISTENING, listening), (OTHER_SOCKETS, others), (CONNECTED, len(connected))):
        if count:
            kinds[kind] = count
    outgoing = {inode for inode, one in known.items() if one.state != LISTEN and one.local[1] not in own_ports}
    read: Counters = {"fds": kinds.total(), "sockets": states.total(), "close_wait": states[CLOSE_WAIT]}
    return TreeReading({**counters, **read}, kinds, ends, tuple(running), frozenset(outgoing), tuple(unread))


def endpoint(address: Address) -> str:
    """An address as it is typed in a URL."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _read_elsewhere(counters: Counters, running: list[int]) -> TreeReading:
    """The same by psutil: descriptors without their kinds, sockets as far as it names them."""
    fds, unread = 0, list[int]()
    known: dict[int, TcpSocket] = {}
    for pid in running:
        try:
            with asking_psutil() as psutil:
                process = psutil.Process(pid)
                fds += process.num_fds()
                for each in process.net_connections("tcp"):
                    state = STATES.index(each.status) if each.status in STATES else 0
                    known[-len(known) - 1] = TcpSocket(tuple(each.laddr), tuple(each.raddr or ("", 0)), state)
        except PermissionError:
            unread.append(pid)
        except OSError:
            continue
    told = _told(counters, Counter(), known, known, running, unread)
    denied = len(unread) == len(running)
    told.counters.update(dict.fromkeys(("fds", "sockets", "close_wait")) if denied else {"fds": fds})
    return told
