"""Builds a half in Go with the worker that runs it: one file becomes one program, which is kept by its content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from leaklab.errors import MeasureError
from leaklab.golang.toolchain import Toolchain, toolchain
from leaklab.system.files import read_regular
from leaklab.system.processes import kill, remove_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODULE = Path(__file__).with_name("module")
"""The module that halves are built in: `go.mod`, `go.sum`, and the package of the worker."""

DRIVER = b'"go.mongodb.org/mongo-driver/'
"""How the import of a package of the MongoDB driver begins."""

PROGRAMS_KEPT = 80
"""Programs that are kept, of 5 to 10 MB each: those of all scenarios, and some of a learner's."""

STALE_S = 3600.0
"""Seconds after which what a build has left behind, which was killed, is removed."""

UNUSED_S = 30 * 86_400.0
"""Seconds after which a module that nothing was built in is removed: it is that of another leaklab."""

MAIN = """\
package main

import (
	"leaklab/lab/internal/worker"

	half "leaklab/halves/{name}"
)

func main() {{ worker.Main(half.Run) }}
"""

"""The program of a half. The worker is in a folder `internal`, so that a half cannot import it (Go command
documentation, "Internal Directories")."""

COMPLAINT = re.compile(r"^(?:vet: )?(?P<file>[^\n]+?):(?P<line>\d+)(?::\d+)?: (?P<words>.+)$", re.MULTILINE)
"""A line of Go's compiler."""

GIVEN, WRITTEN = re.compile(r"(^|/)halves/h\w+/half\.go$"), re.compile(r"(^|/)lab/h\w+/main\.go$")
"""Where the go command finds the half, and the program that was written for it."""

WRONG_RUN = {
    "undefined: half.Run": "there is no function Run in it",
    "without instantiation": "Run has a type parameter, and the lab cannot choose a type",
    "cannot infer": "Run has a type parameter, and the lab cannot choose a type",
    "is not an expression": "Run is a type: it must be a function",
}
"""What the compiler says where `main` names Run, and what that means."""

LEFT_OUT = "build constraints exclude all Go files"
"""What the go command says of a half that it would not build here."""

NO_PACKAGE = re.compile(r"(no required module provides package \S+?);.*")
"""What it says of a package that no module has; what follows is how to add one."""

FULL = "no space left on device"

WATCHDOG = 'read _; kill -s KILL -- "-$0"; rm -rf -- "$@"'
"""Ends a build whose leaklab was killed, and removes its folders: then what it reads from is closed."""

PACKAGE = re.compile(rb"^\s*(?:(?://[^\n]*\n|/\*.*?\*/)\s*)*package\s+(\w+)", re.DOTALL)
"""The clause that every file of Go begins with, after comments."""


class Complaint(NamedTuple):
    """What is wrong with a half, and in which of its lines; 0 if that is unknown."""

    line: int
    words: str


class BuildError(Exception):
    """A half that does not compile: `complaints` has what the compiler says of it, at least one."""

    def __init__(self, half: Path, complaints: list[Complaint]) -> None:
        self.half = half
        self.complaints = complaints
        lines = (f"{half.name}:{f'{one.line}:' if one.line else ''} {one.words}" for one in complaints)
        super().__init__("\n".join(lines))


class NoDriverError(MeasureError):
    """The MongoDB driver for Go cannot be fetched: halves that do not use it can still be built."""


