"""Batches of results: a cursor's first, the next ones, those that are waited for, and the end of it."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from bson import Int64

from leaklab.services.mongo.arguments import Arguments, Document
from leaklab.services.mongo.command_error import CommandError
from leaklab.services.mongo.cursors import CursorTable, ServerCursor
from leaklab.services.mongo.wire import MAX_DOCUMENT_BYTES, cursor_reply_body

FIRST_BATCH_DOCUMENTS = 101
"""Documents in a first batch without batchSize (MongoDB manual, "Iterate a Cursor")."""
AWAIT_DATA_S = 1.0
"""Seconds that a getMore on an awaitData cursor waits without maxTimeMS (manual, "cursor.tailable()")."""

Answer = Document | bytes | Coroutine[Any, Any, Document | bytes]
Handler = Callable[[Arguments], Answer]
"""Answers a command: by a document, encoded or not, at once or after others had their turn."""


class Batches:
    """Answers with batches, of cursors that it opens, reads on and closes."""

    def __init__(self, cursors: CursorTable) -> None:
        self._cursors = cursors
        self.handlers: Mapping[str, Handler] = {"getMore": self._get_more, "killCursors": self._kill_cursors}

    def first(
        self, arguments: Arguments, cursor: ServerCursor, batch_size: int | None, *, single_batch: bool = False
    ) -> bytes:
        """The reply with the first batch; the cursor stays open if something may follow."""
        cursor.session = arguments.session
        batch = cursor.take(FIRST_BATCH_DOCUMENTS if batch_size is None else batch_size, MAX_DOCUMENT_BYTES)
        if not single_batch and not cursor.scan.exhausted:
            self._cursors.open(cursor)
        return cursor_reply_body("firstBatch", batch, cursor_id=cursor.cursor_id, namespace=cursor.namespace)

    async def _get_more(self, arguments: Arguments) -> bytes:
        cursor_id = arguments.integer("getMore") or 0
        namespace = ".".join(arguments.namespace("collection"))
        # 0 is no bound here, unlike in find (`FindCommon::enoughForGetMore`).
        count = arguments.integer("batchSize", at_least=0) or None
        wait_ms = arguments.integer("maxTimeMS", at_least=0)
        cursor = self._cursors.get(cursor_id)
        if cursor is None:
            raise CommandError(43, f"cursor id {cursor_id} not found")
        if cursor.namespace != namespace:
            raise CommandError(13, f"Requested getMore on '{namespace}', but cursor belongs to {cursor.namespace}")
        if cursor.session != arguments.session:
            # Source: MongoDB manual, "getMore", Sessions; the codes are those of `validateLSID` in getmore_cmd.cpp.
            code = 50736 if cursor.session is None else 50737 if arguments.session is None else 50738
            raise CommandError(
                code, f"Cannot run getMore on cursor {cursor_id}: it belongs to another session, or none"
            )
        if cursor.pinned:
            raise CommandError(12051, f"cursor id {cursor_id} is already in use")
        if wait_ms and not cursor.await_data:
            raise CommandError(2, "cannot set maxTimeMS on getMore command for a non-awaitData cursor")
        self._cursors.pin(cursor)
        try:
            batch = cursor.take(count, MAX_DOCUMENT_BYTES)
            if cursor.await_data and cursor.collection is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AWAIT_DATA_S if wait_ms is None else wait_ms / 1000):
                        while not batch and not cursor.scan.exhausted:
                            await cursor.collection.wait()
                            batch = cursor.take(count, MAX_DOCUMENT_BYTES)
        except Exception:
            self._cursors.close(cursor_id)
            raise
        finally:
            self._cursors.unpin(cursor)  # also if the client goes while it waits: as on the real server
        if cursor.scan.exhausted:
            self._cursors.close(cursor_id)
            cursor_id = 0
        return cursor_reply_body("nextBatch", batch, cursor_id=cursor_id, namespace=namespace)

    def _kill_cursors(self, arguments: Arguments) -> Document:
        arguments.namespace()
        named = [Arguments("", {"cursors": one}).integer("cursors") for one in arguments["cursors"]]
        killed = [Int64(one) for one in named if one is not None and self._cursors.close(one)]
        missing = [Int64(one) for one in named if one is not None and one not in killed]
        return {"cursorsKilled": killed, "cursorsNotFound": missing, "cursorsAlive": [], "cursorsUnknown": []}
