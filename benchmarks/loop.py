"""How long a learner waits in `leaklab watch`, from a save to the answer on the screen.

In each session there are three: the first check, counted from the start of the command; a second one, of a file that
still leaks; and one of a file that is fixed. The answer is there with its verdict and figures; the line that it comes
from may follow. `--beside CHECKOUT` takes turns with the leaklab of another checkout, so
that the ratio holds when the machine's speed drifts. Prints the table in docs/benchmarks.md:

    python -m benchmarks.loop [--sessions N] [--beside CHECKOUT]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect

from leaklab.content.catalog import Catalog, Entry
from leaklab.workshop.exercises import file_name

NAMES = ("unclosed-body", "close-in-loop", "open-cursor", "huge-array")
TIMES = ("first check", "… with its line", "still leaks", "… with its line", "fixed")
KEYS = "q quit"
HERE = Path(__file__).parents[1]

EDITS_S = 1.0
"""Seconds between an answer and the next save: reading the answer and fixing a line takes longer than that."""

PATIENCE_S = 120
"""Seconds that an answer is waited for."""


def session(entry: Entry, checkout: Path) -> tuple[float, ...]:
    """The seconds of TIMES in a session with the leaklab of `checkout`."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "TERM": "xterm-256color"}
    with tempfile.TemporaryDirectory() as folder:
        leaklab = [sys.executable, "-m", "leaklab"]
        subprocess.run(
            [*leaklab, "start", entry.id], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        file = Path(folder, file_name(entry))
        began = time.perf_counter()
        watch = pexpect.spawn(
            leaklab[0],
            [*leaklab[1:], "watch", file.name],
            cwd=folder,
            env=environment,
            dimensions=(24, 80),
            timeout=PATIENCE_S,
            encoding="utf-8",
        )
        first = _answered(watch, "NOT FIXED: it leaks", began)
        leaks = _saved(watch, file, f"{file.read_text()}\n# still leaks\n", "NOT FIXED: it leaks")
        fixed = _saved(watch, file, entry.source("fixed"), "mFIXED\x1b")
        watch.send("q")
        watch.expect(pexpect.EOF)
        watch.close()
    return *first, *leaks, fixed[0]


def _saved(watch: pexpect.spawn[str], file: Path, text: str, words: str) -> tuple[float, float]:
    time.sleep(EDITS_S)
    began = time.perf_counter()
    file.write_text(text)
    return _answered(watch, words, began)


def _answered(watch: pexpect.spawn[str], words: str, began: float) -> tuple[float, float]:
    watch.expect_exact(words)
    answered = time.perf_counter() - began
    watch.expect_exact(KEYS)
    return answered, time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=9, help="sessions of each scenario")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another checkout, to compare with")
    given = parser.parse_args()
    checkouts = [HERE] if given.beside is None else [HERE, given.beside.resolve()]
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    print("| scenario | answer | s, median (least to most) | the other | ratio |\n| --- | --- | ---: | ---: | ---: |")
    for name in NAMES:
        entry = Catalog().get(name)
        took = [[session(entry, checkout) for checkout in checkouts] for _ in range(given.sessions)]
        for number, what in enumerate(TIMES):
            ours = [each[0][number] for each in took]
            cells = [f"{statistics.median(ours):.2f} ({min(ours):.2f} to {max(ours):.2f})", "–", "–"]
            if given.beside is not None:
                cells[1] = f"{statistics.median(each[1][number] for each in took):.2f}"
                cells[2] = f"{statistics.median(each[0][number] / each[1][number] for each in took):.2f}"
            print(f"| {name} | {what} | {' | '.join(cells)} |", flush=True)
    print(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
