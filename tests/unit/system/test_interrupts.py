"""Signals: each raises once, and none between something's start and its having an owner."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

import pytest

from leaklab.system import interrupts
from leaklab.system.interrupts import Owner, end_by_signal, held_back, ignore

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The handlers of the tests' own process come back, and no test sees the signals of another."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    monkeypatch.setattr(interrupts, "_raised_at", float("-inf"))
    end_by_signal()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@dataclass
class Told:
    """What says when it is entered and left; the signals come meanwhile, at the worst of moments."""

    name: str
    events: list[str]
    when_entered: signal.Signals | None = None
    when_left: signal.Signals | None = None

    def __enter__(self) -> str:
        self.events.append(f"{self.name} is entered")
        if self.when_entered is not None:
            signal.raise_signal(self.when_entered)
        return self.name

    def __exit__(self, *_: object) -> None:
        if self.when_left is not None:
            signal.raise_signal(self.when_left)
        self.events.append(f"{self.name} is left")


def test_a_second_signal_at_once_is_the_first_one_over_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)


def test_each_signal_raises_and_so_does_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "SAME_S", 0.0)
    for number in (*NUMBERS, *NUMBERS):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_when_all_is_ended_no_signal_does_anything() -> None:
    ignore()
    for number in NUMBERS:
        signal.raise_signal(number)


def test_a_signal_that_is_held_back_raises_once_when_the_outermost_hold_ends() -> None:
    done: list[str] = []

    def two_holds() -> None:
        with held_back():
            with held_back():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        two_holds()
    assert done == ["inner", "outer"]
    with held_back():
        done.append("nothing waits any more")
    assert len(done) == 3


def test_an_error_in_what_is_held_back_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="its own"), held_back():
        raise ValueError("its own")


@pytest.mark.parametrize(
    ("moment", "between"),
    [({"when_entered": signal.SIGINT}, []), ({"when_left": signal.SIGTERM}, ["both are there"])],
)
def test_a_signal_while_one_of_two_is_entered_or_left_keeps_neither_from_being_left(
    moment: dict[str, signal.Signals], between: list[str]
) -> None:
    events: list[str] = []

    def both() -> None:
        with Owner() as owner:
            assert owner.enter_context(Told("first", events)) == "first"
            owner.enter_context(Told("second", events, **moment))
            events.append("both are there")

    with pytest.raises(KeyboardInterrupt):
        both()
    assert events == ["first is entered", "second is entered", *between, "second is left", "first is left"]


def test_a_signal_at_the_first_instruction_of_leaving_keeps_nothing_from_being_left() -> None:
    events: list[str] = []

    def at_the_call(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is Owner.__exit__.__code__:
            signal.raise_signal(signal.SIGINT)

    def one() -> None:
        with Owner() as owner:
            owner.enter_context(Told("it", events))
            sys.settrace(at_the_call)

    traced = sys.gettrace()
    try:
        with pytest.raises(KeyboardInterrupt):
            one()
    finally:
        sys.settrace(traced)
    assert events == ["it is entered", "it is left"]
