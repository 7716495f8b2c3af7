"""Refuses what the time limit cannot break off: single steps of Python that would take long, or fill the memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bson import Regex

from leaklab.services.mongo.command_error import CommandError, not_supported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaklab.services.mongo.arguments import Document

MAX_DEPTH = 200
"""Levels that a command or a document may be nested ("MongoDB Limits and Thresholds")."""
REGEX_BYTES = 32 * 1024
"""Size of the largest document that regular expressions are used on.

One step of Python's `re` can walk through a whole string, and it looks for signals only every few thousand steps.
"""
_REGEX = {"$regex", "$regexMatch"}
# Each of these can double a value: a few dozen in a row would fill the memory, or multiply for hours.
_GROWING = {"$concat", "$concatArrays", "$multiply"}
_MAX_GROWING = 8
# mongomock fills an array up to the index that an update sets; MongoDB too, to 1,500,000 (`kMaxPaddingAllowed`).
_FAR_INDEX = re.compile(r"\.\d{7}")


def check_depth(value: Document | list[Any], depth: int = 0) -> None:
    """Raise CommandError Overflow if documents and arrays are nested too deeply for anything to walk through them."""
    if depth > MAX_DEPTH:
        raise CommandError(15, f"Object exceeded maximum nested object depth: {MAX_DEPTH}")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            check_depth(inner, depth + 1)


def check_query(command: Document, largest: int) -> None:
    """Check a command that reads, updates or deletes among documents of `largest` bytes at most.

    Raises:
        CommandError: NotImplemented, naming what is not done.
    """
    fields = list(_inner(command))
    names = [name for name, _ in fields]
    if "$out" in names:
        raise not_supported("the pipeline stage $out")  # mongomock would write past the store
    has_regex = any(name in _REGEX or isinstance(value, Regex) for name, value in fields)
    if has_regex and largest > REGEX_BYTES:
        raise not_supported(f"a regular expression over documents of more than {REGEX_BYTES} bytes")
    growing = [name for name in names if name in _GROWING]
    if len(growing) > _MAX_GROWING or (growing and has_regex):
        raise not_supported(f"{growing[0]} with regular expressions, or more than {_MAX_GROWING} of its like,")
    for name in names:
        if name.count(".") > MAX_DEPTH or ("updates" in command and _FAR_INDEX.search(name)):
            raise not_supported(f"the path '{name[:50]}'")


def _inner(value: Document | list[Any]) -> Iterator[tuple[str, object]]:
    """Every field with its value, at any depth; the elements of an array have an empty name."""
    for name, inner in value.items() if isinstance(value, dict) else (("", element) for element in value):
        yield name, inner
        if isinstance(inner, (dict, list)):
            yield from _inner(inner)
