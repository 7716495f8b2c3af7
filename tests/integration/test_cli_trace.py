"""`leaklab trace` on small programs: what it counts, what it passes on, and that nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import (
    COULD_NOT_MEASURE,
    NOT_AS_EXPECTED,
    TIME_LIMIT,
    WRONG_USAGE,
    Command,
    complaint,
    wait_until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors and connections are told apart on Linux")

SERVER = '''
import os, socket, sys, threading
"""A server of bytes: `f` opens a file, `s` a socket that stays, `c` one that is closed, `t` a thread, `z` a zombie."""
kept = []
there = socket.create_server(("127.0.0.1", 0))
here = socket.create_server(("127.0.0.1", 0), backlog=100)
with open(sys.argv[1] + ".part", "w") as file:
    file.write(str(here.getsockname()[1]))
os.rename(sys.argv[1] + ".part", sys.argv[1])
def work(what):
    if what == b"f":
        kept.append(open(os.devnull))
    if what == b"s":
        kept.append(socket.create_connection(there.getsockname()))
        there.accept()[0].close()
    if what == b"c":
        socket.create_connection(there.getsockname()).close()
        there.accept()[0].close()
    if what == b"t":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    if what == b"z" and not os.fork():
        os._exit(0)
while True:
    client, _ = here.accept()
    what = client.recv(1)
    if what == b"q":
        os._exit(3)
    work(what)
    client.sendall(b".")
    client.close()
'''

LOAD = 'exec 3<>/dev/tcp/127.0.0.1/$(cat {port}); printf {what} >&3; read -r -n 1 -u 3 answer; test "$answer" = .'
"""One load: bash asks the server for one byte of work, and waits for its answer."""


@pytest.fixture
def server(tmp_path: Path) -> Path:
    (tmp_path / "server.py").write_text(SERVER)
    return tmp_path / "server.py"


@pytest.fixture
def traced(leaklab: Command, server: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`traced(WORK, OPTION, …)` traces the server, and returns the document."""
    script = tmp_path / "load.sh"

    def trace(what: str, *options: str, command: str = sys.executable, code: int = NOT_AS_EXPECTED) -> dict[str, Any]:
        script.write_text(LOAD.format(port=tmp_path / "port", what=what))
        load = ("--load", f"bash {script}", "--times", "5")
        done = leaklab("trace", *load, *options, "--json", "-o", "out.json", "--", command, str(server), "port")
        assert (done.code, done.stdout) == (code, ""), done.stderr
        return dict(json.loads((tmp_path / "out.json").read_text()))

    return trace


def found(document: dict[str, Any]) -> list[tuple[str, str, float]]:
    return [(one["kind"], one["metric"], one["value"]) for one in document["findings"]]


def counted(document: dict[str, Any], metric: str) -> list[float | None]:
    return [moment["metrics"][metric] for moment in document["moments"]]


def test_sockets_that_stay_are_leaked_and_their_connections_wasted_with_the_line(
    traced: Callable[..., dict[str, Any]],
) -> None:
    document = traced("s", "--explain")
    assert found(document) == [("leaked", "open_sockets", 5), ("wasted", "connections_opened", 5)]
    assert counted(document, "open_sockets") == [1, 6, 206]
    assert counted(document, "connections_opened") == [1, 6, 206]
    (evidence,) = document["findings"][0]["evidence"]
    assert evidence["opened"]["code"] == "kept.append(socket.create_connection(there.getsockname()))"
    assert (evidence["count"], evidence["kept_by"]["chain"]) == (206, "kept[…]")
    (end,) = document["moments"][-1]["connections"]
    assert (end["state"], end["count"]) == ("CLOSE_WAIT", 206)


def test_connections_that_come_and_go_between_two_looks_are_counted(traced: Callable[..., dict[str, Any]]) -> None:
    document = traced("c")
    assert found(document) == [("wasted", "connections_opened", 5)]
    assert counted(document, "connections_opened") == [1, 6, 206]
    assert counted(document, "open_fds")[0] == counted(document, "open_fds")[-1]


def test_the_shim_counts_what_the_hook_does(traced: Callable[..., dict[str, Any]]) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler for the shim")
    document = traced("c", "--count", "preload")
    assert (document["counted_by"], counted(document, "connections_opened")) == ("preload", [1, 6, 206])


def test_strace_counts_what_the_hook_does(traced: Callable[..., dict[str, Any]]) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    document = traced("c", "--count", "strace")
    assert (document["counted_by"], counted(document, "connections_opened")) == ("strace", [1, 6, 206])


def test_where_nothing_counts_connections_they_are_unknown_and_not_0(traced: Callable[..., dict[str, Any]]) -> None:
    document = traced("c", "--count", "none", code=0)
    assert (document["verdict"], set(counted(document, "connections_opened"))) == ("clean", {None})


@pytest.mark.parametrize(("what", "metric"), [("f", "open_fds"), ("t", "threads"), ("z", "zombie_processes")])
def test_what_else_grows_with_the_loads_is_leaked(
    what: str, metric: str, traced: Callable[..., dict[str, Any]]
) -> None:
    assert found(traced(what)) == [("leaked", metric, 5)]


