"""Runs several scenarios one after the other, on the same services. A half that only waits runs beside the others."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain

from leaklab.content.catalog import Entry
from leaklab.content.settings import Settings
from leaklab.lab import ahead
from leaklab.lab.pair import PairRun
from leaklab.lab.result import Result
from leaklab.lab.run_options import RunOptions
from leaklab.measure.measurement import Measurement
from leaklab.measure.sampler import TraceListener
from leaklab.services.client import Services
from leaklab.system.interrupts import Owner


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A scenario that is to be run: with which settings, how, and which of its halves."""

    entry: Entry
    settings: Settings
    options: RunOptions
    halves: Sequence[str]


class ScenarioSeries(AbstractContextManager["ScenarioSeries", None]):
    """Runs what is planned. A context manager, to be entered by an Owner: at its end nothing of it is left.

    Raises, as it is made, what `run_scenario` raises before anything is started.
    """

    def __init__(self, plan: Sequence[PlannedRun]) -> None:
        self._owner = Owner()
        self._pairs = [
            PairRun.of(one.entry, {half: one.entry.half_path(half) for half in one.halves}, one.settings, one.options)
            for one in plan
        ]
        self._services: Services | None = None
        self._waiting: dict[int, Sequence[Measurement]] = {}

    def __exit__(self, *_: object) -> None:
        self._owner.close()

    def run(self, number: int, progress: TraceListener) -> Result:
        """Run one of the scenarios, by its number in the plan; they are run in that order. Raises as `run_scenario`."""
        if self._services is None:
            self._services = ahead.take_services(self._owner)
            # What comes first has nothing to wait beside.
            for later, pair in enumerate(self._pairs[number + 1 :], start=number + 1):
                self._waiting[later] = pair.begin_waiting(self._services, self._owner)
        pair = self._pairs[number]
        self._waiting.pop(number, None)
        pair.options = replace(pair.options, services=self._services, progress=progress)
        pair.beside.running = [*chain.from_iterable(self._waiting.values())]
        return pair.result()
