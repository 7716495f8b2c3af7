"""The pytest plugin, in sessions of its own: each leak is found by its line, and nothing else is accused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from leaklab.services.client import Services
from leaklab.services.kinds import ServiceNeeds
from leaklab.system.interrupts import Owner

SUITES = Path(__file__).parents[1] / "suites"

OTHER_PLUGINS = ("asyncio", "anyio", "hypothesispytest", "randomly", "rerunfailures", "pyleak", "memray")
"""Plugins that are installed for one of these tests: the other sessions are faster without them."""

SETTINGS = "[pytest]\npython_files = *.py\n"


@dataclass(frozen=True)
class Session:
    """A session of pytest that is over."""

    folder: Path
    code: int
    output: str

    @property
    def outcomes(self) -> dict[str, str]:
        """How each test ended, by its name: `passed`, `failed`, `error`, `skipped`."""
        found: dict[str, str] = {}
        for case in self.junit("testcase"):
            kinds = [child.tag.replace("failure", "failed") for child in case if child.tag in KINDS]
            name = case.get("name") or ""
            found[name] = "error" if "error" in (kinds, found.get(name)) else (kinds or ["passed"])[0]
        return found

    def junit(self, tag: str) -> Iterator[ElementTree.Element]:
        """The elements of JUnit's file that have this tag."""
        return ElementTree.parse(self.folder / "junit.xml").iter(tag)  # noqa: S314 # pytest has just written it

    @property
    def failed(self) -> set[str]:
        """The names of the tests that failed."""
        return {name for name, outcome in self.outcomes.items() if outcome == "failed"}

    @property
    def leaks(self) -> list[dict[str, Any]]:
        """What the JSON document has."""
        return list(json.loads((self.folder / "leaks.json").read_text())["leaks"])


KINDS = ("failure", "error", "skipped")
Run = Callable[..., Session]


@pytest.fixture
def pytest_in(tmp_path: Path) -> Run:
    """`pytest_in(SUITE, ARGUMENT, …)` runs a suite, its text or its file's name, with `--leaklab`, in `tmp_path`."""

    def run(suite: str, *arguments: str, ini: str = "", plain: bool = False) -> Session:
        if suite.endswith(".py"):
            for name in ("conftest.py", suite) if (SUITES / suite).exists() else ():
                shutil.copy(SUITES / name, tmp_path)
        else:
            (tmp_path / "suite.py").write_text(suite)
        (tmp_path / "pytest.ini").write_text(SETTINGS + ini)
        left_out = ["-pno:cacheprovider", *(f"-pno:{name}" for name in OTHER_PLUGINS if f"-p{name}" not in arguments)]
        command = [sys.executable, "-m", "pytest", "--junitxml=junit.xml", *left_out]
        command += [one for one in arguments if not one.startswith("-p")] + ([] if plain else ["--leaklab"])
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return Session(tmp_path, done.returncode, done.stdout + done.stderr)

    return run


def line_of(file: Path, number: int) -> str:
    return file.read_text().splitlines()[number - 1]


def test_every_leak_is_found_with_its_line_in_any_order_by_two_workers(pytest_in: Run) -> None:
    done = pytest_in("leaks.py", "--leaklab-format=json", "--leaklab-output=leaks.json", "-n2", "-prandomly")
    assert set(done.outcomes.values()) == {"failed"}
    found: dict[str, set[str]] = {}
    for leak in done.leaks:
        if "fixture" in leak["test"]:
            continue
        name, finding = leak["test"].rpartition("::")[2], leak["finding"]
        (evidence,) = finding["evidence"]
        assert line_of(done.folder / evidence["opened"]["file"], evidence["opened"]["line"]).endswith("# here")
        assert leak["certain"]
        found.setdefault(name, set()).add(finding["metric"])
    assert all(name.removeprefix("test_").partition("__")[0] in metrics for name, metrics in found.items())
    assert set(found) == set(done.outcomes)


def test_nothing_else_is_accused_in_any_order(pytest_in: Run) -> None:
    done = pytest_in("near_leaks.py", "-prandomly")
    assert set(done.outcomes.values()) == {"passed"}, done.output
    assert done.code == 0
    assert "fixture" not in done.output.partition("=== leaklab")[2]
    assert "(10 allowed); the server has ended each of them" in done.output


