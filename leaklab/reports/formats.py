"""The formats of reports, and each report with what makes it in the formats that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

# A renderer is imported when its report is shown: commands ask here which formats there are when they start.
if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, RenderableType

    from leaklab.content.catalog import Entry
    from leaklab.content.validation import Validation
    from leaklab.doctor.checks import HealthCheck
    from leaklab.lab.prediction import Prediction
    from leaklab.lab.result import Result
    from leaklab.lab.until_failure import Failure
    from leaklab.workshop.check_result import CheckResult
    from leaklab.workshop.exercises import Exercise

Document = dict[str, Any]

FORMATS: Mapping[str, Callable[[Any, Console], RenderableType]] = {
    "table": lambda report, console: report.table(console),
    "json": lambda report, _: json_text(report.json()),
    "markdown": lambda report, _: report.markdown(),
}
"""Each format, and what makes it of a report: its method of that name. A string is shown as it is."""


def json_text(document: Document) -> str:
    """A document as JSON, in ASCII, so that any pipe can carry it."""
    import json

    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


class Report:
    """What a command shows. It has the formats that it has a method for.

    Attributes:
        what: what it is a report of, in words.
    """

    what: ClassVar[str]

    @classmethod
    def formats(cls) -> list[str]:
        """The formats it has."""
        return [name for name in FORMATS if hasattr(cls, name)]


@dataclass(frozen=True, slots=True)
class RunReport(Report):
    """One scenario's result, with one line of why; `samples` adds the trace to the document."""

    what = "a run"
    result: Result
    why: str
    samples: bool

    def table(self, _: Console) -> RenderableType:
        """Metrics down, halves side by side."""
        from leaklab.reports.table import scenario_result

        return scenario_result(self.result, self.why)

    def json(self) -> Document:
        """The result document."""
        from leaklab.reports.document import result_document

        return result_document(self.result, samples=self.samples)

    def markdown(self) -> str:
        """The table and findings for a wiki."""
        from leaklab.reports import markdown

        return markdown.scenario_result(self.result, self.why)


@dataclass(frozen=True, slots=True)
class PredictedReport(Report):
    """One scenario's result beside what was predicted."""

    what = "a run with --predict"
    run: RunReport
    predicted: Sequence[Prediction]

    def table(self, console: Console) -> RenderableType:
        """The run's table, and one of the predictions below it."""
        from rich.console import Group

        from leaklab.reports.guesses import predictions_table

        return Group(self.run.table(console), predictions_table(self.predicted))

    def json(self) -> Document:
        """The result document, with the predictions."""
        from leaklab.reports.guesses import predictions_document

        return {**self.run.json(), "predictions": predictions_document(self.predicted)}


@dataclass(frozen=True, slots=True)
class FailureReport(Report):
    """How the leaky half died."""

    what = "a run with --until-failure"
    failure: Failure
    samples: bool

    def table(self, _: Console) -> RenderableType:
        """The halves, each with how far it came."""
        from leaklab.reports.failure import failure_table

        return failure_table(self.failure)

    def json(self) -> Document:
        """The result document, with how it ended."""
        from leaklab.reports.failure import failure_document

        return failure_document(self.failure, samples=self.samples)


@dataclass(frozen=True, slots=True)
class ComparisonReport(Report):
    """Several scenarios' results."""

    what = "a comparison"
    results: Sequence[Result]
    samples: bool

    def table(self, console: Console) -> RenderableType:
        """A row each, as many columns as the console has room for."""
        from leaklab.reports.table import comparison

        return comparison(self.results, console)

    def json(self) -> Document:
        """The result documents in one."""
        from leaklab.reports.document import comparison_document

        return comparison_document(self.results, samples=self.samples)

    def markdown(self) -> str:
        """The same rows, with all columns, for a wiki."""
        from leaklab.reports import markdown

        return markdown.comparison(self.results)


@dataclass(frozen=True, slots=True)
class CheckReport(Report):
    """What a check of a learner's file found, and how far the exercise has come."""

    what = "a check"
    check: CheckResult
    file: Path
    exercise: Exercise | None

    def table(self, _: Console) -> RenderableType:
        """The verdict, the figures of the metrics that show the leak, and what to do next."""
        from leaklab.reports.check_report import check_report

        return check_report(self.check, self.file, self.exercise)

    def json(self) -> Document:
        """The check document."""
        from leaklab.reports.check_report import check_document

        return check_document(self.check, self.exercise)


@dataclass(frozen=True, slots=True)
class ProgressReport(Report):
    """The exercises of a folder."""

    what = "the progress"
    exercises: Mapping[str, Exercise]

    def table(self, _: Console) -> RenderableType:
        """A row each."""
        from leaklab.reports.check_report import progress_report

        return progress_report(self.exercises)


@dataclass(frozen=True, slots=True)
class ListReport(Report):
    """The scenarios, each with what is broken about it (None: nothing)."""

    what = "the list"
    listed: Sequence[tuple[Entry, str | None]]

    def table(self, _: Console) -> RenderableType:
        """A row each."""
        from leaklab.reports.table import scenario_list

        return scenario_list(self.listed)


@dataclass(frozen=True, slots=True)
class ValidationReport(Report):
    """Whether scenarios keep their word."""

    what = "a validation"
    validations: Sequence[Validation]

    def table(self, _: Console) -> RenderableType:
        """A line each, and one for each problem."""
        from rich.console import Group

        from leaklab.reports.validated import validation_line

        return Group(*map(validation_line, self.validations))


@dataclass(frozen=True, slots=True)
class DoctorReport(Report):
    """What works on this machine."""

    what = "a checkup"
    checks: Sequence[HealthCheck]

    def table(self, _: Console) -> RenderableType:
        """A row each, with its remedy."""
        from leaklab.reports.checkup import checkup

        return checkup(self.checks)

    def json(self) -> Document:
        """The checkup document."""
        from leaklab.reports.checkup import checkup_document

        return checkup_document(self.checks)
