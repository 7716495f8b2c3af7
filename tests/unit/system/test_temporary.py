"""The folder of a half and its shared memory: what is its own is found and removed, and nothing else."""

from __future__ import annotations

import mmap
import os
import secrets
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


def test_what_is_noted_is_its_own_and_goes_with_its_folder(tmp_path: Path, segment: str) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    assert temporary.shared_memory(folder) == {}
    notes = f"{segment}\n{segment}\ngone\n../../etc/hosts\n..\n\n\udcff\n"
    (folder / temporary.NOTES).write_text(notes, errors="surrogateescape")
    assert temporary.shared_memory(folder) == {segment: 4096}
    temporary.remove(folder)
    assert segment not in temporary.shared_memory_there()
    assert not folder.exists()


def test_what_a_process_has_open_or_mapped_is_found(tmp_path: Path) -> None:
    path = temporary.SHARED_MEMORY / f"leaklab-test-{secrets.token_hex(4)}"
    with path.open("w+b") as file:
        try:
            file.truncate(4096)
            assert temporary.shared_memory_of([os.getpid()]) >= {path.name}
            mapped = mmap.mmap(file.fileno(), 4096)
            file.close()
            assert temporary.shared_memory_of([os.getpid()]) >= {path.name}
            mapped.close()
            assert path.name not in temporary.shared_memory_of([os.getpid()])
            assert path.name in temporary.shared_memory_there()
            temporary.remove(tmp_path / "none", [path.name])
            assert not path.exists()
        finally:
            path.unlink(missing_ok=True)
