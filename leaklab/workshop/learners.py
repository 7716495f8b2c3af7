"""How far learners have come with their exercises, and who is stuck longest."""

import math
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leaklab.content.built_in import built_in_folder
from leaklab.content.catalog import scan
from leaklab.errors import LeaklabError
from leaklab.workshop.exercises import known_exercises
from leaklab.workshop.progress_file import Exercise


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one exercise has come.

    Attributes:
        file: the name of its file.
        exercise: what the progress file says of it.
        minutes: whole minutes from its start until it was solved; until now if it is not.
        number: that of its scenario in the course; infinite if that is unknown.
    """

    file: str
    exercise: Exercise
    minutes: int
    number: float

    @property
    def place(self) -> tuple[float, str]:
        """What exercises are sorted by."""
        return self.number, self.file

    @property
    def is_solved(self) -> bool:
        """Whether a check has found it fixed."""
        return self.exercise.solved is not None


@dataclass(frozen=True, slots=True)
class Learner:
    """A folder of exercises.

    Attributes:
        who: what tells the folder from the others, without characters that cannot be shown.
        folder: as it was given.
        standings: its exercises, at least one, in the order of the course.
        stuck: whole minutes since the last progress, which is the latest time that an exercise was started or first
            solved: no other times are kept. None if there is nothing left to solve.
    """

    who: str
    folder: Path
    standings: tuple[Standing, ...]
    stuck: int | None


def read_learners(folders: Sequence[Path], now: datetime) -> tuple[list[Learner], list[LeaklabError]]:
    """The learners with these folders, and for each folder that cannot be read, or has no exercise, the error.

    Who is stuck longest comes first: those with an exercise that is not solved, by the whole minutes since their last
    progress (`stuck`), the most first; then those who have solved all that they started. Equals are sorted by `who`.
    A folder that is given twice is read once.

    Args:
        folders: as they were given; a link to a folder is as good.
        now: with a time zone, which is also that of times that have none.
    """
    read: dict[Path, Mapping[str, Exercise]] = {}
    errors: list[LeaklabError] = []
    for folder in {os.path.abspath(folder): folder for folder in folders}.values():  # noqa: PTH100 # as below
        try:
            read[folder] = known_exercises(folder)
        except LeaklabError as error:
            errors.append(error)
    names = _names(list(read))
    numbers = _course_numbers({one.scenario for exercises in read.values() for one in exercises.values()})
    learners = [_learner(names[folder], folder, exercises, numbers, now) for folder, exercises in read.items()]
    return sorted(learners, key=lambda one: (one.stuck is None, -(one.stuck or 0), one.who)), errors


def _learner(
    who: str, folder: Path, exercises: Mapping[str, Exercise], numbers: Mapping[str, int], now: datetime
) -> Learner:
    standings: list[Standing] = []
    progress: list[datetime] = []
    for file, one in exercises.items():
        started, solved = _time(one.started, now), None if one.solved is None else _time(one.solved, now)
        # A scenario of one's own may be called like one of the course.
        number = numbers.get(one.scenario, math.inf) if one.scenarios is None else math.inf
        standings.append(Standing(file, one, _minutes(started, solved or now), number))
        progress += [started] if solved is None else [started, solved]
    stuck = None if all(standing.is_solved for standing in standings) else _minutes(max(progress), now)
    return Learner(who, folder, tuple(sorted(standings, key=lambda standing: standing.place)), stuck)


def _time(stamp: str, now: datetime) -> datetime:
    time = datetime.fromisoformat(stamp)
    return time if time.tzinfo is not None else time.replace(tzinfo=now.tzinfo)


def _minutes(begin: datetime, end: datetime) -> int:
    # The clocks of two machines differ.
    return max(0, int((end - begin).total_seconds() // 60))


def _names(folders: Sequence[Path]) -> Mapping[Path, str]:
    """What tells each folder from the others: its name, or that of the folder around it if all are called alike."""
    # Unlike Path.resolve, this follows no links: a link's own name is what was given.
    paths = [Path(os.path.abspath(folder)) for folder in folders]  # noqa: PTH100
    while len(paths) > 1 and len({path.name for path in paths}) == 1:
        paths = [path.parent for path in paths]
    times = Counter(path.name for path in paths)
    names: dict[Path, str] = {}
    for folder, path in zip(folders, paths, strict=True):
        name = path.name if path.name and times[path.name] == 1 else str(folder)
        names[folder] = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
    return names


def _course_numbers(scenarios: Collection[str]) -> Mapping[str, int]:
    """The numbers of those of these scenarios that are built in: nothing else is run to find one out."""
    entries = [entry for entry in scan(built_in_folder()) if entry.id in scenarios]
    return {entry.id: entry.scenario.number for entry in entries if entry.error is None}
