"""Has a recorder note what only a library itself can say: tasks, cursors, children, and what became of a response.

Each library is one entry of a table: it is prepared once it is imported, whoever imports it.
"""

from __future__ import annotations

import _socket
import gc
import sys
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from leaklab.explain.recorder import FAILED, HTTP_1_0, ONE_ANSWER, READ, SERVER_ENDS, UNREAD, this_frame
from leaklab.explain.safely import attributes, module_of, type_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from leaklab.explain.recorder import OpenedConnection, Origin, Recorder

    Method = tuple[Any, str, Callable[..., object]]

peer = _socket.socket.getpeername

HTTP_VERSION_1_0 = 10
"""How http.client calls it (its documentation, `HTTPResponse.version`)."""


def prepare(recorder: Recorder) -> None:
    """Prepare the libraries that are there, and the others when they are imported."""
    for name in _LIBRARIES.keys() & sys.modules.keys():
        _LIBRARIES[name](recorder, sys.modules[name])
    sys.meta_path.insert(0, _Preparing(recorder, {name for name in _LIBRARIES if name not in sys.modules}))


class _Preparing:
    """Finds a module of the table as it would be found without this, and prepares it as soon as it was imported."""

    def __init__(self, recorder: Recorder, awaited: set[str]) -> None:
        self._recorder = recorder
        self._awaited = awaited

    def find_spec(self, name: str, *where: Any) -> ModuleSpec | None:
        """What a finder of modules has to have (documentation of importlib.abc.MetaPathFinder)."""
        if name not in self._awaited:
            return None
        self._awaited.discard(name)
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next((found for finder in others if (found := finder.find_spec(name, *where)) is not None), None)
        if spec is None or spec.loader is None:
            return None
        execute, recorder = spec.loader.exec_module, self._recorder

        def execute_and_prepare(module: ModuleType) -> None:
            execute(module)
            try:
                _LIBRARIES[name](recorder, module)
            except Exception as error:  # noqa: BLE001 # another version of the library: the half must not see it
                recorder.error = f"{name}: {type(error).__name__}: {error}"

        spec.loader.exec_module = execute_and_prepare  # type: ignore[method-assign]
        return spec


def _asyncio(recorder: Recorder, module: Any) -> None:
    def created(task: object, *_: object, **__: object) -> None:
        frame = this_frame(3)
        recorder.note("tasks", lambda: recorder.made("tasks", task, frame, makers=True))

    def closes(loop: object) -> None:
        if module.tasks.all_tasks(loop):
            recorder.loop_ends(loop)

    recorder.wrap(module.BaseEventLoop, "create_task", after=created)
    recorder.wrap(module.BaseEventLoop, "close", before=closes)


def _asyncio_runners(recorder: Recorder, module: Any) -> None:
    recorder.wrap(module, "_cancel_all_tasks", before=recorder.loop_ends)


def _selectors(recorder: Recorder, module: Any) -> None:
    def made(_none: None, selector: Any, *_: object, **__: object) -> None:
        frame = this_frame(3)
        recorder.note("fds", lambda: recorder.made_by_number("fds", selector._selector, frame))

    recorder.wrap(module._PollLikeSelector, "__init__", after=made)


def _subprocess(recorder: Recorder, module: Any) -> None:
    recorder.wrap(module.Popen, "_execute_child", before=recorder.process_object_starts)


def _multiprocessing(recorder: Recorder, module: Any) -> None:
    recorder.wrap(module.BaseProcess, "start", before=recorder.process_object_starts)


def _pipes(recorder: Recorder, module: Any) -> None:
    def made(pipe: object, *_: object, **__: object) -> None:
        frame = this_frame(3)
        recorder.note("fds", lambda: recorder.made("fds", pipe, frame))

    recorder.wrap(module._ConnectionBase, "__init__", before=made)


