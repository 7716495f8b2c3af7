"""The result document: what `--json` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import leaklab
from leaklab.judge.verdict import Finding
from leaklab.lab.result import MOMENTS, HalfResult, Result
from leaklab.measure.trace import Sample
from leaklab.metrics import METRICS

SCHEMA = 1
"""The version of the document's form; it rises when a reader of the old form would misread the new one."""

Document = dict[str, Any]


def schema() -> Document:
    """The JSON Schema (2020-12) of every document: a result, a comparison of several, a check, a checkup."""
    text = Path(__file__).with_name("result.schema.json").read_text(encoding="utf-8")
    document: Document = json.loads(text)
    return document


def result_document(result: Result, *, samples: bool = False) -> Document:
    """One scenario's result as JSON values; with `samples`, the trace of each run too."""
    return {
        "schema": SCHEMA,
        "leaklab": leaklab.__version__,
        "scenario": result.scenario,
        "settings": result.settings.given(),
        "environment": {"python": result.python, "mongo": result.mongo},
        "halves": {name: _half(half, samples=samples) for name, half in result.halves.items()},
        "interrupted": result.interrupted,
        "as_expected": result.as_expected,
        "surprises": result.surprises,
    }


def comparison_document(results: Sequence[Result], *, samples: bool = False) -> Document:
    """Several scenarios' results as one document."""
    return {"schema": SCHEMA, "results": [result_document(result, samples=samples) for result in results]}


def _half(half: HalfResult, *, samples: bool) -> Document:
    document: Document = {
        "outcome": half.outcome.value,
        "error": half.error,
        "elapsed_s": half.elapsed_s,
        "steps": max(run.trace.steps for run in half.runs),
        "waited_s": max(run.trace.waited_s for run in half.runs),
        "looks": half.looks,
        "verdict": half.judgement.verdict.value,
        "findings": [_finding(finding) for finding in half.judgement.findings],
        "doubts": list(half.judgement.doubts),
        "complaint": half.complaint,
        "forecast": [asdict(forecast) for forecast in half.forecast],
        "metrics": {name: _metric(half, name) for name in METRICS},
        "output": "".join(run.trace.output for run in half.runs),
    }
    if samples:
        document["samples"] = [[_sample(sample) for sample in run.trace.samples] for run in half.runs]
    return document


def _finding(finding: Finding) -> Document:
    return {
        "kind": finding.kind.value,
        "metric": finding.metric,
        "value": finding.value,
        "threshold": finding.threshold,
        "reason": finding.reason,
    }


def _metric(half: HalfResult, name: str) -> Document | None:
    if not half.was_read(name):
        return None
    document: Document = {"unit": METRICS[name].unit}
    for moment in (*MOMENTS, "per_step"):
        document[moment] = half.value(name, moment)
    if len(half.runs) > 1:
        document["runs"] = {moment: half.values(name, moment) for moment in (*MOMENTS, "per_step")}
    return document


def _sample(sample: Sample) -> Document:
    return {
        "phase": sample.phase.value,
        "round": sample.round,
        "steps_done": sample.steps_done,
        "at_s": sample.at_s,
        **{name: sample.get(name) for name in METRICS if name != "elapsed"},
    }
