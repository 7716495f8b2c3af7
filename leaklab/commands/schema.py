"""`schema`: the form of what is printed as JSON."""

from __future__ import annotations

from leaklab.commands import output


def command() -> None:
    """Print the JSON Schema of every --json document."""
    from leaklab.reports import document
    from leaklab.reports.formats import json_text

    output.show_text(json_text(document.schema()))
