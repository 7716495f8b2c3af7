"""What the doctor says of good and of bad surroundings: every bad one is told with its figures and a remedy."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from rich.console import Console

from leaklab.doctor import judges, looks
from leaklab.doctor.checks import Health, HealthCheck, Terminal
from leaklab.errors import MeasureError, UsageError
from leaklab.measure.trace import Ending, Outcome, Phase, Sample, Trace
from leaklab.reports.checkup import checkup, checkup_document, summary
from leaklab.system.machine import container_allows

MIB, GIB = 2**20, 2**30
WIDE = Terminal(is_terminal=True, width=120, colours="truecolor", no_color=False, encoding="utf-8")

SEEN = {"threads": 1, "rss": 20 * MIB, "open_fds": 7, "open_sockets": 3}


def measured(collected: Mapping[str, float | None] = SEEN, outcome: Outcome = Outcome.COMPLETED) -> Trace:
    """What was read of the doctor's half: 4 descriptors before, and `collected` in the end."""
    before = {"threads": 1, "rss": 20 * MIB, "open_fds": 4, "open_sockets": 0}
    samples = (Sample(Phase.BASELINE, 0, 0.0, before), Sample(Phase.COLLECTED, 3, 0.1, collected))
    error = None if outcome is Outcome.COMPLETED else "it was ended by SIGKILL after 0 whole steps"
    return Trace("doctor", outcome, 3, 0.1, 0.0, samples, ending=None if error is None else Ending(error))


def refused(words: str) -> HealthCheck:
    return judges.refused_mongo("MongoDB", MeasureError(words))


NEEDED = {"rich": SpecifierSet(">=13.9,<16"), "h11": SpecifierSet(">=0.16")}

GOOD = {
    "CPython": judges.judge_python((3, 11, 7), "cpython", "/usr/bin/python3"),
    "a whole package": judges.judge_leaklab("0.1.0", Path("/lib/leaklab"), Path("/lib/s"), scenarios_there=True),
    "new libraries": judges.judge_libraries({"rich": "13.10.0", "h11": "0.16"}, NEEDED),
    "a library's release candidate": judges.judge_libraries({"rich": "14.0.0rc1", "h11": "0.16"}, NEEDED),
    "a library of no version that is known": judges.judge_libraries({"rich": "git-1a2b", "h11": "0.16"}, NEEDED),
    "scenarios": judges.judge_scenarios(5, [], [], []),
    "Linux": judges.judge_system("Linux", "6.1", "posix"),
    "macOS": judges.judge_system("Darwin", "24.1", "posix"),
    "two cores": judges.judge_cores(2),
    "memory": judges.judge_memory(GIB, None, 256 * MIB),
    "memory in a container": judges.judge_memory(8 * GIB, GIB, 256 * MIB),
    "descriptors": judges.judge_descriptors(1024, 4096, 64),
    "just enough descriptors": judges.judge_descriptors(256, 2064, 64),
    "no limit of descriptors": judges.judge_descriptors(256, None, 64),
    "the HTTP service": judges.judge_http(200, 1),
    "a measured half": judges.judge_measuring(measured()),
    "a MongoDB server": judges.judge_mongo("MongoDB", "server 7.0.1", 0),
    "no proxy": judges.judge_proxy({"PATH": "/bin", "https_proxy": "http://p:3128"}),
    "a proxy": judges.judge_proxy({"http_proxy": "http://p:3128"}),
    "a wide terminal": judges.judge_terminal(WIDE),
    "just wide enough": judges.judge_terminal(replace(WIDE, width=80)),
    "a pipe": judges.judge_terminal(replace(WIDE, width=80, is_terminal=False)),
    "colours": judges.judge_colours(WIDE),
    "no colours": judges.judge_colours(replace(WIDE, colours=None)),
    "NO_COLOR": judges.judge_colours(replace(WIDE, no_color=True)),
    "UTF-8": judges.judge_encoding("UTF-8"),
}

