"""What the doctor says of good and of bad figures: each problem is reported with them, and with a remedy."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from leaklab.doctor import diagnoses
from leaklab.doctor.examination import tried
from leaklab.doctor.health import Diagnosis, Health, HealthCheck, Terminal
from leaklab.errors import MeasureError, UsageError
from leaklab.measure.run_trace import Ending, Outcome, Phase, Sample, Trace
from leaklab.reports.checkup import checkup
from leaklab.system.machine import cgroup_memory_available

MIB, GIB = 2**20, 2**30
HERE, NOWHERE = Path(__file__).parent, Path("/nowhere/scenarios")
WIDE = Terminal(is_terminal=True, width=80, colours="truecolor", encoding="utf-8")
SEEN = {"threads": 1, "rss": 20 * MIB, "open_fds": 7, "open_sockets": 3, "requests_served": 3}
NEEDED = diagnoses.libraries_needed(["rich<16,>=13.9", "h11>=0.16", "typer", 'mypy>=1.13; extra == "dev"'])
CURRENT = {"rich": "13.10.0", "h11": "0.16", "typer": "1"}


def measured(collected: Mapping[str, float | None] = SEEN, outcome: Outcome = Outcome.COMPLETED) -> Diagnosis:
    """The diagnosis of a half with 4 descriptors before, and `collected` in the end."""
    before = {"threads": 1, "rss": 20 * MIB, "open_fds": 4, "open_sockets": 0, "requests_served": 0}
    samples = (Sample(Phase.BASELINE, 0, 0.0, before), Sample(Phase.COLLECTED, 3, 0.1, collected))
    words = "" if outcome is Outcome.COMPLETED else "it was ended by SIGKILL after 0 whole steps"
    return diagnoses.diagnose_measuring(Trace("doctor", 3, 0.1, 0.0, samples, ending=Ending(outcome, words)))


def refused(words: str) -> Diagnosis:
    return diagnoses.diagnose_refusal(MeasureError(words))


GOOD = {
    "CPython": diagnoses.diagnose_python("cpython", "3.11.7", "/usr/bin/python3"),
    "a whole package": diagnoses.diagnose_leaklab("0.1.0", Path("/lib/leaklab"), HERE),
    "current libraries": diagnoses.diagnose_libraries(NEEDED, CURRENT),
    "a release candidate": diagnoses.diagnose_libraries(NEEDED, {**CURRENT, "rich": "14.0.0rc1"}),
    "scenarios": diagnoses.diagnose_scenarios(5, [], []),
    "Linux": diagnoses.diagnose_system("Linux", "6.1", "posix"),
    "macOS": diagnoses.diagnose_system("Darwin", "24.1", "posix"),
    "two cores": diagnoses.diagnose_cores(2),
    "memory": diagnoses.diagnose_memory(GIB, None, 256 * MIB),
    "memory in a container": diagnoses.diagnose_memory(8 * GIB, GIB, 256 * MIB),
    "just enough descriptors": diagnoses.diagnose_descriptors(256, 2064, 64),
    "no limit of descriptors": diagnoses.diagnose_descriptors(None, None, 64),
    "a measured half": measured(),
    "a MongoDB server": diagnoses.diagnose_mongo("server 7.0.1", 0),
    "a shared MongoDB server": diagnoses.diagnose_mongo("server 7.0.1", 2),
    "no proxy": diagnoses.diagnose_proxy({"PATH": "/bin", "https_proxy": "http://p:3128", "http_proxy": ""}),
    "a proxy": diagnoses.diagnose_proxy({"http_proxy": "http://user:secret@p:3128", "ALL_PROXY": "socks://x"}),
    "a terminal": diagnoses.diagnose_terminal(WIDE),
    "a pipe": diagnoses.diagnose_terminal(replace(WIDE, is_terminal=False, colours=None)),
    "UTF-8": diagnoses.diagnose_encoding("UTF-8"),
}

PROBLEMS = {
    "PyPy": diagnoses.diagnose_python("pypy", "3.11.9", "/usr/bin/pypy3"),
    "a Python without a file": diagnoses.diagnose_python("cpython", "3.11.7", ""),
    "no built-in scenarios": diagnoses.diagnose_leaklab("0.1.0", Path("/lib/leaklab"), NOWHERE),
    "never installed": diagnoses.diagnose_libraries({}, {}),
    "a missing library": diagnoses.diagnose_libraries(NEEDED, {"h11": "0.1", "typer": "1"}),
    "an old library": diagnoses.diagnose_libraries(NEEDED, {**CURRENT, "rich": "13.8.1"}),
    "no scenario": diagnoses.diagnose_scenarios(0, [], []),
    "broken scenarios": diagnoses.diagnose_scenarios(
        5, ["pack"], ["scenario x is broken: no leaky.py", "'pack' cannot be loaded: X. Repair or uninstall it."]
    ),
    "Windows": diagnoses.diagnose_system("Windows", "11", "nt"),
    "another system": diagnoses.diagnose_system("FreeBSD", "14.1", "posix"),
    "one core": diagnoses.diagnose_cores(1),
    "little memory": diagnoses.diagnose_memory(200 * MIB, None, 256 * MIB),
    "a small container": diagnoses.diagnose_memory(8 * GIB, 100 * MIB, 256 * MIB),
    "no memory": diagnoses.diagnose_memory(0, None, 256 * MIB),
    "few descriptors": diagnoses.diagnose_descriptors(256, 1024, 64),
    "hardly any descriptors": diagnoses.diagnose_descriptors(64, 100, 64),
    "fewer descriptors than the lab needs": diagnoses.diagnose_descriptors(32, 32, 64),
    "a worker that dies": measured(outcome=Outcome.CRASHED),
    "a process that cannot be read": measured({"requests_served": 3, "rss": None}),
    "sockets that are not seen": measured({**SEEN, "open_sockets": 2}),
    "a MongoDB server that reports no cursors": diagnoses.diagnose_mongo("server 7.0.1", None),
    "no MongoDB server": refused("--mongo mongodb://h:1: no MongoDB server answered within 3 s. Start it, or …"),
    "a user who may not": refused("--mongo mongodb://u:***@h: not authorized on admin to execute command …"),
    "no user": refused("--mongo mongodb://h: Command serverStatus requires authentication"),
    "a wrong password": refused("--mongo mongodb://u:***@h: Authentication failed."),
    "a MongoDB server that hangs up": refused("--mongo mongodb://h: connection closed"),
    "a narrow terminal": diagnoses.diagnose_terminal(replace(WIDE, width=79)),
    "Latin-1": diagnoses.diagnose_encoding("latin-1"),
    "no encoding": diagnoses.diagnose_encoding(""),
}


def test_each_problem_and_nothing_else_has_a_remedy() -> None:
    assert [what for what, found in GOOD.items() if found.state is not Health.OK or found.remedy] == []
    assert [what for what, found in PROBLEMS.items() if found.state is Health.OK or not found.remedy] == []


def test_every_diagnosis_is_told_in_the_words_of_the_golden_file() -> None:
    told = [
        f"{what}: {found.state}: {found.found}" + (f"\n    -> {found.remedy}" if found.remedy else "")
        for what, found in [*GOOD.items(), *PROBLEMS.items()]
    ]
    golden = (HERE / "diagnoses.txt").read_text(encoding="utf-8")
    assert "\n".join(told).replace(str(HERE), "HERE") == golden.rstrip("\n")
    assert "secret" not in golden, "a proxy is named without its address, which may hold a password"


@pytest.mark.parametrize(("most", "allowed"), [("1000", 500), ("400", 0), ("max", None), (None, None)])
def test_a_containers_limit_is_read_with_the_cache_it_would_give_back(
    tmp_path: Path, most: str | None, allowed: int | None
) -> None:
    if most is not None:
        (tmp_path / "memory.max").write_text(f"{most}\n")
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 100\n")
    assert cgroup_memory_available(str(tmp_path)) == allowed


def failing(error: Exception) -> Diagnosis:
    raise error


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (MeasureError("two are called x: /a, /b. Rename one."), "two are called x: /a, /b", "Rename one."),
        (MeasureError("the services' process ended"), "the services' process ended", "report it"),
        (PermissionError("no such luck"), "PermissionError: no such luck", "report it"),
    ],
)
def test_an_error_fails_its_check_with_its_own_remedy_or_that_of_the_check(
    error: Exception, found: str, remedy: str
) -> None:
    assert tried("name", "report it", lambda: failing(error)) == HealthCheck("name", Health.FAILED, found, remedy)


def test_a_wrong_option_is_not_a_check_that_failed() -> None:
    with pytest.raises(UsageError):
        tried("name", "report it", lambda: failing(UsageError("--scenarios x: there is no such folder")))


# ---- the report

FINE, SO_SO = HealthCheck("a", Health.OK, "fine"), HealthCheck("b", Health.WARNING, "so so", "Do it.")
FAILED = HealthCheck("c", Health.FAILED, "/a/path" * 30, "Do something else, " * 10)


def shown(checks: list[HealthCheck], *, every: bool = False, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), no_color=True)
    with console.capture() as captured:
        console.print(checkup(checks, every=every))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("checks", "first", "lines"),
    [
        ([FINE, FINE], "leaklab works here: 2 checks passed.", 1),
        ([FINE, SO_SO], "leaklab works here, with 1 warning:", 3),
        ([SO_SO, SO_SO], "leaklab works here, with 2 warnings:", 5),
        ([FINE, FAILED], "1 of 2 checks failed:", 8),
        ([FINE, SO_SO, FAILED], "1 of 3 checks failed, 1 warning:", 10),
    ],
)
def test_the_first_line_is_the_outcome_and_problems_follow(checks: list[HealthCheck], first: str, lines: int) -> None:
    text = shown(checks)
    assert text[0] == first
    assert len(text) == lines
    assert not any("fine" in line for line in text)


def test_every_check_is_shown_if_asked_for_and_the_outcome_last() -> None:
    assert shown([FINE, SO_SO], every=True) == [
        "ok       a  fine",
        "warning  b  so so",
        "            -> Do it.",
        "",
        "leaklab works here, with 1 warning.",
    ]


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_fits_the_width_and_loses_nothing(width: int) -> None:
    found = [*GOOD.values(), *PROBLEMS.values()]
    lines = shown([FAILED, *(HealthCheck("name", *diagnosis) for diagnosis in found)], every=True, width=width)
    assert all(len(line) <= width for line in lines)
    squeezed = "".join("".join(lines).split())
    for diagnosis in found:
        assert "".join(diagnosis.found.split()) in squeezed
        assert "".join(diagnosis.remedy.split()) in squeezed
