"""What is said of leaks that tests have: lines as pytest writes them, GitHub's annotations, one line for a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leaklab.explain.evidence import CodeSite
    from leaklab.judge.findings import Finding
    from leaklab.testing.leak_findings import Leak


def text_of(leaks: Sequence[Leak]) -> str:
    """All that is known of these, one after the other."""
    return "\n\n".join("\n".join(_lines_of(one.finding)) for one in leaks)


def _lines_of(finding: Finding) -> Iterator[str]:
    for one in finding.evidence:
        if one.opened is not None:
            yield f"{one.opened.file}:{one.opened.line}: in {one.opened.function or '?'}"
            if one.opened.code:
                yield f"    {one.opened.code}"
    yield from (f"  {line}" for line in details_of(finding))


def opened_at(finding: Finding) -> CodeSite | None:
    """The line that opened what leaks; None if it is not known."""
    return next((one.opened for one in finding.evidence if one.opened is not None), None)


def details_of(finding: Finding) -> Iterator[str]:
    """What was found, what it is, what keeps it and where it waits, without the line that opened it."""
    yield finding.reason
    for one in finding.evidence:
        yield f"{one.what}{f': {one.note}' if one.note else ''}"
        if one.kept_by is not None:
            yield f"kept by {one.kept_by.chain}  ({one.kept_by.root}, {one.kept_by.through})"
        if one.waits_at is not None:
            yield f"waits at {one.waits_at}  {one.waits_at.code}".rstrip()


def summary_of(finding: Finding) -> str:
    """One line: what, and which line opened it."""
    places = [f"{one.opened.file}:{one.opened.line}" for one in finding.evidence if one.opened is not None]
    return finding.reason + (f" ({', '.join(places)})" if places else "")


def annotation(finding: Finding, test: str, *, is_error: bool) -> str:
    """A workflow command of GitHub Actions, at the line that opened it.

    Source: GitHub's documentation, "Workflow commands for GitHub Actions", "Setting an error message".
    """
    place = opened_at(finding)
    where = "" if place is None else f"file={_escaped(place.file, ',:')},line={place.line},"
    text = "\n".join([test, *details_of(finding)])
    title = _escaped(finding.reason, ",:")
    return f"::{'error' if is_error else 'warning'} {where}title={title}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
