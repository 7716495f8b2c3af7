"""Files in folders that others write in, too: read without waiting, written whole, and no other file is touched."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from leaklab.system.files import LONGEST_FILE, create_whole, read_regular, remove_unfinished, write_whole


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        # Its path may be too long for the system, but not from within its folder.
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            bound.bind(path.name)
        finally:
            os.chdir(here)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkdir, "it is a folder, not a regular file"),
        (os.mkfifo, "it is a FIFO, not a regular file"),
        (a_socket, "it is a socket, not a regular file"),
        (lambda path: path.symlink_to(os.devnull), "it is a device, not a regular file"),
        (lambda path: path.write_bytes(b"x" * (LONGEST_FILE + 1)), "it has more than 1,048,576 bytes"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
    ids=["folder", "fifo", "socket", "device", "too long", "loop"],
)
def test_what_is_no_regular_file_is_refused_at_once_and_in_words(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    """A FIFO that nobody writes to would be waited for without end."""
    make(tmp_path / "it")
    with pytest.raises(OSError, match=words.replace("(", r"\(")) as raised:
        read_regular(tmp_path / "it")
    assert raised.value.strerror == words


def test_a_link_is_followed_only_if_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"text")
    (tmp_path / "link").symlink_to("real")
    assert read_regular(tmp_path / "link") == b"text"
    with pytest.raises(OSError, match="it is a link, not a regular file"):
        read_regular(tmp_path / "link", follow=False)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
@pytest.mark.parametrize("write", [write_whole, create_whole])
def test_the_permissions_are_0644_less_the_umask(
    tmp_path: Path, umask: int, write: Callable[[Path, bytes], None]
) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / "it", b"text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "it").stat().st_mode) == 0o644 & ~umask


def test_a_link_with_the_name_is_replaced_and_its_target_is_kept(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"precious")
    (tmp_path / "it").symlink_to("real")
    write_whole(tmp_path / "it", b"new")
    assert (tmp_path / "real").read_bytes() == b"precious"
    assert (tmp_path / "it").read_bytes() == b"new"


def test_what_is_there_is_never_created_not_even_over_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "it").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        create_whole(tmp_path / "it", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


WRITES = """
import resource, sys
from pathlib import Path
from leaklab.system.files import create_whole, write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    {function}(Path(sys.argv[1]), b"x" * 100)
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("function", ["write_whole", "create_whole"])
def test_what_cannot_be_written_whole_is_removed_and_the_old_content_stays(tmp_path: Path, function: str) -> None:
    """As on a disk that is full: here a file may not have more than 10 bytes."""
    there = tmp_path / "there"
    there.write_bytes(b"old")
    path = there if function == "write_whole" else tmp_path / "new"
    said = subprocess.run(
        [sys.executable, "-c", WRITES.format(function=function), str(path)], capture_output=True, text=True, check=True
    )
    assert said.stdout == "File too large\n"
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"there": b"old"}


def test_a_file_may_have_the_longest_name_there_is(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    write_whole(path, b"text")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_only_what_a_killed_writer_of_that_file_left_is_removed(tmp_path: Path) -> None:
    left = [".it.0123456789abcdef.tmp", ".it.tmp", ".it.0123456789abcdeg.tmp", ".other.0123456789abcdef.tmp", "it"]
    for name in left:
        (tmp_path / name).touch()
    remove_unfinished(tmp_path / "it")
    assert {path.name for path in tmp_path.iterdir()} == set(left[1:])
