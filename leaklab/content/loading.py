"""Loads a scenario.py: runs it, checks what it declares, and puts its author's name to whatever its functions do."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from leaklab.content.declaration import ALL_HALVES, HALVES, Documents, Expected, Scenario, Steps
from leaklab.content.settings import Settings
from leaklab.errors import LeaklabError, ScenarioError, UsageError
from leaklab.metrics import METRICS
from leaklab.units import printable

SERVICES = {"http", "mongo"}

NEEDS = {
    "open_cursors": {"mongo"},
    "open_sockets": SERVICES,
    "connections_opened": SERVICES,
    "requests_served": SERVICES,
}
"""Metrics that only services give: one of these must be there."""
"""What the lab can start for a half."""

KINDS = ("leaked", "held", "wasted", "stalled")
"""The kinds of finding that a scenario can expect."""


def load(name: str, path: Path) -> Scenario:
    """The scenario that `path` declares, ready to be used: what its functions raise is a ScenarioError.

    Args:
        name: the scenario's id.
        path: its `scenario.py`.

    Raises:
        ScenarioError: it cannot be run, declares no scenario, or one that is inconsistent.
    """
    try:
        with _printing_nothing_into_documents():
            scenario = getattr(_module(path), "SCENARIO", None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a scenario of somebody else's may raise anything
        raise _broken(name, f"{path}{_line_of(error, path)}: {in_words(error)}") from error
    if not isinstance(scenario, Scenario):
        raise _broken(name, f"{path} must set SCENARIO to a leaklab.content.declaration.Scenario")
    if problem := _wrong_type(scenario) or _inconsistent(scenario):
        raise _broken(name, f"{path}: {problem}")
    return _answered_for(name, path, scenario)


def in_words(error: BaseException) -> str:
    """An error's type and message, as it follows a colon."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _broken(name: str, what: str) -> ScenarioError:
    return ScenarioError(f"scenario {name} is broken: {what}")


def _printing_nothing_into_documents() -> contextlib.AbstractContextManager[object]:
    """What a scenario's code prints goes to standard error: standard output may be a document."""
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


