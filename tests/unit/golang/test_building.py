"""Building, with a script in place of Go: what is said of a half that does not compile, and what is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leaklab.errors import MeasureError
from leaklab.golang import building
from leaklab.golang.building import DRIVER, PROGRAMS_KEPT, STALE_S, Builder, BuildError, Complaint, NoDriverError
from leaklab.golang.toolchain import Toolchain

HALF = "package half\n\nfunc Run() {}\n"
BUILDS = '[ "$1" = build ] || exit 0; while [ "$1" != -o ]; do shift; done; echo built > "$2"'

Make = Callable[..., Builder]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make(BODY)` is a builder whose Go is a script that does so, and writes down how often it was called."""

    def builder(body: str = BUILDS, *, version: tuple[int, int, int] = (1, 26, 8)) -> Builder:
        go = tmp_path / "go"
        go.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/calls"\n{body}\n')
        go.chmod(0o755)
        return Builder(Toolchain(go, version, "on the PATH"), tmp_path / "cache", said.append)

    said: list[str] = []
    return builder


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().split() if path.exists() else []


def written(file: Path, text: str = HALF) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def complaints(make: Make, folder: Path, said: str) -> list[Complaint]:
    """The complaints of a compiler that says this of `mine.go`; HERE stands for its path."""
    half = folder / "mine.go"
    (folder / "said").write_text(said.replace("HERE", str(written(half))), encoding="utf-8")
    with pytest.raises(BuildError) as caught:
        make(f'cat "{folder}/said" >&2; exit 1').program(half)
    return caught.value.complaints


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("# leaklab/halves/h1/half\nHERE:10: declared and not used: x\n", [(10, "declared and not used: x")]),
        ("HERE:10:4: declared and not used: x\n", [(10, "declared and not used: x")]),
        ("HERE:3: one\nHERE:4: two\nHERE:5: too many errors\n", [(3, "one"), (4, "two"), (5, "too many errors")]),
        ("vet: HERE:7:2: undefined: y\n", [(7, "undefined: y")]),
        ("# main\nlab/h1/main.go:9:27: undefined: half.Run\n", [(0, "there is no function Run in it")]),
        (
            "halves/h1/half.go:4:1: expected 'package', found 'import'\n",
            [(3, "expected 'package', found 'import'")],
        ),
        ("../halves/h1/half.go:1:1: expected 'package', found 'EOF'\n", [(1, "expected 'package', found 'EOF'")]),
    ],
)
def test_what_the_compiler_says_of_a_half_is_known_by_line(
    make: Make, tmp_path: Path, said: str, wanted: list[tuple[int, str]]
) -> None:
    assert complaints(make, tmp_path, said) == wanted


def test_the_error_names_the_file_with_each_line(make: Make, tmp_path: Path) -> None:
    half = written(tmp_path / "mine.go")
    error = BuildError(half, [Complaint(3, "one"), Complaint(4, "two")])
    assert str(error) == "mine.go:3: one\nmine.go:4: two"


