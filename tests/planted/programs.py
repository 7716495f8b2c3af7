"""Programs with planted leaks of known size, and near-leaks that are none: a half beside this file × a schedule.

A schedule says how many things a half opens at each step, and how many of the oldest it gives back. Whether that is a
leak follows from the schedule alone, so the truth about every program is computed here, not measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from leaklab.content.catalog import Entry
from leaklab.content.declaration import Documents, Lab, Scenario
from leaklab.content.settings import Settings
from leaklab.judge.findings import Finding, Verdict
from leaklab.lab.pair import run_halves
from leaklab.lab.reruns import second_size
from leaklab.lab.result import HalfResult, JudgedRun
from leaklab.lab.run_options import RunOptions
from leaklab.measure.target import Steps
from leaklab.system.limits import Limits

HALVES = Path(__file__).parent
MIB = 2**20

METRIC = {
    "sockets": "open_sockets",
    "connections": "connections_opened",
    "cursors": "open_cursors",
    "threads": "threads",
    "descriptors": "open_fds",
    "memory": "rss",
    "child_memory": "rss",
    "tasks": "tasks",
    "files": "files_left",
    "children": "child_processes",
    "zombies": "zombie_processes",
    "sessions": "open_sessions",
}
"""The metric that shows the leak of each half."""

RSS_WITHIN = 0.05
"""RSS may differ by this share from what was planted."""

OF_A_CHILD = 6 * MIB
"""Bytes that a child process takes for itself, at most."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many things are opened at each step, and how many of the oldest are given back before that."""

    opens: tuple[int, ...]
    gives_back: tuple[int, ...]

    @property
    def left(self) -> int:
        """How many are open after the last step."""
        return sum(self.opens) - sum(self.gives_back)


Schedules = Callable[[int], Schedule]
"""A schedule for so many steps."""


def leak(each: int = 1, *, every: int = 1, first: int | None = None) -> Schedules:
    """`each` at one step in `every`, the first time at step `first` (counted from 1; None: the last of each round)."""
    at = (every if first is None else first) - 1
    return _opening(lambda step: each if step >= at and (step - at) % every == 0 else 0)


