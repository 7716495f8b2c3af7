"""Checks values against type annotations: nothing else does when a scenario.py runs."""

import re
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

WORDS: dict[object, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    type(None): "None",
    tuple[str, ...]: 'a tuple of strings, like ("http",)',
}


def mismatch(value: Any, annotation: Any, where: str) -> str | None:
    """The first part of `value` that is not what its annotation says, as `PLACE is VALUE: it must be TYPE`, or None.

    Args:
        value: anything.
        annotation: a class, or a dataclass, union, Literal, tuple or Mapping of such. Only the origin of others counts.
        where: what the value is called; its parts are called `where[0]`, `where['key']` and `where.field`.
    """
    kind, arguments = get_origin(annotation) or annotation, get_args(annotation)
    wrong = f"{where} is {shown(value)}: it must be {_described(annotation)}"
    if kind in (Union, types.UnionType):
        problems = [mismatch(value, option, where) for option in arguments]
        # If all but a part of the value fits one option, that part is the problem.
        parts_wrong = [problem for problem in problems if problem and not problem.startswith(f"{where} is ")]
        return None if None in problems else [*parts_wrong, wrong][0]
    if kind is Literal:
        return None if value in arguments else wrong
    if kind in (int, float) and (isinstance(value, bool) or not isinstance(value, (int, kind))):
        return wrong
    if kind is not float and isinstance(kind, type) and not isinstance(value, kind):
        return wrong
    parts: list[tuple[object, Any, str]] = []
    if kind is tuple:
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        if len(kinds) != len(value):
            return wrong
        parts = [(item, kinds[number], f"{where}[{number}]") for number, item in enumerate(value)]
    elif kind is Mapping:
        parts = [(key, arguments[0], f"the key {shown(key)} of {where}") for key in value]
        parts += [(item, arguments[1], f"{where}[{shown(key)}]") for key, item in value.items()]
    elif is_dataclass(kind):
        parts = [(getattr(value, name), part, f"{where}.{name}") for name, part in get_type_hints(annotation).items()]
    return next((problem for part in parts if (problem := mismatch(*part))), None)


def _described(annotation: Any) -> str:
    """A simple type in words; any other as it is written in Python, without the names of modules."""
    if annotation in WORDS:
        return WORDS[annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(map(_described, get_args(annotation)))
    text = annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    return "of type " + re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def shown(value: object, most: int = 80) -> str:
    """Any value in at most so many characters."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 # an author's class may do anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else text[: most - 1] + "…"
