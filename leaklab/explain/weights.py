"""What memory is held by: objects that are big, or one that holds many small ones; and the line that made them."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

from leaklab.explain.own_code import Line
from leaklab.explain.safely import (
    CONTAINERS,
    base_ids,
    bases_of,
    is_made_in_python,
    items_of,
    module_of,
    names_of,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from leaklab.explain.holders import Walk
    from leaklab.explain.own_code import OwnCode

get_objects, referents, is_tracked = gc.get_objects, gc.get_referents, gc.is_tracked

BIG = 2**20
"""Bytes from which on an object is told by itself."""

MANY = 512
"""Items, or bytes, from which on an object's line is kept, as one that may be big or hold much."""

SAMPLED = 4_000
"""Other objects whose lines are kept: those that most memory is in are among them."""

ITEMS = 10_000
"""Items of a container that are looked at."""

FEW = 20
"""Items of each of many containers that are looked at."""

HALF = 0.5
"""The share of the memory that is to be explained which a holder of small things must hold."""


def begin() -> None:
    """Trace allocations from now on: the innermost frame of each, as more would cost the half much more."""
    # Objects that are used again from a free list are traced, too, if they were allocated while tracing: the floats of
    # a sum would cost it ten times as much.
    spare = [number / 7 for number in range(200)]
    del spare
    tracemalloc.start(1)


