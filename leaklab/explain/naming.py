"""A chain of references in words: `recent[…].raw._connection.sock`."""

from __future__ import annotations

import io
import types
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from leaklab.explain.safely import attributes, base_ids, container_of, items_of, locals_of, names_of, slots, type_name
from leaklab.measure.worker import with_article

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leaklab.explain.holders import Root

    Namer = Callable[[Any, object, object], str | tuple[str, int] | None]

ANY = "[…]"
"""One of the items, whichever."""

_PLAIN = frozenset(map(id, (str, bytes, int, bool, float)))
"""The ids of the types of keys that are shown."""

LONGEST = 40
"""Characters of a key that are shown."""


class Chain(NamedTuple):
    """A chain in words: from the name, through what kind of container, to the object."""

    words: str
    root: str
    through: str


def named(root: Root, several: Sequence[Sequence[object]]) -> Chain:
    """The chain of objects that are alike, of which `several` are given: what differs among them is left open."""
    found = [_links(links) for links in several]
    names = [_without_repeats([label for label, _ in one]) for one in found]
    # Where the ways differ in length, one of them is told.
    names = [one for one in names if len(one) == len(names[0])]
    parts = [_either(set(each), len(several)) for each in zip(*names, strict=False)]
    # What the items are of; in a chain that goes on and on, that is not known.
    known = zip(found[0], parts, strict=False) if len(found[0]) == len(parts) else ()
    held_in = next((holder for (_, holder), part in known if part == ANY), several[0][0])
    return Chain(root.name + "".join(parts), root.where, _container(held_in, several[0][-1]))


def collapsed(kinds: Sequence[str]) -> tuple[str, ...]:
    """The same without what repeats itself, one kind or two: the nodes of a linked list are as many as it is long."""
    found: list[str] = []
    for kind in kinds:
        found.append(kind)
        for size in (1, 2):
            if len(found) >= 2 * size and found[-size:] == found[-2 * size : -size]:
                del found[-size:]
    return tuple(found)


def _without_repeats(labels: Sequence[str]) -> list[str]:
    """The same with `.next.next.next` as `.next…`."""
    found: list[str] = []
    for label in labels:
        if found and label.startswith(".") and found[-1].rstrip("…") == label:
            found[-1] = f"{label}…"
        else:
            found.append(label)
    return found


def _either(labels: set[str], count: int) -> str:
    """One label for that of so many objects: any item, or the attributes side by side."""
    if len(labels) == 1:
        label = labels.pop()
        # Keys that are not shown may differ.
        return ANY if label.startswith("[<") and count > 1 else label
    if all(label.startswith("[") for label in labels):
        return ANY
    if len({label.rstrip("…") for label in labels}) == 1:
        return max(labels)
    named_ones = sorted(label.strip(". ") for label in labels if label.startswith("."))
    return f".{{{', '.join(named_ones)}}}" if len(named_ones) == len(labels) else ANY


def _links(links: Sequence[object]) -> list[tuple[str, object]]:
    """The label of each step, and what it leads from; a step may take several links."""
    steps: list[tuple[str, object]] = []
    at = 0
    while at < len(links) - 1:
        label, skipped = _label(links[at], links[at + 1], links[at + 2] if at + 2 < len(links) else None)
        steps.append((label, links[at]))
        at += 1 + skipped
    return steps


def _label(parent: object, child: object, after: object) -> tuple[str, int]:
    """How `parent` refers to `child`, and how many links after that are part of it."""
    bases = base_ids(type(parent))
    for kind, namer in _NAMERS:
        if id(kind) in bases:
            found = namer(parent, child, after)
            if found is not None:
                return (found, 0) if isinstance(found, str) else found
    own = attributes(parent)
    if own is child:
        return next(((f".{key}", 1) for key, value in own.items() if value is after), (".__dict__", 0))
    for key, value in [*own.items(), *slots(parent)]:
        if value is child:
            return f".{key}", 0
    name = _BY_NAME.get(type_name(type(parent)))
    return (name if name is not None else f" (inside {type_name(type(parent))})"), 0


def _dict_item(parent: dict[Any, Any], child: object, _: object) -> str | None:
    for key, value in dict.items(parent):
        if value is child:
            return f"[{_key(key)}]"
    return " (a key of it)" if any(key is child for key in dict.keys(parent)) else None


