"""The count of connections, on scripted lines of what programs say: exact, or unknown, and never 0 for unknown."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leaklab.errors import MeasureError, UsageError
from leaklab.measure import counting
from leaklab.measure.counting import ConnectionCounter, Way, choose, is_python, resolved
from leaklab.measure.tree import TreeReading

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="connections are counted on Linux")

PID = os.getpid()
IMAGE = os.stat("/proc/self/exe")  # noqa: PTH116 # as the counter looks at it
HELLO = f"hello {PID} {IMAGE.st_dev} {IMAGE.st_ino}\n"


def counter_of(folder: Path, text: str, way: Way = Way.HOOK) -> ConnectionCounter:
    counter = ConnectionCounter(way, folder / "events", folder)
    counter.file.write_text(text)
    return counter


def reading(*pids: int, outgoing: frozenset[int] = frozenset()) -> TreeReading:
    return TreeReading({}, running=pids or (PID,), outgoing=outgoing)


def test_each_socket_counts_once_however_often_it_is_tried_and_by_whom(tmp_path: Path) -> None:
    text = HELLO + f"connect {PID} 11 0\nconnect {PID} 12 0\nconnect {PID} 12 0\nconnect {PID + 1} 11 0\n"
    assert counter_of(tmp_path, text).count(reading(outgoing=frozenset([11]))) == 2


def test_only_whole_lines_are_heard(tmp_path: Path) -> None:
    counter = counter_of(tmp_path, HELLO + f"connect {PID} 11 0\nconnect {PID} 1")
    assert counter.count(reading()) == 1
    with counter.file.open("a") as file:
        file.write("2 0\n")
    assert counter.count(reading()) == 2


def test_nothing_opened_by_a_program_that_was_heard_is_0(tmp_path: Path) -> None:
    assert counter_of(tmp_path, HELLO).count(reading()) == 0


UNKNOWN = {
    "no process said hello": "",
    "one of two said hello": HELLO,
    "it runs another program by now": f"hello {PID} 1 1\n",
    "a program that it started said nothing": HELLO + f"starts {PID} 0 0\n",
    "some could not be written": HELLO + "missed\n",
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_was_not_heard_is_unknown(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LISTEN_S", 0.0)
    counter = counter_of(tmp_path, UNKNOWN[case])
    pids = (PID, os.getppid()) if case.startswith("one of two") else (PID,)
    assert counter.count(reading(*pids)) is None
    assert counter.why_unknown


def test_a_process_that_is_still_starting_may_say_hello_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LISTEN_S", 0.0)
    counter = counter_of(tmp_path, "")
    assert counter.count(reading()) is None
    counter.file.write_text(HELLO)
    assert (counter.count(reading()), counter.why_unknown) == (0, "")


def test_one_that_ended_without_a_hello_makes_it_unknown_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "LISTEN_S", 0.0)
    counter = counter_of(tmp_path, HELLO)
    assert counter.count(reading(PID, os.getppid())) is None
    assert counter.count(reading()) is None
    assert counter.count(reading()) is None


def test_a_connection_that_is_there_and_was_not_heard_makes_it_unknown(tmp_path: Path) -> None:
    counter = counter_of(tmp_path, HELLO + f"connect {PID} 11 0\n")
    assert counter.count(reading(outgoing=frozenset([11, 12]))) is None


def test_programs_that_were_started_and_said_hello_or_could_not_be_started_are_heard(tmp_path: Path) -> None:
    child = f"hello {PID + 1} {IMAGE.st_dev} {IMAGE.st_ino}\n"
    text = HELLO + f"starts {PID} 0 0\n" + child + f"starts {PID} 0 0\nfailed {PID} 0 0\n"
    assert counter_of(tmp_path, text).count(reading()) == 0


def test_a_process_that_looks_for_its_next_program_in_several_folders_starts_one(tmp_path: Path) -> None:
    child = f"{PID + 1} {IMAGE.st_dev} {IMAGE.st_ino}\n"
    text = HELLO + f"forked {child}execs {PID + 1}\nexecs {PID + 1}\n"
    assert counter_of(tmp_path, text + f"hello {child}").count(reading()) == 0
    assert counter_of(tmp_path, text).count(reading()) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"starts {PID} python3\nstarts {PID} curl\nhello {PID + 1} 1 2\n", "curl, which it started, does not"),
        (f"starts {PID} my tool\nstarts {PID} ls\nhello {PID + 1} 1 2 /bin/my tool\n", "ls, which it started, does"),
        (f"execs {PID + 1}\n", "a program it started does not"),
    ],
    ids=["no Python", "no such path", "another in its place"],
)
def test_the_program_that_is_not_heard_is_named(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "LISTEN_S", 0.0)
    counter = counter_of(tmp_path, HELLO + text)
    assert counter.count(reading()) is None
    assert counter.why_unknown.startswith(words)


def test_a_python_whose_options_shut_the_hook_out_is_named_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "LISTEN_S", 0.0)
    for command, words in {
        "python3 -u -I app.py": f"{Path(sys.executable).resolve().name} -I does not",
        "python3 -c -I": f"{Path(sys.executable).resolve().name} does not",
    }.items():
        monkeypatch.setattr(counting, "command_of", lambda _, line=command: line.replace(" ", "\0").encode())
        counter = counter_of(tmp_path, "")
        assert counter.count(reading()) is None
        assert counter.why_unknown.startswith(words)


def test_a_program_of_go_that_loads_the_shim_makes_it_unknown_as_it_connects_without_libc(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"\x7fELF" + counting.GO)
    text = HELLO + f"starts {PID} 0\nhello {PID + 1} 1 2 {tmp_path}/tool\n"
    counter = counter_of(tmp_path, text, Way.PRELOAD)
    assert counter.count(reading()) is None
    assert counter.why_unknown.startswith("tool was built by Go")


def test_strace_names_sockets_by_their_inode_and_other_protocols_do_not_count(tmp_path: Path) -> None:
    lines = [
        '7 connect(3<TCP:[11]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
        "7 connect(3<TCP:[127.0.0.1:4000->127.0.0.1:80]>, {sa_family=AF_INET}, 16) = -1 EALREADY (Operation)",
        "7 connect(3<TCP:[11]>, {sa_family=AF_INET, sin_port=htons(80)}, 16) = -1 ECONNREFUSED (Connection refused)",
        "8 connect(4<TCPv6:[12]>, {sa_family=AF_INET6}, 28) = -1 EINPROGRESS (Operation now in progress)",
        "8 connect(4<TCPv6:[[::1]:4000->[::1]:80]>, {sa_family=AF_INET6}, 28) = 0",
        "8 connect(4<UDP:[13]>, {sa_family=AF_INET, sin_port=htons(53)}, 16) = 0",
        '8 connect(5<UNIX-STREAM:[14]>, {sa_family=AF_UNIX, sun_path="/run/nscd"}, 110) = -1 ENOENT',
        "+++ exited with 0 +++",
    ]
    assert counter_of(tmp_path, "\n".join([*lines, ""]), Way.STRACE).count(reading()) == 2


def test_where_nothing_counts_the_count_is_unknown(tmp_path: Path) -> None:
    assert counter_of(tmp_path, "", Way.NONE).count(reading()) is None


def test_python_is_known_by_its_name_and_by_the_first_line_of_a_script(tmp_path: Path) -> None:
    assert is_python(sys.executable)
    for line, known in {
        "#!/usr/bin/env python3": True,
        "#! /opt/my env/bin/python3.12 -u": False,
        "#!/opt/env/bin/python3.12": True,
        "#!/usr/bin/env -S python -u": True,
        "#!/bin/sh": False,
        "": False,
    }.items():
        (tmp_path / "tool").write_text(f"{line}\n")
        assert is_python(str(tmp_path / "tool")) == known, line


def test_a_way_that_cannot_be_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose auto, hook, preload, strace, none"):
        choose("magic", sys.executable)
    with pytest.raises(UsageError, match="is not a Python program"):
        choose("hook", "/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    for wish in ("strace", "preload"):
        with pytest.raises(MeasureError, match=r"[Ii]nstall"):
            choose(wish, "/bin/sh")
    way, why = choose("auto", "/bin/sh")
    assert (way, why != "") == (Way.NONE, True)
    assert choose("auto", sys.executable) == (Way.HOOK, "")


@pytest.mark.parametrize("command", ["", "nothing-of-this-name", "/"])
def test_what_is_no_command_is_refused(command: str) -> None:
    with pytest.raises(UsageError, match="is no command"):
        resolved([command])


def test_a_program_without_libc_is_not_asked_by_the_shim(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = tmp_path / "still.c"
    source.write_text("int main(void) { return 0; }\n")
    for options, way in (([], Way.PRELOAD), (["-static"], Way.NONE)):
        done = subprocess.run([compiler, *options, "-o", tmp_path / "still", source], check=False, capture_output=True)
        if done.returncode:
            pytest.skip("this compiler cannot link statically")
        assert choose("auto", str(tmp_path / "still"))[0] is way
