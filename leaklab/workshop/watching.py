"""Waits for a file to be saved and for keys to be pressed, for `leaklab watch`."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

try:
    import termios
    import tty
except ImportError:
    termios = None  # type: ignore[assignment] # Windows

POLL_MS = 100
"""Milliseconds between two reads of the keyboard."""

SETTLED_MS = 20
"""Milliseconds without a change after which a save is over: an editor writes a file in one go."""

SAVED = "saved"
"""The event of a file that may have changed; every other event is a key."""

HUNG_UP = "\x04"
"""Ctrl-D; also the event when the terminal is gone."""


class Keys:
    """The keys pressed on standard input, without Enter; none if it is not a terminal, which is restored on exit."""

    def __init__(self) -> None:
        self._fd: int | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if termios is not None and sys.stdin.isatty():
                self._fd = sys.stdin.fileno()

    def __enter__(self) -> Self:
        if self._fd is not None:
            self._before = termios.tcgetattr(self._fd)
            self._take()
            # A shell takes the terminal back while the program is stopped by Ctrl-Z.
            self._continued = signal.signal(signal.SIGCONT, lambda *_: self._take())
        return self

    def _take(self) -> None:
        """Have each key at once. Not raw: Ctrl-C stays a signal, and output needs no carriage returns."""
        if self._fd is not None:
            with contextlib.suppress(termios.error):
                tty.setcbreak(self._fd, termios.TCSADRAIN)

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            signal.signal(signal.SIGCONT, self._continued)
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    @property
    def there(self) -> bool:
        """Whether there is a keyboard."""
        return self._fd is not None

    def pressed(self) -> str:
        """The keys pressed since the last call, in order; empty if none."""
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


def events(file: Callable[[], Path], keys: Keys, *, poll: bool = False) -> Iterator[str]:
    """SAVED once at the start and whenever the file was written, renamed into place or removed; and each key.

    `file` names it, and may name another one of that folder later; that counts as saved.
    Events while the caller is busy are not lost: they follow afterwards, several saves as one. The folder is watched,
    because editors that save by renaming replace the file; with `poll`, it is polled, for file systems that do not
    report changes (network, containers).
    """
    from watchfiles import watch

    changes = watch(
        file().absolute().parent,
        watch_filter=lambda _, path: Path(path).name == file().name,
        step=SETTLED_MS,
        rust_timeout=POLL_MS,
        yield_on_timeout=True,
        force_polling=True if poll else None,
        recursive=False,
    )
    # The watch starts here, so a save during the first check is not missed.
    next(changes)
    known = _version(file())
    yield SAVED
    for changed in changes:
        # When it polls, watchfiles compares whole seconds; a second save within one is noticed here.
        if changed or _version(file()) != known:
            known = _version(file())
            yield SAVED
        yield from keys.pressed()


def _version(file: Path) -> tuple[int, ...]:
    """What differs from one save to the next, without reading the file; empty if there is no file."""
    try:
        stat = file.stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
