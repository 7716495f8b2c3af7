"""What this machine has, and what a process of this user may have of it: descriptors, memory, threads.

Only `fd_limits` and the memory can be asked for on Windows: measuring is refused there before.
"""

from __future__ import annotations

import contextlib
import sys
from functools import cache

from leaklab.system.limits import MEMORY_SHARE
from leaklab.system.process_status import memory_available

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment] # Windows


MACOS_DESCRIPTORS = 10_240
"""macOS reports an infinite hard limit of descriptors and refuses it as a soft one: this is its documented OPEN_MAX."""


def fd_limits() -> tuple[int | None, int | None]:
    """How many descriptors a process may open: as it is started (soft), and at most (hard); None is no limit."""
    if resource is None:
        return None, None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    most = MACOS_DESCRIPTORS if sys.platform == "darwin" else None
    return None if soft == unlimited else soft, most if hard == unlimited else hard


@cache
def initial_fd_limit() -> int | None:
    """How many descriptors a process may open here, as this one was started; None is no limit."""
    return fd_limits()[0]


FEW_FDS = 256
"""Descriptors that leave no room for what is only started because it may be needed."""


def has_few_fds() -> bool:
    """Whether a process may open so few descriptors that only what is needed is to be started."""
    most = fd_limits()[1]
    return most is not None and most < FEW_FDS


CONTROL_GROUP = "/sys/fs/cgroup"
"""Where a container sees its own control group (Linux kernel documentation, "Control Group v2")."""


def free_memory() -> int:
    """Bytes that can be had without swapping: what the machine has free, or what this container still allows."""
    allowed = cgroup_memory_available(CONTROL_GROUP)
    free = memory_available()
    return free if allowed is None else min(free, allowed)


def most_memory() -> int:
    """Bytes that a half may hold now by default."""
    return int(free_memory() * MEMORY_SHARE)


def cgroup_memory_available(folder: str) -> int | None:
    """Bytes that the control group at `folder` still allows, None if it sets no limit.

    Source: Linux kernel documentation, "Control Group v2": memory.max, memory.current; memory.stat's inactive_file is
    cache that is given back before anything is refused.
    """
    try:
        most, current = int(_text(f"{folder}/memory.max")), int(_text(f"{folder}/memory.current"))
        stat = dict(line.split() for line in _text(f"{folder}/memory.stat").splitlines())
        return max(0, most - current + int(stat.get("inactive_file", 0)))
    except (OSError, ValueError):
        return None


def thread_limit() -> int | None:
    """How many threads this user's processes may have in all, None if the system does not say.

    The least of RLIMIT_NPROC (getrlimit(2)), the kernel's threads-max (proc(5)) and the control group's pids.max
    (Linux kernel documentation, cgroup-v2).
    """
    limits = [resource.getrlimit(resource.RLIMIT_NPROC)[0]]
    for path in ("/proc/sys/kernel/threads-max", f"{CONTROL_GROUP}/pids.max"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(_text(path)))
    return min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=None)


def raise_fd_limit() -> None:
    """Raise this process's soft descriptor limit as far as the hard one goes."""
    initial_fd_limit()  # what it was is known from here on
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, MACOS_DESCRIPTORS):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def resource_limits(
    *, fds: int | None = None, address_space: int | None = None, file_size: int | None = None
) -> dict[str, int]:
    """The limits of a half by the names of the system's `resource` module."""
    limits = {"RLIMIT_NOFILE": fds, "RLIMIT_AS": address_space, "RLIMIT_FSIZE": file_size, "RLIMIT_CORE": 0}
    return {name: value for name, value in limits.items() if value is not None}


def _text(path: str) -> str:
    with open(path, encoding="ascii") as file:  # noqa: PTH123 # pathlib is an import that every child would pay for
        return file.read()
