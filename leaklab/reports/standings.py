"""The progress of a learner, or of a room, as Rich renderables."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap

from rich.console import Group, RenderableType
from rich.table import Column
from rich.text import Text

from leaklab.reports.table import numbers, ruled
from leaklab.workshop.learners import Learner, Standing

NAME_WIDTH = 20
"""Columns of a learner's name: a longer one goes on in the next line."""

HEAD_WIDTH = 9
"""Columns of the name of an exercise, for the five of the course to fit beside a learner's."""

ROOM_EXPLAINED = (
    "Each cell: minutes/attempts/hints, with ▸ where it is not solved yet. Stuck: minutes since the learner last "
    "started or solved an exercise; the longest first."
)


def progress_report(learners: Sequence[Learner], *, several: bool) -> RenderableType:
    """A row for each exercise of one learner; if there are `several`, the rows of a room."""
    return _room(learners) if several else _exercises(learners[0].standings)


def _exercises(standings: Sequence[Standing]) -> RenderableType:
    first, started = Column("exercise", no_wrap=True, style="bold"), Column("started", no_wrap=True)
    table = ruled(first, started, *map(numbers, ("attempts", "hints", "minutes")), Column("solved", no_wrap=True))
    for standing in standings:
        one = standing.exercise
        solved = Text("no", style="dim") if one.solved is None else Text(_day(one.solved), style="green")
        figures = (f"{figure:,}" for figure in (one.attempts, one.hints, standing.minutes))
        table.add_row(Text(standing.file), _day(one.started), *figures, solved)
    done = sum(standing.is_solved for standing in standings)
    return Group(table, Text(f"\n{done} of {len(standings)} solved"))


def _room(learners: Sequence[Learner]) -> RenderableType:
    """A row for each learner, a column for each exercise that any of them has started."""
    standings = [standing for learner in learners for standing in learner.standings]
    files = list(dict.fromkeys(standing.file for standing in sorted(standings, key=lambda one: one.place)))
    heads = [Column(Text(_head(file)), overflow="fold") for file in files]
    who = Column("who", overflow="fold", max_width=NAME_WIDTH, style="bold")
    table = ruled(who, numbers("stuck"), *heads)
    for learner in learners:
        cells = {standing.file: _cell(standing) for standing in learner.standings}
        stuck = "–" if learner.stuck is None else f"{learner.stuck:,}"
        table.add_row(Text(learner.who), stuck, *(cells.get(file, "") for file in files))
    begun = Counter(standing.file for standing in standings)
    done = Counter(standing.file for standing in standings if standing.is_solved)
    table.add_section()
    table.add_row("solved", "", *(f"{done[file]:,} of {begun[file]:,}" for file in files))
    return Group(table, Text(f"\n{ROOM_EXPLAINED}", style="dim"))


def _head(file: str) -> str:
    """The name of an exercise in narrow lines."""
    return "\n".join(wrap(file.removesuffix(".py").replace("_", " "), HEAD_WIDTH)) or file


def _cell(standing: Standing) -> Text:
    one = standing.exercise
    figures = f"{standing.minutes:,}/{one.attempts:,}/{one.hints:,}"
    return Text(figures, style="green") if standing.is_solved else Text(f"▸{figures}", style="bold")


def _day(stamp: str) -> str:
    """A time of the progress file, to the minute, as the clocks here show it."""
    return f"{datetime.fromisoformat(stamp).astimezone():%Y-%m-%d %H:%M}"
