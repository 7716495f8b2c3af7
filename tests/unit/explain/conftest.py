"""Halves beside a witness, with the services that they leak connections to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaklab.explain.explaining import Plan, Statement, Witnessed
from leaklab.measure.target import Steps
from leaklab.services.client import HalfServices, Services
from leaklab.services.kinds import ServiceNeeds
from leaklab.system.interrupts import Owner
from leaklab.system.limits import Limits

N = 3
"""Steps of a half."""


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with Owner() as owner:
        yield owner.enter_context(Services())


@contextlib.contextmanager
def started(services: Services) -> Iterator[HalfServices]:
    its = services.start(("http",), ServiceNeeds())
    yield its
    services.stop(its)


def hear(services: Services, file: Path, plan: Plan, *, steps: int = N) -> Statement:
    """What a witness says of the half in `file`."""
    with started(services) as its:
        address = ["127.0.0.1", its.endpoints["http"].port]
        # The paths of this run's service begin with a secret.
        file.write_text(file.read_text().replace("/bytes/", f"{its.endpoints['http'].base}/bytes/"))
        workload = {"address": address, "items": Steps(steps)}
        with Owner() as owner:
            half = Witnessed(file, workload, plan, services, its, Limits(), {})
            return owner.enter_context(half).statement(20.0)


def marked(file: Path, mark: str) -> int:
    """The number of the line with that mark."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {mark}"))
