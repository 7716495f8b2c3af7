"""Indexes of a collection: their specifications, and what a hint at one does to a query.

mongomock keeps unique indexes; every other index changes no result here but the order of a query that hints at it.
"""

from __future__ import annotations

from typing import Any

import mongomock

from leaklab.services.mongo.arguments import type_name
from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.mock import helpers

Document = dict[str, Any]

# Source: MongoDB manual, "Index Types".
_KINDS = frozenset({"text", "hashed", "2d", "2dsphere"})
# Options that say nothing of what an index is (MongoDB manual, "createIndexes", Command Fields).
_NOT_KEPT = frozenset({"key", "name", "v", "ns", "background"})
_KEPT = frozenset({"unique", "sparse", "partialFilterExpression"})  # what mongomock remembers


def indexes(mock: Any) -> dict[str, Document]:
    """Return the indexes of mongomock's collection by name, each as listIndexes shows it."""
    listed: dict[str, Document] = {"_id_": {"v": 2, "key": {"_id": 1}, "name": "_id_"}}
    for name, index in mock._store.indexes.items():
        options = {k: v for k, v in index.items() if k != "key"}
        listed[name] = {"v": 2, "key": dict(index["key"]), "name": name, **options}
    return listed


def create_index(mock: Any, namespace: str, spec: Document) -> None:
    """Create an index of mongomock's collection; nothing happens if it is there already.

    Raises CommandError: FailedToParse, CannotCreateIndex, IndexOptionsConflict, IndexKeySpecsConflict, DuplicateKey.
    """
    key, name = _checked_spec(spec)
    if key == {"_id": 1}:
        return
    wanted = {k: v for k, v in spec.items() if k not in _NOT_KEPT and v not in (None, False)}
    _check_conflicts(mock, spec, wanted)
    try:
        mock.create_index(list(key.items()), name=name, **wanted)
    except mongomock.DuplicateKeyError as error:
        raise CommandError(
            11000,
            f"Index build failed: E11000 duplicate key error collection: {namespace} index: {name}",
            keyPattern=key,
            keyValue=_duplicate(mock, key),
        ) from error


def _checked_spec(spec: Document) -> tuple[Document, str]:
    key, name = spec.get("key"), spec.get("name")
    if not isinstance(key, dict) or not key or not isinstance(name, str):
        raise CommandError(9, "Error in specification: an index needs a 'key' and a 'name'")
    for field, kind in key.items():
        if isinstance(kind, str) and kind not in _KINDS:
            raise CommandError(67, f"Unknown index plugin '{kind}'")
        if not isinstance(kind, str) and (isinstance(kind, bool) or not isinstance(kind, (int, float)) or not kind):
            raise CommandError(67, f"Values in the index key pattern must be numbers or names: {field}: {kind!r}")
    if "expireAfterSeconds" in spec:
        raise not_implemented("an index with expireAfterSeconds")
    for option in ("collation", "wildcardProjection"):
        if spec.get(option):
            raise not_implemented(f"an index with {option}")
    return key, name


def _check_conflicts(mock: Any, spec: Document, wanted: Document) -> None:
    """Raise CommandError if another index has that name, or that key; `wanted` are the options that count."""
    key = list(spec["key"].items())
    for name, other in indexes(mock).items():
        same_key = list(other["key"].items()) == key
        options = {k: v for k, v in other.items() if k not in _NOT_KEPT}
        kept = {k: v for k, v in wanted.items() if k in _KEPT}
        if name == spec["name"] and (not same_key or options != kept):
            raise CommandError(
                86,
                "An existing index has the same name as the requested index. When index names are not specified, they "
                "are auto generated and can cause conflicts. Please refer to our documentation. "
                f"Requested index: {spec}, existing index: {other}",
            )
        if name != spec["name"] and same_key:
            raise CommandError(85, f"Index already exists with a different name: {name}")


def drop_indexes(mock: Any, which: object) -> None:
    """Drop the index that `which` names, by its name or its key; all but that of `_id` for `*`.

    Raises CommandError: IndexNotFound, InvalidOptions, TypeMismatch.
    """
    there = indexes(mock)
    names: list[Any] = which if isinstance(which, list) else [which]
    if which == "*":
        names = [name for name in there if name != "_id_"]
    elif isinstance(which, dict):
        names = [name for name, index in there.items() if list(index["key"].items()) == list(which.items())]
        if not names:
            raise CommandError(27, f"can't find index with key: {which}")
    for name in names:
        if not isinstance(name, str):
            raise CommandError(
                14, f"BSON field 'dropIndexes.index' is the wrong type '{type_name(name)}', expected type 'string'"
            )
        if name == "_id_":
            raise CommandError(72, "cannot drop _id index")
        if name not in there:
            raise CommandError(27, f"index not found with name [{name}]")
    for name in names:
        mock.drop_index(name)


def key_values(document: Document, key: Document) -> Document:
    """Return what a document has in an index's fields; null is what it has not."""
    values: Document = {}
    for field in key:
        try:
            values[field] = helpers.get_value_by_dot(document, field)
        except KeyError:
            values[field] = None
    return values


def _duplicate(mock: Any, key: Document) -> Document:
    seen: list[Document] = []
    for document in mock._store.documents:
        values = key_values(document, key)
        if values in seen:
            return values
        seen.append(values)
    return {}


def hinted_order(mock: Any, hint: object) -> Document:
    """Return the order, as a sort, in which a hint makes a query find documents; empty for their own order.

    Raises CommandError: BadValue if there is no such index, FailedToParse, NotImplemented.
    """
    if hint in (None, "", {}):
        return {}
    if not isinstance(hint, (str, dict)):
        raise CommandError(9, "Hint must be a string or an object")
    if isinstance(hint, dict) and "$natural" in hint:
        direction = hint["$natural"]
        if isinstance(direction, bool) or direction not in (1, -1) or len(hint) > 1:
            raise CommandError(2, "$natural hint cannot be set to a value other than -1 or 1.")
        return {"$natural": int(direction)}
    for name, index in indexes(mock).items():
        if hint == name or (isinstance(hint, dict) and list(hint.items()) == list(index["key"].items())):
            key: Document = index["key"]
            if "sparse" in index or "partialFilterExpression" in index or set(map(type, key.values())) & {str}:
                raise not_implemented(f"a hint at an index that has not every document ({name})")
            return {field: 1 if direction > 0 else -1 for field, direction in key.items()}
    raise CommandError(
        2,
        "error processing query: planner returned error :: caused by :: hint provided does not correspond to an "
        f"existing index: {hint!r}",
    )
