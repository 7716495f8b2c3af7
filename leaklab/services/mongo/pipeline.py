"""Aggregation pipelines: their errors are found before they run, mongomock's stages mended where MongoDB differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import Decimal128

from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.expressions import check_expression, evaluate, sort_documents
from leaklab.services.mongo.filters import check_filter, check_sort, matches
from leaklab.services.mongo.mock import aggregate, helpers
from leaklab.services.mongo.names import ACCUMULATORS, STAGES
from leaklab.services.mongo.projection import Projection, assign, flatten

if TYPE_CHECKING:
    from collections.abc import Callable

Document = dict[str, Any]

# Source: MongoDB manual, "$facet (aggregation)", Behavior; "Updates with Aggregation Pipeline".
_NOT_IN_FACET = frozenset({
    "$changeStream", "$collStats", "$facet", "$geoNear", "$indexStats", "$listSessions", "$merge", "$out",
    "$planCacheStats", "$search", "$searchMeta", "$vectorSearch",
})  # fmt: skip
_IN_UPDATE = frozenset({"$addFields", "$project", "$replaceRoot", "$replaceWith", "$set", "$unset"})


def check_pipeline(pipeline: list[Any]) -> list[Document]:
    """Return a pipeline as mongomock can run it; raises CommandError with the real server's code."""
    checked = []
    for index, stage in enumerate(pipeline):
        if not isinstance(stage, dict) or len(stage) != 1:
            raise CommandError(40323, "A pipeline stage specification object must contain exactly one field.")
        name, spec = next(iter(stage.items()))
        if name not in STAGES:
            raise CommandError(40324, f"Unrecognized pipeline stage name: '{name}'")
        if name in ("$out", "$merge") and index != len(pipeline) - 1:
            raise CommandError(40601, f"{name} can only be the final stage in the pipeline")
        if aggregate._PIPELINE_HANDLERS.get(name) is None:
            raise not_implemented(name)
        check = _CHECKS.get(name)
        checked.append({name: check(spec) if check is not None else spec})
    return checked


def check_update_pipeline(pipeline: list[Any]) -> list[Document]:
    """Do what `check_pipeline` does for an update, which may not have every stage."""
    for stage in pipeline:
        name = next(iter(stage), "") if isinstance(stage, dict) else ""
        if name in STAGES and name not in _IN_UPDATE:
            raise CommandError(72, f"{name} is not allowed to be used within an update")
    return check_pipeline(pipeline)


# ---- what a stage may ask for: each check returns its specification as mongomock is to get it


def _match(spec: Any) -> Any:
    if not isinstance(spec, dict):
        raise CommandError(15959, "the match filter must be an expression in an object")
    check_filter(spec)
    return spec


def _whole(spec: Any, stage: str, code: int) -> int:
    if isinstance(spec, bool) or not isinstance(spec, (int, float, Decimal128)):
        raise CommandError(code, f"invalid argument to {stage} stage: Expected a number in: {stage}: {spec!r}")
    number = float(spec.to_decimal()) if isinstance(spec, Decimal128) else spec
    if number < 0:
        raise CommandError(
            code, f"invalid argument to {stage} stage: Expected a non-negative number in: {stage}: {spec}"
        )
    if not number < 2**63 or number != int(number):
        raise CommandError(code, f"invalid argument to {stage} stage: Expected an integer: {stage}: {spec}")
    return int(number)


def _limit(spec: Any) -> int:
    limit = _whole(spec, "$limit", 5107201)
    if limit == 0:
        raise CommandError(15958, "the limit must be positive")
    return limit


def _skip(spec: Any) -> int:
    return _whole(spec, "$skip", 5107200)


def _sort(spec: Any) -> Document:
    if not isinstance(spec, dict):
        raise CommandError(15973, "the $sort key specification must be an object")
    if not spec:
        raise CommandError(15976, "$sort stage must have at least one sort key")
    check_sort(spec)
    return spec


