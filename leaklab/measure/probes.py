"""The probes: each reads one set of counters at one moment, by the names that the metrics' table has for them.

A SystemProbe needs a process and psutil, and no service; a ServiceProbe asks the services. Neither knows the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.services.client import HalfServices, Services
from leaklab.services.kinds import ServiceCounts
from leaklab.system.processes import descendants

if TYPE_CHECKING:
    import psutil

Counters = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Family:
    """The processes that the measured one started, and those that they did.

    Attributes:
        processes: how many.
        rss: bytes, all of them together; what they share is counted more than once.
        threads: all of them together.
        cpu_s: CPU seconds of all of them together.
    """

    processes: int
    rss: int
    threads: int
    cpu_s: float


NO_FAMILY = Family(0, 0, 0, 0.0)


class SystemProbe:
    """Reads the operating system's counters of one process.

    Args:
        pid: the process.
        remote_ports: the ports that a counted socket leads to.
        kind: the kind of connections that can lead there, as psutil calls it: `tcp4`, or `tcp` for IPv6 too.
    """

    def __init__(self, pid: int, remote_ports: frozenset[int], kind: str = "tcp4") -> None:
        # Imported here, it is imported while the workers are busy with their own imports.
        import psutil

        self._failures = (psutil.Error, OSError)
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(pid)
        self._remote_ports = remote_ports
        self._kind = kind

    def read(self) -> Counters:
        """Threads, memory and descriptors, which cost little to read; None where the system denies one."""
        counters: Counters = dict.fromkeys(("threads", "rss", "fds"))
        if (process := self._process) is not None:
            with contextlib.suppress(*self._failures), process.oneshot():
                # One by one: where the system denies one of them, the others stay.
                counters["threads"] = self._tried(process.num_threads)
                counters["rss"] = self._tried(lambda: process.memory_info().rss)
                counters["fds"] = self._tried(process.num_fds)
        return counters

    def read_children(self) -> Counters:
        """Processes that it started, directly or not, including those that ended and were not waited for."""
        process = self._process
        return {} if process is None else {"children": self._tried(lambda: len(descendants(process.pid)))}

    def read_sockets(self) -> Counters:
        """TCP sockets of the process whose other end is one of the ports: {} where there are no ports.

        By far the dearest: the system lists every connection of the machine for it (2.7 ms with one socket open, 56 ms
        with 2,000).
        """
        process = self._process
        if process is None or not self._remote_ports:
            return {}

        def leading_there() -> int:
            connections = process.net_connections(self._kind)
            return sum(1 for each in connections if each.raddr and each.raddr.port in self._remote_ports)

        return {"sockets": self._tried(leading_there)}

    def address_space(self) -> int | None:
        """Bytes of address space the process has; None if it cannot be read."""
        process = self._process
        size = None if process is None else self._tried(lambda: process.memory_info().vms)
        return None if size is None else int(size)

    def family(self) -> Family:
        """What the descendants of the process hold; those that just ended, or may not be read, hold nothing."""
        import psutil

        if self._process is None:
            return NO_FAMILY
        found: list[tuple[int, int, float]] = []
        with contextlib.suppress(*self._failures):
            for pid in descendants(self._process.pid):
                with contextlib.suppress(*self._failures):
                    child = psutil.Process(pid)
                    with child.oneshot():
                        found.append((child.memory_info().rss, child.num_threads(), sum(child.cpu_times()[:2])))
        rss, threads, cpu = (sum(each) for each in zip(*found, strict=True)) if found else (0, 0, 0.0)
        return Family(len(found), int(rss), int(threads), cpu)

    def may_change(self) -> bool:
        """Whether anything in the paused process can still end by itself: another thread, or a child process."""
        process = self._process
        if process is None:
            return False
        return bool(self._tried(lambda: process.num_threads() > 1 or bool(descendants(process.pid))))

    def _tried(self, read: Callable[[], float]) -> float | None:
        try:
            return read()
        except self._failures:
            return None


@dataclass(frozen=True, slots=True)
class ServiceProbe:
    """Reads the exact counts of a half's services."""

    services: Services
    its: HalfServices

    def ask(self) -> None:
        """Ask for the counts. The answer must be heard; until then other probes can read."""
        self.services.ask_counts(self.its)

    def hear(self) -> ServiceCounts:
        """The counts that were asked for. Raises MeasureError if the services' process is gone."""
        return self.services.hear_counts(self.its)
