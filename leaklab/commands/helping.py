"""The classes of the commands: help in plain text, and values that are taken as they are typed."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any  # Typer has no public name for the context, the formatter and the parameters

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from leaklab.errors import UsageError


class PlainCommand(TyperCommand):
    """A command whose help has a line for each argument and option, and no types; one option has one value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what was typed.

        Raises UsageError if an option that takes one value is given twice, or another command's are not set apart.
        """
        if not ctx.resilient_parsing:
            # Typer would take the last value, without a word.
            try:
                order: list[Any] = self.make_parser(ctx).parse_args(args=[*args])[2]
            except TyperException:
                if "--" in args or not any(piece.startswith("-- ") for piece in self.collect_usage_pieces(ctx)):
                    raise
                usage = f"leaklab {ctx.info_name} {' '.join(self.collect_usage_pieces(ctx))}"
                raise UsageError(f"write -- before the command, so that its options are its own: {usage}") from None
            for number, one in enumerate(order):
                single = one.param_type_name == "option" and not one.is_flag and not one.multiple
                if single and one in order[:number]:
                    raise UsageError(f"{max(one.opts, key=len)} is given twice: leave one of them out")
        _take_as_typed(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`[OPTIONS] NAME`: arguments as their metavar writes them."""
        return ["[OPTIONS]", *(one.metavar or "" for one in self.get_params(ctx) if one.param_type_name == "argument")]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options as one list."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_dl(_rows(self.get_params(ctx), ctx))


class GroupedCommands(TyperGroup):
    """The commands of leaklab, listed by group, and then its own options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the command."""
        _take_as_typed(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a list of commands for each group (their `rich_help_panel`), in order, and one of options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        width = max(map(len, self.commands))
        for name in self.list_commands(ctx):
            one: Any = self.get_command(ctx, name)
            sections.setdefault(one.rich_help_panel, []).append((name.ljust(width), one.help))
        sections["Options"] = _rows(self.get_params(ctx), ctx)
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)


def _rows(parameters: list[Any], ctx: Any) -> list[tuple[str, str]]:
    """How each argument or option is written, and its help."""
    return [
        (one.metavar, one.help) if one.param_type_name == "argument" else one.get_help_record(ctx) for one in parameters
    ]


KINDS: dict[Any, Any] = {str: str, Path: Path, list[str]: str, list[Path]: Path}
"""What makes a value of what was typed, by the annotation of the parameter."""


def _take_as_typed(parameters: list[Any]) -> None:
    """Have these make their values themselves, where they are text, paths or lists of these.

    Typer 0.29 imports pydantic to make every value but a flag's: 58 ms, as long as Typer's own import takes, and there
    is no option to do without (typer/_coercion.py). Values that are not plain, and errors, are still left to Typer.
    """
    for one in parameters:
        # Click's public hook of a parameter (its documentation of `Parameter.process_value`).
        one.process_value = partial(_process, one, one.process_value)


def _process(one: Any, by_typer: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    try:
        value = _as_typed(one, value)
    except (AttributeError, LookupError, TypeError, ValueError):
        return by_typer(ctx, value)
    return value if one.callback is None else one.callback(ctx, one, value)


def _as_typed(one: Any, value: Any) -> Any:
    """The value of a parameter. Raises LookupError or ValueError if it is not plain."""
    if not value and one.required:
        raise LookupError
    is_list = one.multiple or one.nargs == -1
    if value is None:
        return () if is_list else None
    about = one.type_descriptor.parameter_info
    make, texts = about.parser or KINDS[one.type_descriptor.annotation], value if is_list else [value]
    # Where a name may be too long, pathlib would raise.
    if make is Path and about.readable and any(os.path.exists(text) and not os.access(text, os.R_OK) for text in texts):  # noqa: PTH110
        raise LookupError
    made = [make(text) for text in texts]
    return made if is_list else made[0]
