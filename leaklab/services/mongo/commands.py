"""The commands of the embedded MongoDB server: a command document in, an encoded reply document out.

It says it is MongoDB 6.0 (wire version 17): the newest release that answers `drop` of an absent collection
with NamespaceNotFound (from 7.0 on it is no error: SERVER-43894). Every error is a `CommandError` inside and
an error document outside; a client can neither break the connection nor see a traceback by what it asks.
"""

from __future__ import annotations

import datetime
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bson import Int64
from mongomock.__version__ import __version__ as mongomock_version

from leaklab.services.mongo.arguments import Arguments
from leaklab.services.mongo.batches import Batches, Handler, Held, Reply
from leaklab.services.mongo.cursors import CursorTable
from leaklab.services.mongo.errors import CommandError, as_command_error, not_implemented
from leaklab.services.mongo.names import OTHER_COMMANDS
from leaklab.services.mongo.namespaces import Namespaces
from leaklab.services.mongo.reading import Reading
from leaklab.services.mongo.store import Document, MongoStore
from leaklab.services.mongo.wire import MAX_DOCUMENT_BYTES, MAX_MESSAGE_BYTES, encode_document
from leaklab.services.mongo.writing import MAX_WRITE_BATCH, Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVER_VERSION = "6.0.0"
MAX_WIRE_VERSION = 17


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What serverStatus tells of the connections; `uptime_s` in seconds."""

    connections_open: int
    connections_accepted: int
    requests_served: int
    uptime_s: float


class CommandServer:
    """Answers commands from a store and a cursor table; knows nothing of sockets."""

    def __init__(self, cursors: CursorTable[Held], figures: Callable[[], ServerFigures]) -> None:
        self.cursors = cursors
        self._figures = figures
        self._operations = dict.fromkeys(("insert", "query", "update", "delete", "getmore", "command"), 0)
        self._commands: Counter[str] = Counter()
        store, batches = MongoStore(), Batches(cursors)
        self._handlers: Mapping[str, Handler] = {
            "hello": self._hello,
            "isMaster": self._hello,
            "ismaster": self._hello,
            "ping": self._ok,
            "endSessions": self._end_sessions,
            "buildInfo": self._build_info,
            "buildinfo": self._build_info,
            "serverStatus": self._server_status,
            **Namespaces(store, batches).handlers,
            **Writing(store).handlers,
            **Reading(store, batches).handlers,
            **batches.handlers,
        }

    def run(self, command: Document, *, connection_id: int = 0, legacy: bool = False) -> Reply:
        """Answer one command; never raises."""
        try:
            return self._run(command, connection_id, legacy)
        except Exception as error:  # noqa: BLE001 - mongomock raises whatever it trips over; a client must get a document
            return encode_document(as_command_error(error).document())

    def _run(self, command: Document, connection_id: int, legacy: bool) -> Reply:
        name = next(iter(command), "")
        arguments = Arguments(name, command, connection_id)
        handler = self._handlers.get(name)
        if legacy and handler is not None and handler != self._hello:
            raise CommandError(352, f"Unsupported OP_QUERY command: {name}. Use OP_MSG")
        arguments.check_database()
        if name in OTHER_COMMANDS:
            raise not_implemented(f"the command {name}")
        if handler is None:
            raise CommandError(59, f"no such command: '{name}'")
        arguments.check_names()
        if "txnNumber" in command or "startTransaction" in command:
            raise CommandError(20, "Transaction numbers are only allowed on a replica set member or mongos")
        self._count_operation(name, command)
        reply = handler(arguments)
        return encode_document(reply) if isinstance(reply, dict) else reply

    def _count_operation(self, name: str, command: Document) -> None:
        """Count as the manual says under "serverStatus", opcounters: statements of writes, else commands."""
        statements = command.get({"insert": "documents", "update": "updates", "delete": "deletes"}.get(name, ""))
        kind = {"find": "query", "getMore": "getmore"}.get(name, name)
        if kind not in self._operations:
            kind = "command"
        self._operations[kind] += len(statements) if isinstance(statements, list) else 1
        self._commands[name] += 1

    # ---- about the server

    def _ok(self, _: Arguments) -> Document:
        return {"ok": 1.0}

    def _end_sessions(self, arguments: Arguments) -> Document:
        # The real server only notes the sessions as ended; their cursors die when its session cache is next
        # refreshed, up to logicalSessionRefreshMillis = 5 minutes later (logical_session_cache_impl.cpp,
        # `explicitlyEndingSessions`). No run of the lab is that long, so here they stay until they time out.
        arguments.array("endSessions")
        return {"ok": 1.0}

    def _hello(self, arguments: Arguments) -> Document:
        # A standalone server: no setName. No topologyVersion, so that pymongo polls instead of streaming.
        # No compression and no SASL mechanism is offered.
        primary = "isWritablePrimary" if arguments.command_name == "hello" else "ismaster"
        reply: Document = {"helloOk": True} if arguments.get("helloOk") is True else {}
        return reply | {
            primary: True,
            "maxBsonObjectSize": MAX_DOCUMENT_BYTES,
            "maxMessageSizeBytes": MAX_MESSAGE_BYTES,
            "maxWriteBatchSize": MAX_WRITE_BATCH,
            "localTime": _now(),
            "logicalSessionTimeoutMinutes": 30,
            "connectionId": arguments.connection_id,
            "minWireVersion": 0,
            "maxWireVersion": MAX_WIRE_VERSION,
            "readOnly": False,
            "ok": 1.0,
        }

    def _build_info(self, _: Arguments) -> Document:
        return {
            "version": SERVER_VERSION,
            "gitVersion": "leaklab embedded server over mongomock " + mongomock_version,
            "modules": [],
            "versionArray": [*map(int, SERVER_VERSION.split(".")), 0],
            "bits": 64,
            "debug": False,
            "maxBsonObjectSize": MAX_DOCUMENT_BYTES,
            "storageEngines": ["mongomock"],
            "ok": 1.0,
        }

    def _server_status(self, _: Arguments) -> Document:
        """Fields and types of the MongoDB manual, "serverStatus", as far as they are known here."""
        figures = self._figures()
        cursors = self.cursors
        return {
            "host": "localhost",
            "version": SERVER_VERSION,
            "process": "mongod",
            "pid": Int64(os.getpid()),
            "uptime": figures.uptime_s,
            "localTime": _now(),
            "connections": {
                "current": figures.connections_open,
                "totalCreated": figures.connections_accepted,
            },
            "network": {"numRequests": Int64(figures.requests_served)},
            "opcounters": {kind: Int64(count) for kind, count in self._operations.items()},
            "metrics": {
                "commands": {name: {"total": Int64(count)} for name, count in self._commands.items()},
                "cursor": {
                    "timedOut": Int64(cursors.timed_out),
                    "totalOpened": Int64(cursors.opened_total),
                    "open": {
                        "noTimeout": Int64(cursors.no_timeout),
                        "pinned": Int64(cursors.pinned),
                        "total": Int64(len(cursors)),
                    },
                },
            },
            "ok": 1.0,
        }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