def fill(bound: int, *, every: int = 1) -> Schedules:
    """A pool that grows by one at one step in `every` until it holds `bound`."""
    return _opening(lambda step: int(step % every == 0 and step // every < bound))


def cache(room: int, *, seed: int = 0) -> Schedules:
    """A cache of `room` different things that are asked for by chance: it fills ever more slowly."""

    def schedule(steps: int) -> Schedule:
        chance, seen, opens = random.Random(seed), set[int](), []  # noqa: S311 # no secret, a schedule
        for _ in range(steps):
            wanted = chance.randrange(room)
            opens.append(int(wanted not in seen))
            seen.add(wanted)
        return Schedule(tuple(opens), (0,) * steps)

    return schedule


def late(after: int, each: int = 1) -> Schedules:
    """`each` at every step, given back `after` steps later."""
    return lambda steps: Schedule((each,) * steps, tuple(each if step >= after else 0 for step in range(steps)))


def waves(height: int) -> Schedules:
    """One more at every step, and all of them given back at every step that is a multiple of `height`."""
    return lambda steps: Schedule(
        (1,) * steps, tuple(height if step and step % height == 0 else 0 for step in range(steps))
    )


def _opening(opens: Callable[[int], int]) -> Schedules:
    return lambda steps: Schedule(tuple(map(opens, range(steps))), (0,) * steps)


@dataclass(frozen=True, slots=True)
class Program:
    """A half on a schedule, and the truth about it.

    Attributes:
        name: what it is called in a table.
        half: which file beside this one, by its stem.
        schedule: what it does at each step.
        truth: `leaked`, `held` or `wasted`; None for a near-leak, which is clean.
        cleans_up: whether it gives back all that is open before it returns.
        settings: other arguments of the half.
        least: the fewest steps at which the verdict must be right: with fewer, nobody can tell, for the readings of
            a leak and of a near-leak are the same. A pool of 8 at its 8th step has grown at every step.
    """

    name: str
    half: str
    schedule: Schedules
    truth: str | None = None
    cleans_up: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    least: int = 50

    @property
    def metric(self) -> str:
        """The metric that shows it."""
        return METRIC[self.half]

    @property
    def path(self) -> Path:
        """The file of its half."""
        return HALVES / f"{self.half}.py"

    def planted(self, steps: int) -> int:
        """How much leaks in so many steps, in the metric's unit; of memory, bytes."""
        schedule = self.schedule(steps)
        if self.half == "connections":
            return connections_opened(schedule)
        return schedule.left * (self.block if self.metric == "rss" else 1)

    def within(self, planted: float) -> float:
        """By how much the measurement may differ from what was planted: counts by nothing."""
        of_the_child = OF_A_CHILD if self.half == "child_memory" else 0
        return RSS_WITHIN * planted + of_the_child if self.metric == "rss" else 0

    @property
    def block(self) -> int:
        """Bytes of one block of memory, or of one file."""
        block = self.settings.get("block", MIB)
        assert isinstance(block, int)
        return block

    def arguments(self, steps: int) -> dict[str, object]:
        """What its half gets beside its steps and the addresses of services."""
        schedule = self.schedule(steps)
        arguments: dict[str, object] = {"opens": list(schedule.opens)}
        if self.half != "connections":
            arguments |= {"gives_back": list(schedule.gives_back), "clean_up": self.cleans_up}
        match self.half:
            case "cursors":
                arguments |= {"pause": 0.0, "drop": False}
            case "threads":
                arguments |= {"lasts": None, "lingers": 0.0, "pause": 0.0}
            case "memory" | "child_memory" | "files":
                arguments |= {"block": MIB}
        return arguments | dict(self.settings)

    def workload(self, lab: Lab) -> Mapping[str, object]:
        """The arguments of its half."""
        arguments = self.arguments(lab.steps)
        match self.half:
            case "sockets" | "connections":
                return {"urls": Steps(lab.steps, lab.http.url("/profiles/{n}")), **arguments}
            case "cursors" | "sessions":
                addresses = {"mongo_uri": lab.mongo.uri, "database": lab.mongo.database}
                return {**addresses, "jobs": Steps(lab.steps), **arguments}
        return {"jobs": Steps(lab.steps), **arguments}

    def requests(self, settings: Settings) -> Mapping[str, int]:
        """How often the services are asked."""
        opens = self.schedule(settings.steps or 0).opens
        asked = sum(opens) + (opens.count(0) if self.half == "connections" else 0)
        services = {"http": "profiles", "mongo": "read"}
        route = next((services[service] for service in SERVICES.get(self.half, ())), None)
        return {route: asked} if route is not None and asked else {}


def connections_opened(schedule: Schedule) -> int:
    """What a half opens that asks once a step and loses the connection where it does not read."""
    opened, idle = 0, False
    for unread in schedule.opens:
        opened += (unread or 1) - int(idle)
        idle = not unread
    return opened


SERVICES = {"sockets": ("http",), "connections": ("http",), "cursors": ("mongo",), "sessions": ("mongo",)}


@dataclass(frozen=True)
class PlantedEntry(Entry):
    """A program as leaklab's API takes it: a scenario without a folder of its own."""

    program: Program = field(kw_only=True)

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario that the program's half is run in."""
        program = self.program
        return Scenario(
            title=program.name,
            leaks="what was planted",
            summary=program.name,
            workload=program.workload,
            expected={},
            telling=(program.metric,),
            settings=Settings(steps=1),
            services=SERVICES.get(program.half, ()),
            documents=(Documents("orders", 10, {"_id": None}),) if "mongo" in SERVICES.get(program.half, ()) else (),
            requests=program.requests,
        )


def measure(program: Program, steps: int, *, repeat: int = 1) -> HalfResult:
    """Run a program in the lab, as `leaklab run` does."""
    entry = PlantedEntry(HALVES, program=program)
    options = RunOptions(repeat=repeat, limits=Limits(time_s=300))
    result = run_halves(entry, {"planted": program.path}, Settings(steps=steps), options)
    return result.halves["planted"]


@dataclass(frozen=True, slots=True)
class Check:
    """What leaklab said of a program, held against the truth.

    Attributes:
        kind: `right`, `accused` (a finding that is not true), `missed`, `inconclusive`, `wrong count` or `failed`.
        words: the numbers behind it, empty if right.
    """

    kind: str
    words: str = ""


def check(program: Program, steps: int, half: HalfResult) -> Check:
    """Hold the verdict and its numbers against what was planted."""
    judgement = half.judgement
    wrong = half.error or half.complaint
    if wrong:
        return Check("failed", wrong)
    false = [finding for finding in judgement.findings if not _is_true(program, finding)]
    if false:
        return Check("accused", "; ".join(_told(finding) for finding in false))
    if judgement.verdict is Verdict.INCONCLUSIVE:
        return Check("inconclusive", "; ".join(judgement.doubts))
    if program.truth is None:
        return Check("right")
    found = [finding for finding in judgement.findings if finding.metric == program.metric]
    if not found or found[0].kind.value != program.truth:
        return Check("missed", f"{program.truth} {program.metric} is not among {[_told(one) for one in found]}")
    differs = [
        f"{work.value:,.10g} after {work.steps:,} steps, planted were {planted:,.10g}"
        for work in found[0].work
        for planted in [program.planted(work.steps)]
        if abs(work.value - planted) > program.within(planted)
    ]
    if [work.steps for work in found[0].work][:2] != [steps, second_size(steps)]:
        differs.append(f"the sizes are {found[0].work}")
    return Check("wrong count", "; ".join(differs)) if differs else Check("right")


def _told(finding: Finding) -> str:
    return f"{finding.kind} {finding.metric}: {finding.reason}"


def _is_true(program: Program, finding: Finding) -> bool:
    """Whether a finding is so. A socket that is kept is a connection that is not used again, and a descriptor too."""
    also = {
        # One answer kept is 25 KiB of RSS, one thread's stack that was touched 20 KiB: in the thousands, it shows.
        "sockets": {("wasted", "connections_opened"), ("leaked", "rss"), ("held", "rss")},
        "cursors": {("leaked", "rss"), ("held", "rss")},
        "threads": {("leaked", "rss"), ("held", "rss")},
        "descriptors": {("leaked", "rss"), ("held", "rss")},
        "files": {("leaked", "files_left"), ("leaked", "bytes_left")},
        # A forked child that does nothing takes some 110 KiB of its own.
        "children": {("leaked", "rss"), ("held", "rss")},
    }
    if program.truth is None:
        return False
    told = (finding.kind.value, finding.metric)
    return told == (program.truth, program.metric) or told in also.get(program.half, set())


def trace_in_words(run: JudgedRun, metric: str) -> str:
    """The readings of a metric, for a report on what went wrong."""
    points = ", ".join(
        f"{sample.phase}@{sample.steps_done}={sample.get(metric)}"
        for sample in run.trace.samples
        if sample.get(metric) is not None
    )
    return f"{metric}: {points}; {run.summary[metric]}"


COUNTED = ("tasks", "files", "children", "zombies", "sessions")
"""Halves that open one thing at a time."""

LEAKS: tuple[Program, ...] = (
    *(
        Program(f"{half}: {name}", half, schedule, "wasted" if half == "connections" else "leaked", least=least)
        for half in ("sockets", "connections", "cursors", "threads", "descriptors")
        for name, schedule, least in (
            ("1 every step", leak(), 3),
            ("3 every step", leak(3), 3),
            # One strike is as well the first item of a pool, and so may be two.
            ("1 every 10th step", leak(every=10), 30),
            ("1 every 10th step, from the 1st", leak(every=10, first=1), 30),
            ("8 at once every 10th step", leak(8, every=10), 30),
        )
    ),
    # Below the floor of 16 MiB memory is not judged.
    Program("memory: 1 MiB every step", "memory", leak(), "leaked", least=20),
    Program("memory: 10 MiB every 10th step", "memory", leak(10, every=10), "leaked", least=30),
    Program("memory: 64 KiB every step", "memory", leak(), "leaked", settings={"block": MIB // 16}, least=400),
    *(
        Program(f"{half}: 1 every step, until it returns", half, leak(), "held", cleans_up=True, least=least)
        for half, least in (("sockets", 3), ("cursors", 3), ("threads", 3), ("descriptors", 3), ("memory", 20))
    ),
    *(Program(f"{half}: 1 every step", half, leak(), "leaked", least=3) for half in COUNTED),
    Program("child_memory: 1 MiB every step", "child_memory", leak(), "leaked", least=20),
)
"""Programs that leak."""

NEAR_LEAKS: tuple[Program, ...] = (
    *(
        Program(f"{half}: {name}", half, schedule, cleans_up=cleans_up, least=least)
        for half in ("sockets", "cursors", "threads", "descriptors", "memory")
        for name, schedule, cleans_up, least in (
            ("pool that grows to 8", fill(8), False, 16),
            ("pool that grows to 3, each 4th step", fill(3, every=4), False, 20),
            ("cache of 8, filled by chance", cache(8), False, 30),
            ("closed 5 steps later", late(5), True, 12),
            ("closed 7 at a time", waves(7), True, 15),
        )
    ),
    Program("sockets: opened once", "sockets", fill(1), least=2),
    Program("connections: always used again", "connections", leak(0), least=1),
    Program("connections: lost once", "connections", fill(1), least=4),
    Program("cursors: none, but a client for life", "cursors", leak(0), least=1),
    Program("memory: cache of 24 MiB", "memory", fill(24)),
    Program("memory: 56 MiB, freed at once", "memory", waves(7), cleans_up=True, settings={"block": 8 * MIB}, least=15),
    Program("threads: 8 that end 0.3 s after return", "threads", fill(8), cleans_up=True, settings={"lingers": 0.3}),
    Program("threads: 20 that end 0.3 s after return", "threads", fill(20), cleans_up=True, settings={"lingers": 0.3}),
    # They must run for longer than what they start lasts: the threads 0.2 s, the cursors some rounds of a second.
    Program("threads: 1 every step, for 0.2 s", "threads", leak(), settings={"lasts": 0.2, "pause": 0.02}),
    Program("cursors: closed by pymongo's thread", "cursors", leak(), settings={"drop": True, "pause": 0.05}, least=60),
    *(Program(f"{half}: closed 5 steps later", half, late(5), cleans_up=True, least=12) for half in COUNTED),
    Program("child_memory: freed 5 steps later", "child_memory", late(5), cleans_up=True, least=12),
)
"""Programs that leak nothing: what they open is bounded, or closed in its time."""
