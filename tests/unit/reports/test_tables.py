"""Reports on scripted results: the document's form, tables that are whole at 80 columns, and the marks of a diff."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console, RenderableType

import leaklab
from leaklab.content.catalog import Catalog
from leaklab.content.declaration import LEAKS_NOTHING, Expected
from leaklab.content.settings import Settings
from leaklab.judge.verdict import Thresholds
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_result
from leaklab.measure.trace import Ending, Outcome, Phase, Sample, Trace
from leaklab.metrics import METRICS
from leaklab.reports.document import comparison_document, result_document
from leaklab.reports.lesson import aligned, lesson
from leaklab.reports.table import comparison, scenario_list, scenario_result

MIB = 2**20
Document = dict[str, Any]


def trace(
    at: Callable[[int], Mapping[str, float | None]],
    *,
    steps: int = 50,
    outcome: Outcome = Outcome.COMPLETED,
    output: str = "",
    elapsed_s: float = 0.12,
) -> Trace:
    """A half whose counters are `at(steps done)`; it ends at its third step if it does not complete."""
    moments = [(Phase.BASELINE, 0), *((Phase.STEP, done) for done in range(steps))]
    if outcome is Outcome.COMPLETED:
        moments += [(Phase.END, steps), (Phase.RETURNED, steps), (Phase.COLLECTED, steps)]
    else:
        moments = moments[:4]
    samples = tuple(Sample(phase, done, 0.01 * done, at(done)) for phase, done in moments)
    words = "" if outcome is Outcome.COMPLETED else "it was ended by SIGSEGV after 2 whole steps"
    ending = Ending(outcome, words)
    return Trace("half", steps, elapsed_s, 0.0, samples, ending=ending, output=output)


def half(name: str, *traces: Trace, complaint: str | None = None) -> HalfResult:
    return half_result(name, [MeasuredRun(each, complaint) for each in traces], Thresholds())


def result(halves: Mapping[str, HalfResult], name: str = "unclosed-body", *, mongo: str | None = None) -> Result:
    return Result(
        scenario=name,
        settings=Settings(steps=50),
        mongo=mongo,
        python="3.11.7",
        halves=halves,
        expected={"leaky": Expected("leaks", (("leaked", "open_sockets"),)), "fixed": LEAKS_NOTHING},
        telling=("open_sockets", "connections_opened"),
    )


def sockets(per_step: int) -> Callable[[int], Mapping[str, float | None]]:
    """All counters of a half that leaves so many sockets open per step, or keeps one for all steps."""

    def at(done: int) -> Mapping[str, float | None]:
        count = per_step * done if per_step else min(done, 1)
        return {
            "open_sockets": count,
            "connections_opened": count,
            "requests_served": done,
            "open_cursors": None,
            "threads": 1,
            "open_fds": 4 + count,
            "rss": 27.9 * MIB + done * 100,
        }

    return at


@pytest.fixture
def pair() -> Result:
    return result({"leaky": half("leaky", trace(sockets(1))), "fixed": half("fixed", trace(sockets(0)))})


def printed(what: Callable[[Console], RenderableType], width: int = 80, *, terminal: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        width=width,
        file=file,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
        highlight=False,
    )
    console.print(what(console))
    return file.getvalue()


def assert_whole(text: str, width: int = 80) -> None:
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    assert "\x1b" not in text


# ---- the document


def test_the_document_has_the_form_of_the_design(pair: Result) -> None:
    document = result_document(pair)
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
    assert leaky["findings"][0] == {
        "kind": "leaked",
        "metric": "open_sockets",
        "value": 50,
        "threshold": 0,
        "reason": "50 of 50 steps left one socket open after return and gc",
    }
    assert leaky["metrics"]["open_sockets"] == {
        "unit": "count",
        "baseline": 0,
        "peak": 50,
        "end": 50,
        "returned": 50,
        "collected": 50,
        "per_step": 1.0,
    }


def test_the_document_names_every_metric_and_one_that_was_not_read_is_null(pair: Result) -> None:
    metrics = result_document(pair)["halves"]["leaky"]["metrics"]
    assert list(metrics) == list(METRICS)
    assert [name for name, metric in metrics.items() if metric is None] == ["open_cursors", "child_processes"]
    assert {name: metric["unit"] for name, metric in metrics.items() if metric} == {
        name: METRICS[name].unit for name in METRICS if name not in ("open_cursors", "child_processes")
    }


def test_a_moment_that_was_not_reached_is_null_in_the_document() -> None:
    crashed = half("leaky", trace(sockets(1), outcome=Outcome.CRASHED))
    document = result_document(result({"leaky": crashed}))
    its = document["halves"]["leaky"]
    assert (its["outcome"], its["error"]) == ("crashed", "it was ended by SIGSEGV after 2 whole steps")
    assert its["metrics"]["open_sockets"]["collected"] is None
    assert document["as_expected"] is False


def test_the_document_is_json_and_nothing_but_json(pair: Result) -> None:
    document = result_document(pair, samples=True)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_samples_are_in_the_document_if_they_are_asked_for(pair: Result) -> None:
    assert "samples" not in result_document(pair)["halves"]["leaky"]
    (samples,) = result_document(pair, samples=True)["halves"]["leaky"]["samples"]
    assert len(samples) == 54
    assert samples[0] == {
        "phase": "baseline", "round": 0, "steps_done": 0, "at_s": 0.0, "open_sockets": 0, "connections_opened": 0,
        "requests_served": 0, "open_cursors": None, "threads": 1, "child_processes": None,
        "open_fds": 4, "rss": 27.9 * MIB,
    }  # fmt: skip


def test_several_runs_are_in_the_document_one_by_one_beside_their_median() -> None:
    leaky = half("leaky", *(trace(sockets(each)) for each in (1, 3, 2)))
    metric = result_document(result({"leaky": leaky}))["halves"]["leaky"]["metrics"]["open_sockets"]
    assert metric["collected"] == 100
    assert metric["runs"]["collected"] == [50, 150, 100]


def test_a_comparison_is_the_documents_of_its_results(pair: Result) -> None:
    assert comparison_document([pair, pair]) == {"schema": 1, "results": [result_document(pair)] * 2}
    assert comparison_document([]) == {"schema": 1, "results": []}


# ---- tables


def test_the_table_of_a_scenario_is_whole_at_80_columns_and_plain(pair: Result) -> None:
    text = printed(lambda _: scenario_result(pair, "a body that is not read keeps its connection"))
    assert_whole(text)
    assert re.search(r"▸ +open sockets, at peak +50 +1 +\+49", text)
    assert re.search(r"\n +requests served +50 +50 +0", text)
    assert "50 of 50 steps left one socket open after return and gc" in " ".join(text.split())
    assert "Why: a body that is not read keeps its connection" in text
    assert "cursors" not in text, "what was not read has no row"


def test_a_value_that_is_missing_is_a_dash_and_not_0() -> None:
    halves = {
        "leaky": half("leaky", trace(sockets(1), outcome=Outcome.CRASHED)),
        "fixed": half("fixed", trace(sockets(0))),
    }
    text = printed(lambda _: scenario_result(result(halves), ""))
    assert re.search(r"open sockets, after return and gc +– +1 +–", text)
    assert "SIGSEGV" in text


def test_a_half_that_was_late_at_first_and_is_clean_says_how_often_it_was_run() -> None:
    once, again = (half("fixed", replace(trace(sockets(0)), looks=looks)) for looks in (1, 3))
    assert "the shortest of 3 runs is shown" in printed(lambda _: scenario_result(result({"fixed": again}), ""))
    assert "shortest of" not in printed(lambda _: scenario_result(result({"fixed": once}), ""))


def test_a_terminal_gets_colours(pair: Result) -> None:
    assert "\x1b[" in printed(lambda _: scenario_result(pair, ""), terminal=True)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_words_of_findings_are_wrapped_and_never_cut(pair: Result, width: int) -> None:
    text = printed(lambda _: scenario_result(pair, ""), width)
    assert_whole(text, width)
    assert "connections opened: 50 connections opened for 50 requests" in " ".join(text.split())


def test_what_a_half_printed_is_no_markup_and_no_control_code() -> None:
    output = "[bold]text[/bold] [/] \x1b[31mred\x1b[0m \x07 bell\n" + "".join(f"line {n}\n" for n in range(20))
    fixed = half("fixed", trace(sockets(0), output=output))
    text = printed(lambda _: scenario_result(result({"fixed": fixed}), ""))
    assert "[bold]text[/bold] [/]" in text
    assert "(5 of 21 lines)" in text
    assert "line 1" in text
    assert "line 2\n" not in text
    assert "line 19" in text, "what an error says stands in its last line"
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)


def test_a_reason_that_looks_like_markup_is_shown_as_it_is() -> None:
    lazy = half("fixed", trace(sockets(0)), complaint="expected [1, 2] and [/x]")
    text = printed(lambda _: scenario_result(result({"fixed": lazy}), "why [not]?"))
    assert "expected [1, 2] and [/x]" in " ".join(text.split())
    assert "why [not]?" in text


def big(name: str) -> Result:
    """A pair whose figures are as wide as they get."""
    at = sockets(1)

    def huge(done: int) -> Mapping[str, float | None]:
        return {**at(done), "open_cursors": done * 100, "rss": 300 * MIB + done * 90 * MIB}

    halves = {each: half(each, trace(huge, elapsed_s=12.34)) for each in ("leaky", "fixed")}
    return result(halves, name)


def test_a_comparison_has_a_row_per_pair_and_is_whole_at_80_columns(pair: Result) -> None:
    names = ["unclosed-body", "close-in-loop", "open-cursor", "unbounded-wait", "huge-array"]
    pairs = [result(pair.halves, name) for name in names]
    text = printed(lambda console: comparison(pairs, console))
    assert_whole(text)
    assert "each cell: leaky / fixed" in text
    for name in names:
        assert re.search(rf"(?m)^{name} +50/1 +50/1 +– +1/1 +0\.12/0\.12 +\d+/\d+ leaks/clean *$", text)


def test_a_comparison_whose_figures_do_not_fit_beside_each_other_has_a_row_per_half_and_loses_nothing() -> None:
    text = printed(lambda console: comparison([big("unbounded-wait"), big("close-in-loop")], console))
    assert_whole(text)
    for name in ("unbounded-wait", "close-in-loop"):
        assert re.search(rf"(?m)^{name} +leaky +50 +50 +5000 +1 +12\.34 +4800 leaks *$", text)
    assert len(re.findall(r"(?m)^ +fixed +50 +50 +5000 +1 +12\.34 +4800 leaks *$", text)) == 2


def test_the_list_of_the_built_in_scenarios_is_whole_at_80_columns() -> None:
    entries = Catalog().select([])
    text = printed(lambda _: scenario_list([(entry, None) for entry in entries]))
    assert_whole(text)
    for entry in entries:
        assert re.search(rf"(?m)^{entry.id} ", text)


def test_a_broken_scenario_is_listed_with_its_error() -> None:
    entry = Catalog().get("huge-array")
    text = printed(lambda _: scenario_list([(entry, "it lacks [everything]")]))
    assert "broken" in text
    assert "it lacks [everything]" in " ".join(text.split())


# ---- the marks of a diff

LEFT = "def run(urls):\n    for url in urls:\n        keep(url)\n    return 1\n"
RIGHT = "def run(urls):\n    for url in urls:\n        with keep(url):\n            pass\n    return 1\n"


def test_both_halves_are_aligned_with_gaps_where_only_the_other_has_a_line() -> None:
    left, right = aligned(LEFT, RIGHT)
    assert [(line.number, line.change) for line in left] == [
        (1, "same"), (2, "same"), (3, "removed"), (None, "same"), (4, "same"),
    ]  # fmt: skip
    assert [(line.number, line.change) for line in right] == [
        (1, "same"), (2, "same"), (3, "added"), (4, "added"), (5, "same"),
    ]  # fmt: skip
    assert [line.text for line in right] == RIGHT.splitlines()


@pytest.mark.parametrize(("left", "right"), [("", "a\n"), ("a\n", ""), ("a\nb\n", "c\n"), ("a\n", "a\n")])
def test_both_sides_of_a_diff_are_of_equal_length_and_have_all_their_lines(left: str, right: str) -> None:
    first, second = aligned(left, right)
    assert len(first) == len(second)
    assert [line.text for line in first if line.number is not None] == left.splitlines()
    assert [line.text for line in second if line.number is not None] == right.splitlines()


def test_changed_lines_are_marked_without_colour_below_each_other_where_it_is_narrow() -> None:
    wide = "        with keep(url, and_a_name_so_long_that_two_columns_of_it_do_not_fit=True):"
    halves = {"leaky": LEFT, "fixed": RIGHT.replace("        with keep(url):", wide)}
    text = printed(lambda console: lesson("# Title\n\ntext\n", halves, console), 100)
    assert "\x1b" not in text
    lines = [line.rstrip() for line in text.splitlines()]
    assert "-   3          keep(url)" in lines
    assert f"+   3  {wide}" in lines
    assert "    5      return 1" in lines
    assert any(line.startswith("leaky.py ") for line in lines)
    assert any(line.startswith("fixed.py ") for line in lines)


def test_halves_stand_side_by_side_where_it_is_wide_enough() -> None:
    text = printed(lambda console: lesson("# Title\n", {"leaky": LEFT, "fixed": RIGHT}, console), 160)
    (line,) = [line for line in text.splitlines() if "keep(url)" in line and "with" in line]
    assert re.match(r"- +3 +keep\(url\) +\+ +3 +with keep\(url\):", line)


def test_the_third_half_is_marked_where_it_differs_from_the_first() -> None:
    halves = {"leaky": LEFT, "almost": LEFT.replace("return 1", "return 2"), "fixed": RIGHT}
    text = printed(lambda console: lesson("# Title\n", halves, console))
    assert "almost.py" in text
    assert [line.rstrip() for line in text.splitlines() if line.startswith("+") and "return 2" in line]


def test_no_line_of_a_half_is_lost_however_narrow_it_is() -> None:
    text = printed(lambda console: lesson("# Title\n", {"leaky": "x = '" + "long " * 40 + "'\n", "fixed": ""}, console))
    assert text.count("long") == 40
    assert "…" not in text
