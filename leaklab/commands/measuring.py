"""What `run`, `compare` and `validate` share: the halves that are run, the server they use, the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from leaklab.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.lab.pair import RunOptions
    from leaklab.lab.result import Result


def halves_of(entry: Entry, *, almost: bool) -> Sequence[str]:
    """The halves that are run or shown."""
    from leaklab.content.declaration import HALVES

    return entry.halves if almost else HALVES


def options_of_each(entries: Sequence[Entry], how: RunOptions) -> list[tuple[Entry, RunOptions]]:
    """Each scenario and how it is run: --mongo is for those that use MongoDB. Raises UsageError if none does."""
    with_mongo = [entry for entry in entries if entry.error is None and "mongo" in entry.scenario.services]
    if how.mongo_uri is not None and not with_mongo:
        raise UsageError(f"none of {', '.join(entry.id for entry in entries)} uses MongoDB: leave --mongo out")
    return [(entry, how if entry in with_mongo else replace(how, mongo_uri=None)) for entry in entries]


def exit_code(results: Sequence[Result], *, as_expected: bool | None = None) -> ExitCode:
    """The exit code of these results; `as_expected` is said by each of them, unless it is given."""
    from leaklab.measure.trace import Outcome

    if any(result.interrupted for result in results):
        return ExitCode.INTERRUPTED
    if any(half.outcome is Outcome.TIMED_OUT for result in results for half in result.halves.values()):
        return ExitCode.TIME_LIMIT
    if as_expected is None:
        as_expected = all(result.as_expected for result in results)
    return ExitCode.DONE if as_expected else ExitCode.NOT_AS_EXPECTED
