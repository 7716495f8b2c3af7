"""Finds scenarios: the built-in ones, a folder of one's own, and those that installed packages offer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, dropwhile, takewhile
from pathlib import Path

from leaklab.content.built_in import built_in_folder
from leaklab.content.declaration import ALL_HALVES, HALVES, LEAKS_NOTHING, Scenario
from leaklab.content.languages import GO, LANGUAGES, PYTHON, Language
from leaklab.content.loading import broken_imports, in_words, load
from leaklab.errors import ScenarioError, UsageError
from leaklab.measure.source_line import lines_in
from leaklab.system.files import read_regular

FILES = ("scenario.py", "lesson.md")
"""The files of every scenario folder, beside the halves of at least one language."""

ANY = (*FILES, *(half + language.suffix for language in LANGUAGES.values() for half in HALVES))
"""A folder that holds any of these is one of a scenario."""

SHARED = "shared.py"
"""A file that it may have too: what both halves import."""

ENTRY_POINTS = "leaklab.scenarios"
"""The entry-point group: each entry names a package or module whose folder holds scenario folders."""


@dataclass(frozen=True)
class Entry:
    """A scenario folder: known by its place, loaded when it is asked for. Its halves are those of one language."""

    folder: Path
    language: Language = PYTHON

    @property
    def id(self) -> str:
        """The scenario's name, in kebab-case, made from the folder's."""
        return self.folder.name.lower().replace("_", "-")

    def half_path(self, half: str) -> Path:
        """The file of one half, which need not exist."""
        return self.folder / self.file_name(half)

    def file_name(self, half: str) -> str:
        """The name of the file of one half."""
        return half + self.language.suffix

    @property
    def halves(self) -> tuple[str, ...]:
        """The halves that the folder holds, in the order they are shown."""
        return tuple(half for half in ALL_HALVES if self.half_path(half).is_file())

    @property
    def languages(self) -> tuple[Language, ...]:
        """The languages in which it has its halves."""
        return tuple(one for one in LANGUAGES.values() if any(self.inside(half + one.suffix) for half in HALVES))

    def inside(self, name: str) -> bool:
        """Whether the folder holds a file of this name. Unlike Path.is_file, this raises nothing."""
        return os.path.isfile(self.folder / name)  # noqa: PTH113

    def in_language(self, language: Language) -> Entry:
        """The same scenario with its halves in this language.

        Raises UsageError if it has none, and names a language that it has.
        """
        has = self.languages
        if has and language not in has:
            raise UsageError(
                f"{self.id} has no halves in {language.label}: it is in {has[0].label} only"
                f" (`leaklab show {self.id} --lang {has[0].name}`)"
            )
        return self if language is self.language else Entry(self.folder, language)

    def in_any(self, languages: Sequence[Language]) -> list[Entry]:
        """The same scenario in each of these languages that it has; one without any halves is broken in each."""
        return [self.in_language(one) for one in languages if one in (self.languages or languages)]

    @property
    def shared(self) -> bool:
        """Whether the halves share a file."""
        return self.language is PYTHON and (self.folder / SHARED).is_file()

    @cached_property
    def scenario(self) -> Scenario:
        """What `scenario.py` declares of the halves in this language. Raises as `declared` does."""
        return self.declared.in_go if self.language is GO else self.declared

    @cached_property
    def declared(self) -> Scenario:
        """What `scenario.py` declares.

        Raises:
            ScenarioError: a file is missing, or `scenario.py` cannot be loaded or is inconsistent.
        """
        languages = self.languages or (self.language,)
        for name in (*FILES, *(half + language.suffix for language in languages for half in HALVES)):
            if not self.inside(name):
                may = "" if os.access(self.folder, os.X_OK) else ", or may not be read"
                raise ScenarioError(f"scenario {self.id} is broken: {self.folder / name} is missing{may}")
        return load(self.id, self.folder / "scenario.py", built_in=self.is_built_in)

    @property
    def is_exercise(self) -> bool:
        """Whether there is anything to fix in its leaky half: not where only that in Python leaks."""
        return self.language is PYTHON or self.scenario.expected["leaky"] != LEAKS_NOTHING

    @property
    def is_built_in(self) -> bool:
        """Whether it is leaklab's own."""
        return self.folder.parent == built_in_folder()

    @property
    def error(self) -> str | None:
        """What is broken about the scenario, None if nothing is."""
        try:
            _ = self.scenario
        except ScenarioError as error:
            return str(error)
        return None

    @property
    def lesson(self) -> str:
        """The lesson's Markdown. Raises ScenarioError if it cannot be read."""
        return self.text("lesson.md")

    @property
    def why(self) -> str:
        """One line of why: the lesson's first block quote, unless that is another for the halves in Go."""
        if self.language is GO and self.declared.go is not None and self.declared.go.why is not None:
            return self.declared.go.why
        after = dropwhile(lambda line: not line.startswith(">"), self.lesson.splitlines())
        return " ".join(line.lstrip("> ").strip() for line in takewhile(lambda line: line.startswith(">"), after))

    def source(self, half: str) -> str:
        """The text of one half. Raises ScenarioError if it cannot be read."""
        return self.text(self.file_name(half))

    def code(self, half: str) -> str:
        """The text of one half as a report shows it, in the encoding that it names; empty if it cannot be read."""
        return "\n".join(lines_in(self.half_path(half), self.folder))

    def text(self, name: str) -> str:
        """The text of one file of the folder. Raises ScenarioError if it cannot be read."""
        try:
            return read_regular(self.folder / name).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"it is not UTF-8: {error.reason}"
            raise ScenarioError(f"scenario {self.id} is broken: {self.folder / name}: {reason}") from error


