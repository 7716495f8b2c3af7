"""`start`: an exercise is created."""

from datetime import UTC, datetime
from pathlib import Path

from leaklab.commands import options, output
from leaklab.commands.task import how_to_measure, kept


def command(
    name: options.Name,
    directory: options.Folder = Path(),
    lang: options.Lang = None,
    scenarios: options.Scenarios = None,
) -> None:
    """Create an exercise: the leaky half as a file of your own."""
    from leaklab.content.catalog import Catalog
    from leaklab.workshop import exercises

    entry = Catalog(scenarios).get(name, options.language_of(lang))
    path, written = exercises.start(entry, directory, datetime.now(UTC), scenarios)
    done = f"Created {path}. The task is at the top of the file." if written else kept(path)
    output.show_text(f"{done}\n{how_to_measure(path, scenarios)}")
