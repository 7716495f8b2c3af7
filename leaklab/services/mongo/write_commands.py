"""Commands that write: insert, update, delete; create and drop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from leaklab.services.mongo.arguments import Arguments
from leaklab.services.mongo.command_error import CommandError, as_command_error
from leaklab.services.mongo.store import MongoStore
from leaklab.services.mongo.wire import MAX_WRITE_BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leaklab.services.mongo.arguments import Document
    from leaklab.services.mongo.batches import Handler

TURN_S = 0.05
"""Seconds that one client is worked for before the others have their turn."""


class WriteCommands:
    """Writes to a store, one statement after the other."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self.handlers: Mapping[str, Handler] = {
            "insert": lambda arguments: self._run_all(arguments, "documents", partial(self._insert, arguments)),
            "update": lambda arguments: self._run_all(arguments, "updates", partial(self._update, arguments)),
            "delete": lambda arguments: self._run_all(arguments, "deletes", partial(self._delete, arguments)),
            "create": self._create,
            "drop": self._drop,
            "dropDatabase": self._drop_database,
        }

    async def _run_all(self, arguments: Arguments, field: str, write: Callable[[Document], Document]) -> Document:
        """Run the statements of a write, in turn with other clients; return the sum of what they did."""
        statements = arguments.documents(field)
        if not 1 <= len(statements) <= MAX_WRITE_BATCH:
            raise CommandError(16, f"Write batch sizes must be between 1 and {MAX_WRITE_BATCH}. Got {len(statements)}.")
        total: Document = {"n": 0} | ({"nModified": 0} if field == "updates" else {})
        turn_ends = time.monotonic() + TURN_S
        for index, statement in enumerate(statements):
            if time.monotonic() > turn_ends:
                with contextlib.suppress(asyncio.CancelledError):  # it is finished also if the client hangs up
                    await asyncio.sleep(0)
                turn_ends = time.monotonic() + TURN_S
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
        return total

    def _insert(self, arguments: Arguments, document: Document) -> Document:
        (self._store.get(arguments.namespace()) or self._store.create(arguments.namespace())).insert(document)
        return {"n": 1}

    def _update(self, arguments: Arguments, statement: Document) -> Document:
        one = Arguments("updates", statement)
        query, multi, upsert = one.document("q", required=True), bool(one.get("multi")), bool(one.get("upsert"))
        collection = self._store.get(arguments.namespace())
        if collection is None and not upsert:
            return {"n": 0}
        collection = collection or self._store.create(arguments.namespace())
        done = collection.update(query, one["u"], multi=multi, upsert=upsert)
        if done.upserted_id is not None:
            return {"n": 1, "upserted": done.upserted_id}
        return {"n": done.matched_count, "nModified": done.modified_count}

    def _delete(self, arguments: Arguments, statement: Document) -> Document:
        one = Arguments("deletes", statement)
        query, limit = one.document("q", required=True), one.integer("limit")
        if limit not in (0, 1):
            raise CommandError(9, f"The limit field in delete objects must be 0 or 1. Got {limit}")
        collection = self._store.get(arguments.namespace())
        return {"n": collection.delete(query, multi=not limit) if collection is not None else 0}

    def _create(self, arguments: Arguments) -> Document:
        size, limit = arguments.integer("size", at_least=1), arguments.integer("max")
        if bool(arguments.get("capped")) != (size is not None) or (size is None and limit is not None):
            raise CommandError(72, "'capped' needs a 'size', and without it there is neither 'size' nor 'max'")
        cap: Document = {} if size is None else {"capped": True, "size": size}
        # max <= 0 means no bound, as on the real server.
        self._store.create(arguments.namespace(), cap | ({"max": limit} if limit is not None and limit > 0 else {}))
        return {}

    def _drop(self, arguments: Arguments) -> Document:
        database, name = arguments.namespace()
        if self._store.get((database, name)) is None:
            raise CommandError(26, "ns not found")
        self._store.databases[database].pop(name).drop()
        return {"nIndexesWas": 1, "ns": f"{database}.{name}"}

    def _drop_database(self, arguments: Arguments) -> Document:
        for collection in self._store.databases.pop(arguments.database, {}).values():
            collection.drop()
        return {"dropped": arguments.database}