WORSE = {
    "PyPy": (judges.judge_python((3, 11, 9), "pypy", "/usr/bin/pypy3"), "pypy 3.11.9", "CPython"),
    "never installed": (judges.judge_libraries({}, {}), "never installed", "pip install -e"),
    "an old library": (
        judges.judge_libraries({"rich": "13.8.1", "h11": "0.16"}, NEEDED),
        "Needed: rich<16,>=13.9",
        "pip install --upgrade 'rich<16,>=13.9'.",
    ),
    "a library that is too new": (
        judges.judge_libraries({"rich": "16.0", "h11": "0.16"}, NEEDED),
        "Needed: rich<16,>=13.9",
        "pip install --upgrade 'rich<16,>=13.9'.",
    ),
    "another system": (judges.judge_system("FreeBSD", "14.1", "posix"), "FreeBSD 14.1", "Linux"),
    "one core": (judges.judge_cores(1), "take turns", "--repeat 5"),
    "little memory": (judges.judge_memory(200 * MIB, None, 256 * MIB), "200 MiB free", "160MiB or less"),
    "a small container": (
        judges.judge_memory(8 * GIB, 100 * MIB, 256 * MIB),
        "8.0 GiB free, of which this container allows 100 MiB, too little for the default buffer of 256 MiB",
        "80MiB or less",
    ),
    "no memory": (judges.judge_memory(0, None, 256 * MIB), "0 B free", "Free some."),
    "few descriptors": (
        judges.judge_descriptors(256, 1024, 64),
        "soft limit 256, hard limit 1,024: enough for --steps 50, not for --steps 2000",
        "at most --steps 960, or raise the hard limit to 2,064",
    ),
    "a narrow terminal": (judges.judge_terminal(replace(WIDE, width=79)), "79 columns", "80 columns"),
    "ASCII": (judges.judge_encoding("ascii"), "ascii", "PYTHONUTF8=1"),
    "Latin-1": (judges.judge_encoding("latin-1"), "latin-1", "PYTHONUTF8=1"),
    "no encoding": (judges.judge_encoding(""), "none is known", "PYTHONUTF8=1"),
}

