"""Which objects are resources, which of them are open, and what they are called."""

from __future__ import annotations

import _socket
import gc
import io
import os
import socket
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leaklab.explain.own_code import LEAKLAB, whole_stack
from leaklab.explain.recorder import descriptor_path
from leaklab.explain.safely import attributes, base_ids, bases_of, is_a, module_of, type_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from leaklab.explain.recorder import Origin, Recorder

get_objects, referents, current_frames = gc.get_objects, gc.get_referents, sys._current_frames
active_threads, main_thread = threading._active, threading.main_thread()  # type: ignore[attr-defined]
fileno, family = _socket.socket.fileno, _socket.socket.family
file_number = io.FileIO.fileno
fstat = os.fstat
FIRST = 3
"""The first descriptor that is not one of the standard streams."""

DELETED = " (deleted)"
"""What the system adds to the name of a file that is gone (proc_pid_fd(5))."""

UNNAMED, UNNAMED_WORDS = "/#", "a file without a name"
"""What the system puts into the name of a file without one (O_TMPFILE), and what such a file is called."""

INTERNET = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True)
class OpenResource:
    """Something that is open: what counts it, the object (None if there is none), its name, and where it comes from."""

    counter: str
    thing: object
    what: str
    origin: Origin | None


@dataclass(slots=True)
class Owned:
    """The numbers of what Python objects own: descriptors, processes, cursors."""

    descriptors: set[int] = field(default_factory=set)
    processes: set[int] = field(default_factory=set)
    cursors: set[int] = field(default_factory=set)
    sessions: set[bytes] = field(default_factory=set)


def open_resources(recorder: Recorder, counters: Collection[str]) -> list[OpenResource]:
    """What is open now and counted by one of these counters."""
    known: dict[int, str] = {}
    found: list[OpenResource] = []
    owned = Owned()
    things = get_objects()
    epoll = getattr(sys.modules.get("select"), "epoll", None)
    if "fds" in counters and epoll is not None:
        things += _untracked(things, epoll)
    for thing in things:
        key = id(type(thing))
        family_name = known.get(key)
        if family_name is None:
            family_name = known[key] = _family(type(thing))
        if family_name:
            try:
                one = _OPEN[family_name](thing, recorder, owned)
            except Exception:  # noqa: BLE001 # it is being closed, or half made
                one = None
            if one is not None and one.counter in counters:
                found.append(one)
    if {"fds", "sockets"} & set(counters):
        numbered = _descriptors_without_object(recorder, owned.descriptors)
        found += [one for one in numbered if one.counter in counters]
    if "sessions" in counters:
        found += _sessions_without_object(recorder, owned.sessions)
    if "cursors" in counters:
        found += _cursors_without_object(recorder, owned.cursors)
    if "threads" in counters:
        found += _threads_without_object(recorder)
    if {"children", "zombies"} & set(counters):
        found += [one for one in _processes_without_object(recorder, owned.processes) if one.counter in counters]
    return found


def resource_of(thing: object, recorder: Recorder) -> OpenResource | None:
    """What an object is, if it is a resource that is open."""
    try:
        found: OpenResource | None = _OPEN[_family(type(thing))](thing, recorder, Owned())
    except Exception:  # noqa: BLE001 # it is none, it is being closed, or half made
        return None
    return found


def _untracked(things: list[object], kind: type) -> list[object]:
    """Objects of a type that gc does not know, but that others refer to."""
    return list({id(thing): thing for thing in referents(*things) if type(thing) is kind}.values())


def _family(kind: type) -> str:
    bases = base_ids(kind)
    for own, family_name in ((_socket.socket, "socket"), (io.FileIO, "file"), (threading.Thread, "thread")):
        if id(own) in bases:
            return family_name
    for base in bases_of(kind):
        name, module = type_name(base), module_of(base)
        for (package, names), family_name in _FAMILIES.items():
            if name in names and module.partition(".")[0] == package:
                return family_name
    return ""


_FAMILIES = {
    ("pymongo", ("Cursor", "CommandCursor", "AsyncCursor", "AsyncCommandCursor")): "cursor",
    ("pymongo", ("ClientSession", "AsyncClientSession")): "session",
    ("subprocess", ("Popen",)): "child",
    ("multiprocessing", ("BaseProcess",)): "process",
    ("multiprocessing", ("_ConnectionBase",)): "pipe",
    ("_asyncio", ("Task",)): "task",
    ("asyncio", ("Task",)): "task",
    ("sqlite3", ("Connection",)): "sqlite",
    ("select", ("epoll",)): "epoll",
}
"""By package and type, also of types derived from it: the kinds that are known by name, as importing them would add
them to the half."""


