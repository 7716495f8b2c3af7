"""Reads the counters of the measured process and of its services, at one moment."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from leaklab.services.client import HalfServices, ServiceCounts, Services


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at one moment.

    Attributes:
        values: by metric name; None where it could not be read.
        counts: the services' own account.
    """

    values: Mapping[str, float | None]
    counts: ServiceCounts


class Probe:
    """Reads one measured process, by the operating system's counters, and the services it talks to."""

    def __init__(self, pid: int, services: Services, its: HalfServices) -> None:
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(pid)
        self._services = services
        self._its = its

    def read(self, *, sockets: bool) -> Reading:
        """All counters now.

        Args:
            sockets: read `open_sockets` too. It is by far the dearest: the system lists every connection of the
                machine for it (2.5 ms with one socket open, 56 ms with 2,000), so it is not read at every step.
        """
        self._services.ask_counts(self._its)
        values: dict[str, float | None] = dict.fromkeys(("threads", "open_fds", "rss"))
        if self._process is not None:
            with contextlib.suppress(psutil.Error, OSError), self._process.oneshot():
                values["threads"] = self._process.num_threads()
                values["rss"] = self._process.memory_info().rss
                values["open_fds"] = self._process.num_fds()
            if sockets and self._its.ports:
                values["open_sockets"] = self._open_sockets(self._process)
        counts = self._services.hear_counts(self._its)
        return Reading({**values, **counts.values}, counts)

    def may_change(self) -> bool:
        """Whether anything in the paused process can still end by itself: another thread, or a child process."""
        if self._process is None:
            return False
        try:
            return self._process.num_threads() > 1 or bool(self._process.children())
        except psutil.Error:
            return False

    def _open_sockets(self, process: psutil.Process) -> int | None:
        """TCP sockets of the process whose other end is a port of the lab's; None if the system does not say."""
        try:
            connections = process.net_connections("tcp")
        except (psutil.Error, OSError):
            return None
        return sum(1 for connection in connections if connection.raddr and connection.raddr.port in self._its.ports)