def _accumulators(fields: Document) -> Document:
    checked: Document = {}
    for field, accumulator in fields.items():
        if not isinstance(accumulator, dict):
            raise CommandError(40234, f"The field '{field}' must be an accumulator object")
        if len(accumulator) != 1:
            raise CommandError(40238, f"The field '{field}' must specify one accumulator")
        if "." in field:
            raise CommandError(40235, f"The field name '{field}' cannot contain '.'")
        name, operand = next(iter(accumulator.items()))
        if name not in ACCUMULATORS:
            raise CommandError(15952, f"unknown group operator '{name}'")
        check_expression(operand)
        if name == "$count":
            if operand != {}:
                raise CommandError(14, "$count takes no arguments, i.e. $count:{}")
            name, operand = "$sum", 1
        elif name in ("$first", "$last"):
            # Of the first document, even if it has no such field; mongomock would look on.
            operand = {"$ifNull": [operand, None]}
        elif name not in aggregate._GROUPING_OPERATOR_MAP and name != "$push":
            raise not_implemented(f"the accumulator {name}")
        checked[field] = {name: operand}
    return checked


def _group(spec: Any) -> Document:
    if not isinstance(spec, dict):
        raise CommandError(15947, "a group's fields must be specified in an object")
    if "_id" not in spec:
        raise CommandError(15955, "a group specification must include an _id")
    check_expression(spec["_id"])
    return {"_id": spec["_id"], **_accumulators({k: v for k, v in spec.items() if k != "_id"})}


def _bucket(spec: Any) -> Any:
    if isinstance(spec, dict) and isinstance(spec.get("output"), dict):
        return {**spec, "output": _accumulators(spec["output"])}
    return spec


def _count(spec: Any) -> str:
    if not isinstance(spec, str):
        raise CommandError(40156, "the count field must be a non-empty string")
    if not spec:
        raise CommandError(40157, "the count field must be a non-empty string")
    if spec.startswith("$"):
        raise CommandError(40158, "the count field cannot be a $-prefixed path")
    if "." in spec:
        raise CommandError(40160, "the count field cannot contain '.'")
    return spec


def _project(spec: Any) -> Document:
    if not isinstance(spec, dict):
        raise CommandError(15969, "$project specification must be an object")
    if not spec:
        raise CommandError(
            51272, "Invalid $project :: caused by :: projection specification must have at least one field"
        )
    Projection(spec)
    return spec


def _unset(spec: Any) -> list[str]:
    fields = spec if isinstance(spec, list) else [spec]
    if not fields or not all(isinstance(field, str) and field for field in fields):
        raise CommandError(31002, "$unset specification must be a string or an array with at least one field")
    Projection(dict.fromkeys(fields, 0))
    return fields


def _add_fields(spec: Any) -> Document:
    if not isinstance(spec, dict):
        raise CommandError(40272, "$addFields specification stage must be an object")
    if not spec:
        raise CommandError(40177, "Invalid $addFields :: caused by :: specification must have at least one field")
    flat = dict(flatten(spec))
    for value in flat.values():
        check_expression(value)
    return flat


def _unwind(spec: Any) -> Any:
    path = spec.get("path") if isinstance(spec, dict) else spec
    if path is None:
        raise CommandError(28812, "no path specified to $unwind stage")
    if not isinstance(path, str):
        raise CommandError(28808, "expected a string as the path for $unwind stage")
    if not path.startswith("$"):
        raise CommandError(28818, f"path option to $unwind stage should be prefixed with a '$': {path}")
    return spec


def _sample(spec: Any) -> Document:
    if not isinstance(spec, dict):
        raise CommandError(28745, "the $sample stage specification must be an object")
    size = spec.get("size")
    if "size" not in spec:
        raise CommandError(28749, "$sample stage must specify a size")
    if isinstance(size, bool) or not isinstance(size, (int, float)):
        raise CommandError(28746, "size argument to $sample must be a number")
    if size < 0:
        raise CommandError(28747, "size argument to $sample must not be negative")
    # A copy: mongomock takes the size out of what it gets.
    return {"size": int(size)}


def _facet(spec: Any) -> Document:
    if not isinstance(spec, dict) or not spec:
        raise CommandError(40169, "the $facet specification must be a non-empty object")
    for name, pipeline in spec.items():
        if not isinstance(pipeline, list):
            raise CommandError(40170, f"arguments to $facet must be arrays, {name} is none")
        for stage in pipeline:
            if isinstance(stage, dict) and stage.keys() & _NOT_IN_FACET:
                raise CommandError(40600, f"{next(iter(stage))} is not allowed to be used within a $facet stage")
    return {name: check_pipeline(pipeline) for name, pipeline in spec.items()}


