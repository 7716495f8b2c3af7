"""What the checks of one session share: the services, and the leaky and the fixed half, which are measured once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from leaklab.content.declaration import HALVES
from leaklab.content.languages import PYTHON
from leaklab.errors import LeaklabError, MeasureError
from leaklab.lab import ahead
from leaklab.lab.run_options import bounds_of, limits_of
from leaklab.system.files import read_regular
from leaklab.system.interrupts import Owner
from leaklab.workshop.check_result import YOURS, CheckState
from leaklab.workshop.checking import check, doubtful_controls, explained
from leaklab.workshop.imports import early_modules

if TYPE_CHECKING:
    from pathlib import Path

    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings
    from leaklab.lab.result import HalfResult
    from leaklab.lab.run_options import RunOptions
    from leaklab.services.client import Services
    from leaklab.workshop.check_result import CheckResult


@dataclass(frozen=True, slots=True)
class MeasuredControls:
    """The leaky and the fixed half as they were measured, when, and all that this depends on."""

    halves: Mapping[str, HalfResult]
    at: datetime
    basis: object


class Session(AbstractContextManager["Session", None]):
    """Checks one after the other. A context manager, to be entered by an Owner: at its end the services are gone.

    The halves with known verdicts show that this machine measures right. Their counts are exact, so they are measured
    again only if something they depend on has changed, or if they came out wrong. Where a deadline is judged, they are
    measured each time: how busy the machine is matters there, and that changes from one minute to the next.
    """

    def __init__(self) -> None:
        self._owner = Owner()
        self._services: Services | None = None
        self._controls: MeasuredControls | None = None
        # An exercise begins as the leaky half.
        self._leaking = frozenset({YOURS})

    def __exit__(self, *_: object) -> None:
        self._close()

    def forget(self) -> None:
        """Measure the halves with known verdicts again, in the next check."""
        self._controls = None

    def check(self, entry: Entry, file: Path, options: RunOptions, settings: Settings) -> CheckResult:
        """Check a file without looking for evidence. Raises as `workshop.checking.check` does."""
        basis, kept = _basis(entry, options, settings), self._controls
        if kept is not None and (basis is None or kept.basis != basis):
            kept = None
        try:
            options = replace(options, explain=False, services=self._running(), leaking=self._leaking)
            checked = check(entry, file, options, settings, None if kept is None else kept.halves)
        except MeasureError:
            self._close()
            raise
        self._leaking = frozenset({YOURS} if checked.state is CheckState.LEAKS else ())
        if checked.choice:
            # The halves beside it are those with another choice of a setting.
            return checked
        if kept is not None:
            return replace(checked, controls_at=kept.at)
        result, self._controls = checked.result, None
        if basis is not None and result is not None and not result.interrupted and not doubtful_controls(result):
            halves = {half: result.halves[half] for half in HALVES}
            self._controls = MeasuredControls(halves, datetime.now(UTC), basis)
        return checked

    def make_ready(self, entry: Entry, file: Path, options: RunOptions, settings: Settings) -> None:
        """Have what the next check of this file will need at hand: then its answer does not wait for imports."""
        limits, many = limits_of(entry.scenario, settings, options), 2 if self._leaking else 1
        if entry.language is not PYTHON:
            return
        with contextlib.suppress(LeaklabError, OSError):
            ahead.end_halves()
            ahead.expect_halves(self._running(), limits, early_modules(entry, file), many)

    def explain(self, checked: CheckResult, entry: Entry, options: RunOptions) -> CheckResult:
        """The same check with the evidence for what was found. Raises as `workshop.checking.explained` does."""
        try:
            found = explained(checked, entry, options, self._running())
        except MeasureError:
            self._close()
            raise
        return replace(found, controls_at=checked.controls_at)

    def _running(self) -> Services:
        if self._services is not None and not self._services.is_running:
            self._close()
        if self._services is None:
            self._services = ahead.take_services(self._owner)
        return self._services

    def _close(self) -> None:
        """End the services; the next check starts others."""
        ahead.end()
        self._services = None
        self._owner.close()


def _basis(entry: Entry, options: RunOptions, settings: Settings) -> object:
    """What the measurement of the scenario's own halves depends on; None if it is not to be kept."""
    if bounds_of(entry.scenario, settings).deadline_s is not None:
        return None
    try:
        paths = [entry.folder / "scenario.py", *entry.folder.glob(f"*{entry.language.suffix}")]
        files = {path.name: read_regular(path) for path in paths}
    except OSError:
        return None
    how = options.limits, options.keep_time_limit, options.repeat, options.mongo_uri
    return entry.folder, files, settings.given(), how
