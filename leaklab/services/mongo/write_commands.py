"""Commands that write documents: insert, update, delete, findAndModify."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from leaklab.services.mongo.arguments import Arguments
from leaklab.services.mongo.command_error import CommandError, as_command_error
from leaklab.services.mongo.mongomock_checks import (
    check_change,
    check_filter,
    check_sort,
    checked_projection,
    is_replacement,
)
from leaklab.services.mongo.store import MongoStore, Query
from leaklab.services.mongo.wire import MAX_WRITE_BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from leaklab.services.mongo.arguments import Document
    from leaklab.services.mongo.batches import Answer, Handler

_TURN_S = 0.05  # how long a command goes on before other clients have their turn


class WriteCommands:
    """Writes to a store, one statement after the other."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self.handlers: Mapping[str, Handler] = {
            "insert": lambda arguments: self._run_all(arguments, "documents", partial(self._insert, arguments)),
            "update": lambda arguments: self._run_all(arguments, "updates", partial(self._update, arguments)),
            "delete": lambda arguments: self._run_all(arguments, "deletes", partial(self._delete, arguments)),
            "findAndModify": self._find_and_modify,
        }

    def _run_all(self, arguments: Arguments, field: str, write: Callable[[Document], Document]) -> Answer:
        """Run the statements of a write: at once, or, if they take long, in turn with other clients."""
        steps = self._steps(arguments, field, write)
        return next(steps) or self._finish(steps)

    async def _finish(self, steps: Iterator[Document | None]) -> Document:
        while (total := next(steps)) is None:
            with contextlib.suppress(asyncio.CancelledError):  # it is finished also if the client hangs up
                await asyncio.sleep(0)
        return total

    def _steps(
        self, arguments: Arguments, field: str, write: Callable[[Document], Document]
    ) -> Iterator[Document | None]:
        """Yield None after each turn, and in the end the sum of what the statements did."""
        statements = arguments.documents(field)
        if not 1 <= len(statements) <= MAX_WRITE_BATCH:
            raise CommandError(16, f"Write batch sizes must be between 1 and {MAX_WRITE_BATCH}. Got {len(statements)}.")
        total: Document = {"n": 0} | ({"nModified": 0} if field == "updates" else {})
        turn_ends = time.monotonic() + _TURN_S
        for index, statement in enumerate(statements):
            if time.monotonic() > turn_ends:
                yield None
                turn_ends = time.monotonic() + _TURN_S
            try:
                done = write(statement)
            except Exception as error:  # noqa: BLE001 - as in `CommandServer.run`
                failed = {"index": index, **as_command_error(error).details}
                total.setdefault("writeErrors", []).append(failed)
                if arguments.get("ordered") is not False:
                    break
                continue
            if "upserted" in done:
                total.setdefault("upserted", []).append({"index": index, "_id": done.pop("upserted")})
            for name, count in done.items():
                total[name] += count
        yield total

    def _insert(self, arguments: Arguments, document: Document) -> Document:
        (self._store.get(arguments.namespace()) or self._store.create(arguments.namespace())).insert(document)
        return {"n": 1}

    def _update(self, arguments: Arguments, statement: Document) -> Document:
        one = Arguments("updates", statement)
        query, change = one.document("q", required=True), one.get("u")
        multi, upsert = bool(one.get("multi")), bool(one.get("upsert"))
        self._check(query, change)
        if multi and is_replacement(change):
            raise CommandError(9, "multi update is not supported for replacement-style update")
        collection = self._store.get(arguments.namespace(), create=upsert)
        if collection is None:
            return {"n": 0}
        done = collection.update(query, change, multi=multi, upsert=upsert)
        if done.upserted_id is not None:
            return {"n": 1, "upserted": done.upserted_id}
        return {"n": done.matched_count, "nModified": done.modified_count}

    def _delete(self, arguments: Arguments, statement: Document) -> Document:
        one = Arguments("deletes", statement)
        query, limit = one.document("q", required=True), one.integer("limit")
        self._check(query, {})
        if limit not in (0, 1):
            raise CommandError(9, f"The limit field in delete objects must be 0 or 1. Got {limit}")
        collection = self._store.get(arguments.namespace())
        return {"n": collection.delete(query, multi=not limit) if collection is not None else 0}

    def _check(self, query: Document, change: object) -> None:
        check_filter(query)
        check_change(change)
        self._store.check_regex([query, change])

    def _find_and_modify(self, arguments: Arguments) -> Document:
        """Fields and reply of the MongoDB manual, "findAndModify"."""
        query, sort = arguments.document("query"), arguments.document("sort")
        fields = checked_projection(arguments.document("fields"))
        change = arguments.get("update")
        remove, new, upsert = (bool(arguments.get(option)) for option in ("remove", "new", "upsert"))
        check_sort(sort)
        self._check(query, {} if remove else change)
        if remove and (change is not None or new or upsert):
            raise CommandError(9, "Cannot specify 'remove' together with an update, new=true or upsert=true")
        collection = self._store.get(arguments.namespace(), create=upsert)
        before = collection.find_one(Query(query, sort, {}, limit=1)) if collection is not None else None
        last: Document = {"n": int(before is not None or upsert)}
        if not remove:
            last["updatedExisting"] = before is not None
        if collection is None or (before is None and not upsert):
            return {"lastErrorObject": last, "value": None}
        chosen = query if before is None else {**query, "_id": before["_id"]}  # `$` refers to what the query asks for
        value = None if before is None else collection.find_one(Query(chosen, {}, fields))
        if remove:
            collection.delete(chosen, multi=False)
        else:
            done = collection.update(chosen, change, upsert=before is None)
            if before is None:
                last["upserted"] = done.upserted_id
        if new:
            _id = last["upserted"] if before is None else before["_id"]
            value = collection.find_one(Query({"_id": _id}, {}, fields))
        return {"lastErrorObject": last, "value": value}
