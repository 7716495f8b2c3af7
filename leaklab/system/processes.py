"""Starting and ending the lab's child processes, and who descends from whom.

POSIX (Linux, macOS): a child is the leader of a process group of its own, its channel is an inherited socket, and it
limits itself with `setrlimit`. Windows has none of the three, and `require_posix` refuses it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.errors import MeasureError
from leaklab.system.process_status import (
    all_pids,
    asking_psutil,
    command_of,
    environment_of,
    reads_proc,
    status_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def require_posix() -> None:
    """Raise MeasureError where process groups and inherited channels do not exist."""
    if os.name != "posix":
        raise MeasureError("leaklab measures on Linux and macOS: on Windows, run it inside WSL")


MARK = "LEAKLAB_CHILD"
"""The environment variable that marks the descendants of one child of the lab, whatever group they are in."""


def child_environment() -> dict[str, str]:
    """The environment of a child: this one's, without what would change a measurement.

    Proxies would take loopback requests elsewhere; PYTHON* settings change memory and output.
    """
    kept = {"PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONUSERBASE"}
    environment = {
        name: value
        # Another thread may be changing it: pytest names the current test in it.
        for name in list(os.environ)
        if not name.lower().endswith("_proxy") and (not name.startswith("PYTHON") or name in kept)
        if (value := os.environ.get(name)) is not None
    }
    environment["PYTHONUNBUFFERED"] = "1"
    # macOS has proxies in its system settings too; this keeps loopback out of them.
    environment["NO_PROXY"] = "127.0.0.1,localhost"
    return environment


def importing_from(folder: Path) -> dict[str, str]:
    """What to add to a child's environment so that it can import the modules in `folder`, and leaves no file there."""
    paths = [str(folder), child_environment().get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONDONTWRITEBYTECODE": "1"}


READ_WITHIN_S = 30.0
"""Seconds in which a child must read a message; it is only exceeded if the child reads nothing at all."""


@dataclass(slots=True)
class Child:
    """A child process, leader of its process group.

    Attributes:
        process: the child; its standard output and error are a pipe.
        channel: our end of the socket.
        mark: the value of MARK in its environment and in that of all it starts.
    """

    process: subprocess.Popen[bytes]
    channel: socket.socket
    mark: str

    @property
    def pid(self) -> int:
        """The process id, also the id of its process group."""
        return self.process.pid

    @property
    def output(self) -> int:
        """The descriptor that its standard output and error can be read from."""
        assert self.process.stdout is not None  # noqa: S101 # start_child asks for a pipe
        return self.process.stdout.fileno()

    def send(self, message: Mapping[str, object], within_s: float = READ_WITHIN_S) -> None:
        """Send one message over the channel, as a line of JSON.

        Raises OSError if the channel is closed, and TimeoutError, which is one, if the child does not read it.
        """
        self.channel.settimeout(within_s)
        self.channel.sendall(json.dumps(message).encode() + b"\n")

    def ended(self, within_s: float) -> int | None:
        """Its exit code (negative: a signal) if it ends within so many seconds, None if it does not."""
        return exit_code_of(self.process, within_s)

    def end_alone(self) -> int:
        """End the child, which has started no other process, and return its exit code (negative: a signal)."""
        self.process.kill()
        # Popen's own end: it waits, and closes the pipe.
        with self.process, self.channel:
            return self.process.wait()

    def end(self) -> int:
        """End the child and all it started, and return its exit code (negative: a signal)."""
        end_family(self.pid, self.mark, waited_for=self.process.returncode is not None)
        return self.end_alone()


def exit_code_of(process: subprocess.Popen[bytes], within_s: float) -> int | None:
    """The exit code of a child (negative: a signal) if it ends within so many seconds, None if it does not.

    Its number, and that of its group, stay its own: the child is not reaped yet, where the system can report this
    without (macOS before Python 3.13 cannot).
    """
    if not hasattr(os, "waitid"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(within_s)
        return None
    until = time.monotonic() + within_s
    while process.returncode is None:
        told = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if told is not None:
            return told.si_status if told.si_code == os.CLD_EXITED else -told.si_status
        if (left_s := until - time.monotonic()) <= 0:
            return None
        _wait_for_end(process.pid, left_s)
    return process.returncode


def _wait_for_end(pid: int, within_s: float) -> None:
    """Wait until a process may have ended: on Linux until it has, or so many seconds; elsewhere a moment."""
    if not hasattr(os, "pidfd_open"):
        time.sleep(min(within_s, 0.005))
        return
    process = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(process, select.POLLIN)
        ended.poll(within_s * 1000)
    finally:
        os.close(process)


def start_child(script: Path, **environment: str) -> Child:
    """Start `script` with this interpreter, as `start_command` does."""
    return start_command((sys.executable, "-P", str(script)), **environment)


def start_command(command: Sequence[str], dropped: str = "", **environment: str) -> Child:
    """Start a command in a process group of its own, its channel's descriptor as last argument.

    `environment` is added to `child_environment`, from which variables go that begin with `dropped`, if it is given.
    """
    inherited = {
        name: value for name, value in child_environment().items() if not dropped or not name.startswith(dropped)
    }
    ours, theirs = socket.socketpair()
    mark = os.urandom(16).hex()
    with contextlib.ExitStack() as undo, theirs:
        undo.callback(ours.close)
        process = subprocess.Popen(
            [*command, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env={**inherited, **environment, MARK: mark},
        )
        undo.pop_all()
    return Child(process, ours, mark)


SEARCH_S = 1.0
"""Seconds after which descendants that no look finds are no longer looked for; one that is found is still ended."""


def end_family(group: int, mark: str, *, waited_for: bool = False) -> None:
    """Kill every process of the process group `group`, what its leader started, and what bears `mark`.

    With `waited_for`, the leader was reaped already: its number may belong to another process by now.
    """
    if not waited_for:
        started: list[int] = []
        with contextlib.suppress(OSError):
            started = descendants(group)
        if trackers := _trackers(group):
            for pid in {group, *started, *_members(group)} - trackers:
                kill(pid)
            until = time.monotonic() + TRACKERS_S
            while time.monotonic() < until and not all(map(_has_ended, trackers)):
                time.sleep(0.005)
        for pid in (-group, *started):
            kill(pid)
    known_zombies = {group}
    until = time.monotonic() + SEARCH_S
    while True:
        found, ended = _look_for(mark)
        for pid in found - {group}:
            kill(pid)
        # What ended while it was looked for may have started another just before: then look again. On a machine where
        # processes come and go all the time, that alone does not justify another look.
        if found <= {group} and (ended <= known_zombies or time.monotonic() > until):
            return
        known_zombies |= ended


def _members(group: int) -> set[int]:
    """The processes of a process group."""
    found: set[int] = set()
    for pid in all_pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == group:
                found.add(pid)
    return found


TRACKERS_S = 2.0
"""Seconds that a resource tracker is given to clean up."""


def _trackers(group: int) -> set[int]:
    """The processes of a group that clean up what Python's multiprocessing left in shared memory, when all others end.

    Source: multiprocessing/resource_tracker.py, whose name is in their command line.
    """
    found: set[int] = set()
    unknown = _members(group) - {group}
    until = time.monotonic() + TRACKERS_S
    while unknown and time.monotonic() < until:
        for pid in sorted(unknown):
            command: bytes | None = None
            with contextlib.suppress(OSError):
                command = command_of(pid)
            # While a process is on its way from fork to its program, the system has no command line of it.
            if command or command is None or _has_ended(pid):
                unknown.discard(pid)
            if command and b"multiprocessing.resource_tracker" in command:
                found.add(pid)
        time.sleep(0.002 if unknown else 0)
    return found


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie."""
    try:
        return status_of(pid).is_zombie
    except (ProcessLookupError, FileNotFoundError):
        return True
    except PermissionError:
        return False


def signal_name(number: int) -> str:
    """What a signal is called; real-time signals have numbers only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def kill(pid: int) -> None:
    """Kill a process, or with a negative number a process group (kill(2)); it may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def remove_folder(folder: Path | str) -> None:
    """Remove a folder with all that is in it, also what may not be written; links are not followed."""
    import shutil

    with contextlib.suppress(RecursionError):
        for at, folders, _ in os.walk(folder):
            for path in (os.path.join(at, name) for name in folders):  # noqa: PTH118 # imports
                # Who may not write in a folder may remove nothing from it.
                with contextlib.suppress(OSError):
                    if not os.path.islink(path):  # noqa: PTH114 # imports
                        os.chmod(path, 0o700)  # noqa: PTH101 # imports
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        # Folders in folders, deeper than Python can go, or than a path can be long.
        with contextlib.suppress(OSError):
            subprocess.run(["rm", "-rf", "--", folder], stderr=subprocess.DEVNULL, check=False)  # noqa: S607 # POSIX has it


def _look_for(mark: str) -> tuple[set[int], set[int]]:
    """The processes that were started, directly or not, by the child with this mark; and those that have ended."""
    found: set[int] = set()
    ended: set[int] = set()
    variable = f"{MARK}={mark}".encode()
    for pid in all_pids():
        with contextlib.suppress(PermissionError):
            try:
                if variable in environment_of(pid):
                    found.add(pid)
            except (ProcessLookupError, FileNotFoundError):
                # A thread of the kernel has no environment, and goes on.
                if _has_ended(pid):
                    ended.add(pid)
    return found, ended


def descendants(pid: int) -> list[int]:
    """The processes that `pid` started, directly or not, zombies included.

    Linux names the children of every thread (proc(5), /proc/pid/task/tid/children), at a tenth of what it costs to
    look through all processes, as is done elsewhere.

    Raises:
        OSError: there is no process `pid`, or it may not be looked at.
    """
    if not reads_proc() or not os.path.exists(CHILDREN.format(pid=os.getpid(), tid=os.getpid())):  # noqa: PTH110 # imports
        with asking_psutil() as psutil:
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 # imports
    family = [pid]
    for parent in family:
        # A child that ends meanwhile has none of its own any more.
        with contextlib.suppress(OSError):
            for tid in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208 # imports
                with contextlib.suppress(OSError), open(CHILDREN.format(pid=parent, tid=tid), encoding="ascii") as file:  # noqa: PTH123 # imports
                    family += [int(child) for child in file.read().split()]
    return family[1:]


CHILDREN = "/proc/{pid}/task/{tid}/children"
