"""`hint`: one more hint."""

from leaklab.commands import options, output
from leaklab.commands.task import locate


def command(file: options.File = None, scenarios: options.Scenarios = None) -> None:
    """Show the next hint for an exercise."""
    locate(file, scenarios=scenarios).show_hint(output.console())
