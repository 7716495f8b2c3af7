"""The child that runs one half: loads it by path, calls `run`, and reports on its channel what happens.

It is started as a file, by the interpreter that runs leaklab, and imports nothing but the standard library: what is
measured in this process is the half. docs/protocol.md describes what is said on the channel.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
import time
import types

# Both are there already: `os` and `threading` come with them.
from _collections_abc import Iterator, Sequence
from _thread import allocate_lock, get_ident

# The measured process pays for every import: typing is left to the type checker.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A half may replace what it likes in these modules: the worker keeps its own references.
perf_counter, process_time = time.perf_counter, time.process_time
times = os.times
dumps, loads = json.dumps, json.loads
read, write, leave, open_file, close = os.read, os.write, os._exit, os.open, os.close
collect, get_objects, alarm = gc.collect, gc.get_objects, signal.alarm
modules, this_frame, all_frames = sys.modules, sys._getframe, sys._current_frames

ANSWER_LIMIT = 4 * 2**20
"""Characters of JSON; a larger answer is not sent."""

RESERVE = [bytearray(4 * 2**20)]
"""Memory that is given up to report an error: the half may have used up all the rest. It is never touched, so that it
costs addresses and no pages."""

SHARED_MEMORY = "/dev/shm/"  # noqa: S108 # where Linux has it (shm_overview(7))

PAGE = os.sysconf("SC_PAGE_SIZE")

SLACK = 2**20
"""Bytes: memory that rose by less is not given back first."""

STEP_COUNTER = 8
"""Bytes of the file of a StepCounter."""

RUNNER_GONE = 70
"""The exit code of a worker whose runner is gone."""


class RunnerChannel:
    """Messages to and from the runner. If the runner is gone, this process ends."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.buffer = b""

    def send(self, data: bytes) -> None:
        """Send a line of JSON."""
        try:
            while data:
                data = data[write(self.fd, data) :]
        except OSError:
            leave(RUNNER_GONE)

    def hear(self) -> Any:
        """Wait for one message: a dictionary."""
        while b"\n" not in self.buffer:
            try:
                data = read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                leave(RUNNER_GONE)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return loads(line)

    def ask(self, **message: Any) -> Any:
        """Send one message and wait for the answer."""
        self.send(dumps(message).encode() + b"\n")
        return self.hear()


class StepCounter:
    """How many steps the half has begun: a number of 8 bytes in a file, which the runner reads.

    A line for each step would cost the half more, and wake the runner each time.
    """

    def __init__(self, path: str) -> None:
        import mmap

        file = os.open(path, os.O_RDWR)
        if sys.version_info >= (3, 13):
            memory = mmap.mmap(file, STEP_COUNTER, trackfd=False)
        else:
            # It takes a descriptor of its own, the lowest that is free; what is mapped stays without it (mmap(2)).
            own = os.dup(file)
            os.close(own)
            memory = mmap.mmap(file, STEP_COUNTER)
            os.close(own)
        os.close(file)
        self._number = memoryview(memory).cast("Q")

    def set(self, begun: int) -> None:
        """So many steps were begun."""
        self._number[0] = begun


class Clock:
    """Seconds since `run` was called, without the pauses in which the runner takes a sample; and CPU seconds."""

    start = cpu = 0.0

    def begin(self) -> None:
        """`run` is called now."""
        self.cpu += self.worked()
        self.start = perf_counter()

    def worked(self) -> float:
        """CPU seconds so far, of this process and of those that it started and waited for."""
        return process_time() + sum(times()[2:4]) - self.cpu

    def read(self) -> float:
        """Seconds so far."""
        return perf_counter() - self.start


