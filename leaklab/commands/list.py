"""`list`: the scenarios there are."""

from pathlib import Path
from typing import Annotated

from leaklab.commands import options, output
from leaklab.content.languages import PYTHON
from leaklab.errors import ExitCode
from leaklab.reports.formats import LIST


def command(
    lang: options.Lang = None,
    scenarios: options.Scenarios = None,
    form: Annotated[options.Text, options.format_of(LIST)] = None,
    file: options.Output = None,
) -> ExitCode:
    """List the scenarios, and how far you are with them in this folder."""
    from leaklab.content.catalog import Catalog
    from leaklab.workshop.progress_file import ProgressFileError, load

    target = output.destination(LIST, form, file)
    catalog = Catalog(scenarios)
    listed = [(entry, entry.error) for entry in catalog.select([], options.language_of(lang) or PYTHON)]
    exercises, unreadable = {}, []
    try:
        exercises = load(Path())
    except ProgressFileError as error:
        unreadable = [str(error)]
    target.show(entries=listed, exercises=exercises)
    output.complain(*catalog.problems, *unreadable)
    broken = catalog.problems or any(error for _, error in listed)
    return ExitCode.NOT_AS_EXPECTED if broken else ExitCode.DONE
