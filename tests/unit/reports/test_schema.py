"""The JSON Schema: every document that leaklab prints validates; one with a missing, extra or wrong value does not."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import leaklab
from leaklab.doctor.health import Health, HealthCheck
from leaklab.judge.findings import Finding
from leaklab.lab.forecast import Forecast
from leaklab.lab.prediction import Guess, Prediction, Question
from leaklab.lab.until_failure import Failure
from leaklab.measure.run_trace import Ending, Outcome, Trace
from leaklab.measure.source_line import SourceLine
from leaklab.metrics import METRICS, FindingKind, Moment, Resource
from leaklab.reports.document import (
    check_document,
    checkup_document,
    comparison_document,
    failure_document,
    predicted_document,
    progress_document,
    result_document,
    schema,
    trace_document,
)
from leaklab.workshop.check_result import CheckResult, CheckState, FirstSeen
from leaklab.workshop.learners import Learner, Standing
from leaklab.workshop.progress_file import Exercise
from tests.unit import scripted

Document = dict[str, Any]
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

TIMED_OUT = scripted.trace("leaky", lambda step: step, ending=Ending(Outcome.TIMED_OUT, "60 s"))
RESULTS = {
    "a leaky and a fixed half": scripted.result(),
    "several runs": scripted.result(
        scripted.leaky(*[scripted.trace("leaky", lambda step: step, rss=rss) for rss in (30, 31, 34, 37)])
    ),
    "runs that disagree": scripted.result(
        scripted.leaky(scripted.trace("leaky", lambda step: step), scripted.trace("leaky", lambda _: 0))
    ),
    "a crash": scripted.result(scripted.crashed("it was ended by SIGSEGV")),
    "a half that cannot be imported": scripted.result(
        scripted.leaky(Trace("leaky", 0, 0.0, 0.0, (), ending=Ending(Outcome.CRASHED, "it cannot be imported")))
    ),
    "a time limit": scripted.result(scripted.leaky(TIMED_OUT), scripted.fixed()),
    "work left out": scripted.result(scripted.leaky(), scripted.fixed(complaint="expected the sizes of 50 profiles")),
    "an interrupted run": replace(scripted.result(scripted.leaky()), interrupted=True, mongo="server 7.0.1"),
}


def errors(document: object) -> list[str]:
    """What the schema says of a document, read back from the text that would be printed."""
    read_back = json.loads(json.dumps(document))
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(read_back)]


FOUND = Finding(
    FindingKind.LEAKED, "open_sockets", 5, 0, "5 left", (), None,
    (scripted.evidence(4, kept_by=scripted.KEPT, waits_at=scripted.WAITS), scripted.evidence(1, None, note="gone")), "",
)  # fmt: skip


def until_failure(*, died: bool) -> Document:
    forecast = Forecast("open_sockets", 1.0, 64, 60, "1.00 sockets per step: …")
    error = "it raised OSError: [Errno 24] Too many open files"
    result = scripted.result(scripted.crashed(error) if died else scripted.leaky(), scripted.fixed())
    held = FOUND if died else None
    failure = Failure(Resource.DESCRIPTORS, 64, forecast, 59 if died else None, error if died else None, held, result)
    return failure_document(failure)


def checked(state: CheckState, *, bare: bool = False) -> Document:
    """A check with everything that it can hold, or with as little as it can."""
    check = CheckResult(scenario="unclosed-body", file=Path("/home/ann/mine.py"), state=state, reason="because")
    if bare:
        return check_document(check)
    check = replace(
        check,
        finding=FOUND,
        showed=FirstSeen(0, 2),
        place=SourceLine("mine.py", 3, "get(url)"),
        result=scripted.result(scripted.leaky(), replace(scripted.fixed(), half="yours")),
    )
    return check_document(check, Exercise(scenario="unclosed-body", started="2026-11-25T10:00:00+00:00", attempts=3))


def predicted() -> Document:
    counted, unread = Question("leaky", "open_sockets", Moment.PEAK), Question("fixed", "rss", Moment.END)
    predictions = [
        Prediction(counted, 50, (Guess(counted, 50.0, "Ann"), Guess(counted, 3.0, "Bob"))),
        Prediction(unread, None, ()),
    ]
    return predicted_document(scripted.result(), predictions)


CHECKUP = checkup_document(
    [HealthCheck("memory", Health.OK, "22 GiB free"), HealthCheck("proxy", Health.FAILED, "no", "Start it.")]
)
STARTED = Exercise(scenario="unclosed-body", started="2026-11-25T10:00:00+00:00")
PROGRESS = progress_document([Learner("Ann", Path("room/Ann"), (Standing("unclosed_body.py", STARTED, 12, 1),), 12)])
SAMPLED = result_document(RESULTS["several runs"], samples=True)
SAMPLED["halves"]["leaky"]["samples"] = [run[:1] for run in SAMPLED["halves"]["leaky"]["samples"]]

DOCUMENTS: dict[str, Document] = {
    **{name: result_document(result) for name, result in RESULTS.items()},
    **{f"{name}, with samples": result_document(result, samples=True) for name, result in RESULTS.items()},
    "a comparison": comparison_document([*RESULTS.values()], samples=True),
    "a comparison of nothing": comparison_document([]),
    "until failure": until_failure(died=True),
    "until no failure": until_failure(died=False),
    "predictions": predicted(),
    **{f"a check: {state}": checked(state) for state in CheckState},
    "a check of a file that was not run": checked(CheckState.REFUSED, bare=True),
    "a checkup": CHECKUP,
    "the progress of a learner": PROGRESS,
}


def test_the_schema_is_a_schema_and_describes_every_object() -> None:
    VALIDATOR.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "urn:leaklab:result:2"
    assert [name for name, definition in SCHEMA["$defs"].items() if not definition.get("description")] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_validates(name: str) -> None:
    assert errors(DOCUMENTS[name]) == []


def test_a_document_holds_what_was_found() -> None:
    document = result_document(scripted.result())
    head = {name: document[name] for name in ("schema", "leaklab", "scenario", "settings", "environment")}
    assert head == {
        "schema": 2, "leaklab": leaklab.__version__, "scenario": "unclosed-body", "settings": {"steps": 50},
        "environment": {"python": "3.11.7", "mongo": None, "language": "python", "go": None},
    }  # fmt: skip
    assert (list(document["halves"]), document["as_expected"], document["surprises"]) == (["leaky", "fixed"], True, [])
    leaky = document["halves"]["leaky"]
    assert (leaky["outcome"], leaky["error"], leaky["elapsed_s"], leaky["steps"]) == ("completed", None, 0.25, 50)
    assert (leaky["verdict"], leaky["doubts"], leaky["complaint"]) == ("leaks", [], None)
    finding = leaky["findings"][0]
    assert [finding[key] for key in ("kind", "metric", "value", "threshold")] == ["leaked", "open_sockets", 50, 0]
    assert list(finding["work"]) == [{"steps": 50, "value": 50}, {"steps": 200, "value": 200}]
    moments = {"baseline": 0, "peak": 50, "end": 50, "returned": 50, "collected": 50, "per_step": 1.0}
    assert leaky["metrics"]["open_sockets"] == {"unit": "count", **moments}
    check = checked(CheckState.LEAKS)
    assert (check["file"], check["finding"]["value"], check["exercise"]["attempts"]) == ("mine.py", 5, 3)
    assert (CHECKUP["works"], [one["remedy"] for one in CHECKUP["checks"]]) == (False, [None, "Start it."])


def test_what_was_not_read_or_not_reached_is_null() -> None:
    document = until_failure(died=False)
    metrics = document["halves"]["leaky"]["metrics"]
    assert list(metrics) == list(METRICS)
    assert metrics["open_cursors"] is None
    crashed = result_document(RESULTS["a crash"])["halves"]["leaky"]
    sockets = crashed["metrics"]["open_sockets"]
    assert (crashed["outcome"], sockets["peak"], sockets["collected"]) == ("crashed", 25, None)


def test_samples_are_in_a_document_only_if_asked_and_several_runs_beside_their_median() -> None:
    assert "samples" not in DOCUMENTS["several runs"]["halves"]["leaky"]
    (samples,) = result_document(scripted.result(), samples=True)["halves"]["leaky"]["samples"]
    assert len(samples) == 54
    read = {"open_sockets": 1, "connections_opened": 1, "requests_served": 1, "threads": 1, "open_fds": 5}
    unread = {name: None for name in METRICS if name != "elapsed"}
    at = {"phase": "step", "steps_done": 1, "at_s": 0.005}
    assert samples[2] == {**at, **unread, **read, "rss": 30 * scripted.MIB}
    memory = DOCUMENTS["several runs"]["halves"]["leaky"]["metrics"]["rss"]
    assert (memory["collected"], memory["runs"]["collected"]) == (32.5, [30, 31, 34, 37])


# ---- what does not validate

KeyPath = tuple[str | int, ...]
WHOLE: dict[str, tuple[Document, KeyPath | None]] = {
    "a result": (until_failure(died=True), ()),
    "a result of several runs": (SAMPLED, ()),
    "a result with predictions": (predicted(), ()),
    "a comparison": (comparison_document([scripted.result()]), ("results", 0)),
    "a check": (checked(CheckState.LEAKS), ("result",)),
    "a checkup": (CHECKUP, None),
    "the progress of a learner": (PROGRESS, None),
    "a trace": (trace_document(scripted.traced(findings=[FOUND])), None),
}
"""Documents, and where the result is in each."""

OPTIONAL = {"until_failure", "predictions", "samples", "runs"}
"""Keys that are there only if they were asked for."""


def objects(document: Any, *path: str | int) -> Iterator[KeyPath]:
    """The path of every object with keys of its own, of a list only the first."""
    if isinstance(document, dict):
        if path[-1:] not in {("settings",), ("halves",), ("descriptors",)}:
            yield path
        for key, value in document.items():
            yield from objects(value, *path, key)
    elif isinstance(document, list) and document:
        yield from objects(document[0], *path, 0)


def at(document: Any, path: KeyPath) -> Any:
    for key in path:
        document = document[key]
    return document


@pytest.mark.parametrize("name", WHOLE)
def test_a_document_without_one_of_its_keys_does_not_validate(name: str) -> None:
    whole, _ = WHOLE[name]
    for path in objects(whole):
        for key in at(whole, path).keys() - OPTIONAL:
            document = copy.deepcopy(whole)
            del at(document, path)[key]
            assert errors(document) != [], (path, key)


@pytest.mark.parametrize("name", WHOLE)
def test_only_a_result_its_environment_and_its_halves_may_get_further_keys(name: str) -> None:
    whole, result = WHOLE[name]
    parts: list[KeyPath] = [(), ("environment",), ("halves", "leaky"), ("halves", "fixed"), ("halves", "yours")]
    may_grow = set() if result is None else {(*result, *part) for part in parts}
    for path in objects(whole):
        document = copy.deepcopy(whole)
        at(document, path)["new"] = "something"
        assert (errors(document) == []) is (path in may_grow), path


HALF = ("halves", "leaky")
SOCKETS = (*HALF, "metrics", "open_sockets")
WRONG: dict[KeyPath, object] = {
    ("schema",): 1,
    ("leaklab",): "new",
    ("scenario",): "",
    ("halves",): {},
    ("settings", "steps"): None,
    ("environment", "python"): None,
    (*HALF, "outcome"): "timed_out",
    (*HALF, "verdict"): "leaky",
    (*HALF, "elapsed_s"): "250 ms",
    (*HALF, "waited_s"): -0.1,
    (*HALF, "steps"): 0.5,
    (*HALF, "looks"): 0,
    (*HALF, "findings", 0, "kind"): "lost",
    (*HALF, "findings", 0, "metric"): "sockets",
    (*HALF, "findings", 0, "value"): None,
    (*HALF, "forecast", 0, "per_step"): 0,
    (*HALF, "metrics", "elapsed"): 0,
    (*SOCKETS, "unit"): "MiB",
    (*SOCKETS, "peak"): None,
    (*SOCKETS, "collected"): -1,
    (*SOCKETS, "runs", "end"): 3,
    (*HALF, "samples", 0, 0, "phase"): "start",
    (*HALF, "samples", 0, 0, "threads"): -1,
}


@pytest.mark.parametrize("path", WRONG)
def test_a_document_with_a_wrong_value_does_not_validate(path: KeyPath) -> None:
    document = copy.deepcopy(SAMPLED)
    at(document, path[:-1])[path[-1]] = WRONG[path]
    assert errors(document) != []


def test_no_document_and_no_run_loads_pydantic() -> None:
    """It takes 140 ms to import; msgspec takes 10."""
    code = "import sys, leaklab.lab.pair, leaklab.reports.document; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
