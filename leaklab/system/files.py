"""Reads and writes files in folders that others write in, too: whole or not at all, and no other file is touched."""

import contextlib
import errno
import os
import re
import stat
from pathlib import Path

from leaklab.system.interrupts import held_back

LONGEST_FILE = 2**20
"""Bytes of a file that people write by hand, at most."""

TOKEN = 8
"""Random bytes in the name of a file that is being written."""

MODE = 0o644
"""The permissions of what is written, from which the system takes the umask."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFLNK: "a link",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FLAGS = {name: getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY")}
"""Flags of open(2) that Windows has not."""


def open_to_read(path: Path, *, follow: bool = True) -> int:
    """A descriptor of what is at a path, opened without waiting for anything. Raises OSError if it cannot be."""
    links = 0 if follow else _FLAGS["O_NOFOLLOW"]
    return os.open(path, os.O_RDONLY | links | _FLAGS["O_NONBLOCK"] | _FLAGS["O_CLOEXEC"] | _FLAGS["O_NOCTTY"])


def read_regular(path: Path, *, follow: bool = True) -> bytes:
    """The content of a regular file, without waiting for anything: a FIFO or a device could make one wait for ever.

    Raises OSError, whose `strerror` says in words why it is not read: it is not there, it is something else, it is a
    link and those are not to be followed, or it has more than LONGEST_FILE bytes.
    """
    try:
        descriptor = open_to_read(path, follow=follow)
    except OSError as error:
        # A socket cannot be opened, nor can a link that is not followed.
        try:
            status = (os.stat if follow else os.lstat)(path)
        except OSError:
            raise error from None
        _refuse_other_than_regular(status, path)
        raise
    try:
        _refuse_other_than_regular(os.fstat(descriptor), path)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(LONGEST_FILE + 1)
    finally:
        os.close(descriptor)
    if len(data) > LONGEST_FILE:
        raise OSError(errno.EFBIG, f"it has more than {LONGEST_FILE:,} bytes", str(path))
    return data


def _refuse_other_than_regular(status: os.stat_result, path: Path) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, not a regular file", str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path`: a reader finds the old content or the new, whole.

    Raises OSError if it cannot be written: then the old content is kept, and nothing else is left.
    """
    beside = path.with_name(f"{_unfinished(path)}{os.urandom(TOKEN).hex()}.tmp")
    with held_back():
        create_whole(beside, data)
        try:
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    # The new name is on disk only when the folder is.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def why_not_writable(path: Path | str) -> str | None:
    """Why no file can be written at a path, or none is to be: it is something else. None if it seems to be possible."""
    path = os.path.realpath(path)
    folder = os.path.dirname(path)  # noqa: PTH120 # unlike pathlib, os.path raises nothing where it may not look
    try:
        os.lstat(path)
        if not os.path.isfile(path):  # noqa: PTH113 # the same
            return "this is not a regular file. Choose another name."
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return f"{error.strerror}. Choose another name."
    if not os.path.isdir(folder):  # noqa: PTH112 # the same
        return f"there is no folder {folder}. Create it first."
    return None if os.access(folder, os.W_OK) else f"you may not write in {folder}. Choose another folder."


def remove_unfinished(path: Path) -> None:
    """Remove what writers of `path` left that were killed; for one who knows that there is no other writer now."""
    begin = re.escape(_unfinished(path))
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):  # noqa: PTH208 # a list, as it changes
            if re.fullmatch(rf"{begin}[0-9a-f]{{{2 * TOKEN}}}\.tmp", name):
                with contextlib.suppress(OSError):
                    path.with_name(name).unlink()


def _unfinished(path: Path) -> str:
    """What the names of files begin with that are to become `path`, within the 255 bytes that a name may have."""
    return f".{os.fsdecode(os.fsencode(path.name)[:200])}."


def create_whole(path: Path, data: bytes) -> None:
    """Make the file `path`, where there must be none, not even a link.

    Raises FileExistsError if there is one, and OSError if it cannot be written whole: then it is removed again.
    """
    with held_back():
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS["O_NOFOLLOW"] | _FLAGS["O_CLOEXEC"], MODE
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
