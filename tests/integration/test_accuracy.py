"""Planted leaks are found with their exact size, near-leaks are not accused: real processes, at several step counts.

What is planted, and from which number of steps on it can be told at all, is said in tests/planted/programs.py.
`python -m benchmarks.accuracy` does the same 200 times and more, half of them on a busy machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from leaklab.lab.result import HalfResult

# At the end of the path: where leaklab is installed as a wheel, that is the one to be tested.
sys.path.append(str(Path(__file__).parents[2]))

from tests.planted.programs import COUNTED, LEAKS, NEAR_LEAKS, Program, check, measure, trace_in_words

STEP_COUNTS = {
    "sockets": (50,),
    "connections": (50,),
    "cursors": (60,),
    "threads": (50,),
    "descriptors": (3, 20, 101, 1000),
    "memory": (50,),
    "child_memory": (50,),
    **dict.fromkeys(COUNTED, (20,)),
}
"""At which each program is run: of 101 steps and more not every one is read. tests/unit/judge/test_verdict.py has
the growth of such counts, and of the like, at every number of steps."""

MANY = 130
"""At which some programs that talk to a service are run, too: not every one of so many steps is read."""

SHOWN_BY = (": 1 every 10th step", ": pool that grows to 8")

DEAR = ("sockets", "cursors")
"""Halves that talk to a service, the dearest to run."""

BY_OTHERS = (
    ": 3 every step",
    ": 1 every 10th step, from the 1st",
    ": 8 at once every 10th step",
    ": pool that grows to 3, each 4th step",
    ": cache of 8, filled by chance",
)
"""Schedules that a dear half need not run: descriptors and threads, judged as these are, run them all."""


def step_counts(program: Program) -> Iterator[int]:
    if program.half in DEAR and program.name.endswith(BY_OTHERS):
        return
    yield from STEP_COUNTS[program.half]
    if program.half in DEAR and program.name.endswith(SHOWN_BY):
        yield MANY


CASES = [(program, steps) for program in (*LEAKS, *NEAR_LEAKS) for steps in step_counts(program)]
DECIDABLE = [(program, steps) for program, steps in CASES if steps >= program.least][::2]
"""Every second one: `python -m benchmarks.accuracy` measures all of them, and many times."""

Measured = dict[str, Future[HalfResult]]


def name(program: Program, steps: int) -> str:
    return f"{program.name} @ {steps}"


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> Iterator[Measured]:
    """All programs of the selected tests, several at once: a half is a process of its own, most of them wait."""
    wanted = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    cases = [(program, steps) for program, steps in DECIDABLE if name(program, steps) in wanted]
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        yield {name(program, steps): pool.submit(measure, program, steps) for program, steps in cases}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("program", "steps"), DECIDABLE, ids=[name(*case) for case in DECIDABLE])
def test_what_was_planted_is_found_with_its_size_and_nothing_else_is(
    program: Program, steps: int, measured: Measured
) -> None:
    half = measured[name(program, steps)].result()
    said = check(program, steps, half)
    assert said.kind == "right", f"{said.words}\n{trace_in_words(half.runs[0], program.metric)}"


def test_a_leak_over_several_runs_is_found_with_the_same_exact_size() -> None:
    program = next(program for program in LEAKS if program.name == "descriptors: 1 every 10th step")
    half = measure(program, 50, repeat=3)
    assert check(program, 50, half).kind == "right"
    assert half.values("open_fds", "per_step") == [0.1, 0.1, 0.1]