def test_a_program_that_keeps_nothing_is_clean(traced: Callable[..., dict[str, Any]]) -> None:
    document = traced("n", code=0)
    assert (document["verdict"], set(counted(document, "connections_opened"))) == ("clean", {0})


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-c", *arguments]


def test_output_and_exit_code_are_the_programs_and_the_report_is_aside(leaklab: Command) -> None:
    printed = "import os; os.write(1, bytes(range(128))); os.write(2, b'aside\\n')"
    done = leaklab("trace", "--every", "50ms", "--", *python(f"{printed}; import time; time.sleep(0.5); os._exit(7)"))
    assert (done.code, done.stdout) == (7, bytes(range(128)).decode())
    assert "aside" in done.stderr.splitlines()
    assert "file descriptors" in done.stderr


def test_growth_over_time_is_told_with_what_it_cannot_tell(leaklab: Command) -> None:
    # By the clock: after a stall it catches up.
    grows = "import time\nkept, begun = [], time.monotonic()\nfor number in range(50):\n"
    grows += "    kept.append(open('/dev/null'))\n"
    grows += "    time.sleep(max(0, begun + number * 0.04 - time.monotonic()))"
    done = leaklab("trace", "--every", "40ms", "--", *python(grows))
    assert done.code == NOT_AS_EXPECTED
    assert "growing steadily" in done.stderr
    assert "only if the load was steady" in done.stderr


def test_a_running_process_is_watched_and_goes_on(leaklab: Command) -> None:
    with subprocess.Popen(python("import sys; sys.stdin.read()"), stdin=subprocess.PIPE) as process:
        done = leaklab("trace", "--pid", str(process.pid), "--every", "20ms", "--for", "400ms")
        assert process.poll() is None
        assert (done.code, done.stderr) == (0, "")
        assert "unknown (it was running already)" in done.stdout
        process.kill()


STAYS = "import signal, sys, time; signal.signal(signal.{name}, lambda *_: sys.exit(print('heard', flush=True)));\
 open('ready', 'w').close(); time.sleep(60)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_and_ends_both(number: signal.Signals, leaklab: Command, tmp_path: Path) -> None:
    started = leaklab.start("trace", "--", *python(STAYS.format(name=number.name)))
    wait_until((tmp_path / "ready").exists, "the program's start")
    assert started.interrupt(number).stdout == "heard\n"


def test_a_program_that_is_deaf_closes_all_and_leaves_children_is_ended_with_them(
    leaklab: Command, tmp_path: Path
) -> None:
    deaf = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.closerange(3, 100);\
 os.fork() or os.setsid(); os.close(os.open('ready', os.O_CREAT)); time.sleep(60)"
    started = leaklab.start("trace", "--load", "true", "--times", "3", "--", *python(deaf))
    assert started.finish().code in (0, NOT_AS_EXPECTED)


def test_nothing_is_left_when_leaklab_itself_is_killed(leaklab: Command, tmp_path: Path) -> None:
    stays = "open('ready', 'w').close(); import time; time.sleep(60)"
    started = leaklab.start("trace", "--load", "sleep 50", "--", *python(stays))
    wait_until(lambda: (tmp_path / "ready").exists() and bool(started.called("50")), "the start of the load")
    started.process.kill()
    started.process.wait()
    wait_until(lambda: not started.processes() and not list(started.folder.iterdir()), "the end of all")


