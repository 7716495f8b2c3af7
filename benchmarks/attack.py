"""Runs that are ended at random moments, in every way: how many left something behind.

`python -m benchmarks.attack [N] [SEED]` ends N runs (200), some at a time, and prints how many of each way left a
process, a file in the temporary folder or shared memory, or did not end.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.conftest import Command
from tests.integration.endings import RUNS, WAYS

AT_ONCE = 4
ENDS_WITHIN_S = 60
CLEARED_WITHIN_S = 30


def length(leaklab: Command, arguments: tuple[str, ...]) -> float:
    """Seconds that this run takes when it is not ended."""
    begun = time.monotonic()
    leaklab.start(*arguments, stdout=subprocess.DEVNULL).process.communicate()
    return time.monotonic() - begun


def ended(leaklab: Command, arguments: tuple[str, ...], way: str, after_s: float) -> str:
    """What is wrong after a run was ended in this way; empty if nothing is."""
    run = leaklab.start(*arguments, stdout=subprocess.DEVNULL)
    time.sleep(after_s)
    WAYS[way](run)
    try:
        _, stderr = run.process.communicate(timeout=ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        run.kill()
        return "it did not end"
    if b"leaklab" in stderr.partition(b"Traceback")[2]:
        return stderr.decode()
    try:
        run.check_nothing_is_left(patience_s=CLEARED_WITHIN_S)
    except AssertionError as error:
        run.kill()
        return str(error)
    return ""


def main() -> None:
    """End many runs, and print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("many", type=int, nargs="?", default=200)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    asked = parser.parse_args()
    many, seed = asked.many, asked.seed
    rng = random.Random(seed)  # noqa: S311 # repeatable moments, no secret
    shared = Path("/dev/shm")  # noqa: S108 # it is only looked at
    before = set(shared.iterdir()) if shared.exists() else set()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        leaklab = Command(Path(folder))
        lengths = [length(leaklab, arguments) for arguments in RUNS]
        jobs = []
        for index in range(many):
            run, way = index % len(RUNS), list(WAYS)[index % len(WAYS)]
            # With others beside it, a run takes longer than alone.
            moment = rng.random() * lengths[run] * AT_ONCE / (os.cpu_count() or 1)
            jobs.append((way, run, moment, pool.submit(ended, leaklab, RUNS[run], way, moment)))
        done: Counter[str] = Counter()
        left: Counter[str] = Counter()
        for way, run, moment, job in jobs:
            done[way] += 1
            if wrong := job.result():
                left[way] += 1
                print(f"{way}, {' '.join(RUNS[run][:2])}, after {moment:.2f} s: {wrong}", file=sys.stderr)
    for way in WAYS:
        print(f"{way:32}  {done[way]:4} ended  {left[way]:4} left something")
    new = (set(shared.iterdir()) if shared.exists() else set()) - before
    print(f"{'all':32}  {sum(done.values()):4} ended  {sum(left.values()):4} left something; shared memory: {len(new)}")


if __name__ == "__main__":
    main()