@pytest.mark.parametrize("said", ["go: cannot find GOROOT directory", ""])
def test_what_is_no_fault_of_the_half_is_an_error_of_the_measurement(make: Make, tmp_path: Path, said: str) -> None:
    builder = make(f"echo '{said}' >&2; exit 1")
    with pytest.raises(MeasureError) as caught:
        builder.program(written(tmp_path / "mine.go"))
    assert (said or "no reason was given") in str(caught.value)
    assert str(builder.go.command) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("package main\n", 1),
        ("// A half.\n\n/* of\nmine */\npackage main\n", 5),
        ("\ufeffpackage main\n", 1),
        ("//go:build linux\n\npackage main\n", 3),
    ],
)
def test_a_program_is_no_half_and_is_not_built(make: Make, tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(BuildError) as caught:
        make().program(written(tmp_path / "mine.go", text))
    assert [one.line for one in caught.value.complaints] == [line]
    assert calls(tmp_path) == []


def test_a_path_of_two_lines_is_refused(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    with pytest.raises(MeasureError, match="line break"):
        make().program(written(folder / "mine.go"))
    assert calls(tmp_path) == []


@pytest.mark.parametrize("name", ["fifo", "folder", "missing"])
def test_what_cannot_be_read_is_named(make: Make, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.go"
    if name == "fifo":
        os.mkfifo(path)
    elif name == "folder":
        path.mkdir()
    with pytest.raises(MeasureError, match=rf"{name}\.go cannot be read"):
        make().program(path)


def test_a_program_is_built_once_for_its_text(make: Make, tmp_path: Path) -> None:
    half = written(tmp_path / "mine.go")
    builder = make()
    first = builder.program(half)
    assert builder.program(half) == first
    assert calls(tmp_path) == ["build"]
    assert builder.program(written(half, HALF + "// changed\n")) != first
    assert calls(tmp_path) == ["build", "build"]


def test_a_program_is_another_for_another_file_and_another_go(make: Make, tmp_path: Path) -> None:
    """The file's path is in its stacks, and the version decides what the library does."""
    one, two = written(tmp_path / "one.go"), written(tmp_path / "two.go")
    programs = {make().program(one), make().program(two), make(version=(1, 27, 3)).program(one)}
    assert len(programs) == 3


def test_a_build_leaves_nothing_but_the_program(make: Make, tmp_path: Path) -> None:
    builder = make()
    builder.program(written(tmp_path / "mine.go"))
    assert [*builder.folder.glob("module/*/halves/*"), *builder.folder.glob("module/*/lab/h*")] == []


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(make: Make, tmp_path: Path) -> None:
    half = written(tmp_path / "mine.go")
    with pytest.raises(MeasureError):
        make("exit 1").program(half)
    assert [*(tmp_path / "cache").glob("module/*/halves/*")] == []
    assert make().program(half).is_file()


def test_the_programs_that_were_used_last_are_kept(make: Make, tmp_path: Path) -> None:
    builder = make()
    folder = builder.folder / "programs"
    folder.mkdir(parents=True)
    now = time.time()
    for number in range(PROGRAMS_KEPT):
        (folder / f"old{number}").touch()
        os.utime(folder / f"old{number}", (now - 1000 + number,) * 2)
    used = folder / "old0"
    os.utime(used)
    new = builder.program(written(tmp_path / "mine.go"))
    kept = {path.name for path in folder.iterdir()}
    assert len(kept) == PROGRAMS_KEPT
    assert {new.name, used.name} <= kept
    assert "old1" not in kept


def test_what_killed_builds_left_is_removed_later(make: Make, tmp_path: Path) -> None:
    builder = make()
    builder.program(written(tmp_path / "mine.go"))
    (module,) = (path for path in (builder.folder / "module").iterdir() if path.is_dir())
    left = [module / "halves" / "h1", module / "halves" / "h2", module / "lab" / "h1"]
    for path in left:
        path.mkdir(parents=True)
        (path / "file").touch()
    before = time.time() - STALE_S - 60
    for path in (left[0], left[2]):
        os.utime(path, (before, before))
    builder.program(written(tmp_path / "mine.go", HALF + "// changed\n"))
    assert [path.exists() for path in left] == [False, True, False]


def test_only_a_half_that_uses_the_driver_fetches_it_and_once(make: Make, tmp_path: Path) -> None:
    builder = make()
    builder.program(written(tmp_path / "mine.go"))
    assert calls(tmp_path) == ["build"]
    with_driver = HALF + f"// {DRIVER.decode()}\n"
    for text in (with_driver, with_driver + "// changed\n"):
        builder.program(written(tmp_path / "mine.go", text))
    assert [call for call in calls(tmp_path) if call == "mod"] == ["mod"]


def test_a_driver_that_cannot_be_fetched_is_missing_with_the_reason(make: Make, tmp_path: Path) -> None:
    builder = make('if [ "$1" = mod ]; then echo "no route to host" >&2; exit 1; fi')
    with pytest.raises(NoDriverError, match="no route to host"):
        builder.program(written(tmp_path / "mine.go", HALF + f"// {DRIVER.decode()}\n"))


def test_a_folder_that_cannot_be_written_is_named(make: Make, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(MeasureError) as caught:
        make().program(written(tmp_path / "mine.go"))
    assert str(tmp_path / "cache") in str(caught.value)


def test_the_module_is_written_in_the_language_of_the_go_that_builds_it(make: Make, tmp_path: Path) -> None:
    builder = make(version=(1, 27, 3))
    builder.program(written(tmp_path / "mine.go"))
    (module,) = builder.folder.glob("module/*/go.mod")
    assert "\ngo 1.27\n" in module.read_text()
    worker = Path("lab", "internal", "worker", "worker.go")
    assert (module.parent / worker).read_bytes() == (building.MODULE / worker).read_bytes()
