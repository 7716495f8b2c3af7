"""Reads the counters of the measured process and of its services, at one moment."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.services.client import HalfServices, ServiceCounts, Services
from leaklab.system.interrupts import held_back
from leaklab.system.processes import descendants

if TYPE_CHECKING:
    import psutil


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at one moment.

    Attributes:
        values: by metric name; None where it could not be read.
        counts: the services' own account.
    """

    values: Mapping[str, float | None]
    counts: ServiceCounts


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


NOBODY = Family(0, 0, 0, 0.0)


class Probe:
    """Reads one measured process, by the operating system's counters, and the services it talks to."""

    def __init__(self, pid: int, services: Services, its: HalfServices) -> None:
        # Imported here, it is imported while the workers are busy with their own imports.
        import psutil

        self._failures = (psutil.Error, OSError)
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(pid)
        self._services = services
        self._its = its
        # The lab's own services listen on 127.0.0.1; only a real MongoDB server may be reached by IPv6.
        self._kind = "tcp" if its.is_remote else "tcp4"
        self._last_look: tuple[object, float | None] | None = None

    @held_back()
    def read(self, *, sockets: bool, fresh: bool = True, children: bool = False) -> Reading:
        """All counters now. No signal comes between a question to the services and its answer.

        Args:
            sockets: read `open_sockets` too. It is by far the dearest: the system lists every connection of the
                machine for it (2.7 ms with one socket open, 56 ms with 2,000), so it is not read at every step.
            fresh: read it even if neither the number of the process's descriptors nor the services' connections
                changed since it was last read; else the last reading stands.
            children: count the sockets of the half's child processes too: what its services still have open to it.
        """
        self._services.ask_counts(self._its)
        values: dict[str, float | None] = dict.fromkeys(("threads", "open_fds", "rss"))
        if self._process is not None:
            # One by one: where the system denies one of them, the others stay.
            with contextlib.suppress(*self._failures), self._process.oneshot():
                with contextlib.suppress(*self._failures):
                    values["threads"] = self._process.num_threads()
                with contextlib.suppress(*self._failures):
                    values["rss"] = self._process.memory_info().rss
                with contextlib.suppress(*self._failures):
                    values["open_fds"] = self._process.num_fds()
        # Dearer than the others, and read as seldom as the sockets are.
        if self._process is not None and sockets:
            values["child_processes"] = self._child_processes(self._process)
        counts = self._services.hear_counts(self._its)
        if self._process is not None and self._its.ports:
            state = (values["open_fds"], counts.connections)
            if not fresh and self._last_look is not None and self._last_look[0] == state:
                values["open_sockets"] = self._last_look[1]
            elif sockets:
                values["open_sockets"] = self._open_sockets(self._process)
                if children and counts.still_open is not None and values["open_sockets"] is not None:
                    values["open_sockets"] = max(values["open_sockets"], counts.still_open)
                self._last_look = (state, values["open_sockets"])
        return Reading({**values, **counts.values}, counts)

    def address_space(self) -> int | None:
        """Bytes of address space the process has; None if it cannot be read."""
        if self._process is None:
            return None
        try:
            return int(self._process.memory_info().vms)
        except self._failures:
            return None

    def family(self) -> Family:
        """What the descendants of the process hold; those that just ended, or may not be read, hold nothing."""
        import psutil

        if self._process is None:
            return NOBODY
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
        if self._process is None:
            return False
        try:
            return self._process.num_threads() > 1 or bool(descendants(self._process.pid))
        except self._failures:
            return False

    def _child_processes(self, process: psutil.Process) -> float | None:
        """Processes that it started, directly or not, the ended ones that nobody waited for among them."""
        try:
            return len(descendants(process.pid))
        except self._failures:
            return None

    def _open_sockets(self, process: psutil.Process) -> int | None:
        """TCP sockets of the process whose other end is a port of the lab's; None if the system does not say."""
        try:
            connections = process.net_connections(self._kind)
        except self._failures:
            return None
        return sum(1 for connection in connections if connection.raddr and connection.raddr.port in self._its.ports)
