"""However a half or the command ends, what was measured until then is shown, and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from tests.integration.conftest import (
    CONTENT,
    COULD_NOT_MEASURE,
    INTERRUPTED,
    NOT_AS_EXPECTED,
    ROOT,
    SCENARIOS,
    STEPS_FILE,
    TIME_LIMIT,
    Command,
    Document,
    Finished,
    Run,
    Started,
    environment,
    processes_of,
    wait_until,
)
from tests.integration.test_cli_refusals import SCENARIO, make

OURS = ("--scenarios", str(CONTENT))


def run(once: Run, name: str, *options: str) -> tuple[Finished, Document, Document]:
    """The run, made once for all tests, and what it says of its halves."""
    finished = once("run", name, "--json", *OURS, *options)
    assert finished.stderr == ""
    halves = finished.document["halves"]
    return finished, halves["leaky"], halves["fixed"]


# ---- halves that end badly


@pytest.mark.parametrize(
    ("name", "half", "words"),
    [
        ("raises", "leaky", 'it raised ValueError: no third job (leaky.py, line 5: raise ValueError("no third job"))'),
        ("exits", "leaky", "it exited with code 3 after 2 whole steps"),
        ("exits", "fixed", "it raised SystemExit: 4 (fixed.py, line 5: raise SystemExit(4))"),
        ("segfaults", "leaky", "it was ended by SIGSEGV after 2 whole steps"),
        ("syntax-error", "leaky", "it cannot be imported: SyntaxError: '[' was never closed"),
        ("missing-import", "leaky", "ModuleNotFoundError: No module named 'there_is_no_such_module' (leaky.py, line 1"),
        ("no-run", "leaky", "there is no function called run in it"),
        ("no-run", "fixed", "there is no function called run in it"),
        ("exits-early", "leaky", "it exited with code 7 while it was imported"),
        ("exits-early", "fixed", "SystemExit: 8 (fixed.py, line 3: sys.exit(8))"),
        ("closes-all", "leaky", "closed"),
        ("unprintable", "fixed", "it raised Silent: (its message cannot be printed: RuntimeError)"),
    ],
)
def test_a_half_that_crashes_is_told_with_what_ended_it_and_where(once: Run, name: str, half: str, words: str) -> None:
    finished, *_ = run(once, name)
    assert finished.code == NOT_AS_EXPECTED
    crashed = finished.document["halves"][half]
    assert (crashed["outcome"], crashed["verdict"], crashed["findings"]) == ("crashed", "inconclusive", [])
    assert words in crashed["error"]
    assert "code 70" not in crashed["error"], "that is between the worker and the lab"
    assert any(words in surprise for surprise in finished.document["surprises"])
    assert finished.document["as_expected"] is False


@pytest.mark.parametrize("name", ["raises", "segfaults", "syntax-error", "missing-import", "closes-all"])
def test_the_other_half_is_measured_although_one_crashed(once: Run, name: str) -> None:
    """That of `closes-all` closes its standard streams."""
    _, _, fixed = run(once, name)
    assert (fixed["outcome"], fixed["verdict"], fixed["steps"]) == ("completed", "clean", 5)


def test_what_a_crashed_half_could_not_show_is_null_and_never_0(once: Run) -> None:
    _, leaky, _ = run(once, "segfaults")
    descriptors = leaky["metrics"]["open_fds"]
    assert min(descriptors["baseline"], descriptors["peak"]) > 0
    assert (descriptors["end"], descriptors["returned"], descriptors["collected"]) == (None, None, None)
    assert (leaky["metrics"]["open_sockets"], leaky["metrics"]["open_cursors"], leaky["steps"]) == (None, None, 3)


@pytest.mark.parametrize(
    ("name", "half", "words"),
    [
        ("unprintable", "leaky", "its answer cannot be read: a Silent that is not plain data"),
        ("less-work", "leaky", "expected the jobs 1 to 5"),
        ("less-work", "fixed", "expected the jobs 1 to 5"),
    ],
)
def test_a_half_with_a_wrong_answer_is_not_clean(once: Run, name: str, half: str, words: str) -> None:
    finished, *_ = run(once, name)
    assert finished.code == NOT_AS_EXPECTED
    measured = finished.document["halves"][half]
    assert (measured["outcome"], measured["verdict"]) == ("completed", "inconclusive")
    assert words in measured["complaint"]


# ---- leaks of other kinds


@pytest.mark.parametrize(("name", "metric"), [("leaks-threads", "threads"), ("leaks-files", "open_fds")])
def test_one_thread_or_descriptor_that_is_leaked_per_step_is_found(once: Run, name: str, metric: str) -> None:
    finished, leaky, fixed = run(once, name)
    assert finished.code == 0
    assert [(finding["kind"], finding["metric"]) for finding in leaky["findings"]] == [("leaked", metric)]
    values = leaky["metrics"][metric]
    assert values["collected"] - values["baseline"] == values["peak"] - values["baseline"] == 20
    assert values["per_step"] == 1.0
    assert fixed["verdict"] == "clean"


def test_a_child_process_that_a_half_left_behind_is_ended_with_it(leaklab: Command) -> None:
    """`leaklab(…)` fails if any process of the run is left."""
    run(leaklab, "leaves-child")


# ---- what a half prints


def test_what_a_half_prints_is_kept_to_a_bound_and_the_rest_is_counted(once: Run) -> None:
    finished, leaky, fixed = run(once, "prints")
    assert (finished.code, leaky["outcome"]) == (0, "completed")
    assert 60_000 < len(leaky["output"]) < 80_000
    assert f"{10_000_010 - 64 * 2**10:,} more bytes" in leaky["output"]
    assert "one line\n" in fixed["output"]
    assert "\ufffd no text\n" in fixed["output"]


def test_a_table_shows_the_first_lines_that_a_half_printed_without_their_control_codes(leaklab: Command) -> None:
    finished = leaklab("run", "prints", *OURS)
    assert "The fixed half printed" in finished.stdout
    assert "  one line" in finished.stdout
    assert "[bold]marked[/bold]" in finished.stdout, "what it prints is no markup"
    assert "\x1b" not in finished.stdout
    assert max(len(line) for line in finished.stdout.splitlines()) <= 80


# ---- limits and signals


@pytest.mark.parametrize("name", ["hangs", "ignores-signals"])
def test_a_half_that_hangs_is_ended_at_its_time_limit_and_the_other_is_measured(once: Run, name: str) -> None:
    finished, leaky, fixed = run(once, name, "--limit", "time=1s")
    assert finished.code == TIME_LIMIT
    assert leaky["outcome"] == "timed-out"
    assert "time limit of 1 s" in leaky["error"]
    assert leaky["elapsed_s"] >= 0.9
    assert leaky["metrics"]["open_fds"]["peak"] > 0
    assert leaky["metrics"]["open_fds"]["collected"] is None
    assert (fixed["outcome"], fixed["verdict"]) == ("completed", "clean")


@pytest.fixture
def steps_file(tmp_path: Path) -> Path:
    """Where the halves `slow` and `ignores-signals` write one character per step."""
    return tmp_path / "steps"


def in_the_middle(leaklab: Command, steps_file: Path, *arguments: str, steps: int = 5) -> Started:
    """A run that has got to some steps of its leaky half."""
    started = leaklab.start("run", *arguments, *OURS, env={STEPS_FILE: str(steps_file)})
    wait_until(lambda: steps_file.exists() and steps_file.stat().st_size >= steps, f"step {steps}")
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_an_interrupted_run_tells_what_was_measured_until_then(
    leaklab: Command, steps_file: Path, number: signal.Signals
) -> None:
    finished = in_the_middle(leaklab, steps_file, "slow", "--json", "--steps", "100").interrupt(number)
    halves = finished.document["halves"]
    assert list(halves) == ["leaky"]
    leaky = halves["leaky"]
    assert leaky["outcome"] == "interrupted"
    assert "interrupted after " in leaky["error"]
    assert leaky["steps"] >= 4, "the fifth had begun, but word of it may have been on its way"
    assert leaky["metrics"]["open_fds"]["peak"] >= leaky["metrics"]["open_fds"]["baseline"] + 3
    assert leaky["metrics"]["open_fds"]["collected"] is None


@pytest.mark.parametrize("times", [1, 2])
def test_a_half_that_ignores_signals_does_not_outlive_a_run_that_is_interrupted_once_or_twice(
    leaklab: Command, steps_file: Path, times: int
) -> None:
    started = in_the_middle(leaklab, steps_file, "ignores-signals")
    for _ in range(times - 1):
        started.send(signal.SIGINT)
    started.interrupt()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("script", ["host.py", "worker.py"])
def test_a_run_that_is_interrupted_while_it_starts_ends_and_leaves_nothing(
    leaklab: Command, number: signal.Signals, script: str
) -> None:
    started = leaklab.start("run", "open-cursor", "--steps", "2000", *OURS)
    wait_until(lambda: bool(started.called(script)), f"the start of {script}")
    started.interrupt(number)


@pytest.mark.parametrize("arguments", [("run", "unbounded-wait"), ("check", "mine.py", "--scenario", "unclosed-body")])
def test_no_interrupt_is_lost_while_the_scenario_is_loaded(
    leaklab: Command, tmp_path: Path, arguments: Sequence[str]
) -> None:
    """A scenario that is being loaded may not end leaklab, and a signal may: it comes at a line of its scenario.py."""
    (tmp_path / "mine.py").write_text((SCENARIOS / "unclosed_body" / "leaky.py").read_text())
    at = tmp_path / "sitecustomize.py"
    at.write_text(
        "import os, signal, sys\n"
        "sent = []\n"
        "def comes(event, args):\n"
        "    if event == 'exec' and args[0].co_filename.endswith('scenario.py') and not sent:\n"
        "        sent.append(event)\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.addaudithook(comes)\n"
    )
    named = [str(tmp_path / one) if one == "mine.py" else one for one in arguments]
    assert leaklab.start(*named, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}).finish().code == INTERRUPTED


def test_compare_that_is_interrupted_tells_the_scenarios_it_measured(leaklab: Command, steps_file: Path) -> None:
    started = leaklab.start(
        "compare", "leaks-files", "slow", "leaks-threads", "--json", *OURS, env={STEPS_FILE: str(steps_file)}
    )
    wait_until(lambda: steps_file.exists() and steps_file.stat().st_size >= 3, "step 3 of slow")
    finished = started.interrupt()
    assert [result["scenario"] for result in finished.document["results"]] == ["leaks-files", "slow"]


def test_an_interrupt_while_the_next_half_runs_tells_all_of_the_one_that_was_still_ending(
    leaklab: Command, steps_file: Path
) -> None:
    steps_file.with_name(f"{steps_file.name}.stop").touch()
    finished = in_the_middle(leaklab, steps_file, "ends-late", "--json", steps=1).interrupt()
    leaky, fixed = (finished.document["halves"][name] for name in ("leaky", "fixed"))
    assert (leaky["outcome"], leaky["error"], leaky["steps"]) == ("completed", None, 20)
    assert leaky["metrics"]["threads"]["returned"] == 21
    assert leaky["metrics"]["threads"]["collected"] is not None
    assert (fixed["outcome"], fixed["steps"]) == ("interrupted", 1)
    assert "interrupted after 0 whole steps" in fixed["error"]


# ---- parts of the lab that are killed


def listening(processes: Iterable[psutil.Process]) -> set[int]:
    """The ports on which these processes listen."""
    connections = [connection for process in processes for connection in process.net_connections("tcp")]
    return {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}


@pytest.mark.parametrize("name", ["slow", "ignores-signals", "unbounded-wait"])
def test_when_the_command_is_killed_no_process_of_the_run_is_left_and_no_service_listens(
    leaklab: Command, name: str
) -> None:
    waits = ("--set", "hang=40s", "--limit", "time=50s") if name == "unbounded-wait" else ()
    started = leaklab.start("run", name, *waits, *OURS)
    wait_until(lambda: len(started.called("worker.py")) >= 2, "the start of both halves")
    wait_until(lambda: bool(listening(started.called("host.py"))) == bool(waits), "the start of the services")
    ports = listening(started.called("host.py"))
    started.send(signal.SIGKILL)
    started.process.wait()
    started.check_nothing_is_left(patience_s=20)
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()


def test_when_the_services_process_is_killed_the_run_says_so_and_ends(leaklab: Command) -> None:
    started = leaklab.start("run", "unbounded-wait", "--set", "hang=40s", "--limit", "time=50s")
    wait_until(lambda: len(started.called("worker.py")) >= 2, "the start of both halves")
    (host,) = started.called("host.py")
    host.kill()
    finished = started.finish()
    assert finished.code == COULD_NOT_MEASURE
    assert "the services' process ended unexpectedly" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_when_the_measured_process_is_killed_its_half_has_crashed(leaklab: Command, steps_file: Path) -> None:
    started = in_the_middle(leaklab, steps_file, "slow", "--json", "--limit", "time=3s")
    workers = started.called("worker.py")
    busy = min(workers, key=lambda worker: (worker.create_time(), worker.pid))  # the leaky half starts first
    busy.kill()
    (crashed,) = (half for half in started.finish().document["halves"].values() if half["outcome"] == "crashed")
    assert "SIGKILL" in crashed["error"]


# ---- hang-ups


def test_a_run_under_nohup_survives_the_hang_up_of_its_terminal(tmp_path: Path) -> None:
    """The terminal goes while the halves run; what was measured is in the file."""
    tag, steps, out = uuid.uuid4().hex, tmp_path / "steps", tmp_path / "out.json"
    command = [sys.executable, "-m", "leaklab", "run", "slow", "--steps", "4", "--json", "-o", str(out), *OURS]
    child = pexpect.spawn(
        "nohup", command, cwd=str(tmp_path), env=environment(tag, {STEPS_FILE: str(steps), "TMPDIR": str(tmp_path)})
    )
    wait_until(lambda: steps.exists() and steps.stat().st_size >= 2, "step 2")
    # Only the terminal is closed: pexpect's own way would send signals besides.
    pty: Any = child
    pty.ptyproc.fileobj.close()
    pty.closed = pty.ptyproc.closed = True
    wait_until(out.exists, "the end of the run")
    wait_until(lambda: processes_of(tag) == [], "the end of all processes")
    assert os.waitstatus_to_exitcode(os.waitpid(pty.pid, 0)[1]) == 0
    halves = json.loads(out.read_text())["halves"]
    assert {half["outcome"] for half in halves.values()} == {"completed"}


def test_a_scenario_that_never_comes_back_is_named_by_list_and_one_that_ends_python_by_validate(
    leaklab: Command, tmp_path: Path
) -> None:
    for name, last in {"loops": "while True: pass", "leaves": "import os; os._exit(0)", "works": ""}.items():
        folder = make(tmp_path / "ours", name)
        (folder / "scenario.py").write_text(SCENARIO + last + "\n")
    ours = ("--scenarios", str(tmp_path / "ours"))
    listed = leaklab("list", *ours)
    assert listed.code == NOT_AS_EXPECTED
    shown = " ".join(listed.stdout.split())
    assert "loops is broken" in shown
    assert "leaves is broken" in shown
    assert "works nothing – – –" in shown
    validated = leaklab("validate", "leaves", *ours)
    assert validated.code == NOT_AS_EXPECTED
    assert "scenario leaves is broken" in validated.stdout
    assert "importing it ends Python with exit code 0" in " ".join(validated.stdout.split())