def test_without_the_option_nothing_is_watched(pytest_in: Run) -> None:
    done = pytest_in("leaks.py", "-k", "TestSockets or test_open_fds", plain=True)
    assert set(done.outcomes.values()) == {"passed"}


LEAKY = """
import socket

KEPT = []

def leak():
    KEPT.append(socket.socket())
"""


def test_a_failure_looks_as_pytest_writes_it(pytest_in: Run) -> None:
    done = pytest_in(LEAKY + "\n\ndef test_it():\n    leak()\n", ini="leaklab_connections = 5\n")
    told = done.output.partition("= FAILURES =")[2]
    assert ">       KEPT.append(socket.socket())\n" in told
    assert "E       1 socket is still open after the test, 2 after 2 runs, 3 after 3 runs: one per run\n" in told
    assert "E       kept by KEPT[…]  (global KEPT of suite.py, a list of 3 socket)\n" in told
    assert "suite.py:7: LeakError\n" in told
    assert "FAILED suite.py::test_it - LeakError: 1 socket" in told
    properties = [one.get("value") for one in done.junit("property")]
    assert any("(suite.py:7)" in (value or "") for value in properties)


def test_annotations_for_github_name_the_line(pytest_in: Run) -> None:
    done = pytest_in(LEAKY + "\n\ndef test_it():\n    leak()\n", "--leaklab-format=github", "--tb=no")
    (line,) = re.findall("^::.*", done.output, re.MULTILINE)
    assert line.startswith("::error file=suite.py,line=7,title=1 socket is still open after the test%2C 2 after 2 runs")
    assert "::suite.py::test_it%0A" in line


MARKED = (
    LEAKY
    + """
import pytest
from leaklab.testing import no_leaks

@pytest.mark.no_leaks
def test_watched__FAILS(): leak()

@pytest.mark.no_leaks(sockets=False)
def test_of_another_kind(): leak()

def test_that_is_not_marked(): leak()

@pytest.mark.no_leaks
@pytest.mark.leaks("sockets", reason="known")
def test_that_may(): leak()

@pytest.mark.no_leaks
@pytest.mark.leaks("threads")
def test_that_may_something_else__FAILS(): leak()

@pytest.mark.no_leaks(sokets=True)
def test_with_a_slip__FAILS(): pass

@pytest.mark.no_leaks(connections="many")
def test_with_no_number__FAILS(): pass

@pytest.mark.no_leaks(connections=3)
def test_with_a_limit__FAILS(leaklab_http):
    import requests
    for url in leaklab_http.urls(5):
        requests.get(url)

@pytest.mark.no_leaks(connections=3)
def test_of_a_server_that_ends_each_connection(leaklab_http):
    import requests
    with requests.Session() as session:
        for number in range(5):
            session.get(leaklab_http.url(f"/close/{number}"))

@pytest.mark.no_leaks(memory="8MiB")
def test_memory_that_is_given_back():
    assert bytearray(b"x") * (20 << 20)

@pytest.mark.leaks
class TestAllowed:
    @pytest.mark.no_leaks
    def test_that_is_watched_all_the_same__FAILS(self): leak()

    @pytest.mark.leaks("sockets")
    @pytest.mark.no_leaks
    def test_that_may_leave_sockets(self): leak()

@no_leaks
def test_decorated__FAILS(): leak()
"""
)


def test_markers_watch_single_tests(pytest_in: Run) -> None:
    done = pytest_in(MARKED, plain=True)
    assert {name for name in done.outcomes if name.endswith("__FAILS")} == done.failed, done.output
    assert "there is no kind 'sokets'. The kinds are sockets, connections," in done.output
    assert "connections='many': give a number, such as 10" in done.output
    assert "5 connections to 127.0.0.1:" in done.output
    # A function that is decorated fails at its own line, and not in what has called it.
    assert re.search(r">   @no_leaks\nE   leaklab\.testing\.LeakError: test_decorated__FAILS\(\) leaves", done.output)


