"""The baseline of a project that begins with leaks: those that are known fail no test, only new ones do.

A leak is known by its metric, its file and the text of its line. The line's number may change with what is above it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from leaklab.errors import UsageError
from leaklab.system.files import read_regular
from leaklab.testing.leak_report import opened_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leaklab.judge.findings import Finding

ABOUT = "Leaks that are known: leaklab's pytest plugin fails no test for them (--leaklab-baseline)."


class KnownLeak(Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """What a leak is known by."""

    metric: str
    file: str
    code: str


class BaselineDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    about: str
    known: list[KnownLeak]


def known_by(finding: Finding) -> KnownLeak | None:
    """What this finding would be known by; None if no line is known that opened it."""
    place = opened_at(finding)
    return None if place is None else KnownLeak(finding.metric, place.file, place.code)


def read_baseline(path: Path) -> frozenset[KnownLeak]:
    """The known leaks of a file. Raises UsageError if it is not there, or cannot be used."""
    try:
        document = msgspec.json.decode(read_regular(path), type=BaselineDocument)
    except FileNotFoundError:
        raise UsageError(f"the baseline {path}: no such file. Add --leaklab-write-baseline to make it.") from None
    except OSError as error:
        raise UsageError(f"the baseline {path}: {error.strerror}. Name a file that can be read.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = f"it is not a baseline ({error})"
        raise UsageError(f"the baseline {path}: {why}. Add --leaklab-write-baseline to write it anew.") from None
    return frozenset(document.known)


def baseline_text(found: Iterable[KnownLeak]) -> str:
    """The file that has these, sorted."""
    document = {"about": ABOUT, "known": [msgspec.to_builtins(one) for one in sorted(set(found))]}
    return json.dumps(document, indent=1) + "\n"
