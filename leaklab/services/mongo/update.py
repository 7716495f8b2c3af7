"""Updates of documents: their errors are found before mongomock applies them to one document."""

from __future__ import annotations

import copy
import operator
from typing import TYPE_CHECKING, Any

from bson import Decimal128, ObjectId

from leaklab.services.mongo.arguments import type_name
from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.mock import aggregate, collection, filtering, helpers
from leaklab.services.mongo.names import UPDATE_OPERATORS
from leaklab.services.mongo.pipeline import check_update_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

Document = dict[str, Any]
Change = Document | list[Document]

_CREATE_PATHS = frozenset({
    "$addToSet", "$bit", "$currentDate", "$inc", "$max", "$min", "$mul", "$push", "$set", "$setOnInsert",
})  # fmt: skip
_NOT_AN_ARRAY = {
    "$push": "The field '{path}' must be an array but is of type {kind} in document {{_id: {_id!r}}}",
    "$addToSet": "Cannot apply $addToSet to non-array field. Field named '{path}' has non-array type {kind}",
    "$pull": "Cannot apply $pull to a non-array value",
    "$pullAll": "Cannot apply $pull to a non-array value",
}


def is_replacement(change: Change) -> bool:
    """Whether it is a whole document, and no operators or pipeline."""
    return isinstance(change, dict) and not next(iter(change), "").startswith("$")


def check_change(change: Change) -> Change:
    """Return an update as it can be applied; raises CommandError for what no document would take.

    Source: MongoDB manual, "Update Operators".
    """
    if isinstance(change, list):
        return check_update_pipeline(change)
    if is_replacement(change):
        for name in change:
            if name.startswith("$"):
                raise CommandError(
                    52,
                    f"The dollar ($) prefixed field '{name}' in '{name}' is not allowed in the context of an update's "
                    "replacement document. Consider using an aggregation pipeline with $replaceWith.",
                )
        return change
    taken: list[str] = []
    for name, fields in change.items():
        if name not in UPDATE_OPERATORS:
            raise CommandError(
                9,
                f"Unknown modifier: {name}. Expected a valid update modifier or pipeline-style update "
                "specified as an array",
            )
        if not isinstance(fields, dict):
            raise CommandError(
                9,
                f"Modifiers operate on fields but we found type {type_name(fields)} instead. "
                f"For example: {{$mod: {{<field>: ...}}}} not {{{name}: {fields!r}}}",
            )
        for path, operand in fields.items():
            _check_path(path)
            _check_operand(name, path, operand)
            for written in (path, operand) if name == "$rename" else (path,):
                _take(taken, written)
    # Empty, an operator does nothing from MongoDB 5.0 on.
    return {name: fields for name, fields in change.items() if fields} or {"$set": {}}


def _check_path(path: str) -> None:
    if not path:
        raise CommandError(56, "An empty update path is not valid.")
    if not all(path.split(".")):
        raise CommandError(56, f"The update path '{path}' contains an empty field name, which is not allowed.")
    if "$[" in path:
        raise not_implemented(f"the update path {path!r}")


def _check_operand(name: str, path: str, operand: object) -> None:
    if name in ("$inc", "$mul") and not _is_number(operand):
        verb = "increment" if name == "$inc" else "multiply"
        raise CommandError(14, f"Cannot {verb} with non-numeric argument: {{{path}: {operand!r}}}")
    if name == "$pop" and (not _is_number(operand) or operand not in (1, -1)):
        raise CommandError(9, f"$pop expects 1 or -1, found: {operand}")
    if name == "$pullAll" and not isinstance(operand, list):
        raise CommandError(2, f"$pullAll requires an array argument but was given a {type_name(operand)}")
    if name == "$rename" and not isinstance(operand, str):
        raise CommandError(2, f"The 'to' field for $rename must be a string: {path}: {operand!r}")
    if name == "$bit":
        kinds = {"and", "or", "xor"}
        if not isinstance(operand, dict) or not operand or not operand.keys() <= kinds:
            raise CommandError(2, f"The $bit modifier is given a document of {sorted(kinds)}, not {operand!r}")
        if not all(isinstance(bits, int) and not isinstance(bits, bool) for bits in operand.values()):
            raise CommandError(2, f"The $bit modifier field must be an Integer(32/64 bit): {operand!r}")
    if name in ("$push", "$addToSet") and isinstance(operand, dict) and "$each" in operand:
        _check_each(name, operand)


