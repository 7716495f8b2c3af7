"""Runs a piece of work, again if it has left something: only what every run leaves more of, from one line, is suspect.

What is imported here is imported for each session; what explains a leak is imported once there is one (leak_findings).
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import sleep
from typing import TYPE_CHECKING, NamedTuple

from leaklab.explain.own_code import Line
from leaklab.explain.recorder import FAILED, OpenedConnection
from leaklab.testing.ledger import Account, Ledger, LedgerEntry
from leaklab.testing.watched_kinds import KINDS, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any


RERUNS = 2
"""How often work that has left something is run again, unless something else is asked for."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.1


class Spot(NamedTuple):
    """What is counted together: things of one kind that one line opened."""

    kind: str
    line: Line


MEMORY = Spot("memory", Line("", 0, ""))
"""Memory that a run adds; which line it comes from is not known before it is looked for."""


class SearchedRun(NamedTuple):
    """One run: what was opened in it, and the bytes of memory that it added."""

    account: Account
    memory: int = 0


@dataclass(eq=False, repr=False)
class LeakSearch:
    """The runs of one piece of work, and what they have left.

    Attributes:
        folder: what the files of lines are told relative to.
        ignored: says of an entry whether it is to be left out.
        name: what the work is called in sentences.
        runs: those that are over.
        memory_groups: what the last look at the memory found.
    """

    ledger: Ledger
    wanted: Wanted
    folder: Path
    ignored: Callable[[LedgerEntry], bool] = lambda _: False
    name: str = "the test"
    runs: list[SearchedRun] = field(default_factory=list)
    memory_groups: list[dict[str, Any]] = field(default_factory=list)
    _account: Account = field(init=False)
    _outer: Account | None = field(init=False)
    _before: int = field(init=False)

    @contextmanager
    def run(self) -> Iterator[None]:
        """One more run of the work: the block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """One more run begins."""
        self._before = self._memory()
        self._account = Account()
        self._outer = self.ledger.book_to(self._account)

    def end(self) -> None:
        """The run is over."""
        self.ledger.book_to(self._outer)
        self.runs.append(SearchedRun(self._account, self._memory() - self._before))

    def forget_last_run(self) -> None:
        """A run that failed tells nothing: it may have ended before the line that opens."""
        self._hand_over([self.runs.pop()])

    def _memory(self) -> int:
        """Bytes that this process uses in RAM; 0 where that is not asked for."""
        if self.wanted.memory is None:
            return 0
        from leaklab.measure.worker import give_back
        from leaklab.system.process_status import status_of

        gc.collect()
        give_back()
        return status_of(os.getpid()).rss

    @contextmanager
    def looking_at_memory(self) -> Iterator[None]:
        """One more run, the block, which is not measured: what is allocated in it is traced."""
        from leaklab.explain.grouping import Grouping

        inside = Grouping(self.ledger, memory=self.wanted.memory or 0, follows=False)
        inside.begin()
        yield
        gc.collect()
        self.memory_groups = inside.groups({"rss": self.runs[-1].memory})

    def suspects(self) -> list[Spot]:
        """What every run so far has left, and is still there."""
        if not self.runs or (not self.runs[0].account.entries and self.wanted.memory is None):
            return []
        first = self.left_by(self.runs[0])
        others = [self.left_by(run) for run in self.runs[1:]] if first else []
        return [spot for spot in first if all(one[spot] for one in others)]

    @property
    def has_opened_so_far(self) -> bool:
        """Whether the run that goes on now has opened anything, or is watched for memory."""
        return bool(self._account.entries) or self.wanted.memory is not None

    @property
    def has_opened(self) -> bool:
        """Whether the last run has opened anything, connections too, or is watched for memory."""
        return bool(self._account.streams) or self.has_opened_so_far

    def suspects_so_far(self) -> bool:
        """Whether the run that goes on now has left anything."""
        return bool(self.left_by(SearchedRun(self._account, self._memory() - self._before)))

    def suspects_but_garbage(self) -> list[Spot]:
        """The same once garbage is collected, which takes long: nothing is collected if there are none."""
        found = self.suspects()
        if found:
            gc.collect()
            found = self.suspects()
        return found

    def left_by(self, run: SearchedRun) -> Counter[Spot]:
        """How much one run has left of each, as far as it is still there; of memory, bytes."""
        left = Counter(
            Spot(one.kind, one.origin.line)
            for one in self.ledger.settle(run.account)
            if one.kind in self.wanted.kinds and one.origin.line is not None and not self.ignored(one)
        )
        if self.wanted.memory is not None and run.memory > self.wanted.memory:
            left[MEMORY] = run.memory
        return left

    def pauses(self) -> Iterator[float]:
        """The seconds to wait before each further look, as long as what is left may still end by itself.

        They are summed up, as a test may have stopped the clock.
        """
        waited, pause = 0.0, FIRST_PAUSE_S
        left = self.suspects_but_garbage()
        while any(waited < KINDS[spot.kind].ends_within_s for spot in left):
            yield pause
            waited += pause
            pause, left = min(LONGEST_PAUSE_S, 2 * pause), self.suspects()
        if left:
            gc.collect()

    def wait(self) -> None:
        """Wait until nothing of what is left can end by itself any more."""
        for pause in self.pauses():
            sleep(pause)

    def more_runs(self, most: int) -> Iterator[AbstractContextManager[None]]:
        """The runs after the first, at most so many, as long as each leaves more.

        Before the last one, what may just be busy is waited for.
        """
        for number in range(most):
            # A first look is cheap: what is left once, and no more of it, is not worth a collection of garbage.
            left = self.suspects_but_garbage() if number else self.suspects()
            if number and number == most - 1 and any(spot.kind in ("threads", "children") for spot in left):
                self.wait()
                left = self.suspects()
            if not left:
                return
            yield self.run()

    def wasted(self) -> list[list[OpenedConnection]]:
        """The connections of the first run, of each line and address, that are more than are wanted."""
        if "connections" not in self.wanted.kinds:
            return []
        return [
            [one for one in its.all if one.fate != FAILED]
            for its in self.runs[0].account.streams.values()
            if its.at_a_time > self.wanted.connections
            and not self.ignored(LedgerEntry("connections", its.all[0].origin))
        ]

    def hand_over(self) -> None:
        """Have what was not judged booked to the account that was open before: it may be judged there."""
        self._hand_over(self.runs)

    def _hand_over(self, runs: list[SearchedRun]) -> None:
        if self._outer is not None:
            self._outer.entries += [one for run in runs for one in self.ledger.settle(run.account)]
