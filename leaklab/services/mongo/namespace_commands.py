"""Commands about databases, collections and indexes: what there is, what is made, what is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bson import Int64

from leaklab.services.mongo.arguments import LIST_COLLECTIONS, Arguments, Document
from leaklab.services.mongo.command_error import CommandError, not_supported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaklab.services.mongo.batches import Batches, Handler
    from leaklab.services.mongo.store import MongoStore, StoredCollection


class NamespaceCommands:
    """Makes, lists and drops what a store has."""

    def __init__(self, store: MongoStore, batches: Batches) -> None:
        self._store = store
        self._batches = batches
        self.handlers: Mapping[str, Handler] = {
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
        listed: list[Document] = []
        for name, collections in self._store.databases.items():
            size = sum(sum(map(len, collection.bodies.values())) for collection in collections.values())
            listed += [{"name": name, "sizeOnDisk": Int64(size), "empty": False}] if collections else []
        listed = _chosen(arguments, listed, "name")
        return {"databases": listed, "totalSize": Int64(sum(entry.get("sizeOnDisk", 0) for entry in listed))}

    def _list_collections(self, arguments: Arguments) -> bytes:
        collections = self._store.databases.get(arguments.database, {})
        listed = [{"name": name, "type": "collection", "options": one.cap} for name, one in collections.items()]
        namespace = f"{arguments.database}.{LIST_COLLECTIONS}"
        return self._batches.listing(arguments, namespace, _chosen(arguments, listed, "name", "type"))

    def _create(self, arguments: Arguments) -> Document:
        size, limit = arguments.integer("size", at_least=1), arguments.integer("max")
        if bool(arguments.get("capped")) != (size is not None) or (size is None and limit is not None):
            raise CommandError(72, "'capped' needs a 'size', and without it there is neither 'size' nor 'max'")
        cap: Document = {} if size is None else {"capped": True, "size": size}
        # max <= 0 means no bound, as on the real server.
        self._store.create(arguments.namespace(), cap | ({"max": limit} if limit is not None and limit > 0 else {}))
        return {}

    def _create_indexes(self, arguments: Arguments) -> Document:
        is_new = self._store.get(arguments.namespace()) is None
        specs = [Arguments("indexes", spec) for spec in arguments.documents("indexes")]
        if not specs:
            raise CommandError(2, "Must specify at least one index to create")
        collection = self._store.get(arguments.namespace()) or self._store.create(arguments.namespace())
        before = len(collection.indexes())
        for spec in specs:
            key, name = spec.document("key", required=True), spec["name"]
            if not key or any(isinstance(kind, bool) or kind not in (1, -1) for kind in key.values()):
                raise not_supported(f"an index on {key}, other than by 1 or -1,")
            if key != {"_id": 1}:
                collection.create_index(key, name, unique=bool(spec.get("unique")))
        after = len(collection.indexes())
        return {"numIndexesBefore": before, "numIndexesAfter": after, "createdCollectionAutomatically": is_new}

    def _list_indexes(self, arguments: Arguments) -> bytes:
        collection = self._existing(arguments)
        return self._batches.listing(arguments, collection.namespace, list(collection.indexes().values()))

    def _drop_indexes(self, arguments: Arguments) -> Document:
        collection, which = self._existing(arguments), arguments.get("index")
        indexes = collection.indexes()
        if which == "*":
            names = [name for name in indexes if name != "_id_"]
        else:
            names = [name for name, index in indexes.items() if which in (name, [name], index["key"])]
        if "_id_" in names or (not names and which != "*"):
            raise CommandError(72 if names else 27, f"cannot drop _id index, or index not found: {which}")
        for name in names:
            collection.mock.drop_index(name)
        return {"nIndexesWas": len(indexes)}

    def _existing(self, arguments: Arguments) -> StoredCollection:
        collection = self._store.get(arguments.namespace())
        if collection is None:
            raise CommandError(26, "ns not found")
        return collection

    def _drop(self, arguments: Arguments) -> Document:
        collection = self._existing(arguments)
        indexes = len(collection.indexes())
        database, name = arguments.namespace()
        self._store.databases[database].pop(name).drop()
        return {"nIndexesWas": indexes, "ns": collection.namespace}

    def _drop_database(self, arguments: Arguments) -> Document:
        for collection in self._store.databases.pop(arguments.database, {}).values():
            collection.drop()
        return {"dropped": arguments.database}


def _chosen(arguments: Arguments, listed: list[Document], *fields: str) -> list[Document]:
    """The entries of a list that its filter asks for, in full or only by name."""
    wanted = arguments.document("filter")
    if wanted.keys() - {"name"} or not isinstance(wanted.get("name", ""), str):
        raise not_supported(f"the filter {wanted}, other than by a whole name,")
    chosen = [entry for entry in listed if wanted.get("name", entry["name"]) == entry["name"]]
    return (
        [{field: entry[field] for field in fields} for entry in chosen] if bool(arguments.get("nameOnly")) else chosen
    )
