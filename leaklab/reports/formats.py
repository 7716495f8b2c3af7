"""The table of the reports: the formats that each has, and the function that makes it of its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaklab.reports import (
        check_report,
        checkup,
        document,
        failure,
        guesses,
        markdown,
        pages,
        slides,
        standings,
        table,
        traced,
    )
else:

    class _Later:
        """A module of reports, imported when a report is shown: what formats there are is asked at every start."""

        def __init__(self, name):
            self._name = name

        def __getattr__(self, function):
            return lambda **data: _called(getattr(import_module(f"leaklab.reports.{self._name}"), function), data)

    check_report, checkup, document = _Later("check_report"), _Later("checkup"), _Later("document")
    failure, guesses, markdown, table = _Later("failure"), _Later("guesses"), _Later("markdown"), _Later("table")
    pages, slides, standings, traced = _Later("pages"), _Later("slides"), _Later("standings"), _Later("traced")


def _called(function: Callable[..., Any], data: Mapping[str, object]) -> Any:
    """What the function makes of the data that its parameters name."""
    from inspect import signature

    return function(**{name: data[name] for name in signature(function).parameters if name in data})


@dataclass(frozen=True, slots=True)
class Report:
    """What a command shows.

    Attributes:
        what: what it is a report of, in words.
        renderers: by format, what makes of the data a Rich renderable, or a string, or for `json` a document.
    """

    what: str
    renderers: Mapping[str, Callable[..., Any]]

    def made(self, form: str, **data: object) -> Any:
        """The report in the format `form`: a Rich renderable, or a string that is shown as it is."""
        made = self.renderers[form](**data)
        if form != "json":
            return made
        import json

        # In ASCII, so that any pipe can carry it.
        return json.dumps(made, indent=2, ensure_ascii=True) + "\n"


RUN = Report(
    "a run",
    {
        "table": table.scenario_result,
        "json": document.result_document,
        "markdown": markdown.scenario_result,
        "html": pages.scenario_page,
        "svg": slides.scenario_slide,
    },
)
PREDICTION = Report("a run with --predict", {"table": guesses.predicted_result, "json": document.predicted_document})
FAILURE = Report("a run with --until-failure", {"table": failure.failure_table, "json": document.failure_document})
COMPARISON = Report(
    "a comparison",
    {
        "table": table.Comparison,
        "json": document.comparison_document,
        "markdown": markdown.comparison,
        "html": pages.comparison_page,
        "svg": slides.comparison_slide,
    },
)
CHECK = Report(
    "a check",
    {
        "table": check_report.check_report,
        "json": document.check_document,
        "html": pages.check_page,
        "svg": slides.check_slide,
    },
)
CHECKUP = Report("a checkup", {"table": checkup.checkup, "json": document.checkup_document})
TRACE = Report("a trace", {"table": traced.trace_report, "json": document.trace_document})
VALIDATION = Report("a validation", {"table": table.validation_line})
PROGRESS = Report("the progress", {"table": standings.progress_report, "json": document.progress_document})
LIST = Report("the list", {"table": table.scenario_list})
SCHEMA = Report("the schema", {"json": document.schema})
