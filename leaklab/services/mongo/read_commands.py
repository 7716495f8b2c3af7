"""Commands that read: find, aggregate, count, distinct, listCollections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaklab.services.mongo.arguments import LIST_COLLECTIONS
from leaklab.services.mongo.command_error import CommandError, not_supported
from leaklab.services.mongo.cursors import ServerCursor, SnapshotScan, TailableScan
from leaklab.services.mongo.store import MongoStore, Query, StoredCollection
from leaklab.services.mongo.time_limit import TIME_LIMIT
from leaklab.services.mongo.wire import encode_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaklab.services.mongo.arguments import Arguments, Document
    from leaklab.services.mongo.batches import Batches, Handler


class ReadCommands:
    """Answers from a store, by batches where there may be many results."""

    def __init__(self, store: MongoStore, batches: Batches) -> None:
        self._store = store
        self._batches = batches
        self.handlers: Mapping[str, Handler] = {
            "find": self._find,
            "aggregate": self._aggregate,
            "count": self._count,
            "distinct": self._distinct,
            "listCollections": self._list_collections,
        }

    def _find(self, arguments: Arguments) -> bytes:
        collection = self._store.get(arguments.namespace())
        tailable, single = bool(arguments.get("tailable")), bool(arguments.get("singleBatch"))
        query = Query(
            arguments.document("filter"),
            arguments.document("sort"),
            arguments.document("projection"),
            arguments.integer("skip", at_least=0) or 0,
            arguments.integer("limit", at_least=0) or 0,
        )
        for name, value in query.projection.items():
            if "$" in name or not isinstance(value, (int, float, dict)):  # mongomock takes all of these for 1
                raise not_supported(f"the projection {name}: {value!r}")
        cursor = ServerCursor(".".join(arguments.namespace()), SnapshotScan((), knows_end=True), collection)
        cursor.no_timeout, cursor.await_data = bool(arguments.get("noCursorTimeout")), bool(arguments.get("awaitData"))
        if cursor.await_data and not tailable:
            raise CommandError(9, "Cannot set 'awaitData' without also setting 'tailable'")
        if tailable and (single or query.sort not in ({}, {"$natural": 1})):
            raise CommandError(9, "Cannot use tailable option with 'singleBatch', or a sort other than {$natural: 1}")
        if collection is not None:
            cursor.scan = _tail(collection, query) if tailable else _scan(collection, query)
        return self._batches.first(arguments, cursor, arguments.integer("batchSize", at_least=0), single_batch=single)

    def _aggregate(self, arguments: Arguments) -> bytes:
        if arguments.get("aggregate") == 1:
            raise not_supported("aggregate on a database")
        pipeline = arguments.documents("pipeline")
        if arguments.get("cursor") is None:
            raise CommandError(9, "The 'cursor' option is required, except for aggregate with the explain argument")
        mock = self._store.mock(arguments.namespace())
        found = TIME_LIMIT.run(lambda: list(mock.aggregate(pipeline)))
        # aggregate stops when its batch is full and looks no further (run_aggregate.cpp).
        scan = SnapshotScan([encode_document(document) for document in found], knows_end=False)
        cursor = ServerCursor(".".join(arguments.namespace()), scan, self._store.get(arguments.namespace()))
        return self._batches.first(arguments, cursor, arguments.batch_size())

    def _count(self, arguments: Arguments) -> Document:
        collection = self._store.get(arguments.namespace())
        query = Query(arguments.document("query"), skip=arguments.integer("skip", at_least=0) or 0)
        limit = abs(arguments.integer("limit") or 0)
        counted = len(collection.results(query)) if collection is not None else 0
        return {"n": min(counted, limit) if limit else counted}

    def _distinct(self, arguments: Arguments) -> Document:
        key, query = arguments["key"], arguments.document("query")
        mock = self._store.mock(arguments.namespace())
        return {"values": TIME_LIMIT.run(lambda: mock.find(query).distinct(key))}

    def _list_collections(self, arguments: Arguments) -> bytes:
        wanted = arguments.document("filter")
        if wanted.keys() - {"name"} or not isinstance(wanted.get("name", ""), str):
            raise not_supported(f"the filter {wanted}, other than by a whole name,")
        listed: list[Document] = []
        for name, collection in self._store.databases.get(arguments.database, {}).items():
            if wanted.get("name", name) == name:
                options = {} if arguments.get("nameOnly") else {"options": collection.cap}
                listed.append({"name": name, "type": "collection", **options})
        scan = SnapshotScan([encode_document(entry) for entry in listed], knows_end=True)
        cursor = ServerCursor(f"{arguments.database}.{LIST_COLLECTIONS}", scan)
        return self._batches.first(arguments, cursor, arguments.batch_size())


def _scan(collection: StoredCollection, query: Query) -> SnapshotScan:
    found = collection.results(query)
    # A limit that was reached and a sort (done in memory) know their end, see SnapshotScan.
    reached = 0 < query.limit <= len(found)
    return SnapshotScan(found, knows_end=reached or any(name != "$natural" for name in query.sort))


def _tail(collection: StoredCollection, query: Query) -> SnapshotScan | TailableScan:
    if not collection.cap:
        raise CommandError(2, "error processing query: tailable cursor requested on non capped collection")
    # On an empty one the real server returns a dead cursor: `shouldSaveCursor`, SERVER-13955.
    return TailableScan(collection, query) if collection.bodies else SnapshotScan((), knows_end=True)
