"""Looks at any object without running its code: no attribute of it is asked for, no method of it is called."""

from __future__ import annotations

import types
from collections import deque
from itertools import islice
from typing import Any

type_name = type.__dict__["__name__"].__get__
bases_of = type.__dict__["__mro__"].__get__
names_of = type.__dict__["__dict__"].__get__
_type_module = type.__dict__["__module__"].__get__
_flags = type.__dict__["__flags__"].__get__

OPTIMIZED = 1
"""The flag of the code of a function, not of a module or a class body (inspect.CO_OPTIMIZED)."""

HEAP_TYPE = 1 << 9
"""The flag of a type that was made at run time (Py_TPFLAGS_HEAPTYPE)."""


def is_made_in_python(kind: type) -> bool:
    """Whether a type was made by a class statement, or by C code at run time."""
    return bool(_flags(kind) & HEAP_TYPE)


def module_of(kind: type) -> str:
    """The name of the module that a type comes from; empty if it does not say."""
    module = names_of(kind).get("__module__")
    if module is None and not is_made_in_python(kind):
        module = _type_module(kind)
    return module if type(module) is str else ""


_bases: dict[int, tuple[type, frozenset[int]]] = {}


def base_ids(kind: type) -> frozenset[int]:
    """The ids of a type and of those it is derived from: a type's own type may have a code of its own for `==`."""
    known = _bases.get(id(kind))
    if known is None:
        # The type is kept with them, so that no other one gets its id.
        known = _bases[id(kind)] = kind, frozenset(map(id, bases_of(kind)))
    return known[1]


def is_a(thing: object, *kinds: type) -> bool:
    """Whether an object is of one of these types, by its type alone: `isinstance` asks the object, too."""
    bases = base_ids(type(thing))
    return any(id(kind) in bases for kind in kinds)


def attributes(thing: object) -> dict[str, object]:
    """The instance's own `__dict__`; empty if it has none."""
    for base in bases_of(type(thing)):
        found = names_of(base).get("__dict__")
        if type(found) is types.GetSetDescriptorType:
            own = found.__get__(thing)
            return own if type(own) is dict else {}
    return {}


def locals_of(frame: types.FrameType) -> dict[str, object]:
    """The local names of a function that runs or waits, with what they refer to."""
    view = frame.f_locals
    found = dict(view)
    # Before Python 3.13 the frame keeps what it was asked for, and would hold that longer than its names do. While it
    # is traced, what it keeps goes back into its names.
    if type(view) is dict and frame.f_trace is None and frame.f_code.co_flags & OPTIMIZED:
        view.clear()
    return found


def slots(thing: object) -> list[tuple[str, object]]:
    """What the slots of an instance hold, and the plain members of one that is made in C."""
    found: list[tuple[str, object]] = []
    for base in bases_of(type(thing)):
        for name, member in names_of(base).items():
            if type(member) is types.MemberDescriptorType:
                try:
                    found.append((name, member.__get__(thing)))
                except AttributeError:  # it is not set
                    continue
    return found


CONTAINERS: tuple[Any, ...] = (dict, list, tuple, set, frozenset, deque)
"""What holds other objects as its items."""


def container_of(thing: object) -> Any:
    """Which of the containers an object is; None if it is none."""
    bases = base_ids(type(thing))
    return next((kind for kind in CONTAINERS if id(kind) in bases), None)


def items_of(thing: object, most: int) -> list[object]:
    """The first items of a container, of a dictionary its values; none of anything else."""
    kind = container_of(thing)
    if kind is None:
        return []
    return list(islice(dict.values(thing) if kind is dict else kind.__iter__(thing), most))  # type: ignore[arg-type]
