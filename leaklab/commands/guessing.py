"""Where the guesses of `run --predict` come from: a file, standard input, or questions at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.commands import output
from leaklab.errors import UsageError

if TYPE_CHECKING:
    from leaklab.lab.prediction import Guess, Question


def guesses_from(file: Path | None, asked: Sequence[Question], title: str) -> Sequence[Guess]:
    """The guesses in `file`, or else on standard input, or else typed at the terminal under `title`.

    Raises:
        UsageError: the guesses cannot be read.
    """
    from leaklab.lab.prediction import ask, read_guesses
    from leaklab.reports.guesses import prompt

    if file is None and sys.stdin.isatty():
        output.say_aside(f"{title}. Predict the measurements. Enter skips a question.\n")
        return ask(
            asked, lambda question: output.answer(prompt(question)), lambda problem: output.say_aside(f"  {problem}\n")
        )
    try:
        text = sys.stdin.read() if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--guesses {file or '(standard input)'} cannot be read: {reason}") from error
    return read_guesses(text, asked, "standard input" if file is None else str(file))
