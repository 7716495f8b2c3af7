"""Templates filled: what measured programs wrote is text there, and nothing that a browser would obey."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaklab.lab.result import half_label
from leaklab.reports import chart, figures, rows
from leaklab.units import printable

MOST_CHARACTERS = 600
"""Characters of one text that are shown: the output of a half may be one line of a million."""

# Vermilion and blue are told apart by every kind of colour vision, and have contrast on their paper.
LIGHT = {
    "ink": "#1b1f24", "faint": "#59636e", "grid": "#d5dbe1", "paper": "#fff", "limit": "#7a5200",
    "halves": {
        "leaky": "#c2410c", "fixed": "#0b5cad", "yours": "#00705a",
        "partial0": "#8b3f9e", "partial1": "#5c5f66", "partial2": "#a3195b",
    },
}  # fmt: skip
DARK = {
    "ink": "#e6e9ed", "faint": "#a3adb8", "grid": "#39414a", "paper": "#14171b", "limit": "#f2c46d",
    "halves": {
        "leaky": "#ff9157", "fixed": "#6db3f2", "yours": "#4fd0ad",
        "partial0": "#d6a0e8", "partial1": "#b5bac2", "partial2": "#f492b8",
    },
}  # fmt: skip


def filled(template: str, **data: object) -> str:
    """The template of this name with its data, in ASCII, so that any pipe can carry it and any server serve it."""
    return in_ascii(_environment().get_template(template).render(**data))


def in_ascii(text: str) -> str:
    """The text, with a reference for each other character."""
    return text.encode("ascii", "xmlcharrefreplace").decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "half_label": half_label,
        "rows": rows,
        "figures": figures,
        "chart": chart,
        "zip": zip,
        "set": set,
        "light": LIGHT,
        "dark": DARK,
    }
    return environment


def _shown(value: Any) -> Any:
    if hasattr(value, "__html__"):
        return value
    text = printable(str(value))
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