def _pymongo(recorder: Recorder, module: Any) -> None:
    """By its own events (pymongo.monitoring): registered before the first client is made, they hear all clients."""
    asked: dict[int, int] = {}

    class CursorListener(module.CommandListener):  # type: ignore[misc] # known only once it is imported
        """Notes the line that sent the command of a cursor, and of a session."""

        def started(self, event: Any) -> None:
            frame = this_frame(1)
            recorder.note("sessions", lambda: self._note_started(event, frame))

        def succeeded(self, event: Any) -> None:
            frame = this_frame(1)
            recorder.note("cursors", lambda: self._note_reply(event, frame))

        def failed(self, event: Any) -> None:
            pass

        def _note_started(self, event: Any, frame: Any) -> None:
            command, session = event.command, event.command.get("lsid")
            if session is not None and (number := bytes(session["id"])) not in recorder.sessions:
                recorder.sessions[number] = recorder.origin(frame)
            if event.command_name == "getMore":
                asked[event.request_id] = int(command["getMore"])
            for cursor in command["cursors"] if event.command_name == "killCursors" else ():
                recorder.cursors.pop(int(cursor), None)
            for ended in command["endSessions"] if event.command_name == "endSessions" else ():
                recorder.sessions.pop(bytes(ended["id"]), None)

        def _note_reply(self, event: Any, frame: Any) -> None:
            cursor = event.reply.get("cursor")
            number = 0 if cursor is None else int(cursor["id"])
            before = asked.pop(event.request_id, None)
            if before is None and number:
                origin = recorder.origin(frame)
                recorder.cursors[number] = origin, str(cursor.get("ns"))
                recorder.keep("cursors", number, origin)
            elif before is not None and not number:
                recorder.cursors.pop(before, None)  # it was read to its end

    listener = CursorListener()
    module.register(listener)
    for one in gc.get_objects():
        # The listeners of a client that is there already: it takes no new ones (pymongo.monitoring, `register`).
        if type_name(type(one)) == "_EventListeners" and module_of(type(one)) == "pymongo.monitoring":
            own = attributes(one)
            own["_EventListeners__command_listeners"].append(listener)  # type: ignore[attr-defined]
            own["_EventListeners__enabled_for_commands"] = True


def _executors(recorder: Recorder, module: Any) -> None:
    item = module._WorkItem
    _work_of_threads(recorder, (item, "__init__", lambda item, *_: item), (item, "run", lambda item: item))


def _trio_threads(recorder: Recorder, module: Any) -> None:
    asks = module.ThreadCache, "start_thread_soon", lambda _cache, function, *_: function
    does = module.WorkerThread, "_handle_job", lambda thread: thread._job and thread._job[0]
    _work_of_threads(recorder, asks, does)


def _work_of_threads(recorder: Recorder, asks: Method, does: Method) -> None:
    """A worker thread works for the line that asked for it, and not for the one that happened to start the thread.

    Each of the two methods has a function that finds, among its arguments, the object by which the work is known.
    """
    of: dict[int, Origin] = {}

    def asked(*args: Any, **__: object) -> None:
        frame = this_frame(3)
        recorder.note("work", lambda: of.__setitem__(id(asks[2](*args)), recorder.origin(frame, makers=True)))

    def begins(*args: Any) -> None:
        origin = of.pop(id(does[2](*args)), None)
        if origin is not None:
            recorder.working[get_ident()] = origin

    def ends(_result: object, *_: object) -> None:
        recorder.working.pop(get_ident(), None)

    recorder.wrap(*asks[:2], before=asked)
    recorder.wrap(*does[:2], before=begins, after=ends)


def _sockets(recorder: Recorder, module: Any) -> None:
    def closes(sock: Any, *_: object, **__: object) -> None:
        connection = recorder.connection_of(sock)
        if connection is not None and not connection.fate:
            try:
                peer(sock)
            except OSError:
                connection.fate = FAILED

    recorder.wrap(module.socket, "_real_close", before=closes)


