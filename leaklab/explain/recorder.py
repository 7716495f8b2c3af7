"""Notes which line opens what, while a half runs: sockets, connections, files, threads, tasks, children, cursors.

It keeps numbers and lines, and never an object itself: what it notes must not live longer for it.
"""

from __future__ import annotations

import _socket
import _thread
import fcntl
import os
import sys
import threading
import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from leaklab.explain.own_code import Line, OwnCode
from leaklab.explain.safely import is_a, locals_of, module_of, type_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Weak = Callable[[], object | None]

thread_id, this_frame = _thread.get_ident, sys._getframe
dup, close_fd, fstat, readlink, fileno = os.dup, os.close, os.fstat, os.readlink, _socket.socket.fileno
socket_type, STREAM = _socket.socket.type, _socket.SOCK_STREAM

GIVE_DESCRIPTORS = "pipe", "pipe2", "dup", "dup2", "openpty", "memfd_create", "eventfd", "pidfd_open", "timerfd_create"
START_PROCESSES = "fork", "forkpty", "posix_spawn", "posix_spawnp"
"""Functions of `os` that raise no audit event for what they open; not every system has them all."""

HAVE_OBJECTS = ("subprocess", "multiprocessing.popen_fork")
"""Modules that start a process for an object, which is noted itself."""

CARRIERS = ("threading", "concurrent", "asyncio", "multiprocessing", "anyio")
"""Packages whose objects carry work to where it is done, and have no connections of their own."""

UNREAD, READ, FAILED = "unread", "read", "failed"
"""What became of a connection: its body was not read, or was; or it was closed before it was established."""

ONE_ANSWER, SERVER_ENDS, HTTP_1_0 = "one answer", "server ends", "HTTP/1.0"
"""It was closed after one answer: the request asked for that, or the server does so, or it speaks HTTP/1.0."""


@dataclass(slots=True)
class Origin:
    """Where something comes from: the line, whether that is the half's own, and the objects of libraries that made it.

    The makers are the `self` of each function between that line and the event, the outermost first: the name of its
    type, and a number that no other object has. `via` are the modules of these functions, the innermost first.
    """

    line: Line | None
    own: bool
    makers: tuple[tuple[str, int], ...] = ()
    via: tuple[str, ...] = ()


@dataclass(slots=True)
class OpenedConnection:
    """A connection that was opened: from where, to where, and what became of it.

    `left` are the bytes of its body that were not read; None if that is unknown. `number` is its descriptor, and
    `inode` what that led to; `asks_to_close` says whether its last request asked for it to be closed after the answer.
    """

    origin: Origin
    address: tuple[Any, ...]
    socket: Weak
    fate: str = ""
    left: int | None = None
    response: Weak | None = None
    number: int = -1
    inode: int = 0
    asks_to_close: bool = False


class OpenedDescriptor(NamedTuple):
    """Where a descriptor comes from, and what it led to then: its path, or the numbers of its file.

    The number may have been given away again since: only what still leads there is that descriptor.
    """

    origin: Origin
    path: str | None
    file: tuple[int, int] | None = None


