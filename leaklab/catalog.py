"""Finds scenarios: the built-in ones, a folder of one's own, and those that installed packages offer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from leaklab.errors import ScenarioError, UsageError
from leaklab.metrics import METRICS
from leaklab.scenario import Scenario

ENTRY_POINTS = "leaklab.scenarios"
"""The entry-point group: each entry names a package or module whose folder holds scenario folders."""

HALVES = ("leaky", "fixed")
"""The halves that every scenario has; `almost` is an addition."""

ALL_HALVES = ("leaky", "almost", "fixed")
"""All halves that there can be, in the order they are shown."""

_SERVICES = {"http", "mongo"}


@dataclass(frozen=True)
class Entry:
    """A scenario folder: known by its place, loaded when it is asked for."""

    folder: Path

    @property
    def id(self) -> str:
        """The scenario's name, in kebab-case, made from the folder's."""
        return self.folder.name.replace("_", "-")

    def half_path(self, half: str) -> Path:
        """The file of one half, which need not exist."""
        return self.folder / f"{half}.py"

    @property
    def lesson_path(self) -> Path:
        """The lesson, which need not exist."""
        return self.folder / "lesson.md"

    @property
    def halves(self) -> tuple[str, ...]:
        """The halves that the folder holds, in the order they are shown."""
        return tuple(half for half in ALL_HALVES if self.half_path(half).is_file())

    @cached_property
    def scenario(self) -> Scenario:
        """What `scenario.py` declares.

        Raises:
            ScenarioError: a file is missing, or `scenario.py` cannot be loaded or is inconsistent.
        """
        for name in ("scenario.py", *(f"{half}.py" for half in HALVES), "lesson.md"):
            if not (self.folder / name).is_file():
                raise ScenarioError(f"scenario {self.id} is broken: {self.folder / name} is missing")
        path = self.folder / "scenario.py"
        try:
            scenario = getattr(_load_module(path), "SCENARIO", None)
        except (Exception, SystemExit) as error:  # a scenario of somebody else's may raise anything
            raise ScenarioError(
                f"scenario {self.id} is broken: {path}{_line_of(error, path)}: {_in_words(error)}"
            ) from error
        if not isinstance(scenario, Scenario):
            raise ScenarioError(
                f"scenario {self.id} is broken: {path} must set SCENARIO to a leaklab.scenario.Scenario"
            )
        _check_consistency(self, scenario)
        return scenario

    @property
    def error(self) -> str | None:
        """What is broken about the scenario, None if nothing is."""
        try:
            self.check()
        except ScenarioError as error:
            return str(error)
        return None

    def check(self) -> None:
        """Raise ScenarioError if the scenario is broken."""
        _ = self.scenario

    @cached_property
    def lesson(self) -> str:
        """The lesson's Markdown. Raises ScenarioError if it cannot be read."""
        try:
            return self.lesson_path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"scenario {self.id} is broken: {self.lesson_path}: {error}") from error

    @property
    def why(self) -> str:
        """One line of why: the lesson's first block quote."""
        lines: list[str] = []
        for line in self.lesson.splitlines():
            if line.startswith(">"):
                lines.append(line.lstrip("> ").strip())
            elif lines:
                break
        return " ".join(lines)

    def source(self, half: str) -> str:
        """The text of one half. Raises ScenarioError if it cannot be read."""
        try:
            return self.half_path(half).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"scenario {self.id} is broken: {self.half_path(half)}: {error}") from error


@dataclass(frozen=True)
class Catalog:
    """The scenarios that can be found.

    Attributes:
        folder: a folder of scenarios besides the built-in ones and those of installed packages.
    """

    folder: Path | None = None

    @cached_property
    def local(self) -> tuple[Entry, ...]:
        """The built-in scenarios and those of the folder.

        Raises:
            UsageError: the folder is none, or holds no scenario.
            ScenarioError: two folders have the same id.
        """
        extra = [] if self.folder is None else [_checked(self.folder)]
        return tuple(_collect([built_in_folder(), *extra]).values())

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All scenarios, those of installed packages too. Raises as `local` does."""
        folders, _ = self._packages
        return tuple(_collect(folders, self.local).values())

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with installed packages that offer scenarios, in words."""
        return self._packages[1]

    def get(self, name: str) -> Entry:
        """The scenario called `name`; an underscore is as good as a hyphen.

        Raises:
            UsageError: there is none; the nearest names are suggested.
            ScenarioError: two folders have the same id.
        """
        wanted = name.strip().lower().replace("_", "-")
        # Installed packages are asked only for a name that is not found without them: finding them takes time.
        found = _named(wanted, self.local) or _named(wanted, self.entries)
        if found is not None:
            return found
        import difflib

        known = [entry.id for entry in self.entries]
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}."
        raise UsageError(f"no scenario is called {name!r}: {hint}")

    def select(self, names: list[str]) -> list[Entry]:
        """The scenarios called `names`, each once, in that order; all in the order of the course if there are none."""
        if not names:
            return sorted(self.entries, key=_place_in_course)
        return list(dict.fromkeys(self.get(name) for name in names))

    @cached_property
    def _packages(self) -> tuple[list[Path], tuple[str, ...]]:
        """The folders that installed packages offer, and what is wrong with those that cannot be asked."""
        from importlib import metadata

        folders: list[Path] = []
        problems: list[str] = []
        for point in metadata.entry_points(group=ENTRY_POINTS):
            try:
                module: Any = point.load()
                paths = [Path(path) for path in getattr(module, "__path__", [])] or [Path(module.__file__).parent]
            except Exception as error:  # noqa: BLE001 # a package of somebody else's may raise anything
                problems.append(
                    f"the scenarios of the installed package {point.value!r} cannot be loaded: {_in_words(error)}. "
                    "Repair or uninstall it."
                )
            else:
                folders += [path for path in paths if path.is_dir()]
        return folders, tuple(problems)