class InsideView:
    """What can be seen only inside this process: asyncio's tasks, and what the names of `run` hold when it returns.

    As long as its frame is kept, the names of a function go on holding what they held at its end.
    """

    def __init__(self, half: types.ModuleType) -> None:
        self._code = half.run.__code__ if type(half.run) is types.FunctionType else None
        self._thread = get_ident()
        self._frame: types.FrameType | None = None
        self._cancelled: list[int] = []
        self._count_cancelled()

    def at_pause(self, channel: RunnerChannel) -> None:
        """Keep the frame of `run`, and say how many tasks are pending in the loop that runs in this thread.

        Nothing that is counted outside changes by it: the runner has read it before.
        """
        if self._code is not None:
            # Not this frame itself: a frame that one of its own names refers to is not gone before gc.
            frame = this_frame(1) if get_ident() == self._thread else all_frames().get(self._thread)
            while frame is not None and frame.f_code is not self._code:
                frame = frame.f_back
            self._frame, self._code = frame, None
        if "asyncio" in modules:
            self._count_cancelled()
            asyncio = modules["asyncio"]
            try:
                if (loop := asyncio._get_running_loop()) is not None:
                    channel.send(b'{"say":"tasks","count":%d}\n' % len(asyncio.all_tasks(loop)))
            except (AttributeError, RuntimeError):  # another thread is just importing it, or starting tasks
                pass

    def release(self) -> None:
        """Let go of what the names of `run` held."""
        self._frame = self._code = None

    def tasks_left(self) -> int | None:
        """Tasks that are pending in any loop, or that `asyncio.run` had to cancel; None if nothing imported asyncio."""
        try:
            task: Any = modules["asyncio"].Task
            # By their type alone, so that none of the half's code runs.
            pending = sum(issubclass(type(each), task) and not task.done(each) for each in get_objects())
            return pending + sum(self._cancelled)
        except BaseException:  # noqa: BLE001 # there may be no memory left, and a half may have replaced anything
            return None

    def _count_cancelled(self) -> None:
        """Have asyncio's own runner count the tasks that it cancels: the program has not ended them itself."""
        runners: Any = modules.get("asyncio.runners")
        cancel = getattr(runners, "_cancel_all_tasks", None)
        if cancel is None or self._cancelled:
            return

        def count_and_cancel(loop: Any) -> None:
            asyncio = modules["asyncio"]
            try:  # noqa: SIM105 # contextlib is an import the half would pay for
                self._cancelled.append(sum(not asyncio.Task.cancelling(task) for task in asyncio.all_tasks(loop)))
            except (AttributeError, RuntimeError, TypeError):  # a loop may have tasks of a kind of its own
                pass
            cancel(loop)

        runners._cancel_all_tasks = count_and_cancel
        self._cancelled.append(0)


class StepItems(Sequence[object]):
    """The items of a workload, one step each when it is taken for the first time.

    To the half it is a list that does not change. A copy of it, or what is sent of it to another process, is a list.
    """

    def __init__(
        self, spec: dict[str, Any], channel: RunnerChannel, counter: StepCounter, clock: Clock, inside: InsideView
    ) -> None:
        self._count: int = spec["count"]
        self._item = spec["item"]
        self._channel = channel
        self._counter = counter
        self._clock = clock
        self._inside = inside
        self._lock = allocate_lock()
        self._is_over = False
        self._begun = self._next_pause = 0
        self._taken = bytearray(self._count)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[object]:
        return ItemIterator(self)

    def __reduce__(self) -> tuple[type, tuple[list[object]]]:
        return list, ([*self],)

    def copy(self) -> list[object]:
        """All items, as of a list."""
        return [*self]

    def end(self) -> None:
        """Report that the last item was taken, and one more asked for."""
        if not self._is_over:
            self._mark(b"end")
            self._is_over = True

    def __getitem__(self, index: Any) -> Any:
        """One item, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(self._count)[index]]
        number = range(self._count)[index]
        if not self._taken[number]:
            self._taken[number] = True
            self._mark(b"step")
        return fill(self._item, number + 1)

    def _mark(self, what: bytes) -> None:
        """Report that a step begins; wait for the runner where it wants to take a sample."""
        with self._lock:
            done, is_step = self._begun, what == b"step"
            self._begun += is_step
            pauses = not is_step or done >= self._next_pause
            if not pauses and self._begun < self._count:
                self._counter.set(self._begun)
                return
            # Written by hand: encoding would cost the half twice as much.
            line = b'{"say":"%s","done":%d,"at":%.6f,"pause":%s}\n'
            line %= what, done, self._clock.read(), b"true" if pauses else b"false"
            if not pauses:
                # The last step: what comes now is watched closely.
                self._channel.send(line)
                return
            # The pause is left out of the counts, and so is the CPU time that this process takes for it.
            before, worked = perf_counter(), process_time()
            self._channel.send(line)
            self._next_pause = self._channel.hear()["next"]
            self._inside.at_pause(self._channel)
            self._clock.start += perf_counter() - before
            self._clock.cpu += process_time() - worked


class ItemIterator(Iterator[object]):
    """The items one after the other. Not a generator: threads may share it, as they may share a list's iterator."""

    def __init__(self, steps: StepItems) -> None:
        self._steps = steps
        self._numbers = iter(range(len(steps)))
        self._lock = allocate_lock()

    def __next__(self) -> object:
        with self._lock:
            for number in self._numbers:
                return self._steps[number]
            self._steps.end()
        raise StopIteration


def fill(template: Any, number: int) -> Any:
    """One item: the template with `{n}` replaced in every string, or the number itself."""
    if template is None:
        return number
    if isinstance(template, str):
        return template.replace("{n}", str(number))
    if isinstance(template, list):
        return [fill(item, number) for item in template]
    if isinstance(template, dict):
        return {key: fill(value, number) for key, value in template.items()}
    return template


