"""What was found in a session: collected from all its processes, written where it was asked for, summed up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from leaklab.testing.leak_findings import Leak
    from leaklab.testing.suite_options import SuiteOptions

LONG_S = 10.0
"""Seconds from which on it is told how long tests took that were run again."""

MAY_BE = {"leaked": "this may be a pool's", "wasted": "the server has ended each of them"}
"""What is said of a finding that is not beyond doubt, by its kind."""

Told = dict[str, Any]
"""A leak as it goes from one process to another: a LeakDocument (leaklab.reports.document) as plain values."""


@dataclass(eq=False, repr=False)
class SuiteOutcome:
    """The leaks of a session, in the order in which they were found.

    Attributes:
        found: all of them; of a worker of pytest-xdist, its own.
        trouble: what could not be written, and why.
        again: how many tests were run again, and the seconds that this took.
    """

    options: SuiteOptions
    is_worker: bool = False
    found: list[Told] = field(default_factory=list)
    trouble: str = ""
    again: tuple[int, float] = (0, 0.0)

    def ran_again(self, seconds: float, tests: int = 1) -> None:
        """Tests were run again, which took so many seconds in all."""
        self.again = self.again[0] + tests, self.again[1] + seconds

    def sent(self) -> dict[str, Any]:
        """All of this, for the process that started this worker."""
        return {"found": self.found, "again": list(self.again)}

    def take(self, sent: dict[str, Any] | None) -> None:
        """Add what a worker has sent; None if it ended early."""
        if sent is not None:
            self.found += sent["found"]
            tests, seconds = sent["again"]
            self.ran_again(seconds, tests)

    def add(self, test: str, leaks: Sequence[Leak], reports: Sequence[pytest.TestReport] = ()) -> None:
        """Add the leaks of a test, or of a fixture; those of a test to its reports, too, for JUnit's file."""
        if not leaks:
            return
        import msgspec

        from leaklab.testing.leak_report import summary_of

        for one in leaks:
            finding = msgspec.to_builtins(one.finding)
            self.found.append({"test": test, "certain": one.certain, "known": one.known, "finding": finding})
        for report in reports:
            report.user_properties += [("leaklab", summary_of(one.finding)) for one in leaks]

    def write(self) -> bool:
        """Write the baseline and the report, if they were asked for. If that fails, the summary says so."""
        for option, (path, text) in {
            "--leaklab-baseline": (self.options.written_baseline, self._baseline),
            "--leaklab-output": (self.options.output, self._report),
        }.items():
            if path is not None:
                from leaklab.system.files import write_whole

                try:
                    write_whole(path, text().encode())
                except OSError as error:
                    self.trouble = f"{option}={path}: it cannot be written: {error.strerror}"
        return not self.trouble

    def _baseline(self) -> str:
        from leaklab.testing.known_leaks import baseline_text, known_by

        return baseline_text(filter(None, (known_by(finding) for _, finding in self._findings())))

    def _report(self) -> str:
        if self.options.form == "github":
            return "".join(f"{line}\n" for line in self._annotations())
        import json

        from leaklab.reports.document import leaks_document

        return json.dumps(leaks_document(self.found), indent=2) + "\n"

    def _annotations(self) -> Iterator[str]:
        from leaklab.testing.leak_report import annotation

        for told, finding in self._findings():
            if not told["known"]:
                yield annotation(finding, told["test"], is_error=told["certain"])

    def _findings(self) -> Iterator[tuple[Told, Any]]:
        if self.found:
            import msgspec

            from leaklab.judge.findings import Finding

            yield from ((told, msgspec.convert(told["finding"], Finding)) for told in self.found)

    def summarize(self, terminal: Any) -> None:
        """Say what no failure says: what may be a pool's, how many leaks are known, what was written."""
        options = self.options
        known = sum(told["known"] for told in self.found)
        doubtful = [told for told in self.found if not told["certain"] and not told["known"]]
        lines = [f"{told['test']}: {told['finding']['reason']}; {_doubt(told['finding'])}" for told in doubtful]
        if known and not options.writes_baseline:
            lines.append(f"{known} known {'leak' if known == 1 else 'leaks'} ({options.baseline})")
        if options.writes_baseline and not self.trouble:
            lines.append(f"wrote {options.baseline}: {known} {'leak is' if known == 1 else 'leaks are'} known now")
        if options.output is not None and not self.trouble:
            lines.append(f"wrote {options.output}")
        lines += [self.trouble] if self.trouble else []
        if any(told["certain"] and not told["known"] for told in self.found):
            lines.append("to allow a leak: @pytest.mark.leaks(…), leaklab_ignore, or --leaklab-baseline=FILE")
        tests, seconds = self.again
        if seconds >= LONG_S:
            lines.append(f"{tests} {'test was' if tests == 1 else 'tests were'} run again, which took {seconds:.0f} s")
        if lines:
            terminal.section("leaklab")
            for line in lines:
                terminal.line(line)
        if options.form == "github" and options.output is None:
            for line in self._annotations():
                terminal.line(line)


def _doubt(finding: dict[str, Any]) -> str:
    once = "seen once, " if finding["kind"] == "leaked" and len(finding["work"]) == 1 else ""
    return f"{once}{MAY_BE[finding['kind']]}"
