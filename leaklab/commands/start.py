"""`start`: an exercise is created."""

from datetime import UTC, datetime
from pathlib import Path

from leaklab.commands import options, output
from leaklab.units import as_argument


def command(name: options.Name, directory: options.Folder = Path(), scenarios: options.Scenarios = None) -> None:
    """Create an exercise: the leaky half as a file of your own."""
    from leaklab.content.catalog import Catalog
    from leaklab.workshop import exercises

    path, written = exercises.start(Catalog(scenarios).get(name), directory, datetime.now(UTC), scenarios)
    done = f"Created {path}. The task is at the top of the file." if written else f"Kept {path} as it was."
    named = as_argument(path)
    if scenarios is not None:
        named += f" --scenarios {as_argument(scenarios)}"
    output.show_text(
        f"{done}\n"
        "Edit it in any editor, then measure it:\n"
        f"  leaklab check {named}      once\n"
        f"  leaklab watch {named}      each time you save it\n"
    )