def limit(limits: dict[str, int]) -> None:
    """Keep this process and its children within `limits`; the runner watches what the system cannot bound."""
    import resource  # here: Windows, which has no such limits, can still import this module

    for name, wanted in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            continue


def note_shared_memory(notes: str) -> None:
    """Have all shared memory that this process, or one that it forks, makes or removes written to `notes`.

    A line each: `+NAME INODE`, with 0 where that is not known, or `-NAME`.
    """

    def note(line: str) -> None:
        with open(notes, "a", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            file.write(line + "\n")

    def hear(event: str, args: tuple[Any, ...]) -> None:
        # There are many events: what is not meant costs no more than this.
        if event in ("open", "os.remove") and type(args[0]) is str and args[0].startswith(SHARED_MEMORY):
            name = args[0][len(SHARED_MEMORY) :]
            if event == "os.remove":
                note(f"-{name}")
            elif args[2] & os.O_CREAT and not os.path.exists(args[0]):  # noqa: PTH110
                note(f"+{name} 0")

    try:
        import _posixshmem as shm  # type: ignore[import-not-found] # what multiprocessing has it from
    except ImportError:
        return
    make, remove = shm.shm_open, shm.shm_unlink

    def shm_open(path: str, flags: int, mode: int = 0o777) -> Any:
        # What was there before is somebody else's.
        is_new = flags & os.O_CREAT and (flags & os.O_EXCL or not os.path.exists(SHARED_MEMORY + path.lstrip("/")))  # noqa: PTH110
        fd = make(path, flags, mode)
        if is_new:
            note(f"+{path.lstrip('/')} {os.fstat(fd).st_ino}")
        return fd

    def shm_unlink(path: str) -> None:
        remove(path)
        note(f"-{path.lstrip('/')}")

    shm.shm_open, shm.shm_unlink = shm_open, shm_unlink
    sys.addaudithook(hear)


def load(path: str) -> types.ModuleType:
    """The half at `path` as a module, without a compiled file beside it."""
    # By its own name, a process that the half starts by "spawn" or "forkserver" can import it again; unless that is
    # the name of a module which the half itself may need.
    name = os.path.basename(path).removesuffix(".py")  # noqa: PTH119 # pathlib is an import the half would pay for
    if name in sys.modules or name in sys.stdlib_module_names or not name.isidentifier():
        name = "half"
    module = types.ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    sys.path.insert(0, os.path.dirname(path))  # noqa: PTH120
    sys.argv = [path]
    # What it imports from its folder leaves none either.
    sys.dont_write_bytecode = True
    with open(path, "rb") as file:  # noqa: PTH123
        source = file.read()
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 # running the half is what this is for
    return module


def describe(error: BaseException, path: str) -> dict[str, Any]:
    """An error in JSON values: its classes, its text, and the lines of the half's own folder that it went through.

    Nothing is imported or opened for it: the half may have used up every descriptor, or all memory. What the frames
    of the error hold is released first.
    """
    folder = os.path.dirname(path)  # noqa: PTH120
    passed: list[tuple[str, int | None]] = []
    trace = error.__traceback__
    while trace is not None:
        passed.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        passed.append((error.filename or "", error.lineno))
    # A SyntaxError in text that the half made up has no line of its file.
    places = [{"file": file, "line": line} for file, line in passed if os.path.dirname(file) == folder]  # noqa: PTH120
    link: BaseException | None = error
    while link is not None and link.__traceback__ is not None:
        link.__traceback__ = None
        link = link.__context__
    try:
        words = str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException as second:  # noqa: BLE001 # a learner's error class may do anything
        words = f"(its message cannot be printed: {type(second).__name__})"
    kinds = [kind.__name__[:500] for kind in type(error).__mro__[:500]]
    return {"kinds": kinds, "message": words[:500], "places": places[-5:]}


def first_unserializable(answer: object) -> str:
    """The first value in a list or dictionary that is not plain, as `bytes at [0], `; empty if it is nested deeper."""
    items: Any = answer.items() if isinstance(answer, dict) else enumerate(answer if isinstance(answer, list) else ())
    for key, item in items:
        if not isinstance(item, (str, int, float, bool, type(None), list, tuple, dict)):
            return f"{type(item).__name__} at [{key!r:.40}], "
    return ""


def with_article(name: str) -> str:
    """`a list`, `an array`."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def not_plain(answer: Any, error: str) -> str:
    """Why an answer is not plain data, where `error` came of it, and what to return instead."""
    name = type(answer).__name__
    if name == "coroutine":
        answer.close()  # or Python warns that it was never awaited, with a line of this file
        return "run is a coroutine function: make it a plain one that calls asyncio.run()"
    if name == "async_generator":
        return "run is an asynchronous generator function: make it a plain one that returns a list"
    if name == "generator" and answer.gi_code.co_name == "<genexpr>":
        return "it is a generator expression, ( … for … ): return a list, [ … for … ]"
    if name == "generator":
        return f"{answer.gi_code.co_name} is a generator function: return a list of what it yields"
    if hasattr(type(answer), "__next__"):
        return f"it is {with_article(name)}, which gives its items once: return a list of them"
    return f"{with_article(name)} that is not plain data ({first_unserializable(answer)}{error})"


def plain(answer: object) -> tuple[str | None, str | None]:
    """`answer` as JSON text of a bounded length, or None and the reason why not."""
    try:
        text = dumps(answer)
    except RecursionError:
        return None, "it is nested too deeply, or contains itself"
    except BaseException as error:  # noqa: BLE001 # a learner's answer may be anything
        return None, not_plain(answer, type(error).__name__)
    if len(text) > ANSWER_LIMIT:
        return None, f"it is {len(text):,} characters long as JSON, over {ANSWER_LIMIT:,}"
    return text, None


def run(
    half: types.ModuleType, workload: dict[str, Any], channel: RunnerChannel, clock: Clock, inside: InsideView
) -> None:
    """Call the half and report how it ended; nothing of the answer or the error is kept."""
    try:
        answer = half.run(**workload)
    except BaseException as error:  # noqa: BLE001 # SystemExit and KeyboardInterrupt of a half are its end too
        at = clock.read()
        inside.release()
        RESERVE.clear()
        channel.ask(say="raised", at=at, cpu=clock.worked(), error=describe(error, str(half.__file__)))
        return
    at = clock.read()
    cpu = clock.worked()
    text, problem = plain(answer)
    del answer
    channel.ask(say="returned", at=at, cpu=cpu, answer=text, problem=problem)
    inside.release()


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system has no statm (proc_pid_statm(5))."""
    try:
        fd = open_file("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return 0
    try:
        return int(read(fd, 256).split()[1]) * PAGE
    finally:
        close(fd)


def give_back() -> None:
    """Return freed memory that malloc still holds, so that only memory in use is counted (malloc_trim(3), glibc).

    How much it holds depends on the order in which memory was freed, and differs from run to run.
    """
    try:
        from ctypes import CDLL  # imported here, as most halves never need it

        CDLL(None).malloc_trim(0)
    except BaseException:  # noqa: BLE001, S110 # another libc, or a half that has used up its memory or its modules
        pass


def main() -> None:
    """Do what the runner says: load, run, collect."""
    channel = RunnerChannel(int(sys.argv[1]))
    os.set_inheritable(channel.fd, False)
    job = channel.hear()
    limit(job["limits"])
    note_shared_memory(job["notes"])
    counter = StepCounter(job["steps"])
    for name in job["modules"]:
        try:  # noqa: SIM105 # contextlib is an import the half would pay for
            __import__(name)
        except BaseException:  # noqa: BLE001, S110 # then the half meets it, if it imports it
            pass
    job = channel.hear()
    # Then the system ends this process, whatever becomes of the lab.
    alarm(job["lifetime"])
    # A half is plain code: it finds neither the lab nor this module, by whatever way it looks for them.
    modules["leaklab"] = None  # type: ignore[assignment] # by this, importing it is refused
    modules["__main__"] = types.ModuleType("__main__")
    # A half that hangs is asked for its line: the interpreter writes the stack to standard error, whatever it does.
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=False)
    try:
        half = load(job["half"])
        if not callable(getattr(half, "run", None)):
            raise AttributeError("there is no function called run in it")
    except BaseException as error:  # noqa: BLE001 # loading a learner's file may raise anything
        channel.ask(say="unloadable", error=describe(error, job["half"]))
        leave(0)
    # From here on the channel closes when the lab is gone.
    alarm(0)
    job = channel.ask(say="loaded")
    clock, inside = Clock(), InsideView(half)
    workload = job["workload"]
    for name, value in workload.items():
        if isinstance(value, dict) and "$steps" in value:
            workload[name] = StepItems(value["$steps"], channel, counter, clock, inside)
    collect()
    before = resident()
    job = channel.ask(say="ready")
    limit(job["limits"])
    alarm(job["lifetime"])
    clock.begin()
    run(half, workload, channel, clock, inside)
    del workload
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105 # contextlib is an import the half would pay for
            stream.flush()
        except BaseException:  # noqa: BLE001, S110 # a half may have closed or replaced it
            pass
    collect()
    if resident() - before > SLACK:
        give_back()
    channel.ask(say="collected")
    channel.send(dumps({"say": "tasks", "count": inside.tasks_left()}).encode() + b"\n")
    leave(0)


if __name__ == "__main__":
    main()
