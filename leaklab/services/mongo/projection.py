"""Projections of documents: those of find, and the $project stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bson import Decimal128

from leaklab.services.mongo.errors import CommandError, not_implemented
from leaklab.services.mongo.expressions import check_expression, evaluate
from leaklab.services.mongo.mock import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

Document = dict[str, Any]


@dataclass(slots=True)
class _Tree:
    """The paths of a projection as a tree: a leaf stands for everything below it."""

    branches: dict[str, _Tree] = field(default_factory=dict)

    def add(self, path: str) -> None:
        at = self
        parts = path.split(".")
        for depth, part in enumerate(parts):
            is_last = depth == len(parts) - 1
            known = at.branches.get(part)
            if known is not None and is_last:
                raise CommandError(31250, f"Path collision at {path}")
            if known is not None and not known.branches:
                rest = ".".join(parts[depth + 1 :])
                raise CommandError(31249, f"Path collision at {path} remaining portion {rest}")
            at = at.branches.setdefault(part, _Tree())

    def include(self, document: Document) -> Document:
        kept: Document = {}
        for name, value in document.items():
            tree = self.branches.get(name)
            if tree is not None and not tree.branches:
                kept[name] = value
            elif tree is not None and isinstance(value, (dict, list)):
                kept[name] = _each(value, tree.include, keep_others=False)
        return kept

    def exclude(self, document: Document) -> Document:
        kept: Document = {}
        for name, value in document.items():
            tree = self.branches.get(name)
            if tree is None:
                kept[name] = value
            elif tree.branches:
                kept[name] = _each(value, tree.exclude, keep_others=True)
        return kept


def _each(value: Any, change: Callable[[Document], Document], *, keep_others: bool) -> Any:
    """Apply `change` to a document, or to the documents of an array however deep."""
    if isinstance(value, dict):
        return change(value)
    if isinstance(value, list):
        parts = (v for v in value if keep_others or isinstance(v, (dict, list)))
        return [_each(v, change, keep_others=keep_others) for v in parts]
    return value


def flatten(spec: Document, prefix: str = "") -> list[tuple[str, Any]]:
    """Return a specification's paths with their values: `{a: {b: 1}}` is `{"a.b": 1}`."""
    leaves: list[tuple[str, Any]] = []
    for name, value in spec.items():
        path = prefix + name
        if isinstance(value, dict) and value and not next(iter(value)).startswith("$"):
            leaves += flatten(value, path + ".")
        else:
            leaves.append((path, value))
    return leaves


class Projection:
    """A projection that was checked; `matches` is what $elemMatch asks, for find alone ($project has none).

    Source: MongoDB manual, "db.collection.find()", Projection; "$project (aggregation)"; "$slice (projection)";
    "$elemMatch (projection)". Raises CommandError.
    """

    def __init__(self, spec: Document, *, matches: Callable[[Document, Document], bool] | None = None) -> None:
        self._matches = matches
        self._tree = _Tree()
        self._computed: list[tuple[str, Any]] = []
        self._changed: list[tuple[list[str], Callable[[Any], Any]]] = []
        includes: bool | None = None  # None: not known yet
        has_id: bool | None = None
        has_element = False
        operators: list[str] = []
        for path, value in flatten(spec):
            _check_path(path)
            if value == {}:
                raise CommandError(
                    51270, f"An empty sub-projection is not a valid value. Found empty object at path {path}"
                )
            if isinstance(value, (bool, int, float, Decimal128)):
                wanted = value != Decimal128("0") and bool(value)
                if path == "_id":
                    has_id = wanted
                    continue
                includes = _one_kind(includes, path, wanted=wanted)
                self._tree.add(path)
            elif matches is not None and (change := self._find_operator(value)) is not None:
                has_element |= "$elemMatch" in value
                operators.append(path)
                self._changed.append((path.split("."), change))
            else:
                if includes is False:
                    raise CommandError(31252, "Cannot use expression other than $meta in exclusion projection")
                includes = True
                check_expression(value)
                self._computed.append((path, value))
        if includes is None:
            includes = has_id is True or has_element
        self._includes = includes
        if includes:
            for path in operators:
                self._tree.add(path)
        if "_id" not in self._tree.branches and includes == (has_id is not False):
            self._tree.add("_id")
        computed = _Tree()
        for path, _ in self._computed:
            computed.add(path)

    def _find_operator(self, value: object) -> Callable[[Any], Any] | None:
        """Return what an operator of find's projections alone does to a value; None if it is none of these."""
        if not isinstance(value, dict):
            return None
        operator, operand = next(iter(value.items()))
        if operator == "$meta":
            raise not_implemented("$meta in a projection")
        if operator == "$slice" and not _is_expression_slice(operand):
            return _slicer(operand)
        if operator == "$elemMatch":
            if not isinstance(operand, dict):
                raise CommandError(31274, "elemMatch: Invalid argument, object required, but got something else")
            return self._element(operand)
        return None

    def _element(self, condition: Document) -> Callable[[Any], Any]:
        # What is asked of a value itself, {$gt: 1}, and not of its fields, is no filter of a document.
        by_value = next(iter(condition), "").startswith("$") and not condition.keys() & {"$and", "$or", "$nor"}

        def first(value: Any) -> Any:
            if self._matches is None or not isinstance(value, list):
                return NOTHING
            for item in value:
                if by_value:
                    # As in an array's own condition: an inner array is one element, it is not searched.
                    found = not isinstance(item, list) and self._matches({"v": condition}, {"v": item})
                else:
                    found = isinstance(item, dict) and self._matches(condition, item)
                if found:
                    return [item]
            return NOTHING

        return first

    def apply(self, document: Document) -> Document:
        """Return the projection of one document; values are shared with it."""
        kept = self._tree.include(document) if self._includes else self._tree.exclude(document)
        for parts, change in self._changed:
            kept = _change(kept, parts, change)
        for path, expression in self._computed:
            value = evaluate(expression, document)
            if value is not NOTHING:
                kept = assign(kept, path.split("."), value)
        return kept


