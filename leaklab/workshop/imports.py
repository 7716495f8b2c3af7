"""Which modules a piece of Python imports, by whatever way it names them."""

from __future__ import annotations

import ast
import contextlib
import sys
from importlib.machinery import PathFinder
from itertools import takewhile
from typing import TYPE_CHECKING

from leaklab.content.declaration import HALVES
from leaklab.system.files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from leaklab.content.catalog import Entry

IMPORTERS = ("__import__", "import_module", "run_module")
"""Functions that import the module whose name they are given."""


def modules_of(node: ast.AST) -> list[str]:
    """The modules that a node imports, or takes from `sys.modules`, by name."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(name), names=names, level=0):
            return [name, *(f"{name}.{alias.name}" for alias in names)]
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in IMPORTERS:
            return _texts(node)
        case ast.Call(func=ast.Attribute(value=modules)) | ast.Subscript(value=modules):
            return _texts(node) if getattr(modules, "attr", getattr(modules, "id", "")) == "modules" else []
    return []


def _texts(node: ast.Call | ast.Subscript) -> list[str]:
    """The texts that are written in a call, or between brackets."""
    given = [node.slice] if isinstance(node, ast.Subscript) else [*node.args, *(one.value for one in node.keywords)]
    return [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def early_modules(entry: Entry, file: Path) -> tuple[str, ...]:
    """What a worker may import before it runs a learner's file, as that would make no difference to the file.

    It is what the file itself imports first, before it does anything else, as far as the scenario's own halves import
    it, too. It is nothing if the file is not readable Python, or if anything in its folder has a module's name: that
    might take the place of what these import.
    """
    usual = {name for half in HALVES for name in _first_imports(entry.half_path(half))}
    first = list(takewhile(usual.__contains__, _first_imports(file)))
    try:
        beside = {child.name.partition(".")[0] for child in file.absolute().parent.iterdir()}
    except OSError:
        return ()
    return tuple(first) if first and not any(map(_is_module, beside)) else ()


def _first_imports(file: Path) -> list[str]:
    """The top-level names of what a file imports before its first other statement but for its docstring."""
    names: list[str] = []
    with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        tree = ast.parse(read_regular(file))
        for node in tree.body[ast.get_docstring(tree) is not None :]:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                break
            names += [name.partition(".")[0] for name in modules_of(node)]
    return list(dict.fromkeys(names))


def _is_module(name: str) -> bool:
    """Whether Python has a module of this name, or an installed package."""
    if name in sys.stdlib_module_names:
        return True
    with contextlib.suppress(ImportError, ValueError):
        # Not what lies in the folder one is in.
        return PathFinder.find_spec(name, [path for path in sys.path if path]) is not None
    return False
