"""Halves in Go: what is built, what they leave, how they end, and what the lines are that leak."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from leaklab import cli
from leaklab.content.catalog import Catalog, Entry
from leaklab.content.languages import GO
from leaklab.errors import MeasureError
from leaklab.golang import toolchain as finding
from leaklab.golang.building import Builder, BuildError, NoDriverError, cache_folder, program_of
from leaklab.golang.toolchain import NoGoError, toolchain
from leaklab.judge.findings import Finding
from leaklab.lab.pair import run_halves
from leaklab.lab.result import HalfResult, Result
from leaklab.lab.run_options import RunOptions
from leaklab.lab.validation import Validation, validate
from leaklab.measure.run_trace import Outcome
from leaklab.system.limits import Limits
from leaklab.system.machine import resource_limits
from leaklab.workshop.check_result import CheckState
from leaklab.workshop.checking import check
from tests.integration.conftest import COULD_NOT_MEASURE, Command, Finished, complaint, wait_until
from tests.integration.mongo.servers import running
from tests.integration.test_odd_halves import STEPS, Odd

try:
    toolchain()
except NoGoError as missing:
    pytest.skip(str(missing), allow_module_level=True)

ENTRIES = [entry.in_language(GO) for entry in Catalog().local if GO in entry.languages]
FIRST_BUILD_S = 600.0
"""Seconds that a command may take which builds Go's library first."""

OTHER = "LEAKLAB_TEST_GO"
"""The environment variable that names another `go`, with which some of this is done again."""

GOOD = """
package half

import "iter"

func Run(jobs iter.Seq[int]) []int {
	var done []int
	for job := range jobs {
		done = append(done, job)
	}
	return done
}
"""


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    """Go's library is built before anything is waited for."""
    program_of(entry_of("unclosed-body").half_path("fixed"))