NOT_REPEATED = (
    LEAKY
    + """
import os, pytest

class App: pass

@pytest.fixture
def app(): return App()

def test_what_goes_with_its_fixture_could_be(app): app.sock = socket.socket()

def test_what_a_pool_could_be(): leak()

def test_what_none_could_be__FAILS():
    import asyncio
    async def main():
        asyncio.create_task(asyncio.sleep(1000))
    asyncio.run(main())

RUNS = []

def once(name):
    assert name not in RUNS
    RUNS.append(name)

def test_that_fails_the_second_time():
    leak()
    once("one")

def test_that_fails_before_it_opens_again():
    once("another")
    leak()
"""
)


@pytest.mark.parametrize("option", ["--leaklab-reruns=0", "--leaklab-reruns=2"])
def test_where_a_test_cannot_be_run_again_what_a_pool_could_be_is_a_warning(pytest_in: Run, option: str) -> None:
    which = "could_be or second_time" if "0" in option else "second_time or none or opens_again"
    done = pytest_in(NOT_REPEATED, option, "-k", which)
    assert done.failed == {"test_what_none_could_be__FAILS"}, done.output
    warned = re.findall(r"^suite\.py::(\w+): .*; seen once, this may be a pool's$", done.output, re.MULTILINE)
    again = "test_what_a_pool_could_be" if "0" in option else "test_that_fails_before_it_opens_again"
    assert sorted(warned) == sorted(["test_that_fails_the_second_time", again])


SHARED = """
import asyncio, logging, multiprocessing, pytest, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor

EXECUTORS, SHARED, PROCESSES, STOP = {}, [1, "a"], [], threading.Event()

@pytest.fixture(scope="session", autouse=True)
def stop():
    yield
    STOP.set()

def test_an_executor_that_is_full_in_the_third_run():
    if not EXECUTORS:
        EXECUTORS[1] = ThreadPoolExecutor(3)
    # Each run starts one thread more.
    EXECUTORS[1]._idle_semaphore.acquire(blocking=False)
    EXECUTORS[1].submit(int).result()

def test_a_thread_of_an_executor_that_is_stuck__FAILS():
    EXECUTORS.setdefault(2, ThreadPoolExecutor(8)).submit(STOP.wait)

def test_a_loop_that_is_closed_with_its_tasks__FAILS():
    loop = asyncio.new_event_loop()
    loop.create_task(asyncio.sleep(100))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

def test_a_list_of_all_kinds__FAILS(): SHARED.append(open("/dev/null"))

def test_a_file_without_a_name__FAILS(): SHARED.append(tempfile.TemporaryFile())

def test_a_class_of_its_own__FAILS():
    class Kept: __slots__ = ("file",)
    kept = Kept()
    kept.file = open("/dev/null")
    SHARED.append(kept)

def test_a_logger__FAILS(): logging.getLogger("shop").addHandler(logging.FileHandler("/dev/null"))

def test_a_process__FAILS():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    process.start()
    PROCESSES.append(process)

class Poller(threading.Thread):
    def run(self): STOP.wait()

def test_a_thread_that_only_itself_keeps__FAILS(): Poller(daemon=True).start()
"""


def test_what_several_share_is_told_as_it_is(pytest_in: Run) -> None:
    done = pytest_in(SHARED, "-Wignore::DeprecationWarning", "-pno:unraisableexception")
    assert done.failed == {name for name in done.outcomes if name.endswith("__FAILS")}, done.output
    assert "in_the_third_run: 1 thread is still running after the test, 2 after 2 runs, 3 after 3 runs" in done.output
    told = done.output.partition("= FAILURES =")[2]
    assert "1 task is still pending after the test, 2 after 2 runs" in told
    assert re.search(r"kept by SHARED\[…\]\.buffer  \(global SHARED of suite.py, a list of \d objects\)", told)
    assert "kept by SHARED[…].file.buffer  (" in told
    assert "E       a file without a name\n" in told
    assert re.search(r"kept by \w+\.manager\.loggerDict\['shop'\]\.handlers\[…\]\.stream\.buffer  \(global", told)
    assert "1 child process is still running after the test, 2 after 2 runs, 3 after 3 runs" in told
    assert "kept by self" not in told


