"""Where leaklab's own scenarios lie."""

from pathlib import Path


def built_in_folder() -> Path:
    """The folder of the built-in scenarios: inside the installed package, or beside it in a checkout."""
    inside = Path(__file__).resolve().parents[1] / "scenarios"
    return inside if inside.is_dir() else inside.parents[1] / "scenarios"
