"""What keeps objects alive: one walk forward from the half's names, along the references that gc knows, to all of them.

The walk goes breadth-first, so that the chain it finds is a shortest one. It runs none of the code of what it meets.
"""

from __future__ import annotations

import _thread
import gc
import sys
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from leaklab.explain.own_code import LEAKLAB, OwnCode, stack
from leaklab.explain.resources import OpenResource
from leaklab.explain.safely import OPTIMIZED, attributes, is_a, locals_of, module_of, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

referents, referrers, get_objects = gc.get_referents, gc.get_referrers, gc.get_objects
current_frames, modules = sys._current_frames, sys.modules

LEAVES = frozenset(map(id, [
    int, float, complex, bool, type(None), type(Ellipsis), range, str, bytes, types.CodeType,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
    types.GetSetDescriptorType, types.MemberDescriptorType,
]))  # fmt: skip
"""The ids of the types whose objects refer to nothing that could be open."""

MAIN = _thread.get_ident()
"""The main thread, which imports this."""

IMPORTED_BY = frozenset({"__loader__", "__spec__", "__builtins__"})
"""Names of every module for what has imported it: that keeps nothing for the half."""

RUNNERS = frozenset({"_pytest", "pluggy", "pytest", "xdist", "execnet", "unittest"})
"""Packages that run tests: what is in use there leads to all that a test has, and is not what keeps it."""

NOT_MET = -2
"""The place of an object that the walk does not go to."""

CLIMB = 12
"""References that are followed back from what no name leads to, at most."""


class Root(NamedTuple):
    """Where a chain begins: with which name of what.

    `where` says what the name is, in words: `global recent of leaky.py`; `own` whether that is code of the half, and
    `thread` which thread a local name is in, if not the main one.
    """

    name: str
    where: str
    own: bool
    thread: str = ""


UNREACHED = Root("", "no name that was found", own=False)
"""The root of what no name leads to."""

IN_A_CYCLE = Root("", "a cycle that no name reaches", own=False)
"""The root of what is in a cycle that waits to be collected."""


class Walk:
    """The references from the names of a process to some objects, but for those by way of `ours`.

    Attributes:
        order: the objects that were met, in order.
        above: for each of them, where in that order the one is that refers to it; -1 where a name does.
    """

    def __init__(self, own: OwnCode, ours: Sequence[object], *, everything: bool = False) -> None:
        self._own = own
        self._everything = everything
        self.order: list[object] = []
        self.above: list[int] = []
        self._at: dict[int, int] = {}
        self._roots: dict[int, Root] = {}
        self._missing: set[int] = set()
        self._ours: set[int] = set()
        # A module is where a chain begins, and never a link of one.
        held = [module for module in list(modules.values()) if type(module) is types.ModuleType]
        self._modules = {id(module): module for module in held}
        self._not_met({id(thing) for module in held for thing in (module, module.__dict__)})
        self._not_met({id(thing) for one in ours for thing in (one, one.__dict__)})

    def find(self, targets: Sequence[object]) -> None:
        """Walk until each of `targets` is met."""
        self._missing = {id(target) for target in targets}
        self._not_met({id(targets), id(self), id(self.__dict__), id(self.order), id(self._at)})
        running = [(frame, ident) for ident, top in current_frames().items() for frame in stack(top)]
        own = [(frame, ident) for frame, ident in running if self._own.has(frame.f_code.co_filename)]
        others = [
            (frame, ident)
            for frame, ident in running
            if not self._own.has(frame.f_code.co_filename) and _package(frame.f_globals) not in RUNNERS
        ]
        loops = _running_loops()
        self._not_met({id(loop) for loop in loops})
        self._go(
            [
                *self._globals(own=True),
                *_locals(own, own=True),
                *_context(),
            ]
        )
        self._go(_locals(others, own=False))
        for native in (True, False):
            if self._missing or self._everything:
                self._go(self._globals(own=False, native=native))
        # All that asyncio runs leads to its loop, and that to all else.
        for loop in loops:
            del self._at[id(loop)]
        self._go((loop, Root("loop", "the event loop", own=False)) for loop in loops)

    def chain(self, target: object) -> tuple[Root, list[object]]:
        """The objects from a name to `target`, that included; of what no name leads to, those that refer to it."""
        links = [target]
        self._ours.add(id(links))
        at = self._at.get(id(target), NOT_MET)
        if at == NOT_MET:
            return self._climb(links), links
        while self.above[at] >= 0:
            at = self.above[at]
            links.append(self.order[at])
        links.reverse()
        return self._roots[at], links

    def _not_met(self, ids: set[int]) -> None:
        """What the walk does not go to: it only serves this, or is where a chain begins."""
        self._ours |= ids
        self._at.update(dict.fromkeys(ids, NOT_MET))

    def _climb(self, links: list[object]) -> Root:
        """Add in front what refers to a target that no name leads to; if that is there already, it is a cycle."""
        while len(links) < CLIMB:
            above = [one for one in referrers(links[0]) if self._may_hold(one)]
            self._ours.add(id(above))
            if not above:
                break
            if any(one is link for one in above for link in links):
                # An object is named, not the dictionary of its attributes.
                while type(links[0]) is dict and len(links) > 1:
                    del links[0]
                return IN_A_CYCLE
            links.insert(0, above[0])
        return UNREACHED

    def _may_hold(self, one: object) -> bool:
        """Whether an object that refers to another is one of the half's: not one that is only in use here."""
        if type(one) is types.FrameType:
            return not one.f_code.co_filename.startswith(LEAKLAB)
        return id(one) not in self._ours and not is_a(one, OpenResource)

    def _globals(self, *, own: bool, native: bool | None = None) -> Iterator[tuple[object, Root]]:
        """The names of modules; `native` ones are classes of the module itself, and their objects: None for all."""
        for module in self._modules.values():
            file = module.__dict__.get("__file__")
            name = module.__dict__.get("__name__")
            if type(file) is not str or file.startswith(LEAKLAB) or self._own.has(file) is not own:
                continue
            where = file.removeprefix(self._own.folder) if own else name
            for key, value in list(module.__dict__.items()):
                if type(key) is not str or key in IMPORTED_BY or (own and _is_imported(value, name)):
                    continue
                kind = value if type(value) is type else type(value)
                if native in (None, module_of(kind) == name):
                    yield value, Root(key, f"global {key} of {where}", own)

    def _go(self, roots: Iterable[tuple[object, Root]]) -> None:
        """Walk on from these roots."""
        order, above, known, missing, everything = self.order, self.above, self._at, self._missing, self._everything
        # Where all is asked for, text and bytes may be big.
        leaves = LEAVES - {id(str), id(bytes)} if everything else LEAVES
        at = len(order)
        for thing, root in roots:
            key = id(thing)
            if key not in known and id(type(thing)) not in leaves:
                known[key] = len(order)
                self._roots[len(order)] = root
                order.append(thing)
                above.append(-1)
                missing.discard(key)
        numpy = getattr(modules.get("numpy"), "ndarray", None)
        add, add_above = order.append, above.append
        while at < len(order) and (missing or everything):
            thing = order[at]
            children = referents(thing)
            if type(thing) is numpy:
                children.append(thing.base)  # type: ignore[attr-defined] # gc does not know what a view is of
            for child in children:
                kind = type(child)
                if kind is int or id(kind) in leaves:
                    continue
                key = id(child)
                if key not in known:
                    known[key] = len(order)
                    add(child)
                    add_above(at)
                    if key in missing:
                        missing.remove(key)
            at += 1


