"""Where the guesses of `run --predict` come from: a file, standard input, or questions at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.commands import output
from leaklab.errors import UsageError

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings
    from leaklab.lab.pair import RunOptions
    from leaklab.lab.prediction import Guess, Prediction
    from leaklab.lab.result import Result


def guesses_from(
    file: Path | None, entry: Entry, halves: Sequence[str], settings: Settings, how: RunOptions
) -> Sequence[Guess]:
    """The guesses in `file`, or else on standard input, or else typed at the terminal.

    Raises:
        UsageError: the guesses cannot be read; or the half cannot be run like this, which is said before any question.
    """
    from leaklab.lab.pair import check_settings
    from leaklab.lab.prediction import ask, questions, read_guesses
    from leaklab.reports.guesses import prompt

    check_settings(entry.id, entry.scenario, settings, how)
    asked = questions(entry.scenario, halves)
    if file is None and sys.stdin.isatty():
        title = ", ".join(filter(None, (entry.id, str(settings))))
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


def predictions_of(
    guessed: Sequence[Guess], entry: Entry, halves: Sequence[str], result: Result
) -> Sequence[Prediction]:
    """Each question with what was guessed and what was measured."""
    from leaklab.lab.prediction import predictions, questions

    return predictions(questions(entry.scenario, halves), guessed, result)
