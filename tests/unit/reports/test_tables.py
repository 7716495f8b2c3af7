"""Reports on scripted results: the document's form, tables that are whole at 80 columns, and the marks of a diff.

What they say is in tests/golden: run.txt, compare.txt, list.txt, validate.txt, until_failure.txt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

import leaklab
from leaklab.content.catalog import Catalog, Entry
from leaklab.content.settings import Settings
from leaklab.judge.forecast import Forecast
from leaklab.judge.verdict import Thresholds
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_result
from leaklab.lab.until_failure import Failure
from leaklab.lab.validation import Validation
from leaklab.measure.trace import Outcome, Trace
from leaklab.metrics import METRICS, Resource
from leaklab.reports.document import comparison_document, result_document
from leaklab.reports.failure import failure_table
from leaklab.reports.lesson import aligned, lesson
from leaklab.reports.table import Comparison, scenario_list, scenario_result, validation_line
from tests.unit import scripted
from tests.unit.golden import assert_golden, rendered, sections
from tests.unit.scripted import MIB, Half

WIDE = 400


def counters(sockets: Callable[[int], float], steps: int = 50, **more: Any) -> Half:
    """All counters of a half that has so many sockets open."""
    half = Half(steps, elapsed_s=0.12, **more)
    for metric, at_step in {
        "open_sockets": sockets,
        "connections_opened": sockets,
        "requests_served": lambda done: done,
        "open_cursors": lambda _: None,
        "threads": lambda _: 1,
        "open_fds": lambda done: 4 + sockets(done),
        "rss": lambda done: 27.9 * MIB + done * 100,
    }.items():
        before = {"threads": 1, "open_fds": 4, "rss": 27.9 * MIB, "open_cursors": None}.get(metric, 0)
        half.counts(metric, cast("Callable[[int], float | None]", at_step), before=before)
    return half


def half(name: str, *traces: Trace, complaint: str | None = None, bounds: Thresholds | None = None) -> HalfResult:
    runs = [MeasuredRun(replace(each, half=name), complaint) for each in traces]
    return half_result(name, runs, bounds or Thresholds(), scripted.CAPACITIES)


LEAKY = counters(lambda done: done).trace()
FIXED = counters(lambda done: min(done, 1)).trace()
CRASHED = replace(counters(lambda done: done, 2, outcome=Outcome.CRASHED).trace(), steps=3)


def result(*halves: HalfResult, name: str = "unclosed-body", settings: Settings | None = None) -> Result:
    pair = halves or (half("leaky", LEAKY), half("fixed", FIXED))
    return replace(
        scripted.result(*pair, scenario=name, settings=settings), telling=("open_sockets", "connections_opened")
    )


PAIR = result()


# ---- the document


def test_the_document_has_the_form_of_the_design() -> None:
    document = result_document(PAIR)
    assert {name: document[name] for name in ("schema", "leaklab", "scenario", "settings", "environment")} == {
        "schema": 1,
        "leaklab": leaklab.__version__,
        "scenario": "unclosed-body",
        "settings": {"steps": 50},
        "environment": {"python": "3.11.7", "mongo": None},
    }
    assert list(document["halves"]) == ["leaky", "fixed"]
    assert (document["as_expected"], document["surprises"]) == (True, [])
    leaky = document["halves"]["leaky"]
    assert (leaky["outcome"], leaky["error"], leaky["elapsed_s"], leaky["steps"]) == ("completed", None, 0.12, 50)
    assert (leaky["verdict"], leaky["doubts"], leaky["complaint"]) == ("leaks", [], None)
    finding = leaky["findings"][0]
    assert (finding["kind"], finding["metric"], finding["value"], finding["threshold"]) == (
        "leaked", "open_sockets", 50, 0,
    )  # fmt: skip
    moments = {"baseline": 0, "peak": 50, "end": 50, "returned": 50, "collected": 50, "per_step": 1.0}
    assert leaky["metrics"]["open_sockets"] == {"unit": "count", **moments}


def test_the_document_names_every_metric_and_one_that_was_not_read_is_null() -> None:
    metrics = result_document(PAIR)["halves"]["leaky"]["metrics"]
    assert list(metrics) == list(METRICS)
    assert [name for name, metric in metrics.items() if metric is None] == ["open_cursors", "child_processes"]
    assert all(metric["unit"] == METRICS[name].unit for name, metric in metrics.items() if metric)


def test_a_moment_that_was_not_reached_is_null_in_the_document() -> None:
    document = result_document(result(half("leaky", CRASHED)))
    leaky = document["halves"]["leaky"]
    assert (leaky["outcome"], leaky["error"]) == ("crashed", "it was ended by SIGSEGV")
    assert leaky["metrics"]["open_sockets"]["collected"] is None
    assert document["as_expected"] is False


def test_the_document_is_json_with_the_samples_only_if_asked() -> None:
    document = result_document(PAIR, samples=True)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert "samples" not in result_document(PAIR)["halves"]["leaky"]
    (samples,) = document["halves"]["leaky"]["samples"]
    assert len(samples) == 54
    assert samples[1] == {
        "phase": "step", "round": 0, "steps_done": 0, "at_s": 0.12, "open_sockets": 0, "connections_opened": 0,
        "requests_served": 0, "open_cursors": None, "threads": 1, "child_processes": None,
        "open_fds": 4, "rss": 27.9 * MIB,
    }  # fmt: skip


def test_several_runs_are_in_the_document_one_by_one_beside_their_median() -> None:
    runs = [counters(lambda done, each=each: each * done).trace() for each in (1, 3, 2)]  # type: ignore[misc] # each is bound
    metric = result_document(result(half("leaky", *runs)))["halves"]["leaky"]["metrics"]["open_sockets"]
    assert (metric["collected"], metric["runs"]["collected"]) == (100, [50, 150, 100])


def test_a_comparison_is_the_documents_of_its_results() -> None:
    assert comparison_document([PAIR, PAIR]) == {"schema": 1, "results": [result_document(PAIR)] * 2}


# ---- the table of one scenario


OUTPUT = "[bold]text[/bold] [/] \x1b[31mred\x1b[0m \x07 bell\n" + "".join(f"line {n}\n" for n in range(20))
BUFFER = Half(elapsed_s=0.5).counts("rss", lambda done: (271 if done else 15) * MIB, before=15 * MIB, returned=15 * MIB)
RUNS = {
    "a_pair": PAIR,
    "with_the_partial_fix": result(*(half(name, FIXED) for name in ("leaky", "almost", "fixed"))),
    "a_crash": result(half("leaky", CRASHED), half("fixed", FIXED)),
    "several_runs": result(half("leaky", *[LEAKY, replace(LEAKY, elapsed_s=0.2)] * 2), half("fixed", FIXED)),
    "a_buffer": replace(
        result(
            half("leaky", BUFFER.trace(), bounds=Thresholds(memory=128 * MIB)),
            settings=Catalog().get("huge-array").scenario.settings,
        ),
        telling=("rss",),
    ),
    "late_at_first": result(
        half("fixed", replace(FIXED, looks=3)), settings=Catalog().get("unbounded-wait").scenario.settings
    ),
    "work_left_out": result(half("fixed", FIXED, complaint="expected [1, 2] and [/x]")),
    "output": result(half("fixed", replace(FIXED, output=OUTPUT)), half("almost", replace(FIXED, output="one\n"))),
}


def test_the_tables_of_runs() -> None:
    shown = {name: rendered(scenario_result(each, "why [not]?")) for name, each in RUNS.items()}
    assert_golden("run", sections(**shown))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_is_plain_and_never_wider_than_the_screen_and_its_sentences_are_whole(width: int) -> None:
    for each in RUNS.values():
        text = rendered(scenario_result(each, ""), width)
        assert max(len(line.rstrip()) for line in text.splitlines()) <= width
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
        for one in each.halves.values():
            for finding in one.judgement.findings:
                assert finding.reason in re.sub(r"\s+", " ", text)


def test_a_terminal_gets_colours() -> None:
    assert "\x1b[" in rendered(scenario_result(PAIR, ""), terminal=True)


# ---- comparisons, lists and other tables


def big(name: str) -> Result:
    """A pair whose figures are as wide as they get."""
    huge = counters(lambda done: done).counts("open_cursors", lambda done: done * 100)
    huge.counts("rss", lambda done: (300 + done * 90) * MIB)
    return result(*(half(each, replace(huge.trace(), elapsed_s=12.34)) for each in ("leaky", "fixed")), name=name)


def test_the_tables_of_comparisons() -> None:
    """Side by side if they fit, otherwise a row per half; what does not fit at all is below."""
    names = ("unclosed-body", "close-in-loop", "open-cursor", "unbounded-wait", "huge-array")
    pairs = [replace(PAIR, scenario=name) for name in names[:4]] + [replace(RUNS["a_buffer"], scenario=names[4])]
    three = [RUNS["with_the_partial_fix"]]
    wide = [big("unbounded-wait"), big("close-in-loop")]
    shown = {
        name: rendered(Comparison(results), width)
        for name, results, width in (
            ("five_pairs", pairs, 80), ("with_room", pairs, 100), ("three_halves", three, 80), ("a_row_each", wide, 80),
        )
    }  # fmt: skip
    assert all(len(line.rstrip()) <= 80 for name in shown if name != "with_room" for line in shown[name].splitlines())
    text = sections(**shown)
    assert "…" not in text
    assert_golden("compare", text)


def test_the_list_of_scenarios() -> None:
    declared = SimpleNamespace(title="Unclosed body", leaks="a socket per request", summary="nothing closes the body")
    good, bad = (cast("Entry", SimpleNamespace(id=name, scenario=declared)) for name in ("unclosed-body", "my-leak"))
    assert_golden("list", rendered(scenario_list([(good, None), (bad, "it lacks [everything]")])))
    entries = Catalog().select([])
    text = rendered(scenario_list([(entry, None) for entry in entries]))
    assert all(re.search(rf"(?m)^{entry.id} ", text) for entry in entries)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_lines_of_validate() -> None:
    lines = [Validation("unclosed-body", (), RUNS["with_the_partial_fix"]), Validation("my-leak", ("one", "two"), None)]
    assert_golden("validate", "".join(rendered(validation_line(line)) for line in lines))


def test_the_tables_of_runs_until_failure() -> None:
    forecast = Forecast("open_sockets", 1.0, 64, 60, "at one socket per step, the limit is reached")
    crash = replace(CRASHED, steps=61)
    died = Failure(
        Resource.DESCRIPTORS, 64, forecast, 60, "it raised OSError: [Errno 24]", result(half("leaky", crash))
    )
    memory = replace(died, resource=Resource.MEMORY, limit=48 * MIB)
    survived = replace(died, died_at_step=None, error=None, result=PAIR)
    interrupted = replace(survived, result=replace(result(half("leaky", crash)), interrupted=True))
    cases = {"died": died, "of_memory": memory, "survived": survived, "interrupted": interrupted}
    assert_golden("until_failure", sections(**{name: rendered(failure_table(each)) for name, each in cases.items()}))
    assert not any(case.as_expected for case in cases.values()), "the fixed half must complete, too"


# ---- the marks of a diff

LEFT = "def run(urls):\n    for url in urls:\n        keep(url)\n    return 1\n"
RIGHT = "def run(urls):\n    for url in urls:\n        with keep(url):\n            pass\n    return 1\n"


def test_both_halves_are_aligned_with_gaps_if_only_the_other_has_a_line() -> None:
    left, right = aligned(LEFT, RIGHT)
    assert [(line.number, line.change) for line in left] == [
        (1, "same"), (2, "same"), (3, "removed"), (None, "same"), (4, "same"),
    ]  # fmt: skip
    assert [(line.number, line.change) for line in right] == [
        (1, "same"), (2, "same"), (3, "added"), (4, "added"), (5, "same"),
    ]  # fmt: skip
    assert [line.text for line in right] == RIGHT.splitlines()


@pytest.mark.parametrize(("left", "right"), [("", "a\n"), ("a\n", ""), ("a\nb\n", "c\n"), ("a\n", "a\n")])
def test_both_sides_of_a_diff_have_equally_many_lines_and_all_of_theirs(left: str, right: str) -> None:
    first, second = aligned(left, right)
    assert len(first) == len(second)
    assert [line.text for line in first if line.number is not None] == left.splitlines()
    assert [line.text for line in second if line.number is not None] == right.splitlines()


def test_the_halves_of_a_lesson_are_marked_side_by_side_if_it_is_wide_enough() -> None:
    wide = "        with keep(url, and_a_name_so_long_that_two_columns_of_it_do_not_fit=True):"
    three = {"leaky": LEFT, "almost": LEFT.replace("return 1", "return 2"), "fixed": RIGHT}
    long = {"leaky": "x = '" + "long " * 40 + "'\n", "fixed": ""}
    shown: dict[str, str] = {}
    for name, halves, width in (
        ("side_by_side", {"leaky": LEFT, "fixed": RIGHT}, 80),
        ("one_below_the_other", {"leaky": LEFT, "fixed": RIGHT.replace("        with keep(url):", wide)}, 100),
        ("with_the_partial_fix", three, 80),
        ("a_line_longer_than_the_screen", long, 80),
    ):
        shown[name] = rendered(lesson("# Title\n\ntext\n", halves, Console(width=width)), width)
        assert not re.search("\x1b|…", shown[name])
    assert_golden("lesson", sections(**shown))
