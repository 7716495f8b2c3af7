"""Loads a scenario.py: runs it, checks what it declares, and attributes errors in its functions to that file."""

import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

from leaklab.content.annotations import mismatch, shown
from leaklab.content.declaration import ALL_HALVES, HALVES, PARTIAL_FIXES, InGo, Scenario
from leaklab.content.settings import COUNT, DURATION, SIZE, Setting
from leaklab.content.trial import ContainedError, contained, faults
from leaklab.errors import ScenarioError, UsageError
from leaklab.measure.target import Steps
from leaklab.metrics import METRICS, FindingKind
from leaklab.services.kinds import SERVICE_KINDS
from leaklab.system.files import read_regular
from leaklab.units import printable

PLAIN = "plain values (strings, numbers, lists, dictionaries)"

NUMBERS = {
    "count": Setting("count", COUNT, least=0),
    "capped": Setting("capped", SIZE, least=0),
    "concurrency": Setting("concurrency", COUNT),
    "second_steps": Setting("second_steps", COUNT),
    "time_limit": Setting("time_limit", DURATION),
}
"""What these fields may be, or their functions may return."""


def load(name: str, path: Path, *, built_in: bool = False) -> Scenario:
    """The scenario that `path` declares, ready for use: an error in one of its functions is a ScenarioError.

    Args:
        name: the scenario's id.
        path: its `scenario.py`.
        built_in: whether it is leaklab's own, which need not be tried first.

    Raises:
        ScenarioError: it cannot be run, or it declares no scenario or an inconsistent one.
    """
    if not built_in and (why := broken_imports([path])):
        raise _broken(name, f"{path}: {why[path]}")
    with _attributed(name, path):
        scenario = getattr(_module(path), "SCENARIO", None)
    if not isinstance(scenario, Scenario):
        raise _broken(name, f"{path} must set SCENARIO to a leaklab.scenario.Scenario")
    if problem := next(_problems(scenario), None):
        raise _broken(name, f"{path}: {problem}")
    guards = _guards(name, path, scenario)
    if scenario.go is not None:
        guards["go"] = replace(scenario.go, **_guards(name, path, scenario.go))
    counts: list[Any] = [documents.count for documents in scenario.documents]
    for number, count in enumerate(counts):
        if callable(count):
            counts[number] = _guarded(name, path, f"documents[{number}].count", count, int)
    pairs = zip(scenario.documents, counts, strict=True)
    return replace(scenario, **guards, documents=tuple(replace(documents, count=count) for documents, count in pairs))


def _guards(name: str, path: Path, declared: Scenario | InGo) -> dict[str, Any]:
    """The functions among the fields of a declaration, guarded."""
    guards: dict[str, Any] = {}
    for field, annotation in get_type_hints(type(declared)).items():
        # A field that holds a function, or a function or None.
        kinds = [kind for kind in (annotation, *get_args(annotation)) if get_origin(kind) is Callable]
        given = getattr(declared, field)
        if kinds and given is not None:
            guards[field] = _guarded(name, path, field, given, get_args(kinds[0])[-1])
    return guards


def broken_imports(paths: Iterable[Path]) -> dict[Path, str]:
    """Which of these `scenario.py` files cannot even be tried, and why, in words; each is tried once."""
    new = [path for path in paths if path not in _TRIED]
    _TRIED.update(dict.fromkeys(new, "") | faults(new, _module))
    return {path: words for path in paths if (words := _TRIED[path])}


_TRIED: dict[Path, str] = {}


