"""Starts services and halves before they are asked for: while leaklab itself is imported, or a learner edits a file.

Anything that is not used is ended, and anything that is missing is started when it is needed: this only saves time.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from leaklab.errors import ExitCode, LeaklabError
from leaklab.measure.runtime import PYTHON_RUNTIME, Runtime
from leaklab.measure.target import UNTOLD, Half
from leaklab.services.client import Services
from leaklab.system import interrupts
from leaklab.system.limits import Limits
from leaklab.system.machine import has_few_fds, raise_fd_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from leaklab.system.interrupts import Owner

leave = os._exit
"""The real one: while a scenario is being loaded, `os._exit` is replaced, so that the scenario cannot end leaklab."""

_services: list[Services] = []
_halves: list[Half] = []


def start(paths: Sequence[Path]) -> None:
    """Start services, and the halves at these paths.

    From then on, a signal that ends leaklab ends them first.
    """
    if os.name != "posix" or not _has_standard_streams() or has_few_fds():
        return
    interrupts.end_by_signal()
    try:
        with interrupts.held_back(), contextlib.suppress(LeaklabError, OSError):
            raise_fd_limit()
            _services.append(Services().__enter__())
            _halves.extend(Half(path, _services[0]).__enter__() for path in paths)
        # What is imported next might drop an exception.
        interrupts.end_by_signal(_leave)
    except KeyboardInterrupt:
        _leave()


def expect(kinds: Sequence[str], paths: Sequence[Path] = (), modules: Sequence[str] | None = None) -> None:
    """Where services were started: have them import what these kinds need, and start the halves at these paths, too.

    With `modules`, start one more worker that imports them; `take_half` tells it later which half to run.
    """
    for services in _services:
        services.expect(kinds)
        with interrupts.held_back():
            _halves.extend(Half(path, services).__enter__() for path in paths)
        if modules is not None:
            expect_halves(services, Limits(), modules, 1)


def _leave(*_: object) -> None:
    end()
    leave(ExitCode.INTERRUPTED)


def _has_standard_streams() -> bool:
    """Whether all three are open: otherwise what is opened now would take their place."""
    try:
        return all(os.fstat(number) for number in range(3))
    except OSError:
        return False


def take_services(owner: Owner) -> Services:
    """Services that the owner ends: those that were started, or new ones."""
    with interrupts.held_back():
        if not _services:
            return owner.enter_context(Services())
        owner.push(_services[0])
        return _services.pop()


def expect_halves(services: Services, limits: Limits, modules: Sequence[str], count: int) -> None:
    """Start `count` workers that import these modules; `take_half` tells them later which half to run."""
    with interrupts.held_back():
        _halves.extend(Half(UNTOLD, services, limits, modules=modules).__enter__() for _ in range(count))


def take_half(
    owner: Owner,
    path: Path,
    services: Services,
    limits: Limits,
    environment: Mapping[str, str],
    modules: Sequence[str] = (),
    runtime: Runtime = PYTHON_RUNTIME,
) -> Half:
    """A worker for this half, ended by the owner: one started for it, one that can still be told, or a new one.

    Only halves in Python are started before they are asked for.
    """
    with interrupts.held_back():
        for half in _halves if runtime is PYTHON_RUNTIME else ():
            is_same = half.limits.fds == limits.fds and half.limits.address_room == limits.address_room
            # One that has imported less is as good.
            fits = half.path == path or (half.path is UNTOLD and {*half.modules} <= {*modules})
            if fits and is_same and half.services is services and not environment and half.is_running:
                half.limits = limits
                owner.push(half)
                _halves.remove(half)
                if half.path is UNTOLD:
                    half.tell(path)
                return half
        return owner.enter_context(Half(path, services, limits, environment, runtime))


def end() -> None:
    """End what was not taken."""
    end_halves()
    for services in _services:
        with contextlib.suppress(LeaklabError):
            services.__exit__(None, None, None)
    _services.clear()


def end_halves() -> None:
    """End the halves that were not taken."""
    for half in _halves:
        half.end()
    _halves.clear()