def _http_client(recorder: Recorder, module: Any) -> None:
    """The response of the standard library, which urllib3 and requests use: how much of its body is unread."""
    from weakref import ref

    of: dict[int, OpenedConnection] = {}
    asked: dict[int, bool] = {}

    def made(_none: None, response: Any, sock: object, *_: object, **__: object) -> None:
        of.pop(id(response), None)
        connection = recorder.connection_of(sock)
        if connection is not None:
            if connection.response is not None:
                # It is used again: what becomes of it is up to the line that has asked last.
                origin = recorder.origin(this_frame(3))
                connection.origin.line, connection.origin.own = origin.line, origin.own
                recorder.objects[id(sock)] = origin
            of[id(response)], connection.response, connection.fate = connection, ref(response), ""

    def begun(_none: None, response: Any, *_: object, **__: object) -> None:
        connection = of.get(id(response))
        if connection is not None and response.will_close:
            by_server = HTTP_1_0 if response.version == HTTP_VERSION_1_0 else SERVER_ENDS
            connection.fate = ONE_ANSWER if connection.asks_to_close else by_server

    def asks(client: Any, *_: object, **__: object) -> None:
        asked[id(client)] = any(line.lower() == b"connection: close" for line in client._buffer)

    def asked_for(_none: None, client: Any, *_: object, **__: object) -> None:
        asks_to_close, connection = asked.pop(id(client), False), recorder.connection_of(client.sock)
        if connection is not None:
            connection.asks_to_close = asks_to_close

    def closes(response: Any, *_: object, **__: object) -> None:
        connection = of.get(id(response))
        if connection is None or connection.fate:
            return
        unread = response.fp is not None and response.length != 0
        connection.fate, connection.left = (UNREAD, response.length) if unread else (READ, 0)

    recorder.wrap(module.HTTPConnection, "endheaders", before=asks, after=asked_for)
    recorder.wrap(module.HTTPResponse, "__init__", after=made)
    recorder.wrap(module.HTTPResponse, "begin", after=begun)
    recorder.wrap(module.HTTPResponse, "close", before=closes)


def _aiohttp(recorder: Recorder, module: Any) -> None:
    def closes(protocol: Any, *_: object, **__: object) -> None:
        sock = None if protocol.transport is None else protocol.transport.get_extra_info("socket")
        connection = recorder.connection_of(sock)
        if connection is not None and not connection.fate:
            body = protocol._payload  # it says so nowhere else
            connection.fate = READ if body is None or body.is_eof() else UNREAD

    recorder.wrap(module.ResponseHandler, "close", before=closes)


def _httpcore(recorder: Recorder, module: Any) -> None:
    import h11

    def closes(http: Any, *_: object, **__: object) -> None:
        connection = recorder.connection_of(http._network_stream.get_extra_info("socket"))
        if connection is not None:
            unread = http._h11_state.their_state is not h11.DONE
            connection.fate = UNREAD if unread else READ

    kind = getattr(module, "HTTP11Connection", None) or module.AsyncHTTP11Connection
    recorder.wrap(kind, "_response_closed", before=closes)


def _shared_memory(recorder: Recorder, module: Any) -> None:
    from leaklab.measure.worker import SHARED_MEMORY

    def made(name: str, *_: object, **__: object) -> None:
        frame = this_frame(3)
        recorder.note("shared", lambda: recorder.path(f"{SHARED_MEMORY}{name.lstrip('/')}", recorder.origin(frame)))

    recorder.wrap(module, "shm_open", before=made)


_LIBRARIES: dict[str, Callable[[Recorder, Any], None]] = {
    "_posixshmem": _shared_memory,
    "concurrent.futures.thread": _executors,
    "socket": _sockets,
    "asyncio.base_events": _asyncio,
    "asyncio.runners": _asyncio_runners,
    "selectors": _selectors,
    "subprocess": _subprocess,
    "multiprocessing.connection": _pipes,
    "multiprocessing.process": _multiprocessing,
    "pymongo.monitoring": _pymongo,
    "http.client": _http_client,
    "aiohttp.client_proto": _aiohttp,
    "trio._core._thread_cache": _trio_threads,
    "httpcore._sync.http11": _httpcore,
    "httpcore._async.http11": _httpcore,
}
"""By module: what is to be done with it once it is imported."""
