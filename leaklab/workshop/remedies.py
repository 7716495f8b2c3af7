"""What Python refuses about a file, in its own words; and what to do about a file that cannot be run."""

from __future__ import annotations

import ast
import codecs
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.measure.source_line import UNPARSABLE
from leaklab.workshop.imports import modules_of

if TYPE_CHECKING:
    from leaklab.measure.run_trace import Raised

FIX_THE_LINE = "Fix the line, then check again."
FIX_THE_FILE = "Fix the file, then check again."
NEEDS_RUN = "The file needs a function run() with the same arguments as in the leaky half."
NEEDS_RUN_IN_GO = "The file needs a function Run with the same arguments as in the leaky half."

_COOKIE = re.compile(rb"\A(?:[ \t\f]*(?:#[^\n]*)?\r?\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)")
_WIDE = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32"} | {
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}

NEWER = (
    ((3, 12), r"\s*type\s+\w+\s*(\[.*\])?\s*="),
    ((3, 12), r"\s*(async\s+def|def|class)\s+\w+\s*\["),
    ((3, 13), r"\s*(type|async\s+def|def|class)\s+\w+\s*\[[^\]]*="),
    ((3, 14), r"\s*except\*?\s+[\w.]+\s*,\s*[\w.]+[^()]*:"),
    ((3, 14), r".*(?<![\w\"'])([tT][rR]?|[rR][tT])[\"']"),
    ((3, 15), r"\s*lazy\s+(import|from)\b"),
    ((3, 15), r".*[\[({]\s*\*{1,2}[^\])}]+\bfor\b"),
)
"""Syntax that not every Python knows: since which it is there, and what a line with it begins with.

Source: "What's New in Python" of these versions (PEP 695, 696, 758, 750, 810, 798).
"""


def refuse_as_python_does(source: bytes, file: Path) -> None:
    """Raise the SyntaxError with which `python FILE` refuses the bytes of a file; `ast.parse` takes some of them.

    Source: Parser/tokenizer/file_tokenizer.c and Python/pythonrun.c of CPython.
    """

    def refused(words: str, at: int) -> SyntaxError:
        return SyntaxError(words, (str(file), source.count(b"\n", 0, at) + 1, None, None))

    cookie = _COOKIE.match(source)
    if cookie is None and not source.startswith(codecs.BOM_UTF8):
        try:
            source.decode()
        except UnicodeDecodeError as error:
            line = source.count(b"\n", 0, error.start) + 1
            words = (
                f"Non-UTF-8 code starting with '\\x{source[error.start]:02x}' in file {file} on line {line}, but no "
            )
            more = "encoding declared; see https://peps.python.org/pep-0263/ for details"
            raise refused(words + more, error.start) from None
    elif cookie is not None and not re.fullmatch(rb"utf[-_]?8([-_].*)?", cookie[1], re.IGNORECASE):
        encoding = cookie[1].decode()
        try:
            source.decode(encoding)
            # In UTF-16, and the like, the line that names it could not be read.
            readable = "#".encode(encoding) == b"#"
        except (LookupError, UnicodeError):
            readable = False
        if not readable:
            raise refused(f"encoding problem: {encoding}", cookie.start(1))
    if b"\0" in source:
        raise refused("source code cannot contain null bytes", source.index(b"\0"))


def remedy_of(source: bytes, error: Exception) -> str:
    """What to do about a file that cannot be parsed; empty if there is nothing special to say."""
    wide = next((name for mark, name in _WIDE.items() if source.startswith(mark)), None)
    if wide is None and source.count(b"\0") * 4 > len(source):
        wide = "UTF-16 or UTF-32"
    if wide is not None:
        return f"It is saved as {wide}. Save it as UTF-8, then check again."
    if not isinstance(error, SyntaxError):
        return ""
    if (error.msg or "").startswith(("Non-UTF-8", "encoding problem", "(unicode error) 'utf-8' codec")):
        return "Save it as UTF-8, or name its encoding in the first line (# coding: latin-1), then check again."
    if isinstance(error, TabError):
        return "Its lines are indented with tabs (→) and with spaces. Use spaces only, then check again."
    since = _newer_syntax(source, error)
    if since is not None:
        here = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return (
            f"That is syntax of Python {since[0]}.{since[1]}, and here it is run by Python {here}. Write it without "
            f"that, or install leaklab for Python {since[0]}.{since[1]}."
        )
    return ""


def _newer_syntax(source: bytes, error: SyntaxError) -> tuple[int, int] | None:
    """The version of Python that knows the syntax of the line that is refused; None if it is no newer one."""
    lines = source.decode(errors="replace").split("\n")
    number = error.lineno or 0
    line = lines[number - 1] if 1 <= number <= len(lines) else ""
    known = [since for since, begin in NEWER if since > sys.version_info[:2] and re.match(begin, line)]
    if (error.msg or "").startswith("f-string") and sys.version_info[:2] < (3, 12):
        known.append((3, 12))
    # A line may hold several: it is Python only where all of them are known.
    return max(known, default=None)


def remedy_of_run(source: bytes) -> str:
    """What to do about a file in which there is no function `run`."""
    try:
        tree = ast.parse(source)
    except UNPARSABLE:
        return NEEDS_RUN
    for around in ast.walk(tree):
        inside = [node for node in ast.walk(around) if _is_run(node)] if not isinstance(around, ast.Module) else []
        if inside and isinstance(around, ast.ClassDef):
            return (
                f"run is a method of the class {around.name}. Add a function outside of the class that calls it: "
                "def run(…), with the same arguments as in the leaky half."
            )
        if inside and isinstance(around, ast.If):
            return "run is inside of an `if` that is not so here. Move it to the left margin, then check again."
        if inside and isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_run(around):
            return f"run is inside of the function {around.name}. Move it to the left margin, then check again."
    return NEEDS_RUN


def _is_run(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "run"


def remedy_of_shadow(file: Path, source: bytes, raised: Raised) -> str:
    """What to do about a file beside the learner's that is imported in place of a module; empty if there is none.

    It is named if the learner's file imports that module, or the error tells of it.
    """
    try:
        imported = {name.partition(".")[0] for node in ast.walk(ast.parse(source)) for name in modules_of(node)}
    except UNPARSABLE:
        imported = set()
    passed = {Path(place.file).stem for place in raised.places if Path(place.file) != file}
    for name in sorted(imported | passed | set(re.findall(r"\w+", raised.message))):
        paths = (file.with_name(f"{name}.py"), file.with_name(name))
        # Unlike Path.exists, this does not raise where a name is too long.
        beside = next((path for path in paths if os.path.exists(path)), None)  # noqa: PTH110
        if beside is not None and (name in imported or beside != file) and _is_module_elsewhere(name, file.parent):
            itself = " is this file itself" if beside == file else f" is {beside.name}, beside your file,"
            return f"What is imported as {name}{itself} and not the module {name}. Rename it, then check again."
    return ""


def _is_module_elsewhere(name: str, folder: Path) -> bool:
    if name in sys.stdlib_module_names:
        return True
    try:
        spec = find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return False
    return spec is not None and (spec.origin is None or Path(spec.origin).parent != folder)