def _check_each(name: str, operand: Document) -> None:
    if not isinstance(operand["$each"], list):
        raise CommandError(
            2 if name == "$push" else 14,
            f"The argument to $each in {name} must be an array but it was of type {type_name(operand['$each'])}",
        )
    for clause in operand.keys() - {"$each", "$position", "$slice", "$sort"}:
        raise CommandError(2, f"Unrecognized clause in {name}: {clause}")


def _take(taken: list[str], path: str) -> None:
    """Note that a path is written, and refuse two that lie on each other."""
    for other in taken:
        if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}."):
            shorter = min(path, other, key=len)
            raise CommandError(40, f"Updating the path '{path}' would create a conflict at '{shorter}'")
    taken.append(path)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal128)) and not isinstance(value, bool)


# ---- one document


def updated(mock: Any, document: Document, query: Document, change: Change, *, inserting: bool = False) -> Document:
    """Return what a checked `change` makes of `document`, which stays as it is.

    `query` found it: the positional operator refers to that. Raises CommandError.
    """
    _id = document.get("_id")
    new: Document
    if isinstance(change, list):
        (new,) = aggregate.process_pipeline([copy.deepcopy(document)], mock.database, change, None)
        new = {"_id": new.get("_id", _id), **new}
    elif is_replacement(change):
        new = {"_id": change.get("_id", _id), **change}
    else:
        new = copy.deepcopy(document)
        for name, fields in change.items():
            if name != "$setOnInsert" or inserting:
                for path in fields:
                    _check_target(new, name, path)
        mock._apply_update_document(new, query, copy.deepcopy(change), inserting)
    if not inserting and ("_id" not in new or new["_id"] != _id):
        raise CommandError(
            66,
            "Plan executor error during update :: caused by :: After applying the update, the (immutable) field "
            f"'_id' was found to have been altered to _id: {new.get('_id')!r}",
        )
    return new


def to_insert(mock: Any, query: Document, change: Change) -> Document:
    """Return the document that an upsert inserts: what `query` says by equality, changed by `change`."""
    equal: Document = {}
    for name, condition in query.items():
        if name == "$and":
            for part in condition:
                equal |= part
        else:
            equal[name] = condition
    base, _ = mock._discard_operators(mock._expand_dots(equal))
    if is_replacement(change):
        base = {"_id": base["_id"]} if "_id" in base else {}
    generated = ObjectId()
    new = updated(mock, base, query, change, inserting=True)
    if new.get("_id") is None and "_id" not in base:
        new["_id"] = generated
    if "_id" in base and new["_id"] != base["_id"]:
        raise CommandError(66, f"the (immutable) field '_id' was found to have been altered to _id: {new['_id']!r}")
    return {"_id": new["_id"], **new}