@pytest.fixture
def driver() -> None:
    """Skips where the MongoDB driver for Go can neither be found nor fetched."""
    try:
        program_of(entry_of("open-cursor").half_path("fixed"))
    except NoDriverError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A half that returns its jobs, which runs after each odd one."""
    return written(tmp_path_factory.mktemp("good") / "good.go", GOOD)


def written(file: Path, text: str) -> Path:
    file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return file


def entry_of(name: str) -> Entry:
    return next(entry for entry in ENTRIES if entry.id == name)


def line_of(file: Path, words: str) -> int:
    """The number of the only line of the file that has these words."""
    lines = file.read_text(encoding="utf-8").splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if words in line)
    return number


# ---- the built-in scenarios


@cache
def validated(name: str) -> Validation:
    return validate(entry_of(name), RunOptions())


def measured_scenario(name: str) -> Result:
    result = validated(name).result
    assert result is not None
    return result


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_a_scenario_is_what_it_declares_in_go_too(entry: Entry, request: pytest.FixtureRequest) -> None:
    if "mongo" in entry.scenario.services:
        request.getfixturevalue("driver")
    assert validated(entry.id).problems == ()


def finding_of(name: str, half: str, metric: str) -> Finding:
    found = measured_scenario(name).halves[half].judgement.findings
    return next(one for one in found if one.metric == metric)


def test_each_body_that_is_not_closed_leaves_a_socket_a_connection_and_two_goroutines() -> None:
    leaky, fixed = (measured_scenario("unclosed-body").halves[half] for half in ("leaky", "fixed"))
    counts = ("open_sockets", "connections_opened", "goroutines")
    assert [leaky.rise(name, "collected") for name in counts] == [50, 50, 100]
    assert [finding_of("unclosed-body", "leaky", name).value for name in counts] == [50, 50, 100]
    assert fixed.judgement.findings == ()


def test_what_is_closed_at_the_end_of_run_is_held_until_then() -> None:
    found = finding_of("close-in-loop", "leaky", "open_sockets")
    assert (found.kind.value, found.value) == ("held", 50)
    assert measured_scenario("close-in-loop").halves["fixed"].judgement.findings == ()


@pytest.mark.usefixtures("driver")
def test_each_cursor_that_is_not_closed_stays_open_on_the_server() -> None:
    halves = measured_scenario("open-cursor").halves
    assert [halves[half].rise("open_cursors", "collected") for half in ("leaky", "fixed")] == [50, 0]


@pytest.mark.usefixtures("driver")
def test_a_real_server_counts_the_same_cursors(leaklab: Command) -> None:
    pytest.importorskip("secantus", reason="SecantusDB is not installed (it has no release for this Python)")
    with running("secantus") as server:
        finished = leaklab("run", "open-cursor", "--lang", "go", "--json", "--no-explain", "--mongo", server.uri)
    halves = finished.document["halves"]
    counts = {half: halves[half]["metrics"]["open_cursors"]["collected"] for half in ("leaky", "fixed")}
    assert counts == {"leaky": 50, "fixed": 0}


# ---- odd endings


def measured(folder: Path, good: Path, text: str, limits: Limits | None = None) -> HalfResult:
    """What is said of the half with this text; a good one runs after it, and must be as good as ever."""
    entry = Odd(folder, GO)
    paths = {"odd": written(folder / "odd.go", text), "good": good}
    result = run_halves(entry, paths, entry.scenario.settings, RunOptions(limits=limits or Limits()))
    after = result.halves["good"]
    assert (after.outcome, after.error, after.complaint) == (Outcome.COMPLETED, None, None)
    return result.halves["odd"]


def half_that(*imports: str, does: str = "", first: str = "", top: str = "", then: str = "return done, nil") -> str:
    """A half: before the first step, at each, outside of Run, and at its end."""
    imported = "".join(f'\t"{name}"\n' for name in ("iter", *imports))
    return (
        f"package half\n\nimport (\n{imported})\n\n{top}\n\nfunc Run(jobs iter.Seq[int]) ([]int, error) {{\n"
        f"\tvar done []int\n\t{first}\n\tfor job := range jobs {{\n\t\tdone = append(done, job)\n\t\t{does}\n\t}}\n"
        f"\t{then}\n}}\n"
    )


class Ending(NamedTuple):
    """A half, and what is said of it; `at` are words of the line that is named."""

    text: str
    outcome: Outcome
    words: str
    at: str = ""
    limits: Limits = Limits()


SHORT = Limits(time_s=2.0)
CRASHED, TIMED_OUT = Outcome.CRASHED, Outcome.TIMED_OUT
LOOKS_LIKE_A_PANIC = r'"panic: I only look like it\n\ngoroutine 1 [running]:\nmain.main()\n\t/etc/passwd:1 +0x1"'
CHANNEL = "fd, _ := strconv.Atoi(os.Args[1])\n\t"
RANGES_AGAIN = "for range jobs {\n\t}\n\treturn done, nil"

ENDINGS = {
    "a panic in Run": Ending(half_that(does='panic("boom")'), CRASHED, "it ended in a panic: boom", "panic("),
    "a nil map": Ending(
        half_that(first="var seen map[int]int", does="seen[job]++"), CRASHED, "assignment to entry in nil map", "seen["
    ),
    "a panic in a goroutine": Ending(
        half_that(does='go func() { panic("inside") }()', then="select {}"), CRASHED, "'inside'", "panic("
    ),
    "a panic that is raised again": Ending(
        half_that(
            does='go func() { defer func() { panic(recover()) }(); panic("first") }()',
            then="select {}",
        ),
        CRASHED,
        "a panic ended it, 'first',",
        "panic(",
    ),
    "a map that is written by two": Ending(
        half_that(
            first="seen := map[int]int{}", does="for range 4 { go func() { for { seen[1]++ } }() }", then="select {}"
        ),
        CRASHED,
        "a fatal error ended it, 'concurrent map writes'",
        "seen[1]",
    ),
    "a stack that overflows": Ending(
        half_that("runtime/debug", first="debug.SetMaxStack(1 << 16)", does="deep(job)", top=textwrap.dedent("""
            func deep(n int) int {
                return deep(n+1) + n
            }""")),
        CRASHED,
        "a fatal error ended it, 'stack overflow'",
        "func deep(",
    ),
    "a panic of nothing": Ending(half_that(does="panic(nil)"), CRASHED, "nil", "panic("),
    "an exit": Ending(half_that("os", does="os.Exit(3)"), CRASHED, "it exited with code 3"),
    "an exit without an error": Ending(half_that("os", does="os.Exit(0)"), CRASHED, "it exited with code 0"),
    "a fatal log": Ending(half_that("log", does='log.Fatal("no")'), CRASHED, "it exited with code 1"),
    "an exit after words that look like a panic": Ending(
        half_that("fmt", "os", does=f"fmt.Fprintln(os.Stderr, {LOOKS_LIKE_A_PANIC}); os.Exit(3)"),
        CRASHED,
        "it exited with code 3",
    ),
    "a panic after words that look like one": Ending(
        half_that(
            "fmt",
            "os",
            first=f"fmt.Fprintln(os.Stderr, {LOOKS_LIKE_A_PANIC})",
            does='go func() { panic("real") }()',
            then="select {}",
        ),
        CRASHED,
        "'real'",
        "panic(",
    ),
    "a signal of its own": Ending(
        half_that("os", "syscall", does="syscall.Kill(os.Getpid(), syscall.SIGKILL)"), CRASHED, "ended by SIGKILL"
    ),
    "an error": Ending(
        half_that("errors", does='return nil, errors.New("nope")'), CRASHED, "it returned an error: nope"
    ),
    "an error in a type of its own": Ending(
        half_that(does="return nil, none{}", top='type none struct{}\nfunc (none) Error() string { return "none" }'),
        CRASHED,
        "it returned an error: none",
    ),
    "an error that wraps itself": Ending(
        half_that(
            does="return nil, loop{}",
            top='type loop struct{}\nfunc (loop) Error() string { return "loop" }\n'
            "func (l loop) Unwrap() error { return l }",
        ),
        CRASHED,
        "it returned an error: loop",
        limits=SHORT,
    ),
    "a hang": Ending(half_that(does="select {}"), TIMED_OUT, "its time limit of 2 s", "select {}", SHORT),
    "a busy hang": Ending(
        half_that(does="for {\n\t\t\tdone[0]++\n\t\t}"), TIMED_OUT, "its time limit of 2 s", "done[0]++", SHORT
    ),
    "a busy hang that has the only processor": Ending(
        half_that("runtime", first="runtime.GOMAXPROCS(1)", does="for {\n\t\t\tdone[0]++\n\t\t}"),
        TIMED_OUT,
        "its time limit of 2 s",
        "done[0]++",
        SHORT,
    ),
    "a hang that hears no signal": Ending(
        half_that("os/signal", "syscall", first="signal.Ignore(syscall.SIGUSR1)", does="select {}"),
        TIMED_OUT,
        "its time limit of 2 s",
        limits=SHORT,
    ),
    "the end of the goroutine that calls Run": Ending(
        half_that("runtime", does="runtime.Goexit()"), CRASHED, "it ended by runtime.Goexit", "runtime.Goexit", SHORT
    ),
    "words on the lab's channel": Ending(
        half_that("os", "strconv", "syscall", first=CHANNEL + 'syscall.Write(fd, []byte("garbage\\n"))'),
        CRASHED,
        "it wrote on the lab's channel",
    ),
    "the end of the lab's channel": Ending(
        half_that("os", "strconv", "syscall", first=CHANNEL + "syscall.Close(fd)"),
        CRASHED,
        "it closed the lab's channel",
    ),
    "the end of the lab's channel, and a hang": Ending(
        half_that("os", "strconv", "syscall", first=CHANNEL + "syscall.Close(fd)\n\tselect {}"),
        CRASHED,
        "it closed the lab's channel and went on",
    ),
    "a panic before Run": Ending(half_that(top='func init() { panic("early") }'), CRASHED, "'early'", "panic("),
    "an exit before Run": Ending(
        half_that("os", top="func init() { os.Exit(4) }"), CRASHED, "it exited with code 4"
    ),
    "memory over its limit": Ending(
        half_that(
            first="var kept [][]byte",
            does="for { one := make([]byte, 1<<24); for at := 0; at < len(one); at += 4096 { one[at] = 1 }; "
            "kept = append(kept, one) }",
        ),
        Outcome.CRASHED,
        "its memory limit",
        limits=Limits(memory=2**28),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_each_odd_ending_is_told_with_its_line(tmp_path: Path, good: Path, name: str) -> None:
    wanted = ENDINGS[name]
    half = measured(tmp_path, good, wanted.text, wanted.limits)
    assert half.outcome is wanted.outcome, half.error
    assert wanted.words in (half.error or "")
    place = half.ending.place
    if wanted.at:
        assert place is not None, half.error
        assert (place.file, place.line) == ("odd.go", line_of(tmp_path / "odd.go", wanted.at))
    else:
        assert place is None


def test_a_panic_after_return_is_told_with_its_line(tmp_path: Path, good: Path) -> None:
    half = measured(
        tmp_path,
        good,
        half_that(
            "time",
            does="go func() {\n\t\t\ttime.Sleep(20 * time.Millisecond)\n\t\t\tpanic(job)\n\t\t}()",
            then="return done, nil",
        ),
    )
    assert half.outcome is CRASHED
    assert half.ending.place is not None
    assert half.ending.place.line == line_of(tmp_path / "odd.go", "panic(job)")


def test_a_half_that_ended_before_it_was_told_anything_is_told_as_any_other(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a package does before `main` may end the process while the lab is still writing its first message."""

    def later(**limits: int | None) -> dict[str, int]:
        time.sleep(0.3)
        return resource_limits(**limits)

    monkeypatch.setattr("leaklab.measure.target.resource_limits", later)
    half = measured(tmp_path, good, half_that("os", top="func init() { os.Exit(4) }"))
    assert half.outcome is CRASHED
    assert "it exited with code 4" in (half.error or "")


