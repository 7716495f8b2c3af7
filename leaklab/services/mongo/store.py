"""The collections of the embedded MongoDB server: mongomock holds the documents, this adds what it has not.

That is: results that cursors share as encoded documents, capped collections, tailable scans, and telling
those who wait for an insert. Nothing here knows of connections or time.
"""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mongomock
from bson import Regex

from leaklab.services.mongo import expressions, filters, pipeline, update
from leaklab.services.mongo.arguments import type_name
from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.expressions import sort_documents
from leaklab.services.mongo.filters import matches
from leaklab.services.mongo.indexes import indexes, key_values
from leaklab.services.mongo.mock import aggregate, helpers
from leaklab.services.mongo.projection import Projection
from leaklab.services.mongo.update import Change, check_change, to_insert, updated
from leaklab.services.mongo.wire import MAX_DOCUMENT_BYTES, decode_document, encode_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Document = dict[str, Any]

# mongomock has no type hints of its own; these say what is used of it.
_normalise: Callable[[Any], Any] = helpers.patch_datetime_awareness_in_document
_run_pipeline: Callable[..., Iterable[Document]] = aggregate.process_pipeline

expressions.mend()
filters.mend()
pipeline.mend()
update.mend()

_RESULTS_KEPT = 8  # distinct queries a collection remembers between two writes


@dataclass(frozen=True, slots=True)
class Cap:
    """The bound of a capped collection: `size` in bytes, `max` in documents (None: no bound)."""

    size: int
    max: int | None


@dataclass(frozen=True, slots=True)
class Query:
    """What a find asks for; `limit` 0 is no limit, `order` is that of a hint, for what is not sorted."""

    filter: Document
    sort: Document
    projection: Document
    skip: int = 0
    limit: int = 0
    order: Document = field(default_factory=dict)

    def key(self) -> bytes:
        """Equal for queries with equal results."""
        bounds = [self.skip, self.limit]
        return encode_document({"f": self.filter, "s": self.sort, "p": self.projection, "n": bounds, "o": self.order})


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did; `upserted` holds the `_id` of what it inserted, if it inserted."""

    matched: int
    modified: int
    upserted: tuple[Any, ...] = ()


def _store_key(_id: Any) -> Any:
    """Return what mongomock's store calls a document of that `_id`; raises CommandError if it cannot have that."""
    key = helpers.hashdict(_id) if isinstance(_id, dict) else _id
    try:
        hash(key)
    except TypeError:
        raise not_implemented(f"an _id of type {type_name(_id)}, or with one of such a type in it,") from None
    return key