SLEEPS = python("import time; time.sleep(60)")
REFUSED: dict[str, tuple[list[str], int, str]] = {
    "no such command": (["--", "./nothing"], WRONG_USAGE, "'./nothing' is no command: it was not found"),
    "a folder": (["--", "/"], WRONG_USAGE, "it is a folder"),
    "options that are not set apart": (["curl", "-s", "x"], WRONG_USAGE, "write -- before the command"),
    "nothing to trace": ([], WRONG_USAGE, "write what is to be traced"),
    "two things to trace": (["--pid", "1", "--", "true"], WRONG_USAGE, "--pid 1 and 'true': leave one of them out"),
    "a report without a name": (["-o", "", "--", "true"], WRONG_USAGE, "--output is empty"),
    "it ends before the load": (
        ["--load", "false", "--", *python("import sys; sys.exit(9)")],
        COULD_NOT_MEASURE,
        "the program ended (exit code 9) before the first load succeeded",
    ),
    "a pipe that fails before its end": (
        ["--load", "false | wc -c", "--", "sh", "-c", "sleep 0.5; exit 9"],
        COULD_NOT_MEASURE,
        "the load 'false | wc -c' failed with exit code 1",
    ),
    "it ends at once": (["--", "true"], COULD_NOT_MEASURE, "the program ended (exit code 0)"),
    "it fails at once": (["--", "sh", "-c", "exit 7"], 7, "the program ended (exit code 7)"),
    "it crashes at once": (["--", "sh", "-c", "kill -SEGV $$"], 128 + signal.SIGSEGV, "the program ended (SIGSEGV)"),
    "it goes into the background": (
        ["--load", "false", "--", "sh", "-c", "sleep 50 &"],
        COULD_NOT_MEASURE,
        "have it stay in the foreground",
    ),
    "no such load": (["--load", "./nothing", "--", *SLEEPS], WRONG_USAGE, "'./nothing' cannot be run"),
    "an open quote in the load": (["--load", "true 'x", "--", *SLEEPS], WRONG_USAGE, "No closing quotation"),
    "an empty load": (["--load", " ", "--", *SLEEPS], WRONG_USAGE, "--load is empty"),
    "a load that hangs": (
        ["--limit", "time=200ms", "--load", "sleep 50", "--", *SLEEPS],
        TIME_LIMIT,
        "the first load: the load 'sleep 50' did not end within 200 ms (--limit time=…)",
    ),
    "another limit": (["--limit", "fds=50", "--load", "true", "--", "true"], WRONG_USAGE, "only the time is limited"),
    "no number": (["--times", "many", "--load", "true", "--", "true"], WRONG_USAGE, "--times many"),
    "times without a load": (["--times", "5", "--", "true"], WRONG_USAGE, "add --load"),
    "a clock with a load": (["--every", "1s", "--load", "true", "--", "true"], WRONG_USAGE, "leave it out"),
    "an unknown way": (["--count", "magic", "--", "true"], WRONG_USAGE, "choose auto"),
    "lines of no Python": (["--explain", "--", "/bin/true"], WRONG_USAGE, "start Python itself"),
    "lines without the hook": (["--count", "none", "--explain", "--", *SLEEPS], WRONG_USAGE, "leave --count none out"),
    "counting what runs": (["--pid", "1", "--count", "hook"], WRONG_USAGE, "leave it out"),
    "no such process": (["--pid", str(2**22 + 1)], WRONG_USAGE, "there is no such process"),
    "no number of a process": (["--pid", "me"], WRONG_USAGE, "not a whole number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_a_line_and_an_exit_code(case: str, leaklab: Command) -> None:
    arguments, code, words = REFUSED[case]
    assert words in complaint(leaklab("trace", *arguments), code)


def test_a_load_that_fails_is_told_with_its_number_its_code_and_its_last_line(leaklab: Command, tmp_path: Path) -> None:
    fails = "n=$(cat done 2>/dev/null || echo 0); echo $((n + 1)) > done; echo load $n; test $n -lt 4 || exit 22"
    done = leaklab("trace", "--times", "10", "--load", fails, "--", *SLEEPS)
    assert complaint(done, COULD_NOT_MEASURE).startswith("leaklab: load 4 of 10: the load")
    assert "failed with exit code 22: load 4" in done.stderr


def test_what_was_measured_is_told_although_a_later_load_fails(leaklab: Command, server: Path, tmp_path: Path) -> None:
    script = tmp_path / "load.sh"
    load = LOAD.format(port=tmp_path / "port", what="f")
    script.write_text(f"echo >> done; test $(wc -l < done) -lt 15 || exit 4\n{load}\n")
    done = leaklab("trace", "--times", "5", "--load", f"bash {script}", "--", sys.executable, str(server), "port")
    assert (done.code, done.stdout) == (NOT_AS_EXPECTED, "")
    assert "inconclusive" in done.stderr
    words = " ".join(done.stderr.split())
    assert "of 205: the load" in words
    assert "failed with exit code 4" in words


def test_a_program_that_dies_in_the_middle_is_told(leaklab: Command, server: Path, tmp_path: Path) -> None:
    script = tmp_path / "load.sh"
    script.write_text("echo >> done; test $(wc -l < done) -lt 4 || kill -9 $(cat pid)\n")
    stays = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    done = leaklab("trace", "--load", f"sh {script}", "--", *python(stays))
    assert "the program ended (SIGKILL)" in complaint(done, COULD_NOT_MEASURE)


def test_a_process_of_another_user_is_refused(leaklab: Command) -> None:
    if os.getuid() == 0:
        pytest.skip("root may look at every process")
    assert "belongs to another user" in complaint(leaklab("trace", "--pid", "1"), COULD_NOT_MEASURE)


def test_an_interrupted_trace_still_shows_what_it_measured(leaklab: Command, tmp_path: Path) -> None:
    started = leaklab.start("trace", "--every", "10ms", "--", *python(STAYS.format(name="SIGINT")))
    wait_until((tmp_path / "ready").exists, "the program's start")
    finished = started.interrupt()
    assert "interrupted: this is what was measured until then" in finished.stderr


FIRST_HANGS, SECOND_HANGS = (
    "touch ready; exec sleep 50",
    "test -e once || exec touch once; touch ready; exec sleep 50",
)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (FIRST_HANGS, "interrupted before the first load had succeeded: nothing was measured"),
        (SECOND_HANGS, "interrupted after 0 of 50 loads: nothing could be compared yet"),
    ],
)
def test_a_trace_that_is_interrupted_in_its_first_size_says_how_far_it_came(
    load: str, words: str, leaklab: Command, tmp_path: Path
) -> None:
    started = leaklab.start("trace", "--count", "none", "--load", load, "--", "sleep", "60")
    wait_until((tmp_path / "ready").exists, "the load that hangs")
    assert words in " ".join(started.interrupt().stderr.split())
