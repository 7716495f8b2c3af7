"""Filters of documents: their errors are found before mongomock applies them, and its operators are mended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bson import Regex

from leaklab.services.mongo.arguments import INT64_BOUND, type_name
from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.expressions import check_expression
from leaklab.services.mongo.mock import NOTHING, filtering

if TYPE_CHECKING:
    from collections.abc import Callable

Document = dict[str, Any]

matches: Callable[[Document, Document], bool] = filtering.filter_applies
_mock_in: Callable[[Any, list[Any]], bool] = filtering._in_op

# Source: MongoDB manual, "Query and Projection Operators".
_LOGICAL = frozenset({"$and", "$or", "$nor"})
_TOP_LEVEL = _LOGICAL | {
    "$alwaysFalse", "$alwaysTrue", "$comment", "$expr", "$jsonSchema", "$sampleRate", "$text", "$where",
}  # fmt: skip
_OPERATORS = frozenset({
    "$all", "$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet", "$elemMatch", "$eq", "$exists",
    "$geoIntersects", "$geoWithin", "$gt", "$gte", "$in", "$lt", "$lte", "$maxDistance", "$minDistance",
    "$mod", "$ne", "$near", "$nearSphere", "$nin", "$not", "$options", "$regex", "$size", "$type",
})  # fmt: skip
_NOT_IMPLEMENTED = frozenset({
    "$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet", "$geoIntersects", "$geoWithin", "$maxDistance",
    "$minDistance", "$near", "$nearSphere",
})  # fmt: skip
# Source: MongoDB manual, "BSON Types", columns Alias and Number.
_TYPE_NUMBERS = {
    "double": 1, "string": 2, "object": 3, "array": 4, "binData": 5, "undefined": 6, "objectId": 7, "bool": 8,
    "date": 9, "null": 10, "regex": 11, "dbPointer": 12, "javascript": 13, "symbol": 14, "javascriptWithScope": 15,
    "int": 16, "timestamp": 17, "long": 18, "decimal": 19, "minKey": -1, "maxKey": 127,
}  # fmt: skip


def check_filter(query: Document) -> None:
    """Raise CommandError BadValue for what no filter may hold.

    mongomock notices only what it comes across, so on some documents it would let a wrong filter pass.
    """
    for field, condition in query.items():
        if field in _LOGICAL:
            if not isinstance(condition, list):
                raise CommandError(2, f"{field} argument must be an array")
            if not condition:
                raise CommandError(2, "$and/$or/$nor must be a nonempty array")
            for part in condition:
                if not isinstance(part, dict):
                    raise CommandError(2, "$or/$and/$nor entries need to be full objects")
                check_filter(part)
        elif field.startswith("$"):
            if field == "$expr":
                check_expression(condition)
            elif field in _TOP_LEVEL - {"$comment"}:
                raise not_implemented(field)
            elif field not in _TOP_LEVEL:
                raise CommandError(
                    2,
                    f"unknown top level operator: {field}. If you have a field name that starts with a '$' "
                    "symbol, consider using $getField or $setField.",
                )
        elif isinstance(condition, dict) and next(iter(condition), "").startswith("$"):
            _check_condition(condition)
        elif isinstance(condition, Regex):
            _check_regex(condition)


def _check_condition(condition: Document) -> None:
    if "$options" in condition and "$regex" not in condition:
        raise CommandError(2, "$options needs a $regex")
    for operator, operand in condition.items():
        if operator in _NOT_IMPLEMENTED:
            raise not_implemented(operator)
        if operator not in _OPERATORS:
            if operator in ("$ref", "$id", "$db"):
                continue
            raise CommandError(2, f"unknown operator: {operator}")
        check = _OPERANDS.get(operator)
        if check is not None:
            check(operator, operand)


def _check_array(operator: str, operand: object) -> None:
    if not isinstance(operand, list):
        raise CommandError(2, f"{operator} needs an array")
    for value in operand:
        if isinstance(value, Regex):
            _check_regex(value)
        is_condition = isinstance(value, dict) and next(iter(value), "") in _OPERATORS
        if is_condition and (operator != "$all" or "$elemMatch" not in value):
            raise CommandError(2, f"cannot nest $ under {operator}")


def _check_not(_: str, operand: object) -> None:
    if operand == {}:
        raise CommandError(2, "$not argument must be a non-empty object")
    if isinstance(operand, dict):
        _check_condition(operand)
    elif isinstance(operand, Regex):
        _check_regex(operand)
    else:
        raise CommandError(2, "$not needs a regex or a document")


def _check_element(operator: str, operand: object) -> None:
    if not isinstance(operand, dict):
        raise CommandError(2, f"{operator} needs an Object")
    if next(iter(operand), "") in _OPERATORS:
        _check_condition(operand)
    else:
        check_filter(operand)


def _check_regex(operand: object) -> None:
    pattern = operand.pattern if isinstance(operand, Regex) else operand
    if not isinstance(pattern, (str, bytes)):
        raise CommandError(2, "$regex has to be a string")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise CommandError(
            51091, f"Regular expression is invalid: {error} (the embedded server reads it as Python does)"
        ) from error


def _check_options(_: str, operand: object) -> None:
    if not isinstance(operand, str):
        raise CommandError(2, "$options has to be a string")
    if unknown := set(operand) - set("imsxu"):
        raise CommandError(51108, f"invalid flag in regex options: {min(unknown)}")


def _check_size(_: str, operand: object) -> None:
    if isinstance(operand, bool) or not isinstance(operand, (int, float)):
        raise CommandError(2, f"Failed to parse $size. Expected a number in: $size: {operand!r}")
    if operand < 0 or operand != operand // 1:
        raise CommandError(2, f"Failed to parse $size. Expected a non-negative integer in: $size: {operand}")


def _check_type(_: str, operand: object) -> None:
    for wanted in operand if isinstance(operand, list) else [operand]:
        if isinstance(wanted, str) and wanted not in _TYPE_NUMBERS and wanted != "number":
            raise CommandError(2, f"Unknown type name alias: {wanted}")
        if not isinstance(wanted, str) and (isinstance(wanted, bool) or wanted not in _TYPE_NUMBERS.values()):
            raise CommandError(2, f"Invalid numerical type code: {wanted}")


def _check_mod(_: str, operand: object) -> None:
    if not isinstance(operand, list) or len(operand) != 2:
        raise CommandError(2, "malformed mod, needs to be an array of two numbers")
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and abs(n) < INT64_BOUND for n in operand):
        raise CommandError(2, "malformed mod, divisor and remainder have to be numbers")
    if int(operand[0]) == 0:
        raise CommandError(2, "divisor cannot be 0")


_OPERANDS: dict[str, Callable[[str, Any], None]] = {
    "$in": _check_array,
    "$nin": _check_array,
    "$all": _check_array,
    "$not": _check_not,
    "$elemMatch": _check_element,
    "$regex": lambda _, operand: _check_regex(operand),
    "$options": _check_options,
    "$size": _check_size,
    "$type": _check_type,
    "$mod": _check_mod,
}


def check_sort(sort: Document) -> None:
    """Raise CommandError BadValue unless every field is sorted by 1 or -1."""
    for field, direction in sort.items():
        if isinstance(direction, dict):
            raise not_implemented(f"sorting {field!r} by {direction}")
        if isinstance(direction, bool) or not isinstance(direction, (int, float)):
            raise CommandError(15974, f"Illegal key in $sort specification: {field}: {direction!r}")
        if not field or (field.startswith("$") and field != "$natural"):
            raise CommandError(16410 if field else 40352, f"{field!r} is not the name of a field to sort by")
        if direction not in (1, -1):
            raise CommandError(
                15975,
                f"$sort key ordering must be 1 (for ascending) or -1 (for descending), got {field}: {direction}",
            )


# ---- operators that mongomock has not, or not so


def _is_of_type(value: object, wanted: object) -> bool:
    """Whether a value, or an element of it, is of a type or one of several, each by alias or number."""
    if isinstance(wanted, list):
        return any(_is_of_type(value, one) for one in wanted)
    names = {name for name, number in _TYPE_NUMBERS.items() if wanted in (name, number)}
    if wanted == "number":
        names = {"double", "int", "long", "decimal"}
    elements = value if isinstance(value, list) else []
    return any(type_name(one) in names for one in (value, *elements))


def _is_in(value: Any, wanted: list[Any]) -> bool:
    # mongomock looks for the elements of an array only, MongoDB for the array as well.
    return _mock_in(value, wanted) or (isinstance(value, list) and value in wanted)


def _divides(value: object, divisor: int, remainder: int) -> bool:
    """Whether a number, or one in an array, leaves a remainder; with the sign of the number, as in C."""
    values = value if isinstance(value, list) else [value]
    numbers = (v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < 2**63)
    return any(abs(int(v)) % abs(divisor) * (1 if v >= 0 else -1) == remainder for v in numbers)


def mend() -> None:
    """Put what is written here in the place of mongomock's own."""
    filtering._filterer_inst._operator_map |= {
        "$type": lambda value, wanted: value is not NOTHING and _is_of_type(value, wanted),
        "$in": _is_in,
        "$nin": lambda value, wanted: not _is_in(value, wanted),
        "$mod": lambda value, wanted: _divides(value, *map(int, wanted)),
    }
