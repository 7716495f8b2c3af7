"""The formats of reports: one table of formats, and one of the reports with what makes each in the formats it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


def _text(document: Any) -> str:
    """A document as JSON, in ASCII, so that any pipe can carry it."""
    import json

    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


FORMATS: Mapping[str, Callable[[Any], Any]] = {
    "table": lambda renderable: renderable,
    "json": _text,
    "markdown": lambda text: text,
}
"""Each format, and what makes of a renderer's answer what is shown: a Rich renderable, or a string as it is."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a command shows.

    Attributes:
        what: what it is a report of, in words.
        renderers: by format, what makes it of the data that it names; `console()` is what it will be printed on.
    """

    what: str
    renderers: Mapping[str, Callable[..., Any]]

    def made(self, form: str, **data: Any) -> Any:
        """The report in the format `form`: a Rich renderable, or a string that is shown as it is."""
        return FORMATS[form](self.renderers[form](**data))


def _in(module: str) -> Any:
    """A module of reports, imported when its report is shown: what formats there are is asked at every start."""
    return import_module(f"leaklab.reports.{module}")


RUN = Report(
    "a run",
    {
        "table": lambda result, why, **_: _in("table").scenario_result(result, why),
        "json": lambda result, samples, **_: _in("document").result_document(result, samples=samples),
        "markdown": lambda result, why, **_: _in("markdown").scenario_result(result, why),
    },
)
PREDICTION = Report(
    "a run with --predict",
    {
        "table": lambda predicted, **run: _in("guesses").below(RUN.renderers["table"](**run), predicted),
        "json": lambda predicted, **run: {
            **RUN.renderers["json"](**run),
            "predictions": _in("document").predictions_document(predicted),
        },
    },
)
FAILURE = Report(
    "a run with --until-failure",
    {
        "table": lambda failure, **_: _in("failure").failure_table(failure),
        "json": lambda failure, samples, **_: _in("document").failure_document(failure, samples=samples),
    },
)
COMPARISON = Report(
    "a comparison",
    {
        "table": lambda results, console, **_: _in("table").comparison(results, console()),
        "json": lambda results, samples, **_: _in("document").comparison_document(results, samples=samples),
        "markdown": lambda results, **_: _in("markdown").comparison(results),
    },
)
CHECK = Report(
    "a check",
    {
        "table": lambda check, file, exercise, **_: _in("check_report").check_report(check, file, exercise),
        "json": lambda check, exercise, **_: _in("document").check_document(check, exercise),
    },
)
CHECKUP = Report(
    "a checkup",
    {
        "table": lambda checks, every, **_: _in("checkup").checkup(checks, every=every),
        "json": lambda checks, **_: _in("document").checkup_document(checks),
    },
)
VALIDATION = Report("a validation", {"table": lambda validation, **_: _in("validated").validation_line(validation)})
PROGRESS = Report("the progress", {"table": lambda exercises, **_: _in("check_report").progress_report(exercises)})
LIST = Report("the list", {"table": lambda listed, **_: _in("table").scenario_list(listed)})
SCHEMA = Report("the schema", {"json": lambda **_: _in("document").schema()})
