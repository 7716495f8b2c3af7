"""What 10,000 open things cost: time per step, the runner's memory, and what probing takes of the half's own CPU time.

* Time per step: `elapsed_s` of the leaky half, without the pauses for samples, at 10,000 steps against 1,000, in turn.
* Memory: the most that the process which runs `leaklab run` ever had resident (VmHWM), read at its very end. The
  halves and the services are processes of their own and not in it.
* Probing: user and system time of the half's process from the moment it is ready to its end. `probed` is the half as
  leaklab runs it. `bare` is the same half by the same worker with its steps as a plain list: no step is reported to the
  runner and no sample is taken at one; only at start and end. The share is (probed - bare) / bare, pair by pair. On a
  busy machine that share is mostly noise (caches, other processes); so the cost of a step itself is measured as well,
  by a half that does nothing but take its steps.

Prints the tables in docs/benchmarks.md:

    python -m benchmarks.scale [--pairs 3] [--cpu-pairs 9]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leaklab import __version__
from leaklab.content import catalog
from leaklab.content.declaration import Lab
from leaklab.lab.provision import service_needs
from leaklab.measure.measurement import Measurement
from leaklab.measure.run_trace import COMPLETED
from leaklab.measure.sampler import SAMPLED_STEPS
from leaklab.measure.target import Half, Steps
from leaklab.measure.worker import fill
from leaklab.services.client import Services
from leaklab.system.limits import Limits
from leaklab.system.machine import raise_fd_limit

SCENARIOS = ("unclosed-body", "open-cursor")
SMALL, MIDDLE, LARGE = 50, 1_000, 10_000
TELLING = {"unclosed-body": "open_sockets", "open-cursor": "open_cursors"}
PROBED = (
    ("unclosed-body", "leaky"),
    ("unclosed-body", "fixed"),
    ("close-in-loop", "leaky"),
    ("open-cursor", "leaky"),
    ("open-cursor", "fixed"),
    ("huge-array", "leaky"),
)

FEW_PAIRS = 3
"""Pairs of runs at LARGE steps, of which each takes some ten seconds."""

STEP_GROWS_AT_MOST = 1.3
MEMORY_AT_MOST_MB = 120
PROBING_AT_MOST = 0.05

RUN = """
import re, sys
from leaklab.cli import main
try:
    main()
