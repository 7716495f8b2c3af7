"""What a half makes for a while: its temporary folder, and its shared memory. Both go with it.

The folder of a half holds FILES, which TMPDIR of the half names, and NOTES, in which the worker writes the name of each
piece of shared memory that the half makes or removes: the system does not say afterwards who has made one. In STEPS, it
counts the steps that the half has begun.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from leaklab.system.processes import remove_folder

FILES, NOTES, STEPS = "tmp", "shared", "steps"

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 # where Linux has it (shm_overview(7))


def shared_memory(folder: Path) -> list[str]:
    """The names of the shared memory that is there of what the half with this folder has made."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = (folder / NOTES).read_text(errors="replace").splitlines()
    made: dict[str, int] = {}
    for line in lines:
        name, _, inode = line[1:].rpartition(" ") if line.startswith("+") else (line[1:], "", "")
        made.pop(name, None)
        if line.startswith("+") and inode.isdecimal():
            made[name] = int(inode[:20])
    return [name for name, inode in made.items() if _is_there(name, inode)]


def _is_there(name: str, inode: int) -> bool:
    """Whether this user has shared memory of that name, and it is that very file (0: any)."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        return False
    with contextlib.suppress(OSError):
        status = (SHARED_MEMORY / name).lstat()
        return status.st_uid == os.getuid() and inode in (0, status.st_ino)
    return False


def remove(folder: Path | str) -> None:
    """Remove the folder of a half, and the shared memory that it made."""
    for name in shared_memory(Path(folder)):
        with contextlib.suppress(OSError):
            (SHARED_MEMORY / name).unlink()
    remove_folder(folder)
