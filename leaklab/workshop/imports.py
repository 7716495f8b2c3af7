"""Which modules a piece of Python imports, by whatever way it names them."""

from __future__ import annotations

import ast
import contextlib
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


def likely_modules(entry: Entry, file: Path) -> tuple[str, ...]:
    """What a learner's file will import: what the scenario's own halves do, but for what its folder has itself."""
    names: set[str] = set()
    for half in HALVES:
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            body = ast.parse(read_regular(entry.half_path(half))).body
            names |= {name.partition(".")[0] for node in body for name in modules_of(node)}
    with contextlib.suppress(OSError):
        names -= {child.name.partition(".")[0] for child in file.absolute().parent.iterdir()}
    return tuple(sorted(names))
