"""What can be said of a learner's file without running it: it can be read, it is Python, it leaves the lab alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.errors import UsageError
from leaklab.measure.source_line import SourceLine
from leaklab.workshop.check_result import CheckResult, CheckState

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry

LONGEST_FILE = 2**20
"""Bytes of a learner's file; what is longer is none."""

INSIDE = ("leaklab", "__main__")
"""Modules that a learner's file may not reach into: the lab, and the worker that the lab measures it in."""


def refused(entry: Entry, file: Path) -> CheckResult | None:
    """What can be said of the file without running it; None if nothing is against it."""

    def against_it(state: CheckState, reason: str, remedy: str, place: SourceLine | None = None) -> CheckResult:
        return CheckResult(scenario=entry.id, file=file, state=state, reason=reason, remedy=remedy, place=place)

    source = _source(file)
    try:
        tree = ast.parse(source, str(file))
    except SyntaxError as error:
        line = error.lineno or 0
        return against_it(
            CheckState.FAILED,
            f"it cannot be imported: {type(error).__name__}: {error.msg}",
            "Repair the line, then check again.",
            SourceLine.at(file, line) if line else None,
        )
    except (ValueError, RecursionError, MemoryError) as error:
        return against_it(
            CheckState.FAILED,
            f"it cannot be imported: {type(error).__name__}: {error}",
            "Repair the file, then check again.",
        )
    for path, line, name in _reaches_inside(file, tree):
        whose = "the lab that measures it" if name == "leaklab" else "the process that measures it"
        return against_it(
            CheckState.REFUSED,
            f"it reaches into {whose} ({name}): a fix is plain code, as written at work",
            "Leave that out, then check again.",
            SourceLine.at(path, line),
        )
    return None


def _source(file: Path) -> bytes:
    """What stands in the file. Raises UsageError if it cannot be read, or is nothing that could be a half."""
    try:
        if not file.is_file() and file.exists():
            raise UsageError(f"{file} is no file: name the file of your exercise")
        if file.stat().st_size > LONGEST_FILE:
            raise UsageError(f"{file} has more than {LONGEST_FILE:,} bytes: name the file of your exercise")
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _reaches_inside(file: Path, tree: ast.AST) -> Iterator[tuple[Path, int, str]]:
    """Where the file, or a module beside it that it imports, names a module of INSIDE: path, line and module."""
    seen = {file}
    waiting: list[tuple[Path, ast.AST]] = [(file, tree)]
    while waiting:
        path, tree = waiting.pop()
        for node in ast.walk(tree):
            for name in _modules(node):
                root = name.partition(".")[0]
                if root in INSIDE:
                    yield path, getattr(node, "lineno", 0), root
                beside = file.with_name(f"{root}.py")
                if beside not in seen and beside.is_file():
                    seen.add(beside)
                    try:
                        waiting.append((beside, ast.parse(beside.read_bytes(), str(beside))))
                    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
                        continue


def _modules(node: ast.AST) -> list[str]:
    """The modules that one piece of code imports, or takes from `sys.modules`, by name."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module")
            | ast.Attribute(attr="import_module")
            | ast.Attribute(value=ast.Attribute(attr="modules")),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return [name]
        case ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Constant(value=str(name))):
            return [name]
    return []
