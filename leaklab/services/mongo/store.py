"""Databases and collections: mongomock holds the documents, this keeps their encoded form, which all cursors share.

mongomock is used by its public methods only, and every call that a client's query decides is under the time limit. The
encoded documents are the truth: if an error or the limit breaks off a write, mongomock's are put back as they say.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from bson import ObjectId, Regex

from leaklab.services.mongo.arguments import Document
from leaklab.services.mongo.command_error import CommandError, not_supported
from leaklab.services.mongo.mongomock_checks import check_depth, check_paths, check_upsert, is_replacement, uses_regex
from leaklab.services.mongo.time_limit import TIME_LIMIT
from leaklab.services.mongo.wire import MAX_DOCUMENT_BYTES, decode_document, encode_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

REGEX_BYTES = 32 * 1024
"""Size of the largest document that regular expressions are used on.

One step of Python's `re` can walk through a whole string, and it looks for signals only every few thousand steps.
"""
_MAX_CHANGED = 20_000  # documents of a collection that is put back within a fraction of a second
_RESULTS_KEPT = 8  # distinct queries a collection remembers between two writes
_ID_INDEX: Document = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


@dataclass(frozen=True, slots=True)
class Query:
    """What a find asks for; `limit` 0 is no limit."""

    filter: Document
    sort: Document
    projection: Document
    skip: int = 0
    limit: int = 0


def _key(document: Document) -> bytes:
    """What a document is kept under: its encoded _id."""
    return encode_document({"_id": document["_id"]})


class StoredCollection:
    """One collection. `dropped` once it is gone; cursors over it find that out at their next batch.

    `cap` is empty, or the options of a capped collection: `size` in bytes and perhaps `max`, in documents. `largest` is
    the size in bytes of its largest document so far; `listeners` are called once, at the next change.
    """

    def __init__(self, namespace: str, mock: Any, cap: Document) -> None:
        self.namespace = namespace
        self.mock = mock
        self.cap = cap
        self.dropped = self._has_unique = False
        self.largest = 0
        self.listeners: set[Callable[[], None]] = set()
        self.bodies: dict[bytes, bytes] = {}  # encoded documents by key, in their order
        self._results: dict[bytes, tuple[bytes, ...]] = {}
        # Of a capped collection: each document's key by its place in insertion order; places are never used twice.
        self._places: dict[int, bytes] = {}
        self._next_place = 1

    def results(self, query: Query) -> tuple[bytes, ...]:
        """Return the encoded documents that `query` finds now; the same tuple as long as nothing is written.

        Sharing it is what keeps ten thousand cursors over one collection small: a cursor costs a position.
        """
        bounds = [query.skip, query.limit]
        asked = encode_document({"f": query.filter, "s": query.sort, "p": query.projection, "b": bounds})
        found = self._results.get(asked)
        if found is None:
            if len(self._results) >= _RESULTS_KEPT:
                del self._results[next(iter(self._results))]
            is_plain = not query.filter and not query.sort and not query.projection
            every = self.bodies.values() if is_plain else TIME_LIMIT.run(lambda: self._read(query))
            end = query.skip + query.limit if query.limit else None
            found = self._results[asked] = tuple(itertools.islice(every, query.skip, end))
        return found

    def _read(self, query: Query) -> list[bytes]:
        for field in query.sort:
            # mongomock takes the first element for the whole array.
            if field not in ("_id", "$natural") and self.mock.count_documents({field: {"$type": "array"}}):
                raise not_supported(f"sorting by {field!r}, which holds arrays,")
        found = self.mock.find(query.filter, query.projection or None, sort=list(query.sort.items()) or None)
        return [encode_document(document) if query.projection else self.bodies[_key(document)] for document in found]

    def find_one(self, query: Query) -> Document | None:
        """Return the first document that is found."""
        return next(map(decode_document, self.results(query)), None)

    def records_after(self, place: int, query: Query) -> Iterator[tuple[int, bytes | None]]:
        """Return the places after `place` (0: all) of a capped collection, with what the query makes of each document.

        Raises CommandError CappedPositionLost if the document at `place` was cut off meanwhile.
        """
        if place and place not in self._places:
            raise CommandError(136, f"CollectionScan died: the document at RecordId({place}) was cut off")
        wanted = self.bodies
        if query.filter or query.projection:
            matching = map(decode_document, self.results(Query(query.filter, {}, {})))
            made = self.results(Query(query.filter, {}, query.projection))
            wanted = dict(zip(map(_key, matching), made, strict=True))
        for at in range(max(place + 1, next(iter(self._places), 0)), self._next_place):
            if at in self._places:
                yield at, wanted.get(self._places[at])

    def insert(self, document: Document) -> None:
        """Insert one document, with an `_id` in front of it, and cut off what exceeds the cap. Raises CommandError."""
        document = {"_id": document.get("_id", ObjectId()), **document}
        if isinstance(document["_id"], (list, Regex)):
            raise CommandError(53, "The '_id' value cannot be an array or a regular expression")
        key, raw = _key(document), encode_document(document)
        most = min(self.cap.get("size", MAX_DOCUMENT_BYTES), MAX_DOCUMENT_BYTES)
        if len(raw) > most:
            raise CommandError(10334, f"object to insert too large. size in bytes: {len(raw)}, max size: {most}")
        if key in self.bodies:
            about = {"keyPattern": {"_id": 1}, "keyValue": {"_id": document["_id"]}}
            raise CommandError(11000, f"E11000 duplicate key error collection: {self.namespace} index: _id_", **about)
        if self._has_unique and uses_regex(document):
            raise not_supported("a regular expression in a document under a unique index")
        try:
            TIME_LIMIT.run(lambda: self.mock.insert_one(document))
        except CommandError:  # broken off; what mongomock itself refuses it does not keep
            if self.mock.count_documents({}) > len(self.bodies):
                self.mock.delete_one({"_id": {"$eq": document["_id"]}})
            raise
        self.bodies[key] = raw
        self._changed([key])

    def update(self, query: Document, change: Any, *, multi: bool = False, upsert: bool = False) -> Any:
        """Update the first document that matches, or all; returns mongomock's UpdateResult. Raises CommandError."""

        def find() -> Document:
            found = list(self.mock.find(query))
            if not found and upsert:
                check_upsert(query, change)
            for document in found if multi else found[:1]:
                check_paths(change, document)
            # A replacement goes by _id: mongomock would put a condition on _id in the place of the _id.
            return {"_id": found[0]["_id"]} if found and is_replacement(change) else query

        def write() -> tuple[Any, dict[bytes, bytes]]:
            done = getattr(self.mock, method)(aim, change, upsert=upsert)
            return done, self._read_again() if done.modified_count or done.upserted_id is not None else self.bodies

        method = "replace_one" if is_replacement(change) else "update_many" if multi else "update_one"
        aim = TIME_LIMIT.run(find)
        done, bodies = self._attempt(write)
        added = [key for key in bodies if key not in self.bodies]
        self.bodies = bodies
        self._changed(added)
        return done

    def _read_again(self) -> dict[bytes, bytes]:
        """Return all documents, encoded; raise CommandError if one became what no document may be."""
        bodies = {_key(document): encode_document(document) for document in self.mock.find()}
        for key, raw in bodies.items():
            if len(raw) > MAX_DOCUMENT_BYTES:
                raise CommandError(10334, f"Resulting document after update is larger than {MAX_DOCUMENT_BYTES}")
            if self.bodies.get(key) != raw:
                check_depth(decode_document(raw))
                self.largest = max(self.largest, len(raw))
        return bodies

    def delete(self, query: Document, *, multi: bool) -> int:
        """Delete the first document that matches, or all of them; returns how many."""
        matching = self.results(Query(query, {}, {}, limit=0 if multi else 1))
        doomed = [_key(decode_document(raw)) for raw in matching]
        if doomed:
            self._attempt(lambda: (self.mock.delete_many if multi else self.mock.delete_one)(query))
        for key in doomed:
            del self.bodies[key]
        self._changed()
        return len(doomed)

    def create_index(self, key: Document, name: str, *, unique: bool) -> None:
        """Create an index. Raises CommandError."""
        self._attempt(lambda: self.mock.create_index(list(key.items()), name=name, unique=unique))
        self._has_unique = self._has_unique or unique

    def indexes(self) -> dict[str, Document]:
        """Return the indexes by name, as listIndexes shows them."""
        return {"_id_": _ID_INDEX} | {index["name"]: index for index in self.mock.list_indexes()}

    def drop(self) -> None:
        """Remove every document and mark the collection as gone."""
        self.mock.drop()
        self.dropped = True
        self.bodies = {}
        self._changed()

    def _attempt(self, write: Callable[[], T]) -> T:
        """Change documents within the time limit; if that fails, put everything back as it was."""
        if len(self.bodies) > _MAX_CHANGED or sum(map(len, self.bodies.values())) > MAX_DOCUMENT_BYTES:
            raise not_supported(f"a change in a collection of more than {_MAX_CHANGED} documents, or 16 MiB,")
        try:
            return TIME_LIMIT.run(write)
        except Exception:
            indexes = list(self.indexes().values())[1:]
            self.mock.drop()
            if self.bodies:
                self.mock.insert_many([decode_document(raw) for raw in self.bodies.values()])
            for index in indexes:
                options = {"name": index["name"], "unique": index.get("unique", False)}
                self.mock.create_index(list(index["key"].items()), **options)
            raise

    def _changed(self, added: Sequence[bytes] = ()) -> None:
        """Forget what was derived from the documents, keep to the cap, and wake those who wait for a change."""
        self._results.clear()
        self.largest = max(self.largest, *(len(self.bodies[key]) for key in added), 0)
        if self.cap:
            self._places = {place: key for place, key in self._places.items() if key in self.bodies}
            for key in added:
                self._places[self._next_place] = key
                self._next_place += 1
            self._cut_off()
        self.notify()

    def notify(self) -> None:
        """Wake those who wait for something to happen here; each is woken once."""
        listeners, self.listeners = self.listeners, set()
        for listener in listeners:
            listener()

    def _cut_off(self) -> None:
        """Drop the oldest documents of a capped collection until the cap holds again.

        Its size is the sum of the documents' BSON lengths; the real server counts the same bytes, but may run over a
        little before it truncates (MongoDB manual, "Capped Collections").
        """
        size = sum(map(len, self.bodies.values()))
        doomed = []
        while size > self.cap["size"] or len(self.bodies) > self.cap.get("max", len(self.bodies)):
            raw = self.bodies.pop(self._places.pop(next(iter(self._places))))
            size -= len(raw)
            doomed.append(decode_document(raw)["_id"])
        if doomed:
            self.mock.delete_many({"_id": {"$in": doomed}})