class Recorder:
    """What was opened, by the id of the object, or by descriptor, process id, path or number.

    Attributes:
        own: the half's own code.
        opened: is called before each thing that is opened is noted, with its counter's name.
        left_alone: functions of `os` that are not watched.
        connected: the connection that was last opened on each descriptor.
        started: the line of each child process that was started.
        working: where the work comes from that each thread of an executor does now.
        error: what went wrong in the recorder, if anything: it never disturbs the half.
    """

    def __init__(
        self,
        own: OwnCode,
        opened: Callable[[str], None] = lambda _counter: None,
        left_alone: tuple[str, ...] = (),
    ) -> None:
        self.own, self.opened, self.left_alone = own, opened, left_alone
        self.objects: dict[int, Origin] = {}
        self.descriptors: dict[int, OpenedDescriptor] = {}
        self.processes: dict[int, Origin] = {}
        self.paths: dict[str, Origin] = {}
        self.cursors: dict[int, tuple[Origin, str]] = {}
        self.sessions: dict[bytes, Origin] = {}
        self.raw_threads: dict[int, Origin] = {}
        self.connections: list[OpenedConnection] = []
        self.connected: dict[int, OpenedConnection] = {}
        self.started: list[Line | None] = []
        self.working: dict[int, Origin] = {}
        self.error = ""
        self._by_socket: dict[int, OpenedConnection] = {}
        self._makers: dict[int, tuple[Weak, int]] = {}
        self._made = 0
        self._is_hooked = self._is_on = False

    def start(self) -> None:
        """Note what is opened from now on."""
        self.wrap_functions()
        self.resume()

    def wrap_functions(self) -> None:
        """Wrap what raises no audit event, before other modules take these functions for themselves."""
        self.wrap(threading.Thread, "start", before=self._thread_starts)
        self.wrap(_thread, "start_new_thread", before=self._raw_thread_starts)
        for names, note in ((GIVE_DESCRIPTORS, self._descriptors_given), (START_PROCESSES, self._process_starts)):
            for name in names:
                if hasattr(os, name) and name not in self.left_alone:
                    self.wrap(os, name, after=note)

    def stop(self) -> None:
        """Note no more, until `resume`."""
        self._is_on = False

    def resume(self) -> None:
        """Note again what is opened."""
        if not self._is_hooked:
            self._is_hooked = True
            sys.addaudithook(_hook(self))
        self._is_on = True

    def origin(self, frame: FrameType | None, *, makers: bool = False) -> Origin:
        """Where what happens in `frame` comes from.

        That is the nearest line of the half in this stack; in a library's own task or thread, what started that; and
        if no line of the half is known, the line of the library.
        """
        nearest, above = self.own.frames(frame)
        made = tuple(filter(None, map(self._maker, reversed(above)))) if makers else ()
        if nearest is not None:
            return Origin(Line.of(nearest), True, made, _modules(above))
        started = self._starter()
        if started is not None and started.own:
            return Origin(started.line, True, (*started.makers, *made), (*_modules(above), *started.via))
        library = next(
            (each for each in above if "site-packages" in each.f_code.co_filename), above[0] if above else None
        )
        return Origin(None if library is None else Line.of(library), False, made)

    def connection_of(self, sock: Any) -> OpenedConnection | None:
        """The connection that was opened on this socket, or on one that gave its descriptor to it, as for TLS."""
        if not is_a(sock, _socket.socket):
            sock = getattr(sock, "_sock", None)  # what asyncio shows of one
            if sock is None:
                return None
        return self._by_socket.get(id(sock)) or self.connection_at(fileno(sock))

    def connection_at(self, number: int) -> OpenedConnection | None:
        """The connection that was opened on this descriptor, if it still leads there."""
        connection = self.connected.get(number)
        try:
            return connection if connection is None or fstat(number).st_ino == connection.inode else None
        except OSError:
            return None

    def keep(self, kind: str, thing: object, origin: Origin) -> None:
        """What a kind of recorder that keeps an account of its own does with each thing that was opened.

        `thing` is an object, the number of a descriptor or a cursor, or the id of a process.
        """

    def loop_ends(self, _loop: object) -> None:
        """An event loop is about to cancel all tasks that it still has, or to drop them: nothing has awaited them."""
        self.opened("tasks at their end")

    def note(self, counter: str, notes: Callable[[], None]) -> None:
        """Note something; whatever goes wrong with it is kept, and does not reach the half."""
        if not self._is_on:
            return
        try:
            # Said first: what is just being opened is not one of those that are there.
            self.opened(counter)
            notes()
        except Exception as error:  # noqa: BLE001 # a recorder that fails must not change what the half does
            self.error = f"{type(error).__name__}: {error}"

    def wrap(self, owner: Any, name: str, before: Any = None, after: Any = None) -> None:
        """Have `before(*arguments)` called before a function of `owner`, and `after(result, *arguments)` after it."""
        function = getattr(owner, name)

        def guarded(notes: Callable[..., None], *args: Any, **kwargs: Any) -> None:
            try:
                notes(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 # a recorder that fails must not change what the half does
                self.error = f"{name}: {type(error).__name__}: {error}"

        def noted(*args: Any, **kwargs: Any) -> Any:
            if before is not None:
                guarded(before, *args, **kwargs)
            result = function(*args, **kwargs)
            if after is not None:
                guarded(after, result, *args, **kwargs)
            return result

        noted.__name__, noted.__qualname__ = name, getattr(function, "__qualname__", name)
        noted.__doc__, noted.__module__ = function.__doc__, function.__module__
        setattr(owner, name, noted)

    def _starter(self) -> Origin | None:
        """What started the task that runs in this thread, or else the work that it does for others, or the thread."""
        task, thread = current_task_and_thread()
        found = None if task is None else self.objects.get(id(task))
        return found or self.working.get(thread_id()) or self.objects.get(id(thread))

    def _maker(self, frame: FrameType) -> tuple[str, int] | None:
        """The `self` of the method that a frame runs; None if it runs none."""
        code = frame.f_code
        made = locals_of(frame).get("self") if code.co_argcount and code.co_varnames[0] == "self" else None
        if made is None or module_of(type(made)).partition(".")[0] in CARRIERS:
            return None
        weak, number = self._makers.get(id(made), (lambda: None, 0))
        if weak() is not made:
            weak, number = self._makers[id(made)] = _weak(made), self._made
            self._made += 1
        return str(type_name(type(made))), number

    def _hear(self, event: str, args: tuple[Any, ...], frame: FrameType) -> None:
        counter, note = _EVENTS[event]
        self.note(counter, lambda: note(self, args, frame))

    def _socket(self, args: tuple[Any, ...], frame: FrameType) -> None:
        self._by_socket.pop(id(args[0]), None)
        self.made("sockets", args[0], frame)

    def made(self, kind: str, thing: object, frame: FrameType | None, *, makers: bool = False) -> None:
        """An object was made that is a resource of this kind."""
        origin = self.objects[id(thing)] = self.origin(frame, makers=makers)
        self.keep(kind, thing, origin)

    def made_by_number(self, kind: str, thing: Any, frame: FrameType | None) -> None:
        """An object was made that is known by the number of its descriptor."""
        number, origin = thing.fileno(), self.origin(frame)
        self.objects[id(thing)] = origin
        self.descriptors[number] = OpenedDescriptor(origin, descriptor_path(number))
        self.keep(kind, number, origin)

    def _connect(self, args: tuple[Any, ...], frame: FrameType) -> None:
        sock, address = args[:2]
        # A socket that connects without blocking may say so more than once; one for datagrams has no connection.
        is_stream = socket_type.__get__(sock) == STREAM
        number = fileno(sock)  # negative if it is closed
        if id(sock) not in self._by_socket and type(address) is tuple and is_stream and number >= 0:
            origin, inode = self.origin(frame, makers=True), fstat(number).st_ino
            found = OpenedConnection(origin, address, _weak(sock), number=number, inode=inode)
            self._by_socket[id(sock)] = self.connected[number] = found
            self.connections.append(found)
            self.keep("connections", found, found.origin)

    def _file(self, args: tuple[Any, ...], frame: FrameType) -> None:
        path = args[0]
        if type(path) not in (str, bytes):
            return
        origin = self.origin(frame)
        # What `os` opens has no mode (documentation of os.open).
        self._next_descriptor(origin, _absolute(path), "files" if args[1:2] and args[1] is not None else "fds")
        self.path(path, origin)

    def _next_descriptor(self, origin: Origin, path: str, kind: str = "fds") -> None:
        """What is opened now gets the lowest descriptor that is free."""
        try:
            free = dup(2)
            close_fd(free)
        except OSError:
            return
        self.descriptors[free] = OpenedDescriptor(origin, path)
        self.keep(kind, free, origin)

    def _mapped(self, args: tuple[Any, ...], frame: FrameType) -> None:
        number = args[0]
        if type(number) is int and number >= 0:  # a map of a file has a descriptor of its own
            self._next_descriptor(self.origin(frame), descriptor_path(number))

    def _path_made(self, args: tuple[Any, ...], frame: FrameType) -> None:
        self.path(args[0], self.origin(frame))

    def _renamed(self, args: tuple[Any, ...], frame: FrameType) -> None:
        before, after = _absolute(args[0]), _absolute(args[1])
        self.paths[after] = self.paths.get(before) or self.origin(frame)
        for number, known in self.descriptors.items():
            if known.path == before:
                self.descriptors[number] = known._replace(path=after)

    def path(self, path: Any, origin: Origin) -> None:
        """Note where a file was made."""
        if type(path) in (str, bytes):
            self.paths.setdefault(_absolute(path), origin)

    def _object(self, args: tuple[Any, ...], frame: FrameType) -> None:
        self.made("fds", args[0], frame)

    def _thread_starts(self, thread: object, *_: object, **__: object) -> None:
        frame = this_frame(3)
        self.note("threads", lambda: self.made("threads", thread, frame, makers=True))

    def _raw_thread_starts(self, function: Any, *_: object, **__: object) -> None:
        frame = this_frame(3)
        # The thread is known by its function: its number is not known before it runs.
        key = id(getattr(function, "__code__", function))
        self.note("threads", lambda: self.raw_threads.__setitem__(key, self.origin(frame)))

    def _descriptors_given(self, given: object, *_: object, **__: object) -> None:
        frame = this_frame(3)
        for number in given if isinstance(given, tuple) else (given,):
            if isinstance(number, int):
                self.note("fds", partial(self._descriptor, number, frame))

    def _descriptor(self, number: int, frame: FrameType) -> None:
        status, origin = fstat(number), self.origin(frame)
        self.descriptors[number] = OpenedDescriptor(origin, None, (status.st_dev, status.st_ino))
        self.keep("fds", number, origin)

    def _process_starts(self, given: object, *_: object, **__: object) -> None:
        frame = this_frame(3)
        pid = given[0] if isinstance(given, tuple) else given
        if isinstance(pid, int) and pid and frame.f_globals.get("__name__") not in HAVE_OBJECTS:
            self.note("children", lambda: self._started(self.processes, pid, pid, self.origin(frame)))

    def process_object_starts(self, process: object, *_: object, **__: object) -> None:
        """Note a child process that has an object."""
        frame = this_frame(3)
        self.note("children", lambda: self._started(self.objects, id(process), process, self.origin(frame)))

    def _started(self, known: dict[int, Origin], key: int, process: object, origin: Origin) -> None:
        known[key] = origin
        self.started.append(origin.line)
        self.keep("children", process, origin)


_EVENTS: dict[str, tuple[str, Callable[[Recorder, tuple[Any, ...], FrameType], None]]] = {
    "socket.__new__": ("sockets", Recorder._socket),
    "socket.connect": ("sockets", Recorder._connect),
    "open": ("fds", Recorder._file),
    "os.scandir": ("fds", Recorder._file),
    "mmap.__new__": ("fds", Recorder._mapped),
    "os.mkdir": ("files", Recorder._path_made),
    "os.rename": ("files", Recorder._renamed),
    "os.link": ("files", Recorder._renamed),
    "os.symlink": ("files", Recorder._renamed),
    "sqlite3.connect": ("files", Recorder._path_made),
    "sqlite3.connect/handle": ("fds", Recorder._object),
}
"""Python's audit events (its table of audit events names their arguments): what each says was opened."""


def current_task_and_thread() -> tuple[object, object]:
    """The asyncio task that runs in this thread, and the object of this thread; None for one that there is not."""
    asyncio: Any = sys.modules.get("asyncio")
    loop = getattr(asyncio, "_get_running_loop", lambda: None)()
    task = None if loop is None else asyncio.current_task(loop)
    # Only a look-up: `threading.current_thread` would make an object for a thread that has none.
    return task, threading._active.get(thread_id())  # type: ignore[attr-defined]


def descriptor_path(number: int) -> str:
    """What a descriptor leads to. Raises OSError if it is closed."""
    if hasattr(fcntl, "F_GETPATH"):  # macOS (its fcntl(2)), which has no /proc
        return os.fsdecode(fcntl.fcntl(number, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return readlink(f"/proc/self/fd/{number}")


def _modules(frames: list[FrameType]) -> tuple[str, ...]:
    """The names of the modules of these frames, each once."""
    return tuple(dict.fromkeys(str(frame.f_globals.get("__name__", "")) for frame in frames))


def _hook(recorder: Recorder) -> Callable[[str, tuple[Any, ...]], None]:
    """A hook for audit events. There are many, also of each object that is looked at: it is as short as it can be."""

    def hear(event: str, args: tuple[Any, ...], heard: frozenset[str] = frozenset(_EVENTS)) -> None:
        if event in heard:
            try:
                frame = this_frame(1)
            except ValueError:  # the interpreter itself opens the program
                return
            recorder._hear(event, args, frame)

    return hear


def _absolute(path: str | bytes) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 # no object for each path that is opened


def _weak(thing: object) -> Weak:
    """What gives the object as long as it is there; of one that cannot be referred to weakly, nothing."""
    try:
        return weakref.ref(thing)
    except TypeError:
        return lambda: None
