"""Who sees which planted leak: ResourceWarning, tracemalloc, psleak, pyleak, pytest-memray and leaklab, side by side.

Each peer is used as its own documentation says, with the options that suit the case best (PEERS tells which), on the
same half of tests/planted and the same service. What it costs is the time of its whole process against that of the bare
half, in turn, program by program; the services are running already, but for leaklab, which pays for its own.

    pip install -e '.[bench]'
    python -m benchmarks.peers [--steps 100] [--only NAME]
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaklab.services.client import Services
    from tests.planted.programs import Program

SEES, SILENT = "sees it", "silent"
TIME_LIMIT_S = 120
FOREVER = 20_000
"""Steps of a schedule that psleak may need: it calls one step again and again."""

WARM_UP_STEPS = 30
"""Steps before psleak, pyleak and pytest-memray begin to look: what a user does who knows of a pool or a cache."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to look for leaks.

    Attributes:
        name: the table's heading.
        package: what must be installed; None is Python itself.
        how: the way it is used, for the notes under the table.
        flags: options of the interpreter.
        environment: variables it wants.
    """

    name: str
    package: str | None
    how: str
    flags: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


PEERS = (
    Peer(
        "ResourceWarning",
        None,
        "`python -X dev -W always::ResourceWarning`, `gc.collect()` after the run; it sees a leak if it warns of one",
        ("-X", "dev", "-W", "always::ResourceWarning"),
    ),
    Peer(
        "tracemalloc",
        None,
        "two snapshots in the run, at the middle and at the last step, each after `gc.collect()`, compared by line; "
        "it sees a leak if a line holds at least one block more for every tenth step",
    ),
    Peer(
        "psleak",
        "psleak",
        f"after {WARM_UP_STEPS} steps to warm up, `MemoryLeakTestCase.execute(step)` with its defaults, every checker, "
        "and the environment its README advises",
        (),
        (("PYTHONMALLOC", "malloc"), ("PYTHONUNBUFFERED", "1")),
    ),
    Peer(
        "pyleak",
        "pyleak",
        f"after {WARM_UP_STEPS} steps to warm up, "
        '`no_thread_leaks(action="raise", exclude_daemon=False, grace_period=0.5)` around the run; its other detectors '
        "are for asyncio",
    ),
    Peer(
        "pytest-memray",
        "pytest-memray",
        f'after {WARM_UP_STEPS} steps to warm up, `@pytest.mark.limit_leaks("32 KB")` on a test of the run',
    ),
    Peer(
        "leaklab",
        "leaklab",
        "as `leaklab run` does, services and their start included; it sees a leak if its verdict is `leaks`",
    ),
)

LEAKS = (
    "sockets: 1 every step",
    "sockets: 1 every 10th step",
    "sockets: 1 every step, until it returns",
    "connections: 1 every step",
    "cursors: 1 every step",
    "threads: 1 every step",
    "descriptors: 1 every step",
    "descriptors: 1 every 10th step",
    "memory: 1 MiB every step",
)
NEAR_LEAKS = (
    "sockets: pool that grows to 8",
    "sockets: closed 5 steps later",
    "connections: always used again",
    "cursors: pool that grows to 8",
    "cursors: closed 5 steps later",
    "threads: pool that grows to 8",
    "threads: 8 that end 0.3 s after return",
    "descriptors: cache of 8, filled by chance",
    "descriptors: closed 5 steps later",
    "memory: cache of 24 MiB",
)


# ---- in the child: the half, under a peer


class Half:
    """The half of `spec`: what it holds stays with its module, from one call to the next."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        module_spec = importlib.util.spec_from_file_location("half", spec["half"])
        assert module_spec is not None and module_spec.loader is not None  # noqa: PT018, S101 # a path of ours
        self._module = importlib.util.module_from_spec(module_spec)
        module_spec.loader.exec_module(self._module)
        self._given: dict[str, Any] = spec["arguments"]
        self._done = 0
        self.cleans_up: bool = self._given.get("clean_up", False)

    def run(self, steps: int, at: Callable[[int], None] | None = None) -> None:
        """So many steps. A half that cleans up begins anew each time, another one goes on where it was.

        `at` is called with the number of steps done before each step and after the last.
        """
        first = 0 if self.cleans_up else self._done % FOREVER
        self._done += steps
        arguments = {
            name: value[first : first + steps] if name in ("opens", "gives_back") else value
            for name, value in self._given.items()
        }
        name = "urls" if "urls" in arguments else "jobs"
        arguments[name] = _told(arguments[name][0], steps, at or (lambda _: None))
        self._module.run(**arguments)

    def warm_up(self) -> None:
        """Enough steps for a pool to be full, and time for what they started to end."""
        self.run(WARM_UP_STEPS)
        time.sleep(self._given.get("lingers", 0) * 2)


