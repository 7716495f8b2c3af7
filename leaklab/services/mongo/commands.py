"""The commands of the embedded MongoDB server: a command document in, an encoded reply document out.

It says it is MongoDB 6.0 (wire version 17): the newest release that answers `drop` of an absent collection
with NamespaceNotFound (from 7.0 on it is no error: SERVER-43894). Every error is a `CommandError` inside and
an error document outside; a client can neither break the connection nor see a traceback by what it asks.
"""

from __future__ import annotations

import datetime
import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bson import Binary, Int64
from mongomock.__version__ import __version__ as mongomock_version

from leaklab.services.mongo.arguments import LIST_COLLECTIONS, Arguments, type_name
from leaklab.services.mongo.cursors import CursorTable, OpenCursor, Scan, SnapshotScan, TooManyCursorsError
from leaklab.services.mongo.errors import CommandError, as_command_error, not_implemented
from leaklab.services.mongo.filters import check_filter, check_sort, matches
from leaklab.services.mongo.indexes import create_index, drop_indexes, hinted_order
from leaklab.services.mongo.names import OTHER_COMMANDS
from leaklab.services.mongo.pipeline import check_pipeline
from leaklab.services.mongo.projection import Projection
from leaklab.services.mongo.store import (
    Cap,
    Document,
    MongoStore,
    Query,
    StoredCollection,
    TailableScan,
)
from leaklab.services.mongo.update import check_change, is_replacement
from leaklab.services.mongo.wire import MAX_DOCUMENT_BYTES, MAX_MESSAGE_BYTES, cursor_reply_body, encode_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVER_VERSION = "6.0.0"
MAX_WIRE_VERSION = 17
FIRST_BATCH_DOCUMENTS = 101
"""Documents in a first batch without batchSize (MongoDB manual, "Iterate a Cursor")."""
AWAIT_DATA_S = 1.0
"""Seconds that a getMore on an awaitData cursor waits without maxTimeMS (manual, "cursor.tailable()")."""
MAX_WRITE_BATCH = 100_000
"""Statements in one write command (`maxWriteBatchSize`; MongoDB manual, "hello")."""


