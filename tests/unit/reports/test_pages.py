"""Pages and slides of scripted results: their structure, their figures, and that nothing in them is obeyed."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from leaklab.commands import output
from leaklab.errors import UsageError
from leaklab.explain.evidence import CodeSite
from leaklab.judge.scaling import Thresholds
from leaklab.lab.result import Result, half_result
from leaklab.measure.run_trace import Ending, Outcome
from leaklab.measure.source_line import SourceLine
from leaklab.reports import rows
from leaklab.reports.figures import charts, forecast_charts
from leaklab.reports.formats import RUN
from leaklab.reports.pages import check_page, comparison_page, scenario_page
from leaklab.reports.slides import check_slide, comparison_slide, scenario_slide
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState
from tests.unit import scripted
from tests.unit.scripted import MIB, Half

MOST_BYTES = 150_000
LEFT = "def run(urls):\n    for url in urls:\n        keep(url)\n    return 1\n"
RIGHT = "def run(urls):\n    for url in urls:\n        with keep(url):\n            pass\n    return 1\n"
SOURCES = {"leaky": LEFT, "fixed": RIGHT}
NASTY = "<script>alert(1)</script>\x1b[31m\x00\udc80\ufffe&\"'</style></title>"
VOID = {"meta", "br", "path", "rect"}


class Page(HTMLParser):
    """What a browser would find: elements in order, and the text of those of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, *tags: str) -> str:
        return " ".join(" ".join(data for tag, data in self.text if not tags or tag in tags).split())


def page(result: Result, why: str = "An unread body keeps its `socket`.") -> Page:
    return Page(scenario_page(result, why, SOURCES))


def nasty() -> Result:
    """A result in which all that others write is an attack."""
    code = CodeSite(f"{NASTY}.py", 11, "run", NASTY)
    one = scripted.explained(scripted.leaky(), (scripted.evidence(50, code, note=NASTY),), NASTY)
    crash = scripted.trace("fixed", lambda step: step, ending=Ending(Outcome.CRASHED, NASTY), output=NASTY * 2000)
    return scripted.result(one, half_result("fixed", [scripted.measured(crash, NASTY)], Thresholds()), scenario=NASTY)


def checks() -> Iterator[CheckResult]:
    leaks = half_result(YOURS, [scripted.measured(scripted.trace(YOURS, lambda step: step))], Thresholds())
    found = leaks.judgement.findings[0]
    result = scripted.result(scripted.leaky(), scripted.fixed(), leaks)
    mine = Path("/nowhere/mine.py")
    place = SourceLine("mine.py", 1, "import requests")
    yield CheckResult(
        scenario="unclosed-body", file=mine, state=CheckState.LEAKS, reason="it leaks", finding=found, result=result
    )
    yield CheckResult(
        scenario="unclosed-body", file=mine, state=CheckState.REFUSED, reason=NASTY, remedy="Undo it.", place=place
    )
    clean = replace(scripted.fixed(), half=YOURS)
    fixed = scripted.result(scripted.leaky(), scripted.fixed(), clean)
    yield CheckResult(scenario="unclosed-body", file=mine, state=CheckState.FIXED, looked_at="all", result=fixed)


LEAKS, REFUSED, FIXED = checks()
PAGES = {
    "a_run": scenario_page(scripted.result(), "why", SOURCES),
    "nasty": scenario_page(nasty(), NASTY, {"leaky": NASTY, "fixed": f"{NASTY}\n{NASTY * 500}"}),
    "compared": comparison_page([scripted.result(), scripted.result(scenario="other"), nasty()]),
    **{check.state.value: check_page(check, Path(NASTY), None, RIGHT, "`with`") for check in (LEAKS, REFUSED, FIXED)},
}
SLIDES = {
    "a_run": scenario_slide(scripted.result(), "why"),
    "nasty": scenario_slide(nasty(), NASTY),
    "compared": comparison_slide([scripted.result()] * 7),
    "nothing": comparison_slide([]),
    **{check.state.value: check_slide(check, Path(NASTY)) for check in (LEAKS, REFUSED, FIXED)},
}


@pytest.mark.parametrize("text", PAGES.values(), ids=list(PAGES))
def test_a_page_is_one_file_that_asks_for_nothing_and_runs_nothing(text: str) -> None:
    assert text.isascii()
    assert len(text) <= MOST_BYTES
    found = Page(text)
    assert found.open == []
    policy, *_ = (meta["content"] for meta in found.all("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in found.elements}
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert "url(" not in text
    assert not [a["href"] for a in found.all("a") if not str(a["href"]).startswith("#")]
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("text", PAGES.values(), ids=list(PAGES))
def test_a_page_has_its_language_its_headings_in_order_and_words_for_each_chart(text: str) -> None:
    found = Page(text)
    assert found.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = {attributes.get("id") for _, attributes in found.elements}
    for svg in found.all("svg"):
        labelled = str(svg.get("aria-labelledby", "")).split()
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and set(labelled) <= ids and labelled)


def test_what_a_program_wrote_is_shown_and_not_obeyed() -> None:
    shown = Page(PAGES["nasty"]).words()
    assert shown.count("<script>alert(1)</script>�[31m���&\"'</style></title>") >= 10
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]|&#(?:0|27|5632\d|65534);", PAGES["nasty"])


