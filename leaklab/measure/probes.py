"""The probe of a process: reads the operating system's counters of it, by their names in the metrics' table."""

import contextlib
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from leaklab.measure.worker import SHARED_MEMORY
from leaklab.system import connections, temporary
from leaklab.system.process_status import ProcessStatus, fds_of, status_of
from leaklab.system.processes import descendants

Counters = dict[str, float | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family:
    """The processes that the measured one started, and those that they did.

    Attributes:
        running: how many run; None if they could not be counted.
        zombies: how many have ended and were not waited for; None as above.
        memory: bytes that the measured process and these hold together, beyond the RSS of the measured process.
        threads: threads of those that run.
        cpu_s: CPU seconds of all of them.
        unmapped: bytes of `memory` that only descriptors hold.
    """

    running: int | None = 0
    zombies: int | None = 0
    memory: int = 0
    threads: int = 0
    cpu_s: float = 0.0
    unmapped: int = 0


SHARED_FILES = ("/memfd:", SHARED_MEMORY)
"""How Linux names a descriptor of shared memory (memfd_create(2), shm_overview(7))."""

BLOCK = 512
"""Bytes of a block, of which `st_blocks` counts how many a file takes on the disk (inode(7))."""


def leaves(folder: Path) -> tuple[int, int]:
    """Files and empty folders below `folder`, and bytes that they take on the disk; links are not followed."""
    count = size = 0
    folders = [os.fspath(folder)]
    for at in folders:
        files: list[str] = []
        inside: list[str] = []
        # One that cannot be read counts as empty, and a file may be gone by now.
        with contextlib.suppress(OSError), os.scandir(at) as entries:
            for each in entries:
                (inside if each.is_dir(follow_symlinks=False) else files).append(each.path)
        folders += inside
        for path in files if files or inside or at == folders[0] else [at]:
            with contextlib.suppress(OSError):
                size += os.lstat(path).st_blocks * BLOCK
                count += 1
    return count, size


class SystemProbe:
    """Reads the operating system's counters of one process, which has not been reaped.

    Args:
        pid: the process.
        remote_ports: the ports that a counted socket leads to.
        kind: the kind of connections that can lead there, as psutil calls it: `tcp4`, or `tcp` for IPv6 too.
        folder: what it makes for a while (`leaklab.system.temporary`); None if that is not known.
    """

    def __init__(self, pid: int, remote_ports: frozenset[int], kind: str = "tcp4", folder: Path | None = None) -> None:
        self._pid = pid
        self._peak_before: int | None = None
        self._remote_ports = remote_ports
        self._kind = kind
        self._folder = folder
        self._shared_before: int | None = None
        self._other_sockets: set[int] = set()

    def read(self) -> Counters:
        """Threads, memory and descriptors, which cost little to read; None where the system denies one."""
        status = self._status()
        return {
            "threads": None if status is None else status.threads,
            "rss": None if status is None else status.rss,
            # The system may deny them although it says the rest.
            "fds": None if status is None else _tried(lambda: fds_of(self._pid)),
        }

    def _status(self) -> ProcessStatus | None:
        status = _tried(lambda: status_of(self._pid))
        return None if status is None or status.is_zombie else status

    def read_files(self) -> Counters:
        """Temporary files and bytes of the disk that they take, shared memory: {} where the folder is not known."""
        if self._folder is None:
            return {}
        files, size = leaves(self._folder / temporary.FILES)
        return {"files": files, "file_bytes": size, "shared": len(temporary.shared_memory(self._folder))}

    def read_sockets(self) -> Counters:
        """TCP sockets of the process whose other end is one of the ports: {} where there are no ports.

        `close_wait` are those of them that the other end has closed and the process has not (tcp(7)). By far the
        dearest: each descriptor of the process is looked at.
        """
        if not self._remote_ports:
            return {}
        found = _tried(self._socket_states) or _tried(self._socket_states_elsewhere)
        if found is None:
            return {"sockets": None}
        closing, count, fds = found
        return {"sockets": count, "own_sockets": count, "close_wait": closing, "fds": fds}

    def _socket_states(self) -> tuple[int, int, int]:
        """How many sockets wait to be closed, how many there are, how many descriptors: on Linux."""
        families = (socket.AF_INET,) if self._kind == "tcp4" else (socket.AF_INET, socket.AF_INET6)
        states, fds = connections.states(self._pid, self._remote_ports, families, self._other_sockets)
        return states.count(connections.CLOSE_WAIT), len(states), fds

    def _socket_states_elsewhere(self) -> tuple[int, int, int]:
        """The same where the system cannot be asked for some ports only."""
        states = connections.states_elsewhere(self._pid, self._remote_ports, self._kind)
        return states.count("CLOSE_WAIT"), len(states), fds_of(self._pid)

    def begin_peak(self) -> None:
        """Forget the highest memory so far, such as that of imports."""
        # Where the system does not reset it (proc_pid_clear_refs(5)), only what exceeds it later is a peak.
        with contextlib.suppress(OSError):
            Path(f"/proc/{self._pid}/clear_refs").write_text("5")
        self._peak_before = self._peak_rss()

    def peak(self) -> dict[str, float]:
        """The highest memory since `begin_peak`, whatever the samples saw: {} where the system keeps none."""
        peak, before = self._peak_rss(), self._peak_before
        return {} if peak is None or before is None or peak <= before else {"rss": peak}

    def _peak_rss(self) -> int | None:
        """Bytes: VmHWM of Linux (proc_pid_status(5))."""
        status = _tried(Path(f"/proc/{self._pid}/status").read_bytes) or b""
        kilobytes = re.search(rb"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
        return int(kilobytes[1]) * 1024 if kilobytes else None

    def address_space(self) -> int | None:
        """Bytes of address space the process has; None if it cannot be read."""
        status = self._status()
        return None if status is None else status.address_space

    def family(self, unmapped: int | None = None) -> Family:
        """The descendants of the process; one that just ended, or may not be read, holds nothing.

        `unmapped` is what was last read of shared memory that only descriptors hold; None to read it, which is dear.
        """
        found = _tried(lambda: descendants(self._pid))
        if found is None:
            return Family(None, None)
        running, zombies, threads, memory, cpu_s = [self._pid], 0, 0, 0, 0.0
        for pid in found:
            try:
                child = status_of(pid)
            except PermissionError:
                running.append(pid)
                continue
            except OSError:
                continue
            cpu_s += child.cpu_s
            if child.is_zombie:
                zombies += 1
                continue
            running.append(pid)
            memory += mapped_by(pid).get("Pss") or child.rss
            threads += child.threads
        if len(running) > 1 or self._shared_before is None:
            memory = max(0, memory - self._shared())
        held = self._unmapped(running) if unmapped is None else unmapped
        return Family(len(running) - 1, zombies, memory + held, threads, cpu_s, held)

    def cpu_wait(self) -> float | None:
        """Seconds that its threads could have run, and waited for a processor; None where the system does not say.

        Source: Linux kernel documentation, "Scheduler Statistics", /proc/<pid>/schedstat. What threads waited that
        have ended is not in it.
        """
        waited: list[int] = []
        for path in Path(f"/proc/{self._pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                waited.append(int(path.read_bytes().split()[1]))
        return sum(waited) / 1e9 if waited else None

    def may_change(self) -> bool:
        """Whether anything in the paused process can still end by itself: another thread, or a running child."""
        status = self._status()
        return (status is not None and status.threads > 1) or bool(self.family().running)

    def _shared(self) -> int:
        """Bytes of the process's RSS that its family shares, and that are in the PSS of the others, too.

        What it shared at the first look is shared with strangers: the pages of libraries.
        """
        mapped = mapped_by(self._pid)
        shared = mapped.get("Rss", 0) - mapped.get("Pss", 0)
        if self._shared_before is None:
            self._shared_before = shared
        return max(0, shared - self._shared_before)

    def _unmapped(self, pids: list[int]) -> int:
        """Bytes of shared memory that these processes hold by a descriptor, and that none of them has mapped."""
        held: dict[tuple[int, int], int] = {}
        for pid in pids:
            # One that is closed meanwhile ends the look at this process: that happens only while it runs.
            with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
                for each in descriptors:
                    if os.readlink(each.path).startswith(SHARED_FILES):  # noqa: PTH115 # thousands of them
                        file = os.stat(each.path)  # noqa: PTH116 # as above
                        held[file.st_dev, file.st_ino] = file.st_blocks * BLOCK
        if not held:
            return 0
        return max(0, sum(held.values()) - sum(mapped_by(pid).get("Pss_Shmem", 0) for pid in pids))


def mapped_by(pid: int) -> dict[str, int]:
    """Bytes that a process has mapped, by kind (proc_pid_smaps(5)): {} where the system does not say."""
    text = (_tried(Path(f"/proc/{pid}/smaps_rollup").read_bytes) or b"").decode()
    return {kind: int(size) * 1024 for kind, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}


def _tried(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except OSError:
        return None