def _check_path(path: str) -> None:
    parts = path.split(".")
    if parts[-1] == "$":
        raise not_implemented("the positional operator $ in a projection")
    if not all(parts):
        raise CommandError(40353 if path.endswith(".") else 15998, f"FieldPath {path!r} has an empty name in it")
    if any(part.startswith("$") for part in parts):
        raise CommandError(16410, f"FieldPath field names may not start with '$': {path!r}")


def _one_kind(includes: bool | None, path: str, *, wanted: bool) -> bool:
    if includes is True and not wanted:
        raise CommandError(31254, f"Cannot do exclusion on field {path} in inclusion projection")
    if includes is False and wanted:
        raise CommandError(31253, f"Cannot do inclusion on field {path} in exclusion projection")
    return wanted


def _is_expression_slice(operand: object) -> bool:
    """Whether a $slice is the expression: that one names its array first."""
    return isinstance(operand, list) and bool(operand) and isinstance(operand[0], (str, list, dict))


def _slicer(operand: Any) -> Callable[[Any], Any]:
    """Return what cuts an array as $slice says: `n` from the start (or, negative, the end), or `[skip, n]`."""
    numbers = operand if isinstance(operand, list) else [operand]
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers) or len(numbers) > 2:
        raise CommandError(28667, f"Invalid $slice syntax: {operand}")
    if isinstance(operand, list) and len(numbers) != 2:
        raise CommandError(28667, f"Invalid $slice syntax: an array needs 2 numbers, not {len(numbers)}")
    if len(numbers) == 2 and numbers[1] <= 0:
        raise CommandError(28667, f"Invalid $slice syntax: the second number must be positive: {operand}")

    def cut(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if len(numbers) == 1:
            count = int(numbers[0])
            return value[:count] if count >= 0 else value[count:]
        skip, count = map(int, numbers)
        start = skip if skip >= 0 else max(0, len(value) + skip)
        return value[start : start + count]

    return cut


def _change(value: Any, parts: list[str], change: Callable[[Any], Any]) -> Any:
    """Return `value` with the part at a path changed, taken out if that is NOTHING."""
    if isinstance(value, list):
        return [_change(v, parts, change) for v in value]
    head, *rest = parts
    if not isinstance(value, dict) or head not in value:
        return value
    changed = _change(value[head], rest, change) if rest else change(value[head])
    return {k: changed if k == head else v for k, v in value.items() if k != head or changed is not NOTHING}


def assign(document: Document, parts: list[str], value: Any) -> Document:
    """Return a document with `value` at a path, or without anything there if it is NOTHING."""
    head, *rest = parts
    if rest:
        inner = document.get(head, {})
        if isinstance(inner, list):
            raise not_implemented("a computed field inside of an array")
        value = assign(inner if isinstance(inner, dict) else {}, rest, value)
    if value is NOTHING:
        return {k: v for k, v in document.items() if k != head}
    return {**document, head: value}