# ---- what it declares


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_tuple_of(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(isinstance(item, kind) for item in value)


def _is_expected(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(half, str) and isinstance(expected, Expected) for half, expected in value.items()
    )


def _is_documents(value: object) -> bool:
    return _is_tuple_of(Documents)(value) and all(_is_plain(asdict(item)) for item in cast("tuple[Documents]", value))


def _is_plain(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "title": (_is_text, "a string"),
    "leaks": (_is_text, "a string"),
    "summary": (_is_text, "a string"),
    "task": (_is_text, "a string"),
    "number": (_is_number, "a number"),
    "effort": (_or_none(_is_number), "a number, or None"),
    "settings": (lambda value: isinstance(value, Settings), "a Settings(…)"),
    "learners": (lambda value: isinstance(value, Mapping), 'a dictionary by setting, like {"steps": 20}'),
    "services": (_is_tuple_of(str), 'a tuple of strings, like ("http",)'),
    "telling": (_is_tuple_of(str), 'a tuple of strings, like ("open_sockets",)'),
    "hints": (_is_tuple_of(str), 'a tuple of strings, like ("look at …",)'),
    "documents": (_is_documents, "a tuple of Documents(…) of plain values: strings, numbers, lists, dictionaries"),
    "expected": (_is_expected, 'a dictionary of Expected(…) by half, like {"leaky": Expected("leaks")}'),
    "workload": (callable, "a function of the lab"),
    "check_answer": (callable, "a function of the lab and the answer"),
    "requests": (callable, "a function of the settings"),
    **dict.fromkeys(
        ("buffer", "memory_budget", "deadline", "hang"), (_or_none(callable), "a function of the settings, or None")
    ),
    "check_error": (_or_none(callable), "a function of the settings and the error's words, or None"),
}
"""What each field of a scenario must be: a type hint tells the author, and nobody checks it when the file is run."""


def _wrong_type(scenario: Scenario) -> str | None:
    for field, (is_right, wanted) in _FIELDS.items():
        value = getattr(scenario, field)
        if not is_right(value):
            return f"{field} is {_shown(value)}: it must be {wanted}"
    try:
        scenario.settings.changed("learners", scenario.learners)
    except UsageError as error:
        return str(error)
    return None


def _inconsistent(scenario: Scenario) -> str | None:
    """The first thing in `scenario` that names what is not there, None if there is none."""
    if unknown := set(scenario.services) - SERVICES:
        return f"unknown service {min(unknown)!r}: there are {', '.join(sorted(SERVICES))}"
    if problem := _inconsistent_telling(scenario):
        return problem
    if missing := set(HALVES) - set(scenario.expected):
        return f"expected says nothing of the {min(missing)} half"
    for half, expected in scenario.expected.items():
        if problem := _inconsistent_expectation(half, expected):
            return problem
    return None


def _inconsistent_telling(scenario: Scenario) -> str | None:
    for metric in scenario.telling:
        if metric not in METRICS:
            return f"unknown metric {metric!r} in telling: there are {', '.join(METRICS)}"
        needs = NEEDS.get(metric)
        if needs is not None and not needs & set(scenario.services):
            return f"{metric} is in telling, and nothing counts it: services must name {' or '.join(sorted(needs))}"
    return None


def _inconsistent_expectation(half: str, expected: Expected) -> str | None:
    if half not in ALL_HALVES:
        return f"expected names {half!r}, which is no half: there are {', '.join(ALL_HALVES)}"
    verdicts = ("leaks", "clean", "either") if half == "almost" else ("leaks", "clean")
    if expected.verdict not in verdicts:
        return f"expected verdict {expected.verdict!r} of {half}: it can be {' or '.join(map(repr, verdicts))}"
    for finding in expected.findings:
        if not (_is_tuple_of(str)(finding) and len(finding) == 2):
            return f"expected finding {_shown(finding)} of {half} is not (kind, metric)"
        kind, metric = finding
        if kind not in KINDS or metric not in METRICS:
            return (
                f"expected finding {(kind, metric)!r} of {half} is not (kind, metric): "
                f"kinds are {', '.join(KINDS)}; metrics {', '.join(METRICS)}"
            )
    return None


# ---- what its functions do


def _answered_for(name: str, path: Path, scenario: Scenario) -> Scenario:
    """The same scenario; what one of its functions raises, or returns by mistake, is a ScenarioError with its line."""

    def guard(function: str, is_right: Callable[[Any], bool], wanted: str) -> Any:
        given = getattr(scenario, function)
        if given is None:
            return None

        @wraps(given)
        def guarded(*arguments: object) -> object:
            try:
                with _printing_nothing_into_documents():
                    value = given(*arguments)
            except (LeaklabError, KeyboardInterrupt):
                raise
            except BaseException as error:
                raise _broken(name, f"{path}{_line_of(error, path)}: {function} fails: {in_words(error)}") from error
            if not is_right(value):
                raise _broken(name, f"{path}: {function} returned {_shown(value)}: it must return {wanted}")
            return printable(value) if isinstance(value, str) else value

        return guarded

    return replace(
        scenario,
        workload=guard("workload", _is_workload, "a dictionary of plain values by argument, at most one a Steps(…)"),
        check_answer=guard("check_answer", _or_none(_is_text), "what is wrong as a string, or None"),
        requests=guard("requests", _is_requests, 'a dictionary like {"profiles": 50}'),
        buffer=guard("buffer", _is_number, "a number of bytes"),
        memory_budget=guard("memory_budget", _is_number, "a number of bytes"),
        deadline=guard("deadline", _is_number, "a number of seconds"),
        hang=guard("hang", _is_number, "a number of seconds"),
        check_error=guard("check_error", lambda value: isinstance(value, bool), "True or False"),
    )


def _is_workload(value: object) -> bool:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return False
    steps = [item for item in value.values() if isinstance(item, Steps)]
    plain = {key: item.item if isinstance(item, Steps) else item for key, item in value.items()}
    return _is_plain(plain) and len(steps) <= 1 and all(_is_count(item.count) and item.count >= 0 for item in steps)


def _is_requests(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(route, str) and _is_count(count) for route, count in value.items()
    )


def _shown(value: object) -> str:
    """A value of anybody's, in a few words."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 # an author's class may do anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:79] + "…"
