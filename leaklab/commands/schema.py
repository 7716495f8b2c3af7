"""`schema`: the form of what is printed as JSON."""

from leaklab.commands import output
from leaklab.reports.formats import SCHEMA


def command() -> None:
    """Print the JSON Schema of every --json document."""
    output.destination(SCHEMA, "json", None).show()