def _named(wanted: str, entries: Iterable[Entry]) -> Entry | None:
    return next((entry for entry in entries if entry.id == wanted), None)


def _collect(folders: Iterable[Path], known: Iterable[Entry] = ()) -> dict[str, Entry]:
    entries = {entry.id: entry for entry in known}
    for folder in folders:
        for entry in scan(folder):
            other = entries.setdefault(entry.id, entry)
            if other.folder != entry.folder:
                raise ScenarioError(
                    f"two scenarios are called {entry.id}: {other.folder} and {entry.folder}. Rename one folder."
                )
    return entries


def built_in_folder() -> Path:
    """Where the built-in scenarios lie: inside the installed package, or beside it in a checkout."""
    inside = Path(__file__).with_name("scenarios")
    return inside if inside.is_dir() else Path(__file__).parent.with_name("scenarios")


def scan(folder: Path) -> Iterator[Entry]:
    """The scenario folders in `folder`: every folder that holds any file of a scenario, sorted by name."""
    marks = ("scenario.py", "leaky.py", "fixed.py", "lesson.md")
    for child in sorted(folder.iterdir()):
        if child.is_dir() and any((child / mark).exists() for mark in marks):
            yield Entry(child.resolve())


def _place_in_course(entry: Entry) -> tuple[int, str]:
    """Where an entry is listed; a broken one comes last."""
    try:
        return entry.scenario.number, entry.id
    except ScenarioError:
        return sys.maxsize, entry.id


def _checked(folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(f"--scenarios {folder}: there is no such folder")
    if not any(scan(folder)):
        raise UsageError(f"--scenarios {folder}: no scenario in it (a folder with scenario.py, leaky.py, …)")
    return folder


def _load_module(path: Path) -> ModuleType:
    """Run `path` as a module that leaves no compiled file behind."""
    module = ModuleType(f"leaklab_scenario_{path.parent.name}")
    module.__file__ = str(path)
    # Dataclasses and type hints of the scenario look their module up by name.
    sys.modules[module.__name__] = module
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 # loading is running
    return module


def _line_of(error: BaseException, path: Path) -> str:
    """`, line N` of the last place in `path` that the error went through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f", line {line}"


def _in_words(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _check_consistency(entry: Entry, scenario: Scenario) -> None:
    """Raise ScenarioError for the first thing in `scenario` that names what is not there."""

    def broken(what: str) -> ScenarioError:
        return ScenarioError(f"scenario {entry.id} is broken: {entry.folder / 'scenario.py'}: {what}")

    if unknown := set(scenario.services) - _SERVICES:
        raise broken(f"unknown service {min(unknown)!r}: there are {', '.join(sorted(_SERVICES))}")
    if unknown := set(scenario.telling) - set(METRICS):
        raise broken(f"unknown metric {min(unknown)!r} in telling: there are {', '.join(METRICS)}")
    if missing := set(HALVES) - set(scenario.expected):
        raise broken(f"expected says nothing of the {min(missing)} half")
    for half, expected in scenario.expected.items():
        if half not in ALL_HALVES:
            raise broken(f"expected names {half!r}, which is no half: there are {', '.join(ALL_HALVES)}")
        verdicts = ("leaks", "clean", "either") if half == "almost" else ("leaks", "clean")
        if expected.verdict not in verdicts:
            raise broken(
                f"expected verdict {expected.verdict!r} of {half}: it can be {' or '.join(map(repr, verdicts))}"
            )
        for kind, metric in expected.findings:
            if kind not in ("leaked", "held", "wasted", "stalled") or metric not in METRICS:
                raise broken(f"expected finding {(kind, metric)!r} of {half} is not (kind, metric)")
    if scenario.settings.steps is not None and scenario.settings.steps < 1:
        raise broken(f"steps is {scenario.settings.steps}: it must be at least 1")
