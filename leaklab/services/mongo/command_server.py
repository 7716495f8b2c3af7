"""The commands of the embedded MongoDB server: a command document in, an encoded reply document out.

It says it is MongoDB 6.0 (wire version 17): the newest release that answers `drop` of an absent collection
with NamespaceNotFound (from 7.0 on it is no error: SERVER-43894). Every error is a `CommandError` inside and
an error document outside; a client can neither break the connection nor see a traceback by what it asks.
"""

from __future__ import annotations

import datetime
import os
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bson import Int64

from leaklab.services.mongo import wire
from leaklab.services.mongo.arguments import Arguments, Document
from leaklab.services.mongo.batches import Answer, Batches, Handler
from leaklab.services.mongo.command_error import CommandError, as_command_error, not_supported
from leaklab.services.mongo.query_bounds import check_depth, check_query
from leaklab.services.mongo.read_commands import ReadCommands
from leaklab.services.mongo.store import MongoStore
from leaklab.services.mongo.write_commands import WriteCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leaklab.services.mongo.cursors import CursorTable

_VERSION = [6, 0, 0, 0]
_MAX_WIRE_VERSION = 17
_MAX_SESSIONS = 1_000_000  # `maxSessions` (MongoDB manual, "MongoDB Server Parameters")
_SESSION_MINUTES = 30  # of idleness until one ends; no run of the lab is that long


@dataclass(frozen=True, slots=True)
class MongoCounts:
    """Exact counts since the start; a connection ends at the first sign of it: end of file or loss.

    `requests_served` counts commands that were answered, the handshakes and polls of drivers among them.
    `sessions_open` counts the sessions that were used and not ended since.
    """

    connections_accepted: int
    connections_open: int
    connections_peak: int
    requests_served: int
    cursors_open: int
    cursors_peak: int
    sessions_open: int


class CommandServer:
    """Answers commands from a store, a cursor table and a session table; knows nothing of sockets."""

    def __init__(self, cursors: CursorTable, counts: Callable[[], MongoCounts]) -> None:
        self._cursors = cursors
        self.sessions: set[bytes] = set()
        self._counts = counts
        self._operations = dict.fromkeys(("insert", "query", "update", "delete", "getmore", "command"), 0)
        self._commands: Counter[str] = Counter()
        self._store, batches = MongoStore(), Batches(cursors)
        self._handlers: Mapping[str, Handler] = {
            **dict.fromkeys(("hello", "isMaster", "ismaster"), self._hello),
            **dict.fromkeys(("buildInfo", "buildinfo"), self._build_info),
            "ping": lambda _: {},
            "serverStatus": lambda _: self.server_status(),
            "endSessions": self._end_sessions,
            **WriteCommands(self._store).handlers,
            **ReadCommands(self._store, batches).handlers,
            **batches.handlers,
        }

    async def run(self, command: Document | CommandError, *, legacy: bool = False) -> bytes:
        """Answer one command, or a message that holds none, perhaps after others had their turn; never raises."""
        try:
            answer = self._handle(command, legacy=legacy)
            if isinstance(answer, Coroutine):
                answer = await answer
            return answer if isinstance(answer, bytes) else wire.encode_document({**answer, "ok": 1.0})
        except Exception as error:  # noqa: BLE001 - mongomock raises whatever it trips over; a client must get a document
            return wire.encode_document(as_command_error(error).document())

    def _handle(self, command: Document | CommandError, *, legacy: bool) -> Answer:
        if isinstance(command, CommandError):
            raise command
        name = next(iter(command), "")
        handler = self._handlers.get(name)
        if legacy and handler is not None and handler != self._hello:
            raise CommandError(352, f"Unsupported OP_QUERY command: {name}. Use OP_MSG")
        if handler is None:
            raise not_supported(f"the command {name!r}")
        if command.keys() & {"txnNumber", "startTransaction", "autocommit"}:
            raise CommandError(20, "Transaction numbers are only allowed on a replica set member or mongos")
        check_depth(command)
        if name != "insert":
            check_query(command, self._store.largest)
        arguments = Arguments(name, command)
        if arguments.database and arguments.session is not None:
            if len(self.sessions) >= _MAX_SESSIONS:
                raise CommandError(261, f"cannot add session into the cache: {_MAX_SESSIONS} are open")
            self.sessions.add(arguments.session)
        self._count_operation(name, command)
        return handler(arguments)

    def _count_operation(self, name: str, command: Document) -> None:
        """Count as the manual says under "serverStatus", opcounters: statements of writes, else commands."""
        statements = command.get({"insert": "documents", "update": "updates", "delete": "deletes"}.get(name, ""))
        kind = {"find": "query", "getMore": "getmore"}.get(name, name)
        count = len(statements) if isinstance(statements, list) else 1
        self._operations[kind if kind in self._operations else "command"] += count
        self._commands[name] += 1

    def _end_sessions(self, arguments: Arguments) -> Document:
        """End the sessions that are named.

        They leave their cursors: the real server only notes that they ended, and kills the cursors when it next
        refreshes its session cache, up to logicalSessionRefreshMillis = 5 minutes later
        (logical_session_cache_impl.cpp, `explicitlyEndingSessions`). No run of the lab is that long.
        """
        ids = (entry.get("id") for entry in arguments.documents("endSessions"))
        self.sessions -= {bytes(session) for session in ids if isinstance(session, bytes)}
        return {}

    def _hello(self, arguments: Arguments) -> Document:
        # A standalone server: no setName. No topologyVersion, so that pymongo polls instead of streaming.
        # No compression and no SASL mechanism is offered.
        return {
            **({"helloOk": True} if arguments.get("helloOk") is True else {}),
            "isWritablePrimary" if arguments.name == "hello" else "ismaster": True,
            "maxBsonObjectSize": wire.MAX_DOCUMENT_BYTES,
            "maxMessageSizeBytes": wire.MAX_MESSAGE_BYTES,
            "maxWriteBatchSize": wire.MAX_WRITE_BATCH,
            "localTime": datetime.datetime.now(datetime.UTC),
            "logicalSessionTimeoutMinutes": _SESSION_MINUTES,
            "minWireVersion": 0,
            "maxWireVersion": _MAX_WIRE_VERSION,
            "readOnly": False,
        }

    def _build_info(self, _: Arguments) -> Document:
        version = ".".join(map(str, _VERSION[:3]))
        return {"version": version, "gitVersion": "leaklab's embedded server", "versionArray": _VERSION, "bits": 64}

    def server_status(self) -> Document:
        """Fields and types of the MongoDB manual, "serverStatus", as far as they are known here."""
        counts, cursors = self._counts(), self._cursors
        is_open = {"noTimeout": cursors.no_timeout, "pinned": cursors.pinned, "total": len(cursors)}
        cursor = {"timedOut": Int64(cursors.timed_out), "totalOpened": Int64(cursors.opened_total)}
        return {
            "process": "mongod",
            "pid": Int64(os.getpid()),
            "connections": {"current": counts.connections_open, "totalCreated": counts.connections_accepted},
            "network": {"numRequests": Int64(counts.requests_served)},
            "logicalSessionRecordCache": {"activeSessionsCount": counts.sessions_open},
            "opcounters": {kind: Int64(count) for kind, count in self._operations.items()},
            "metrics": {
                "commands": {name: {"total": Int64(count)} for name, count in self._commands.items()},
                "cursor": {**cursor, "open": {name: Int64(count) for name, count in is_open.items()}},
            },
        }
