"""The probe of a process: reads the operating system's counters of it, by their names in the metrics' table."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from leaklab.system.processes import descendants

Counters = dict[str, float | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family:
    """The processes that the measured one started, and those that they did: how many, and what they hold together.

    `rss` is in bytes, and what they share is counted more than once; `cpu_s` is in CPU seconds.
    """

    processes: int = 0
    rss: int = 0
    threads: int = 0
    cpu_s: float = 0.0


class SystemProbe:
    """Reads the operating system's counters of one process, which has not been reaped.

    Args:
        pid: the process.
        remote_ports: the ports that a counted socket leads to.
        kind: the kind of connections that can lead there, as psutil calls it: `tcp4`, or `tcp` for IPv6 too.
    """

    def __init__(self, pid: int, remote_ports: frozenset[int], kind: str = "tcp4") -> None:
        # Imported here, it is imported while the workers are busy with their own imports.
        import psutil

        self._failures = (psutil.Error, OSError)
        self._process = psutil.Process(pid)
        self._peak_before: int | None = None
        self._remote_ports = remote_ports
        self._kind = kind

    def read(self) -> Counters:
        """Threads, memory and descriptors, which cost little to read; None where the system denies one."""
        process = self._process
        with process.oneshot():
            # One by one: where the system denies one of them, the others stay.
            return {
                "threads": self._tried(process.num_threads),
                "rss": self._tried(lambda: process.memory_info().rss),
                "fds": self._tried(process.num_fds),
            }

    def read_children(self) -> Counters:
        """Processes that it started, directly or not, including those that ended and were not waited for."""
        return {"children": self._tried(lambda: len(descendants(self._process.pid)))}

    def read_sockets(self) -> Counters:
        """TCP sockets of the process whose other end is one of the ports: {} where there are no ports.

        By far the dearest: the system lists every connection of the machine for it (2.7 ms with one socket open, 56 ms
        with 2,000).
        """
        if not self._remote_ports:
            return {}

        def leading_there() -> int:
            connections = self._process.net_connections(self._kind)
            return sum(1 for each in connections if each.raddr and each.raddr.port in self._remote_ports)

        return {"sockets": self._tried(leading_there)}

    def begin_peak(self) -> None:
        """Forget the highest memory so far, such as that of imports."""
        # Where the system does not reset it (proc_pid_clear_refs(5)), only what exceeds it later is a peak.
        with contextlib.suppress(OSError):
            Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
        self._peak_before = self._peak_rss()

    def peak(self) -> dict[str, float]:
        """The highest memory since `begin_peak`, whatever the samples saw: {} where the system keeps none."""
        peak, before = self._peak_rss(), self._peak_before
        return {} if peak is None or before is None or peak <= before else {"rss": peak}

    def _peak_rss(self) -> int | None:
        """Bytes: VmHWM of Linux (proc_pid_status(5))."""
        status = self._tried(Path(f"/proc/{self._process.pid}/status").read_bytes) or b""
        kilobytes = re.search(rb"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
        return int(kilobytes[1]) * 1024 if kilobytes else None

    def address_space(self) -> int | None:
        """Bytes of address space the process has; None if it cannot be read."""
        return self._tried(lambda: self._process.memory_info().vms)

    def family(self) -> Family:
        """What the descendants of the process hold; those that just ended, or may not be read, hold nothing."""
        import psutil

        family = Family()
        for pid in self._tried(lambda: descendants(self._process.pid)) or ():
            with contextlib.suppress(*self._failures):
                child = psutil.Process(pid)
                with child.oneshot():
                    rss, threads, cpu_s = child.memory_info().rss, child.num_threads(), sum(child.cpu_times()[:2])
                family = Family(family.processes + 1, family.rss + rss, family.threads + threads, family.cpu_s + cpu_s)
        return family

    def may_change(self) -> bool:
        """Whether anything in the paused process can still end by itself: another thread, or a child process."""
        process = self._process
        return bool(self._tried(lambda: process.num_threads() > 1 or bool(descendants(process.pid))))

    def _tried(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except self._failures:
            return None
