"""Counts every connection that a program opens, also those between two samples; and knows where it cannot.

A program says which it opens, by a hook in Python, a shim before libc, or strace. Each of its processes has to have
said hello: one that has not opens connections that nothing sees, and then the count is unknown, never 0.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.errors import MeasureError, UsageError
from leaklab.system.process_status import command_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from leaklab.measure.program import MeasuredProgram
    from leaklab.measure.tree import TreeReading

SHIM = Path(__file__).with_name("connect_shim.c")

EVENTS = "LEAKLAB_EVENTS"
"""The environment variable that names the file of what a program says."""

COUNTER = "connections"
"""What is counted, by the name of the metrics' table."""

GO = b"\xff Go buildinf:"
"""What a program has in it that Go built (package debug/buildinfo): it makes its system calls without libc."""

PYTHON_SHEBANG = re.compile(rb"#!\s*(?:\S*/env\s+(?:-S\s+)?)?\S*?python[\d.]*\b")

STRACED = re.compile(rb"connect\(\d+<TCP(?:v6)?:\[((?:(?!->).)*?)\]>,")
"""A line of strace -yy: the inode of the socket, or its own end. One with both ends tries again what it has tried."""

STARTED = 0
"""Stands for the number of a process that was started, and of which nothing else is known."""

LISTEN_S = 0.1
"""Seconds that are waited at a sample for a process to say hello."""

HELLO_S = 2.0
"""Seconds that a process is given to say hello: until then it may still be starting."""


class Way(StrEnum):
    """A way to count connections."""

    HOOK = "hook"
    PRELOAD = "preload"
    STRACE = "strace"
    NONE = "none"


MEANS = {
    Way.HOOK: "an audit hook in Python",
    Way.PRELOAD: "a shim before libc (LD_PRELOAD)",
    Way.STRACE: "strace",
}


def resolved(command: Sequence[str]) -> str:
    """The path of the program that a command starts. Raises UsageError if there is none."""
    found = shutil.which(command[0])
    if found is None:
        there, why = Path(command[0]), "it was not found"
        if not command[0]:
            why = "it is empty"
        elif there.exists():
            why = "it is a folder" if there.is_dir() else "it may not be executed"
        raise UsageError(f"{command[0]!r} is no command: {why}. Write the command as you would without leaklab.")
    return found


def is_python(program: str) -> bool:
    """Whether a program is Python, or a script that Python runs."""
    if re.fullmatch(r"python[\d.]*", Path(os.path.realpath(program)).name):
        return True
    with contextlib.suppress(OSError), open(program, "rb") as file:  # noqa: PTH123 # its first line only
        return PYTHON_SHEBANG.match(file.read(256)) is not None
    return False


def choose(wish: str, program: str) -> tuple[Way, str]:
    """The way to count the connections of a program; and if there is none, why. Raises UsageError or MeasureError.

    `auto` is the hook for Python, and for other programs the shim, where there is a compiler for it.
    """
    if wish == "auto":
        return _best(program)
    if wish not in [*Way]:
        raise UsageError(f"--count {wish}: choose auto, {', '.join(Way)}")
    way = Way(wish)
    if way is not Way.NONE and sys.platform != "linux":
        raise UsageError(f"--count {wish}: connections are counted on Linux only. Leave --count out.")
    if way is Way.HOOK and not is_python(program):
        raise UsageError(f"--count hook: {program} is not a Python program. Try --count preload.")
    if way is Way.STRACE and shutil.which("strace") is None:
        raise MeasureError("--count strace: strace is not installed. Install it, or leave --count out.")
    if way is Way.PRELOAD and _compiler() is None:
        raise MeasureError("--count preload: there is no C compiler (cc). Install one, or leave --count out.")
    return way, "" if way is not Way.NONE else "--count none"


def _best(program: str) -> tuple[Way, str]:
    """The way that counts most of a program, of those that do not slow it down; and if there is none, why."""
    if sys.platform != "linux":
        return Way.NONE, "they are counted on Linux only"
    if is_python(program):
        return Way.HOOK, ""
    if _compiler() is None:
        return Way.NONE, "there is no C compiler for the shim that would count them"
    if not _loads_libc(program):
        return Way.NONE, f"{Path(program).name} does not use libc for them; --count strace may count them"
    try:
        shim()
    except MeasureError as error:
        return Way.NONE, str(error)
    return Way.PRELOAD, ""


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def _loads_libc(program: str) -> bool:
    """Whether a program is linked dynamically and was not built by Go; a script is run by one that is, as a rule."""
    with contextlib.suppress(OSError, ValueError), _mapped(program) as image:
        return image[:4] != b"\x7fELF" or (image.find(b"ld-", 0, 1 << 14) >= 0 and image.find(GO) < 0)
    return False


