"""Runs of a scenario that are interrupted between the halves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from leaklab.content.catalog import Catalog
from leaklab.lab.pair import run_halves
from leaklab.lab.result import Result
from leaklab.lab.run_options import RunOptions
from leaklab.services.client import Services

CONTENT = Path(__file__).parents[2] / "content"


def interrupted(monkeypatch: pytest.MonkeyPatch, what: str, time: int) -> Result:
    """Five rounds of two halves that leak, interrupted when the services have done this for the so many-th time."""
    calls = itertools.count(1)
    does: Callable[..., object] = getattr(Services, what)

    def do(services: Services, *arguments: object, **named: object) -> object:
        done = does(services, *arguments, **named)
        if next(calls) == time:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(Services, what, do)
    entry = Catalog(CONTENT).get("leaks-files")
    halves = dict.fromkeys(("leaky", "fixed"), entry.half_path("leaky"))
    return run_halves(entry, halves, entry.scenario.settings, RunOptions(repeat=5))


@pytest.mark.parametrize(("what", "time"), [("start", 10), ("stop", 10), ("__exit__", 1)])
def test_an_interrupt_between_the_halves_keeps_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, what: str, time: int
) -> None:
    """Each time the halves are run twice, with more work the second time; without that the first run is not kept."""
    result = interrupted(monkeypatch, what, time)
    assert result.interrupted
    runs = {half: len(found.runs) for half, found in result.halves.items()}
    assert runs == ({"leaky": 5, "fixed": 5} if what == "__exit__" else {"leaky": 2, "fixed": 2})


def test_an_interrupt_before_anything_was_measured_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(monkeypatch, "start", 2)