def _told(item: object, count: int, at: Callable[[int], None]) -> Iterator[object]:
    for number in range(count):
        at(number)
        yield item
    at(count)


def under_bare(half: Half, steps: int) -> bool:
    """No tool looks."""
    half.run(steps)
    return False


def under_resourcewarning(half: Half, steps: int) -> bool:
    """The warnings are shown on standard error, the last of them when the interpreter ends: the parent reads them."""
    import gc

    half.run(steps)
    gc.collect()
    return False


def under_tracemalloc(half: Half, steps: int) -> bool:
    """Compare the middle of the run with its last step."""
    import gc
    import tracemalloc

    tracemalloc.start()
    snapshots: list[tracemalloc.Snapshot] = []

    def look(done: int) -> None:
        if done in (steps // 2, steps):
            gc.collect()
            snapshots.append(tracemalloc.take_snapshot())

    half.run(steps, look)
    differences = snapshots[1].compare_to(snapshots[0], "lineno")
    own = tracemalloc.__file__
    grown = [one for one in differences if one.traceback[0].filename != own and one.count_diff >= steps // 20]
    for one in grown[:3]:
        print(one, file=sys.stderr)
    return bool(grown)


def under_psleak(half: Half, steps: int) -> bool:  # noqa: ARG001 # psleak says how many calls it wants
    """One call is one step; of a half that cleans up in the end, ten steps and that."""
    psleak = importlib.import_module("psleak")
    half.warm_up()
    try:
        psleak.MemoryLeakTestCase().execute(lambda: half.run(10 if half.cleans_up else 1))
    except psleak.Error as error:
        print(type(error).__name__, error, file=sys.stderr)
        return True
    return False


def under_pyleak(half: Half, steps: int) -> bool:
    """Threads that live on half a second after the run."""
    pyleak = importlib.import_module("pyleak")
    half.warm_up()
    try:
        with pyleak.no_thread_leaks(action="raise", exclude_daemon=False, grace_period=0.5):
            half.run(steps)
    except pyleak.ThreadLeakError as error:
        print(str(error)[:200], file=sys.stderr)
        return True
    return False


MEMRAY_TEST = """
import json, pytest
from benchmarks.peers import Half

SPEC = json.loads({spec!r})
half = Half(SPEC)
half.warm_up()

@pytest.mark.limit_leaks("32 KB")
def test_half():
    half.run(SPEC["steps"])
"""


def under_memray(spec: Mapping[str, Any]) -> bool:
    """A test of its own, run by pytest."""
    import pytest

    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_half.py"
        test.write_text(MEMRAY_TEST.format(spec=json.dumps(spec)))
        code = pytest.main(["--memray", "-q", "-p", "no:cacheprovider", "--rootdir", folder, str(test)])
    if code not in (0, 1):
        raise RuntimeError(f"pytest ended with {code}")
    return code == 1


def under_leaklab(spec: Mapping[str, Any]) -> bool:
    """The lab's own run, services and all."""
    from tests.planted.programs import measure

    program = program_called(spec["program"])
    judgement = measure(program, spec["steps"]).judgement
    print(judgement, file=sys.stderr)
    return judgement.verdict == "leaks"


def drive(peer: str) -> None:
    """Run the half that standard input describes under one peer; the exit code says what came of it."""
    spec = json.load(sys.stdin)
    if peer == "pytest-memray":
        saw = under_memray(spec)
    elif peer == "leaklab":
        saw = under_leaklab(spec)
    else:
        under = {
            "bare": under_bare,
            "ResourceWarning": under_resourcewarning,
            "tracemalloc": under_tracemalloc,
            "psleak": under_psleak,
            "pyleak": under_pyleak,
        }[peer]
        saw = under(Half(spec), spec["steps"])
    sys.stdout.flush()
    sys.exit(10 if saw else 0)


# ---- in the parent: the programs, one after the other


def program_called(name: str) -> Program:
    """The planted program of that name."""
    from tests.planted import programs

    return next(program for program in (*programs.LEAKS, *programs.NEAR_LEAKS) if program.name == name)


def spec_of(program: Program, steps: int, workload: Mapping[str, object]) -> dict[str, object]:
    """What a child needs to know; its schedule is long enough for every peer."""
    from leaklab.measure.target import Steps
    from leaklab.measure.worker import fill

    long = program.arguments(FOREVER)
    arguments = {
        name: [fill(value.item, 1)] if isinstance(value, Steps) else long.get(name, value)
        for name, value in workload.items()
    }
    return {"program": program.name, "half": str(program.path), "steps": steps, "arguments": arguments}


def child(peer: Peer | None, spec: Mapping[str, object]) -> tuple[float, str, str]:
    """Seconds, what the peer made of it, and what it printed."""
    name = "bare" if peer is None else peer.name
    flags, environment = ((), ()) if peer is None else (peer.flags, peer.environment)
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *flags, "-m", "benchmarks.peers", "--drive", name],
            input=json.dumps(spec),
            text=True,
            capture_output=True,
            check=False,
            timeout=TIME_LIMIT_S,
            env={**os.environ, **dict(environment)},
            cwd=Path(__file__).parents[1],
        )
    except subprocess.TimeoutExpired:
        return TIME_LIMIT_S, f"over {TIME_LIMIT_S} s", ""
    took = time.perf_counter() - started
    printed = done.stdout + done.stderr
    warned = name == "ResourceWarning" and "ResourceWarning: unclosed" in done.stderr
    if done.returncode not in (0, 10):
        return took, "error", printed
    return took, SEES if done.returncode == 10 or warned else SILENT, printed


