"""The lab's own client of a MongoDB server: makes the run's database, fills it, reads `serverStatus`, drops it.

The embedded server and a real one are used in the same way, through unmodified pymongo. All calls block.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from shlex import quote
from typing import Any, NamedTuple

import pymongo
from pymongo import MongoClient, errors

from leaklab.errors import MeasureError, UsageError
from leaklab.units import without_password

REACH_S = 3.0
"""Seconds to find and reach the server in: with a start of the lab's processes this stays under 5."""

READS = ("find", "aggregate", "count", "distinct")
"""The commands that ask a server for documents, or for figures of them."""

WRITES = ("insert", "update", "delete", "findAndModify", "drop", "dropDatabase")
"""The commands that change what is there for others to read."""


class ServerReading(NamedTuple):
    """What `serverStatus` says, as counts; None where the server does not say.

    Source: MongoDB manual, "serverStatus": metrics.cursor.open.total, connections.totalCreated,
    metrics.commands.<name>.total, logicalSessionRecordCache.activeSessionsCount.
    """

    cursors_open: int | None
    sessions_active: int | None
    connections_created: int | None
    reads: int | None
    writes: int | None


class Database:
    """A database of this run's own on the server at `uri`, dropped by `drop`."""

    def __init__(self, uri: str, name: str) -> None:
        """Connect and make sure that the server can be read; `name` is what the database is called.

        Raises:
            UsageError: `uri` is not a valid MongoDB URI.
            MeasureError: the server cannot be reached, or does not let its counters be read.
        """
        self._shown = without_password(uri)
        try:
            within_ms = int(REACH_S * 1000)
            called: dict[str, Any] = {} if "appname=" in uri.lower() else {"appname": "leaklab"}
            self._client: MongoClient[dict[str, Any]] = MongoClient(
                uri, serverSelectionTimeoutMS=within_ms, connectTimeoutMS=within_ms, **called
            )
        except (errors.InvalidURI, errors.ConfigurationError, ValueError, TypeError) as error:
            raise UsageError(f"--mongo {self._shown}: {_first_line(error)}. Write mongodb://HOST:PORT.") from error
        self.name = name
        self._start: ServerReading | None = None
        with ExitStack() as undo:
            undo.callback(self._client.close)
            with self._reported():
                self._client.admin.command("ping")
                self._status()
                self.version = str(self._client.server_info()["version"])
            undo.pop_all()

    @property
    def ports(self) -> list[int]:
        """The ports that the server's nodes listen on."""
        return sorted({port for _, port in self._client.nodes if port is not None})

    def seed(self, documents: Mapping[str, Sequence[Mapping[str, Any]]], capped: Mapping[str, int]) -> None:
        """Make the capped collections, of so many bytes, and insert these documents, by collection.

        Raises MeasureError if the server refuses.
        """
        with self._reported():
            for collection, size in capped.items():
                self._client[self.name].create_collection(collection, capped=True, size=size)
            for collection, entries in documents.items():
                self._client[self.name][collection].insert_many([dict(entry) for entry in entries])

    def read(self, status: Mapping[str, Any] | None = None) -> ServerReading:
        """The server's counters, all since the first reading; from a `serverStatus` that is known, or a new one.

        Raises MeasureError on no answer.

        A shared server has cursors and connections of other clients and of earlier runs, and every server has the
        session of this client: they do not belong to what a half did after its baseline.
        """
        with self._reported():
            now = self._status() if status is None else _reading(status)
        start = self._start = self._start or now
        pairs = zip(now, start, strict=True)
        return ServerReading(*(None if count is None or before is None else count - before for count, before in pairs))

    def drop(self) -> None:
        """Drop the database and close the client; a server that is gone has nothing left to drop."""
        with self._client, suppress(errors.PyMongoError):
            _drop(self._client, self.name)

    def _status(self) -> ServerReading:
        return _reading(self._client.admin.command("serverStatus"))

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Make an error of the driver a MeasureError."""
        try:
            yield
        except errors.PyMongoError as error:
            words = _first_line(error)
            if isinstance(error, errors.ServerSelectionTimeoutError):
                remedy = "Start it, correct the address, or leave --mongo out to use the embedded server."
                words = f"no MongoDB server answered within {REACH_S:.0f} s. {remedy}"
            raise MeasureError(f"--mongo {self._shown}: {words}") from error


def _reading(status: Mapping[str, Any]) -> ServerReading:
    return ServerReading(
        cursors_open=_count(status, "metrics", "cursor", "open", "total"),
        sessions_active=_count(status, "logicalSessionRecordCache", "activeSessionsCount"),
        connections_created=_count(status, "connections", "totalCreated"),
        reads=_commands(status, READS),
        writes=_commands(status, WRITES),
    )


def _count(document: Mapping[str, Any], *path: str) -> int | None:
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else int(value)


def drop(uri: str, name: str) -> str | None:
    """Drop a database that nobody uses any more. What is said if it stays: where, why, and how it is removed."""
    try:
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=int(REACH_S * 1000)) as client:
            _drop(client, name)
    except errors.PyMongoError as error:
        shown = without_password(uri)
        command = f"mongosh {quote(shown)} --eval 'db.getSiblingDB(\"{name}\").dropDatabase()'"
        return f"the database {name} is left on {shown} ({_first_line(error)}). Remove it: {command}"
    return None


def _drop(client: MongoClient[dict[str, Any]], name: str) -> None:
    """Drop a database, and the cursors that a half left open on it. Raises PyMongoError if the server refuses."""
    with pymongo.timeout(REACH_S):
        database = client[name]
        # Where the server lists them (MongoDB manual, $currentOp).
        match = {"type": "idleCursor", "ns": {"$regex": f"^{name}\\."}}
        idle: list[dict[str, Any]] = [{"$currentOp": {"idleCursors": True}}, {"$match": match}]
        # The embedded server has no $currentOp, and ends with the run; elsewhere the permission may be missing.
        with suppress(errors.OperationFailure, KeyError):
            for operation in client.admin.aggregate(idle):
                collection = operation["ns"].partition(".")[2]
                database.command("killCursors", collection, cursors=[operation["cursor"]["cursorId"]])
        client.drop_database(name)


def _commands(status: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """How often these commands were given; None where the server does not count commands."""
    metrics = status.get("metrics")
    if not isinstance(metrics, Mapping) or not isinstance(metrics.get("commands"), Mapping):
        return None
    return sum(_count(status, "metrics", "commands", name, "total") or 0 for name in names)


def _first_line(error: Exception) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return text if len(text) < 300 else text[:300] + " …"