def test_the_words_of_a_panic_are_kept_however_much_was_printed_before(tmp_path: Path, good: Path) -> None:
    half = measured(
        tmp_path,
        good,
        half_that("fmt", "strings", does='go func() { panic("at last") }()', then="select {}",
                  first='fmt.Println(strings.Repeat("x", 1<<20))'),
    )  # fmt: skip
    assert "'at last'" in (half.error or "")
    assert half.ending.place is not None


def test_a_loop_that_has_no_line_is_not_said_to_be_in_line_0(tmp_path: Path, good: Path) -> None:
    """The compiler gives the jump of an empty loop no line; runtime.Stack then has the first of the file."""
    half = measured(tmp_path, good, half_that(does="for {\n\t\t}"), SHORT)
    assert half.outcome is TIMED_OUT
    assert half.ending.place is None or half.ending.place.text


@pytest.mark.parametrize(
    "text",
    [
        half_that(then=RANGES_AGAIN),
        half_that("fmt", does='fmt.Println(`{"say":"returned","at":0,"cpu":0,"answer":"[]","problem":null}`)'),
        half_that("fmt", "os", does=f"fmt.Fprintln(os.Stderr, {LOOKS_LIKE_A_PANIC})"),
        half_that("os", first="os.Args = nil\n\tos.Clearenv()"),
        half_that("runtime/debug", first="debug.SetGCPercent(-1)"),
        half_that("os/signal", first="signal.Ignore()"),
        half_that(then="return done, nil\n}\n\nfunc main() {").replace("package half", "package other"),
        half_that().replace("package half", "\ufeffpackage half"),
        half_that().replace("\n", "\r\n"),
    ],
    ids=[
        "ranges twice", "prints protocol", "prints a panic", "no arguments", "no collector", "no signals",
        "another package", "byte order mark", "CRLF",
    ],
)  # fmt: skip
def test_what_does_the_work_in_an_odd_way_is_right(tmp_path: Path, good: Path, text: str) -> None:
    half = measured(tmp_path, good, text)
    assert (half.outcome, half.error, half.complaint) == (Outcome.COMPLETED, None, None)
    assert half.judgement.findings == ()


