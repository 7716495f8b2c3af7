"""Commands that write documents: insert, update, delete, findAndModify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaklab.services.mongo.arguments import Arguments
from leaklab.services.mongo.batches import Handler
from leaklab.services.mongo.errors import CommandError, as_command_error
from leaklab.services.mongo.filters import check_filter, check_sort, matches
from leaklab.services.mongo.projection import Projection
from leaklab.services.mongo.store import Document, MongoStore
from leaklab.services.mongo.update import check_change, is_replacement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_WRITE_BATCH = 100_000
"""Statements in one write command (`maxWriteBatchSize`; MongoDB manual, "hello")."""


class Writing:
    """Writes to a store."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What answers each command of these."""
        return {
            "insert": self._insert,
            "update": self._update,
            "delete": self._delete,
            "findAndModify": self._find_and_modify,
        }

    def _insert(self, arguments: Arguments) -> Document:
        name = arguments.collection()
        documents = arguments.documents("documents", at_most=MAX_WRITE_BATCH)
        collection = self._store.get_or_create(arguments.database, name)

        def insert(document: Document) -> Document:
            collection.insert(document)
            return {"n": 1}

        return _write(documents, insert, ordered=arguments.boolean("ordered", default=True))

    def _update(self, arguments: Arguments) -> Document:
        name = arguments.collection()

        def update(one: Arguments, query: Document) -> Document:
            change = one.get("u")
            multi, upsert = one.boolean("multi"), one.boolean("upsert")
            one.refuse("collation", "arrayFilters", "hint", "c", "sort")
            check_filter(query)
            if not isinstance(change, (dict, list)):
                raise CommandError(9, "Update argument must be either an object or an array")
            check_change(change)
            if is_replacement(change) and multi:
                raise CommandError(9, "multi update is not supported for replacement-style update")
            collection = self._store.get(arguments.database, name)
            if collection is None and not upsert:
                return {"n": 0, "nModified": 0}
            collection = collection or self._store.get_or_create(arguments.database, name)
            done = collection.update(query, change, multi=multi, upsert=upsert)
            if done.upserted:
                return {"n": 1, "nModified": 0, "upserted": done.upserted[0]}
            return {"n": done.matched, "nModified": done.modified}

        return {"nModified": 0} | _statements(arguments, "updates", update)

    def _delete(self, arguments: Arguments) -> Document:
        name = arguments.collection()

        def delete(one: Arguments, query: Document) -> Document:
            check_filter(query)
            one.refuse("collation", "hint")
            limit = one.integer("limit")
            if limit not in (0, 1):
                raise CommandError(9, f"The limit field in delete objects must be 0 or 1. Got {limit}")
            collection = self._store.get(arguments.database, name)
            return {"n": collection.delete(query, multi=not limit) if collection is not None else 0}

        return _statements(arguments, "deletes", delete)

    def _find_and_modify(self, arguments: Arguments) -> Document:
        """Fields and reply of the MongoDB manual, "findAndModify"."""
        name = arguments.collection()
        query, sort = arguments.document("query"), arguments.document("sort")
        fields = arguments.document("fields")
        change = arguments.get("update")
        remove, new, upsert = (arguments.boolean(option) for option in ("remove", "new", "upsert"))
        arguments.refuse("collation", "arrayFilters", "hint", "let")
        check_filter(query)
        check_sort(sort)
        projection = Projection(fields, matches=matches) if fields else None
        if remove and (change is not None or new or upsert):
            raise CommandError(9, "Cannot specify 'remove' together with an update, new=true or upsert=true")
        if not remove and not isinstance(change, (dict, list)):
            raise CommandError(9, "Either an update or remove=true must be specified")
        if not remove:
            check_change(change)
        collection = self._store.get(arguments.database, name)
        if collection is None and upsert:
            collection = self._store.create(arguments.database, name)
        before = next(collection.find(query, sort), None) if collection is not None else None
        value: Document | None = before
        last: Document = {"n": int(before is not None or upsert)}
        if not remove:
            last["updatedExisting"] = before is not None
        if collection is not None and before is not None:
            _id = {"_id": {"$eq": before["_id"]}}
            if remove:
                collection.delete(_id, multi=False)
            else:
                # The positional operator refers to what the query asked for.
                collection.update({**query, **_id}, change, multi=False)
                value = next(collection.find(_id, {}), None) if new else before
        elif collection is not None and upsert:
            (inserted,) = collection.update(query, change, upsert=True).upserted
            last["upserted"] = inserted
            value = next(collection.find({"_id": {"$eq": inserted}}, {}), None) if new else None
        if projection is not None and value is not None:
            value = projection.apply(value)
        return {"lastErrorObject": last, "value": value, "ok": 1.0}


def _statements(arguments: Arguments, field: str, write: Callable[[Arguments, Document], Document]) -> Document:
    """Run the statements of an update or a delete: each by its own arguments and its query."""
    arguments.refuse("let")
    statements = arguments.documents(field, at_most=MAX_WRITE_BATCH)

    def write_one(statement: Document) -> Document:
        one = Arguments(f"{arguments.command_name}.{field}", statement)
        one.check_names()
        return write(one, one.document("q", required=True))

    return _write(statements, write_one, ordered=arguments.boolean("ordered", default=True))


def _write(statements: list[Document], write: Callable[[Document], Document], *, ordered: bool) -> Document:
    """Run statements and sum their results; the first error ends an ordered command, and others go on."""
    total: Document = {"n": 0}
    upserted: list[Document] = []
    errors: list[Document] = []
    for index, statement in enumerate(statements):
        try:
            done = write(statement)
        except Exception as error:  # noqa: BLE001 - as in `CommandServer.run`
            errors.append(as_command_error(error).write_error(index))
            if ordered:
                break
            continue
        if "upserted" in done:
            upserted.append({"index": index, "_id": done.pop("upserted")})
        for field, value in done.items():
            total[field] = total.get(field, 0) + value
    if upserted:
        total["upserted"] = upserted
    if errors:
        total["writeErrors"] = errors
    return total | {"ok": 1.0}
