"""Databases and collections: mongomock holds the documents, this keeps their encoded form, which all cursors share.

mongomock is used by its public methods only, and every call that a client's query decides is under the time limit. The
encoded documents are the truth: if an error or the limit breaks off a write, mongomock's are put back as they say.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from bson import ObjectId, Regex

from leaklab.services.mongo.arguments import Document
from leaklab.services.mongo.command_error import CommandError, not_supported
from leaklab.services.mongo.query_bounds import check_depth
from leaklab.services.mongo.time_limit import TIME_LIMIT
from leaklab.services.mongo.wire import MAX_DOCUMENT_BYTES, decode_document, encode_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_MAX_CHANGED = 20_000  # documents of a collection that is put back within a fraction of a second
_RESULTS_KEPT = 8  # distinct queries a collection remembers between two writes


@dataclass(frozen=True, slots=True)
class Query:
    """What a find asks for; `limit` 0 is no limit."""

    filter: Document
    sort: Document = field(default_factory=dict)
    projection: Document = field(default_factory=dict)
    skip: int = 0
    limit: int = 0


def _key(document: Document) -> bytes:
    """What a document is kept under: its encoded _id."""
    return encode_document({"_id": document["_id"]})


class StoredCollection:
    """One collection. `dropped` once it is gone; cursors over it find that out at their next batch.

    `cap` is empty, or the options of a capped collection: `size` in bytes and perhaps `max`, in documents. `largest` is
    the size of its largest document in bytes.
    """

    def __init__(self, namespace: str, mock: Any, cap: Document) -> None:
        self.namespace = namespace
        self.mock = mock
        self.cap = cap
        self.dropped = False
        self.largest = 0
        self.bodies: dict[bytes, bytes] = {}  # encoded documents by key, in their order
        self._cut_off = 0  # how many documents went to keep to the cap
        self._results: dict[bytes, tuple[bytes, ...]] = {}
        self._change = asyncio.Event()

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
        # A copy of the projection: mongomock takes it apart.
        found = self.mock.find(query.filter, dict(query.projection) or None, sort=list(query.sort.items()) or None)
        return [encode_document(document) if query.projection else self.bodies[_key(document)] for document in found]

    def records_after(self, place: int, query: Query) -> Iterator[tuple[int, bytes | None]]:
        """Return the places after `place` (0: all) of a capped collection, with what the query makes of each document.

        A document's place is its number in insertion order, from 1. Raises CommandError CappedPositionLost if the
        document at `place` was cut off meanwhile.
        """
        if 0 < place <= self._cut_off:
            raise CommandError(136, f"CollectionScan died: the document at RecordId({place}) was cut off")
        wanted = self.bodies
        if query.filter or query.projection:
            matching = map(decode_document, self.results(Query(query.filter)))
            made = self.results(Query(query.filter, projection=query.projection))
            wanted = dict(zip(map(_key, matching), made, strict=True))
        place = max(place, self._cut_off)
        following = itertools.islice(self.bodies, place - self._cut_off, None)
        return ((at, wanted.get(key)) for at, key in enumerate(following, place + 1))

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
        try:
            TIME_LIMIT.run(lambda: self.mock.insert_one(document))
        except CommandError:  # broken off; what mongomock itself refuses it does not keep
            self.mock.delete_one({"_id": {"$eq": document["_id"]}})
            raise
        self.bodies[key] = raw
        self.largest = max(self.largest, len(raw))
        self._changed()

    def update(self, query: Document, change: Any, *, multi: bool, upsert: bool) -> Any:
        """Update the first document that matches, or all; returns mongomock's UpdateResult. Raises CommandError."""
        if not isinstance(change, dict):
            raise not_supported("an update by a pipeline, or by no document,")
        is_replacement = not next(iter(change), "").startswith("$")
        if (upsert or is_replacement) and (
            any(name.startswith("$") for name in query) or isinstance(query.get("_id"), dict)
        ):
            # mongomock would not take the _id, or other fields, from it.
            raise not_supported(
                "an upsert or replacement by a filter with $and, $or or the like, or an operator on _id,"
            )
        paths = sorted(f"{path}." for fields in change.values() if isinstance(fields, dict) for path in fields)
        if not is_replacement and any(after.startswith(path) for path, after in itertools.pairwise(paths)):
            raise CommandError(40, "Updating a path and a part of it would create a conflict")  # mongomock does half
        fields = () if is_replacement else change.get("$set", ())  # mongomock ignores those of a value without fields
        method = "update_many" if multi else "replace_one" if is_replacement else "update_one"

        def write() -> tuple[Any, dict[bytes, bytes]]:
            for parent in {path.rpartition(".")[0] for path in fields} - {""}:
                holds = [{parent: {"$exists": False}}, {parent: {"$type": "object"}}, {parent: {"$type": "array"}}]
                if self.mock.count_documents({"$and": [query, {"$nor": holds}]}):
                    raise CommandError(28, f"Cannot create a field in '{parent}', which holds none")
            done = getattr(self.mock, method)(query, change, upsert=upsert)
            return done, self._read_again() if done.modified_count or done.upserted_id is not None else self.bodies

        return self._attempt(write)

    def _read_again(self) -> dict[bytes, bytes]:
        """Return all documents, encoded; raise CommandError if one became what no document may be."""
        bodies = {_key(document): encode_document(document) for document in self.mock.find()}
        for key, raw in bodies.items():
            if len(raw) > MAX_DOCUMENT_BYTES:
                raise CommandError(10334, f"Resulting document after update is larger than {MAX_DOCUMENT_BYTES}")
            if self.bodies.get(key) != raw:
                check_depth(decode_document(raw))
        return bodies

    def delete(self, query: Document, *, multi: bool) -> int:
        """Delete the first document that matches, or all of them; returns how many. Raises CommandError."""
        if self.cap:
            raise not_supported("a delete in a capped collection")

        def write() -> tuple[int, dict[bytes, bytes]]:
            (self.mock.delete_many if multi else self.mock.delete_one)(query)
            return len(doomed), {key: raw for key, raw in self.bodies.items() if key not in doomed}

        doomed = {_key(decode_document(raw)) for raw in self.results(Query(query, limit=0 if multi else 1))}
        return self._attempt(write) if doomed else 0

    def _attempt(self, write: Callable[[], tuple[T, dict[bytes, bytes]]]) -> T:
        """Change documents within the time limit; if that fails, put everything back as it was.

        `write` returns the answer and what the encoded documents are then.
        """
        if len(self.bodies) > _MAX_CHANGED or sum(map(len, self.bodies.values())) > MAX_DOCUMENT_BYTES:
            raise not_supported(f"a change in a collection of more than {_MAX_CHANGED} documents, or 16 MiB,")
        try:
            answer, self.bodies = TIME_LIMIT.run(write)
        except Exception:
            self.mock.drop()
            if self.bodies:
                self.mock.insert_many([decode_document(raw) for raw in self.bodies.values()])
            raise
        self.largest = max(map(len, self.bodies.values()), default=0)
        self._changed()
        return answer

    def drop(self) -> None:
        """Remove every document and mark the collection as gone."""
        self.mock.drop()
        self.dropped = True
        self.bodies = {}
        self._changed()

    def _changed(self) -> None:
        """Keep to the cap, forget what was derived from the documents, and wake those who wait for a change.

        The size of a capped collection is the sum of its documents' BSON lengths; the real server counts the same
        bytes, but may run over a little before it truncates (MongoDB manual, "Capped Collections").
        """
        size = sum(map(len, self.bodies.values())) if self.cap else 0
        while self.cap and (size > self.cap["size"] or len(self.bodies) > self.cap.get("max", len(self.bodies))):
            raw = self.bodies.pop(next(iter(self.bodies)))
            size -= len(raw)
            self._cut_off += 1
            self.mock.delete_one({"_id": {"$eq": decode_document(raw)["_id"]}})
        self._results.clear()
        self.notify()

    def notify(self) -> None:
        """Wake those who wait for something to happen here."""
        self._change.set()
        self._change = asyncio.Event()

    async def wait(self) -> None:
        """Return at the next `notify`."""
        await self._change.wait()


class MongoStore:
    """The collections by database and name; mongomock is loaded with the first of them."""

    def __init__(self) -> None:
        self._client: Any = None
        self.databases: defaultdict[str, dict[str, StoredCollection]] = defaultdict(dict)

    def get(self, namespace: tuple[str, str]) -> StoredCollection | None:
        """Return a collection, None if it was not created."""
        return self.databases.get(namespace[0], {}).get(namespace[1])

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

    @property
    def largest(self) -> int:
        """The size in bytes of the largest document."""
        collections = itertools.chain.from_iterable(database.values() for database in self.databases.values())
        return max((collection.largest for collection in collections), default=0)