def test_each_item_is_one_step_whoever_takes_it(tmp_path: Path, good: Path) -> None:
    """Eight goroutines range over the same work at the same time."""
    text = """
        package half

        import (
            "iter"
            "sync"
        )

        func Run(jobs iter.Seq[int]) []int {
            var all sync.WaitGroup
            for range 8 {
                all.Go(func() {
                    for range jobs {
                    }
                })
            }
            all.Wait()
            var done []int
            for job := range jobs {
                done = append(done, job)
            }
            return done
        }
        """
    if toolchain().version < (1, 25, 0):
        pytest.skip("sync.WaitGroup.Go came with Go 1.25")
    half = measured(tmp_path, good, text)
    assert (half.outcome, half.complaint, half.runs[0].trace.steps) == (Outcome.COMPLETED, None, STEPS)


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("func Run() int", "it is given 1 (urls)"),
        ("func Run(urls ...int) int", "Run is variadic"),
        ("func Run(urls iter.Seq[string], more int) int", "it is given 1 (urls)"),
        ("func Run(urls []int) int", "it must be an iter.Seq"),
        ("func Run(urls iter.Seq2[int, int]) int", "it must be an iter.Seq"),
        ("func Run(urls iter.Seq[bool]) int", "it cannot take"),
        ("func Run[T any](urls iter.Seq[T]) int", "type parameter"),
        ("func (none) Run(urls iter.Seq[string]) int", "there is no function Run in it"),
        ("func run(urls iter.Seq[string]) int", "there is no function Run in it"),
        ("type Run func(urls iter.Seq[string]) int\n\nfunc other() int", "it must be a function"),
        ("var Run func(urls iter.Seq[string]) int\n\nfunc other() int", "nil"),
        ("const Run = 3\n\nfunc other() int", "it must be a function"),
    ],
)
def test_a_wrong_signature_is_told_as_one(tmp_path: Path, signature: str, words: str) -> None:
    """The file is at fault, not the lab: the check says so, and none ends in an error of the lab."""
    head = 'package half\n\nimport "iter"\n\ntype none struct{}\n\nvar _ iter.Seq[int]\n\n'
    file = written(tmp_path / "mine.go", f"{head}{signature} {{\n\treturn 0\n}}\n")
    found = checked(file)
    assert found.state is CheckState.FAILED
    assert words in found.reason