def _replace_root(spec: Any) -> Document:
    if not isinstance(spec, dict) or "newRoot" not in spec:
        raise CommandError(40231, "no newRoot specified for the $replaceRoot stage")
    check_expression(spec["newRoot"])
    return spec


def _replace_with(spec: Any) -> Document:
    return _replace_root({"newRoot": spec})


def _sort_by_count(spec: Any) -> Any:
    is_path = isinstance(spec, str) and spec.startswith("$")
    is_expression = isinstance(spec, dict) and next(iter(spec), "").startswith("$")
    if not is_path and not is_expression:
        raise CommandError(40149, "the sortByCount field must be defined as a $-prefixed path or an expression")
    check_expression(spec)
    return spec


def _lookup(spec: Any) -> Document:
    if not isinstance(spec, dict):
        raise CommandError(9, "the $lookup specification must be an Object")
    if spec.keys() & {"let", "pipeline"}:
        raise not_implemented("$lookup with a pipeline")
    for name in ("from", "localField", "foreignField", "as"):
        if not isinstance(spec.get(name), str):
            raise CommandError(9, f"$lookup needs the name '{name}' as a string")
    return spec


def _out(spec: Any) -> str:
    if not isinstance(spec, str):
        raise not_implemented("$out with anything but a collection's name")
    return spec


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "$match": _match,
    "$limit": _limit,
    "$skip": _skip,
    "$sort": _sort,
    "$group": _group,
    "$bucket": _bucket,
    "$count": _count,
    "$project": _project,
    "$unset": _unset,
    "$addFields": _add_fields,
    "$set": _add_fields,
    "$unwind": _unwind,
    "$sample": _sample,
    "$facet": _facet,
    "$replaceRoot": _replace_root,
    "$replaceWith": _replace_with,
    "$sortByCount": _sort_by_count,
    "$lookup": _lookup,
    "$out": _out,
}


# ---- stages, as they are run: the documents so far, mongomock's database, the checked specification

_mock_group: Callable[..., list[Document]] = aggregate._PIPELINE_HANDLERS["$group"]


def _run_group(documents: list[Document], database: Any, spec: Document) -> list[Document]:
    if not documents:
        return []  # no documents, no groups, not even of a constant _id
    groups = _mock_group(documents, database, spec)
    if not spec["_id"]:
        groups[0]["_id"] = spec["_id"]  # mongomock makes null of every constant that is false
    return [{"_id": group["_id"], **group} for group in groups]


def _run_match(documents: list[Document], _database: Any, spec: Document) -> list[Document]:
    # mongomock's own normalises the dates of every document, which was done when they were stored.
    wanted = helpers.patch_datetime_awareness_in_document(spec)
    return [document for document in documents if matches(wanted, document)]


def _run_count(documents: list[Document], _database: Any, spec: str) -> list[Document]:
    return [{spec: len(documents)}] if documents else []


def _run_add_fields(documents: list[Document], _database: Any, spec: Document) -> list[Document]:
    def add(document: Document) -> Document:
        added = document
        for path, expression in spec.items():
            added = assign(added, path.split("."), evaluate(expression, document))
        return added

    return [add(document) for document in documents]


def _run_project(documents: list[Document], _database: Any, spec: Document) -> list[Document]:
    projection = Projection(spec)
    return [projection.apply(document) for document in documents]


def _run_unset(documents: list[Document], database: Any, spec: list[str]) -> list[Document]:
    return _run_project(documents, database, dict.fromkeys(spec, 0))


def _run_sort_by_count(documents: list[Document], database: Any, spec: Any) -> list[Document]:
    groups = _run_group(documents, database, {"_id": spec, "count": {"$sum": 1}})
    return sort_documents(groups, {"count": -1})


def mend() -> None:
    """Put what is written here in the place of mongomock's own stages."""
    handlers = aggregate._PIPELINE_HANDLERS
    handlers |= {
        "$match": _run_match,
        "$group": _run_group,
        "$count": _run_count,
        "$addFields": _run_add_fields,
        "$set": _run_add_fields,
        "$project": _run_project,
        "$unset": _run_unset,
        "$replaceWith": handlers["$replaceRoot"],
        "$sort": lambda documents, _database, spec: sort_documents(documents, spec),
        "$sortByCount": _run_sort_by_count,
    }