class StoredCollection:
    """One collection. `dropped` once it is gone; cursors over it find that out at their next batch."""

    def __init__(self, database: str, name: str, mock: Any, cap: Cap | None = None) -> None:
        self.namespace = f"{database}.{name}"
        self.name = name
        self.cap = cap
        self.uuid = uuid.uuid4()
        self.dropped = False
        self.mock = mock
        self.listeners: set[Callable[[], None]] = set()
        # Encoded documents in order, by themselves: a result with the same document in it shares its bytes.
        # None: a write changed more than the end, build it anew when it is asked for.
        self._bodies: dict[bytes, bytes] | None = {}
        self._results: dict[bytes, tuple[bytes, ...]] = {}
        # A capped collection's documents by their place in insertion order; places are never used twice.
        self._records: dict[int, bytes] = {}
        self._first_place = 1
        self._next_place = 1
        self._record_bytes = 0

    # ---- reading

    def results(self, query: Query) -> tuple[bytes, ...]:
        """Return the encoded documents that `query` finds now; the same tuple as long as nothing was written.

        Sharing it is what keeps ten thousand cursors over one collection small: a cursor costs a position.
        """
        key = query.key()
        found = self._results.get(key)
        if found is None:
            if len(self._results) >= _RESULTS_KEPT:
                del self._results[next(iter(self._results))]
            found = self._results[key] = self._read(query)
        return found

    def _read(self, query: Query) -> tuple[bytes, ...]:
        end = query.skip + query.limit if query.limit else None
        # With a limit it is a few documents: not worth encoding all the others for what may be shared.
        bodies = self._bodies if query.limit else self._all_bodies()
        if bodies is not None and not query.filter and not query.sort and not query.projection and not query.order:
            return tuple(itertools.islice(bodies, query.skip, end))
        found = self._stored(query.filter, query.sort or query.order)
        documents: Iterable[Document] = itertools.islice(found, query.skip, end)
        if query.projection:
            projection = Projection(query.projection, matches=matches)
            documents = map(projection.apply, documents)
        shared = bodies or {}
        return tuple(shared.get(raw, raw) for raw in map(encode_document, documents))

    def _stored(self, wanted: Document, sort: Document) -> Iterator[Document]:
        """Return the stored documents that match, not to be changed; one by one if they need not be sorted."""
        # mongomock's own `find` makes a list of everything, and copies it, before its first document.
        # Without a filter a list too: its `documents`, left half read, would keep a lock.
        found = self.mock._iter_documents(_normalise(wanted)) if wanted else list(self.mock._store.documents)
        return iter(sort_documents(found, sort) if sort else found)

    def find(self, wanted: Document, sort: Document) -> Iterator[Document]:
        """Return copies of the documents that match, in the order of `sort`."""
        return (decode_document(encode_document(document)) for document in self._stored(wanted, sort))

    def all(self) -> list[Document]:
        """Return copies of all documents."""
        return [decode_document(raw) for raw in self._all_bodies()]

    def indexes(self) -> dict[str, Document]:
        """Return the indexes by name, as listIndexes shows them."""
        return indexes(self.mock)

    def _all_bodies(self) -> dict[bytes, bytes]:
        if self._bodies is None:
            self._bodies = {raw: raw for raw in map(encode_document, self.mock._store.documents)}
        return self._bodies

    @property
    def is_empty(self) -> bool:
        """Whether it holds no document."""
        return bool(self.mock.estimated_document_count() == 0)

    # ---- writing

    def insert(self, document: Document) -> None:
        """Insert one document, with an `_id` in front of it, and cut off what exceeds the cap.

        Raises CommandError: DuplicateKey, BadValue, InvalidIdField or BSONObjectTooLarge.
        """
        if next(iter(document), None) != "_id":
            document = {"_id": document.get("_id", mongomock.ObjectId()), **document}
        if isinstance(document["_id"], (list, Regex)):
            raise CommandError(53, f"The '_id' value cannot be of type {type_name(document['_id'])}")
        document = _normalise(document)
        raw = encode_document(document)
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise CommandError(
                10334,
                f"object to insert too large. size in bytes: {len(raw)}, max size: {MAX_DOCUMENT_BYTES}",
            )
        if self.cap is not None and len(raw) > self.cap.size:
            raise CommandError(2, f"object to insert exceeds cappedMaxSize of {self.cap.size} bytes")
        key = _store_key(document["_id"])
        was_there = key in self.mock._store
        try:
            self.mock.insert_one(document)
        except mongomock.DuplicateKeyError as error:
            raise self._duplicate(document, inserted=True) from error
        except Exception:
            # mongomock takes back only a duplicate.
            if not was_there and key in self.mock._store:
                del self.mock._store[key]
            raise
        self._results.clear()
        if self._bodies is not None:
            self._bodies[raw] = raw
        if self.cap is not None:
            self._record(raw, self.cap)
        self.notify()

    def update(self, query: Document, change: Change, *, multi: bool = False, upsert: bool = False) -> Updated:
        """Update the first document that matches, or all of them; insert one if none does and `upsert`.

        Raises CommandError; what was updated before the document it is about stays so.
        """
        change, query = _normalise(check_change(change)), _normalise(query)
        matched = modified = 0
        try:
            for document in self.mock._iter_documents(query):
                matched += 1
                modified += self._replace(document, updated(self.mock, document, query, change))
                if not multi:
                    break
        finally:
            if modified:
                self.changed()
        if matched or not upsert:
            return Updated(matched, modified)
        inserted = to_insert(self.mock, query, change)
        self.insert(inserted)
        return Updated(0, 0, (inserted["_id"],))

    def _replace(self, document: Document, new: Document) -> bool:
        """Put `new` in the place of a stored document; False if it is the same."""
        raw = encode_document(new)
        before = dict(document)
        if raw == encode_document(before):
            return False
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise CommandError(
                10334,
                "Plan executor error during update :: caused by :: Resulting document after update is larger than "
                f"{MAX_DOCUMENT_BYTES}",
            )
        document.clear()
        document.update(new)
        try:
            self.mock._ensure_uniques(document)
        except Exception as error:
            document.clear()
            document.update(before)
            if isinstance(error, mongomock.DuplicateKeyError):
                raise self._duplicate(new, inserted=False) from error
            raise
        return True

    def delete(self, query: Document, *, multi: bool) -> int:
        """Delete the first document that matches, or all of them; returns how many."""
        found = self.mock._iter_documents(_normalise(query))
        doomed = [document["_id"] for document in (found if multi else itertools.islice(found, 1))]
        for _id in doomed:
            del self.mock._store[_store_key(_id)]
        if doomed:
            self.changed()
        return len(doomed)

    def _duplicate(self, document: Document, *, inserted: bool) -> CommandError:
        """Return the error for a document with a key that another one has; `document` itself is not inserted yet."""
        for name, index in self.indexes().items():
            is_id = name == "_id_"
            if not (index.get("unique") or (is_id and inserted)):
                continue
            values = key_values(document, index["key"])
            there = self.mock._iter_documents({field: {"$eq": value} for field, value in values.items()})
            if any(is_id or other["_id"] != document["_id"] for other in there):
                return CommandError(
                    11000,
                    f"E11000 duplicate key error collection: {self.namespace} index: {name} dup key: {values}",
                    keyPattern=index["key"],
                    keyValue=values,
                )
        return CommandError(11000, f"E11000 duplicate key error collection: {self.namespace}")

    def _record(self, raw: bytes, cap: Cap) -> None:
        """Keep a capped collection's newest document and drop its oldest, until the cap holds again.

        Its size is taken as the sum of its documents' BSON lengths; the real server counts the same bytes
        but may run over a little before it truncates (MongoDB manual, "Capped Collections").
        """
        self._records[self._next_place] = raw
        self._next_place += 1
        self._record_bytes += len(raw)
        while self._record_bytes > cap.size or (cap.max is not None and len(self._records) > cap.max):
            oldest = self._records.pop(self._first_place, None)
            self._first_place += 1
            if oldest is None:
                continue  # deleted before
            self._record_bytes -= len(oldest)
            _id = decode_document(oldest)["_id"]
            # Not delete_one: it would look at every document for each one that is cut off.
            del self.mock._store[_store_key(_id)]
            if self._bodies is not None:
                self._bodies.pop(oldest, None)

    def changed(self) -> None:
        """Forget what was derived from the documents: some of them were updated or deleted."""
        self._bodies = None
        self._results.clear()
        if self.cap is not None:
            self._rebuild_records()

    def _rebuild_records(self) -> None:
        """Bring the places in line with the documents after an update or a delete; rare, so it may cost."""
        current = {encode_document({"_id": d["_id"]}): encode_document(d) for d in self.mock.find()}
        for place, raw in list(self._records.items()):
            body = current.pop(encode_document({"_id": decode_document(raw)["_id"]}), None)
            if body is None:
                del self._records[place]
            else:
                self._records[place] = body
        for upserted in current.values():
            self._records[self._next_place] = upserted
            self._next_place += 1
        self._record_bytes = sum(map(len, self._records.values()))
        self.notify()

    def drop(self) -> None:
        """Remove every document and mark the collection as gone."""
        self.mock.drop()
        self.dropped = True
        self._bodies, self._results, self._records = {}, {}, {}
        self.notify()

    def notify(self) -> None:
        """Tell those who wait for something to happen here; each is told once."""
        listeners, self.listeners = self.listeners, set()
        for listener in listeners:
            listener()

    # ---- capped order

    def records_after(self, place: int) -> Iterator[tuple[int, bytes]]:
        """Return the capped collection's documents after `place` (0: all), oldest first, each with its place.

        Raises CommandError CappedPositionLost if the document at `place` was cut off meanwhile.
        """
        if place and place not in self._records:
            raise CommandError(
                136,
                "CollectionScan died due to position in capped collection being deleted. "
                f"Last seen record id: RecordId({place})",
            )
        for at in range(max(place + 1, self._first_place), self._next_place):
            raw = self._records.get(at)
            if raw is not None:
                yield at, raw


