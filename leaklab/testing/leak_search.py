"""Runs a piece of work, again if it has left something: only what every run leaves more of, from one line, is suspect.

What is imported here is imported for each session; what explains a leak is imported once there is one (leak_findings).
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from leaklab.explain.own_code import Line
from leaklab.explain.recorder import FAILED
from leaklab.testing.ledger import Account, Ledger, LedgerEntry
from leaklab.testing.watched_kinds import KINDS, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from leaklab.explain.grouping import Grouping

RERUNS = 2
"""How often work that has left something is run again, unless something else is asked for."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.1

Address = tuple[object, ...]


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


@dataclass(eq=False, slots=True)
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
    _inside: Grouping | None = field(init=False)

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
        self._inside = self._inside_memory()
        self._before = self._memory()
        self._account = Account()
        self._outer = self.ledger.book_to(self._account)

    def end(self) -> None:
        """The run is over."""
        self.ledger.book_to(self._outer)
        if self.wanted.memory is not None:
            gc.collect()
        grown = self._memory() - self._before
        self.runs.append(SearchedRun(self._account, grown))
        if self._inside is not None:
            self.memory_groups = self._inside.groups({"rss": grown})

    def _memory(self) -> int:
        """Bytes that this process holds in RAM, without what tracing takes; 0 where that is not asked for."""
        if self.wanted.memory is None:
            return 0
        from leaklab.system.process_status import status_of

        tracing = sys.modules["tracemalloc"].get_tracemalloc_memory() if "tracemalloc" in sys.modules else 0
        return status_of(os.getpid()).rss - int(tracing)

    def _inside_memory(self) -> Grouping | None:
        """What looks at the memory that this run adds, if the runs before have added too much."""
        if self.wanted.memory is None or not self.runs or MEMORY not in self.suspects():
            return None
        from leaklab.explain.grouping import Grouping

        inside = Grouping(self.ledger, memory=self.wanted.memory, follows=False)
        inside.begin()
        return inside

    def suspects(self) -> list[Spot]:
        """What every run so far has left, and is still there."""
        if not self.runs[0].account.entries and self.wanted.memory is None:
            return []
        first = self.left_by(self.runs[0])
        others = [self.left_by(run) for run in self.runs[1:]] if first else []
        return [spot for spot in first if all(one[spot] for one in others)]

    def suspects_but_garbage(self) -> list[Spot]:
        """The same once garbage is collected, which takes long: nothing is collected if there are none."""
        if self.suspects():
            gc.collect()
        return self.suspects()

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
        """The seconds to wait before each further look, as long as what is left may still end by itself."""
        begun, pause = time.monotonic(), FIRST_PAUSE_S
        left = self.suspects_but_garbage()
        while any(time.monotonic() - begun < KINDS[spot.kind].ends_within_s for spot in left):
            yield pause
            pause, left = min(LONGEST_PAUSE_S, 2 * pause), self.suspects()
        if left:
            gc.collect()

    def wait(self) -> None:
        """Wait until nothing of what is left can end by itself any more."""
        for pause in self.pauses():
            time.sleep(pause)

    def wasted(self) -> dict[tuple[Line, Address], list[LedgerEntry]]:
        """The connections of the first run by line and address, where they are more than are wanted."""
        found: dict[tuple[Line, Address], list[LedgerEntry]] = {}
        if "connections" not in self.wanted.kinds or len(self.runs[0].account.entries) <= self.wanted.connections:
            return found
        for one in self.runs[0].account.entries:
            connection = one.connection
            if connection is not None and connection.fate != FAILED and one.origin.line is not None:
                found.setdefault((one.origin.line, connection.address[:2]), []).append(one)
        return {
            key: several
            for key, several in found.items()
            if len(several) > self.wanted.connections and not self.ignored(several[0])
        }