@contextlib.contextmanager
def _mapped(path: str) -> Iterator[mmap.mmap]:
    """A file, in memory as far as it is looked at. Raises OSError, and ValueError if it is empty."""
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image,
    ):
        yield image


def shim() -> Path:
    """The shim, compiled once into the user's cache. Raises MeasureError if it cannot be."""
    import platformdirs

    source = SHIM.read_bytes()
    folder = platformdirs.user_cache_path("leaklab", appauthor=False) / "shim"
    made = folder / f"{hashlib.sha256(source + os.uname().machine.encode()).hexdigest()[:24]}.so"
    if made.exists():
        return made
    compiler, part = _compiler() or "cc", made.with_suffix(f".{os.getpid()}")
    options = ["-shared", "-fPIC", "-O2", "-o", str(part), str(SHIM), "-ldl", "-lpthread"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([compiler, *options], capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == 0:
            part.replace(made)
            return made
        part.unlink(missing_ok=True)
        words = (done.stderr.strip() or "no reason was given").splitlines()[-1]
    except OSError as error:
        words = f"{error.filename or folder}: {error.strerror}"
    raise MeasureError(f"the shim that counts connections cannot be compiled: {words}. Try --count none.")


@dataclass(slots=True)
class ConnectionCounter:
    """What the processes of one program have said, in a file of the trace's own folder.

    Attributes:
        way: how they say it.
        file: where.
        hook: the folder of the hook for Python.
        why_unknown: why the last count was unknown; empty if it was known.
    """

    way: Way
    file: Path
    hook: Path
    why_unknown: str = ""
    _at: int = field(init=False, default=0)
    _rest: bytes = field(init=False, default=b"")
    _sockets: set[bytes] = field(init=False, default_factory=set)
    _images: dict[int, tuple[int, int]] = field(init=False, default_factory=dict)
    _unheard: list[str] = field(init=False, default_factory=list)
    _replaced: set[int] = field(init=False, default_factory=set)
    _silent: dict[int, tuple[float, str]] = field(init=False, default_factory=dict)
    _is_lost: bool = field(init=False, default=False)
    _in_go: str = field(init=False, default="")

    def prepare(self) -> None:
        """Make the file, and what counts. Raises MeasureError if it cannot be."""
        if self.way is Way.PRELOAD:
            shim()
        self.file.touch(mode=0o600)

    def environment(self) -> dict[str, str]:
        """What to add to the environment of the program, and with it of all that it starts."""
        added = {EVENTS: str(self.file)}
        if self.way is Way.PRELOAD:
            return {**added, "LD_PRELOAD": " ".join(filter(None, [str(shim()), os.environ.get("LD_PRELOAD", "")]))}
        if self.way is Way.HOOK:
            paths = os.pathsep.join(filter(None, [str(self.hook), os.environ.get("PYTHONPATH", "")]))
            return {**added, "PYTHONPATH": paths}
        return {}

    def command(self, command: Sequence[str]) -> list[str]:
        """The command that starts the program."""
        if self.way is not Way.STRACE:
            return [*command]
        # With -D, strace is no parent of the program, which keeps its number, its exit code and its signals.
        options = ["-D", "-f", "-qq", "-yy", "-e", "trace=connect", "-e", "signal=none", "-o", str(self.file)]
        return ["strace", *options, "--", *command]

    def count(self, reading: TreeReading) -> int | None:
        """The connections that were opened so far; None if that is unknown, and then `why_unknown` says why.

        What was read of the processes must have been read before. What was not seen once is unknown for good; only a
        process that has just begun still has some time to say hello.
        """
        if self.way is Way.NONE:
            return None
        self._hear()
        if self._is_lost and not self.why_unknown:
            self.why_unknown = "the program could not say all of them: it ran out of file descriptors, perhaps"
        if not self._is_lost:
            self.why_unknown = self._why_lost(reading)
            self._is_lost = bool(self.why_unknown)
            if not self._is_lost and self._silent:
                self.why_unknown = self._does_not_load(name for _, name in self._silent.values())
        return None if self.why_unknown else len(self._sockets)

    def wait_for_hello(self, program: MeasuredProgram) -> None:
        """Wait until a program has said hello, or has ended, or has had its time: it may be started by a script."""
        until = time.monotonic() + HELLO_S
        while self.way in (Way.HOOK, Way.PRELOAD) and time.monotonic() < until:
            self._hear()
            if program.pid in self._images or program.ended(within_s=LISTEN_S / 10) is not None:
                return

    def heard_from(self, pids: Sequence[int]) -> list[int]:
        """Those of these processes that said hello as the program that they run, or ran when they ended."""
        return [pid for pid in pids if pid in self._images and _image(pid) in (self._images[pid], None)]

    def _why_lost(self, reading: TreeReading) -> str:
        """Why connections may have been opened that nothing has seen; empty if none have."""
        if self.way is Way.STRACE:
            return ""
        gone = [
            name for pid, (_, name) in self._silent.items() if pid not in reading.running and pid not in self._images
        ]
        self._listen_to(reading.running)
        late = [name for since, name in self._silent.values() if time.monotonic() - since > HELLO_S]
        if gone or late:
            return self._does_not_load([*late, *gone])
        if self._in_go:
            return f"{self._in_go} was built by Go, which does without libc; --count strace may count them"
        if {str(inode).encode() for inode in reading.outgoing} - self._sockets:
            return f"some were opened without {MEANS[self.way]} seeing it"
        return ""

    def _listen_to(self, running: Sequence[int]) -> None:
        """Note which of these processes have not said hello; a short while is waited for one that has not."""
        until = time.monotonic() + LISTEN_S
        while True:
            now, heard = time.monotonic(), self.heard_from(running)
            silent = {pid: _name(pid) for pid in running if pid not in heard}
            if self._unheard or self._replaced:
                silent[STARTED] = f"{self._unheard[-1]}, which it started," if self._unheard else "a program it started"
            self._silent = {pid: self._silent.get(pid, (now, name)) for pid, name in silent.items()}
            if not self._silent or now > until:
                return
            time.sleep(LISTEN_S / 10)
            self._hear()

    def _does_not_load(self, names: Iterable[str]) -> str:
        return f"{next(iter(names))} does not load what counts them ({MEANS[self.way]})"

    def _hear(self) -> None:
        with self.file.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self.way is Way.STRACE:
                if (match := STRACED.search(line)) is not None:
                    self._sockets.add(match[1])
                continue
            what, *said = line.split(b" ", 4)
            if what == b"connect":
                self._sockets.add(said[1])
            elif what in (b"hello", b"forked"):
                pid = int(said[0])
                path = os.fsdecode(b" ".join(said[3:]))
                # The program itself was started by leaklab.
                if what == b"hello" and self._images and pid not in self._replaced:
                    self._note_start(path)
                self._replaced -= {pid} if what == b"hello" else set()
                self._note_image(pid, (int(said[1]), int(said[2])), path)
            elif what == b"execs":
                self._replaced.add(int(said[0]))
            elif what == b"starts":
                self._unheard.append(os.fsdecode(b" ".join(said[1:])))
            elif what == b"failed":
                del self._unheard[-1:]
            else:
                self._is_lost = self._is_lost or what == b"missed"

    def _note_start(self, path: str) -> None:
        """Note that a program which was started has said hello: by its path, or else it is Python."""
        names = (name for name in reversed(self._unheard) if is_called(name, path))
        name = next(names, self._unheard[0] if self._unheard else None)
        if name is not None:
            self._unheard.remove(name)

    def _note_image(self, pid: int, image: tuple[int, int], path: str) -> None:
        """Note the program that a process has said it is."""
        if self.way is Way.PRELOAD and image not in self._images.values():
            with contextlib.suppress(OSError, ValueError), _mapped(path) as code:
                self._in_go = self._in_go or (Path(path).name if code.find(GO) >= 0 else "")
        self._images[pid] = image


def is_called(name: str, path: str) -> bool:
    """Whether the program of this path may have been started by this name; without a path it is Python."""
    if not path:
        return re.match("python", name) is not None
    return os.path.realpath(shutil.which(name) or name) == path or name == Path(path).name


def _image(pid: int) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        status = os.stat(f"/proc/{pid}/exe")  # noqa: PTH116 # at every sample
        return status.st_dev, status.st_ino
    return None


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        name = Path(os.readlink(f"/proc/{pid}/exe")).name  # noqa: PTH115 # what it leads to may be gone
        return " ".join([name, *_shut_out(command_of(pid))])
    return "a process that has ended"


def _shut_out(command: bytes) -> list[str]:
    """The option of a Python that keeps the hook out, if it has one: its command has a null byte after each part."""
    program, *arguments = command.decode(errors="replace").split("\0")
    options = takewhile(lambda one: one.startswith("-") and one not in ("-c", "-m"), arguments)
    is_named = re.fullmatch(r"python[\d.]*", Path(program).name)
    return [one for one in options if is_named and re.fullmatch("-[A-Za-z]*[ISE][A-Za-z]*", one)][:1]