def _key(key: object) -> str:
    if id(type(key)) in _PLAIN:
        return repr(key)[:LONGEST]
    return f"<{type_name(type(key))}>"


def _list_item(parent: Any, child: object, _: object) -> str | None:
    items = container_of(parent).__iter__(parent)
    return next((f"[{n}]" for n, item in enumerate(items) if item is child), None)


def _function(parent: types.FunctionType, child: object, after: object) -> tuple[str, int] | str | None:
    cells = parent.__closure__ or ()
    # From 3.12 on the tuple of cells may be a link of its own.
    cell, skipped = (after, 2) if child is cells else (child, 1)
    for name, one in zip(parent.__code__.co_freevars, cells, strict=False):
        if one is cell:
            return f" (closes over {name})", skipped
    if child is parent.__defaults__:
        return " (default argument)"
    return " (default argument)" if child is parent.__kwdefaults__ else None


def _suspended(parent: Any, child: object, _: object) -> str | None:
    frame = next(
        (getattr(parent, name) for name in ("gi_frame", "cr_frame", "ag_frame") if hasattr(parent, name)), None
    )
    if frame is None:
        return None
    return f" (paused in {frame.f_code.co_name}(){_local(frame, child)})"


def _local(frame: types.FrameType, child: object) -> str:
    name = next((name for name, value in locals_of(frame).items() if value is child), None)
    return "" if name is None else f", local {name}"


def _traceback(parent: types.TracebackType, child: object, after: object) -> tuple[str, int] | str:
    frame = parent.tb_frame
    if frame is child:
        return f" (frame of {frame.f_code.co_name}(){_local(frame, after)})", 1
    return ""


def _frame(parent: types.FrameType, child: object, _: object) -> str:
    return f" (frame of {parent.f_code.co_name}(){_local(parent, child)})"


def _error(parent: BaseException, child: object, _: object) -> str | None:
    for name in ("__traceback__", "__context__", "__cause__"):
        if BaseException.__dict__[name].__get__(parent) is child:
            return f".{name}"
    return None


def _class(parent: type, child: object, after: object) -> tuple[str, int] | str | None:
    for key, value in names_of(parent).items():
        if value is child:
            return f".{key}"
        if value is after and type(child) is dict:
            return f".{key}", 1
    return None


def _view(_: memoryview, __: object, ___: object) -> tuple[str, int]:
    return ".obj", 1  # by way of a managed buffer


_NAMERS: list[tuple[type, Namer]] = [
    (dict, _dict_item),
    (list, _list_item),
    (tuple, _list_item),
    (deque, _list_item),
    (set, lambda *_: ANY),
    (frozenset, lambda *_: ANY),
    (types.FunctionType, _function),
    (types.CellType, lambda *_: ""),
    (types.BuiltinFunctionType, lambda *_: ".__self__"),
    (types.MethodType, lambda parent, child, _: ".__self__" if parent.__self__ is child else ".__func__"),
    (types.GeneratorType, _suspended),
    (types.CoroutineType, _suspended),
    (types.AsyncGeneratorType, _suspended),
    (types.TracebackType, _traceback),
    (types.FrameType, _frame),
    (BaseException, _error),
    (type, _class),
    (memoryview, _view),
    (io.BufferedReader, lambda *_: ".raw"),
    (io.BufferedWriter, lambda *_: ".raw"),
    (io.BufferedRandom, lambda *_: ".raw"),
    (io.TextIOWrapper, lambda *_: ".buffer"),
]
"""How each kind of object names what it refers to; what none of them names is looked for among the attributes."""

_BY_NAME = {
    "Task": "",
    "ndarray": ".base",
    "_lru_cache_wrapper": " (its cache)",
    "_local": " (of a thread)",
    "partial": " (its arguments)",
}
"""The same for types made in C that are known by name."""


def _container(holder: object, item: object) -> str:
    """`a list of 50 Response`; where they are of several types, `of 50 objects`; of what holds only one, its type."""
    name = str(type_name(type(holder)))
    kind = container_of(holder)
    if kind is None:
        return with_article(name)
    kinds = {str(type_name(type(one))) for one in items_of(holder, 1000)} or {str(type_name(type(item)))}
    return f"{with_article(name)} of {kind.__len__(holder):,} {kinds.pop() if len(kinds) == 1 else 'objects'}"