def cache_folder() -> Path:
    """The folder in which all is kept that is built, or fetched for it. It can be removed at any time."""
    import platformdirs

    return platformdirs.user_cache_path("leaklab", appauthor=False) / "go"


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds halves with one Go, in one folder of its own; `says` is told of what takes long, in words."""

    go: Toolchain
    folder: Path
    says: Callable[[str], None] = lambda _: None

    def program(self, half: Path) -> Path:
        """The program of a half, built if there is none for its text, the worker and this Go.

        Raises:
            BuildError: it does not compile.
            MeasureError: it cannot be read, the folder cannot be written, or the driver cannot be fetched.
        """
        try:
            source = read_regular(half)
        except OSError as error:
            raise MeasureError(f"{half} cannot be read: {error.strerror}") from error
        program = self.folder / "programs" / self._key(half, source)
        try:
            # It is among those that were used last.
            os.utime(program)
        except OSError:
            _refuse(half, source)
            self._build(half, source, program)
        return program

    def _key(self, half: Path, source: bytes) -> str:
        told = "\0".join([str(self.go), str(half), self._module()[0], MAIN, ""])
        digest = hashlib.sha256(told.encode(errors="surrogateescape") + source)
        return digest.hexdigest()[:24]

    def _module(self) -> tuple[str, dict[str, bytes]]:
        return _module_for(self.go.language)

    def _build(self, half: Path, source: bytes, program: Path) -> None:
        try:
            with self._workspace() as (root, work):
                name = work.name
                (work / "main.go").write_text(MAIN.format(name=name))
                # Compiler errors, panics and profiles then name the learner's own file and line.
                head = f"//line {half}:1\n".encode(errors="surrogateescape")
                (root / "halves" / name / "half.go").write_bytes(head + source.removeprefix(b"\xef\xbb\xbf"))
                if DRIVER in source:
                    self._fetch_driver(root, work)
                self._say_what_takes_long(uses_driver=DRIVER in source)
                made = work / "program"
                # Without debugging information, linking takes half as long; stacks do not need it. Without inlining in
                # the half, each of its calls is in its own line.
                how = ("-ldflags=-w", f"-gcflags=leaklab/halves/{name}=-l", "-o", str(made))
                done = self._go(root, work, "build", *how, f"./lab/{name}")
                if done.returncode:
                    raise self._failure(half, done.stderr or done.stdout)
                program.parent.mkdir(parents=True, exist_ok=True)
                made.replace(program)
                self._done("built", uses_driver=DRIVER in source).touch()
        except OSError as error:
            words = f"{error.filename or self.folder}: {error.strerror}"
            raise MeasureError(f"halves in Go are built in {self.folder}, which is not possible: {words}") from error
        self._prune()

    @contextlib.contextmanager
    def _workspace(self) -> Iterator[tuple[Path, Path]]:
        """The module, and a folder in it for the program of one half, which goes afterwards."""
        key, files = self._module()
        root = self.folder / "module" / key
        if not (root / "go.sum").exists():
            making = self.folder / "module" / f"{key}-{os.getpid()}"
            for name, text in files.items():
                (making / name).parent.mkdir(parents=True, exist_ok=True)
                (making / name).write_bytes(text)
            try:
                making.rename(root)
            except OSError:  # another leaklab was faster
                remove_folder(making)
        os.utime(root)
        for used in ("build", "modules"):
            (self.folder / used).mkdir(parents=True, exist_ok=True)
        name = f"h{os.urandom(6).hex()}"
        folders = root / "lab" / name, root / "halves" / name
        try:
            for folder in folders:
                folder.mkdir(parents=True)
            yield root, folders[0]
        finally:
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)

    def _fetch_driver(self, module: Path, work: Path) -> None:
        """Fetch the MongoDB driver for Go, once. Raises NoDriverError."""
        stamp = self._done("fetched", uses_driver=True)
        if stamp.exists():
            return
        self.says("fetching the MongoDB driver for Go, once")
        done = self._go(module, work, "mod", "download", offline=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            why = lines[-1][:300] if lines else f"go mod download exited with code {done.returncode}"
            raise NoDriverError(
                f"the MongoDB driver for Go cannot be fetched ({why}). Scenarios without MongoDB run all the same. "
                "For the others, run this again with a network, or with a GOPROXY that has the driver."
            )
        stamp.touch()

    def _say_what_takes_long(self, *, uses_driver: bool) -> None:
        if not self._done("built", uses_driver=False).exists():
            self.says("building Go's library once, about a minute")
        elif uses_driver and not self._done("built", uses_driver=True).exists():
            self.says("building the MongoDB driver for Go once, about half a minute")

    def _done(self, what: str, *, uses_driver: bool) -> Path:
        """The file that says that something was done once with this Go."""
        return self.folder / "module" / f"{what}-{'driver' if uses_driver else 'library'}-{self.go}"

    def _go(self, module: Path, work: Path, *arguments: str, offline: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of Go in a module, with temporary files in `work`.

        If this is interrupted, it is ended with all that it started; if leaklab is killed, `work` goes, too.
        """
        environment = self.go.environment(self.folder, work, offline=offline)
        with subprocess.Popen(
            [self.go.command, *arguments],
            cwd=module,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                with _watched(process.pid, work, module / "halves" / work.name):
                    out, err = process.communicate()
            except BaseException:
                kill(-process.pid)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def _failure(self, half: Path, said: str) -> Exception:
        """What the compiler said, as an error about the half."""
        if FULL in said:
            return MeasureError(f"halves in Go are built in {self.folder}, and there is {FULL}. Free some there.")
        if LEFT_OUT in said:
            words = 'Go would not build it here: leave out its //go:build line, or its import of "C"'
            return BuildError(half, [Complaint(0, words)])
        said = NO_PACKAGE.sub(r"\1: a half has Go's library and the MongoDB driver", said)
        found: list[Complaint] = []
        for match in COMPLAINT.finditer(said):
            file, line, words = Path(match["file"]), int(match["line"]), match["words"]
            if GIVEN.search(match["file"]):
                # A complaint of the go command itself, which has its own count of the lines.
                found.append(Complaint(max(1, line - 1), words))
            elif file.name == half.name:
                found.append(Complaint(line, words))
            elif WRITTEN.search(match["file"]):
                found += [Complaint(0, meaning) for saying, meaning in WRONG_RUN.items() if saying in words][:1]
            else:
                # A //line directive of its own says that it comes from another file.
                found.append(Complaint(0, f"{file.name}:{line}: {words}"))
        if found:
            return BuildError(half, found)
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith("#")]
        words = " ".join(lines)[:500]
        return MeasureError(f"{half} could not be built with {self.go.command}: {words or 'no reason was given'}")

    def _prune(self) -> None:
        """Remove the programs that have not been used for the longest time, and what killed builds have left."""
        with contextlib.suppress(OSError):
            programs = sorted((self.folder / "programs").iterdir(), key=lambda one: one.stat().st_mtime)
            for one in programs[:-PROGRAMS_KEPT]:
                one.unlink(missing_ok=True)
            left = [
                (one, STALE_S) for part in ("halves", "lab") for one in (self.folder / "module").glob(f"*/{part}/h*")
            ]
            left += [(one, UNUSED_S) for one in (self.folder / "module").iterdir() if one.is_dir()]
            for folder, after_s in left:
                if folder.stat().st_mtime < time.time() - after_s:
                    remove_folder(folder)


