"""What it costs to look inside a half that has leaked: CPU seconds of one look, by the process's own clock.

Each half is run once beside a witness, as `leaklab run` does it. Prints the table in docs/benchmarks.md:

    python -m benchmarks.inside
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from leaklab.explain.explaining import Plan, Statement, Witnessed
from leaklab.measure.target import Steps
from leaklab.services.client import Services
from leaklab.services.kinds import ServiceNeeds
from leaklab.system.interrupts import Owner
from leaklab.system.limits import Limits
from leaklab.system.machine import raise_fd_limit

HALF = """
import socket
import requests

recent, others = [], [{"number": n, "items": [n]} for n in range(%d)]


class Response:
    def __init__(self, sock):
        self.raw = {"sock": sock}


def run(address, items):
    for _ in items:
        recent.append(Response(socket.create_connection(tuple(address))))
"""

CASES = ((50, 0), (1_000, 0), (10_000, 0), (50, 500_000))
"""Sockets that are leaked, and other objects (a dictionary and a list each) beside half a million."""


def look(services: Services, sockets: int, others: int) -> Statement:
    """One look at a half that has leaked so many sockets, beside so many other pairs of objects."""
    with tempfile.TemporaryDirectory(prefix="ll-") as folder:
        file = Path(folder, "leaky.py")
        file.write_text(HALF % others, encoding="utf-8")
        its = services.start(("http",), ServiceNeeds())
        workload = {"address": ["127.0.0.1", its.endpoints["http"].port], "items": Steps(sockets)}
        with Owner() as owner:
            half = Witnessed(file, workload, Plan({"sockets": sockets}), services, its, Limits(), {})
            found = owner.enter_context(half).statement(120.0)
        services.stop(its)
    return found


def main() -> None:
    """Print the table."""
    raise_fd_limit()
    print("| sockets leaked | other objects | groups | chain | CPU s of the look |")
    print("| ---: | ---: | ---: | --- | ---: |")
    with Owner() as owner:
        services = owner.enter_context(Services())
        for sockets, others in CASES:
            runs = [look(services, sockets, others) for _ in range(3)]
            groups = runs[0].of("sockets", ("left",))
            chain = groups[0].kept[0] if groups and groups[0].kept else "-"
            cpu = sorted(run.cpu_s for run in runs)[1]
            print(f"| {groups[0].count:,} | {2 * others:,} | {len(groups)} | `{chain}` | {cpu:.2f} |")


if __name__ == "__main__":
    main()
