"""Loads a scenario.py: runs it, checks what it declares, and attributes errors in its functions to that file."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin

from leaklab.content.annotations import field_types, mismatch, shown
from leaklab.content.declaration import ALL_HALVES, HALVES, Expected, Scenario
from leaklab.errors import LeaklabError, ScenarioError, UsageError
from leaklab.measure.target import Steps
from leaklab.metrics import METRICS
from leaklab.services.kinds import SERVICE_KINDS
from leaklab.units import printable

KINDS = ("leaked", "held", "wasted", "stalled")
"""The kinds of finding that a scenario can expect."""

PLAIN = "plain values (strings, numbers, lists, dictionaries)"


def load(name: str, path: Path) -> Scenario:
    """The scenario that `path` declares, ready for use: an error in one of its functions is a ScenarioError.

    Args:
        name: the scenario's id.
        path: its `scenario.py`.

    Raises:
        ScenarioError: it cannot be run, or it declares no scenario or an inconsistent one.
    """
    try:
        with _stdout_to_stderr():
            scenario = getattr(_module(path), "SCENARIO", None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an author's file may raise anything
        raise _broken(name, f"{path}{_line_of(error, path)}: {in_words(error)}") from error
    if not isinstance(scenario, Scenario):
        raise _broken(name, f"{path} must set SCENARIO to a leaklab.content.declaration.Scenario")
    if problem := _wrong_type(scenario) or _wrong_setting(scenario) or _inconsistent(scenario):
        raise _broken(name, f"{path}: {problem}")
    return _answered_for(name, path, scenario)


def in_words(error: BaseException) -> str:
    """An error's type and message, as it follows a colon."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _broken(name: str, what: str) -> ScenarioError:
    return ScenarioError(f"scenario {name} is broken: {what}")


def _stdout_to_stderr() -> contextlib.AbstractContextManager[object]:
    """Send what a scenario prints to standard error: standard output may be a document."""
    return contextlib.redirect_stdout(sys.stderr)


def _module(path: Path) -> ModuleType:
    """Run `path` as a module that leaves no compiled file behind."""
    module = ModuleType(f"leaklab_scenario_{path.parent.name}")
    module.__file__ = str(path)
    # Dataclasses and type hints of the scenario look their module up by name.
    sys.modules[module.__name__] = module
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 # loading is running
    return module


def _line_of(error: BaseException, path: Path) -> str:
    """`, line N` of the last line of `path` that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f", line {line}"


# ---- what it declares


def _wrong_type(scenario: Scenario) -> str | None:
    """The first field that is not what its annotation says."""
    fields = field_types(Scenario).items()
    return next((wrong for name, kind in fields if (wrong := mismatch(getattr(scenario, name), kind, name))), None)


def _wrong_setting(scenario: Scenario) -> str | None:
    """The first of the learners' settings that the scenario does not have, or that is out of its bounds."""
    try:
        scenario.settings.changed("learners", scenario.learners)
    except UsageError as error:
        return str(error)
    return None


def _inconsistent(scenario: Scenario) -> str | None:
    """The first thing in `scenario` that names something unknown, or is missing."""
    for service in scenario.services:
        if service not in SERVICE_KINDS:
            return f"unknown service {service!r}: there are {', '.join(SERVICE_KINDS)}"
    for metric in scenario.telling:
        if metric not in METRICS:
            return f"unknown metric {metric!r} in telling: there are {', '.join(METRICS)}"
        needs = METRICS[metric].services
        if needs and not set(needs) & set(scenario.services):
            return f"{metric} is in telling, but nothing counts it: services must name {' or '.join(needs)}"
    for number, documents in enumerate(scenario.documents):
        if not _is_plain(documents.document):
            return f"documents[{number}].document is {shown(documents.document)}: it must hold {PLAIN} only"
    if missing := set(HALVES) - set(scenario.expected):
        return f"expected has no {min(missing)} half"
    expected = scenario.expected.items()
    return next((wrong for half, one in expected if (wrong := _wrong_expectation(half, one))), None)


def _wrong_expectation(half: str, expected: Expected) -> str | None:
    if half not in ALL_HALVES:
        return f"expected names {half!r}, which is not a half: there are {', '.join(ALL_HALVES)}"
    verdicts = ("leaks", "clean", "either") if half == "almost" else ("leaks", "clean")
    if expected.verdict not in verdicts:
        return f"expected verdict {expected.verdict!r} of {half}: it can be {' or '.join(map(repr, verdicts))}"
    for finding in expected.findings:
        if finding[0] not in KINDS or finding[1] not in METRICS:
            return (
                f"expected finding {finding!r} of {half} is not (kind, metric): "
                f"kinds are {', '.join(KINDS)}; metrics {', '.join(METRICS)}"
            )
    return None


def _is_plain(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


# ---- what its functions do


def _answered_for(name: str, path: Path, scenario: Scenario) -> Scenario:
    """The same scenario; what one of its functions raises, or wrongly returns, is a ScenarioError with its line."""

    def guard(function: str, given: Callable[..., object], returns: object) -> Callable[..., object]:
        @wraps(given)
        def guarded(*arguments: object) -> object:
            try:
                with _stdout_to_stderr():
                    value = given(*arguments)
            except (LeaklabError, KeyboardInterrupt):
                raise
            except BaseException as error:
                raise _broken(name, f"{path}{_line_of(error, path)}: {function} fails: {in_words(error)}") from error
            problem = mismatch(value, returns, f"{function}(…)")
            if problem is None and function == "workload":
                problem = _wrong_workload(value)
            if problem is not None:
                raise _broken(name, f"{path}: {problem}")
            return printable(value) if isinstance(value, str) else value

        return guarded

    guards: dict[str, Any] = {}
    for field, annotation in field_types(Scenario).items():
        kinds = [kind for kind in (annotation, *get_args(annotation)) if get_origin(kind) is Callable]
        given = getattr(scenario, field)
        if kinds and given is not None:
            guards[field] = guard(field, given, get_args(kinds[0])[-1])
    return replace(scenario, **guards)


def _wrong_workload(value: Any) -> str | None:
    steps = [item for item in value.values() if isinstance(item, Steps)]
    plain = {key: item.item if isinstance(item, Steps) else item for key, item in value.items()}
    if _is_plain(plain) and len(steps) <= 1 and not any(mismatch(item, Steps, "") or item.count < 0 for item in steps):
        return None
    return f"workload(…) is {shown(value)}: it must hold {PLAIN}, and at most one Steps(…)"
