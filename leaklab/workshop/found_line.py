"""What a check found of a file's leak, in a sentence for its hints: the line that it comes from, and what keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaklab.metrics import METRICS, FindingKind, Judge

if TYPE_CHECKING:
    from leaklab.explain.evidence import CodeSite
    from leaklab.workshop.check_result import CheckResult

WHAT = {
    FindingKind.LEAKED: "what is left",
    FindingKind.HELD: "what is held",
    FindingKind.WASTED: "what is not reused",
    FindingKind.STALLED: "what comes too late",
}
"""What a line is to blame for, by the kind of finding."""


def found_line(checked: CheckResult) -> str:
    """The line that opened what the check found, and what keeps it; empty if no line is known."""
    finding = checked.finding
    if finding is None:
        return ""
    one = next((one for one in finding.evidence if one.place is not None), None)
    if one is None or (line := one.place) is None:
        return ""
    metric = METRICS[finding.metric]
    did = "is where it waits" if line == one.waits_at else f"{metric.made} {WHAT[finding.kind]}"
    words = f"{_place(line, checked.file.name)} {did}: {line.code}"
    if one.waits_at is None and one.kept_by is not None:
        return f"{words}\nIt is kept by {one.kept_by.chain} ({one.kept_by.root}, {one.kept_by.through})."
    if one.note and one.waits_at is None:
        return f"{words}\n{'Then:' if metric.judge is Judge.REUSE else 'It is kept by'} {one.note}."
    return words


def _place(line: CodeSite, own: str) -> str:
    return f"line {line.line}" if line.file == own else f"{line.file}, line {line.line},"
