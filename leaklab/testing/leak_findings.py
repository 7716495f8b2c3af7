"""Findings of what a search has found: which line opened it, and what keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from leaklab import sentences
from leaklab.explain import fates
from leaklab.explain.evidence import CodeSite, Evidence, ReportedGroup, ReportedLine, code_site, groups_of
from leaklab.explain.grouping import Grouping
from leaklab.judge.findings import Finding, Work
from leaklab.metrics import METRICS, FindingKind
from leaklab.testing.leak_search import MEMORY, LeakSearch, Spot
from leaklab.testing.watched_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from leaklab.explain.own_code import Line
    from leaklab.testing.ledger import LedgerEntry

    Certain = Callable[[Spot, ReportedGroup | None], bool]

POOLS = ("Pool", "Executor", "Topology", "_lru_cache_wrapper")
"""What is in the names of the types by which libraries keep things for later on purpose (urllib3, aiohttp, pymongo,
SQLAlchemy, redis, concurrent.futures, functools)."""

AT_THE_END = "still pending when its event loop ended"

NO_OBJECT = "no object that the garbage collector knows holds it"


@dataclass(frozen=True, slots=True)
class Leak:
    """A finding, as of a half, whose steps are the runs of the work.

    Attributes:
        certain: whether it is beyond doubt.
        known: whether the project's baseline has it.
    """

    finding: Finding
    certain: bool = True
    known: bool = False


def of_repeated(search: LeakSearch) -> list[Leak]:
    """What was found of work that was run as often as is needed: what one pool or cache holds may be bounded by it.

    A thread that is at work after so long is stuck, also in a pool.
    """
    return [
        *wasted_leaks(search),
        *leaks_left(search, lambda spot, group: not _is_in_a_pool(group) or _is_at_work(search, spot)),
    ]


def of_block(search: LeakSearch) -> list[Leak]:
    """What was found of work that cannot be run again: what a library's pool keeps is in doubt."""
    return [*wasted_leaks(search), *leaks_left(search, lambda _spot, group: not _is_in_a_pool(group))]


def of_single(search: LeakSearch) -> list[Leak]:
    """What was found of a test that must not be run again: what any pool could keep is in doubt."""
    return [*wasted_leaks(search), *leaks_left(search, lambda spot, _group: not KINDS[spot.kind].pooled)]


def wasted_leaks(search: LeakSearch) -> Iterator[Leak]:
    """The lines that opened more connections to one address than are wanted."""
    limit, metric = search.wanted.connections, METRICS[KINDS["connections"].metric]
    for several in search.wasted():
        host, port = several[0].address[:2]
        line = several[0].origin.line
        site = None if line is None else _site(line, search.folder)
        told = Evidence(len(several), "connection", site, None, None, fates.fate(several))
        said = sentences.too_many_connections(metric, len(several), f"{host}:{port}", limit, search.name)
        work, kind = (Work(1, len(several)),), FindingKind.WASTED
        finding = Finding(kind, metric.name, len(several), limit, said, work, None, (told,), "")
        yield Leak(finding, fates.could_be_reused(several))


def leaks_left(search: LeakSearch, certain: Certain) -> Iterator[Leak]:
    """What every run has left, with its line and what keeps it. `certain` says what is beyond doubt."""
    spots = search.suspects()
    groups = _look_inside(search, spots) if spots else []
    for spot in spots:
        kind = KINDS[spot.kind]
        counts = [search.left_by(run)[spot] for run in search.runs]
        own = (group for group in groups if group.counter in kind.counters and _is_of(group, spot))
        group = max(own, key=lambda one: one.count, default=None)
        metric = METRICS[kind.metric if group is None else kind.others.get(group.counter, kind.metric)]
        metric = replace(metric, singular=kind.singular or metric.singular)
        evidence = _evidence(search, spot, sum(counts), metric.singular, group)
        sums = [sum(counts[: number + 1]) for number in range(len(counts))]
        work = tuple(Work(number, value) for number, value in enumerate(sums, 1))
        threshold = (search.wanted.memory or 0) if spot == MEMORY else 0
        said, pace = sentences.left_by_test(metric, sums, search.name), sums[-1] / len(sums)
        told, why = ((), NO_OBJECT) if evidence is None else ((evidence,), "")
        finding = Finding(FindingKind.LEAKED, metric.name, sums[0], threshold, said, work, pace, told, why)
        yield Leak(finding, certain(spot, group))


def _is_of(group: ReportedGroup, spot: Spot) -> bool:
    return spot == MEMORY or group.opened == ReportedLine(*spot.line)


def _is_at_work(search: LeakSearch, spot: Spot) -> bool:
    return any(
        search.ledger.is_at_work(one) for run in search.runs for one in run.account.entries if _spot(one) == spot
    )


def _spot(entry: LedgerEntry) -> tuple[str, Line | None]:
    return entry.kind, entry.origin.line


def _is_in_a_pool(group: ReportedGroup | None) -> bool:
    """Whether one thing of a library keeps all of them for later on purpose."""
    return group is not None and any(word in link for link in group.links for word in POOLS)


def _evidence(
    search: LeakSearch, spot: Spot, count: int, singular: str, group: ReportedGroup | None
) -> Evidence | None:
    """The evidence for things of one line; of what is gone by now, such as a task, what is known of it."""
    told = None if group is None else group.evidence(search.folder)
    if spot == MEMORY:
        return told
    entries = (one for run in search.runs for one in run.account.entries)
    first = next(one for one in entries if _spot(one) == spot)
    kept, waits, note = (None, None, "") if told is None else (told.kept_by, told.waits_at, told.note)
    if first.was_cancelled:
        waits, note = first.waits and _site(first.waits, search.folder), AT_THE_END
    what = search.ledger.words(first) or singular
    return Evidence(count, what, _site(spot.line, search.folder), kept, waits, note)


def _site(line: Line, folder: Path) -> CodeSite | None:
    return code_site(ReportedLine(*line), folder)


def _look_inside(search: LeakSearch, spots: Sequence[Spot]) -> list[ReportedGroup]:
    """What is known of these: by which line they were opened, and what keeps them."""
    counters = {counter: 0.0 for spot in spots if spot != MEMORY for counter in KINDS[spot.kind].counters}
    groups: list[dict[str, Any]] = list(search.memory_groups)
    if counters:
        try:
            groups += Grouping(search.ledger, lines={spot.line for spot in spots}).groups(counters)
        except Exception as error:  # noqa: BLE001 # what cannot be explained is still a finding
            search.ledger.error = f"{type(error).__name__}: {error}"
    return groups_of(json.loads(json.dumps(groups)))