def in_words(error: BaseException) -> str:
    """An error's type and message, as it follows a colon."""
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException:  # noqa: BLE001 # an author's class may do anything
        text = ""
    if isinstance(error, ContainedError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _broken(name: str, what: str) -> ScenarioError:
    return ScenarioError(f"scenario {name} is broken: {what}")


@contextmanager
def _attributed(name: str, path: Path, what: str = "") -> Iterator[None]:
    """Make an error of the author's code a ScenarioError that names its line."""
    try:
        # Standard output may be a document: what the code prints goes to standard error.
        with redirect_stdout(sys.stderr), contained():
            yield
    except (KeyboardInterrupt, GeneratorExit):
        # The second is how this generator is ended where an interrupt came before its block.
        raise
    except BaseException as error:  # an author's file may raise anything
        raise _broken(name, f"{path}{_line_of(error, path)}: {what}{in_words(error)}") from error


def _module(path: Path) -> ModuleType:
    """Run `path` as a module that leaves no compiled file behind."""
    module = ModuleType(f"leaklab_scenario_{path.parent.name}")
    module.__file__ = str(path)
    # Dataclasses and type hints of the scenario look their module up by name.
    sys.modules[module.__name__] = module
    exec(compile(read_regular(path), str(path), "exec"), module.__dict__)  # noqa: S102 # loading is running
    return module


def _line_of(error: BaseException, path: Path) -> str:
    """`, line N` of the last line of `path` that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    passed = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in passed if frame.f_code.co_filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _problems(scenario: Scenario) -> Iterator[str]:
    """What is wrong with what a scenario declares. Each check relies on those before it: only the first is certain."""
    for name, kind in get_type_hints(Scenario).items():
        if wrong := mismatch(getattr(scenario, name), kind, name):
            yield wrong
    try:
        scenario.settings.changed("learners", scenario.learners)
    except UsageError as error:
        yield str(error)
    for service in scenario.services:
        if service not in SERVICE_KINDS:
            yield f"unknown service {service!r}: there are {', '.join(SERVICE_KINDS)}"
    for metric in scenario.telling:
        if metric not in METRICS:
            yield f"unknown metric {metric!r} in telling: there are {', '.join(METRICS)}"
        needs = METRICS[metric].services
        if needs and not set(needs) & set(scenario.services):
            yield f"{metric} is in telling, but nothing counts it: services must name {' or '.join(needs)}"
    yield from _wrong_needs(scenario)
    if missing := set(HALVES) - set(scenario.expected):
        yield f"expected has no {min(missing)} half"
    yield from _wrong_expectations(scenario)
    if scenario.go is not None:
        for problem in _problems(replace(scenario.in_go, go=None)):
            yield f"in Go: {problem}"


def _wrong_needs(scenario: Scenario) -> Iterator[str]:
    for package in scenario.requires:
        if not re.fullmatch(r"[A-Za-z_]\w*(=[\w.-]+)?", package, re.ASCII):
            yield f"requires names {package!r}: write the name that is imported, like 'aiohttp' or 'bs4=beautifulsoup4'"
    if scenario.second_steps is not None and scenario.settings.steps is None:
        yield "second_steps is given, but the settings have no steps"
    for number, documents in enumerate(scenario.documents):
        if not callable(documents.count) and (wrong := _wrong_number(f"documents[{number}].count", documents.count)):
            yield wrong
        if wrong := _wrong_number(f"documents[{number}].capped", documents.capped):
            yield wrong
        if not _is_plain(documents.document):
            yield f"documents[{number}].document is {shown(documents.document)}: it must hold {PLAIN} only"


def _wrong_expectations(scenario: Scenario) -> Iterator[str]:
    for half, expected in scenario.expected.items():
        if half not in ALL_HALVES:
            yield f"expected names {half!r}, which is not a half: there are {', '.join(ALL_HALVES)}"
        verdicts = ("leaks", "clean", "crashes", *(("either",) if half in PARTIAL_FIXES else ()))
        if expected.verdict not in verdicts:
            yield f"expected verdict {expected.verdict!r} of {half}: it can be {' or '.join(map(repr, verdicts))}"
        for finding in expected.findings:
            if finding[0] not in list(FindingKind) or finding[1] not in METRICS:
                known = f"kinds are {', '.join(FindingKind)}; metrics {', '.join(METRICS)}"
                yield f"expected finding {finding!r} of {half} is not (kind, metric): {known}"
        try:
            scenario.settings.changed(f"expected of {half}, unless", expected.unless)
        except UsageError as error:
            yield str(error)


def _is_plain(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _guarded(name: str, path: Path, field: str, given: Callable[..., object], returns: object) -> Callable[..., object]:
    """The same function; what it raises, or wrongly returns, is a ScenarioError."""

    @wraps(given)
    def guarded(*arguments: Any) -> object:
        with _attributed(name, path, f"{field} fails: "):
            value = given(*arguments)
        problem = mismatch(value, returns, f"{field}(…)")
        if problem is None and field == "workload":
            problem = _wrong_workload(value)
        problem = problem or _wrong_number(f"{field}(…)", value)
        if problem is not None:
            raise _broken(name, f"{path}: {problem}")
        return printable(value) if isinstance(value, str) else value

    return guarded


def _wrong_number(what: str, value: Any) -> str | None:
    """What is wrong with the value of a field in NUMBERS; None if nothing is, or for another field."""
    name = what.rpartition(".")[2].removesuffix("(…)")
    try:
        if name in NUMBERS:
            NUMBERS[name].check(value)
    except ValueError as error:
        return f"{what}: {error}"
    return None


def _wrong_workload(value: Any) -> str | None:
    steps = [item for item in value.values() if isinstance(item, Steps)]
    plain = {key: item.item if isinstance(item, Steps) else item for key, item in value.items()}
    if _is_plain(plain) and len(steps) <= 1 and not any(mismatch(item, Steps, "") or item.count < 0 for item in steps):
        return None
    return f"workload(…) is {shown(value)}: it must hold {PLAIN}, and at most one Steps(…)"
