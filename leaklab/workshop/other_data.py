"""Finds an invented answer, where no service counts the work: it stays the same when the file works on other data."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from leaklab.lab.pair import RunOptions, run_halves
from leaklab.measure.source_line import UNPARSABLE
from leaklab.measure.trace import Outcome
from leaklab.system.files import read_regular
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings

STEPS = 3
"""Steps of the run with other data: enough for an answer."""


def unless_invented(
    found: CheckResult, entry: Entry, file: Path, settings: Settings, options: RunOptions
) -> CheckResult:
    """The same result, unless the file is fixed only because its answer does not come from the scenario's data.

    The same file, in which other numbers stand in the place of `Scenario.data`, must give another answer. Whatever
    else it does is no matter here: it fails for all we know because of the other numbers.
    """
    data = entry.scenario.data
    if not found.fixed or not data:
        return found
    try:
        text = with_other_numbers(read_regular(file), data)
    except (OSError, *UNPARSABLE):
        return found
    once = replace(options, repeat=1, controls=frozenset({YOURS}), programs={YOURS: text})
    half = run_halves(entry, {YOURS: file}, settings.with_steps(STEPS), once).halves[YOURS]
    if half.outcome is not Outcome.COMPLETED or half.complaint is not None:
        return found
    numbers = " and ".join(f"{number:g}" for number in data)
    reason = f"it does not do the work: its answer is the same with other numbers in the place of {numbers}"
    remedy = "Make the data as the leaky half does, and compute the answer from it, then check again."
    return replace(found, state=CheckState.WRONG_WORK, reason=reason, remedy=remedy)


def with_other_numbers(source: bytes, data: Sequence[float]) -> str:
    """The same program with other numbers in the place of `data`.

    Whole numbers are common in any program: they are replaced where all of `data` stand side by side.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        fields = (value for _, value in ast.iter_fields(node) if isinstance(value, list))
        for beside in [each for each in fields if set(data) <= {_number(item) for item in each}]:
            for item in beside:
                _replace(item, data)
        if isinstance(getattr(node, "value", None), float):
            _replace(node, data)
    return ast.unparse(tree)


def _number(node: object) -> float | None:
    value = getattr(node, "value", None)
    return value if isinstance(node, ast.Constant) and type(value) in (int, float) else None


def _replace(node: ast.AST, data: Sequence[float]) -> None:
    number = _number(node)
    if isinstance(node, ast.Constant) and number is not None and number in data:
        # Different from each other and from those before, so that no sum or mean of them stays the same.
        node.value = type(number)(number * 10 + 7 ** data.index(number))
