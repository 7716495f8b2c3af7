"""The table of report formats: each report has formats that there are, and is shown or written in the chosen one."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaklab.commands.output import Destination, destination
from leaklab.errors import UsageError
from leaklab.reports import formats
from leaklab.reports.formats import Report

REPORTS = [report for report in vars(formats).values() if isinstance(report, Report)]
PAIR = Report("a pair", {"table": lambda a, **_: f"{a}\n", "json": lambda a, b: {"a": a, "b": b}})


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.what)
def test_every_format_of_a_report_is_in_the_table(report: Report) -> None:
    assert report.renderers
    assert set(report.renderers) <= {"table", "json", "markdown", "html", "svg"}


def test_the_format_is_the_one_that_was_asked_for_and_the_table_if_none_was() -> None:
    assert destination(PAIR, None, None) == Destination(PAIR, "table", None)
    assert destination(PAIR, "json", None, as_json=True, samples=True).format == "json"
    for form, options in (("markdown", {}), ("table", {"as_json": True}), (None, {"samples": True})):
        with pytest.raises(UsageError):
            destination(PAIR, form, None, **options)


def test_a_file_is_replaced_whole_also_where_a_link_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old, and longer than what comes")
    (tmp_path / "link").symlink_to("old.json")
    destination(PAIR, "json", tmp_path / "link").show(a=1, b=2)
    assert (tmp_path / "old.json").read_text() == '{\n  "a": 1,\n  "b": 2\n}\n'
    assert (tmp_path / "link").is_symlink()
    for nowhere in (tmp_path, tmp_path / "none" / "x", tmp_path / "old.json" / "x"):
        with pytest.raises(UsageError, match="--output"):
            destination(PAIR, None, nowhere)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old.json"]
