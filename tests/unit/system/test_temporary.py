"""The folder of a half and its shared memory: what is its own is found and removed, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path

import pytest

from leaklab.system import temporary

pytestmark = pytest.mark.skipif(not temporary.SHARED_MEMORY.is_dir(), reason="shared memory has no folder here")


@pytest.fixture
def segment() -> Iterator[str]:
    """The name of some shared memory that nobody has open."""
    made = shared_memory.SharedMemory(create=True, size=4096)
    resource_tracker.unregister(f"/{made.name}", "shared_memory")
    # Only memory that was written to takes any.
    os.pwrite(made._fd, b"x", 0)  # type: ignore[attr-defined] # it gives no other way
    made.close()
    yield made.name
    (temporary.SHARED_MEMORY / made.name).unlink(missing_ok=True)


def note(folder: Path, *lines: str) -> None:
    (folder / temporary.NOTES).write_text("".join(f"{line}\n" for line in lines), errors="surrogateescape")


def test_what_is_noted_is_its_own_and_goes_with_its_folder(tmp_path: Path, segment: str) -> None:
    folder, inode = tmp_path / "half", (temporary.SHARED_MEMORY / segment).stat().st_ino
    folder.mkdir()
    assert temporary.shared_memory(folder) == []
    note(
        folder, f"+{segment} {inode}", f"+{segment} 0", "+gone 0", "+../../etc/hosts 0", "+.. 0", "", "+ 0", "+\udcff 0"
    )
    assert temporary.shared_memory(folder) == [segment]
    temporary.remove(folder)
    assert not (temporary.SHARED_MEMORY / segment).exists()
    assert not folder.exists()


@pytest.mark.parametrize(
    "lines",
    [("+{name} {inode}", "-{name}"), ("+{name} {other}",), ("-{name}",), ("{name}",), ("+{name}",), ("+{name} x",)],
)
def test_what_is_not_its_own_any_more_or_never_was_is_kept(
    tmp_path: Path, segment: str, lines: tuple[str, ...]
) -> None:
    """A name may be given again, to what another program makes."""
    folder, inode = tmp_path / "half", (temporary.SHARED_MEMORY / segment).stat().st_ino
    folder.mkdir()
    note(folder, *(line.format(name=segment, inode=inode, other=inode + 1) for line in lines))
    assert temporary.shared_memory(folder) == []
    temporary.remove(folder)
    assert (temporary.SHARED_MEMORY / segment).exists()


def test_folders_may_be_deeper_than_python_goes(tmp_path: Path) -> None:
    folder, here = tmp_path / "half", Path.cwd()
    folder.mkdir()
    os.chdir(folder)
    try:
        for _ in range(1_500):
            os.mkdir("d" * 50)  # noqa: PTH102 # the whole path would be too long
            os.chdir("d" * 50)
    finally:
        os.chdir(here)
    temporary.remove(folder)
    assert not folder.exists()
