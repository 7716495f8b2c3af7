"""What a half makes for a while: its temporary folder, and its shared memory. Both go with it.

The folder of a half holds FILES, which TMPDIR of the half names, and NOTES, in which the worker writes the name of each
piece of shared memory that the half makes: the system does not say afterwards who has made one. PROGRAM is the folder
of a program that is run in the place of the half's file.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from leaklab.system.processes import remove_folder

FILES, NOTES, PROGRAM = "tmp", "shared", "program"

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 # where Linux has it (shm_overview(7))


def shared_memory(folder: Path) -> dict[str, int]:
    """The shared memory that is there of what the half with this folder has made: bytes of memory, by name."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = (folder / NOTES).read_text(errors="replace").splitlines()
    return {name: size for name in dict.fromkeys(names) if (size := _size(name)) is not None}


def shared_memory_there() -> frozenset[str]:
    """The names of all shared memory of this user that is there now."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = os.listdir(SHARED_MEMORY)  # noqa: PTH208 # names are all that is wanted
    return frozenset(name for name in names if _size(name) is not None)


def shared_memory_of(pids: Iterable[int]) -> set[str]:
    """The names of the shared memory that these processes have open or mapped."""
    held: set[str] = set()
    for pid in pids:
        for path in _files_of(pid):
            if (found := re.fullmatch(rf"{SHARED_MEMORY}/([^/]+)", path)) is not None:
                held.add(found[1])
    return held


def _files_of(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
            yield line[73:]
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for each in descriptors:
            with contextlib.suppress(OSError):
                yield os.readlink(each.path)  # noqa: PTH115 # thousands of them


def _size(name: str) -> int | None:
    """Bytes of memory that a piece of shared memory takes; None if this user has none of that name."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        return None
    with contextlib.suppress(OSError):
        status = (SHARED_MEMORY / name).lstat()
        if status.st_uid == os.getuid():
            return status.st_blocks * 512
    return None


def remove(folder: Path | str, also: Iterable[str] = ()) -> None:
    """Remove the folder of a half, and the shared memory that it made or that is called as in `also`."""
    for name in {*shared_memory(Path(folder)), *(name for name in also if _size(name) is not None)}:
        with contextlib.suppress(OSError):
            (SHARED_MEMORY / name).unlink()
    remove_folder(folder)