def test_the_figures_are_those_of_the_tables() -> None:
    result = scripted.result()
    shown = page(result)
    cells = [data for tag, data in shown.text if tag in ("td", "th")]
    for row in rows.telling_rows(result):
        assert cells[cells.index(row.label) : cells.index(row.label) + 1 + len(row.cells)] == [row.label, *row.cells]
    everything = cells[cells.index("metric") :]
    for each in [*rows.telling_rows(result), *rows.other_rows(result)]:
        assert [each.label, *each.cells] == everything[everything.index(each.label) :][: 1 + len(each.cells)]
    said = shown.words()
    for half in result.halves.values():
        assert all(" ".join(remark.words.split()) in said for remark in rows.remarks(half))
    assert "leaky: 50 at the last step, 50 after run(); fixed: 1 at the last step, 1 after run()" in shown.words("desc")


def test_the_lines_that_differ_are_marked_by_signs_and_not_by_colour_alone() -> None:
    found = page(scripted.result())
    assert found.words("del").endswith("keep(url)")
    assert found.words("ins") == "with keep(url): pass"
    signs = [data for tag, data in found.text if tag == "b" and data in ("−", "+")]
    assert signs == ["−", "+", "+"]
    assert "socket" in found.words("code")


def test_lines_of_the_memory_budget_the_deadline_and_the_forecast_are_drawn() -> None:
    buffer = Half(elapsed_s=3.0).counts("rss", lambda _: 271.0 * MIB, before=15 * MIB, returned=15 * MIB)
    bounds = Thresholds(memory=128 * MIB, deadline_s=0.5)
    half = half_result("leaky", [scripted.measured(buffer.trace())], bounds, scripted.CAPACITIES)
    result = replace(scripted.result(half), telling=("rss", "elapsed"), bounds=bounds)
    elapsed, memory = charts(result)
    assert memory.limit is not None
    assert (memory.limit.at, memory.limit.words) == (143 * MIB, "allowed: +128 MiB")
    assert elapsed.limit is not None
    assert (elapsed.limit.at, elapsed.limit.words) == (0.5, "deadline: 500 ms")
    (ahead,) = forecast_charts(scripted.result())
    (line,) = ahead.lines
    forecast = scripted.leaky().forecast[0]
    assert line.points[-2:] == [(50.0, 50.0), (float(forecast.steps), forecast.limit)]


def test_of_several_runs_the_one_nearest_to_the_median_is_drawn_with_the_median_as_its_label() -> None:
    rises: list[Callable[[int], int]] = [lambda step: 3 * step, lambda step: step, lambda step: 2 * step]
    traces = [scripted.trace("leaky", rise) for rise in rises]
    sockets, *_ = charts(scripted.result(scripted.leaky(*traces), scripted.fixed()))
    assert (sockets.lines[0].points[-1], sockets.lines[0].label) == ((50, 100.0), "100")


def test_halves_that_ended_early_are_drawn_until_then() -> None:
    early = scripted.trace("leaky", lambda step: step, ending=Ending(Outcome.CRASHED, "it died"), steps=1)
    for half, name, label in (
        (scripted.crashed("it died"), "leaky (crashed)", "25"),
        (scripted.leaky(early), "leaky (crashed)", "0"),
    ):
        sockets, *_ = charts(scripted.result(half, scripted.fixed()))
        assert (sockets.across, sockets.lines[0].name, sockets.lines[0].label) == ("steps", name, label)
        assert "at its end" in sockets.words


def test_a_run_of_2000_steps_is_as_small_as_one_of_50() -> None:
    steps = range(0, 2001, 32)
    trace = scripted.trace("leaky", lambda step: step, steps=2000)
    sampled = replace(trace, samples=tuple(one for one in trace.samples if one.steps_done in steps))
    text = scenario_page(scripted.result(scripted.leaky(sampled), scripted.fixed()), "", SOURCES)
    assert len(text) <= MOST_BYTES / 5
    whole = scenario_page(scripted.result(scripted.leaky(trace), scripted.fixed()), "", SOURCES)
    assert len(whole) <= MOST_BYTES / 5


def test_our_solution_is_shown_only_to_those_who_have_one() -> None:
    pages = {state: Page(PAGES[state]).words() for state in ("leaks", "refused", "fixed")}
    assert "with keep(url):" in pages["fixed"]
    assert "Why it works" in pages["fixed"]
    for state in ("leaks", "refused"):
        assert "keep(url)" not in pages[state]
        assert "Why it works" not in pages[state]
    assert "Undo it." in pages["refused"]
    assert "NOT FIXED: leaked, wasted" in pages["leaks"]


