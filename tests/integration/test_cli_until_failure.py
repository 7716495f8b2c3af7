"""`leaklab run --until-failure`: the leaky half dies where the forecast says, the fixed half does all of the work."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from leaklab.reports.document import schema
from tests.integration.conftest import CONTENT, TIME_LIMIT, WRONG_USAGE, Command, Document, complaint

OPENS_BEFORE = """
import os
import time

files = []


def run(jobs):
    files.extend(open(os.devnull) for _ in range({before}))
    done = []
    for job in jobs:
        files.append(open(os.devnull))
        time.sleep({pause})
        done.append(job)
    return done
"""


KEEPS_MEMORY = """
import tempfile

kept = []


def run(jobs):
    done = []
    for job in jobs:
        kept.append(b"x" * 2**15)
        tempfile.mkdtemp()
        done.append(job)
    return done
"""
"""That something grows is seen at once by the folders it leaves, its memory only after more steps than are usual."""


@pytest.fixture
def opens_before(tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """How to name a scenario whose leaky half opens so many files before its first step, and one at each step."""

    def named(before: int, pause: float = 0.0) -> tuple[str, ...]:
        folder = shutil.copytree(CONTENT / "leaks_files", tmp_path / "pack" / "leaks_files")
        (folder / "leaky.py").write_text(OPENS_BEFORE.format(before=before, pause=pause))
        return ("leaks-files", "--scenarios", str(folder.parent))

    return named


def until_failure(leaklab: Command, *arguments: str, code: int = 0) -> Document:
    """The document of such a run."""
    finished = leaklab("run", *arguments, "--until-failure", "--no-explain", "--json")
    assert finished.code == code, finished.stderr
    jsonschema.validate(finished.document, schema())
    return finished.document


@pytest.mark.parametrize(
    ("arguments", "resource", "limit", "error"),
    [
        (("unclosed-body",), "descriptors", 64, "Too many open files"),
        (("unclosed-body", "--limit", "fds=150"), "descriptors", 150, "Too many open files"),
        (("leaks-threads", "--scenarios", str(CONTENT)), "threads", 32, "can't start new thread"),
    ],
    ids=["sockets", "sockets under a limit of one's own", "threads"],
)
def test_the_leaky_half_dies_where_it_was_foretold_and_the_fixed_half_goes_on(
    leaklab: Command, arguments: tuple[str, ...], resource: str, limit: int, error: str
) -> None:
    document = until_failure(leaklab, *arguments)
    told = document["until_failure"]
    assert (told["resource"], told["limit"]) == (resource, limit)
    assert abs(told["died_at_step"] - told["steps_foretold"]) <= 2
    assert error in told["error"]
    leaky, fixed = document["halves"]["leaky"], document["halves"]["fixed"]
    assert (leaky["outcome"], fixed["outcome"]) == ("crashed", "completed")
    assert fixed["steps"] >= told["steps_foretold"] + 1
    assert document["as_expected"]


def test_memory_runs_out_near_where_it_was_foretold(leaklab: Command, tmp_path: Path) -> None:
    folder = shutil.copytree(CONTENT / "leaks_files", tmp_path / "pack" / "leaks_files")
    (folder / "leaky.py").write_text(KEEPS_MEMORY)
    told = until_failure(leaklab, "leaks-files", "--scenarios", str(folder.parent))["until_failure"]
    assert (told["resource"], told["limit"]) == ("memory", 48 * 2**20)
    assert told["error"].startswith("it raised MemoryError")
    assert told["died_at_step"] == pytest.approx(told["steps_foretold"], rel=0.25)


@pytest.mark.parametrize(("before", "least", "most"), [(0, 30, 64), (30, 0, 34), (70, 0, 0)])
def test_what_is_open_before_the_first_step_is_part_of_the_forecast(
    leaklab: Command, opens_before: Callable[..., tuple[str, ...]], before: int, least: int, most: int
) -> None:
    """With 70 files it dies before its first step: it has done none."""
    told = until_failure(leaklab, *opens_before(before))["until_failure"]
    assert abs(told["died_at_step"] - told["steps_foretold"]) <= 2
    assert least <= told["died_at_step"] <= most


def test_a_half_that_meets_the_time_limit_first_did_not_die(
    leaklab: Command, opens_before: Callable[..., tuple[str, ...]]
) -> None:
    """A thousand steps of 10 ms each, in 3 s."""
    slow = opens_before(0, pause=0.01)
    limits = ("--limit", "fds=1000", "--limit", "time=3s")
    document = until_failure(leaklab, *slow, *limits, code=TIME_LIMIT)
    assert document["until_failure"]["died_at_step"] is None
    assert not document["as_expected"]


@pytest.mark.parametrize("name", ["huge-array", "unbounded-wait"])
def test_what_does_not_grow_dies_of_no_limit_and_is_refused(leaklab: Command, name: str) -> None:
    assert "does not grow with steps" in complaint(leaklab("run", name, "--until-failure"), WRONG_USAGE)