class Lines:
    """The lines of the half that made the objects that are there, as far as they may matter; tracing ends with it."""

    def __init__(self, own: OwnCode) -> None:
        self._own = own
        self._lines: dict[int, Line] = {}
        if not tracemalloc.is_tracing():
            return
        known = get_objects()
        for thing in _large(known):
            self._keep(thing)
        for thing in known[:: len(known) // SAMPLED + 1]:
            self._keep(thing)
            # What a container is filled with may be made by another line, and be too small to be found by itself.
            for item in items_of(thing, 1):
                self._keep(item)
        tracemalloc.stop()

    def of(self, things: Sequence[object]) -> Line | None:
        """The line that made most of these things; None if none of them is known to come from one of the half."""
        lines = Counter(line for thing in things if (line := self._lines.get(id(thing))) is not None)
        return lines.most_common(1)[0][0] if lines else None

    def of_one(self, thing: object) -> Line | None:
        """The line that made most of what is in a container, or in those in it, or else the line that made itself."""
        held = items_of(thing, ITEMS)
        return self.of(held) or self.of([item for one in held for item in items_of(one, FEW)]) or self.of([thing])

    def _keep(self, thing: object) -> None:
        frames = tracemalloc.get_object_traceback(thing)
        nearest = [frame for frame in frames or () if self._own.has(frame.filename)]
        if nearest:
            self._lines[id(thing)] = Line(nearest[-1].filename, nearest[-1].lineno, "")


def _large(known: list[object]) -> Iterator[object]:
    """What is long among the objects that gc knows and those that they refer to, each at least once; and some items.

    While allocations are traced each of them costs microseconds: nothing is allocated for an object that is small.
    """
    lengths: dict[int, Any] = {}
    for group in (known, referents(*known)):
        before: Any = None
        opened = 0
        for thing in group:
            kind = type(thing)
            if kind is not before:
                before, key = kind, id(kind)
                if key not in lengths:
                    lengths[key] = _length_of(kind)
                length, is_array = lengths[key], type_name(kind) == "ndarray"
            if kind is dict and opened < SAMPLED and not is_tracked(thing):
                opened += 1
                yield from items_of(thing, FEW)  # gc knows no dictionary of bytes and numbers
            if is_array:
                yield _numpy(kind).base.__get__(thing)  # gc does not know what a view is of
            if length is not None and length(thing) >= MANY:
                yield thing
                yield from items_of(thing, FEW)


def _length_of(kind: type) -> Any:
    """What gives the length of objects of this type, without their own code; None for what has none."""
    base = _sized(kind)
    if base is None and type_name(kind) in ("ndarray", "mmap"):
        base = kind
    return None if base is None else base.__len__  # type: ignore[attr-defined]


class Heavy:
    """The memory of what a walk has met, without what was there before.

    Attributes:
        big: the objects that are told by themselves, with their sizes in bytes.
        holder: if those are not half of what is wanted, the object that holds so much in many small ones.
        held: those small ones, with `held_size` bytes in all.
    """

    def __init__(self, walk: Walk, wanted: float, before: Mapping[int, int]) -> None:
        sizes = [own_size(thing) for thing in walk.order]
        if before:
            sizes = [max(0, n - before.get(id(thing), 0)) for n, thing in zip(sizes, walk.order, strict=True)]
        self.big = [(thing, size) for thing, size in zip(walk.order, sizes, strict=True) if size >= BIG]
        self.holder: object = None
        self.held: list[object] = []
        self.held_size = 0
        if sum(size for _, size in self.big) < HALF * wanted:
            self._find_holder(walk, wanted, sizes)

    def _find_holder(self, walk: Walk, wanted: float, sizes: list[int]) -> None:
        """The object farthest from a name that holds half of what is wanted, by what it alone leads to."""
        for at in range(len(sizes) - 1, -1, -1):
            if walk.above[at] >= 0:
                sizes[walk.above[at]] += sizes[at]
        at = max((at for at, size in enumerate(sizes) if size >= HALF * wanted), default=-1)
        if at >= 0:
            self.holder, self.held_size = walk.order[at], sizes[at]
            self.held = [
                thing
                for thing, above in zip(walk.order, walk.above, strict=True)
                if above == at and type(thing) is not type
            ]


def sizes_now() -> dict[int, int]:
    """Bytes of each object that gc knows, by its id, and of what they refer to that is long."""
    known = get_objects()
    sizes = {id(thing): own_size(thing) for thing in known}
    sizes.update({id(thing): own_size(thing) for thing in _large(known)})
    return sizes


_sizers: dict[int, Any] = {}


def own_size(thing: object) -> int:
    """Bytes of an object itself, without those that it refers to."""
    kind = type(thing)
    sizer = _sizers.get(id(kind))
    if sizer is None:
        sizer = _sizers[id(kind)] = _sizer(kind)
    return int(sizer(thing))


def _sizer(kind: type) -> Callable[[Any], int]:
    """What gives the size of objects of a type: a function that is made in C, or what all of them take at least."""
    known = _sized(kind)
    if known is not None:
        return _SIZES[known]  # type: ignore[no-any-return]
    for base in bases_of(kind):
        special = _SPECIAL.get((module_of(base), str(type_name(base))))
        if special is not None:
            return special
        if base is not object and not is_made_in_python(base) and "__sizeof__" in names_of(base):
            return base.__sizeof__  # type: ignore[no-any-return]
    least = type.__dict__["__basicsize__"].__get__(kind)
    return lambda _: least


def _array_size(thing: Any) -> int:
    numpy = _numpy(type(thing))
    return int(numpy.nbytes.__get__(thing)) if numpy.base.__get__(thing) is None else 0


def _mapped_size(thing: Any) -> int:
    return int(type(thing).__len__(thing))


def _numpy(kind: Any) -> Any:
    """The type that numpy itself made of arrays."""
    return next(base for base in bases_of(kind) if module_of(base) == "numpy")


_SIZES: dict[type, Any] = {kind: kind.__sizeof__ for kind in (*CONTAINERS, bytes, bytearray, str, array)}
"""What gives the size of objects of these types, and of types derived from them, without their own code."""


def _ctypes_size(thing: Any) -> int:
    return int(sys.modules["ctypes"].sizeof(type(thing)))


_SPECIAL: dict[tuple[str, str], Callable[[Any], int]] = {
    ("numpy", "ndarray"): _array_size,
    ("mmap", "mmap"): _mapped_size,
    ("_ctypes", "_CData"): _ctypes_size,
    ("builtins", "frame"): lambda _: 0,  # what it says of itself is not so on every version
}
"""Of types that are known by name, as importing them would add them to the half."""


def _sized(kind: type) -> type | None:
    """Which of these types a type is derived from; None if from none."""
    bases = base_ids(kind)
    return next((base for base in _SIZES if id(base) in bases), None)
