"""What is said of a file that cannot be run: Python's own words where Python refuses it, and a remedy of its own."""

from __future__ import annotations

import codecs
import subprocess
import sys
from pathlib import Path

import pytest

from leaklab.content.catalog import Catalog
from leaklab.measure.run_trace import ErrorLine, Raised
from leaklab.workshop.check_result import CheckResult
from leaklab.workshop.plain_code import rejection
from leaklab.workshop.remedies import FIX_THE_LINE, NEEDS_RUN, remedy_of_run, remedy_of_shadow

ENTRY = Catalog().get("unclosed-body")
HALF = b"def run(urls):\n    return []\n"
LATIN = "# café\n".encode("latin-1")


def rejected(folder: Path, source: bytes) -> CheckResult:
    file = folder / "half.py"
    file.write_bytes(source)
    found = rejection(ENTRY, file)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "source",
    [
        LATIN + HALF,
        HALF + b'x = "' + LATIN,
        b"x = (\n" + LATIN,
        HALF + "# é".encode() + b"\xff\n",
        codecs.BOM_UTF16_LE + HALF.decode().encode("utf-16-le"),
        codecs.BOM_UTF16_BE + HALF.decode().encode("utf-16-be"),
        HALF + b"x = 1\0\n",
        b"# coding: nosuch\n" + HALF,
        b"#!/usr/bin/python\n# -*- coding: ascii -*-\n" + LATIN + HALF,
        b"# coding: rot13\n" + HALF,
        b"# coding: utf-8\nx = '" + LATIN,
        b"def run(urls):\n\tif urls:\n        return 1\n",
        b"def run(urls:\n    pass\n",
        b"def run(urls):\nreturn 1\n",
    ],
    ids=range(14),
)
def test_what_python_refuses_is_refused_with_the_same_words(tmp_path: Path, source: bytes) -> None:
    found = rejected(tmp_path, source)
    python = subprocess.run([sys.executable, str(found.file)], capture_output=True, check=False)
    assert python.returncode == 1
    words = python.stderr.decode(errors="replace").strip().splitlines()[-1]
    assert found.reason == f"it cannot be imported: {words}"


@pytest.mark.parametrize(
    "source",
    [b"# coding: latin-1\n" + LATIN + HALF, b"# coding: utf-8\n" + LATIN + HALF, codecs.BOM_UTF8 + HALF, HALF],
    ids=["its own encoding", "a comment that is declared", "a mark", "plain"],
)
def test_what_python_takes_is_taken(tmp_path: Path, source: bytes) -> None:
    file = tmp_path / "half.py"
    file.write_bytes(source)
    assert subprocess.run([sys.executable, str(file)], check=False).returncode == 0
    assert rejection(ENTRY, file) is None


NEWER = [
    ("except ValueError, TypeError:", "3.14", "try:\n    pass\nexcept ValueError, TypeError:\n    pass\n"),
    ("t-string", "3.14", "x = t'a {1}'\n"),
    ("lazy import", "3.15", "lazy import json\n"),
    ("type", "3.12", "type Number = int\n"),
    ("generic function", "3.12", "def first[T](items):\n    pass\n"),
    ("default of a type", "3.13", "class Box[T = int]:\n    pass\n"),
    ("quotes in an f-string", "3.12", "x = f'{'a'}'\n"),
]


@pytest.mark.parametrize(("since", "source"), [row[1:] for row in NEWER], ids=[row[0] for row in NEWER])
def test_syntax_of_a_newer_python_is_named_with_its_version(tmp_path: Path, since: str, source: str) -> None:
    if sys.version_info[:2] >= tuple(map(int, since.split("."))):
        pytest.skip("this Python knows it")
    found = rejected(tmp_path, source.encode())
    assert f"That is syntax of Python {since}" in found.remedy
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}" in found.remedy


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (codecs.BOM_UTF16_LE + HALF.decode().encode("utf-16-le"), "It is saved as UTF-16. Save it as UTF-8"),
        (codecs.BOM_UTF32_LE + HALF.decode().encode("utf-32-le"), "It is saved as UTF-32. Save it as UTF-8"),
        (HALF.decode().encode("utf-16-le"), "It is saved as UTF-16 or UTF-32"),
        (LATIN + HALF, "Save it as UTF-8, or name its encoding"),
        (b"def run(urls):\n\tif urls:\n        return 1\n", "tabs (→) and with spaces"),
        (b"def run(urls:\n    pass\n", FIX_THE_LINE),
    ],
    ids=["utf-16", "utf-32", "utf-16 without a mark", "latin-1", "tabs", "syntax"],
)
def test_each_has_a_remedy_of_its_own(tmp_path: Path, source: bytes, words: str) -> None:
    assert words in rejected(tmp_path, source).remedy


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class Fetcher:\n    def run(self, urls):\n        pass\n", "run is a method of the class Fetcher"),
        ("if __name__ == '__main__':\n    def run(urls):\n        pass\n", "run is inside of an `if`"),
        ("def main():\n    def run(urls):\n        pass\n", "run is inside of the function main"),
        ("def walk(urls):\n    pass\n", NEEDS_RUN),
        ("", NEEDS_RUN),
    ],
)
def test_a_run_that_is_not_found_is_told_where_it_is(source: str, words: str) -> None:
    assert remedy_of_run(source.encode()).startswith(words)


@pytest.mark.parametrize(
    ("name", "source", "message", "beside"),
    [
        ("half.py", "import requests", "module 'requests' has no attribute 'get'", "requests.py"),
        ("half.py", "from requests import get", "cannot import name 'get' from 'requests'", "requests.py"),
        ("half.py", "import logging", "module 'random' has no attribute 'randrange'", "random.py"),
        ("half.py", "import pymongo.errors", "No module named 'pymongo.errors'", "pymongo/"),
    ],
)
def test_a_file_that_is_imported_in_place_of_a_module_is_named(
    tmp_path: Path, name: str, source: str, message: str, beside: str
) -> None:
    shadow = tmp_path / beside.rstrip("/")
    if beside.endswith("/"):
        shadow.mkdir()
    else:
        shadow.touch()
    remedy = remedy_of_shadow(tmp_path / name, source.encode(), Raised(("AttributeError",), message))
    assert f"is {shadow.name}, beside your file, and not the module {shadow.stem}" in remedy


def test_a_file_that_has_the_name_of_a_module_it_imports_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "requests.py"
    file.write_text("import requests\n")
    remedy = remedy_of_shadow(file, file.read_bytes(), Raised(("AttributeError",), "no attribute 'get'"))
    assert remedy.startswith("What is imported as requests is this file itself")


def test_neighbours_that_shadow_nothing_or_have_nothing_to_do_with_it_are_not_named(tmp_path: Path) -> None:
    for name in ("helpers.py", "random.py"):
        (tmp_path / name).touch()
    places = (ErrorLine(str(tmp_path / "helpers.py"), 3),)
    source = b"import helpers\nimport requests\n"
    assert remedy_of_shadow(tmp_path / "half.py", source, Raised(("ValueError",), "no helpers", places)) == ""


def test_a_long_word_in_a_message_is_no_name_of_a_file(tmp_path: Path) -> None:
    assert remedy_of_shadow(tmp_path / "half.py", b"import os\n", Raised(("ValueError",), "x" * 300)) == ""