@dataclass(slots=True)
class Held:
    """What an open cursor reads from: a scan, and the collection whose fate it shares, if any.

    `session` is the one that it was opened in: only there may it be read on.
    """

    scan: Scan
    collection: StoredCollection | None
    session: bytes | None = None

    @property
    def exhausted(self) -> bool:
        """See `Scan`."""
        return self.scan.exhausted

    def take(self, count: int | None, max_bytes: int) -> list[bytes]:
        """See `Scan`.

        Raises CommandError QueryPlanKilled if the collection was dropped under the cursor.
        """
        if self.collection is not None and self.collection.dropped:
            raise CommandError(175, f"collection dropped. ns: {self.collection.namespace}")
        return self.scan.take(count, max_bytes)


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What serverStatus tells of the connections; `uptime_s` in seconds."""

    connections_open: int
    connections_accepted: int
    requests_served: int
    uptime_s: float


@dataclass(slots=True)
class Waiting:
    """A getMore that found nothing yet: `retry` at changes of `collection`, `finish` after `wait_s` seconds.

    `retry` returns the reply or None for "still nothing"; `finish` returns the reply as things are; `abandon`
    gives the cursor back if the client has gone meanwhile.
    """

    collection: StoredCollection
    wait_s: float
    retry: Callable[[], bytes | None]
    finish: Callable[[], bytes]
    abandon: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Keep:
    """What becomes of a cursor after its first batch: ended by `single_batch`, or open with these options."""

    single_batch: bool = False
    no_timeout: bool = False
    await_data: bool = False


Reply = bytes | Waiting


class CommandServer:
    """Answers commands from a store and a cursor table; knows nothing of sockets."""

    def __init__(self, cursors: CursorTable[Held], figures: Callable[[], ServerFigures]) -> None:
        self.cursors = cursors
        self._figures = figures
        self._store = MongoStore()
        self._operations = dict.fromkeys(("insert", "query", "update", "delete", "getmore", "command"), 0)
        self._commands: Counter[str] = Counter()
        self._handlers: Mapping[str, Callable[[Arguments], Document | Reply]] = {
            "hello": self._hello,
            "isMaster": self._hello,
            "ismaster": self._hello,
            "ping": self._ok,
            "endSessions": self._end_sessions,
            "buildInfo": self._build_info,
            "buildinfo": self._build_info,
            "serverStatus": self._server_status,
            "listDatabases": self._list_databases,
            "listCollections": self._list_collections,
            "create": self._create,
            "createIndexes": self._create_indexes,
            "listIndexes": self._list_indexes,
            "dropIndexes": self._drop_indexes,
            "drop": self._drop,
            "dropDatabase": self._drop_database,
            "insert": self._insert,
            "update": self._update,
            "delete": self._delete,
            "findAndModify": self._find_and_modify,
            "find": self._find,
            "aggregate": self._aggregate,
            "count": self._count,
            "distinct": self._distinct,
            "getMore": self._get_more,
            "killCursors": self._kill_cursors,
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

    # ---- databases and collections

    def _list_databases(self, arguments: Arguments) -> Document:
        keep = arguments.document("filter")
        listed = []
        total = 0
        for name in self._store.databases():
            collections = self._store.collections(name)
            size = sum(sum(map(len, c.results(Query({}, {}, {})))) for c in collections)
            entry = {"name": name, "sizeOnDisk": Int64(size), "empty": False}
            if matches(keep, entry):
                listed.append({"name": name} if arguments.boolean("nameOnly") else entry)
                total += size
        reply: Document = {"databases": listed}
        if not arguments.boolean("nameOnly"):
            reply |= {"totalSize": Int64(total), "totalSizeMb": Int64(total // 1_048_576)}
        return reply | {"ok": 1.0}

    def _list_collections(self, arguments: Arguments) -> Reply:
        keep = arguments.document("filter")
        check_filter(keep)
        name_only = arguments.boolean("nameOnly")
        listed = []
        for collection in self._store.collections(arguments.database):
            options: Document = {}
            if collection.cap is not None:
                options = {"capped": True, "size": collection.cap.size}
                if collection.cap.max is not None:
                    options["max"] = collection.cap.max
            entry = {
                "name": collection.name,
                "type": "collection",
                "options": options,
                "info": {"readOnly": False, "uuid": Binary.from_uuid(collection.uuid)},
                "idIndex": {"v": 2, "key": {"_id": 1}, "name": "_id_"},
            }
            if matches(keep, entry):
                listed.append(encode_document({k: entry[k] for k in ("name", "type")} if name_only else entry))
        namespace = f"{arguments.database}.{LIST_COLLECTIONS}"
        held = Held(SnapshotScan(listed, knows_end=True), None)
        return self._first_batch(arguments, held, namespace, arguments.cursor_batch_size())

    def _create(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        capped = arguments.boolean("capped")
        size = arguments.integer("size", at_least=1)
        limit = arguments.integer("max")
        if capped and size is None:
            raise CommandError(72, "the 'size' field is required when 'capped' is true")
        if not capped and (size is not None or limit is not None):
            raise CommandError(
                72, "the 'capped' field needs to be true when either the 'size' or 'max' fields are present"
            )
        for unsupported in ("viewOn", "timeseries", "validator", "clusteredIndex", "collation"):
            if arguments.get(unsupported) is not None:
                raise not_implemented(f"create with '{unsupported}'")
        cap = None
        if size is not None:
            # max <= 0 means no bound, as on the real server.
            cap = Cap(size, limit if limit is not None and limit > 0 else None)
        self._store.create(arguments.database, name, cap)
        return {"ok": 1.0}

    def _create_indexes(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        specs = arguments.documents("indexes", may_be_empty=True)
        if not specs:
            raise CommandError(2, "Must specify at least one index to create")
        created = self._store.get(arguments.database, name) is None
        collection = self._store.get_or_create(arguments.database, name)
        before = len(collection.indexes())
        for spec in specs:
            create_index(collection.mock, collection.namespace, spec)
        return {
            "numIndexesBefore": before,
            "numIndexesAfter": len(collection.indexes()),
            "createdCollectionAutomatically": created,
            "ok": 1.0,
        }

    def _list_indexes(self, arguments: Arguments) -> Reply:
        collection = self._existing(arguments)
        listed = [encode_document(index) for index in collection.indexes().values()]
        held = Held(SnapshotScan(listed, knows_end=True), None)
        return self._first_batch(arguments, held, collection.namespace, arguments.cursor_batch_size())

    def _drop_indexes(self, arguments: Arguments) -> Document:
        collection = self._existing(arguments)
        before = len(collection.indexes())
        if arguments.get("index") is None:
            raise CommandError(40414, "BSON field 'dropIndexes.index' is missing but a required field")
        drop_indexes(collection.mock, arguments.get("index"))
        return {"nIndexesWas": before, "ok": 1.0}

    def _existing(self, arguments: Arguments) -> StoredCollection:
        name = arguments.collection()
        collection = self._store.get(arguments.database, name)
        if collection is None:
            raise CommandError(26, f"ns does not exist: {arguments.database}.{name}")
        return collection

    def _drop(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        if not self._store.drop(arguments.database, name):
            raise CommandError(26, "ns not found")
        return {"nIndexesWas": 1, "ns": f"{arguments.database}.{name}", "ok": 1.0}

    def _drop_database(self, arguments: Arguments) -> Document:
        collections = self._store.collections(arguments.database)
        for collection in collections:
            self._store.drop(arguments.database, collection.name)
        return {"dropped": arguments.database, "ok": 1.0} if collections else {"ok": 1.0}

    # ---- writing

    def _insert(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        documents = arguments.documents("documents", at_most=MAX_WRITE_BATCH)
        collection = self._store.get_or_create(arguments.database, name)

        def insert(document: Document) -> Document:
            collection.insert(document)
            return {"n": 1}

        return _write(documents, insert, ordered=arguments.boolean("ordered", default=True))

    def _update(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        arguments.refuse("let")
        statements = arguments.documents("updates", at_most=MAX_WRITE_BATCH)

        def update(statement: Document) -> Document:
            one = Arguments("update.updates", statement)
            one.check_names()
            query = one.document("q", required=True)
            change = one.get("u")
            multi, upsert = one.boolean("multi"), one.boolean("upsert")
            one.refuse("collation", "arrayFilters", "hint", "c", "sort")
            check_filter(query)
            if not isinstance(change, (dict, list)):
                raise CommandError(9, "Update argument must be either an object or an array")
            check_change(change)
            if is_replacement(change) and multi:
                raise CommandError(9, "multi update is not supported for replacement-style update")
            collection = self._store.get(arguments.database, name)
            if collection is None and not upsert:
                return {"n": 0, "nModified": 0}
            collection = collection or self._store.get_or_create(arguments.database, name)
            done = collection.update(query, change, multi=multi, upsert=upsert)
            if done.upserted:
                return {"n": 1, "nModified": 0, "upserted": done.upserted[0]}
            return {"n": done.matched, "nModified": done.modified}

        return {"nModified": 0} | _write(statements, update, ordered=arguments.boolean("ordered", default=True))

    def _delete(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        arguments.refuse("let")
        statements = arguments.documents("deletes", at_most=MAX_WRITE_BATCH)

        def delete(statement: Document) -> Document:
            one = Arguments("delete.deletes", statement)
            one.check_names()
            query = one.document("q", required=True)
            check_filter(query)
            one.refuse("collation", "hint")
            limit = one.integer("limit")
            if limit not in (0, 1):
                raise CommandError(9, f"The limit field in delete objects must be 0 or 1. Got {limit}")
            collection = self._store.get(arguments.database, name)
            return {"n": collection.delete(query, multi=not limit) if collection is not None else 0}

        return _write(statements, delete, ordered=arguments.boolean("ordered", default=True))

    def _find_and_modify(self, arguments: Arguments) -> Document:
        """Fields and reply of the MongoDB manual, "findAndModify"."""
        name = arguments.collection()
        query, sort = arguments.document("query"), arguments.document("sort")
        fields = arguments.document("fields")
        change = arguments.get("update")
        remove, new, upsert = (arguments.boolean(option) for option in ("remove", "new", "upsert"))
        arguments.refuse("collation", "arrayFilters", "hint", "let")
        check_filter(query)
        check_sort(sort)
        projection = Projection(fields, matches=matches) if fields else None
        if remove and (change is not None or new or upsert):
            raise CommandError(9, "Cannot specify 'remove' together with an update, new=true or upsert=true")
        if not remove and not isinstance(change, (dict, list)):
            raise CommandError(9, "Either an update or remove=true must be specified")
        if not remove:
            check_change(change)
        collection = self._store.get(arguments.database, name)
        if collection is None and upsert:
            collection = self._store.create(arguments.database, name)
        before = next(collection.find(query, sort), None) if collection is not None else None
        value: Document | None = before
        last: Document = {"n": int(before is not None or upsert)}
        if not remove:
            last["updatedExisting"] = before is not None
        if collection is not None and before is not None:
            _id = {"_id": {"$eq": before["_id"]}}
            if remove:
                collection.delete(_id, multi=False)
            else:
                # The positional operator refers to what the query asked for.
                collection.update({**query, **_id}, change, multi=False)
                value = next(collection.find(_id, {}), None) if new else before
        elif collection is not None and upsert:
            (inserted,) = collection.update(query, change, upsert=True).upserted
            last["upserted"] = inserted
            value = next(collection.find({"_id": {"$eq": inserted}}, {}), None) if new else None
        if projection is not None and value is not None:
            value = projection.apply(value)
        return {"lastErrorObject": last, "value": value, "ok": 1.0}

    # ---- reading

    def _find(self, arguments: Arguments) -> Reply:
        name = arguments.collection()
        query = Query(
            arguments.document("filter"),
            arguments.document("sort"),
            arguments.document("projection"),
            arguments.integer("skip", at_least=0) or 0,
            arguments.integer("limit", at_least=0) or 0,
        )
        batch_size = arguments.integer("batchSize", at_least=0)
        single = arguments.boolean("singleBatch")
        tailable = arguments.boolean("tailable")
        await_data = arguments.boolean("awaitData")
        no_timeout = arguments.boolean("noCursorTimeout")
        arguments.integer("maxTimeMS", at_least=0)
        arguments.refuse("collation", "min", "max", "returnKey", "showRecordId", "let")
        check_filter(query.filter)
        check_sort(query.sort)
        if query.projection:
            Projection(query.projection, matches=matches)
        if await_data and not tailable:
            raise CommandError(9, "Cannot set 'awaitData' without also setting 'tailable'")
        if tailable and single:
            raise CommandError(9, "Cannot use tailable option with the 'singleBatch' option")
        if tailable and query.sort not in ({}, {"$natural": 1}):
            raise CommandError(2, "cannot use tailable option with a sort other than {$natural: 1}")
        collection = self._store.get(arguments.database, name)
        namespace = f"{arguments.database}.{name}"
        if order := self._hinted_order(arguments, name):
            if tailable and order != {"$natural": 1}:
                raise CommandError(2, "cannot use tailable option with a hint other than {$natural: 1}")
            query = replace(query, order=order)
        scan: Scan
        if collection is None:
            scan = SnapshotScan((), knows_end=True)
        elif tailable:
            if collection.cap is None:
                raise CommandError(
                    2,
                    f"error processing query: ns={namespace} tailable cursor requested on non capped collection",
                )
            # On an empty one the real server returns a dead cursor: `shouldSaveCursor`, SERVER-13955.
            scan = SnapshotScan((), knows_end=True) if collection.is_empty else TailableScan(collection, query)
        else:
            found = collection.results(query)
            # A limit that was reached and a sort (done in memory) know their end, see SnapshotScan.
            reached = 0 < query.limit <= len(found)
            sorts = any(field != "$natural" for field in query.sort)
            scan = SnapshotScan(found, knows_end=reached or sorts)
        return self._first_batch(
            arguments,
            Held(scan, collection),
            namespace,
            batch_size,
            Keep(single_batch=single, no_timeout=no_timeout, await_data=await_data),
        )

    def _aggregate(self, arguments: Arguments) -> Reply:
        if arguments.get("aggregate") == 1:
            raise not_implemented("aggregate on a database")
        name = arguments.collection()
        pipeline = arguments.documents("pipeline", may_be_empty=True)
        if arguments.get("cursor") is None:
            raise CommandError(9, "The 'cursor' option is required, except for aggregate with the explain argument")
        batch_size = arguments.cursor_batch_size()
        arguments.refuse("collation", "explain", "let")
        checked = check_pipeline(pipeline)
        order = self._hinted_order(arguments, name)
        found = self._store.aggregate(arguments.database, name, checked, order)
        if checked and "$out" in checked[-1]:
            # mongomock wrote behind the store's back.
            self._store.get_or_create(arguments.database, checked[-1]["$out"]).changed()
            found = []
        collection = self._store.get(arguments.database, name)
        # aggregate stops when its batch is full and looks no further (run_aggregate.cpp).
        scan = SnapshotScan([encode_document(document) for document in found], knows_end=False)
        return self._first_batch(arguments, Held(scan, collection), f"{arguments.database}.{name}", batch_size)

    def _hinted_order(self, arguments: Arguments, name: str) -> Document:
        """Return the order that the command's hint makes of a collection, see `hinted_order`."""
        collection = self._store.get(arguments.database, name)
        return hinted_order(collection.mock, arguments.get("hint")) if collection is not None else {}

    def _count(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        query = arguments.document("query")
        skip = arguments.integer("skip", at_least=0) or 0
        limit = abs(arguments.integer("limit") or 0)
        arguments.refuse("collation")
        check_filter(query)
        self._hinted_order(arguments, name)  # no order changes the result
        collection = self._store.get(arguments.database, name)
        if collection is None:
            return {"n": 0, "ok": 1.0}
        mock = collection.mock
        counted = mock.count_documents(query) if query else mock.estimated_document_count()
        counted = max(0, counted - skip)
        return {"n": min(counted, limit) if limit else counted, "ok": 1.0}

    def _distinct(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        key = arguments.get("key")
        if not isinstance(key, str):
            raise CommandError(
                14, f"BSON field 'distinct.key' is the wrong type '{type_name(key)}', expected type 'string'"
            )
        query = arguments.document("query")
        arguments.refuse("collation")
        check_filter(query)
        self._hinted_order(arguments, name)  # no order changes the result
        return {"values": self._store.mock(arguments.database, name).find(query).distinct(key), "ok": 1.0}

    # ---- cursors

    def _first_batch(
        self,
        arguments: Arguments,
        held: Held,
        namespace: str,
        batch_size: int | None,
        keep: Keep | None = None,
    ) -> bytes:
        held.session = arguments.session
        count = FIRST_BATCH_DOCUMENTS if batch_size is None else batch_size
        batch = held.take(count, MAX_DOCUMENT_BYTES)
        cursor_id = 0
        keep = keep or Keep()
        if not keep.single_batch and not held.exhausted:
            try:
                cursor = self.cursors.open(namespace, held, no_timeout=keep.no_timeout, await_data=keep.await_data)
            except TooManyCursorsError as error:
                raise CommandError(146, str(error)) from error
            cursor_id = cursor.cursor_id
        return cursor_reply_body("firstBatch", batch, cursor_id=cursor_id, namespace=namespace)

    def _get_more(self, arguments: Arguments) -> Reply:
        cursor_id = arguments.integer("getMore")
        if cursor_id is None:
            raise CommandError(14, "BSON field 'getMore.getMore' is the wrong type 'null', expected type 'long'")
        namespace = f"{arguments.database}.{arguments.collection('collection', of_cursor=True)}"
        # 0 is no bound here, unlike in find (`FindCommon::enoughForGetMore`).
        count = arguments.integer("batchSize", at_least=0) or None
        wait_ms = arguments.integer("maxTimeMS", at_least=0)
        cursor = self.cursors.get(cursor_id)
        if cursor is None:
            raise CommandError(43, f"cursor id {cursor_id} not found")
        if cursor.namespace != namespace:
            raise CommandError(
                13,
                f"Requested getMore on namespace '{namespace}', but cursor belongs to a different "
                f"namespace {cursor.namespace}",
            )
        _check_session(cursor, arguments.session)
        if cursor.pinned:
            raise CommandError(12051, f"cursor id {cursor_id} is already in use")
        if wait_ms and not cursor.await_data:
            raise CommandError(2, "cannot set maxTimeMS on getMore command for a non-awaitData cursor")
        self.cursors.pin(cursor)
        try:
            reply = self._next_batch(cursor, count, wait=cursor.await_data)
        except BaseException:
            self._end(cursor)
            raise
        if reply is not None:
            self.cursors.unpin(cursor)
            return reply
        return self._wait(cursor, count, AWAIT_DATA_S if wait_ms is None else wait_ms / 1000)

    def _next_batch(self, cursor: OpenCursor[Held], count: int | None, *, wait: bool) -> bytes | None:
        """Return the reply to a getMore, or None if it would be empty and the cursor shall `wait`."""
        if cursor.killed:
            raise CommandError(237, f"cursor id {cursor.cursor_id} was killed")
        batch = cursor.scan.take(count, MAX_DOCUMENT_BYTES)
        if not batch and wait and not cursor.scan.exhausted:
            return None
        cursor_id = cursor.cursor_id
        if cursor.scan.exhausted:
            self.cursors.close(cursor_id)
            cursor_id = 0
        return cursor_reply_body("nextBatch", batch, cursor_id=cursor_id, namespace=cursor.namespace)

    def _wait(self, cursor: OpenCursor[Held], count: int | None, wait_s: float) -> Waiting:
        def attempt(*, wait: bool) -> bytes | None:
            try:
                reply = self._next_batch(cursor, count, wait=wait)
            except Exception as error:  # noqa: BLE001 - as in `run`
                self._end(cursor)
                return encode_document(as_command_error(error).document())
            if reply is not None:
                self.cursors.unpin(cursor)
            return reply

        def finish() -> bytes:
            return attempt(wait=False) or b""

        collection = cursor.scan.collection
        if collection is None:
            raise CommandError(1, "only a cursor over a collection can wait for data")
        return Waiting(collection, wait_s, lambda: attempt(wait=True), finish, lambda: self.cursors.unpin(cursor))

    def _end(self, cursor: OpenCursor[Held]) -> None:
        """Return a getMore that fails takes its cursor with it."""
        self.cursors.unpin(cursor)
        self.cursors.close(cursor.cursor_id)

    def _kill_cursors(self, arguments: Arguments) -> Document:
        arguments.collection(of_cursor=True)
        killed: list[Int64] = []
        missing: list[Int64] = []
        for cursor_id in arguments.array("cursors"):
            if isinstance(cursor_id, bool) or not isinstance(cursor_id, int):
                raise CommandError(
                    14,
                    f"BSON field 'killCursors.cursors' is the wrong type '{type_name(cursor_id)}', "
                    "expected type 'long'",
                )
            cursor = self.cursors.close(cursor_id)
            (missing if cursor is None else killed).append(Int64(cursor_id))
            if cursor is not None and cursor.pinned and cursor.scan.collection is not None:
                cursor.scan.collection.notify()  # whoever waits on it learns that it was killed
        return {
            "cursorsKilled": killed,
            "cursorsNotFound": missing,
            "cursorsAlive": [],
            "cursorsUnknown": [],
            "ok": 1.0,
        }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _check_session(cursor: OpenCursor[Held], session: bytes | None) -> None:
    """Raise CommandError unless a cursor is read on where it was opened.

    Source: MongoDB manual, "getMore", Sessions; the codes are those of `validateLSID` in getmore_cmd.cpp.
    """
    opened_in = cursor.scan.session
    if opened_in == session:
        return
    code, of_cursor, now = 50738, f"was created in session {_hex(opened_in)}", f"in session {_hex(session)}"
    if opened_in is None:
        code, of_cursor = 50736, "was not created in a session"
    elif session is None:
        code, now = 50737, "without an lsid"
    raise CommandError(code, f"Cannot run getMore on cursor {cursor.cursor_id}, which {of_cursor}, {now}")


def _hex(session: bytes | None) -> str:
    return (session or b"").hex()


def _write(statements: list[Document], write: Callable[[Document], Document], *, ordered: bool) -> Document:
    """Run statements and sum their results; the first error ends an ordered command, and others go on."""
    total: Document = {"n": 0}
    upserted: list[Document] = []
    errors: list[Document] = []
    for index, statement in enumerate(statements):
        try:
            done = write(statement)
        except Exception as error:  # noqa: BLE001 - as in `CommandServer.run`
            errors.append(as_command_error(error).write_error(index))
            if ordered:
                break
            continue
        if "upserted" in done:
            upserted.append({"index": index, "_id": done.pop("upserted")})
        for field, value in done.items():
            total[field] = total.get(field, 0) + value
    if upserted:
        total["upserted"] = upserted
    if errors:
        total["writeErrors"] = errors
    return total | {"ok": 1.0}