finally:
    with open("/proc/self/status") as status:
        print("VmHWM", re.search(r"VmHWM:\\s+(\\d+)", status.read()).group(1), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One `leaklab run`.

    Attributes:
        steps: how many.
        step_s: seconds per step of the leaky half.
        wall_s: seconds for the whole command, both halves, services and start-up included.
        peak_mb: the most that the runner itself had resident, in units of 1,000,000 bytes.
        held: the most of what leaks that was open at once.
        verdicts: of the leaky and of the fixed half.
    """

    steps: int
    step_s: float
    wall_s: float
    peak_mb: float
    held: int
    verdicts: tuple[str, str]


def run(name: str, steps: int) -> Run:
    """Run a scenario by the command line, and read the runner's peak of memory before it ends."""
    arguments = ["run", name, "--steps", str(steps), "--limit", "time=900s", "--json"]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], text=True, capture_output=True, check=False)
    wall = time.perf_counter() - started
    peak = re.search(r"VmHWM (\d+)", done.stderr)
    if done.returncode not in (0, 1) or peak is None:
        sys.exit(f"leaklab {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    halves = json.loads(done.stdout)["halves"]
    return Run(
        steps,
        halves["leaky"]["elapsed_s"] / steps,
        wall,
        int(peak[1]) * 1024 / 1e6,
        halves["leaky"]["metrics"][TELLING[name]]["peak"],
        (halves["leaky"]["verdict"], halves["fixed"]["verdict"]),
    )


def print_scale(pairs: int) -> None:
    """Time per step and the runner's memory."""
    print("| run | held at once | verdicts | whole command | per step of the leaky half | runner's peak |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    told: list[str] = []
    for name in SCENARIOS:
        rounds = [{steps: run(name, steps) for steps in (SMALL, MIDDLE, LARGE)} for _ in range(pairs)]
        for steps in (SMALL, MIDDLE, LARGE):
            runs = [each[steps] for each in rounds]
            print(
                f"| {name} --steps {steps:,} | {min(one.held for one in runs):,} | {' / '.join(runs[0].verdicts)} "
                f"| {statistics.median(one.wall_s for one in runs):.1f} s "
                f"| {statistics.median(one.step_s for one in runs) * 1000:.3f} ms "
                f"| {max(one.peak_mb for one in runs):.1f} MB |",
                flush=True,
            )
        ratios = [each[LARGE].step_s / each[MIDDLE].step_s for each in rounds]
        ratio, peak = statistics.median(ratios), max(one.peak_mb for each in rounds for one in each.values())
        grown = max(each[LARGE].peak_mb / each[SMALL].peak_mb for each in rounds)
        told.append(
            f"- {name}: a step at {LARGE:,} takes {ratio:.2f} × one at {MIDDLE:,} ({min(ratios):.2f} to "
            f"{max(ratios):.2f}; at most {STEP_GROWS_AT_MOST}): {_met(ratio <= STEP_GROWS_AT_MOST)}"
        )
        told.append(
            f"- {name}: the runner's peak is {peak:.1f} MB (at most {MEMORY_AT_MOST_MB}), at {LARGE:,} steps "
            f"{grown:.2f} × that at {SMALL}: {_met(peak <= MEMORY_AT_MOST_MB)}"
        )
    print("\n" + "\n".join(told) + "\n", flush=True)


def _met(is_met: bool) -> str:
    return "met" if is_met else "**not met**"


def cpu_s(name: str, half: str, steps: int, services: Services, *, probed: bool) -> float:
    """CPU seconds of the half's process, from when it was ready to its end."""
    entry = catalog.Catalog().get(name)
    settings = entry.scenario.settings.changed(name, {"steps": steps})
    before = _children_cpu_s()
    limits = Limits(time_s=900)
    with Half(entry.half_path(half), services, limits) as target:
        its = services.start(entry.scenario.services, service_needs(entry.scenario, settings))
        workload = entry.scenario.workload(Lab(settings, its.endpoints))
        measured = Measurement(half, target, services, its, limits)
        measured.prepare(workload if probed else listed(workload))
        pid = target.pid
        ready = time.clock_gettime((~pid << 3) | 2)  # Linux: the CPU-time clock of another process
        measured.run()
        trace = measured.settle()
        target.end()
        services.stop(its)
    if trace.ending is not COMPLETED:
        sys.exit(f"{name}, {half}: {trace.ending}")
    return _children_cpu_s() - before - ready


def _children_cpu_s() -> float:
    """CPU seconds of all children that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def listed(workload: Mapping[str, object]) -> dict[str, object]:
    """A workload with its steps as plain lists."""
    return {
        key: [fill(value.item, number) for number in range(1, value.count + 1)] if isinstance(value, Steps) else value
        for key, value in workload.items()
    }


def print_probing(pairs: int) -> None:
    """What probing costs the half."""
    print("| half | steps | bare | probed | more, of the half's own CPU time: median (middle half) |")
    print("| --- | ---: | ---: | ---: | ---: |")
    raise_fd_limit()
    with Services() as services:
        for name, half in PROBED:
            for steps in (SMALL, MIDDLE, LARGE):
                took = [
                    (
                        cpu_s(name, half, steps, services, probed=False),
                        cpu_s(name, half, steps, services, probed=True),
                    )
                    for _ in range(pairs if steps < LARGE else FEW_PAIRS)
                ]
                bare, probed = (statistics.median(side) for side in zip(*took, strict=True))
                shares = [(after - before) / before for before, after in took]
                low, middle, high = statistics.quantiles(shares, n=4)
                print(
                    f"| {name}, {half} | {steps:,} | {bare * 1000:.1f} ms | {probed * 1000:.1f} ms "
                    f"| {middle:+.1%} ({low:+.1%} to {high:+.1%}): {_met(middle <= PROBING_AT_MOST)} |",
                    flush=True,
                )


EMPTY = "def run(jobs):\n    for _ in jobs:\n        pass\n"


def empty_cpu_s(half: Path, steps: int, services: Services, *, probed: bool) -> float:
    """CPU seconds of a half that only takes its steps, beside an HTTP service that it does not ask."""
    scenario = catalog.Catalog().get("unclosed-body").scenario
    before = _children_cpu_s()
    with Half(half, services) as target:
        its = services.start(scenario.services, service_needs(scenario, scenario.settings))
        measured = Measurement("empty", target, services, its, Limits())
        measured.prepare(listed({"jobs": Steps(steps)}) if not probed else {"jobs": Steps(steps)})
        ready = time.clock_gettime((~target.pid << 3) | 2)
        measured.run()
        target.end()
        services.stop(its)
    return _children_cpu_s() - before - ready


def print_step_cost(rounds: int) -> None:
    """Microseconds of the half's CPU time that a step takes which is sampled, and one which is only counted."""
    sampled: list[float] = []
    counted: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Services() as services:
        half = Path(folder) / "empty.py"
        half.write_text(EMPTY)
        for _ in range(rounds):
            bare = empty_cpu_s(half, SAMPLED_STEPS, services, probed=False)
            few = empty_cpu_s(half, SAMPLED_STEPS, services, probed=True)
            many = empty_cpu_s(half, SAMPLED_STEPS + 5_000, services, probed=True)
            sampled.append((few - bare) / (SAMPLED_STEPS + 1))
            counted.append((many - few) / 5_000)
    print(
        f"\nOf the half's CPU time, a step that is sampled takes {statistics.median(sampled) * 1e6:.0f} µs (least "
        f"{min(sampled) * 1e6:.0f}), one that is only counted {statistics.median(counted) * 1e6:.1f} µs (least "
        f"{min(counted) * 1e6:.1f})."
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="rounds of 50, 1,000 and 10,000 steps")
    parser.add_argument("--cpu-pairs", type=int, default=9, help="pairs of a bare and a probed half")
    arguments = parser.parse_args()
    if not Path("/proc/self/status").exists():
        sys.exit("this benchmark reads /proc: it needs Linux")
    if arguments.pairs:
        print_scale(arguments.pairs)
    if arguments.cpu_pairs:
        print_probing(max(2, arguments.cpu_pairs))
        print_step_cost(arguments.cpu_pairs)
    print(
        f"\nleaklab {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"{datetime.datetime.now(datetime.UTC).date()}"
    )


if __name__ == "__main__":
    main()
