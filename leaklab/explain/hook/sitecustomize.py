"""Notes the connections that a Python program opens, for `leaklab trace`; on request also the lines that open things.

Python imports a module of this name before the program (documentation of the module `site`). It is found by PYTHONPATH,
gives its place on `sys.path` up again, and has the `sitecustomize` run that would have been found without it. Each line
is written to the file that LEAKLAB_EVENTS names, which is opened for it: no descriptor stays open that the program
could close, inherit or run out of. measure/counting.py reads the lines.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

STARTS = ("subprocess.Popen", "os.posix_spawn", "os.system")
"""Audit events of programs that are started: each has to say hello, or else its connections are not counted.

The others (pty.spawn, os.spawn) come to one of these or to os.exec, of which there may be several: one for each folder
in which the program is looked for.
"""

MOST_GROUPS_S = 0.5
"""Seconds in which no other thread runs while this one looks for what is open."""


def _begin(file: str) -> None:
    # A program may replace what it likes in these modules.
    open_file, write, close, stat, fstat, getpid = os.open, os.write, os.close, os.stat, os.fstat, os.getpid
    flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
    missed: list[str] = []

    def written(line: str) -> bool:
        try:
            descriptor = open_file(file, flags)
        except OSError:
            return False
        try:
            return write(descriptor, line.encode()) == len(line)
        except OSError:
            return False
        finally:
            close(descriptor)

    def say(what: str, *details: object) -> None:
        if missed and written("missed\n"):
            missed.clear()
        if not written(" ".join([what, *map(str, (getpid(), *details))]) + "\n"):
            missed.append(what)

    def say_image(what: str) -> None:
        image = stat("/proc/self/exe")
        say(what, image.st_dev, image.st_ino)

    def spawner() -> "dict[str, Any] | None":
        # `subprocess` has said so itself before it calls os.posix_spawn.
        return getattr(sys.modules.get("subprocess"), "__dict__", None)

    def hear(event: str, arguments: "tuple[Any, ...]") -> None:
        if event == "socket.connect":
            import _socket

            kind = _socket.socket
            sock = arguments[0]
            is_tcp = kind.family.__get__(sock) in (_socket.AF_INET, _socket.AF_INET6)
            if is_tcp and kind.type.__get__(sock) & 0xF == _socket.SOCK_STREAM:
                say("connect", fstat(kind.fileno(sock)).st_ino)
        elif event == "os.exec":
            say("execs")
        elif event in STARTS and not (event == "os.posix_spawn" and sys._getframe(2).f_globals is spawner()):
            name = "sh" if event == "os.system" else os.path.basename(os.fsdecode(arguments[0]))  # noqa: PTH119
            say("starts", name.replace("\n", " "))

    def hear_safely(event: str, arguments: "tuple[Any, ...]") -> None:
        try:
            hear(event, arguments)
        except Exception:  # noqa: BLE001 # what cannot be counted is not the program's trouble, but makes the count unknown
            missed.append(event)

    sys.addaudithook(hear_safely)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: say_image("forked"))
    say_image("hello")


def _explain_on_request(folder: str, file: str) -> None:
    """Record from now on which line opens what; at the signal that the file names, say what is open."""
    import json
    import signal

    package = os.path.abspath(__file__)  # noqa: PTH100
    for _ in range(4):
        package = os.path.dirname(package)  # noqa: PTH120
    # The program finds what it would find without this.
    sys.path.insert(0, package)
    try:
        from leaklab.explain import libraries
        from leaklab.explain.grouping import Grouping
        from leaklab.explain.own_code import OwnCode
        from leaklab.explain.recorder import Recorder
    finally:
        sys.path.remove(package)
    recorder = Recorder(OwnCode(folder))
    libraries.prepare(recorder)
    recorder.start()

    def answer(_number: int, _frame: "FrameType | None") -> None:
        said: dict[str, Any] = {"groups": [], "error": ""}
        recorder.stop()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(MOST_GROUPS_S)
        try:
            with open(file + ".asked", encoding="utf-8") as asked:  # noqa: PTH123
                counters = json.load(asked)
            ports = {one.address[1] for one in recorder.connections if len(one.address) > 1}
            said["groups"] = Grouping(recorder, ports).groups(counters)
        except Exception as error:  # noqa: BLE001 # what cannot be explained is said, and changes nothing
            said["error"] = f"{type(error).__name__}: {error}"
        finally:
            sys.setswitchinterval(interval)
        try:
            name = "%s.%d" % (file, os.getpid())  # noqa: UP031
            with open(name + ".part", "w", encoding="utf-8") as answered:  # noqa: PTH123
                json.dump(said, answered)
            os.rename(name + ".part", name + ".said")  # noqa: PTH104
        except OSError:
            pass
        recorder.resume()

    signal.signal(signal.SIGRTMIN + 11, answer)


def _run_the_other() -> None:
    """Import the `sitecustomize` that is found without this folder, if there is one."""
    this = sys.modules[__name__]
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here]  # noqa: PTH100
    del sys.modules[__name__]
    try:
        __import__(__name__)
    except ImportError as error:
        if error.name != __name__:
            raise
    finally:
        # The import that runs this module takes it from there.
        sys.modules.setdefault(__name__, this)


if os.environ.get("LEAKLAB_EVENTS"):
    try:
        _begin(os.environ["LEAKLAB_EVENTS"])
        if os.environ.get("LEAKLAB_EXPLAIN"):
            _explain_on_request(os.environ["LEAKLAB_EXPLAIN"], os.environ["LEAKLAB_EVENTS"])
    except Exception as failed:  # noqa: BLE001 # the program runs without
        sys.stderr.write("leaklab: this program cannot be looked into: %s\n" % failed)  # noqa: UP031
_run_the_other()
