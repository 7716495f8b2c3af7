"""`hint`: one more hint."""

from leaklab.commands import options, output
from leaklab.commands.task import locate


def command(file: options.File = None) -> None:
    """Show the next hint for an exercise."""
    locate(file).show_hint(output.console())