class MongoStore:
    """The collections by database and name; mongomock is loaded with the first of them."""

    def __init__(self) -> None:
        self._client: Any = None
        self.databases: defaultdict[str, dict[str, StoredCollection]] = defaultdict(dict)

    def get(self, namespace: tuple[str, str], *, create: bool = False) -> StoredCollection | None:
        """Return a collection; if it was not created, create it or return None."""
        found = self.databases.get(namespace[0], {}).get(namespace[1])
        return found or (self.create(namespace) if create else None)

    def create(self, namespace: tuple[str, str], cap: Document | None = None) -> StoredCollection:
        """Create a collection; writing to one does so. Raises CommandError NamespaceExists."""
        if self.get(namespace) is not None:
            raise CommandError(48, f"Collection {'.'.join(namespace)} already exists.")
        created = StoredCollection(".".join(namespace), self.mock(namespace), cap or {})
        self.databases[namespace[0]][namespace[1]] = created
        return created

    def mock(self, namespace: tuple[str, str]) -> Any:
        """Return mongomock's collection of that name; one that was not created is empty."""
        if self._client is None:
            import mongomock  # slow to load, and not needed to start a server

            self._client = mongomock.MongoClient()
        return self._client[namespace[0]][namespace[1]]

    def check_regex(self, asked: Document | list[Any]) -> None:
        """Raise CommandError if regular expressions would meet documents that are too large for them."""
        collections = itertools.chain.from_iterable(database.values() for database in self.databases.values())
        if uses_regex(asked) and any(collection.largest > REGEX_BYTES for collection in collections):
            raise not_supported(f"a regular expression over documents of more than {REGEX_BYTES} bytes")
