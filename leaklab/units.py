"""Sizes, durations and text as people read them: parsed from options, formatted for tables."""

import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from shlex import quote

_SIZE_UNITS = {"": 1, "b": 1}
for _power, _unit in enumerate("kmgt", start=1):
    _SIZE_UNITS |= {f"{_unit}b": 1000**_power, f"{_unit}ib": 1024**_power, _unit: 1024**_power}
_DURATION_UNITS = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_AMOUNT = re.compile(rf"({_NUMBER})(?: ?([a-z]+))?", re.IGNORECASE | re.ASCII)


def parse_count(text: str) -> int:
    """The whole number that `text` writes in ASCII digits only, without a sign. Raises ValueError if it is not one."""
    if not re.fullmatch(r"\d+", text, re.ASCII):
        raise ValueError(f"{text!r} is not a whole number: write digits only, like 50")
    # int() refuses some thousand digits in words of its own; any bound refuses these.
    return int(text) if len(text) <= 18 else 10**18


def parse_number(text: str) -> float:
    """The number that `text` writes in ASCII digits, like 1.5 or -2. Raises ValueError if it is not one."""
    if not re.fullmatch(f"-?(?:{_NUMBER})", text, re.ASCII) or not math.isfinite(float(text)):
        raise ValueError(f"{text!r} is not a number: write one like 1.5")
    return float(text)


def _parse_amount(text: str, units: Mapping[str, float], what: str, example: str) -> float:
    match = _AMOUNT.fullmatch(text)
    value = float(match[1]) * units.get((match[2] or "").lower(), math.inf) if match else math.inf
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a {what}: write a number and a unit, like {example}")
    return value


def parse_size(text: str) -> int:
    """Bytes meant by `text`, like `256MiB`, `3.2GB`, `64k` or `4096`. Raises ValueError if it is not a size.

    KB, MB, GB are powers of 1000; KiB, MiB, GiB and the bare letters K, M, G are powers of 1024.
    """
    return round(_parse_amount(text, _SIZE_UNITS, "size", "256MiB or 3.2GB"))


def parse_duration(text: str) -> float:
    """Seconds meant by `text`, like `3s`, `500ms`, `1.5` or `2min`. Raises ValueError if it is not a duration."""
    return _parse_amount(text, _DURATION_UNITS, "duration", "3s or 500ms")


def written_size(size: float) -> str:
    """`size` bytes as an option is typed, exactly: `256MiB`, `3.2GB`, `999B`."""
    units = {"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "GB": 10**9, "MB": 10**6, "KB": 10**3}
    return _written(size, units) or f"{size:.0f}B"


def written_duration(seconds: float) -> str:
    """`seconds` as an option is typed, exactly: `1min`, `3s`, `500ms`."""
    return _written(seconds, {"h": 3600, "min": 60, "s": 1, "ms": 1e-3, "us": 1e-6}) or f"{seconds:g}s"


def _written(value: float, units: Mapping[str, float]) -> str | None:
    """`value` in the first unit that it fills and in which it has at most six digits; None if there is none."""
    for unit, factor in units.items():
        digits = f"{value / factor:g}"
        if value >= factor and "e" not in digits and math.isclose(float(digits) * factor, value, rel_tol=5e-16):
            return f"{digits}{unit}"
    return None


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
    return f"{seconds * 1000:.{1 if 0 < magnitude < 0.01 else 0}f} ms"


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


def without_password(uri: str) -> str:
    """`uri` as it may be shown, also where it is not quite one."""
    return re.sub(r"\A((?:[\w+.-]*://)?[^:@]*).*@", r"\1:***@", uri, flags=re.DOTALL)