@dataclass(frozen=True)
class Catalog:
    """The scenarios that can be found.

    Attributes:
        folder: a folder of scenarios, in addition to the built-in ones and those of installed packages.
    """

    folder: Path | None = None

    @cached_property
    def local(self) -> tuple[Entry, ...]:
        """The built-in scenarios and those of the folder.

        Raises:
            UsageError: the folder is not one, or holds no scenario.
            ScenarioError: two folders have the same id.
        """
        own = [] if self.folder is None else _scan_own(self.folder)
        return _distinct([*scan(built_in_folder()), *own])

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All scenarios, those of installed packages too. Raises as `local` does."""
        return _distinct(chain(self.local, *map(scan, self._packages[0])))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with installed packages that offer scenarios, in words."""
        return self._packages[1]

    def get(self, name: str, language: Language | None = None) -> Entry:
        """The scenario called `name`, written with hyphens or underscores, with its halves in this language.

        Where no language is meant, they are in Python, or in the only one that it has.

        Raises:
            UsageError: no scenario has that name (the nearest are suggested), or it has no halves in this language.
            ScenarioError: two folders have the same id.
        """
        found = self.find(name)
        return found.in_language(language or next(iter(found.languages), PYTHON))

    def find(self, name: str) -> Entry:
        """The scenario called `name`, in whatever language. Raises as `get` does."""
        wanted = name.strip().lower().replace("_", "-")
        # Installed packages are asked only for a name that is not found without them: finding them takes time.
        found = [one for one in self.local if one.id == wanted] or [one for one in self.entries if one.id == wanted]
        if found:
            return found[0]
        import difflib

        known = [entry.id for entry in self.entries]
        near = [one for one in known if wanted and wanted in one] or difflib.get_close_matches(wanted, known, n=1)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}."
        raise UsageError(f"no scenario is called {name!r}: {hint}")

    def select(self, names: list[str], *languages: Language) -> list[Entry]:
        """The scenarios called `names`, each once, in that order; all in the order of the course if there are none.

        They have their halves in one of the languages, by default Python; one that has them in several comes as often.
        All are those that have halves in any of these, and those that are broken. Raises as `get` does.
        """
        languages = languages or (PYTHON,)
        if names:
            found = dict.fromkeys(self.find(name) for name in names)
            return [one for entry in found for one in entry.in_any(languages) or [entry.in_language(languages[0])]]
        # All at once, so that several that loop take no longer than one.
        broken_imports([one.folder / "scenario.py" for one in self.entries if not one.is_built_in])
        entries = [one for entry in self.entries for one in entry.in_any(languages)]
        return sorted(entries, key=lambda one: (sys.maxsize if one.error else one.scenario.number, one.id))

    @cached_property
    def _packages(self) -> tuple[list[Path], tuple[str, ...]]:
        """The folders that installed packages offer, and what is wrong with those that cannot be asked."""
        from importlib import metadata
        from importlib.util import find_spec

        folders: list[Path] = []
        problems: list[str] = []
        for point in metadata.entry_points(group=ENTRY_POINTS):
            try:
                spec = find_spec(point.module)
                if spec is None:
                    raise ModuleNotFoundError(f"No module named {point.module!r}")
                within = spec.submodule_search_locations
                paths = [Path(path) for path in within] if within else [Path(spec.origin or "").parent]
            except (Exception, SystemExit) as error:  # noqa: BLE001 # another author's package may raise anything
                what = f"the scenarios of the installed package {point.value!r} cannot be loaded"
                problems.append(f"{what}: {in_words(error)}. Repair or uninstall it.")
            else:
                folders += [path for path in paths if path.is_dir()]
        return folders, tuple(problems)


def _distinct(found: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries, each once. Raises ScenarioError if two folders have the same id."""
    entries: dict[str, Entry] = {}
    for entry in found:
        other = entries.setdefault(entry.id, entry)
        if other != entry:
            both = f"{other.folder} and {entry.folder}"
            raise ScenarioError(f"two scenarios are called {entry.id}: {both}. Rename one folder.")
    return tuple(entries.values())


def scan(folder: Path) -> Iterator[Entry]:
    """The scenario folders in `folder`: every folder that holds any file of a scenario, sorted by name."""
    for child in sorted(folder.iterdir()):
        # A folder that may not be read is named, and does not hide the others.
        if child.is_dir() and (not os.access(child, os.X_OK) or any((child / file).exists() for file in ANY)):
            yield Entry(child.resolve())


def _scan_own(folder: Path) -> list[Entry]:
    """The scenarios of the folder that --scenarios names. Raises UsageError if it is not a folder, or holds none."""
    # Unlike Path.is_dir, this does not raise where a name is too long.
    if not os.path.isdir(folder):  # noqa: PTH112
        raise UsageError(f"--scenarios {folder}: there is no such folder")
    entries = list(scan(folder))
    if not entries:
        raise UsageError(f"--scenarios {folder}: no scenario in it (a folder with scenario.py, leaky.py, …)")
    return entries
