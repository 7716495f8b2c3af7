"""The probe of any program: what it and all that it started have open, by kind, and to where their connections lead."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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
                if any(inode not in known and number in remembered for number, inode in inodes.items()):
                    return self.read()
                self._numbers = {number: inode for number, inode in inodes.items() if inode in known}
                sockets = [(known.get(inode), inode) for inode in inodes.values()]
                return _told(counters, kinds, sockets, running, unread)
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
    sockets: Iterable[tuple[TcpSocket | None, int]],
    running: list[int],
    unread: list[int],
) -> TreeReading:
    sockets = list(sockets)
    own_ports = {one.local[1] for one, _ in sockets if one is not None and one.state == LISTEN}
    # An end of a connection: the own port that it came in by, or else the address that it leads to.
    connected = Counter[tuple[int | Address, int]]()
    outgoing = set[int]()
    for one, inode in sockets:
        if one is None or one.state == LISTEN:
            kinds[OTHER_SOCKETS if one is None else LISTENING] += 1
        elif one.local[1] in own_ports:
            connected[one.local[1], one.state] += 1
        else:
            connected[one.remote, one.state] += 1
            outgoing.add(inode)
    ends, states = {}, Counter[int]()
    for (end, state), count in connected.most_common():
        words = f"from clients to :{end}" if isinstance(end, int) else f"to {endpoint(end)}"
        ends[words, STATES[state]] = count
        states[state] += count
    if connected:
        kinds[CONNECTED] = states.total()
    read: Counters = {"fds": kinds.total(), "sockets": states.total(), "close_wait": states[CLOSE_WAIT]}
    return TreeReading({**counters, **read}, kinds, ends, tuple(running), frozenset(outgoing), tuple(unread))


def endpoint(address: Address) -> str:
    """An address as it is typed in a URL."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _read_elsewhere(counters: Counters, running: list[int]) -> TreeReading:
    """The same by psutil: descriptors without their kinds, sockets as far as it names them."""
    fds, unread = 0, list[int]()
    sockets: list[tuple[TcpSocket | None, int]] = []
    for pid in running:
        try:
            with asking_psutil() as psutil:
                process = psutil.Process(pid)
                fds += process.num_fds()
                for number, each in enumerate(process.net_connections("tcp")):
                    state = STATES.index(each.status) if each.status in STATES else 0
                    sockets.append((TcpSocket(tuple(each.laddr), tuple(each.raddr or ("", 0)), state), -number - 1))
        except PermissionError:
            unread.append(pid)
        except OSError:
            continue
    told = _told(counters, Counter(), sockets, running, unread)
    denied = len(unread) == len(running)
    told.counters.update(dict.fromkeys(("fds", "sockets", "close_wait")) if denied else {"fds": fds})
    return told
