"""What runs a half, by its language; one in Go is built first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaklab.content.languages import GO, language_of
from leaklab.errors import ScenarioError
from leaklab.golang.building import BuildError, program_of
from leaklab.measure.runtime import PYTHON_RUNTIME, Runtime, go_runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from leaklab.content.catalog import Entry


def runtime_of(path: Path, says: Callable[[str], None] = lambda _: None) -> Runtime:
    """What runs the half at this path. `says` is told of what takes long.

    Raises:
        BuildError: it is in Go and does not compile.
        MeasureError: it is in Go, and there is no Go here, or it cannot be built for another reason.
    """
    return go_runtime(program_of(path, says)) if language_of(path) is GO else PYTHON_RUNTIME


def runtimes_of(entry: Entry, paths: Mapping[str, Path], says: Callable[[str], None]) -> Mapping[str, Runtime]:
    """What runs each of these halves of a scenario. Raises ScenarioError if one does not compile, else MeasureError."""
    try:
        return {half: runtime_of(path, says) for half, path in paths.items()}
    except BuildError as error:
        raise ScenarioError(f"scenario {entry.id} is broken: {error}") from error


def prepare(entries: Iterable[Entry], says: Callable[[str], None]) -> None:
    """Build the halves of these scenarios that are in Go. Raises as `runtimes_of`."""
    for entry in entries:
        runtimes_of(entry, {half: entry.half_path(half) for half in entry.halves}, says)