@contextlib.contextmanager
def _watched(group: int, *folders: Path) -> Iterator[None]:
    """If this process is killed meanwhile, end this process group, and remove the folders."""
    command = ["/bin/sh", "-c", WATCHDOG, str(group), *map(str, folders)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watchdog:
        try:
            yield
        finally:
            watchdog.kill()


@cache
def _module_for(language: str) -> tuple[str, dict[str, bytes]]:
    """The files of the module that halves are built in, and a key for them.

    Its version of the language is that of the Go that builds it: the version decides what the library does, too (Go
    documentation, "Go, Backwards Compatibility, and GODEBUG").
    """
    files = {str(path.relative_to(MODULE)): path.read_bytes() for path in sorted(MODULE.rglob("*")) if path.is_file()}
    files["go.mod"] = re.sub(rb"^go .*$", b"go " + language.encode(), files["go.mod"], flags=re.MULTILINE)
    digest = hashlib.sha256()
    for name, text in files.items():
        digest.update(name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()[:16], files


def _refuse(half: Path, source: bytes) -> None:
    """Raise BuildError for a file that cannot be a half, in words that say what a half is."""
    if "\n" in str(half) or "\r" in str(half):
        raise MeasureError(f"{str(half)!r}: Go cannot take a path with a line break. Rename it.")
    clause = PACKAGE.match(source.removeprefix(b"\xef\xbb\xbf"))
    if clause is not None and clause[1] == b"main":
        line = source[: clause.end()].count(b"\n") + 1
        raise BuildError(half, [Complaint(line, "a half is not a program: it begins with `package half`")])


def program_of(half: Path, says: Callable[[str], None] = lambda _: None) -> Path:
    """The program of a half in Go, built if need be. Raises NoGoError, and as `Builder.program` does."""
    return Builder(toolchain(), cache_folder(), says).program(half)
