"""Starting and ending the lab's child processes, and the limits of the machine: the one place that knows the system.

POSIX (Linux, macOS): a child is the leader of a process group of its own, its channel is an inherited socket, and it
limits itself with `setrlimit`. Windows has none of the three: leaklab says so at once (`require_posix`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.errors import MeasureError

if TYPE_CHECKING:
    from pathlib import Path

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment] # Windows


def require_posix() -> None:
    """Raise MeasureError where process groups and inherited channels do not exist."""
    if os.name != "posix":
        raise MeasureError("leaklab measures on Linux and macOS: on Windows, run it inside WSL")


def child_environment() -> dict[str, str]:
    """The environment of a child: this one's, without what would change a measurement.

    Proxies would take loopback requests elsewhere; PYTHON* settings change memory and output.
    """
    kept = {"PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONUSERBASE"}
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and (not name.startswith("PYTHON") or name in kept)
    }
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


@dataclass(slots=True)
class Child:
    """A child process with a channel, and the read end of what it prints."""

    process: subprocess.Popen[bytes]
    channel: socket.socket

    @property
    def pid(self) -> int:
        """The process id, also the id of its process group."""
        return self.process.pid

    @property
    def output(self) -> int:
        """The descriptor that its standard output and error can be read from."""
        assert self.process.stdout is not None  # noqa: S101 # start_child asks for a pipe
        return self.process.stdout.fileno()

    def end(self) -> int:
        """End the whole process group at once, and return the leader's exit code (negative: a signal)."""
        end_group(self.pid)
        code = self.process.wait()
        # What the leader left in its group outlives it: the group's id is still theirs.
        end_group(self.pid)
        self.channel.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def start_child(script: Path) -> Child:
    """Start `script` with this interpreter, in a process group of its own, its channel's descriptor as argument."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", str(script), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env=child_environment(),
        )
    return Child(process, ours)


def end_group(group: int) -> None:
    """Kill every process of the process group `group`; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def descriptor_limit() -> int | None:
    """How many descriptors a process can be allowed to open (the hard limit), None if there is no limit to know of."""
    if resource is None:
        return None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def raise_descriptor_limit() -> None:
    """Raise this process's soft descriptor limit as far as the hard one goes."""
    if resource is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports an infinite hard limit and refuses it as a soft one: 10,240 is its documented OPEN_MAX.
    for wanted in (hard, 10_240):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def limit_names(*, descriptors: int | None = None, address_space: int | None = None) -> Mapping[str, int]:
    """The limits of a half by the names of the system's `resource` module."""
    limits = {"RLIMIT_NOFILE": descriptors, "RLIMIT_AS": address_space, "RLIMIT_CORE": 0}
    return {name: value for name, value in limits.items() if value is not None}
