"""`trace`: any program is measured from outside, after loads that the lab does, or by the clock."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from leaklab.commands import options, output
from leaklab.errors import ExitCode, UsageError
from leaklab.reports.formats import TRACE
from leaklab.system.interrupts import Owner, last_signal
from leaklab.system.limits import TIME_LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from leaklab.lab.tracing import ProgramTracer, TracedProgram
    from leaklab.measure.counting import Way

TIMES, EVERY, COUNT = "50", "250ms", "auto"
"""The defaults of the options."""

MOST_TIMES = 100_000
"""Loads of the first size, at most."""

Command = Annotated[list[str] | None, Argument(metavar="-- COMMAND [ARGS]...", help="The program, as you start it.")]
Load = Annotated[options.Text, Option(metavar="CMD", help="One load: a command that has the program do some work.")]
WarmUp = Annotated[options.Text, Option(metavar="CMD", help="Done first, until it succeeds. Default: the load.")]
Times = Annotated[options.Text, Option(metavar="N", help=f"Loads of the first size. Default: {TIMES}.")]
Every = Annotated[options.Text, Option(metavar="T", help=f"Without --load: a sample every T. Default: {EVERY}.")]
For = Annotated[options.Text, Option("--for", metavar="T", help="Without --load: stop after T. Default: at its end.")]
Pid = Annotated[options.Text, Option(metavar="PID", help="Watch this process, which is running already.")]
Count = Annotated[options.Text, Option(metavar="WAY", help=f"{COUNT} (default), hook, preload, strace or none.")]
Explain = Annotated[bool, Option("--explain", help="Python only: say which line opened what leaks.")]
Limit = Annotated[options.Texts, Option(metavar="time=T", help="How long one load may take. Default: 1min.")]


def command(
    program: Command = None,
    load: Load = None,
    warm_up: WarmUp = None,
    times: Times = None,
    every: Every = None,
    for_: For = None,
    pid: Pid = None,
    count: Count = None,
    explain: Explain = False,
    limit: Limit = None,
    form: Annotated[options.Text, options.format_of(TRACE)] = None,
    as_json: options.Json = False,
    file: options.Output = None,
) -> int:
    """Measure any program, and say what grows with its load."""
    without = {"--every": every, "--for": for_} if load else {"--warm-up": warm_up, "--times": times, "--limit": limit}
    if misplaced := [option for option, given in without.items() if given]:
        said = "is for a trace without --load: leave it out" if load else "is for a load: add --load, or leave it out"
        raise UsageError(f"{misplaced[0]} {said}")
    if pid is not None and program:
        raise UsageError(f"--pid {pid} and {program[0]!r}: leave one of them out")
    if pid is None and not program:
        raise UsageError("write what is to be traced: `leaklab trace -- COMMAND`, or `leaklab trace --pid PID`")
    if pid is not None and (explain or count):
        option = "--explain" if explain else "--count"
        raise UsageError(f"{option} is for a program that leaklab starts: leave it out, or start the program here")
    target = output.destination(TRACE, form, file, as_json=as_json, aside=pid is None)
    seconds = None if for_ is None else options.duration("--for", for_)
    how = _Work(
        load,
        warm_up or load,
        options.count("--times", times or TIMES, MOST_TIMES),
        options.duration("--every", every or EVERY),
        seconds,
        options.time_limit(limit, TIME_LIMIT_S),
    )
    gc.enable()  # it may go on for long
    traced = _traced(program, pid or "", count or COUNT, how, explain=explain)
    target.show(traced=traced)
    return _exit_code(traced)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the program is measured by: the load, or the clock."""

    load: str | None
    warm_up: str | None
    times: int
    every_s: float
    for_s: float | None
    limit_s: float

    @property
    def first(self) -> str:
        """What an interrupt comes before if nothing was measured."""
        return "before the first sample" if self.load is None else "before the first load had succeeded"

    def trace(self, tracer: ProgramTracer, folder: Path, mark: str) -> TracedProgram:
        """Measure it. `folder` and `mark` are for the load."""
        from leaklab.measure.load import LoadCommand

        if self.load is None or self.warm_up is None:
            return tracer.by_the_clock(self.every_s, self.for_s)
        warm_up, load = (LoadCommand(text, self.limit_s, folder, mark) for text in (self.warm_up, self.load))
        return tracer.by_loads(warm_up, load, self.times)


