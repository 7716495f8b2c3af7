"""Batches of results: a cursor's first, the next ones, those that are waited for, and the end of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bson import Int64

from leaklab.services.mongo.arguments import Arguments, type_name
from leaklab.services.mongo.cursors import CursorTable, OpenCursor, Scan, TooManyCursorsError
from leaklab.services.mongo.errors import CommandError, as_command_error
from leaklab.services.mongo.store import Document, StoredCollection
from leaklab.services.mongo.wire import MAX_DOCUMENT_BYTES, cursor_reply_body, encode_document

FIRST_BATCH_DOCUMENTS = 101
"""Documents in a first batch without batchSize (MongoDB manual, "Iterate a Cursor")."""

AWAIT_DATA_S = 1.0
"""Seconds that a getMore on an awaitData cursor waits without maxTimeMS (manual, "cursor.tailable()")."""


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

Handler = Callable[[Arguments], Document | Reply]
"""Answers a command: a document, or what is encoded already, or what will be."""


class Batches:
    """Answers with batches, of cursors that it opens, reads on and closes."""

    def __init__(self, cursors: CursorTable[Held]) -> None:
        self._cursors = cursors

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What answers each command of these."""
        return {
            "getMore": self._get_more,
            "killCursors": self._kill_cursors,
        }

    def first(
        self,
        arguments: Arguments,
        held: Held,
        namespace: str,
        batch_size: int | None,
        keep: Keep | None = None,
    ) -> bytes:
        """The reply with the first batch of what is `held`; the cursor stays open if something may follow."""
        held.session = arguments.session
        count = FIRST_BATCH_DOCUMENTS if batch_size is None else batch_size
        batch = held.take(count, MAX_DOCUMENT_BYTES)
        cursor_id = 0
        keep = keep or Keep()
        if not keep.single_batch and not held.exhausted:
            try:
                cursor = self._cursors.open(namespace, held, no_timeout=keep.no_timeout, await_data=keep.await_data)
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
        cursor = self._cursors.get(cursor_id)
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
        self._cursors.pin(cursor)
        try:
            reply = self._next_batch(cursor, count, wait=cursor.await_data)
        except BaseException:
            self._end(cursor)
            raise
        if reply is not None:
            self._cursors.unpin(cursor)
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
            self._cursors.close(cursor_id)
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
                self._cursors.unpin(cursor)
            return reply

        def finish() -> bytes:
            return attempt(wait=False) or b""

        collection = cursor.scan.collection
        if collection is None:
            raise CommandError(1, "only a cursor over a collection can wait for data")
        return Waiting(collection, wait_s, lambda: attempt(wait=True), finish, lambda: self._cursors.unpin(cursor))

    def _end(self, cursor: OpenCursor[Held]) -> None:
        """Close a cursor with the getMore on it that failed."""
        self._cursors.unpin(cursor)
        self._cursors.close(cursor.cursor_id)

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
            cursor = self._cursors.close(cursor_id)
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