def test_what_is_ignored_is_not_found(pytest_in: Run) -> None:
    suite = (
        LEAKY
        + """
import threading, time

def test_thread():
    threading.Thread(target=time.sleep, args=(60,), name="poller-1", daemon=True).start()

def test_line(): leak()
"""
    )
    patterns = "leaklab_ignore =\n    poller-*\n    suite.py:7\n"
    assert pytest_in(suite, ini=patterns).code == 0
    assert pytest_in(suite, ini="leaklab_ignore = suite\n").code == 0


def test_of_a_baseline_only_new_leaks_fail(pytest_in: Run) -> None:
    first = LEAKY + "\n\ndef test_old(): leak()\n"
    written = pytest_in(first, "--leaklab-baseline=known.json", "--leaklab-write-baseline")
    assert written.code == 0
    assert "known.json: 1 leak is known now" in written.output
    # The line has moved, and a new leak has come.
    later = "\n\n\n" + first + "\n\ndef test_new():\n    KEPT.append(open(__file__))\n"
    done = pytest_in(later, "--leaklab-baseline=known.json")
    assert done.failed == {"test_new"}
    assert "1 known leak (" in done.output


FIXTURES = """
import socket, pytest

KEPT = []

@pytest.fixture(scope="class")
def of_a_class():
    KEPT.append(socket.socket())
    yield

@pytest.fixture(scope="session")
def once():
    KEPT.append(socket.socket())
    yield

class TestOne:
    def test_1(self, of_a_class, once): pass

class TestTwo:
    def test_2(self, of_a_class): pass

class TestThree:
    def test_3(self, of_a_class): pass
"""


def test_a_fixture_is_judged_by_what_each_of_its_ends_has_left(pytest_in: Run) -> None:
    done = pytest_in(FIXTURES)
    assert done.outcomes == {"test_1": "passed", "test_2": "passed", "test_3": "error"}, done.output
    assert "1 socket is still open after the fixture of_a_class (class), 2 after 2 runs, 3 after 3 runs" in done.output
    once = "fixture once: 1 socket is still open after the fixture once (session); seen once, this may be a pool's"
    assert once in done.output


ENDINGS = """
import pytest, socket

KEPT = []

@pytest.fixture(scope="session")
def outer():
    yield
    print("outer ends")
    raise ValueError("outer")

@pytest.fixture
def inner():
    yield
    print("inner ends")
    raise ValueError("inner")

def test_that_fails(outer):
    assert False

def test_after_it(outer):
    pass

def test_the_last_one(outer, inner):
    {leak}
"""


@pytest.mark.parametrize("option", ["-x", "-v"])
@pytest.mark.parametrize("leak", ["pass", "KEPT.append(socket.socket())"])
def test_what_ends_with_the_last_test_ends_and_fails_as_it_does_without(pytest_in: Run, option: str, leak: str) -> None:
    bare, watched = (pytest_in(ENDINGS.format(leak=leak), option, plain=plain) for plain in (True, False))
    assert watched.code == bare.code
    assert watched.outcomes == bare.outcomes
    for words in ("ValueError: outer", "ValueError: inner", "outer ends", "inner ends", "Traceback"):
        assert watched.output.count(words) == bare.output.count(words), watched.output
    assert "INTERNALERROR" not in watched.output


GARBAGE = """
import socket

class Client:
    def __init__(self):
        self.socket, self.itself = socket.socket(), self

def test_that_makes_garbage(): Client()

def test_that_makes_none(): pass
"""


def test_no_other_test_is_blamed_for_what_is_collected(pytest_in: Run) -> None:
    done = pytest_in(GARBAGE, ini="filterwarnings = error\n")
    assert set(done.outcomes.values()) == {"passed"}, done.output


