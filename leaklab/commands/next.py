"""`next`: the next exercise is opened."""

from datetime import UTC, datetime
from pathlib import Path

from leaklab.commands import options, output
from leaklab.commands.task import how_to_measure, kept
from leaklab.content.languages import PYTHON


def command(directory: options.Folder = Path(), lang: options.Lang = None, scenarios: options.Scenarios = None) -> None:
    """Open the next exercise: the first one that is not solved."""
    from leaklab.content.catalog import Catalog
    from leaklab.workshop.course import open_next

    course = Catalog(scenarios).select([], options.language_of(lang) or PYTHON)
    opened = open_next(course, directory, datetime.now(UTC), scenarios)
    if opened is None:
        output.show_text(
            "All exercises of the course are solved. Well done.\n"
            "  leaklab progress      shows them\n"
            "  leaklab reset FILE    starts one over\n"
            "  leaklab new NAME DIR  begins a scenario of your own\n"
        )
        return
    ahead, written = opened
    path = directory / ahead.name
    done = f"Created {path}. The task is at the top of the file."
    if not written:
        done = f"{path} is started and not solved yet." if ahead.started else kept(path)
    output.show_text(
        f"Exercise {ahead.place} of {ahead.length}: {ahead.entry.id}\n{done}\n{how_to_measure(path, scenarios)}"
    )
