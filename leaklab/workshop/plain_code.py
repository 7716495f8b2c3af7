"""Checks a learner's file without running it: it is readable, it compiles, and it does not use the lab."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import warnings
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from leaklab.content.languages import GO
from leaklab.errors import UsageError
from leaklab.golang.building import BuildError, program_of
from leaklab.measure.source_line import UNPARSABLE, SourceLine
from leaklab.system.files import read_regular
from leaklab.workshop.check_result import CheckResult, CheckState
from leaklab.workshop.imports import modules_of
from leaklab.workshop.remedies import (
    FIX_THE_FILE,
    FIX_THE_LINE,
    NEEDS_RUN_IN_GO,
    refuse_as_python_does,
    remedy_of,
)

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry

OTHERS = 4
"""Complaints of Go's compiler that are told beside the first: often, one of these is the cause of it."""

INSIDE = {"leaklab": "the lab that measures it", "__main__": "the process that measures it"}
"""Modules that a learner's file must not use, and what they are."""


def rejection(entry: Entry, file: Path) -> CheckResult | None:
    """The result for a file that need not be run; None if it can be run."""

    def rejected(state: CheckState, reason: str, remedy: str, place: SourceLine | None = None) -> CheckResult:
        return CheckResult(scenario=entry.id, file=file, state=state, reason=reason, remedy=remedy, place=place)

    source = _source(file)
    if entry.language is GO:
        return _rejection_in_go(file, rejected)
    try:
        refuse_as_python_does(source, file)
        with warnings.catch_warnings():
            # What Python warns of, it says when the file is run.
            warnings.simplefilter("ignore")
            tree = ast.parse(source, str(file))
            compile(source, str(file), "exec", dont_inherit=True)
    except UNPARSABLE as error:
        words, line = (error.msg, error.lineno) if isinstance(error, SyntaxError) else (str(error), None)
        reason = f"it cannot be imported: {type(error).__name__}: {words}"
        remedy = remedy_of(source, error)
        if not line:
            return rejected(CheckState.FAILED, reason, remedy or FIX_THE_FILE)
        return rejected(CheckState.FAILED, reason, remedy or FIX_THE_LINE, SourceLine.at(file, line))
    inside = dict(INSIDE)
    if entry.shared:
        # Then files of the scenario's folder can be imported, unless the learner's folder has one of that name.
        others = [half for half in entry.halves if not file.with_name(f"{half}.py").exists()]
        inside |= dict.fromkeys(others, "a half of the scenario")
    for path, line, name in _uses_of_the_lab(file, tree, inside):
        reason = f"it imports {name}, {inside[name]}: a fix is plain code, as you would write it at work"
        place = replace(SourceLine.at(path, line), file=os.path.relpath(path, file.parent))
        return rejected(CheckState.REFUSED, reason, "Remove that, then check again.", place)
    return None


def _rejection_in_go(file: Path, rejected: Callable[..., CheckResult]) -> CheckResult | None:
    """The result for a file in Go that uses the lab, or that does not compile. Raises MeasureError as `program_of`."""
    try:
        program_of(file)
    except BuildError as error:
        first, *others = error.complaints
        more = "".join(f"; line {one.line}: {one.words}" for one in others[:OTHERS])
        if re.search(r"\bpackage leaklab/", first.words):
            reason = "it imports leaklab, the lab that measures it: a fix is plain code, as you would write it at work"
            place = SourceLine.at(file, first.line)
            return rejected(CheckState.REFUSED, reason, "Remove that, then check again.", place)
        reason = f"it does not compile: {first.words}{more}"
        if not first.line:
            return rejected(CheckState.FAILED, reason, NEEDS_RUN_IN_GO)
        return rejected(CheckState.FAILED, reason, FIX_THE_LINE, SourceLine.at(file, first.line))
    return None


def _source(file: Path) -> bytes:
    """The content of the file. Raises UsageError if it cannot be read, or cannot be a half."""
    try:
        return read_regular(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}. Name the file of your exercise.") from error


def _uses_of_the_lab(file: Path, tree: ast.AST, inside: Container[str]) -> Iterator[tuple[Path, int, str]]:
    """Where the file, or a module beside it that it imports, uses a module of `inside`: path, line and module."""
    seen = {file}
    waiting: list[tuple[Path, ast.AST]] = [(file, tree)]
    while waiting:
        path, tree = waiting.pop()
        for node in ast.walk(tree):
            for name in modules_of(node):
                root = name.partition(".")[0]
                if root in inside:
                    yield path, getattr(node, "lineno", 0), root
                for beside in _files_beside(file, name):
                    if beside not in seen:
                        seen.add(beside)
                        with contextlib.suppress(OSError, *UNPARSABLE):
                            waiting.append((beside, ast.parse(read_regular(beside), str(beside))))


def _files_beside(file: Path, name: str) -> Iterator[Path]:
    """Where the module `name` may be in the folder of `file`, and the packages that it is in."""
    folder = file.parent
    for part in name.split("."):
        if not part.isidentifier():
            return
        yield folder / f"{part}.py"
        folder /= part
        yield folder / "__init__.py"
