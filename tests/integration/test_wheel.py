"""What is installed from the wheel runs by itself: outside the checkout, with its scenarios in it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Command

SCENARIOS = ["unclosed_body", "close_in_loop", "open_cursor", "unbounded_wait", "huge_array"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    if built.returncode != 0 and "Could not find a version that satisfies the requirement hatchling" in built.stderr:
        pytest.skip("the build backend cannot be fetched: pip finds no hatchling")
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("leaklab-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, whose dependencies are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    # A path is all that the .pth file adds: the .pth files in there, an editable leaklab's too, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps",
            "--no-index", "--ignore-installed", str(wheel),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def from_wheel(leaklab: Command, installed: Path, tmp_path: Path) -> Command:
    """The installed command, in an empty folder."""
    leaklab.start_with = (str(installed / "bin" / "leaklab"),)
    leaklab.cwd = tmp_path / "empty"
    leaklab.cwd.mkdir()
    return leaklab


def test_the_wheel_holds_the_scenarios_the_templates_the_types_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in SCENARIOS:
        for file in ("scenario.py", "leaky.py", "fixed.py", "lesson.md"):
            assert f"leaklab/scenarios/{folder}/{file}" in names
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "leaklab/reports/templates").iterdir()}
    assert templates
    assert templates <= names
    assert "leaklab/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    places = {name.split("/")[0] for name in names}
    assert {place for place in places if not place.endswith(".dist-info")} == {"leaklab"}
    assert not [name for name in names if "/test_" in name or "tests/" in name or "__pycache__" in name]
    assert {"leaklab/explain/hook/sitecustomize.py", "leaklab/measure/connect_shim.c"} <= names


def test_leaklab_is_taken_from_the_wheel_and_not_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    asked = subprocess.run(
        [installed / "bin" / "python", "-c", "import leaklab; print(leaklab.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert Path(asked.stdout.strip()).is_relative_to(installed)


def test_list_works_from_the_wheel_in_an_empty_folder(from_wheel: Command) -> None:
    finished = from_wheel("list")
    assert (finished.code, finished.stderr) == (0, "")
    for folder in SCENARIOS:
        assert folder.replace("_", "-") in finished.stdout


def test_run_works_from_the_wheel_in_an_empty_folder_and_leaves_it_empty(from_wheel: Command) -> None:
    finished = from_wheel("run", "unclosed-body", "--steps", "7", "--json")
    assert (finished.code, finished.stderr) == (0, "")
    halves = finished.document["halves"]
    assert halves["leaky"]["metrics"]["open_sockets"]["collected"] == 7
    assert halves["fixed"]["metrics"]["connections_opened"]["collected"] == 1
    assert from_wheel.cwd is not None
    assert list(from_wheel.cwd.iterdir()) == []


def test_show_works_from_the_wheel_in_an_empty_folder(from_wheel: Command) -> None:
    finished = from_wheel("show", "unclosed-body")
    assert (finished.code, finished.stderr) == (0, "")
    assert "leaky.py" in finished.stdout
