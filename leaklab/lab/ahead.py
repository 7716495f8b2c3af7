"""Starts services and halves before they are asked for: while leaklab itself is imported, or a learner edits a file.

What is not taken is ended. What is not there when it is asked for is started then, as if this module were not there.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from leaklab.content.built_in import built_in_folder
from leaklab.errors import ExitCode, LeaklabError
from leaklab.measure.target import UNTOLD, PythonHalf
from leaklab.services.client import Services
from leaklab.system import interrupts
from leaklab.system.machine import raise_fd_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from leaklab.system.interrupts import Owner
    from leaklab.system.limits import Limits

PLAIN = {"--json": 0, "--no-explain": 0, "--all": 0, "--samples": 0, "--format": 1, "--steps": 1}
"""The options with which `run` starts halves as it does without, and how many values each takes."""

_services: list[Services] = []
_halves: list[PythonHalf] = []


def start(arguments: Sequence[str]) -> None:
    """Start the services that a command line needs, and the halves of a plain `run NAME`.

    From then on, a signal that ends leaklab ends them first.
    """
    if os.name != "posix" or not _has_standard_streams():
        return
    interrupts.end_by_signal()
    try:
        with interrupts.held_back(), contextlib.suppress(LeaklabError, OSError):
            raise_fd_limit()
            _services.append(Services().__enter__())
            _halves.extend(PythonHalf(path, _services[0]).__enter__() for path in _plain_halves(arguments))
        # What is imported next might drop an exception.
        interrupts.end_by_signal(_leave)
    except KeyboardInterrupt:
        _leave()


def _leave(*_: object) -> None:
    end()
    os._exit(ExitCode.INTERRUPTED)


def _has_standard_streams() -> bool:
    """Whether all three are open: otherwise what is opened now would take their place."""
    try:
        return all(os.fstat(number) for number in range(3))
    except OSError:
        return False


def _plain_halves(arguments: Sequence[str]) -> list[Path]:
    """The files of the halves that `run NAME` will run, if it is one of leaklab's own and all options are plain."""
    command, *rest = arguments
    names: list[str] = []
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            names.append(word)
        elif word not in PLAIN:
            return []
        else:
            del rest[: PLAIN[word]]
    if command != "run" or len(names) != 1:
        return []
    folder = built_in_folder() / names[0].replace("-", "_")
    halves = [folder / "leaky.py", folder / "fixed.py", folder / "leaky.py"]  # which will probably run twice
    # A name is no path; and what halves share is found by another environment.
    is_one = os.sep not in names[0] and all(path.is_file() for path in halves)
    return halves if is_one and not (folder / "shared.py").exists() else []


def take_services(owner: Owner) -> Services:
    """Services that the owner ends: those that were started, or new ones."""
    with interrupts.held_back():
        if not _services:
            return owner.enter_context(Services())
        owner.push(_services[0])
        return _services.pop()


def make_ready(services: Services, limits: Limits, modules: Sequence[str], count: int) -> None:
    """Have so many workers at hand that have imported these modules and are told later which half they are for."""
    with interrupts.held_back():
        _end_halves()
        _halves.extend(PythonHalf(UNTOLD, services, limits, modules=modules).__enter__() for _ in range(count))


def take_half(
    owner: Owner,
    path: Path,
    services: Services,
    limits: Limits,
    environment: Mapping[str, str],
    modules: Sequence[str] = (),
) -> PythonHalf:
    """A worker on this half that the owner ends: one that was started for it, or may be told, or a new one."""
    with interrupts.held_back():
        for half in _halves:
            is_same = half.limits.fds == limits.fds and half.limits.address_room == limits.address_room
            fits = half.path == path or (half.path is UNTOLD and half.modules == modules)
            if fits and is_same and half.services is services and not environment:
                half.limits = limits
                owner.push(half)
                _halves.remove(half)
                if half.path is UNTOLD:
                    half.tell(path)
                return half
        return owner.enter_context(PythonHalf(path, services, limits, environment))


def end() -> None:
    """End what was not taken."""
    _end_halves()
    for services in _services:
        with contextlib.suppress(LeaklabError):
            services.__exit__(None, None, None)
    _services.clear()


def _end_halves() -> None:
    for half in _halves:
        half.end()
    _halves.clear()
