"""Checks aggregation expressions and evaluates them: mongomock's evaluator, mended where MongoDB differs."""

from __future__ import annotations

import operator
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bson import Decimal128

from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.mock import NOTHING, aggregate, filtering
from leaklab.services.mongo.names import EXPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Document = dict[str, Any]

_EVALUATED_VARIABLES = frozenset({"ROOT", "CURRENT"})
# Source: MongoDB manual, "Variables in Aggregation Expressions", system variables.
_OTHER_VARIABLES = frozenset({"NOW", "CLUSTER_TIME", "REMOVE", "DESCEND", "PRUNE", "KEEP", "SEARCH_META", "USER_ROLES"})
_VARIABLE = re.compile(r"\$\$(\w+)")

_ORDER: dict[str, Callable[[int, int], bool]] = {
    "$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le,
}  # fmt: skip


# ---- checking


def check_expression(expression: object) -> None:
    """Raise CommandError for an operator or a variable that MongoDB has not, or the embedded server has not."""
    _check_operators(expression)
    unbound = set(_VARIABLE.findall(_text(expression))) - _EVALUATED_VARIABLES - set(_bound(expression))
    for name in sorted(unbound):
        if name in _OTHER_VARIABLES:
            raise not_implemented(f"the variable $${name}")
        raise CommandError(17276, f"Use of undefined variable: {name}")


def _check_operators(expression: object) -> None:
    if isinstance(expression, list):
        for part in expression:
            _check_operators(part)
    if not isinstance(expression, dict):
        return
    name = next(iter(expression), "")
    if name.startswith("$"):
        if len(expression) != 1:
            raise CommandError(
                15983, f"An object representing an expression must have exactly one field: {sorted(expression)}"
            )
        if name not in EXPRESSIONS:
            raise CommandError(168, f"Unrecognized expression '{name}'")
        if name == "$literal":
            return
    for part in expression.values():
        _check_operators(part)


def _text(expression: object) -> str:
    """Every string in an expression that is evaluated."""
    if isinstance(expression, str):
        return expression
    if isinstance(expression, dict):
        return " ".join(_text(part) for name, part in expression.items() if name != "$literal")
    return " ".join(map(_text, expression)) if isinstance(expression, list) else ""


def _bound(expression: object) -> Iterable[str]:
    """Every variable that some part of an expression binds."""
    if isinstance(expression, dict):
        for name, part in expression.items():
            if name in ("$map", "$filter", "$reduce") and isinstance(part, dict):
                yield from ("this", "value", str(part.get("as", "this")))
            if name == "$let" and isinstance(part, dict) and isinstance(part.get("vars"), dict):
                yield from part["vars"]
            yield from _bound(part)
    elif isinstance(expression, list):
        for part in expression:
            yield from _bound(part)


# ---- evaluating


def evaluate(expression: object, document: Document) -> Any:
    """Return what an expression yields for `document`; NOTHING if that is a field that it has not."""
    return _value(aggregate._Parser(document, ignore_missing_keys=True), expression)


def _value(parser: Any, expression: object) -> Any:
    """Return the value of an operand; a field that is missing is NOTHING, as MongoDB has it.

    mongomock raises KeyError for it from any depth; what MongoDB makes of a missing operand depends on the operator,
    so only a path by itself may be called missing.
    """
    try:
        return parser.parse(expression)
    except KeyError:
        is_path = isinstance(expression, str) or (isinstance(expression, dict) and "$arrayElemAt" in expression)
        if is_path:
            return NOTHING
        raise


def _basic(parser: Any, expression: object) -> Any:
    """Return the value of what is no document: a path, an array of expressions, or a literal.

    Raises KeyError for a path to nothing, as mongomock's own does.
    """
    if isinstance(expression, list):
        values = (_value(parser, part) for part in expression)
        return [None if value is NOTHING else value for value in values]
    if not isinstance(expression, str) or not expression.startswith("$"):
        return expression
    names = expression[1:].split(".")
    at: Any = parser._doc_dict
    if expression.startswith("$$"):
        at = {"ROOT": at, "CURRENT": at, **parser._user_vars}
        names[0] = names[0][1:]
    found = _follow(at, names)
    if found is NOTHING:
        raise KeyError(expression)
    return found


def _follow(value: Any, names: list[str]) -> Any:
    """Return what a path leads to; in an array it is followed in every element, and a number is no index there."""
    if not names:
        return value
    if isinstance(value, dict):
        return _follow(value[names[0]], names[1:]) if names[0] in value else NOTHING
    if isinstance(value, list):
        found = (_follow(item, names) for item in value)
        return [item for item in found if item is not NOTHING]
    return NOTHING


