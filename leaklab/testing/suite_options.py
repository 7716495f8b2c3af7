"""What the plugin was told: on the command line, or else in pytest's configuration file."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from leaklab.errors import UsageError
from leaklab.explain.safely import attributes
from leaklab.testing.watched_kinds import KINDS, Wanted

if TYPE_CHECKING:
    from leaklab.judge.findings import Finding
    from leaklab.testing.known_leaks import KnownLeak
    from leaklab.testing.leak_search import Spot
    from leaklab.testing.ledger import LedgerEntry


@dataclass(eq=False, repr=False)
class SuiteOptions:
    """What holds for all tests of a session.

    Attributes:
        folder: the root of the project.
        wanted: what is watched in a test that says nothing of its own.
        reruns: how often a test that has left something is run again.
        ignored: patterns of lines, files, modules and threads.
        form: `github` or `json` for a report besides pytest's own; None for none.
        output: where that is written; None is standard output.
        baseline: the file with known leaks; None without one.
        writes_baseline: whether it is written.
        known: the leaks that it has, if it is not.
    """

    folder: Path
    wanted: Wanted
    reruns: int
    ignored: Sequence[str]
    form: str | None
    output: Path | None
    baseline: Path | None
    writes_baseline: bool
    known: frozenset[KnownLeak]

    @property
    def written_baseline(self) -> Path | None:
        """The file, if it is to be written."""
        return self.baseline if self.writes_baseline else None

    @classmethod
    def of(cls, config: pytest.Config, folder: Path) -> Self:
        """The options of a session. Raises pytest.UsageError if one of them cannot be used."""
        try:
            return cls._of(config, folder)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None

    @classmethod
    def _of(cls, config: pytest.Config, folder: Path) -> Self:
        given = config.getoption
        reruns = given("leaklab_reruns")
        reruns_option = "leaklab_reruns" if reruns is None else "--leaklab-reruns"
        reruns = config.getini("leaklab_reruns") if reruns is None else reruns
        output, baseline = given("leaklab_output"), given("leaklab_baseline")
        form, writes = given("leaklab_format"), given("leaklab_write_baseline")
        if form == "json" and output is None:
            raise UsageError(
                "--leaklab-format json: add --leaklab-output=FILE, as pytest itself prints to the terminal"
            )
        if form is None and output is not None:
            raise UsageError(f"--leaklab-output={output}: add --leaklab-format json or github")
        here = config.invocation_params.dir
        file = here / baseline if baseline else None
        if file is None and (named := config.getini("leaklab_baseline")):
            file = folder / named
        if writes and file is None:
            raise UsageError("--leaklab-write-baseline: say where, with --leaklab-baseline=FILE")
        _check_writable("--leaklab-output", None if output is None else here / output)
        _check_writable("--leaklab-baseline", file if writes else None)
        known: frozenset[KnownLeak] = frozenset()
        if file is not None and not writes:
            from leaklab.testing.known_leaks import read_baseline

            known = read_baseline(file)
        wanted = Wanted(connections=_number("leaklab_connections", config.getini("leaklab_connections")))
        if memory := config.getini("leaklab_memory"):
            wanted = wanted.with_memory(memory, where="leaklab_memory")
        return cls(
            folder=folder,
            wanted=wanted,
            reruns=_number(reruns_option, reruns),
            ignored=config.getini("leaklab_ignore"),
            form=form,
            output=None if output is None else here / output,
            baseline=file,
            writes_baseline=writes,
            known=known,
        )

    def ignores(self, entry: LedgerEntry) -> bool:
        """Whether a pattern names the line that opened this, its file, a module on the way to it, or the thread."""
        if not self.ignored or entry.origin.line is None:
            return False
        file = self._told(entry.origin.line.file)
        names = {file, f"{file}:{entry.origin.line.line}"}
        modules = {*entry.origin.via, file.removesuffix(".py").replace("/", ".")}
        names |= {name.rsplit(".", parts)[0] for name in modules for parts in range(name.count(".") + 1)}
        thread = attributes(entry.thing()).get("_name") if entry.kind == "threads" and entry.thing is not None else None
        if isinstance(thread, str):
            names.add(thread)
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.ignored)

    def _told(self, file: str) -> str:
        path = Path(file)
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else path.name

    def is_known(self, spot: Spot) -> bool:
        """Whether the baseline has what is counted at this spot."""
        if not self.known:
            return False
        code = linecache.getline(spot.line.file, spot.line.line).strip()
        from leaklab.testing.known_leaks import KnownLeak

        return KnownLeak(KINDS[spot.kind].metric, self._told(spot.line.file), code) in self.known

    def is_known_leak(self, finding: Finding) -> bool:
        """Whether the baseline has a finding, or is going to have it."""
        from leaklab.testing.known_leaks import known_by

        return known_by(finding) in self.known or (self.writes_baseline and known_by(finding) is not None)


def _check_writable(option: str, path: Path | None) -> None:
    """Raise UsageError if no file can be written there."""
    if path is not None:
        from leaklab.system.files import why_not_writable

        if reason := why_not_writable(path):
            raise UsageError(f"{option}={path}: {reason}")


def _number(option: str, text: object) -> int:
    digits = str(text)
    if not (digits.isascii() and digits.isdigit()):
        raise UsageError(f"{option}: {digits!r} is not a whole number, 0 or more: write digits only, like 2")
    return int(digits)
