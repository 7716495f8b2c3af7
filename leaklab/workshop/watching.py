"""Waits for a file to be saved, and for keys: what `leaklab watch` goes by."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

try:
    import termios
    import tty
except ImportError:
    termios = None  # type: ignore[assignment] # Windows

LOOK_MS = 100
"""Milliseconds between two looks at the keyboard."""

SAVED = "saved"
"""What `events` says when the file may have changed; everything else that it says is a key."""

HUNG_UP = "\x04"
"""Ctrl-D, and the key that is told when the terminal is gone."""


class Keys:
    """The keys pressed on standard input, one at a time, without Enter; none if that is no terminal.

    A context manager: at its end the terminal is as it was.
    """

    def __init__(self) -> None:
        self._fd: int | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if termios is not None and sys.stdin.isatty():
                self._fd = sys.stdin.fileno()

    def __enter__(self) -> Self:
        if self._fd is not None:
            self._before = termios.tcgetattr(self._fd)
            # Not raw: Ctrl-C stays a signal, and what is printed needs no carriage returns.
            tty.setcbreak(self._fd, termios.TCSADRAIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    @property
    def there(self) -> bool:
        """Whether there is a keyboard."""
        return self._fd is not None

    def pressed(self) -> str:
        """The keys pressed since the last look, in order; empty if none."""
        pressed = ""
        while self._fd is not None and select.select([self._fd], [], [], 0)[0]:
            try:
                data = os.read(self._fd, 64)
            except OSError:
                data = b""
            if not data:
                self._fd = None
                return pressed + HUNG_UP
            pressed += data.decode(errors="replace")
        return pressed


def events(file: Path, keys: Keys, *, poll: bool = False) -> Iterator[str]:
    """SAVED once at the start and whenever `file` was written, renamed into place or taken away; and each key.

    What happens while the caller is busy is not lost: it is told afterwards, several saves as one. The folder is
    watched, as editors that save by renaming put another file in the place of the first.

    Args:
        file: what is watched.
        keys: where keys come from.
        poll: look at the folder again and again, where the file system tells of no changes (network, containers).
    """
    from watchfiles import watch

    name = file.name
    changes = watch(
        file.absolute().parent,
        watch_filter=lambda _, path: Path(path).name == name,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        force_polling=True if poll else None,
        recursive=False,
    )
    # The watch begins with its first look: nothing that is saved after the first check began is missed.
    next(changes)
    known = _looks(file)
    yield SAVED
    for changed in changes:
        # Where watchfiles polls, it compares whole seconds: what is saved twice within one is seen here.
        if changed or _looks(file) != known:
            known = _looks(file)
            yield SAVED
        yield from keys.pressed()


def _looks(file: Path) -> tuple[int, ...]:
    """What tells one saved file from the next without reading it; empty if there is none."""
    try:
        stat = file.stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
