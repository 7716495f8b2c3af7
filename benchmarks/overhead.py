"""What measuring costs: `leaklab run` against its two halves run bare by plain python on the same services.

Both sides include every start-up: the interpreter, the imports, the services. Bare and measured runs take turns, and
the ratio is taken pair by pair, so that it holds when the machine's speed drifts. Prints the table in
docs/benchmarks.md:

    python -m benchmarks.overhead [--pairs N]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from leaklab.content import catalog
from leaklab.content.declaration import Lab
from leaklab.lab.provision import service_needs
from leaklab.measure.target import Steps
from leaklab.measure.worker import fill
from leaklab.services.client import Services
from leaklab.system.machine import raise_fd_limit
from leaklab.system.processes import child_environment

PLAIN = Path(__file__).with_name("plain.py")
CASES = (
    ("unclosed-body", 50),
    ("close-in-loop", 50),
    ("open-cursor", 50),
    ("huge-array", 50),
    ("unclosed-body", 2000),
    ("close-in-loop", 2000),
    ("open-cursor", 2000),
    ("huge-array", 2000),
)
TYPER_APP = """
import typer
app = typer.Typer()
@app.command()
def one(): pass
@app.command()
def two(): pass
@app.command()
def three(): pass
app()
"""


def bare(name: str, steps: int) -> float:
    """Seconds for the services and both halves, without the lab."""
    entry = catalog.Catalog().get(name)
    settings = entry.scenario.settings.changed(name, {"steps": steps})
    started = time.perf_counter()
    with Services() as services:
        for half in ("leaky", "fixed"):
            its = services.start(entry.scenario.services, service_needs(entry.scenario, settings))
            workload = entry.scenario.workload(Lab(settings, its.endpoints))
            command = [sys.executable, "-P", str(PLAIN), str(entry.half_path(half)), json.dumps(listed(workload))]
            subprocess.run(command, check=True, env=child_environment())
            services.stop(its)
    return time.perf_counter() - started


def listed(workload: dict[str, object] | object) -> dict[str, object]:
    """A workload with its steps as plain lists."""
    assert isinstance(workload, dict)  # noqa: S101 # every built-in workload is one
    return {
        key: [fill(value.item, number) for number in range(1, value.count + 1)] if isinstance(value, Steps) else value
        for key, value in workload.items()
    }


def command(*arguments: str) -> float:
    """Seconds for one run of a program by this interpreter."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=child_environment())
    return time.perf_counter() - started


def row(label: str, pairs: list[tuple[float, float]]) -> None:
    """Print one line: medians of both sides and of the ratio."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"| {label} | {ours:.2f} s | {theirs:.2f} s | {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}) |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="runs of each side, in turn")
    pairs = parser.parse_args().pairs
    raise_fd_limit()
    print("| command | leaklab | bare | ratio, median (least to most) |\n| --- | --- | --- | --- |")
    for name, steps in CASES:
        arguments = ("-m", "leaklab", "run", name, "--steps", str(steps), "--json")
        row(f"run {name} --steps {steps}", [(command(*arguments), bare(name, steps)) for _ in range(pairs)])
    row(
        "--help, against a Typer app of 3",
        [(command("-m", "leaklab", "--help"), command("-c", TYPER_APP, "--help")) for _ in range(pairs)],
    )
    started = time.perf_counter()
    command("-m", "leaklab", "compare", "--json")
    print(f"\ncompare at its defaults: {time.perf_counter() - started:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"largest process of all (halves that hold their leak among them): {peak // 1024} MiB")


if __name__ == "__main__":
    main()
