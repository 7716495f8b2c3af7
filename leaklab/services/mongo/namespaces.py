"""Commands about databases, collections and indexes: what there is, what is made, what is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bson import Binary, Int64

from leaklab.services.mongo.arguments import LIST_COLLECTIONS, Arguments
from leaklab.services.mongo.batches import Batches, Handler, Held, Reply
from leaklab.services.mongo.cursors import SnapshotScan
from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.filters import check_filter, matches
from leaklab.services.mongo.indexes import create_index, drop_indexes
from leaklab.services.mongo.store import Cap, Document, MongoStore, Query, StoredCollection
from leaklab.services.mongo.wire import encode_document

if TYPE_CHECKING:
    from collections.abc import Mapping


class Namespaces:
    """Makes, lists and drops what a store has."""

    def __init__(self, store: MongoStore, batches: Batches) -> None:
        self._store = store
        self._batches = batches

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What answers each command of these."""
        return {
            "listDatabases": self._list_databases,
            "listCollections": self._list_collections,
            "create": self._create,
            "createIndexes": self._create_indexes,
            "listIndexes": self._list_indexes,
            "dropIndexes": self._drop_indexes,
            "drop": self._drop,
            "dropDatabase": self._drop_database,
        }

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
        return self._batches.first(arguments, held, namespace, arguments.cursor_batch_size())

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
        return self._batches.first(arguments, held, collection.namespace, arguments.cursor_batch_size())

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
        collection = self._store.get(arguments.database, name)
        if collection is None:
            raise CommandError(26, "ns not found")
        indexes = len(collection.indexes())
        self._store.drop(arguments.database, name)
        return {"nIndexesWas": indexes, "ns": f"{arguments.database}.{name}", "ok": 1.0}

    def _drop_database(self, arguments: Arguments) -> Document:
        collections = self._store.collections(arguments.database)
        for collection in collections:
            self._store.drop(arguments.database, collection.name)
        return {"dropped": arguments.database, "ok": 1.0} if collections else {"ok": 1.0}