def _check_target(document: Document, name: str, path: str) -> None:
    """Raise CommandError if an operator cannot be applied to what is at a path."""
    parts = path.split(".")
    if "$" in parts:
        return  # where that leads to, mongomock finds
    if name in _CREATE_PATHS:
        at: Any = document
        for depth, part in enumerate(parts[:-1]):
            before = at
            at = at.get(part) if isinstance(at, dict) else _element(at, part)
            is_there = part in before if isinstance(before, dict) else at is not None
            if is_there and (not isinstance(at, (dict, list)) or _needs_number(at, parts[depth + 1])):
                raise CommandError(28, f"Cannot create field '{parts[depth + 1]}' in element {{{part}: {at!r}}}")
            if not is_there:
                return
    try:
        value = helpers.get_value_by_dot(document, path)
    except KeyError:
        return
    if name in _NOT_AN_ARRAY and not isinstance(value, list):
        message = _NOT_AN_ARRAY[name].format(path=path, kind=type_name(value), _id=document.get("_id"))
        raise CommandError(2, f"Plan executor error during update :: caused by :: {message}")
    if name == "$pop" and not isinstance(value, list):
        raise CommandError(14, f"Path '{path}' contains an element of non-array type '{type_name(value)}'")
    if name in ("$inc", "$mul") and not _is_number(value):
        raise CommandError(
            14,
            f"Plan executor error during update :: caused by :: Cannot apply {name} to a value of non-numeric "
            f"type. {{_id: {document.get('_id')!r}}} has the field '{parts[-1]}' of non-numeric type "
            f"{type_name(value)}",
        )
    if name == "$bit" and (isinstance(value, bool) or not isinstance(value, int)):
        raise CommandError(
            2, f"Cannot apply $bit to a value of non-integral type: '{path}' is of type {type_name(value)}"
        )


def _element(array: list[Any], part: str) -> Any:
    return array[int(part)] if part.isdecimal() and int(part) < len(array) else None


def _needs_number(at: object, part: str) -> bool:
    return isinstance(at, list) and not part.isdecimal()


# ---- operators that mongomock has not, or not so


def _arithmetic(combine: Callable[[Any, Any], Any], absent: Callable[[Any], Any]) -> Callable[[Any, str, Any], None]:
    """Return mongomock's kind of updater: it writes a field of a document, or an element of an array."""

    def update(holder: Any, name: str, operand: Any) -> None:
        key: Any = int(name) if isinstance(holder, list) else name
        try:
            old = holder[key]
        except (KeyError, IndexError):
            if isinstance(holder, list):
                holder += [None] * (key + 1 - len(holder))
            holder[key] = absent(operand)
        else:
            holder[key] = combine(old, operand)

    return update


def _numbers(combine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(old: Any, operand: Any) -> Any:
        if isinstance(old, Decimal128) or isinstance(operand, Decimal128):
            left, right = (
                n.to_decimal() if isinstance(n, Decimal128) else Decimal128(str(n)).to_decimal() for n in (old, operand)
            )
            return Decimal128(combine(left, right))
        result = combine(old, operand)
        # A long stays one: of two integers the wider decides (manual, "$mul").
        wider = next((type(n) for n in (old, operand) if isinstance(n, int) and type(n) is not int), None)
        return wider(result) if wider is not None and isinstance(result, int) else result

    return apply


def _bits(old: int, operand: Document) -> int:
    for kind, bits in operand.items():
        old = {"and": old & bits, "or": old | bits, "xor": old ^ bits}[kind]
    return old


def _less(left: Any, right: Any) -> bool:
    return bool(filtering.bson_compare(operator.lt, left, right))


def _pop(holder: Any, name: str, end: int) -> None:
    array = holder.get(name) if isinstance(holder, dict) else _element(holder, name)
    if array:
        array.pop(-1 if end == 1 else 0)


def mend() -> None:
    """Put what is written here in the place of mongomock's own."""
    collection._updaters.update(
        {
            "$inc": _arithmetic(_numbers(operator.add), lambda by: by),
            "$mul": _arithmetic(
                _numbers(operator.mul), lambda by: Decimal128("0") if isinstance(by, Decimal128) else by * 0
            ),
            "$bit": _arithmetic(_bits, lambda operand: _bits(0, operand)),
            "$min": _arithmetic(lambda old, new: new if _less(new, old) else old, lambda new: new),
            "$max": _arithmetic(lambda old, new: new if _less(old, new) else old, lambda new: new),
            "$pop": _pop,
        }
    )