class TailableScan:
    """Follows a capped collection in insertion order; it never ends by itself."""

    __slots__ = ("_collection", "_left", "_place", "_projection", "_query", "_skip")

    exhausted = False

    def __init__(self, collection: StoredCollection, query: Query) -> None:
        self._collection = collection
        self._query = query
        self._place = 0
        self._skip = query.skip
        self._left = query.limit or None
        self._projection = Projection(query.projection, matches=matches) if query.projection else None

    def take(self, count: int | None, max_bytes: int) -> list[bytes]:
        """Return the next batch, empty if nothing new is there; see `Scan.take`.

        Raises CommandError CappedPositionLost.
        """
        batch: list[bytes] = []
        size = 0
        if self._left is not None:
            count = self._left if count is None else min(count, self._left)
        for place, raw in self._collection.records_after(self._place):
            if count is not None and len(batch) >= count:
                break
            found = self._match(raw)
            if found is not None and not self._skip:
                size += len(found)
                if batch and size > max_bytes:
                    break
                batch.append(found)
            elif found is not None:
                self._skip -= 1
            self._place = place
        if self._left is not None:
            self._left -= len(batch)
        return batch

    def _match(self, raw: bytes) -> bytes | None:
        if not self._query.filter and self._projection is None:
            return raw
        document = decode_document(raw)
        if not matches(self._query.filter, document):
            return None
        return raw if self._projection is None else encode_document(self._projection.apply(document))


