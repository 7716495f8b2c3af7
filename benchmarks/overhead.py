"""What measuring costs: `leaklab run` against its halves run bare by plain python on the same services.

Both sides include every start-up: the interpreter, the imports, the services. Bare and measured runs take turns, and
the ratio is taken pair by pair, so that it holds when the machine's speed drifts. `the halves` are the leaky and the
fixed half, once each; `all runs` is the same work as leaklab's: each half that something grows in runs a second time,
with another number of steps. Prints the first tables of "What measuring costs" in docs/benchmarks.md:

    python -m benchmarks.overhead [--pairs N] [--beside CHECKOUT]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from leaklab.content import catalog
from leaklab.content.declaration import Lab
from leaklab.lab.provision import service_needs
from leaklab.measure.target import Steps
from leaklab.measure.worker import fill
from leaklab.services.client import Services
from leaklab.system.machine import raise_fd_limit
from leaklab.system.processes import child_environment

HERE = Path(__file__).parents[1]
PLAIN = Path(__file__).with_name("plain.py")
NAMES = ("unclosed-body", "close-in-loop", "open-cursor", "huge-array")
SIZES = (50, 2000)
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

Runs = Sequence[tuple[str, int]]
"""Halves and their steps, in order."""


def bare(name: str, runs: Runs) -> float:
    """Seconds for the services and these runs of halves, without the lab."""
    entry = catalog.Catalog().get(name)
    started = time.perf_counter()
    with Services() as services:
        for half, steps in runs:
            settings = entry.scenario.settings.changed(name, {"steps": steps})
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


def timed(*arguments: str, checkout: Path = HERE) -> tuple[float, float, bytes]:
    """Seconds and CPU seconds for one run of a program by this interpreter, all its processes included; its output."""
    environment = {**child_environment(), "PYTHONPATH": str(checkout)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [sys.executable, *arguments]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, cwd=checkout).stdout
    took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def all_runs(name: str, steps: int) -> Runs:
    """The runs that leaklab makes of the halves of a scenario to come to its verdicts."""
    result = json.loads(timed("-m", "leaklab", "run", name, "--steps", str(steps), "--no-explain", "--json")[2])
    return [
        (half, size)
        for half, about in result["halves"].items()
        for size in dict.fromkeys([steps, *(work["steps"] for one in about["findings"] for work in one["work"])])
    ]


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def run_rows(pairs: int) -> Iterator[str]:
    """The table of runs."""
    yield "| command | leaklab | the halves bare | ratio | all runs bare | ratio | with evidence, of the halves bare |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for steps in SIZES:
        for name in NAMES:
            command = ("-m", "leaklab", "run", name, "--steps", str(steps), "--json")
            halves, runs = [("leaky", steps), ("fixed", steps)], all_runs(name, steps)
            ours, two, every, explained = zip(
                *(
                    (timed(*command, "--no-explain")[0], bare(name, halves), bare(name, runs), timed(*command)[0])
                    for _ in range(pairs)
                ),
                strict=True,
            )
            yield (
                f"| run {name} --steps {steps} | {statistics.median(ours):.2f} s | {statistics.median(two):.2f} s | "
                f"{spread(ratios(ours, two))} | {statistics.median(every):.2f} s | {spread(ratios(ours, every))} | "
                f"{spread(ratios(explained, two))} |"
            )


def ratios(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """The ratio of each pair."""
    return [one / other for one, other in zip(these, those, strict=True)]


def command_rows(pairs: int, other: Path | None) -> Iterator[str]:
    """The table of whole commands, beside those of another checkout."""
    yield "| command | s | CPU s | s, of the other's | CPU s, of the other's |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    with tempfile.TemporaryDirectory() as folder:
        commands = {"compare": ("compare", "--json"), "--help": ("--help",)}
        for name in NAMES:
            file = Path(folder, f"{name.replace('-', '_')}.py")
            file.write_text(catalog.Catalog().get(name).source("fixed"))
            commands[f"check of a good {file.name}"] = ("check", str(file), "--scenario", name)
        for label, arguments in commands.items():
            ours, theirs = [], []
            for _ in range(pairs):
                ours.append(timed("-m", "leaklab", *arguments)[:2])
                if other is not None:
                    theirs.append(timed("-m", "leaklab", *arguments, checkout=other)[:2])
            cells = [spread([one[kind] for one in ours]) for kind in (0, 1)]
            for kind in (0, 1):
                of = [one[kind] for one in ours], [one[kind] for one in theirs]
                cells.append(spread(ratios(*of)) if theirs else "-")
            yield f"| {label} | {' | '.join(cells)} |"
    both = [(timed("-m", "leaklab", "--help")[0], timed("-c", TYPER_APP, "--help")[0]) for _ in range(pairs)]
    of_typers = spread([one / other for one, other in both])
    yield f"\n`--help` takes {of_typers} of what a Typer app of three commands takes."


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9, help="runs of each side, in turn")
    parser.add_argument(
        "--beside", type=Path, metavar="CHECKOUT", help="another checkout, to compare whole commands with"
    )
    given = parser.parse_args()
    raise_fd_limit()
    for line in run_rows(given.pairs):
        print(line, flush=True)
    print()
    for line in command_rows(given.pairs, given.beside and given.beside.resolve()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