def same(left: object, right: object) -> bool:
    """Whether two values are equal in MongoDB, where 1 is 1.0 but true is no number."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _order(left: object, right: object) -> int:
    """Return -1, 0 or 1 in MongoDB's order, in which a missing field comes before everything else."""
    if left is NOTHING or right is NOTHING:
        return (left is not NOTHING) - (right is not NOTHING)
    if filtering.bson_compare(operator.lt, left, right):
        return -1
    return int(filtering.bson_compare(operator.gt, left, right))


def _compare(parser: Any, name: str, operands: Any) -> bool | int:
    count = len(operands) if isinstance(operands, list) else 1
    if count != 2:
        raise CommandError(16020, f"Expression {name} takes exactly 2 arguments. {count} were passed in.")
    left, right = (_value(parser, operand) for operand in operands)
    if name in ("$eq", "$ne"):
        return same(left, right) == (name == "$eq")
    order = _order(left, right)
    return order if name == "$cmp" else _ORDER[name](order, 0)


def _is_true(parser: Any, expression: object) -> bool:
    """Return an expression as MongoDB's conditions take it: false, null, 0 and missing are false, all else is true."""
    value = _value(parser, expression)
    return value is not NOTHING and value is not None and not (isinstance(value, (bool, int, float)) and value == 0)


_mock_set_operator: Callable[[Any, str, Any], Any] = aggregate._Parser._handle_set_operator


def _set_operator(parser: Any, name: str, operands: Any) -> Any:
    if name == "$in" and isinstance(operands, list) and len(operands) == 2:
        wanted, values = (_value(parser, operand) for operand in operands)
        if not isinstance(values, list):
            raise CommandError(40081, "$in requires an array as a second argument")
        return any(same(wanted, value) for value in values)
    return _mock_set_operator(parser, name, operands)


def _expr(expression: object, document: Document, **_: bool) -> bool:
    return _is_true(aggregate._Parser(document, ignore_missing_keys=True), expression)


# ---- sorting


def sort_documents(documents: Iterable[Document], sort: Document) -> list[Document]:
    """Return documents in the order of a sort by 1 and -1; those that are equal in it keep theirs.

    Source: MongoDB manual, "cursor.sort()": an array counts with its smallest element, downwards with its largest.
    """
    ordered = list(documents)
    for field, direction in reversed(sort.items()):
        if field == "$natural":
            ordered = ordered[::-1] if direction < 0 else ordered
        else:
            ordered.sort(key=_sort_key(field, downwards=direction < 0), reverse=direction < 0)
    return ordered


def _sort_key(field: str, *, downwards: bool) -> Callable[[Document], Any]:
    def key(document: Document) -> Any:
        values: list[Any] = []
        for value in filtering.iter_key_candidates(field, document):
            values += value if isinstance(value, list) and value else [value]
        # An empty array comes before null, and what is missing counts as null.
        keys = [(value != [], filtering.BsonComparable(None if value in (NOTHING, []) else value)) for value in values]
        return (max if downwards else min)(keys, default=(True, filtering.BsonComparable(None)))

    return key


# ---- accumulating


def _listed(values: Any) -> list[Any]:
    """Return the operands of an accumulator that is used as an expression: it may be given a single value."""
    return list(values) if hasattr(values, "__iter__") and not isinstance(values, (str, bytes, dict)) else [values]


def _numbers(values: Any) -> list[Any]:
    """Return the numbers among values; true and false are none. All are Decimal if one of them is a Decimal128."""
    found = [v for v in _listed(values) if isinstance(v, (int, float, Decimal128)) and not isinstance(v, bool)]
    if any(isinstance(v, Decimal128) for v in found):
        return [v.to_decimal() if isinstance(v, Decimal128) else Decimal(v) for v in found]
    return found


def _bson_number(value: Any) -> Any:
    return Decimal128(value) if isinstance(value, Decimal) else value


def _average(values: Any) -> Any:
    numbers = _numbers(values)
    return _bson_number(sum(numbers) / len(numbers)) if numbers else None


def _extreme(choose: Callable[..., Any]) -> Callable[[Any], Any]:
    def accumulate(values: Any) -> Any:
        return choose((v for v in _listed(values) if v is not None), key=filtering.BsonComparable, default=None)

    return accumulate


def _distinct(values: Any) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(same(value, other) for other in found):
            found.append(value)
    return found


def mend() -> None:
    """Put what is written here in the place of mongomock's own."""
    aggregate._Parser._parse_basic_expression = _basic
    aggregate._Parser._handle_comparison_operator = _compare
    aggregate._Parser._handle_set_operator = _set_operator
    aggregate._Parser._parse_to_bool = _is_true
    filtering.register_parse_expression(_expr)
    aggregate._GROUPING_OPERATOR_MAP.update(
        {
            "$sum": lambda values: _bson_number(sum(_numbers(values))),
            "$avg": _average,
            "$min": _extreme(min),
            "$max": _extreme(max),
            "$addToSet": _distinct,
        }
    )