def version_of(peer: Peer) -> str | None:
    """The version of what is used; None if it is not installed."""
    if peer.package is None:
        return platform.python_version()
    try:
        return metadata.version(peer.package)
    except metadata.PackageNotFoundError:
        return None


def measure_program(
    program: Program, steps: int, services: Services, *, talk: bool
) -> tuple[dict[str, str], dict[str, float]]:
    """What each peer made of a program, and its time as a ratio of the bare run's."""
    from leaklab.content.declaration import Lab
    from leaklab.content.settings import Settings
    from leaklab.lab.provision import service_needs
    from tests.planted.programs import HALVES, PlantedEntry

    scenario = PlantedEntry(HALVES, program=program).scenario
    said: dict[str, str] = {}
    ratios: dict[str, float] = {}
    for peer in PEERS:
        if version_of(peer) is None:
            said[peer.name] = "not installed"
            continue
        its = services.start(scenario.services, service_needs(scenario, Settings(steps=steps)))
        spec = spec_of(program, steps, scenario.workload(Lab(Settings(steps=steps), its.endpoints)))
        bare, _, _ = child(None, spec)
        took, said[peer.name], printed = child(peer, spec)
        services.stop(its)
        ratios[peer.name] = took / bare
        if talk or said[peer.name] == "error":
            print(f"{program.name} / {peer.name}: {said[peer.name]}, {took:.2f} s\n{printed[-700:]}", file=sys.stderr)
    return said, ratios


def cell(said: str, *, leaks: bool) -> str:
    """A word in the table: what is right is plain, what is wrong is bold."""
    if said not in (SEES, SILENT):
        return said
    if leaks:
        return "sees it" if said == SEES else "**misses it**"
    return "**accuses it**" if said == SEES else "silent"


def print_table(names: Sequence[str], steps: int, *, talk: bool) -> None:
    """Markdown, a row for each program as it is done, then what it cost and how it was used."""
    from leaklab.services.client import Services
    from leaklab.system.machine import raise_fd_limit

    raise_fd_limit()
    headings = " | ".join(f"{peer.name} {version_of(peer) or ''}".strip() for peer in PEERS)
    print(f"| planted, {steps} steps | {headings} |\n| --- |{' --- |' * len(PEERS)}")
    ratios: dict[str, list[float]] = {peer.name: [] for peer in PEERS}
    right: dict[str, list[bool]] = {peer.name: [] for peer in PEERS}
    with Services() as services:
        for name in names:
            program = program_called(name)
            leaks = program.truth is not None
            said, costs = measure_program(program, steps, services, talk=talk)
            for used, ratio in costs.items():
                ratios[used].append(ratio)
                right[used].append(said[used] == (SEES if leaks else SILENT))
            row = " | ".join(cell(said[peer.name], leaks=leaks) for peer in PEERS)
            print(f"| {'leak' if leaks else 'near-leak'}: {name} | {row} |", flush=True)
    scores = [f"{sum(right[peer.name])} of {len(right[peer.name])}" if right[peer.name] else "–" for peer in PEERS]
    costs_in_words = [
        f"{statistics.median(each):.1f} × ({min(each):.1f} to {max(each):.1f})" if (each := ratios[peer.name]) else "–"
        for peer in PEERS
    ]
    print(f"| right | {' | '.join(scores)} |")
    print(f"| time, of the bare run's: median (least to most) | {' | '.join(costs_in_words)} |")
    print(f"\nPython {platform.python_version()}, {datetime.datetime.now(datetime.UTC).date()}. How each was used:\n")
    for each_peer in PEERS:
        print(f"- {each_peer.name}: {each_peer.how}.")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--only", default="", help="programs whose name contains this")
    parser.add_argument("--talk", action="store_true", help="show what each peer printed")
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        drive(arguments.drive)
        return
    names = [name for name in (*LEAKS, *NEAR_LEAKS) if arguments.only in name]
    print_table(names, arguments.steps, talk=arguments.talk)


if __name__ == "__main__":
    main()
