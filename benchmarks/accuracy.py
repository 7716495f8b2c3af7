"""How often leaklab is wrong: planted leaks and near-leaks of known size, at chance numbers of steps.

Half of the runs are done while every core is kept busy by something else. Each run is one program of
tests/planted/programs.py, measured once, as `leaklab run` does. Prints the table in docs/benchmarks.md, and every run
that was not right with its readings:

    python -m benchmarks.accuracy [--runs 200] [--seed 1]
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import leaklab
from tests.planted.programs import LEAKS, NEAR_LEAKS, Program, check, measure, trace_in_words

MOST_STEPS = 300
BUSY = "import signal; signal.alarm({seconds})\nwhile True: pass"
BUSY_AT_MOST_S = 3600
KINDS = ("right", "accused", "missed", "wrong count", "inconclusive", "failed")


@contextmanager
def busy_cores() -> Iterator[None]:
    """Every core is kept busy; whatever happens here, for no longer than BUSY_AT_MOST_S."""
    busy = [
        subprocess.Popen([sys.executable, "-c", BUSY.format(seconds=BUSY_AT_MOST_S)])
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def drawn(runs: int, seed: int) -> list[tuple[Program, int]]:
    """Programs in turn, so that each has its share, at a number of steps drawn by chance (more often a small one)."""
    chance = random.Random(seed)  # noqa: S311 # no secret: the same runs each time
    programs: list[Program] = []
    while len(programs) < runs:
        programs += chance.sample([*LEAKS, *NEAR_LEAKS], len(LEAKS) + len(NEAR_LEAKS))
    return [
        (program, round(program.least * (max(MOST_STEPS, program.least + 1) / program.least) ** chance.random()))
        for program in programs[:runs]
    ]


def run_all(cases: list[tuple[Program, int]], load: str) -> Counter[tuple[str, str, str]]:
    """How often what was said, by (load, truth, kind)."""
    said: Counter[tuple[str, str, str]] = Counter()
    for program, steps in cases:
        half = measure(program, steps)
        result = check(program, steps, half)
        said[load, "near-leaks" if program.truth is None else "leaks", result.kind] += 1
        if result.kind != "right":
            print(f"{result.kind} ({load}): {program.name}, {steps} steps: {result.words}")
            print(f"    {trace_in_words(half.runs[0], program.metric)}\n", flush=True)
    return said


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    cases = drawn(arguments.runs, arguments.seed)
    started = time.monotonic()
    said = run_all(cases[::2], "quiet")
    with busy_cores():
        said += run_all(cases[1::2], "busy")
    print(f"| machine | programs | runs | {' | '.join(KINDS)} |\n| --- | --- |{' ---: |' * (len(KINDS) + 1)}")
    for load in ("quiet", "busy"):
        for truth in ("leaks", "near-leaks"):
            counts = [said[load, truth, kind] for kind in KINDS]
            print(f"| {load} | {truth} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    print(
        f"\nleaklab {leaklab.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, seed "
        f"{arguments.seed}, {datetime.datetime.now(datetime.UTC).date()}, {time.monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