def checked(file: Path) -> Any:
    return check(entry_of("unclosed-body"), file)


# ---- building


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (half_that(first="x := 1"), 'x := 1', "declared and not used: x"),
        (half_that("os"), '"os"', '"os" imported and not used'),
        (half_that(then="return nil"), "return nil", "not enough return values"),
        (half_that(first="x := )"), "x := )", "syntax error"),
        (half_that("example.org/not/there"), "example.org", "example.org/not/there"),
        (half_that("foo/bar"), "foo/bar", "package foo/bar is not in std"),
        ("package main\n\nfunc main() {}\n", "package main", "it begins with `package half`"),
        ("// no package\n\nfunc Run() {}\n", "func Run", "expected 'package'"),
        (half_that(first="x := 1").replace("\n", "\r\n"), "x := 1", "declared and not used: x"),
        (half_that(first="x := 1").replace("package half", "\ufeffpackage half"), "x := 1", "declared and not used: x"),
    ],
)  # fmt: skip
def test_a_half_that_does_not_compile_has_its_file_line_and_words(
    tmp_path: Path, text: str, line: str, words: str
) -> None:
    file = tmp_path / "mine.go"
    file.write_bytes(text.encode())
    with pytest.raises(BuildError) as caught:
        program_of(file)
    first = caught.value.complaints[0]
    assert words in first.words
    assert first.line == line_of(file, line)
    assert str(caught.value).startswith(f"mine.go:{first.line}: {first.words}")


