"""Reports on scripted results: tables that are whole at 80 columns, and the marks of a diff.

What they say is in tests/golden: run.txt, compare.txt, list.txt, validate.txt, until_failure.txt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console, Group

from leaklab.content.catalog import Catalog, Entry
from leaklab.content.languages import GO, PYTHON, Language
from leaklab.content.settings import Settings
from leaklab.explain.evidence import CodeSite
from leaklab.judge.scaling import Thresholds
from leaklab.lab.forecast import Forecast
from leaklab.lab.result import HalfResult, Result, half_result
from leaklab.lab.until_failure import Failure
from leaklab.lab.validation import Validation
from leaklab.measure.run_trace import Outcome, Trace
from leaklab.metrics import Resource
from leaklab.reports import rows
from leaklab.reports.failure import failure_table
from leaklab.reports.lesson import SIDE_BY_SIDE, aligned, lesson
from leaklab.reports.table import Comparison, scenario_list, scenario_result, validation_line
from leaklab.workshop.progress_file import Exercise
from tests.unit import scripted
from tests.unit.golden import assert_golden, rendered, sections
from tests.unit.scripted import MIB, Half

WIDE = 400


def counters(sockets: Callable[[int], float], steps: int = 50, **more: Any) -> Half:
    """All counters of a half that has so many sockets open."""
    half = Half(steps, elapsed_s=0.12, **more).counts("open_sockets", sockets).counts("connections_opened", sockets)
    half.counts("requests_served", lambda done: done).counts("open_cursors", lambda _: None, before=None)
    half.counts("threads", lambda _: 1, before=1).counts("open_fds", lambda done: 4 + sockets(done), before=4)
    return half.counts("rss", lambda done: 27.9 * MIB + done * 100, before=27.9 * MIB)


def half(name: str, *traces: Trace, complaint: str | None = None, bounds: Thresholds | None = None) -> HalfResult:
    runs = [scripted.measured(replace(each, half=name), complaint) for each in traces]
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
    "explained": result(
        scripted.explained(
            half("leaky", LEAKY),
            (
                scripted.evidence(49, kept_by=scripted.KEPT),
                scripted.evidence(1, note="no Python object"),
                scripted.evidence(1, CodeSite("urllib3/connection.py", 73, "create_connection", "")),
            ),
            (scripted.evidence(50, note="closed with its body unread (1,744 bytes left)"),),
        ),
        scripted.explained(
            half("almost", LEAKY),
            (scripted.evidence(waits_at=scripted.WAITS), *[scripted.evidence(1, None, scripted.KEPT)] * 4),
            "it is not in the process itself",
        ),
    ),
    "output": result(half("fixed", replace(FIXED, output=OUTPUT)), half("almost", replace(FIXED, output="one\n"))),
}


def test_the_tables_of_runs() -> None:
    shown = {name: rendered(scenario_result(each, "why [not]?")) for name, each in RUNS.items()}
    shown["every_row"] = rendered(scenario_result(PAIR, "", every=True))
    shown["with_room"] = rendered(scenario_result(RUNS["explained"], ""), 120)
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


LATE = Half(0, elapsed_s=3.01).counts("threads", lambda _: 1, before=1)
SLOW = Thresholds(deadline_s=0.5, hang_s=3.0)


def test_the_tables_of_comparisons() -> None:
    """A line for each pair: what was found of each half, and of a clean one the figure of the same thing."""
    waits = replace(
        result(half("leaky", LATE.trace(), bounds=SLOW), half("fixed", replace(LATE.trace(), elapsed_s=0.5))),
        scenario="unbounded-wait",
    )
    broken = result(half("leaky", CRASHED), half("fixed", FIXED), name="close-in-loop")
    pairs = [PAIR, broken, waits, replace(RUNS["a_buffer"], scenario="huge-array")]
    three = [RUNS["explained"], RUNS["with_the_partial_fix"], PAIR]
    shown = {
        name: rendered(Comparison(results), width)
        for name, results, width in (
            ("pairs", pairs, 80), ("three_halves", three, 80), ("with_room", three, 120), ("narrow", pairs, 60),
        )
    }  # fmt: skip
    assert all(len(line.rstrip()) <= 80 for name in shown if name != "with_room" for line in shown[name].splitlines())
    text = sections(**shown)
    assert "…" not in text
    assert_golden("compare", text)


def test_the_list_of_scenarios() -> None:
    declared = SimpleNamespace(leaks="a socket per request", minutes=8, difficulty="easy")
    unknown = SimpleNamespace(leaks="the rest", minutes=None, difficulty="")
    names = {"unclosed-body": declared, "close-in-loop": declared, "my-leak": unknown, "my-other-leak": unknown}
    listed = [
        cast("Entry", SimpleNamespace(language=PYTHON, is_exercise=True, id=name, scenario=scenario))
        for name, scenario in names.items()
    ]
    errors = (None, None, None, "it lacks [everything]")
    began = "2026-11-27T10:00:00+00:00"
    exercises = {
        "a.py": Exercise(scenario="unclosed-body", started=began, solved=began),
        "b.py": Exercise(scenario="close-in-loop", started=began),
        "c.py": Exercise(scenario="gone", started=began),
    }
    assert_golden("list", rendered(scenario_list(list(zip(listed, errors, strict=True)), exercises)))
    entries = Catalog().select([])
    text = rendered(scenario_list([(entry, None) for entry in entries], {}))
    assert all(re.search(rf"(?m)^{entry.id} ", text) for entry in entries)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_lines_of_validate() -> None:
    lines = [Validation("unclosed-body", (), RUNS["with_the_partial_fix"]), Validation("my-leak", ("one", "two"), None)]
    assert_golden("validate", "".join(rendered(validation_line(line)) for line in lines))


HELD = scripted.explained(half("leaky", LEAKY), (scripted.evidence(60, kept_by=scripted.KEPT),)).judgement.findings[0]


def test_the_tables_of_runs_until_failure() -> None:
    forecast = Forecast("open_sockets", 1.0, 64, 60, "at one socket per step, the limit is reached")
    crash = replace(CRASHED, steps=61)
    died = Failure(
        Resource.DESCRIPTORS, 64, forecast, 60, "it raised OSError: [Errno 24]", HELD, result(half("leaky", crash))
    )
    memory = replace(died, resource=Resource.MEMORY, limit=48 * MIB)
    survived = replace(died, died_at_step=None, error=None, held=None, result=PAIR)
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


def read(folder: Path, console: Console, files: Mapping[str, str], lesson_md: str, language: Language = PYTHON) -> str:
    """What `show` prints of a folder with these files, with all of its halves in this language."""
    folder.mkdir()
    for name, text in {**files, "lesson.md": lesson_md}.items():
        (folder / name).write_text(text, encoding="utf-8")
    entry = Entry(folder, language)
    halves = {half: entry.source(half) for half in entry.halves}
    return rendered(Group(*lesson(entry, halves, console)), console.width)


def test_the_halves_of_a_lesson_are_marked_side_by_side_if_it_is_wide_enough(tmp_path: Path) -> None:
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
        files = {f"{half}.py": text for half, text in halves.items()}
        shown[name] = read(tmp_path / name, Console(width=width), files, "# Title\n\ntext\n")
        assert not re.search("\x1b|…", shown[name])
    shared = {"leaky.py": LEFT, "fixed.py": RIGHT, "shared.py": "kept = []\n"}
    assert "shared.py" in read(tmp_path / "shared", Console(), shared, "")
    assert_golden("lesson", sections(**shown))


IN_GO = {
    "leaky.go": "package half\n\nfunc Run() int {\n\treturn one // in a long line\n}\n",
    "fixed.go": "package half\n",
}
IN_TWO = f"# Title\n\n> why\n\n## Symptom\n\nslow\n\n## The same in Go\n\nbefore\n\n{SIDE_BY_SIDE}\n\nafter\n\n"
IN_TWO += "## End\n\nend\n"


def test_a_lesson_shows_the_files_of_both_languages_side_by_side_or_those_that_are_not_above(tmp_path: Path) -> None:
    both = {"leaky.py": LEFT, "fixed.py": RIGHT, **IN_GO}
    wide = read(tmp_path / "wide", Console(width=150), both, IN_TWO)
    assert re.search(r"^leaky\.py +leaky\.go *$", wide, re.MULTILINE)
    assert re.search(r"^ +1  .+ 1  package half *$", wide, re.MULTILINE)
    narrow = read(tmp_path / "narrow", Console(width=60), both, IN_TWO)
    assert "leaky.go (-), fixed.go (+)" in narrow
    assert narrow.index("before") < narrow.index("leaky.go (-)") < narrow.index("after") < narrow.index("end")


def test_of_the_halves_in_go_a_lesson_is_what_it_says_about_go(tmp_path: Path) -> None:
    built_in = Catalog().get("unclosed-body", GO)
    both = {"leaky.py": LEFT, "fixed.py": RIGHT, **IN_GO, "scenario.py": built_in.text("scenario.py")}
    said = read(tmp_path / "both", Console(width=60), both, IN_TWO, GO)
    assert " ".join(built_in.why.split()[:4]) in said
    assert "after" in said
    assert "slow" not in said
    assert "End" not in said
    assert "leaky.py" not in said, "it was not asked for, and there is no room beside"
    assert "slow" in read(tmp_path / "only", Console(width=60), IN_GO, IN_TWO, GO), "there is no other language"


# ---- which rows are shown


def test_the_rows_that_tell_are_those_of_findings_the_first_halfs_first_and_no_others() -> None:
    shown = [row.label for row in rows.telling_rows(PAIR)]
    assert shown == ["open sockets, after run()", "connections opened"]
    everything = [row.label for row in rows.other_rows(PAIR)]
    assert not set(shown) & set(everything)
    assert {"open sockets, peak", "threads, peak", "memory, last step", "elapsed"} <= set(everything)
    assert [row.label for row in rows.telling_rows(RUNS["a_buffer"])] == ["memory, last step"]


def test_a_key_metric_in_which_the_known_halves_differ_is_shown_beside_what_was_found() -> None:
    held = result(
        half("leaky", counters(lambda done: done, returned={"open_sockets": 0}).trace()), half("fixed", FIXED)
    )
    only_held = replace(held.halves["leaky"].judgement, findings=held.halves["leaky"].judgement.findings[:1])
    known = replace(held, halves={**held.halves, "leaky": replace(held.halves["leaky"], judgement=only_held)})
    assert [row.label for row in rows.telling_rows(known)] == ["open sockets, peak"]
    assert [row.label for row in rows.key_rows(known)] == ["open sockets, peak", "connections opened"]
