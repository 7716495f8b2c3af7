"""The house: its rooms, which of them may import which, and that no name is taken twice (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import leaklab

HOUSE = Path(leaklab.__file__).parent
ROOMS = [
    "cli",
    "commands",
    "testing",
    "reports",
    "workshop",
    "doctor",
    "lab",
    "content",
    "judge",
    "explain",
    "measure",
    "services",
    "golang",
    "system",
    "ground",
]
"""From the top down: a room imports from itself and from rooms below it."""

GROUND = {"errors", "metrics", "sentences", "units"}
FACADES = {"__init__", "__main__", "scenario"}
"""Modules that belong to no room: the package, the program, and what scenario authors import."""

MODULES = {
    ".".join(path.relative_to(HOUSE.parent).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(HOUSE.rglob("*.py"))
    if "scenarios" not in path.parts
}


def room_of(module: str) -> str | None:
    """The room that a module is in; None for a facade."""
    room = [*module.split("."), "__init__"][1]
    return None if room in FACADES else "ground" if room in GROUND else room


def imports_of(tree: ast.AST) -> Iterator[str]:
    """The modules of leaklab that a module imports anywhere, also for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "leaklab":
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                yield inside if inside in MODULES or f"{inside}.__init__" in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "leaklab")


def test_every_module_is_in_a_room() -> None:
    assert {room_of(name) for name in MODULES} - {None} <= set(ROOMS)
    assert len(list(HOUSE.glob("*.py"))) <= 8


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    room = room_of(module)
    if room is None:
        return
    allowed = ROOMS[ROOMS.index(room) :]
    upward = {name for name in imports_of(MODULES[module]) if (room_of(name) or room) not in allowed}
    assert upward == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    reached: dict[str, set[str]] = {name: set(imports_of(tree)) & set(MODULES) for name, tree in MODULES.items()}
    while reached:
        free = {name for name, others in reached.items() if not others & set(reached)}
        assert free, f"a circle among {sorted(reached)}"
        reached = {name: others for name, others in reached.items() if name not in free}


def test_no_two_modules_have_one_name() -> None:
    names = Counter(name.rpartition(".")[2] for name in MODULES if not name.endswith(("__init__", "__main__")))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_two_classes_have_one_name() -> None:
    classes = Counter(
        node.name for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in classes.items() if count > 1] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_in_a_sentence_what_it_is_for(module: str) -> None:
    assert (ast.get_docstring(MODULES[module]) or "").split("\n")[0].endswith((".", ":"))