@pytest.mark.parametrize("folder", ["with space", "umläut", 'quo"te', "it's", "co:lon", "$x", "%d{x}", "[red]"])
def test_the_line_is_known_in_a_folder_of_any_name(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    file = written(tmp_path / folder / "mine.go", half_that(first="x := 1"))
    with pytest.raises(BuildError) as caught:
        program_of(file)
    assert caught.value.complaints[0].line == line_of(file, "x := 1")


@pytest.mark.parametrize("name", ["main.go", "x_test.go", "x_windows.go", "_x.go", ".x.go", "half.go", "a b.go"])
def test_a_half_is_built_whatever_its_name(tmp_path: Path, name: str) -> None:
    """By its name alone, Go would leave out some of these (go/build, "Build Constraints")."""
    assert program_of(written(tmp_path / name, GOOD)).is_file()


@pytest.mark.parametrize(
    "text",
    [
        "//go:build ignore\n\n" + half_that(),
        'package half\n\nimport "C"\n' + half_that().removeprefix("package half"),
        half_that(first="_ = 0\n//line other.go:7\n\tx := 1"),
        half_that(first="_ = 0\n//line /etc/passwd:1\n\tx := 1"),
    ],
    ids=["build constraint", "cgo", "line directive", "line directive with a path"],
)
def test_a_half_that_go_leaves_out_or_misplaces_is_a_fault_of_the_file(tmp_path: Path, text: str) -> None:
    file = written(tmp_path / "mine.go", text)
    with pytest.raises(BuildError):
        program_of(file)


@pytest.mark.parametrize("spelled", ['"leaklab/worker"', "`leaklab/worker`", '"leak\\x6cab/worker"'])
def test_a_half_cannot_import_the_lab_however_it_is_written(tmp_path: Path, spelled: str) -> None:
    text = half_that().replace('"iter"', f'"iter"\n\t_ {spelled}')
    assert checked(written(tmp_path / "mine.go", text)).state is CheckState.REFUSED


def test_a_text_that_names_the_lab_is_no_import(tmp_path: Path) -> None:
    text = half_that(first='println("leaklab/x")')
    assert checked(written(tmp_path / "mine.go", text)).state is not CheckState.REFUSED


def test_a_path_that_go_cannot_take_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    with pytest.raises(MeasureError, match="line break"):
        program_of(written(folder / "mine.go", GOOD))


def test_a_half_is_built_once_for_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = written(tmp_path / "mine.go", GOOD)
    first = program_of(half)
    inode = first.stat().st_ino
    with monkeypatch.context() as patched:
        patched.setattr(Builder, "_go", lambda *_, **__: pytest.fail("it was built again"))
        again = program_of(half)
    assert (again, again.stat().st_ino) == (first, inode)
    assert program_of(written(half, GOOD + "\n// changed\n")) != first
    assert first.stat().st_ino == inode


@pytest.mark.parametrize("named", ["absolute", "relative"])
def test_a_go_that_is_named_builds_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """A half is built in another folder than the one in which the command runs."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "go").symlink_to(toolchain().command)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(finding.VARIABLE, "bin/go" if named == "relative" else str(tmp_path / "bin" / "go"))
    finding.toolchain.cache_clear()
    try:
        assert program_of(written(tmp_path / "mine.go", GOOD)).is_file()
    finally:
        finding.toolchain.cache_clear()


BUILDS_FOR_EVER = """\
#!/bin/sh
if [ "$1" = version ]; then
    echo go version go1.26.8 linux/amd64
else
    sleep 600
fi
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_build_that_is_interrupted_leaves_nothing(leaklab: Command, tmp_path: Path, number: signal.Signals) -> None:
    go = tmp_path / "go"
    go.write_text(BUILDS_FOR_EVER)
    go.chmod(0o755)
    kept = tmp_path / "cache"
    half = written(tmp_path / "mine.go", GOOD)
    run = leaklab.start(
        "check", str(half), "--scenario", "unclosed-body", env={finding.VARIABLE: str(go), "XDG_CACHE_HOME": str(kept)}
    )
    wait_until(lambda: bool(run.called("600")), "a build")
    if number is signal.SIGKILL:
        run.send(number)
        run.process.wait()
        run.check_nothing_is_left(patience_s=10)
    else:
        run.interrupt(number)
        assert [*kept.glob("leaklab/go/module/*/halves/*")] == []


# ---- what is around them


@pytest.mark.parametrize(
    "variable",
    [
        "GOGC=1",
        "GODEBUG=gctrace=1",
        "GOMAXPROCS=1",
        "GOTRACEBACK=none",
        "GOFLAGS=-race",
        "GOMEMLIMIT=1MiB",
        "GOOS=plan9",
    ],
)
def test_variables_of_gos_reach_neither_a_half_nor_its_build(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(*variable.split("=", 1))
    text = half_that(
        "os",
        "strings",
        "fmt",
        first='for _, each := range os.Environ() {\n\t\tif strings.HasPrefix(each, "GO") {\n\t\t\t'
        'return nil, fmt.Errorf("%s reached it", each)\n\t\t}\n\t}',
    )
    half = measured(tmp_path, good, text)
    assert (half.outcome, half.error, half.complaint) == (Outcome.COMPLETED, None, None)


@pytest.mark.parametrize("variable", ["GOEXPERIMENT=bogus", "GOPATH=relative", "GOTOOLCHAIN=go1.99"])
def test_a_go_is_found_whatever_the_user_has_set_for_it(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    expected = toolchain()
    monkeypatch.setenv(*variable.split("=", 1))
    finding.toolchain.cache_clear()
    try:
        assert toolchain() == expected
    finally:
        finding.toolchain.cache_clear()


@pytest.fixture(params=["none on the PATH", "the one that is named is none"])
def without_go(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    if request.param == "none on the PATH":
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv(finding.VARIABLE, raising=False)
        monkeypatch.setattr(finding, "_packaged", lambda: None)
    else:
        monkeypatch.setenv(finding.VARIABLE, str(tmp_path / "none"))
    finding.toolchain.cache_clear()
    yield
    finding.toolchain.cache_clear()


@pytest.mark.usefixtures("without_go")
@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "unclosed-body", "--lang", "go"),
        ("compare", "unclosed-body", "--lang", "python,go"),
        ("validate", "unclosed-body", "--lang", "go"),
        ("check", str(entry_of("unclosed-body").half_path("fixed")), "--scenario", "unclosed-body"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_go_what_needs_it_says_so_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    started: list[object] = []

    class Recorded(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], *others: Any, **options: Any) -> None:
            started.append(command[0])
            super().__init__(command, *others, **options)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    monkeypatch.setattr(sys, "argv", ["leaklab", *arguments])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert isinstance(left.value.code, int)
    said = complaint(Finished(left.value.code, *capsys.readouterr()), COULD_NOT_MEASURE)
    assert re.search(r"need Go 1\.\d+ or newer", said)
    assert "https://go.dev/dl" in said
    assert {str(one) for one in started} <= {str(tmp_path / "none")}


def test_what_runs_nothing_needs_no_go(leaklab: Command, tmp_path: Path) -> None:
    env = {finding.VARIABLE: str(tmp_path / "none")}
    for arguments in (("list", "--lang", "go"), ("show", "unclosed-body", "--lang", "go")):
        assert leaklab(*arguments, env=env).code == 0


def test_a_cache_that_cannot_be_written_is_named(leaklab: Command, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    finished = leaklab(
        "run", "unclosed-body", "--lang", "go", env={"XDG_CACHE_HOME": str(in_the_way)}
    )  # fmt: skip
    assert str(in_the_way) in complaint(finished, COULD_NOT_MEASURE)


@pytest.mark.usefixtures("driver")
def test_where_the_driver_cannot_be_fetched_the_other_scenarios_are_compared(leaklab: Command, tmp_path: Path) -> None:
    """The cache is this machine's, but for what has been downloaded."""
    here = tmp_path / "cache" / "leaklab" / "go"
    here.mkdir(parents=True)
    (here / "build").symlink_to(cache_folder() / "build")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "GOPROXY": "off", "GOMODCACHE": str(tmp_path / "none")}
    small = ("--steps", "7", "--set", "size=64MiB", "--set", "hang=1s", "--set", "deadline=400ms")
    finished = leaklab.start("compare", "--lang", "go", *small, "--json", env=env).finish(FIRST_BUILD_S)
    others = [entry.id for entry in ENTRIES if "mongo" not in entry.scenario.services]
    assert sorted(one["scenario"] for one in finished.document["results"]) == sorted(others)
    assert finished.code != 0
    assert "GOPROXY=off" in finished.stderr
    alone = leaklab("run", "open-cursor", "--lang", "go", env=env)
    assert alone.code == COULD_NOT_MEASURE
    assert "GOPROXY=off" in alone.stderr


# ---- another version of Go


@pytest.mark.skipif(OTHER not in os.environ, reason=f"no other Go is named by {OTHER}")
def test_another_version_of_go_measures_the_same(leaklab: Command) -> None:
    env = {finding.VARIABLE: os.environ.get(OTHER)}
    run = leaklab.start("run", "unclosed-body", "--lang", "go", "--json", env=env)
    document = run.finish(FIRST_BUILD_S).document
    file = entry_of("unclosed-body").half_path("leaky")
    found = {one["metric"]: one for one in document["halves"]["leaky"]["findings"]}
    assert {metric: one["value"] for metric, one in found.items()} == {
        "open_sockets": 50, "connections_opened": 50, "goroutines": 100,
    }  # fmt: skip
    assert found["open_sockets"]["evidence"][0]["opened"]["line"] == line_of(file, "http.Get(")
    assert document["halves"]["fixed"]["verdict"] == "clean"


@pytest.mark.skipif(OTHER not in os.environ, reason=f"no other Go is named by {OTHER}")
def test_another_version_of_go_has_the_lines_of_what_waits(leaklab: Command) -> None:
    env = {finding.VARIABLE: os.environ.get(OTHER)}
    run = leaklab.start("run", "abandoned-worker", "--lang", "go", "--json", env=env)
    findings = run.finish(FIRST_BUILD_S).document["halves"]["leaky"]["findings"]
    (found,) = (one for one in findings if one["metric"] == "goroutines")
    file = entry_of("abandoned-worker").half_path("leaky")
    assert {one["waits_at"]["line"] for one in found["evidence"] if one["waits_at"]} == {line_of(file, "answer <- ")}
