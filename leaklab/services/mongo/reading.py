"""Commands that read: find, aggregate, count, distinct."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leaklab.services.mongo.arguments import Arguments, type_name
from leaklab.services.mongo.batches import Batches, Handler, Held, Keep, Reply
from leaklab.services.mongo.cursors import Scan, SnapshotScan
from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.filters import check_filter, check_sort, matches
from leaklab.services.mongo.indexes import hinted_order
from leaklab.services.mongo.pipeline import check_pipeline
from leaklab.services.mongo.projection import Projection
from leaklab.services.mongo.store import Document, MongoStore, Query, TailableScan
from leaklab.services.mongo.wire import encode_document

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reading:
    """Answers from a store, by batches where there may be many results."""

    def __init__(self, store: MongoStore, batches: Batches) -> None:
        self._store = store
        self._batches = batches

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What answers each command of these."""
        return {
            "find": self._find,
            "aggregate": self._aggregate,
            "count": self._count,
            "distinct": self._distinct,
        }

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
        return self._batches.first(
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
        return self._batches.first(arguments, Held(scan, collection), f"{arguments.database}.{name}", batch_size)

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