def _traced(program: Sequence[str] | None, pid: str, wish: str, work: _Work, *, explain: bool) -> TracedProgram:
    from leaklab.lab.tracing import ProgramEndedError

    try:
        return _started(program, wish, work, explain=explain) if program else _running(pid, work)
    except ProgramEndedError as error:
        if error.code and work.load is None:
            error.exit_code = _code_of_shell(error.code)
        raise
    except KeyboardInterrupt:
        output.complain(f"interrupted {work.first}: nothing was measured")
        raise


def _started(command: Sequence[str], wish: str, work: _Work, *, explain: bool) -> TracedProgram:
    from leaklab.explain.asking import HOOK, RECORDS, own_folder
    from leaklab.lab.tracing import ProgramTracer
    from leaklab.measure.counting import ConnectionCounter, choose, resolved
    from leaklab.measure.program import StartedProgram
    from leaklab.system.processes import require_posix

    require_posix()
    path = resolved(command)
    way, why_not = choose(wish, path)
    if explain:
        _check_explainable(command[0], path, way)
    own = own_folder(command) if explain else None
    with Owner() as owner:
        program = owner.enter_context(StartedProgram())
        counter = ConnectionCounter(way, program.folder / "events", HOOK, why_not)
        counter.prepare()
        asked = {} if own is None else {RECORDS: str(own)}
        program.start(counter.command(command), {**counter.environment(), **asked})
        tracer = ProgramTracer(program, counter, tuple(command), own, _says)
        traced = work.trace(tracer, program.folder, program.mark)
        if traced.interrupted:
            program.end(last_signal())
    return traced


def _check_explainable(name: str, path: str, way: Way) -> None:
    """Raise UsageError if a program, as it was typed and where it is, cannot be asked which line opened what."""
    from leaklab.measure.counting import Way, is_python

    if sys.platform != "linux":
        raise UsageError("--explain is for Linux: leave it out")
    if not is_python(path):
        start = "start Python itself, as in FOO=1 leaklab trace --explain -- python app.py"
        raise UsageError(f"--explain is for programs in Python, and {name!r} is another: {start}")
    if way is not Way.HOOK:
        raise UsageError(f"--explain needs the hook that counts connections: leave --count {way} out")


def _running(pid: str, work: _Work) -> TracedProgram:
    from leaklab.explain.asking import HOOK
    from leaklab.lab.tracing import ProgramTracer
    from leaklab.measure.counting import ConnectionCounter, Way
    from leaklab.measure.program import RunningProgram, StartedProgram

    program = RunningProgram(options.count("--pid", pid, 2**31))
    if program.ended(0) is not None:
        raise UsageError(f"--pid {pid}: there is no such process")
    with Owner() as owner:
        # What the load needs, and ends with it.
        beside = owner.enter_context(StartedProgram())
        counter = ConnectionCounter(Way.NONE, beside.folder / "events", HOOK, "it was running already")
        return work.trace(ProgramTracer(program, counter, says=_says), beside.folder, beside.mark)


def _says(words: str) -> None:
    if sys.stderr.isatty():
        output.say_aside(f"leaklab: {words}\n")


def _exit_code(traced: TracedProgram) -> int:
    """That of the program, if it ended by itself and not with 0; else what the verdict says."""
    from leaklab.judge.findings import Verdict

    if traced.interrupted:
        return ExitCode.INTERRUPTED
    if traced.exit_code:
        return _code_of_shell(traced.exit_code)
    return ExitCode.DONE if traced.judgement.verdict is Verdict.CLEAN else ExitCode.NOT_AS_EXPECTED


def _code_of_shell(code: int) -> int:
    """An exit code as a shell has it: of a program that a signal killed, 128 and its number."""
    return code if code > 0 else 128 - code
