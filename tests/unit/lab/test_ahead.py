"""Services and halves that are started before they are asked for: taken by whoever asks, or ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from leaklab.content.built_in import built_in_folder
from leaklab.lab import ahead
from leaklab.services.client import Services
from leaklab.system import interrupts
from leaklab.system.interrupts import Owner
from leaklab.system.limits import Limits

LEAKY, FIXED = (built_in_folder() / "huge_array" / f"{half}.py" for half in ("leaky", "fixed"))


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signals of the tests stay as they are."""
    monkeypatch.setattr(interrupts, "end_by_signal", lambda _=None: None)


@pytest.fixture
def before() -> Iterator[set[int]]:
    """The processes of this one; in the end there are no others."""
    children = {child.pid for child in psutil.Process().children()}
    yield children
    ahead.end()
    assert {child.pid for child in psutil.Process().children()} == children


def new(before: set[int]) -> set[int]:
    return {child.pid for child in psutil.Process().children()} - before


def test_what_was_started_is_what_is_taken(before: set[int]) -> None:
    ahead.start([LEAKY, FIXED])
    started = new(before)
    with Owner() as owner:
        services = ahead.take_services(owner)
        leaky = ahead.take_half(owner, LEAKY, services, Limits(time_s=7), {})
        assert (leaky.limits.time_s, leaky.pid in started) == (7, True)
        assert new(before) == started
        other = ahead.take_half(owner, LEAKY, services, Limits(), {})
        assert other.pid not in started, "there was one only"


def test_what_is_not_taken_is_ended(before: set[int]) -> None:
    ahead.start([LEAKY, FIXED])
    assert len(new(before)) == 4
    ahead.end()
    assert new(before) == set()


@pytest.mark.parametrize(
    ("limits", "environment"),
    [(Limits(fds=64), {}), (Limits(address_room=2**30), {}), (Limits(), {"PYTHONPATH": "elsewhere"})],
)
def test_a_half_that_is_started_in_another_way_is_not_taken(
    before: set[int], limits: Limits, environment: dict[str, str]
) -> None:
    ahead.start([LEAKY])
    started = new(before)
    with Owner() as owner:
        services = ahead.take_services(owner)
        assert ahead.take_half(owner, LEAKY, services, limits, environment).pid not in started


def test_nor_is_one_of_other_services(before: set[int]) -> None:
    ahead.start([LEAKY])
    started = new(before)
    with Owner() as owner:
        other = owner.enter_context(Services())
        assert ahead.take_half(owner, LEAKY, other, Limits(), {}).pid not in started


def test_a_worker_that_has_the_modules_is_told_its_half_when_that_is_known(before: set[int], tmp_path: Path) -> None:
    half = tmp_path / "half.py"
    half.write_text("import sys\nhad = 'colorsys' in sys.modules\n\ndef run():\n    return had\n")
    with Owner() as owner:
        services = owner.enter_context(Services())
        ahead.expect_halves(services, Limits(), ("colorsys", "no_such_module"), 1)
        (ready,) = new(before) - {services._child.pid, services._guard.pid}
        assert ahead.take_half(owner, half, services, Limits(), {}, ("re",)).pid != ready
        taken = ahead.take_half(owner, half, services, Limits(), {}, ("colorsys", "re", "no_such_module"))
        assert (taken.pid, taken.path) == (ready, half)
        taken.prepare({})
        taken.begin(address_space=None, file_size=2**30)
        returned = taken.next_event(60)
        assert getattr(returned, "answer", None) == "true"


def test_a_worker_that_has_ended_meanwhile_is_not_taken(before: set[int]) -> None:
    """The system may have ended it, for want of memory: the half has nothing to do with that."""
    with Owner() as owner:
        services = owner.enter_context(Services())
        ahead.expect_halves(services, Limits(), (), 1)
        (ready,) = new(before) - {services._child.pid, services._guard.pid}
        os.kill(ready, signal.SIGKILL)
        os.waitid(os.P_PID, ready, os.WEXITED | os.WNOWAIT)
        assert ahead.take_half(owner, LEAKY, services, Limits(), {}).pid != ready


@pytest.mark.parametrize("limit", ["ulimit -n 20", "ulimit -n 40"])
def test_where_few_files_can_be_opened_nothing_is_started_that_may_not_be_needed(limit: str) -> None:
    code = "from leaklab.lab import ahead; ahead.start([]); print(len(ahead._services))"
    command = ["sh", "-c", f'{limit}; exec "$0" -c "$1"', sys.executable, code]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == b"0\n"


def test_where_a_standard_stream_is_closed_nothing_is_started() -> None:
    """What was opened would take its place."""
    code = "import os; os.close(0); from leaklab.lab import ahead; ahead.start([]); print(len(ahead._services))"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout == b"0\n"