class MongoStore:
    """Every database of one embedded server."""

    def __init__(self) -> None:
        self._client: Any = mongomock.MongoClient()
        self._databases: dict[str, dict[str, StoredCollection]] = {}

    def databases(self) -> list[str]:
        """Names of the databases that have a collection."""
        return [name for name, collections in self._databases.items() if collections]

    def collections(self, database: str) -> list[StoredCollection]:
        """Return the collections of one database, in order of creation."""
        return list(self._databases.get(database, {}).values())

    def get(self, database: str, name: str) -> StoredCollection | None:
        """Return a collection, or None if it was not created."""
        return self._databases.get(database, {}).get(name)

    def mock(self, database: str, name: str) -> Any:
        """Return mongomock's collection of that name; one that was not created reads as empty."""
        return self._client[database][name]

    def aggregate(self, database: str, name: str, pipeline: list[Document], order: Document) -> list[Document]:
        """Return what a checked pipeline makes of a collection's documents, read in the order of a hint."""
        stored = self.get(database, name)
        documents = stored.all() if stored is not None else []
        documents = sort_documents(documents, order)
        return list(_run_pipeline(documents, self._client[database], pipeline, None))

    def create(self, database: str, name: str, cap: Cap | None = None) -> StoredCollection:
        """Create a collection.

        Raises CommandError NamespaceExists.
        """
        if self.get(database, name) is not None:
            raise CommandError(48, f"Collection {database}.{name} already exists.")
        mock = self.mock(database, name)
        created = StoredCollection(database, name, mock, cap)
        self._databases.setdefault(database, {})[name] = created
        return created

    def get_or_create(self, database: str, name: str) -> StoredCollection:
        """Return a collection, created now if need be: writing to one creates it."""
        return self.get(database, name) or self.create(database, name)

    def drop(self, database: str, name: str) -> bool:
        """Drop a collection; False if there is none."""
        collection = self._databases.get(database, {}).pop(name, None)
        if collection is None:
            return False
        collection.drop()
        return True
