"""The errors that leaklab shows, each with the exit code that it ends the command with."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What leaklab's exit status means."""

    DONE = 0
    NOT_AS_EXPECTED = 1
    WRONG_USAGE = 2
    COULD_NOT_MEASURE = 3
    TIME_LIMIT = 124
    INTERRUPTED = 130


class LeaklabError(Exception):
    """An error that a user can act on: the message says what was wrong, with the value, and what to do."""

    exit_code: int = ExitCode.COULD_NOT_MEASURE


class UsageError(LeaklabError):
    """Wrong usage: an unknown name, a value out of range, conflicting settings, an option that does not apply."""

    exit_code = ExitCode.WRONG_USAGE


class ScenarioError(LeaklabError):
    """A scenario folder is broken: a file is missing, or its `scenario.py` cannot be used."""

    exit_code = ExitCode.WRONG_USAGE


class MeasureError(LeaklabError):
    """The measurement itself failed: a service did not start, a process could not be read."""

    exit_code: int = ExitCode.COULD_NOT_MEASURE