def _socket_open(thing: Any, recorder: Recorder, owned: Owned) -> OpenResource | None:
    number = fileno(thing)
    if number < 0:
        return None
    owned.descriptors.add(number)
    # Asked for its peer, the socket would let other threads run meanwhile.
    connection = recorder.connection_of(thing)
    if connection is None or family.__get__(thing) not in INTERNET:
        return OpenResource("fds", thing, "socket", recorder.objects.get(id(thing)))
    host, port = connection.address[:2]
    return OpenResource("sockets", thing, f"socket to {host}:{port}", recorder.objects.get(id(thing)))


def _file_open(thing: Any, recorder: Recorder, owned: Owned) -> OpenResource | None:
    number = file_number(thing)
    if number < FIRST:
        return None
    owned.descriptors.add(number)
    name: Any = attributes(thing).get("name")
    words = file_words(name, number) if type(name) in (str, bytes) else "file"
    return OpenResource("fds", thing, words, descriptor_origin(number, recorder))


def descriptor_origin(number: int, recorder: Recorder) -> Origin | None:
    """Where a descriptor comes from, if it still leads to what was opened then. Raises OSError if it is closed."""
    known = recorder.descriptors.get(number)
    if known is None:
        return None
    if known.path is not None:
        target = descriptor_path(number).removesuffix(DELETED)
        return known.origin if target in (known.path, os.path.realpath(known.path)) or UNNAMED in target else None
    status = fstat(number)
    return known.origin if (status.st_dev, status.st_ino) == known.file else None


def _thread_open(thing: Any, recorder: Recorder, *_: object) -> OpenResource | None:
    ident = attributes(thing).get("_ident")
    if thing is main_thread or active_threads.get(ident) is not thing or ident not in current_frames():
        return None
    return OpenResource("threads", thing, f"thread {attributes(thing).get('_name')}", recorder.objects.get(id(thing)))


def _cursor_open(thing: Any, recorder: Recorder, owned: Owned) -> OpenResource | None:
    own = attributes(thing)
    number = own.get("_id")
    if not number or own.get("_killed") or not is_a(number, int):
        return None
    key = int.__index__(number)  # type: ignore[arg-type] # bson's own kind of int
    owned.cursors.add(key)
    origin, name = recorder.cursors.get(key, (None, ""))
    return OpenResource("cursors", thing, cursor_words(name), origin)


def cursor_words(name: str) -> str:
    """The name of a cursor, by that of its database and collection."""
    return f"cursor on {name.partition('.')[2]}" if name else "cursor"


def _session_open(thing: Any, recorder: Recorder, owned: Owned) -> OpenResource | None:
    server = attributes(thing).get("_server_session")
    if server is None or attributes(thing).get("_implicit"):
        return None
    number = attributes(server).get("session_id")
    key = bytes(number["id"]) if type(number) is dict else b""
    owned.sessions.add(key)
    return OpenResource("sessions", thing, "session", recorder.sessions.get(key))


def _child_open(thing: Any, recorder: Recorder, owned: Owned) -> OpenResource | None:
    own = attributes(thing)
    pid = own.get("pid")
    if own.get("returncode", 0) is not None or type(pid) is not int:
        return None
    owned.processes.add(pid)
    return OpenResource(_state(pid), thing, "child process", recorder.objects.get(id(thing)))


def _process_open(thing: Any, recorder: Recorder, owned: Owned) -> OpenResource | None:
    popen = attributes(thing).get("_popen")
    own = attributes(popen)
    pid = own.get("pid")
    if popen is None or own.get("returncode", 0) is not None or type(pid) is not int:
        return None
    owned.processes.add(pid)
    return OpenResource(_state(pid), thing, "child process", recorder.objects.get(id(thing)))


def _task_open(thing: Any, recorder: Recorder, *_: object) -> OpenResource | None:
    task: Any = next(
        base for base in bases_of(type(thing)) if type_name(base) == "Task" and "asyncio" in module_of(base)
    )
    return None if task.done(thing) else OpenResource("tasks", thing, "task", recorder.objects.get(id(thing)))


