"""The course: its scenarios in order, and which exercise of a folder comes next."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.content.languages import language_of
from leaklab.workshop.exercises import file_name, start
from leaklab.workshop.progress_file import Exercise, load

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry


@dataclass(frozen=True, slots=True)
class NextExercise:
    """The exercise that comes next.

    Attributes:
        entry: its scenario.
        name: the name of its file.
        started: whether it was started.
        place: the place of its scenario in the course, counted from 1.
        length: how many scenarios the course has.
    """

    entry: Entry
    name: str
    started: bool
    place: int
    length: int


def next_exercise(entries: Sequence[Entry], known: Mapping[str, Exercise]) -> NextExercise | None:
    """The first scenario of the course that was started and is not solved, else the first that is not solved.

    `entries` are the course in its order, in one language, `known` the exercises of a folder. None if all are solved.
    """
    course = [entry for entry in entries if entry.error is None and entry.is_exercise]
    languages = {entry.language for entry in course}
    files = {
        exercise.scenario: (name, exercise) for name, exercise in known.items() if language_of(Path(name)) in languages
    }
    unsolved = [
        NextExercise(entry, name, exercise is not None, place, len(course))
        for place, entry in enumerate(course, start=1)
        for name, exercise in [files.get(entry.id, (file_name(entry), None))]
        if exercise is None or exercise.solved is None
    ]
    return min(unsolved, key=lambda one: (not one.started, one.place), default=None)


def open_next(
    entries: Sequence[Entry], folder: Path, now: datetime, scenarios: Path | None = None
) -> tuple[NextExercise, bool] | None:
    """The next exercise of a folder, started if it was not, and whether its file was written now.

    None if all are solved. Raises as `exercises.start` and `progress_file.load` do.
    """
    ahead = next_exercise(entries, load(folder))
    if ahead is None:
        return None
    if ahead.started and os.path.lexists(folder / ahead.name):
        return ahead, False
    return ahead, start(ahead.entry, folder, now, scenarios)[1]


def in_order(entries: Sequence[Entry], known: Mapping[str, Exercise]) -> list[str]:
    """The names of exercises in the order of the course; those of other scenarios last, by name."""
    places = {entry.id: place for place, entry in enumerate(entries)}
    return sorted(known, key=lambda name: (places.get(known[name].scenario, len(places)), name))