def _package(names: dict[str, Any]) -> str:
    name = names.get("__name__")
    return name.partition(".")[0] if type(name) is str else ""


def _is_imported(value: Any, module: object) -> bool:
    """Whether this is a class or function that another module has: what leads through it is a name of that one."""
    if is_a(value, type):
        home, name = module_of(value), type_name(value)
    elif type(value) is types.FunctionType:
        home, name = value.__module__, value.__name__
    else:
        return False
    return home != module and getattr(modules.get(home), "__dict__", {}).get(name) is value


def _locals(frames: Iterable[tuple[types.FrameType, int]], *, own: bool) -> Iterator[tuple[object, Root]]:
    """What the local names of these frames refer to; those of a module or class body are names of that."""
    for frame, ident in frames:
        code = frame.f_code
        if not code.co_flags & OPTIMIZED:
            continue
        file = code.co_filename.rpartition("/")[2]
        thread = "" if ident == MAIN else thread_name(ident)
        for name, value in locals_of(frame).items():
            yield value, Root(name, f"local {name} of {code.co_name}() in {file}", own, thread)


def _running_loops() -> list[object]:
    """The event loops that run in any thread."""
    events: Any = getattr(modules.get("asyncio.base_events"), "BaseEventLoop", None)
    if events is None:
        return []
    kinds = [events]
    for kind in kinds:
        kinds += type.__subclasses__(kind)
    # An object refers to its type, if that was made in Python: so they are found in C.
    found = {id(one): one for one in referrers(*kinds) if is_a(one, events)}
    return [one for one in found.values() if attributes(one).get("_thread_id") is not None]


def _context() -> Iterator[tuple[object, Root]]:
    """What the context variables of this thread refer to."""
    for variable, value in modules["contextvars"].copy_context().items() if "contextvars" in modules else ():
        yield value, Root(variable.name, f"context variable {variable.name}", own=True)


def thread_name(ident: int) -> str:
    """`thread NAME`."""
    threading = modules["threading"]
    name = attributes(threading._active.get(ident)).get("_name")
    return f"thread {name}" if type(name) is str else "a thread"


def kind_words(thing: object) -> str:
    """The name of an object's type."""
    return str(type_name(type(thing)))