OTHERS = (
    LEAKY
    + """
import pytest, threading, time, unittest

TRIED = []

@pytest.mark.flaky(reruns=2)
def test_that_passes_the_second_time():
    TRIED.append(1)
    assert len(TRIED) > 1

@pytest.mark.flaky(reruns=1)
def test_that_always_fails__FAILS():
    leak()
    assert False

def test_skipped(): pytest.skip()

@pytest.mark.xfail
def test_expected_to_fail():
    leak()
    assert False

@pytest.mark.asyncio
async def test_asyncio__FAILS(): leak()

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request): return request.param

@pytest.mark.anyio
async def test_anyio__FAILS(): leak()

@pytest.mark.anyio
async def test_anyio_and_clean():
    with socket.socket(): pass

@pytest.mark.parametrize("number", [1, 2])
def test_of_several__FAILS(number): leak()

def test_motor(leaklab_mongo):
    from motor.motor_asyncio import AsyncIOMotorClient
    import asyncio

    async def main(keep):
        client = AsyncIOMotorClient(leaklab_mongo.uri)
        items = client[leaklab_mongo.database].items
        await items.insert_many([{"n": n} for n in range(100)])
        cursor = items.find(batch_size=10)
        await cursor.next()
        KEPT.append(cursor) if keep else await cursor.close()
        client.close()

    asyncio.run(main(keep=False))

def test_motor__FAILS(leaklab_mongo):
    from motor.motor_asyncio import AsyncIOMotorClient
    import asyncio

    async def main():
        client = AsyncIOMotorClient(leaklab_mongo.uri)
        items = client[leaklab_mongo.database].items
        await items.insert_many([{"n": n} for n in range(100)])
        cursor = items.find(batch_size=10)
        await cursor.next()  # here
        KEPT.append(cursor)
        client.close()

    asyncio.run(main())
"""
)


def test_other_plugins_do_what_they_do(pytest_in: Run) -> None:
    done = pytest_in(
        OTHERS, *(f"-p{name}" for name in OTHER_PLUGINS), ini="asyncio_default_fixture_loop_scope = function\n"
    )
    fails = {name for name in done.outcomes if "__FAILS" in name}
    assert done.failed == fails, done.output
    assert "2 rerun" in done.output
    assert "1 cursor is still open" in done.output
    assert (
        ">           await cursor.next()  # here" in done.output or ">       await cursor.next()  # here" in done.output
    )


WRONG = {
    "a number that is none": (["--leaklab-reruns=two"], "'two' is not a whole number"),
    "JSON without a file": (["--leaklab-format=json"], "add --leaklab-output=FILE"),
    "a file without a format": (["--leaklab-output=x"], "add --leaklab-format"),
    "a baseline that is not there": (["--leaklab-baseline=none.json"], "no such file"),
    "a baseline that is none": (["--leaklab-baseline=suite.py"], "it is not a baseline"),
    "a file in a folder that is not there": (
        ["--leaklab-format=json", "--leaklab-output=none/x.json"],
        "there is no folder",
    ),
    "a device": (["--leaklab-format=json", "--leaklab-output=/dev/full"], "not a regular file"),
    "a baseline to write without a name": (["--leaklab-write-baseline"], "--leaklab-baseline=FILE"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=[*WRONG])
def test_wrong_options_are_told_in_a_line(pytest_in: Run, arguments: list[str], words: str) -> None:
    done = pytest_in("def test_it(): pass\n", *arguments)
    assert done.code == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.output.splitlines() if line.startswith("ERROR: ")]
    assert words in line


def test_blocks_and_functions_without_pytest(tmp_path: Path) -> None:
    shutil.copy(SUITES / "blocks.py", tmp_path)
    with Owner() as owner:
        services = owner.enter_context(Services())
        its = services.start(["http"], ServiceNeeds())
        environment = {**os.environ, "TEST_URL": its.endpoints["http"].url("/profiles/1")}
        command = [sys.executable, "-W", "ignore::ResourceWarning", "-m", "unittest", "blocks"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_example_of_the_documents_fails_as_they_show_and_its_fix_passes(pytest_in: Run) -> None:
    text = (SUITES.parents[1] / "docs" / "at-work.md").read_text()
    leaky, test, fixed = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[:3]
    shown = text.partition("```text\n")[2].partition("E       1 cursor")[2].partition("\n\n")[0]
    folder = pytest_in("").folder
    (folder / "suite.py").unlink()
    (folder / "test_app.py").write_text(test)
    (folder / "app.py").write_text(leaky)
    done = pytest_in("test_app.py")
    assert done.failed == {"test_the_first_page"}
    assert shown in done.output
    line = text.partition("\napp.py:")[2].partition(":")[0]
    assert f"app.py:{line}: LeakError" in done.output
    (folder / "app.py").write_text(fixed)
    assert pytest_in("test_app.py").outcomes == {"test_the_first_page": "passed", "test_all_pages": "passed"}
