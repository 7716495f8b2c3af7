"""Help in plain text: arguments and options in one list, commands by group."""

from typing import Any  # Typer has no public name for the context and the formatter that it hands over

from typer.core import TyperCommand, TyperGroup

from leaklab.errors import UsageError


class PlainCommand(TyperCommand):
    """A command whose help has a line for each argument and option, and no types; one option has one value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what was typed. Raises UsageError if an option that takes one value is given twice."""
        if not ctx.resilient_parsing:
            # Typer would take the last value, without a word.
            order: list[Any] = self.make_parser(ctx).parse_args(args=[*args])[2]
            for number, one in enumerate(order):
                single = one.param_type_name == "option" and not one.is_flag and not one.multiple
                if single and one in order[:number]:
                    raise UsageError(f"{max(one.opts, key=len)} is given twice: leave one of them out")
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
