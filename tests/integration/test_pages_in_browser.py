"""Pages and slides as a browser shows them: what is seen, what is asked for, how they print. It takes Chromium."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from leaklab.content.catalog import Catalog, Entry
from leaklab.judge.findings import Verdict
from leaklab.lab.pair import run_scenario
from leaklab.lab.result import HalfResult, Result, half_result
from leaklab.lab.run_options import RunOptions, bounds_of
from leaklab.metrics import METRICS, FindingKind, Moment
from leaklab.reports.document import result_document
from leaklab.reports.pages import comparison_page, scenario_page
from leaklab.reports.slides import scenario_slide
from tests.integration.conftest import wait_until
from tests.unit import scripted
from tests.unit.scripted import MIB, Half

MOST_BYTES = 150_000
PAPERS = {"A4": (8.27, 11.69), "Letter": (8.5, 11.0)}
"""Width and height of paper, in inches."""

COUNTED = {"open_sockets": 1, "connections_opened": 1, "requests_served": 1, "threads": 1, "open_fds": 4, "tasks": 0}
"""What a half counts that leaks nothing."""

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no Chromium: apt-get install chromium chromium-driver"
)

OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


class Browser:
    """A Chromium that shows files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pages"
        self.folder.mkdir()
        self.profile = folder / "profile"
        options = ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for option in (*OPTIONS, f"--user-data-dir={self.profile}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        # Whatever it and its libraries write goes with the folder.
        places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
        service = Service(DRIVER, env={**os.environ, **places})
        self.driver: Any = Chrome(options=options, service=service)

    def open(self, name: str, text: str) -> list[str]:
        """Show a file of this text; what it asked for, without itself."""
        file = self.folder / name
        file.write_text(text, encoding="ascii")
        self.driver.get_log("performance")
        self.driver.get(file.as_uri())
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        assert asked[0] == file.as_uri()
        assert self.driver.get_log("browser") == [], "the console has errors"
        return asked[1:]

    def do(self, command: str, **parameters: object) -> Mapping[str, Any]:
        """Have the browser do something that a page cannot."""
        return dict(self.driver.execute_cdp_cmd(command, parameters))

    def see(self, expression: str) -> Any:
        """What a look at the page gives."""
        return self.driver.execute_script(f"return {expression}")

    def as_a_phone(self) -> None:
        """Show it 360 pixels wide."""
        self.do("Emulation.setDeviceMetricsOverride", width=360, height=720, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str, media: str = "") -> None:
        """Show it as to somebody who has chosen this colour scheme, on the screen or in print."""
        self.do("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def pages_of_print(self, width: float, height: float) -> int:
        """How many pages it takes on paper of this size, in inches."""
        printed = self.do("Page.printToPDF", paperWidth=width, paperHeight=height, preferCSSPageSize=False)
        return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"])))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all; when it has ended, none of its processes is left."""
    one = Browser(tmp_path_factory.mktemp("browser"))
    try:
        yield one
    finally:
        one.driver.quit()
        wait_until(lambda: not _processes_of(one.profile), "the end of the browser")


def _processes_of(profile: Path) -> list[int]:
    told = psutil.process_iter(["cmdline"])
    return [process.pid for process in told if any(str(profile) in part for part in process.info["cmdline"] or ())]


@pytest.fixture(scope="module")
def real() -> tuple[Entry, Result]:
    """A scenario that was really run."""
    entry = Catalog().get("unclosed-body")
    return entry, run_scenario(entry, entry.scenario.settings, RunOptions(explain=True), entry.halves)


def page_of(entry: Entry, result: Result) -> str:
    return scenario_page(result, entry.why, {half: entry.code(half) for half in entry.halves})


def half_like(entry: Entry, name: str) -> HalfResult:
    """A half with the findings that are expected of it, as scripted numbers, each with evidence of usual length."""
    settings = entry.scenario.settings
    expected = entry.scenario.expected[name]
    # What may be found or not is found here: it takes more room.
    findings = entry.scenario.expected["leaky"].findings if expected.verdict == "either" else expected.findings
    found = {metric: FindingKind(kind) for kind, metric in findings}
    half = Half(steps=settings.steps or 0, elapsed_s=3.01 if found.get("elapsed") else 0.5)
    for metric in [*COUNTED, "open_cursors"] if "mongo" in entry.scenario.services else COUNTED:
        flat = COUNTED.get(metric, 0)
        if found.get(metric) is FindingKind.STALLED:
            half.counts(metric, lambda _, flat=flat: flat, before=flat, returned=flat + 1)  # type: ignore[misc]
        elif metric in found:
            returned = flat if found[metric] is FindingKind.HELD else None
            half.counts(metric, lambda done, flat=flat: flat + done, before=flat, returned=returned)  # type: ignore[misc]
        else:
            half.counts(metric, lambda _, flat=flat: flat, before=flat)  # type: ignore[misc]
    size = (271 if "rss" in found else 15) * MIB
    half.counts("rss", lambda _: size, before=15 * MIB, returned=15 * MIB)
    measured = scripted.measured(half.trace(name))
    judged = half_result(name, [measured], bounds_of(entry.scenario, settings), scripted.CAPACITIES)
    evidence = scripted.evidence(49, kept_by=scripted.KEPT), scripted.evidence(1, waits_at=scripted.WAITS)
    return scripted.explained(judged, *[evidence] * len(judged.judgement.findings))


def result_like(entry: Entry) -> Result:
    halves = {half: half_like(entry, half) for half in entry.halves}
    verdicts = [half.judgement.verdict for half in halves.values()]
    assert verdicts == [*[Verdict.LEAKS] * (len(halves) - 1), Verdict.CLEAN], entry.id
    scenario = entry.scenario
    return Result(
        entry.id, scenario.settings, None, "3.11.7", halves, scenario.expected, scenario.telling,
        bounds=bounds_of(scenario, scenario.settings),
    )  # fmt: skip


def test_a_page_shows_the_figures_of_the_json_document_and_asks_for_nothing(
    browser: Browser, real: tuple[Entry, Result]
) -> None:
    entry, result = real
    text = page_of(entry, result)
    assert len(text) <= MOST_BYTES
    assert browser.open("run.html", text) == []
    halves = result_document(result)["halves"]
    for number, metric in enumerate(entry.scenario.telling, start=1):
        chart = f"document.querySelector('[aria-labelledby~=chart-{number}-title]')"
        assert browser.see(f"{chart}.getBoundingClientRect().width") > 200
        for name, style in (("leaky", "leaky"), ("almost", "partial0"), ("fixed", "fixed")):
            last = browser.see(f"[...{chart}.querySelectorAll('text.value.{style}')].at(-1).textContent")
            assert last == METRICS[metric].format(halves[name]["metrics"][metric][Moment.COLLECTED])
            points = browser.see(f"{chart}.querySelectorAll('path.line.{style}')[1].getTotalLength()")
            assert points > 50, "the line is too short to be seen"
        outside = browser.see(
            f"(svg => [...svg.querySelectorAll('text')].filter(text => {{"
            "const box = text.getBoundingClientRect(), all = svg.getBoundingClientRect();"
            "return box.left < all.left - 1 || box.right > all.right + 1 || box.top < all.top - 1"
            f"|| box.bottom > all.bottom + 1}}).map(text => text.textContent))({chart})"
        )
        assert outside == [], "labels are cut off"
    assert "leaked, wasted" in browser.see("document.querySelector('table').innerText")
    assert "recent[…]" in browser.see("document.body.innerText")


def test_it_follows_the_colour_scheme_on_the_screen_and_is_light_in_print(
    browser: Browser, real: tuple[Entry, Result]
) -> None:
    browser.open("run.html", page_of(*real))
    background = "getComputedStyle(document.body).backgroundColor"
    line = "getComputedStyle(document.querySelector('path.line.leaky')).stroke"
    browser.prefer("light")
    light = [browser.see(background), browser.see(line)]
    browser.prefer("dark")
    dark = [browser.see(background), browser.see(line)]
    assert light[0] == "rgb(255, 255, 255)"
    assert not set(light) & set(dark)
    folded = "document.querySelector('details table').checkVisibility({contentVisibilityAuto: true})"
    assert not browser.see(folded)
    browser.prefer("dark", media="print")
    assert [browser.see(background), browser.see(line)] == light
    assert browser.see(folded), "all figures are printed"
    browser.prefer("light")


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, real: tuple[Entry, Result]) -> None:
    entry, result = real
    results = [result, *(result_like(each) for each in Catalog().select([])[1:])]
    for name, text in (("run.html", page_of(entry, result)), ("compare.html", comparison_page(results))):
        assert browser.open(name, text) == []
        browser.as_a_phone()
        assert browser.see("[innerWidth, document.documentElement.scrollWidth <= innerWidth]") == [360, True]
        browser.do("Emulation.clearDeviceMetricsOverride")


def test_every_scenario_prints_on_two_pages(browser: Browser, real: tuple[Entry, Result]) -> None:
    for entry in Catalog().select([]):
        browser.open(
            f"{entry.id}.html", page_of(entry, real[1] if entry.id == real[1].scenario else result_like(entry))
        )
        for paper, size in PAPERS.items():
            assert 1 <= browser.pages_of_print(*size) <= 2, f"{entry.id} on {paper}"


def test_a_slide_is_an_image_that_other_pages_can_show(browser: Browser, real: tuple[Entry, Result]) -> None:
    entry, result = real
    slide = browser.folder / "slide.svg"
    slide.write_text(scenario_slide(result, entry.why), encoding="ascii")
    assert browser.open("slides.html", '<!doctype html><link rel="icon" href="data:,"><img src="slide.svg">') == [
        slide.as_uri()
    ]
    image = "document.querySelector('img')"
    assert browser.see(f"[{image}.complete, {image}.naturalWidth, {image}.naturalHeight]") == [True, 1280, 720]
    assert browser.open("slide.svg", slide.read_text()) == []
    outside = "[...document.querySelectorAll('text')].filter(text => text.getBoundingClientRect().right > 1280)"
    assert browser.see(f"{outside}.map(text => text.textContent)") == []
