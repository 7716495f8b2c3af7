"""What mongomock is asked to do, looked over first: what it lacks, or would answer wrongly, is refused by name."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bson import Regex

from leaklab.services.mongo.command_error import CommandError, not_supported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaklab.services.mongo.arguments import Document

MAX_DEPTH = 200
"""Levels that a command may be nested ("MongoDB Limits and Thresholds")."""
MAX_PADDING = 1_500_000
"""Elements that an update may append before the one it sets (`kMaxPaddingAllowed` of MongoDB)."""

_FILTERS = {
    "$all", "$and", "$comment", "$elemMatch", "$eq", "$exists", "$expr", "$gt", "$gte", "$in", "$lt", "$lte", "$ne",
    "$nin", "$nor", "$not", "$options", "$or", "$regex", "$size", "$type", "$ref", "$id", "$db",
}  # fmt: skip
_LISTS = {"$and", "$or", "$nor", "$in", "$nin", "$all"}
_MAKERS = {"$addToSet", "$currentDate", "$inc", "$max", "$min", "$push", "$set"}  # of fields that are missing
_OF_ARRAYS = {"$addToSet", "$pop", "$pull", "$pullAll", "$push"}
_UPDATES = _MAKERS | _OF_ARRAYS | {"$rename", "$setOnInsert", "$unset"}
_STAGES = {
    "$addFields", "$bucket", "$count", "$facet", "$group", "$limit", "$lookup", "$match", "$project", "$replaceRoot",
    "$sample", "$set", "$skip", "$sort", "$unwind",
}  # fmt: skip
_ACCUMULATORS = {"$avg", "$first", "$last", "$max", "$mergeObjects", "$min", "$push", "$sum"}
# Each of these can double a value: a few dozen in a row would fill the memory, or multiply for hours.
_GROWING = {"$concat", "$concatArrays", "$multiply"}
_MAX_GROWING = 8


def _inner(value: Document | list[Any]) -> Iterator[tuple[str, object]]:
    """Every field with its value, at any depth; the elements of an array have an empty name."""
    for name, inner in value.items() if isinstance(value, dict) else (("", element) for element in value):
        yield name, inner
        if isinstance(inner, (dict, list)):
            yield from _inner(inner)


def check_depth(value: Document | list[Any], depth: int = 0) -> None:
    """Raise CommandError Overflow if documents and arrays are nested too deeply for anything to walk through them."""
    if depth > MAX_DEPTH:
        raise CommandError(15, f"Object exceeded maximum nested object depth: {MAX_DEPTH}")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            check_depth(inner, depth + 1)


def uses_regex(value: Document | list[Any]) -> bool:
    """Whether a regular expression may be in it."""
    return any(name in ("$regex", "$regexMatch") or isinstance(inner, Regex) for name, inner in _inner(value))


def check_growth(expressions: list[Any]) -> None:
    """Raise CommandError for expressions that could make values too large to handle."""
    growing = [name for name, _ in _inner(expressions) if name in _GROWING]
    if len(growing) > _MAX_GROWING or (growing and uses_regex(expressions)):
        raise not_supported(f"{growing[0]} with regular expressions, or more than {_MAX_GROWING} of its like,")


def check_filter(query: Document | list[Any]) -> None:
    """Raise CommandError for a filter that mongomock cannot apply, also where it would not get to that part of it."""
    for name, operand in query.items() if isinstance(query, dict) else (("", element) for element in query):
        if name.startswith("$") and name not in _FILTERS:
            raise not_supported(f"the filter operator {name}")
        is_logical = name in ("$and", "$or", "$nor")
        if (is_logical and not operand) or (name in _LISTS and not isinstance(operand, list)):
            raise CommandError(2, f"{name} needs an array, and a nonempty one in $and, $or, $nor")
        if name in ("$in", "$nin") and any(isinstance(value, list) for value in operand):
            raise not_supported(f"an array inside {name}")
        if name == "$type" and not isinstance(operand, str):
            raise not_supported("$type by number, or by several types,")
        if name == "$options" and not set(operand) <= set("imsx"):
            raise not_supported(f"$options {operand!r}")
        if name == "$expr":
            check_growth([operand])
        elif isinstance(operand, (dict, list)):
            check_filter(operand)


def check_sort(sort: Document) -> None:
    """Raise CommandError unless every field is sorted by 1 or -1."""
    for field, direction in sort.items():
        if (field.startswith("$") and field != "$natural") or isinstance(direction, bool) or direction not in (1, -1):
            raise not_supported(f"sorting by {field}: {direction}, or by other than 1 or -1,")


def checked_projection(projection: Document) -> Document:
    """Return a projection as mongomock understands it: 0, 1 and $elemMatch; raise CommandError for any other."""
    checked: Document = {}
    for field, value in projection.items():
        is_match = isinstance(value, dict) and list(value) == ["$elemMatch"] and "." not in field
        if "$" in field or not (is_match or isinstance(value, (int, float))):
            raise not_supported(f"the projection {field}: {value!r}")
        checked[field] = value if is_match else int(bool(value))
    check_filter([value for value in checked.values() if isinstance(value, dict)])
    if len({value != 0 for field, value in checked.items() if field != "_id"}) > 1:
        raise CommandError(31254, "Cannot do exclusion and inclusion in one projection")
    return checked


def is_replacement(change: object) -> bool:
    """Whether an update gives the whole document instead of operators."""
    return isinstance(change, dict) and not next(iter(change), "").startswith("$")


def check_change(change: object) -> None:
    """Raise CommandError for an update that mongomock cannot carry out."""
    if not isinstance(change, dict):
        raise not_supported("an update by a pipeline, or by no document,")
    operators = {} if is_replacement(change) else change
    for operator, fields in operators.items():
        if operator not in _UPDATES:
            raise not_supported(f"the update operator {operator}")
        if not isinstance(fields, dict):
            raise CommandError(9, f"{operator} operates on fields but we found a {type(fields).__name__} instead")
        for path, value in fields.items():
            if "$[" in path or (operator == "$unset" and any(part.isdigit() for part in path.split("."))):
                raise not_supported(f"the path {path!r} in {operator}")
            if operator == "$inc" and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise CommandError(14, f"Cannot increment with non-numeric argument: {path}: {value!r}")
    paths = sorted(path + "." for fields in operators.values() for path in fields)
    for path, following in pairwise(paths):
        if following.startswith(path):
            raise CommandError(40, f"Updating the path '{following[:-1]}' would create a conflict at '{path[:-1]}'")


def check_upsert(query: Document, change: object) -> None:
    """Raise CommandError if mongomock would not take all that it should from the filter into the new document."""
    if any(name.startswith("$") for name in query) or (is_replacement(change) and isinstance(query.get("_id"), dict)):
        raise not_supported("an upsert whose filter has $and, $or or the like, or an operator on _id,")


def check_paths(change: Document, document: Document) -> None:
    """Raise CommandError if a path leads through a value without fields, far past an array's end, or to no array."""
    for operator, path in ((name, path) for name in _MAKERS | _OF_ARRAYS for path in change.get(name, ())):
        inner: Any = document
        for part in path.split("."):
            if isinstance(inner, list) and part.isdecimal():
                if int(part) > len(inner) + MAX_PADDING:
                    raise CommandError(2, f"can't backfill more than {MAX_PADDING} elements")
                inner = inner[int(part)] if int(part) < len(inner) else None
            elif isinstance(inner, dict) or inner is None:
                inner = inner.get(part) if inner else None
            elif part != "$":
                raise CommandError(28, f"Cannot create field '{part}' of '{path}' in a {type(inner).__name__}")
        if operator in _OF_ARRAYS and "$" not in path and inner is not None and not isinstance(inner, list):
            raise CommandError(2, f"Cannot apply {operator} to '{path}': it is no array")


