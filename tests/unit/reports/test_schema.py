"""The JSON Schema of the result document: what leaklab prints validates, what is broken does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from leaklab.content.catalog import Catalog
from leaklab.content.declaration import DEAD, Settings
from leaklab.doctor.checks import Health, HealthCheck
from leaklab.judge.forecast import Forecast
from leaklab.judge.verdict import Finding, FindingKind, Verdict
from leaklab.lab.pair import RunOptions, run_scenario
from leaklab.lab.result import MOMENTS, Result
from leaklab.lab.until_failure import Failure
from leaklab.measure.source_line import SourceLine
from leaklab.measure.trace import Ending, Outcome, Phase, Trace
from leaklab.metrics import METRICS
from leaklab.reports.check_report import check_document
from leaklab.reports.checkup import checkup_document
from leaklab.reports.document import comparison_document, result_document, schema
from leaklab.reports.failure import failure_document
from leaklab.workshop.check_result import CheckResult, CheckState, FirstSeen
from leaklab.workshop.progress_file import Exercise
from tests.unit import scripted

Document = dict[str, Any]
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
IMPORT_ERROR = "it cannot be imported: ModuleNotFoundError: No module named 'x'"

SCRIPTED = {
    "a leaky and a fixed half": scripted.result(),
    "several runs": scripted.result(
        scripted.leaky(*[scripted.trace("leaky", lambda step: step, rss=rss) for rss in (30, 31, 34, 37)]),
        scripted.fixed(),
    ),
    "runs that disagree": scripted.result(
        scripted.leaky(scripted.trace("leaky", lambda step: step), scripted.trace("leaky", lambda _: 0)),
        scripted.fixed(),
    ),
    "a crash": scripted.result(scripted.crashed("it was ended by SIGSEGV"), scripted.fixed()),
    "a half that cannot be imported": scripted.result(
        scripted.leaky(Trace("leaky", Outcome.CRASHED, 0, 0.0, 0.0, (), ending=Ending(IMPORT_ERROR))), scripted.fixed()
    ),
    "a time limit": scripted.result(
        scripted.leaky(scripted.trace("leaky", lambda step: step, outcome=Outcome.TIMED_OUT, ending=Ending("60 s"))),
        scripted.fixed(),
    ),
    "work left out": scripted.result(scripted.leaky(), scripted.fixed(complaint="expected the sizes of 50 profiles")),
    "a learner's file": scripted.result(replace(scripted.fixed(), half="mine.py")),
    "all settings": scripted.result(settings=Settings(steps=1, size=1, hang=3.0, deadline=0.5, dead="drip-head")),
    "no settings": scripted.result(settings=Settings()),
}


def errors(document: object) -> list[str]:
    """What the schema says of a document, read back from the text that would be printed."""
    read_back = json.loads(json.dumps(document))
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(read_back)]


@pytest.fixture(scope="module")
def measured() -> Result:
    entry = Catalog().get("unclosed-body")
    return run_scenario(entry, replace(entry.scenario.settings, steps=5), RunOptions(repeat=2))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("samples", [False, True])
@pytest.mark.parametrize("name", SCRIPTED)
def test_the_document_of_a_scripted_result_validates(name: str, samples: bool) -> None:
    assert errors(result_document(SCRIPTED[name], samples=samples)) == []


@pytest.mark.parametrize("samples", [False, True])
def test_the_document_of_a_real_run_validates(measured: Result, samples: bool) -> None:
    assert errors(result_document(measured, samples=samples)) == []


@pytest.mark.parametrize("results", [[], list(SCRIPTED.values())], ids=["none", "many"])
def test_a_comparison_validates(results: list[Result]) -> None:
    assert errors(comparison_document(results, samples=True)) == []


@pytest.mark.parametrize("died", [True, False])
def test_the_document_of_a_run_until_failure_validates(died: bool) -> None:
    forecast = Forecast("open_sockets", 1.0, 64, 60, "1.00 sockets per step: …")
    error = "it raised OSError: [Errno 24] Too many open files"
    leaky = scripted.crashed(error) if died else scripted.leaky()
    result = scripted.result(leaky, scripted.fixed())
    failure = Failure("descriptors", 64, forecast, 59 if died else None, error if died else None, result)
    assert errors(failure_document(failure, samples=True)) == []


def checked(state: CheckState) -> Document:
    """A check with all that it can hold, or with nothing at all."""
    bare = CheckResult(
        scenario="unclosed-body", file=Path("mine.py"), state=state, reason="" if state is CheckState.FIXED else "no"
    )
    if state is CheckState.REFUSED:
        return check_document(bare)
    halves = (scripted.leaky(), scripted.fixed(), replace(scripted.fixed(), half="yours"))
    whole = replace(
        bare,
        finding=Finding(FindingKind.LEAKED, "open_sockets", 5, 0, "5 left"),
        showed=FirstSeen(0, 2),
        place=SourceLine("mine.py", 3, "get(url)"),
        result=scripted.result(*halves),
    )
    return check_document(whole, Exercise(scenario="unclosed-body", started="2026-11-25T10:00:00+00:00", attempts=3))


@pytest.mark.parametrize("state", list(CheckState))
def test_the_document_of_a_check_validates(state: CheckState) -> None:
    assert errors(checked(state)) == []


@pytest.mark.parametrize("key", checked(CheckState.LEAKS))
def test_the_document_of_a_check_that_lacks_a_key_does_not_validate(key: str) -> None:
    document = checked(CheckState.LEAKS)
    del document[key]
    assert errors(document) != []


def test_the_document_of_a_check_says_fixed_if_its_state_does() -> None:
    assert errors({**checked(CheckState.LEAKS), "fixed": True}) != []
    assert errors({**checked(CheckState.FIXED), "fixed": False}) != []


def test_the_document_of_a_checkup_validates_and_a_broken_one_does_not() -> None:
    checks = [
        HealthCheck("memory", Health.OK, "22 GiB free"),
        HealthCheck("mongo", Health.FAILED, "no", "Start it."),
    ]
    document = checkup_document(checks)
    assert errors(document) == []
    assert errors({**document, "works": "no"}) != []
    assert errors({**document, "checks": [{"name": "memory"}]}) != []


# ---- what is broken


def remove(*path: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        del parent[path[-1]]

    return change


def put(value: object, *path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        parent: Any = document
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value

    return change


LEAKY = ("halves", "leaky")
SOCKETS = (*LEAKY, "metrics", "open_sockets")
FINDING = (*LEAKY, "findings", 0)
FORECAST = (*LEAKY, "forecast", 0)
SAMPLE = (*LEAKY, "samples", 0, 0)

BROKEN = {
    "an unknown version": put(2, "schema"),
    "no version": remove("schema"),
    "no halves": put({}, "halves"),
    "as expected, but surprised": put(["leaky: …"], "surprises"),
    "surprised, but not by anything": put(False, "as_expected"),
    "an unknown setting": put(3, "settings", "stepz"),
    "no steps": put(0, "settings", "steps"),
    "a setting as text": put("256MiB", "settings", "size"),
    "an unknown way to be dead": put("asleep", "settings", "dead"),
    "no interpreter": put(None, "environment", "python"),
    "an unknown outcome": put("timed_out", *LEAKY, "outcome"),
    "an unknown verdict": put("leaky", *LEAKY, "verdict"),
    "an error although it completed": put("it raised", *LEAKY, "error"),
    "no error although it crashed": put("crashed", *LEAKY, "outcome"),
    "it leaks by no finding": put([], *LEAKY, "findings"),
    "it is clean with a finding": put("clean", *LEAKY, "verdict"),
    "it is inconclusive without a doubt": put("inconclusive", "halves", "fixed", "verdict"),
    "it is clean in doubt": put(["in doubt"], "halves", "fixed", "doubts"),
    "a negative time": put(-0.1, *LEAKY, "elapsed_s"),
    "a time in words": put("250 ms", *LEAKY, "elapsed_s"),
    "half a step": put(0.5, *LEAKY, "steps"),
    "an unknown kind of finding": put("lost", *FINDING, "kind"),
    "an unknown metric in a finding": put("sockets", *FINDING, "metric"),
    "a finding without its number": put(None, *FINDING, "value"),
    "a finding with more to it": put("high", *FINDING, "severity"),
    "a forecast without its limit": put(None, *FORECAST, "limit"),
    "a forecast of no growth": put(0, *FORECAST, "per_step"),
    "an unknown metric": put(None, *LEAKY, "metrics", "sockets"),
    "a metric in another unit": put("bytes", *SOCKETS, "unit"),
    "memory in MiB": put("MiB", *LEAKY, "metrics", "rss", "unit"),
    "a peak that was not read": put(None, *SOCKETS, "peak"),
    "a negative count": put(-1, *SOCKETS, "collected"),
    "an unknown moment": put(3, *SOCKETS, "afterwards"),
    "an unknown phase": put("start", *SAMPLE, "phase"),
    "a sample with an unknown metric": put(1, *SAMPLE, "sockets"),
    "samples that are not by run": put([], *LEAKY, "samples"),
    "a metric that is a bare number": put(0, *LEAKY, "metrics", "elapsed"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_document_does_not_validate(what: str) -> None:
    document = copy.deepcopy(result_document(scripted.result(), samples=True))
    assert errors(document) == []
    BROKEN[what](document)
    assert errors(document) != []
    assert errors({"schema": 1, "results": [document]}) != []


def keys(document: Document) -> Iterator[tuple[str, ...]]:
    for key in document:
        yield (key,)
    for half in ("leaky", "fixed"):
        for key in document["halves"][half]:
            yield ("halves", half, key)
        for metric in METRICS:
            yield ("halves", half, "metrics", metric)


OPTIONAL = {"forecast", "samples"}


@pytest.mark.parametrize("path", [p for p in keys(result_document(scripted.result())) if p[-1] not in OPTIONAL])
def test_a_document_that_lacks_a_key_does_not_validate(path: tuple[str, ...]) -> None:
    document = copy.deepcopy(result_document(scripted.result()))
    remove(*path)(document)
    assert errors(document) != []


@pytest.mark.parametrize("path", [("new",), ("environment", "new"), (*LEAKY, "new")])
def test_the_document_may_grow_where_the_schema_says_so(path: tuple[str, ...]) -> None:
    document = copy.deepcopy(result_document(scripted.result()))
    put("something", *path)(document)
    assert errors(document) == []


# ---- the schema and the code say the same


def described(name: str) -> set[str]:
    return set(SCHEMA["$defs"][name]["properties"])


def test_every_key_that_is_printed_is_described(measured: Result) -> None:
    document = result_document(measured, samples=True)
    half = document["halves"]["leaky"]
    assert set(document) <= described("result")
    assert set(document["environment"]) <= described("environment")
    assert set(half) <= described("half")
    assert set(half["metrics"]["rss"]) <= described("moments")


def test_every_key_has_a_description() -> None:
    for name, definition in SCHEMA["$defs"].items():
        assert definition.get("description"), name
        for key, value in definition.get("properties", {}).items():
            target = SCHEMA["$defs"].get(value.get("$ref", "").removeprefix("#/$defs/"), {})
            assert value.get("description") or target.get("description") or "const" in value, (name, key)


def test_the_schema_lists_what_the_code_knows() -> None:
    half, finding = SCHEMA["$defs"]["half"]["properties"], SCHEMA["$defs"]["finding"]["properties"]
    assert described("settings") == {item.name for item in fields(Settings)}
    assert SCHEMA["$defs"]["settings"]["properties"]["dead"]["enum"] == list(DEAD)
    assert half["outcome"]["enum"] == list(Outcome)
    assert half["verdict"]["enum"] == list(Verdict)
    assert finding["kind"]["enum"] == list(FindingKind)
    assert SCHEMA["$defs"]["metric_name"]["enum"] == list(METRICS)
    assert described("metrics") == set(METRICS)
    assert described("moments") == {"unit", *MOMENTS, "per_step", "runs"}
    assert SCHEMA["$defs"]["check"]["properties"]["state"]["enum"] == list(CheckState)
    assert described("checkup") == set(checkup_document([]))
    assert described("check") == set(checked(CheckState.FIXED))
    assert described("forecast") == {item.name for item in fields(Forecast)}
    assert SCHEMA["$defs"]["sample"]["properties"]["phase"]["enum"] == list(Phase)
    for name, metric in METRICS.items():
        unit = SCHEMA["$defs"]["metrics"]["properties"][name]["$ref"].removeprefix("#/$defs/")
        assert unit == metric.unit, name