def test_a_checked_file_is_shown_with_its_line_marked(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text('"""The task."""\n\n' + LEFT)
    site = CodeSite("mine.py", 5, "run", "keep(url)")
    mine = scripted.explained(
        half_result(YOURS, [scripted.measured(scripted.trace(YOURS, lambda step: step))], Thresholds()),
        (scripted.evidence(50, site),),
    )
    found = mine.judgement.findings[0]
    result = scripted.result(scripted.leaky(), scripted.fixed(), mine)
    leaks = replace(LEAKS, file=file, finding=found, result=result)
    marked = Page(check_page(leaks, file, None, RIGHT, ""))
    assert "▸" in marked.words("b")
    assert "keep(url)" in marked.words("b")
    fixed = Page(check_page(replace(FIXED, file=file), file, None, RIGHT, ""))
    assert fixed.words("del") == "keep(url)"
    assert " 5" in [data for tag, data in fixed.text if tag == "i"][2]


@pytest.mark.parametrize("text", SLIDES.values(), ids=list(SLIDES))
def test_a_slide_is_an_image_on_its_own(text: str) -> None:
    assert text.isascii()
    svg = ET.fromstring(text)  # noqa: S314 # it is our own
    assert (svg.get("width"), svg.get("height"), svg.get("viewBox")) == ("1280", "720", "0 0 1280 720")
    assert not {"script", "image", "a", "use", "foreignObject"} & {
        element.tag.partition("}")[2] for element in svg.iter()
    }
    assert not re.search(r"url\(|href|@import", text)
    rectangle = next(svg.iter("{http://www.w3.org/2000/svg}rect"))
    assert (rectangle.get("width"), rectangle.get("height")) == ("1280", "720")
    for element in svg.iter("{http://www.w3.org/2000/svg}svg"):
        bottom = float(element.get("y", 0)) + float(element.get("height", 0))
        assert bottom <= 720


def test_a_slide_says_a_sentence_for_each_half() -> None:
    words = html.unescape(re.sub(r"<[^>]+>", "", SLIDES["a_run"]))
    assert "leaky: leaked, wasted. 50 sockets are still open" in words
    assert "fixed: clean." in words


@pytest.mark.parametrize("form", ["html", "svg"])
def test_a_page_is_not_poured_into_a_terminal(form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(UsageError, match=rf"--format {form}: .* Add -o report\.{form}\."):
        output.destination(RUN, form, None)
    assert output.destination(RUN, form, tmp_path / "x").format == form


def test_the_help_does_not_import_what_only_pages_need() -> None:
    code = (
        "import sys; sys.argv = ['leaklab', 'run', '--help']\nfrom leaklab import cli\n"
        "try: cli.main()\nexcept SystemExit: pass\nsys.exit('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "svg" in done.stdout) == (0, True), done.stderr


def test_a_long_difference_is_cut_and_says_so() -> None:
    long = {"leaky": "pass\n", "fixed": "".join(f"line_{number} = 1\n" for number in range(1000))}
    found = Page(scenario_page(scripted.result(), "", long)).words("span", "ins")
    assert ("line_148 = 1" in found, "line_149 = 1" in found, "and 851 more lines" in found) == (True, False, True)


WIDE = "\u4e16"


def test_a_page_keeps_its_size_whatever_characters_a_difference_has() -> None:
    long = {"leaky": "pass\n", "fixed": f"# {WIDE * 800}\n" * 400}
    page = scenario_page(scripted.result(), "", long)
    assert len(page) < 100_000
    assert re.search(r"and 39\d more lines", page)


def test_names_of_any_length_fit_a_slide() -> None:
    name = "a-scenario-that-has-a-name-of-so-many-words-that-nothing-is-left-beside-it"
    slides = [
        scenario_slide(scripted.result(scenario=name), ""),
        check_slide(LEAKS, Path(name * 2)),
        comparison_slide([scripted.result(scenario=name)] * 3),
    ]
    for slide in slides:
        for size, words in re.findall(r'class="slide"[^>]* font-size="(\d+)"[^>]*>([^<]*)</text>', slide):
            assert len(html.unescape(words)) * int(size) * 0.55 <= 1184, words
    assert [own in slide for own, slide in zip((name, name * 2, name), slides, strict=True)] == [False] * 3


def test_a_slide_of_a_file_that_was_not_measured_to_the_end_says_why() -> None:
    check = replace(FIXED, state=CheckState.WRONG_WORK, reason="it does not do the work: it asked for nothing")
    words = html.unescape(re.sub(r"<[^>]+>", "", check_slide(check, Path("mine.py"))))
    assert "it does not do the work: it asked for nothing" in words
