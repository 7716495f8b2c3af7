"""Golden files: the sentences of each report are pinned once, in tests/golden, and nowhere else.

`LEAKLAB_GOLDEN=write pytest tests/unit` writes them anew, for a look at the diff; CI refuses that.
"""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType

FOLDER = Path(__file__).parents[1] / "golden"


def assert_golden(name: str, text: str) -> None:
    """Compare `text` with the golden file of this name; trailing blanks do not count."""
    file = FOLDER / f"{name}.txt"
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    if os.environ.get("LEAKLAB_GOLDEN") == "write":
        assert "CI" not in os.environ, "golden files are written by people, who look at the diff"
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file} differs; LEAKLAB_GOLDEN=write pytest rewrites it"


def rendered(what: RenderableType, width: int = 80, *, terminal: bool = False) -> str:
    """What a console of this width shows."""
    out = StringIO()
    colours = "standard" if terminal else None
    Console(width=width, file=out, force_terminal=terminal, color_system=colours, highlight=False).print(what)  # type: ignore[arg-type] # a Literal or None
    return out.getvalue()


def sections(**parts: str) -> str:
    """Parts of a golden file, each below its name."""
    return "\n".join(f"==== {name.replace('_', ' ')}\n{text.rstrip()}\n" for name, text in parts.items())