def check_pipeline(pipeline: list[Any]) -> list[Document]:
    """Raise CommandError for a pipeline that mongomock cannot run; return it with its groups as it understands them."""
    check_growth(pipeline)
    checked: list[Document] = []
    for stage in pipeline:
        if not isinstance(stage, dict) or len(stage) != 1:
            raise CommandError(40323, "A pipeline stage specification object must contain exactly one field.")
        ((name, spec),) = stage.items()
        if name not in _STAGES:
            raise not_supported(f"the pipeline stage {name}")
        if name in ("$limit", "$skip") and (not isinstance(spec, int) or not (name == "$limit") <= spec < 2**63):
            raise CommandError(15958, f"the {name} must be a positive whole number, not {spec!r}")
        if name == "$count" and isinstance(spec, str) and spec and spec[0] != "$":
            # mongomock counts no documents as 0; MongoDB makes no document of them.
            checked += [{"$group": {"_id": {"$literal": None}, spec: {"$sum": 1}}}, {"$project": {"_id": 0}}]
            continue
        if name in ("$match", "$sort", "$group", "$facet") and not isinstance(spec, dict):
            raise CommandError(9, f"the specification of {name} must be an object")
        if name == "$match":
            check_filter(spec)
        elif name == "$sort":
            check_sort(spec)
        elif name == "$facet":
            stage = {name: {field: check_pipeline(inner) for field, inner in spec.items()}}  # noqa: PLW2901 - rewritten
        elif name == "$group":
            stage = {name: _checked_group(spec)}  # noqa: PLW2901 - the same
        checked.append(stage)
    return checked


def _checked_group(spec: Document) -> Document:
    if "_id" not in spec:
        raise CommandError(15955, "a group specification must include an _id")
    # mongomock takes a constant that is false for no _id at all, and makes a group out of nothing.
    checked: Document = {"_id": spec["_id"] or {"$literal": spec["_id"]}}
    for field, accumulator in spec.items():
        if field != "_id":
            if not isinstance(accumulator, dict) or len(accumulator) != 1 or not accumulator.keys() <= _ACCUMULATORS:
                raise not_supported(f"the accumulator {accumulator}")
            ((name, operand),) = accumulator.items()
            # The first of all documents, not of those that have the field.
            checked[field] = {name: {"$ifNull": [operand, None]} if name in ("$first", "$last") else operand}
    return checked
