"""The languages that halves are written in: a table entry each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Language:
    """A language of halves.

    Attributes:
        name: as `--lang` takes it, and as Pygments knows it.
        label: what people call it.
        suffix: of the files.
        comment: the beginning of a line of comment.
        run: the function that every half has, as people write it.
    """

    name: str
    label: str
    suffix: str
    comment: str
    run: str


PYTHON = Language("python", "Python", ".py", "#", "run()")
GO = Language("go", "Go", ".go", "//", "Run()")

LANGUAGES: Mapping[str, Language] = {language.name: language for language in (PYTHON, GO)}
"""By name; the first is what is meant where none is named."""


def language_of(file: Path) -> Language:
    """The language of a file, by its suffix: Python, unless it is that of another."""
    return next((language for language in LANGUAGES.values() if language.suffix == file.suffix), PYTHON)
