"""`list`: the scenarios there are."""

from typing import Annotated

from leaklab.commands import options, output
from leaklab.errors import ExitCode
from leaklab.reports.formats import LIST


def command(
    scenarios: options.Scenarios = None,
    form: Annotated[options.Text, options.format_of(LIST)] = None,
    file: options.Output = None,
) -> ExitCode:
    """List the scenarios."""
    from leaklab.content.catalog import Catalog

    target = output.destination(LIST, form, file)
    catalog = Catalog(scenarios)
    listed = [(entry, entry.error) for entry in catalog.select([])]
    target.show(entries=listed)
    output.complain(*catalog.problems)
    broken = catalog.problems or any(error for _, error in listed)
    return ExitCode.NOT_AS_EXPECTED if broken else ExitCode.DONE