BAD = {
    "an old Python": (judges.judge_python((3, 10, 2), "cpython", "/usr/bin/python3"), "3.10.2", "3.11 or later"),
    "a Python without a file": (judges.judge_python((3, 11, 7), "cpython", ""), "no file", "sys.executable"),
    "no scenarios": (
        judges.judge_leaklab("0.1.0", Path("/lib/leaklab"), Path("/lib/s"), scenarios_there=False),
        "/lib/s is not there",
        "--force-reinstall",
    ),
    "a missing library": (
        judges.judge_libraries({"rich": None, "h11": "0.1"}, NEEDED),
        "rich missing",
        "pip install --upgrade rich.",
    ),
    "no scenario at all": (judges.judge_scenarios(0, [], [], []), "0 found", "--force-reinstall"),
    "a broken scenario": (
        judges.judge_scenarios(5, ["scenario x is broken: no leaky.py"], ["pack"], []),
        "5 found, installed packages: pack; scenario x is broken: no leaky.py",
        "leaklab validate",
    ),
    "a package that cannot be loaded": (
        judges.judge_scenarios(5, [], ["pack"], ["'pack' cannot be loaded: ImportError. Repair or uninstall it."]),
        "'pack' cannot be loaded: ImportError.",
        "Repair what is named",
    ),
    "Windows": (judges.judge_system("Windows", "11", "nt"), "Windows 11", "WSL"),
    "hardly any descriptors": (
        judges.judge_descriptors(64, 100, 64),
        "hard limit 100: not enough for --steps 50",
        "to 114 or more (ulimit -Hn, as root, or in limits.conf), or take --steps 36",
    ),
    "fewer descriptors than the lab needs": (judges.judge_descriptors(32, 32, 64), "hard limit 32", "take --steps 1."),
    "an HTTP service that refuses": (judges.judge_http(500, 1), "with 500", "LEAKLAB_DEBUG"),
    "an HTTP service that does not count": (judges.judge_http(200, 0), "counted 0", "LEAKLAB_DEBUG"),
    "an HTTP service that cannot count": (judges.judge_http(200, None), "counted none", "LEAKLAB_DEBUG"),
    "a worker that dies": (
        judges.judge_measuring(measured(outcome=Outcome.CRASHED)),
        "it was ended by SIGKILL",
        "LEAKLAB_DEBUG",
    ),
    "a process that cannot be read": (
        judges.judge_measuring(measured({"threads": None, "rss": None})),
        "does not tell its threads, rss, open_fds, open_sockets",
        "psutil",
    ),
    "sockets that cannot be read": (
        judges.judge_measuring(measured({**SEEN, "open_sockets": None})),
        "does not tell its open_sockets",
        "psutil",
    ),
    "sockets that are not seen": (
        judges.judge_measuring(measured({**SEEN, "open_sockets": 2})),
        "left 3 sockets open; seen were 2 sockets and 3 descriptors",
        "LEAKLAB_DEBUG",
    ),
    "a MongoDB server that tells no cursors": (
        judges.judge_mongo("MongoDB", "server 7.0.1", None),
        "server 7.0.1 answers serverStatus without",
        "mongod",
    ),
    "no MongoDB server": (
        refused("--mongo mongodb://h:1: no MongoDB server answered within 3 s. Start it, correct the address, or …"),
        "--mongo mongodb://h:1: no MongoDB server answered within 3 s",
        "Start it, correct the address, or …",
    ),
    "a user who may not": (
        refused("--mongo mongodb://u:***@h: not authorized on admin to execute command { serverStatus: 1 }"),
        "not authorized on admin",
        "clusterMonitor",
    ),
    "no user": (
        refused("--mongo mongodb://h: Command serverStatus requires authentication"),
        "requires",
        "Name a user",
    ),
    "a wrong password": (refused("--mongo mongodb://u:***@h: Authentication failed."), "failed", "Correct user"),
    "a MongoDB server that hangs up": (refused("--mongo mongodb://h: connection closed"), "closed", "leave it out"),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_works_is_told_without_a_remedy(what: str) -> None:
    check = GOOD[what]
    assert check.state is Health.OK
    assert check.found
    assert check.remedy == ""


@pytest.mark.parametrize("what", WORSE)
def test_what_could_be_better_is_a_warning_with_its_figures_and_a_remedy(what: str) -> None:
    check, found, remedy = WORSE[what]
    assert check.state is Health.WARNING
    assert found in check.found
    assert remedy in check.remedy


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_work_has_failed_with_its_figures_and_a_remedy(what: str) -> None:
    check, found, remedy = BAD[what]
    assert check.state is Health.FAILED
    assert found in check.found
    assert remedy in check.remedy


# ---- proxies


def test_a_proxy_is_named_without_its_address_which_may_hold_a_password() -> None:
    check = judges.judge_proxy({"HTTP_PROXY": "http://user:secret@proxy:3128", "all_proxy": "socks://x"})
    assert "HTTP_PROXY, all_proxy set, and would catch requests to 127.0.0.1: leaklab takes it out" in check.found
    assert "secret" not in check.found


@pytest.mark.parametrize("no_proxy", ["*", "127.0.0.1", "localhost,127.0.0.1", "10.0.0.0/8, 127.0.0.0/8"])
def test_a_proxy_that_leaves_loopback_out_is_told_so(no_proxy: str) -> None:
    found = judges.judge_proxy({"http_proxy": "http://p:1", "no_proxy": no_proxy}).found
    assert found == "http_proxy set; NO_PROXY leaves 127.0.0.1 out"


@pytest.mark.parametrize("no_proxy", ["", "localhost", "10.0.0.0/8", "not/a/network", "::1/128"])
def test_a_proxy_that_does_not_leave_loopback_out_would_catch_it(no_proxy: str) -> None:
    assert "would catch" in judges.judge_proxy({"http_proxy": "http://p:1", "no_proxy": no_proxy}).found


# ---- what is read to be judged


def test_only_requirements_without_a_condition_are_needed() -> None:
    requirements = ["h11>=0.16", "mongomock<4.4,>=4.3", 'mypy>=1.13; extra == "dev"', "pytest", "a.b-c (>= 1)"]
    needed = {name: str(versions) for name, versions in judges.versions_needed(requirements).items()}
    assert needed == {"h11": ">=0.16", "mongomock": "<4.4,>=4.3", "pytest": "", "a.b-c": ">=1"}


def group(folder: Path, most: str) -> Path:
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text("600\n")
    (folder / "memory.stat").write_text("anon 500\ninactive_file 100\n")
    return folder


def test_a_containers_limit_is_read_with_the_cache_it_would_give_back(tmp_path: Path) -> None:
    assert container_allows(group(tmp_path, "1000")) == 500


def test_a_container_over_its_limit_allows_nothing(tmp_path: Path) -> None:
    assert container_allows(group(tmp_path, "400")) == 0


def test_no_limit_of_a_container_is_none(tmp_path: Path) -> None:
    assert container_allows(group(tmp_path, "max")) is None
    assert container_allows(tmp_path / "none") is None


# ---- a check that cannot be made


def test_an_error_of_leaklab_brings_its_own_remedy() -> None:
    def look() -> HealthCheck:
        raise MeasureError("two scenarios are called x: /a and /b. Rename one folder.")

    expected = HealthCheck("name", Health.FAILED, "two scenarios are called x: /a and /b", "Rename one folder.")
    assert looks.tried("name", "report it", look) == expected


def test_an_error_without_a_remedy_gets_the_checks() -> None:
    def look() -> HealthCheck:
        raise MeasureError("the services' process ended unexpectedly")

    check = looks.tried("name", "report it", look)
    assert (check.found, check.remedy) == ("the services' process ended unexpectedly", "report it")


def test_any_other_error_fails_its_check_and_no_other() -> None:
    def look() -> HealthCheck:
        raise PermissionError("no such luck")

    expected = HealthCheck("name", Health.FAILED, "PermissionError: no such luck", "report it")
    assert looks.tried("name", "report it", look) == expected


def test_an_option_that_cannot_be_meant_is_no_finding() -> None:
    def look() -> HealthCheck:
        raise UsageError("--scenarios x: there is no such folder")

    with pytest.raises(UsageError):
        looks.tried("name", "report it", look)


# ---- the report

CHECKS = [HealthCheck("a", Health.OK, "fine"), HealthCheck("b", Health.WARNING, "so so", "Do it.")]
FAILED = HealthCheck("c", Health.FAILED, "/a/path" * 30, "Do something else, " * 10)


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        (CHECKS[:1], "leaklab works here."),
        (CHECKS, "leaklab works here, with 1 warning."),
        ([*CHECKS, FAILED], "1 of 3 checks failed (c), 1 warning."),
        ([FAILED], "1 of 1 checks failed (c), 0 warnings."),
    ],
)
def test_the_last_line_says_what_the_checks_come_to(checks: list[HealthCheck], expected: str) -> None:
    assert summary(checks) == expected


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_fits_the_width_and_loses_nothing(width: int) -> None:
    every = [*GOOD.values(), *(check for check, _, _ in [*WORSE.values(), *BAD.values()]), FAILED]
    console = Console(width=width, file=io.StringIO(), no_color=True)
    with console.capture() as captured:
        console.print(checkup(every))
    text = captured.get()
    assert all(len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text
    squeezed = "".join(text.split())
    for check in every:
        assert "".join(check.found.split()) in squeezed
        assert "".join(check.remedy.split()) in squeezed


def test_the_document_holds_the_checks() -> None:
    document = checkup_document([*CHECKS, FAILED])
    assert document["works"] is False
    assert document["checks"][0] == {"name": "a", "state": "ok", "found": "fine", "remedy": None}
    assert document["checks"][1]["remedy"] == "Do it."
    assert checkup_document(CHECKS)["works"] is True
    json.dumps(document)
