"""Sizes, durations and text as people read them: parsed from options, formatted for tables."""

from __future__ import annotations

import math
import re
from pathlib import PurePath
from shlex import quote

_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "k": 2**10,
    "m": 2**20,
    "g": 2**30,
    "t": 2**40,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_DURATION_UNITS = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NUMBER_AND_UNIT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", re.IGNORECASE | re.ASCII)


def _parse(text: str, units: dict[str, float] | dict[str, int]) -> float | None:
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None or match[2].lower() not in units:
        return None
    value = float(match[1]) * units[match[2].lower()]
    return value if math.isfinite(value) else None


def parse_size(text: str) -> int:
    """Bytes meant by `text`: a number with an optional unit (`256MiB`, `3.2GB`, `64k`, `4096`).

    KB, MB, GB are powers of 1000; KiB, MiB, GiB and the bare letters K, M, G are powers of 1024.

    Raises:
        ValueError: `text` is no size, or less than one byte.
    """
    value = _parse(text, _SIZE_UNITS)
    if value is None:
        raise ValueError(f"{text!r} is not a size: write a number and a unit, like 256MiB or 3.2GB")
    if value < 1:
        raise ValueError(f"{text!r} is less than one byte: write a size like 256MiB")
    return int(value)


def parse_duration(text: str) -> float:
    """Seconds meant by `text`: a number with an optional unit (`3s`, `500ms`, `1.5`, `2min`).

    Raises:
        ValueError: `text` is no duration, or not above zero.
    """
    value = _parse(text, _DURATION_UNITS)
    if value is None:
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, like 3s or 500ms")
    if value <= 0:
        raise ValueError(f"{text!r} is no time at all: write a duration above zero, like 3s or 500ms")
    return value


def format_size(size: float) -> str:
    """`size` bytes as a person reads it, in powers of 1024: `256 MiB`, `1.5 GiB`, `-3.0 KiB`."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        # What would be rounded up to a whole unit is written in that unit.
        if round(abs(size) / factor, 3) >= 1:
            value = size / factor
            return f"{value:.1f} {unit}" if abs(value) < 99.95 else f"{value:.0f} {unit}"
    return f"{size:.0f} B"


def format_duration(seconds: float) -> str:
    """`seconds` as a person reads it: `3.01 s`, `85 ms`, `0.4 ms`, `2 min 5 s`."""
    magnitude = abs(seconds)
    if magnitude >= 120:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    if magnitude >= 0.9995:
        return f"{seconds:.2f} s"
    if magnitude >= 0.01 or magnitude == 0:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds * 1000:.1f} ms"


def as_argument(path: PurePath) -> str:
    """A path as it is typed in a shell, quoted where that is needed: what is shown can be pasted."""
    return quote(str(path))


def lines_of(text: str) -> list[str]:
    """The lines of `text` as Python numbers them: they end at line feeds, and not at form feeds and the like."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def printable(text: str) -> str:
    """`text` without what would move the cursor, change colours or ring the bell; lines and tabs stay."""
    return "".join(char if char.isprintable() or char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
