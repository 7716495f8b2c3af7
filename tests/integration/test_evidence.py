"""The evidence for the findings of the built-in scenarios, as their lessons show it, and of learners' files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from leaklab.content.catalog import Catalog
from leaklab.content.languages import GO, LANGUAGES, PYTHON
from leaklab.errors import MeasureError
from leaklab.lab.explanation import Inside
from leaklab.lab.pair import run_scenario
from leaklab.lab.result import HalfResult, Result
from leaklab.lab.run_options import RunOptions
from leaklab.metrics import METRICS
from leaklab.reports.rows import evidence_lines
from leaklab.workshop.check_result import CheckState
from leaklab.workshop.checking import check, learners_options
from tests.integration.conftest import NOT_AS_EXPECTED, Command, needs_go

EXPLAINED = replace(learners_options(), explain=True)

SHOWN = [
    (entry.id, half, language or PYTHON.name, token.content)
    for entry in Catalog().local
    for token in MarkdownIt("commonmark").parse(entry.lesson)
    if token.info.startswith("evidence ")
    for half, _, language in [token.info.removeprefix("evidence ").partition(" ")]
]


@cache
def measured(name: str, language: str) -> Result:
    entry = Catalog().get(name, LANGUAGES[language])
    halves = [half for shown, half, of, _ in SHOWN if (shown, of) == (name, language)]
    return run_scenario(entry, entry.scenario.settings, RunOptions(explain=True), halves)


def lines_of(half: HalfResult) -> Iterator[str]:
    shown: set[object] = set()
    for finding in half.judgement.findings:
        yield f"{finding.kind} {METRICS[finding.metric].label}"
        yield from (f"{line.head:<8} {line.words}" for line in evidence_lines(finding, shown))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "half", "language", "text"), SHOWN, ids=["-".join([name, half, lang]) for name, half, lang, _ in SHOWN]
)
def test_a_lesson_shows_the_evidence_of_its_halves(name: str, half: str, language: str, text: str) -> None:
    """But for the sizes of bodies, which are new in every run."""
    if language == GO.name:
        needs_go()
    said = "\n".join(lines_of(measured(name, language).halves[half]))

    def without_sizes(shown: str) -> str:
        return re.sub(r"[\d,]+ to [\d,]+ bytes", "N bytes", shown.strip())

    assert without_sizes(said) == without_sizes(text)


def test_every_lesson_shows_it() -> None:
    assert {name for name, half, _, _ in SHOWN if half == "leaky"} == {entry.id for entry in Catalog().local}


TWO_LEAKS = """
import requests
kept = []
def run(urls):
    sizes = []
    session = requests.Session()
    for url in urls:
        response = session.get(url, stream=True)
        kept.append(response)
        kept.append(open("/dev/null"))
        sizes.append(int(response.headers["Content-Length"]))
    return sizes
"""


def test_a_file_with_two_leaks_shows_both_lines(tmp_path: Path, leaklab: Command) -> None:
    (tmp_path / "mine.py").write_text(TWO_LEAKS, encoding="utf-8")
    finished = leaklab("check", str(tmp_path / "mine.py"), "--scenario", "unclosed-body")
    assert finished.code == NOT_AS_EXPECTED
    shown = finished.stdout
    assert "▸    8          response = session.get(url, stream=True)" in shown
    assert "kept by kept[…].raw._connection.sock" in shown
    assert 'opened  mine.py:10  kept.append(open("/dev/null"))' in shown


def test_what_is_in_doubt_is_explained_too(tmp_path: Path, leaklab: Command) -> None:
    """A file that does its work at one size only."""
    file = tmp_path / "mine.py"
    file.write_text(TWO_LEAKS.replace("    sizes = []", "    sizes = []\n    assert len(urls) == 50"), encoding="utf-8")
    document = leaklab("check", str(file), "--scenario", "unclosed-body", "--json").document
    assert document["state"] == "undecided"
    suspected = document["result"]["halves"]["yours"]["suspected"]
    assert [(one["metric"], len(one["evidence"])) for one in suspected] == [
        ("open_sockets", 1), ("connections_opened", 1), ("open_fds", 1),
    ]  # fmt: skip


def test_without_explanation_the_document_says_so(leaklab: Command) -> None:
    document = leaklab("run", "unclosed-body", "--no-explain", "--json").document
    findings = document["halves"]["leaky"]["findings"]
    assert {(finding["unexplained"], len(finding["evidence"])) for finding in findings} == {
        ("it was not looked for", 0)
    }


def test_until_failure_says_what_held_the_descriptors(leaklab: Command) -> None:
    shown = leaklab("run", "close-in-loop", "--until-failure").stdout
    assert "What held the sockets:" in shown
    assert "kept by stack._exit_callbacks[…]" in shown


def test_a_file_that_is_fixed_costs_no_other_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inside, "explained", lambda *_: pytest.fail("it was run once more"))
    entry = Catalog().get("unclosed-body")
    assert check(entry, entry.half_path("fixed"), EXPLAINED).fixed


@pytest.mark.parametrize(
    ("breaks", "why"),
    [
        ("import os; os._exit(9)", "it exited with code 9"),
        ("raise ValueError('no')", "it cannot be imported: ValueError: no"),
        ("import socket; socket.create_connection = None", ""),
    ],
)
def test_a_witness_that_fails_changes_no_verdict(tmp_path: Path, breaks: str, why: str) -> None:
    """A half that is another one beside a witness."""
    file = tmp_path / "mine.py"
    file.write_text(
        f"import sys\nif 'leakl' + 'ab.explain' in sys.modules:\n    {breaks}\n" + TWO_LEAKS, encoding="utf-8"
    )
    found = check(Catalog().get("unclosed-body"), file, EXPLAINED)
    assert found.state is CheckState.LEAKS
    assert found.finding is not None
    if why:
        assert (found.finding.evidence, why in found.finding.unexplained) == ((), True)


def test_where_it_cannot_be_run_again_what_was_measured_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise MeasureError("the services' process ended")

    monkeypatch.setattr(Inside, "look", gone)
    entry = Catalog().get("unclosed-body")
    found = check(entry, entry.half_path("leaky"), EXPLAINED)
    assert found.state is CheckState.LEAKS
    assert {"the services' process ended" in one.unexplained for one in found.findings} == {True}
