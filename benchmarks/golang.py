"""How exact the counts of halves in Go are: every scenario several times, also while every core is kept busy.

Prints a table for each load: the least and the most of what tells, over all runs. Which Go it is, LEAKLAB_GO says:

    python -m benchmarks.golang [--runs 10] [--busy] [--lang go] [NAME…]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime

from benchmarks.accuracy import busy_cores
from leaklab.content.catalog import Catalog
from leaklab.content.languages import LANGUAGES
from leaklab.golang.toolchain import toolchain
from leaklab.lab.pair import run_scenario
from leaklab.lab.result import HalfResult, half_label
from leaklab.lab.run_options import RunOptions
from leaklab.metrics import METRICS
from leaklab.reports.rows import verdict_words

SHOWN = {
    "open_sockets": ("peak", "collected"),
    "connections_opened": ("collected",),
    "open_cursors": ("peak", "collected"),
    "goroutines": ("peak", "collected"),
    "rss": ("end", "collected"),
    "elapsed": ("peak",),
}
"""The metrics and their moments, above the baseline."""


def range_of(half: HalfResult, metric: str, moment: str) -> str:
    """The least and the most over all runs, above the baseline; a dash where it was not counted."""
    pairs = zip(half.values(metric, moment), half.values(metric, "baseline"), strict=False)
    rises = [value - baseline for value, baseline in pairs]
    if not rises:
        return "–"
    least, most = (METRICS[metric].format(max(0, rise)) for rise in (min(rises), max(rises)))
    return least if least == most else f"{least} to {most}"


def main() -> None:
    """Run the scenarios, and print a row for each half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--lang", choices=[*LANGUAGES], default="go")
    given = parser.parse_args()
    columns = [f"{metric}, {moment}" for metric, moments in SHOWN.items() for moment in moments]
    print(f"Go {toolchain()}, {given.runs} runs, {'busy' if given.busy else 'quiet'}, {datetime.date.today()}\n")
    print("| scenario | half | verdict |", " | ".join(columns), "| ending |")
    print("| --- | --- | --- |", " | ".join(["---:"] * len(columns)), "| --- |", flush=True)
    with busy_cores() if given.busy else contextlib.nullcontext():
        for entry in Catalog().select(given.names, LANGUAGES[given.lang]):
            result = run_scenario(entry, entry.scenario.settings, RunOptions(repeat=given.runs), entry.halves)
            for name, half in result.halves.items():
                cells = [range_of(half, metric, moment) for metric, moments in SHOWN.items() for moment in moments]
                endings = sorted({run.trace.ending.words for run in half.runs} - {""})
                row = [entry.id, half_label(name), verdict_words(half), *cells, "; ".join(endings)]
                print("|", " | ".join(row), "|", flush=True)
            for surprise in result.surprises:
                print(f"<!-- {entry.id}, {surprise} -->", flush=True)


if __name__ == "__main__":
    main()
