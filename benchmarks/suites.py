"""Which tests leak: pyleak, pytest-threadleak, pytest-memray and leaklab's plugin on tests/suites, side by side.

Each peer watches every test, in the way its documentation gives for a single one. Then what the plugin costs: the CPU
time of 600 tests that open nothing, and the time of tests that leave something and do not leak, with it over without.

    pip install -e '.[bench]'
    python -m benchmarks.suites [--runs 9]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

SUITES = Path(__file__).parents[1] / "tests" / "suites"

MARK_ALL = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker({marker})
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """One plugin: its package, the options that turn it on, what has to be in conftest.py, and how it is used."""

    package: str
    options: Sequence[str] = ()
    conftest: str = ""
    how: str = ""


PEERS = (
    Peer(
        "pyleak", conftest=MARK_ALL.format(marker="pytest.mark.no_leaks"), how="`@pytest.mark.no_leaks` on every test"
    ),
    Peer("pytest-threadleak", ("--threadleak",), how="`--threadleak`"),
    Peer(
        "pytest-memray",
        ("--memray",),
        MARK_ALL.format(marker='pytest.mark.limit_leaks("32 KB")'),
        "`--memray`, `@pytest.mark.limit_leaks('32 KB')` on every test",
    ),
    Peer("leaklab", ("--leaklab",), how="`--leaklab`"),
)

PLUGINS = {"pyleak": "pyleak", "pytest-threadleak": "threadleak", "pytest-memray": "memray", "leaklab": "leaklab"}
"""The names by which pytest knows them: only one of them is loaded at a time."""

OTHERS = ("asyncio", "anyio", "randomly", "rerunfailures", "hypothesispytest", "xdist", "cacheprovider")

SIMPLE = "".join(f"def test_{number}(number):\n    assert sum(range(number)) == 3\n\n\n" for number in range(100))
FIXTURE = "import pytest\n\n\n@pytest.fixture\ndef number():\n    return 3\n\n\n"


def outcomes(folder: Path, suite: str, peer: Peer) -> dict[str, str]:
    """How each test of a suite ends beside one plugin."""
    for name in ("conftest.py", suite):
        shutil.copy(SUITES / name, folder)
    (folder / "conftest.py").write_text((SUITES / "conftest.py").read_text() + peer.conftest)
    record = folder / "record.py"
    record.write_text(
        "import json\nfound = {}\n"
        "def pytest_runtest_logreport(report):\n"
        "    if report.when == 'call' or report.failed:\n        found[report.nodeid] = report.outcome\n"
        "def pytest_sessionfinish():\n    open('found.json', 'w').write(json.dumps(found))\n"
    )
    run(folder, suite, "-precord", *peer.options, loaded=peer.package)
    return dict(json.loads((folder / "found.json").read_text()))


def run(folder: Path, *arguments: str, loaded: str = "leaklab") -> tuple[float, float]:
    """Run pytest with one of the plugins loaded; the seconds that it takes, and those of CPU time."""
    (folder / "pytest.ini").write_text("[pytest]\npython_files = *.py\n")
    left_out = [name for package, name in PLUGINS.items() if package != loaded]
    command = [sys.executable, "-m", "pytest", "-q", *(f"-pno:{name}" for name in [*OTHERS, *left_out])]
    # What the suites need of leaklab itself: its services.
    command += ["-pleaklab.testing.service_fixtures", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, cpu_s


def ratio(folder: Path, runs: int, *arguments: str, of: int) -> str:
    """The time (`of` 0) or CPU time (1) with the plugin over that without it, in turn."""
    pairs = [(run(folder, *arguments, "--leaklab")[of], run(folder, *arguments)[of]) for _ in range(runs + 1)][1:]
    ratios = sorted(watched / bare for watched, bare in pairs)
    of_each = (statistics.median(one) for one in zip(*pairs, strict=True))
    watched, bare = of_each
    return f"{watched:.2f} s | {bare:.2f} s | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    seen: Mapping[str, tuple[int, int, int, int]] = {}
    for peer in PEERS:
        with tempfile.TemporaryDirectory() as name:
            leaks, near = (outcomes(Path(name), suite, peer) for suite in ("leaks.py", "near_leaks.py"))
        found, accused = (sum(outcome == "failed" for outcome in each.values()) for each in (leaks, near))
        seen = {**seen, peer.package: (found, len(leaks), accused, len(near))}
    print("| plugin | leaks seen | near-leaks accused | how |\n| --- | ---: | ---: | --- |")
    for peer in PEERS:
        found, leaking, accused, innocent = seen[peer.package]
        version = metadata.version(peer.package)
        print(f"| {peer.package} {version} | {found} of {leaking} | {accused} of {innocent} | {peer.how} |")
    print("\n| suite | with the plugin | without | ratio |\n| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        for number in range(6):
            Path(name, f"simple_{number}.py").write_text(FIXTURE + SIMPLE)
        print(f"| 600 tests that open nothing, CPU time | {ratio(Path(name), runs, of=1)} |")
    with tempfile.TemporaryDirectory() as name:
        for file in ("conftest.py", "near_leaks.py"):
            shutil.copy(SUITES / file, name)
        print(f"| the near-leaks, elapsed time | {ratio(Path(name), max(3, runs // 3), 'near_leaks.py', of=0)} |")
    today = datetime.datetime.now(datetime.UTC).date()
    print(f"\nPython {platform.python_version()}, pytest {metadata.version('pytest')}, {os.cpu_count()} cores, {today}")


if __name__ == "__main__":
    _main()
