"""A classroom that shares one machine: thirty checks at once.

`python -m benchmarks.classroom [N]` starts N checks of learners' files (of tests/fixes, right and wrong ones of every
scenario) at the same moment, and prints how many verdicts were right, how long it took, what memory all of it had at
most, and what was left: processes, files.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import psutil

from leaklab.content.catalog import Catalog
from leaklab.units import format_size
from tests.integration.conftest import environment, processes_of

FIXES = Path(__file__).parents[1] / "tests" / "fixes"
LOOK_S = 0.5
EACH = 3
"""Right files, and wrong ones, of each scenario: with five scenarios, thirty files."""


def files() -> list[tuple[str, Path]]:
    """Learners' files with the ids of their scenarios: of each scenario in turn a right one and a wrong one."""
    rows = []
    for entry in Catalog().local:
        folder = FIXES / entry.folder.name
        # An even spread of the files, which are many.
        right, wrong = (spread(sorted(folder.glob(f"{kind}_*.py"))) for kind in ("right", "wrong"))
        rows.append([(entry.id, file) for pair in zip(right, wrong, strict=True) for file in pair])
    return [one for several in zip(*rows, strict=False) for one in several]


def spread(files: list[Path]) -> list[Path]:
    """EACH of these files, evenly spread."""
    return [files[index * len(files) // EACH] for index in range(EACH)]


def memory_of(processes: list[psutil.Process]) -> int:
    """Bytes that these processes hold together; pages that they share count once."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError, AttributeError):
            total += process.memory_full_info().pss
    return total


def is_right(file: Path, state: str) -> bool:
    """Whether this is what must come out: `# right` or `# wrong…` is the first line of each file."""
    wanted_fixed = file.name.startswith("right_")
    return state == "fixed" if wanted_fixed else state in ("leaks", "wrong-work", "failed", "timed-out", "refused")


def main() -> None:
    """Run the classroom."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    tag = uuid.uuid4().hex
    with tempfile.TemporaryDirectory() as folder:
        taken = list(islice(cycle(files()), many))
        begun = time.monotonic()
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "leaklab", "check", str(file), "--scenario", scenario, "--json", "--no-explain"],
                env=environment(tag, {"TMPDIR": folder}),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for scenario, file in taken
        ]
        memory = most = 0
        while any(process.poll() is None for process in running):
            there = processes_of(tag)
            most = max(most, len(there))
            memory = max(memory, memory_of(there))
            time.sleep(LOOK_S)
        took = time.monotonic() - begun
        states: Counter[str] = Counter()
        wrong: list[str] = []
        for process, (scenario, file) in zip(running, taken, strict=True):
            out, err = process.communicate()
            try:
                found = json.loads(out)
                state, reason = found["state"], found["reason"]
            except ValueError:
                state, reason = "no answer", err.decode().strip()
            states[state] += 1
            if not is_right(file, state):
                wrong.append(f"  {scenario} {file.name}: {state}: {reason}")
        left, files_left = processes_of(tag), list(Path(folder).iterdir())
    cores = os.cpu_count()
    print(f"{many} checks at once on {cores} cores: {many - len(wrong)} of {many} right in {took:.1f} s")
    print("states: " + ", ".join(f"{count} {state}" for state, count in states.most_common()))
    print(f"at most {most} processes, {format_size(memory)} of memory together ({format_size(memory / many)} a check)")
    print(f"left: {len(left)} processes, {len(files_left)} files")
    print("\n".join(wrong))


if __name__ == "__main__":
    main()