def _sqlite_open(thing: Any, recorder: Recorder, *_: object) -> OpenResource | None:
    connection = sys.modules["sqlite3"].Connection
    connection.total_changes.__get__(thing)  # raises if it is closed
    return OpenResource("fds", thing, "database connection", recorder.objects.get(id(thing)))


def _pipe_open(thing: Any, recorder: Recorder, owned: Owned) -> OpenResource | None:
    number = attributes(thing).get("_handle")
    if type(number) is not int:
        return None
    owned.descriptors.add(number)
    return OpenResource("fds", thing, "pipe", recorder.objects.get(id(thing)))


def _epoll_open(thing: Any, recorder: Recorder, owned: Owned) -> OpenResource | None:
    number = sys.modules["select"].epoll.fileno(thing)
    owned.descriptors.add(number)
    return OpenResource("fds", thing, "epoll", recorder.objects.get(id(thing)))


_OPEN: dict[str, Any] = {
    "socket": _socket_open,
    "file": _file_open,
    "thread": _thread_open,
    "cursor": _cursor_open,
    "session": _session_open,
    "child": _child_open,
    "process": _process_open,
    "task": _task_open,
    "sqlite": _sqlite_open,
    "epoll": _epoll_open,
    "pipe": _pipe_open,
}


def _descriptors_without_object(recorder: Recorder, owned: set[int]) -> list[OpenResource]:
    """The descriptors that no Python object owns, and whose line is known."""
    found = []
    for number in {*recorder.descriptors, *recorder.connected} - owned:
        try:
            target = descriptor_path(number)
            origin = None if number < FIRST else descriptor_origin(number, recorder)
        except OSError:
            continue
        connection = recorder.connection_at(number)
        if connection is not None:
            found.append(OpenResource("sockets", None, "socket", connection.origin))
        elif origin is not None:
            what = UNNAMED_WORDS if UNNAMED in target else _base(target)
            found.append(OpenResource("fds", None, f"descriptor of {what}", origin))
    return found


def _cursors_without_object(recorder: Recorder, owned: set[int]) -> list[OpenResource]:
    """The cursors whose object is gone, while nobody has told the server."""
    gone = (entry for number, entry in recorder.cursors.items() if number not in owned)
    return [OpenResource("cursors", None, cursor_words(name), origin) for origin, name in gone]


def _sessions_without_object(recorder: Recorder, owned: set[bytes]) -> list[OpenResource]:
    """The sessions that no object of the half uses, and that the server has not been told to end."""
    gone = (origin for number, origin in recorder.sessions.items() if number not in owned)
    return [OpenResource("sessions", None, "session", origin) for origin in gone]


def _threads_without_object(recorder: Recorder) -> list[OpenResource]:
    """Threads that `_thread` started: known by the function that each of them runs."""
    found = []
    for ident, top in current_frames().items():
        code = [*whole_stack(top)][-1].f_code
        if ident not in active_threads and not code.co_filename.startswith(LEAKLAB):
            found.append(OpenResource("threads", None, "thread", recorder.raw_threads.get(id(code))))
    return found


def _processes_without_object(recorder: Recorder, owned: set[int]) -> list[OpenResource]:
    """Children that `os.fork` and its like started."""
    alive = [pid for pid in recorder.processes if pid not in owned and os.path.exists(f"/proc/{pid}/stat")]  # noqa: PTH110
    return [OpenResource(_state(pid), None, "child process", recorder.processes[pid]) for pid in alive]


def _state(pid: int) -> str:
    """Whether a child runs, or has ended and is not waited for."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return "zombies" if file.read().rpartition(b")")[2].split()[0] == b"Z" else "children"
    except OSError:
        return "children"


def file_words(path: str | bytes, number: int) -> str:
    """What was opened by a path: `file NAME`; by that of a folder, that folder or a temporary file in it."""
    try:
        if UNNAMED in descriptor_path(number):
            return UNNAMED_WORDS
    except OSError:
        pass
    return f"{'folder' if os.path.isdir(path) else 'file'} {_base(path)}"  # noqa: PTH112


def _base(path: str | bytes) -> str:
    """The last part of a path; that of `/` is all of it."""
    return os.path.basename(os.fsdecode(path)) or os.fsdecode(path)  # noqa: PTH119
