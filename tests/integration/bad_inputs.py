"""Kinds of bad input, sort by sort: what is set up, what is typed, and what must be said of it."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from leaklab.units import printable
from leaklab.workshop.progress_file import STATE
from tests.integration.conftest import COULD_NOT_MEASURE, NOT_AS_EXPECTED, SCENARIOS, WRONG_USAGE

DONE = 0
EXERCISE = "unclosed_body.py"
LEAKY = (SCENARIOS / "unclosed_body" / "leaky.py").read_bytes()
FIXED = (SCENARIOS / "unclosed_body" / "fixed.py").read_bytes()
DIGITS = "9" * 400
SURROGATE = os.fsdecode(b"\xff")
"""What Python makes of a byte of the command line that is not UTF-8."""

Make = Callable[[Path], object]
Around = Callable[[Path], AbstractContextManager[object]]


def nothing(_folder: Path) -> None:
    """Set up nothing."""


@dataclass(frozen=True)
class Kind:
    """A kind of bad input.

    Attributes:
        id: what is bad, in words.
        typed: the command line, in a folder of its own; beside that there is `../outside`, with a file `theirs`.
        words: what must be said: the value that was wrong, and what to do.
        make: what is there before.
        code: the exit code.
        unsaid: what must not be said.
        new: the paths that may be new, changed or gone afterwards.
        around: what holds while it runs.
        env: the variables that are set.
        through: how a shell starts it, for what only a process of its own can have.
        shown: what must be said on standard output; elsewhere a refusal says nothing there.
    """

    id: str
    typed: tuple[str, ...]
    words: tuple[str, ...]
    make: Make = nothing
    code: int = WRONG_USAGE
    unsaid: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    around: Around = nullcontext
    env: Mapping[str, str] = field(default_factory=dict)
    through: str = 'exec "$@"'
    shown: str = ""


def files(**texts: str | bytes) -> Make:
    """Files of these names (`__` stands for a point) and contents."""

    def make(folder: Path) -> None:
        for name, text in texts.items():
            data = text if isinstance(text, bytes) else text.encode()
            (folder / name.replace("__", ".")).write_bytes(data)

    return make


def as_said(option: str, value: str) -> str:
    """An option with its value, as a message of one line repeats it."""
    return " ".join(printable(f"{option} {value}").split())


# ---- values of options

COUNTS = {
    "nothing": "",
    "a space": " ",
    "zero": "0",
    "a negative number": "-1",
    "a sign": "+5",
    "a fraction": "1.5",
    "an exponent": "1e3",
    "an underscore": "10_000",
    "a comma": "1,000",
    "one more than the most": "10000001",
    "400 digits": DIGITS,
    "nan": "nan",
    "inf": "inf",
    "digits of another script": "٣٤",
    "digits of full width": "５０",
    "a superscript": "5²",
    "a hexadecimal number": "0x10",
    "a space after it": "5 ",
    "a space before it": " 5",
    "a line feed after it": "5\n",
    "a word": "five",
    "a unit": "50steps",
    "markup": "[/bold]",
    "an undecodable byte": SURROGATE,
    "a control sequence": "\x1b[2J5",
    "text that runs backwards": "\u202e5",
}
STEPS = tuple(
    Kind(f"--steps with {what}", ("run", "unclosed-body", f"--steps={value}"), (as_said("--steps", value), "write"))
    for what, value in COUNTS.items()
)
REPEAT = tuple(
    Kind(
        f"--repeat with {what}",
        ("compare", "unclosed-body", f"--repeat={value}"),
        (as_said("--repeat", value), "write"),
    )
    for what, value in {**COUNTS, "one more than the most": "10001"}.items()
)

LIMITS = {
    "no value": ("time", "write --limit NAME=VALUE"),
    "nothing": ("", "write --limit NAME=VALUE"),
    "no name": ("=5s", "there is no limit ''"),
    "an empty value": ("time=", "write a number and a unit"),
    "a name in capitals": ("TIME=5s", "there is no limit 'TIME'"),
    "a space before the name": (" time=5s", "there is no limit ' time'"),
    "an unknown name": ("cpu=5s", "The limits of a half are time"),
    "markup as name": ("[/bold]=5s", "there is no limit '[/bold]'"),
    "two equals signs": ("time==5s", "write a number and a unit"),
    "no time": ("time=0", "write a duration"),
    "no time in a unit": ("time=0ms", "write a duration"),
    "a negative time": ("time=-1s", "write a number and a unit"),
    "a time that is nan": ("time=nan", "write a number and a unit"),
    "a time that is inf": ("time=inf", "write a number and a unit"),
    "a time with an exponent": ("time=1e3s", "write a number and a unit"),
    "a time of 400 digits": (f"time={DIGITS}", "write a number and a unit"),
    "a time of 200 digits": (f"time={DIGITS[:200]}", "write a duration, 1ms to 168h"),
    "a time with an unknown unit": ("time=5parsec", "write a number and a unit"),
    "a time in a unit of size": ("time=5MiB", "write a number and a unit"),
    "a time in digits of another script": ("time=٣s", "write a number and a unit"),
    "a time with a comma": ("time=1,5s", "write a number and a unit"),
    "a time of two units": ("time=1m30s", "write a number and a unit"),
    "a time above the most": ("time=169h", "write a duration, 1ms to 168h"),
    "a time below the least": ("time=1us", "write a duration, 1ms to 168h"),
    "a time with an undecodable byte": (f"time=5{SURROGATE}", "write a number and a unit"),
    "a negative memory": ("memory=-1MiB", "write a number and a unit"),
    "no memory": ("memory=0", "write a size"),
    "less than a byte": ("memory=0.5", "write a size"),
    "a memory in a unit of time": ("memory=5s", "write a number and a unit"),
    "a memory in per cent": ("memory=50%", "write a number and a unit"),
    "a memory of 400 digits": (f"memory={DIGITS}", "write a number and a unit"),
    "a memory beyond any machine": ("memory=2000TiB", "write a size, 1B to 1024TiB"),
    "no thread": ("threads=0", "write a whole number, 1 to"),
    "a fraction of a thread": ("threads=1.5", "write digits only"),
    "many threads": ("threads=10000001", "write a whole number, 1 to"),
    "threads in a unit": ("threads=1k", "write digits only"),
    "too few descriptors": ("fds=31", "write a whole number, 32 to"),
    "a negative number of descriptors": ("fds=-1", "write digits only"),
    "descriptors without end": ("fds=unlimited", "write digits only"),
    "no output": ("output=0", "write a size"),
    "an output of a word": ("output=none", "write a number and a unit"),
    "an output of 400 digits": (f"output={DIGITS}", "write a number and a unit"),
}
LIMIT = tuple(
    Kind(f"--limit with {what}", ("run", "unclosed-body", f"--limit={value}"), (as_said("--limit", value), words))
    for what, (value, words) in LIMITS.items()
)

SETS = {
    "no value": ("huge-array", "size", "write --set NAME=VALUE"),
    "nothing": ("huge-array", "", "write --set NAME=VALUE"),
    "no name": ("huge-array", "=1", "has no setting ''"),
    "an empty value": ("huge-array", "size=", "write a number and a unit"),
    "a name in capitals": ("huge-array", "SIZE=1MiB", "it has steps"),
    "the name of an attribute": ("huge-array", "declared=1", "has no setting 'declared': it has steps"),
    "a private name": ("huge-array", "__class__=1", "has no setting '__class__': it has steps"),
    "markup as name": ("huge-array", "[/bold]=1", "has no setting '[/bold]': it has steps"),
    "a size of zero": ("huge-array", "size=0", "write a size"),
    "a negative size": ("huge-array", "size=-1MiB", "write a number and a unit"),
    "a size that is nan": ("huge-array", "size=nan", "write a number and a unit"),
    "a size of 400 digits": ("huge-array", f"size={DIGITS}", "write a number and a unit"),
    "a size in a unit of time": ("huge-array", "size=5s", "write a number and a unit"),
    "more memory than there is": ("huge-array", "size=900TiB", "more than this machine can spare"),
    "too little to be judged": ("huge-array", "size=1MiB", "too small to judge"),
    "a duration of zero": ("unbounded-wait", "hang=0", "write a duration"),
    "a duration that is inf": ("unbounded-wait", "hang=inf", "write a number and a unit"),
    "a hang shorter than the deadline": ("unbounded-wait", "hang=400ms", "2 × the deadline"),
    "a number for a choice": ("unbounded-wait", "dead=-1", "choose drip, drip-head or silent"),
    "steps where there are none": ("unbounded-wait", "steps=5", "has no setting 'steps'"),
}
SET = tuple(
    Kind(
        f"--set with {what}",
        ("run", name, f"--set={value}"),
        (*([as_said("--set", value)] if words.startswith(("write", "choose")) else []), words),
    )
    for what, (name, value, words) in SETS.items()
)

RUN = ("run", "unclosed-body")
CHECK = ("check", "mine.py", "--scenario", "unclosed-body")
MINE = files(mine__py=FIXED)
PAIRS = (
    Kind(
        "--limit of one name twice",
        (*RUN, "--limit", "time=5s", "--limit", "time=6s"),
        ("--limit time is given twice", "leave one"),
    ),
    Kind(
        "--set of one name twice",
        ("run", "huge-array", "--set", "size=64MiB", "--set", "size=65MiB"),
        ("--set size is given twice", "leave one"),
    ),
    Kind(
        "--steps and --set steps",
        (*RUN, "--steps", "5", "--set", "steps=5"),
        ("--steps 5 and --set steps=5", "leave one"),
    ),
    Kind("--steps twice", (*RUN, "--steps", "5", "--steps", "6"), ("--steps", "twice", "leave one")),
    Kind("--repeat twice", (*RUN, "--repeat", "2", "--repeat", "3"), ("--repeat", "twice", "leave one")),
    Kind(
        "--scenario twice",
        ("check", "mine.py", "--scenario", "unclosed-body", "--scenario", "huge-array"),
        ("--scenario", "twice", "leave one"),
        MINE,
    ),
    Kind("--output twice", ("list", "-o", "a", "-o", "b"), ("--output", "twice", "leave one")),
    Kind("--format twice", ("compare", "--format", "json", "--format", "table"), ("--format", "twice", "leave one")),
    Kind("--json with another format", (*RUN, "--json", "--format", "table"), ("--json and --format table", "leave")),
    Kind("--format of nothing", (*RUN, "--format", ""), ("--format", "Choose table or json or markdown")),
    Kind("--format in capitals", (*RUN, "--format", "JSON"), ("--format JSON", "Choose table or json or markdown")),
    Kind("--format with markup", (*RUN, "--format", "[/bold]"), ("--format [/bold]", "Choose table")),
    Kind("--format with an undecodable byte", (*RUN, "--format", SURROGATE), ("--format", "Choose table")),
    Kind(
        "--format that a check has not", (*CHECK, "--format", "markdown"), ("--format markdown", "Choose table"), MINE
    ),
    Kind("--format that a list has not", ("list", "--format", "json"), ("--format json", "Choose table")),
    Kind(
        "--format that a progress has not", ("progress", "--format", "markdown"), ("--format", "Choose table or json")
    ),
    Kind("--samples without --json", (*RUN, "--samples"), ("--samples", "add --json")),
    Kind("--until-failure with --repeat", (*RUN, "--until-failure", "--repeat", "2"), ("--until-failure", "--repeat")),
    Kind("--until-failure with --almost", (*RUN, "--until-failure", "--almost"), ("--until-failure", "--almost")),
    Kind("an option without its value", (*RUN, "--steps"), ("--steps", "requires an argument", "--help")),
    Kind("a value for a flag", (*RUN, "--almost=yes"), ("--almost", "does not take a value", "--help")),
    Kind("an option that there is none of", (*RUN, "--stepz", "5"), ("--stepz", "--help")),
    Kind("half of an option", (*RUN, "--lim", "time=5s"), ("--lim", "--help")),
    Kind("an option in one dash", (*RUN, "-steps", "5"), ("-s", "--help")),
    Kind("an option with markup", (*RUN, "--[/bold]"), ("--[/bold]", "--help")),
    Kind("an option with an undecodable byte", (*RUN, f"--{SURROGATE}"), ("No such option", "--help")),
    Kind("an option with a control sequence", (*RUN, "--\x1b[2J"), ("No such option", "--help")),
    Kind("a command that there is none of", ("chekc",), ("chekc", "--help")),
    Kind("a command with markup", ("[/bold]",), ("[/bold]", "--help")),
    Kind("a command with an undecodable byte", (SURROGATE,), ("No such command", "--help")),
    Kind("a command of nothing", ("",), ("No such command ''", "--help")),
    Kind("a command in capitals", ("LIST",), ("LIST", "--help")),
    Kind("two files to check", ("check", "a.py", "b.py"), ("b.py", "--help")),
    Kind("two scenarios to run", (*RUN, "huge-array"), ("huge-array", "--help")),
    Kind("reset without a file", ("reset",), ("FILE", "--help")),
    Kind("start without a scenario", ("start",), ("NAME", "--help")),
)

MONGOS = {
    "nothing": ("", "Write mongodb://HOST:PORT"),
    "no scheme": ("127.0.0.1:27017", "Write mongodb://HOST:PORT"),
    "another scheme": ("http://127.0.0.1", "Write mongodb://HOST:PORT"),
    "embedded in capitals": ("Embedded", "Write mongodb://HOST:PORT, or embedded"),
    "markup": ("[/bold]", "Write mongodb://HOST:PORT"),
    "an undecodable byte": (SURROGATE, "Write mongodb://HOST:PORT"),
}
MONGO = (
    *(
        Kind(f"--mongo with {what}", ("run", "open-cursor", f"--mongo={value}"), ("--mongo", words))
        for what, (value, words) in MONGOS.items()
    ),
    Kind(
        "--mongo with a typing error before a password",
        ("run", "open-cursor", "--mongo", "mongdb://me:secret@127.0.0.1"),
        ("--mongo", "me:***@127.0.0.1", "Write mongodb://HOST:PORT"),
        unsaid=("secret",),
    ),
    Kind(
        "--mongo for a scenario without it",
        (*RUN, "--mongo", "mongodb://127.0.0.1:1"),
        ("uses no MongoDB", "leave --mongo out"),
    ),
    Kind(
        "--mongo for scenarios without it",
        ("compare", "unclosed-body", "huge-array", "--mongo", "mongodb://127.0.0.1:1"),
        ("unclosed-body, huge-array", "leave --mongo out"),
    ),
)

# ---- names of scenarios

NAMES = {
    "nothing": "",
    "a space": " ",
    "markup": "[/bold]",
    "an undecodable byte": SURROGATE,
    "a control sequence": "\x1b[2J",
    "a path": "../outside",
    "an absolute path": "/etc/passwd",
    "the path of a built-in one": "scenarios/unclosed_body",
    "a file": "unclosed_body.py",
    "400 digits": DIGITS,
    "a line feed in it": "unclosed\nbody",
    "letters of another script": "unclоsed-bоdy",
    "a point": ".",
    "a star": "*",
}
SCENARIO_NAMES = (
    *(
        Kind(f"a scenario called with {what}", ("show", "--", name), ("no scenario is called", "unclosed-body"))
        for what, name in NAMES.items()
    ),
    *(
        Kind(f"an unknown scenario for {typed[0]}", typed, ("'unclosed-bodi'", "did you mean unclosed-body"), MINE)
        for typed in (
            ("run", "unclosed-bodi"),
            ("compare", "huge-array", "unclosed-bodi"),
            ("start", "unclosed-bodi"),
            ("validate", "unclosed-bodi"),
            ("check", "mine.py", "--scenario", "unclosed-bodi"),
            ("watch", "mine.py", "--scenario", "unclosed-bodi"),
        )
    ),
    Kind(
        "--scenario of nothing",
        ("check", "mine.py", "--scenario", ""),
        ("no scenario is called ''", "unclosed-body"),
        MINE,
    ),
)

# ---- files to check


def fifo(name: str) -> Make:
    """A FIFO: whoever opens it waits for a writer."""
    return lambda folder: os.mkfifo(folder / name)


def link(name: str, to: str) -> Make:
    """A link, which may lead nowhere."""
    return lambda folder: (folder / name).symlink_to(to)


def folder(name: str) -> Make:
    """An empty folder."""
    return lambda parent: (parent / name).mkdir(parents=True)


def listening(name: str) -> Make:
    """The socket of a service that has ended."""

    def make(folder: Path) -> None:
        # A path of a socket may have some hundred bytes only (unix(7)).
        before = Path.cwd()
        os.chdir(folder)
        try:
            with socket.socket(socket.AF_UNIX) as service:
                service.bind(name)
        finally:
            os.chdir(before)

    return make


def all_of(*makes: Make) -> Make:
    """One after the other."""

    def make(folder: Path) -> None:
        for one in makes:
            one(folder)

    return make


LONG = "l" * 300
FILES = (
    Kind("no file at all", ("check", "none.py"), ("there is no file none.py", "leaklab start")),
    Kind("a file that is not there", CHECK, ("there is no file mine.py", "leaklab start")),
    Kind("a name of 300 characters", ("check", LONG, "--scenario", "unclosed-body"), ("there is no file", "start")),
    Kind("a name of an undecodable byte", ("check", SURROGATE, "--scenario", "unclosed-body"), ("no file", "start")),
    Kind("a name of a control sequence", ("check", "\x1b[2J", "--scenario", "unclosed-body"), ("no file", "start")),
    Kind("a name with a line feed", ("check", "a\nb.py", "--scenario", "unclosed-body"), ("no file a b.py", "start")),
    Kind("a name with markup", ("check", "[/bold].py", "--scenario", "unclosed-body"), ("no file [/bold].py", "start")),
    Kind(
        "a path through a file",
        ("check", "mine.py/mine.py", "--scenario", "unclosed-body"),
        ("there is no file mine.py/mine.py", "leaklab start"),
        MINE,
    ),
    Kind(
        "a path through a folder that is not there",
        ("check", "no/mine.py", "--scenario", "unclosed-body"),
        ("no file no/mine.py", "start"),
    ),
    Kind(
        "a folder without exercises",
        ("check", "sub", "--scenario", "unclosed-body"),
        ("there is no exercise in sub", "leaklab start"),
        folder("sub"),
    ),
    Kind("a folder that is called like a file", CHECK, ("there is no exercise in mine.py", "start"), folder("mine.py")),
    Kind("no exercise in this folder", ("check",), ("there is no exercise in this folder", "leaklab start")),
    Kind("a file that is no exercise", ("check", "mine.py"), ("mine.py is not an exercise", "--scenario NAME"), MINE),
    Kind("a hint for what is no exercise", ("hint", "mine.py"), ("mine.py is not an exercise", "--scenario"), MINE),
    Kind("a solution for what is no exercise", ("solution", "mine.py", "--anyway"), ("mine.py", "start"), MINE),
    Kind("a reset of what is no exercise", ("reset", "mine.py"), ("mine.py is not an exercise", "start"), MINE),
    Kind("a watch of what is no exercise", ("watch", "mine.py"), ("mine.py is not an exercise", "--scenario"), MINE),
    Kind("a FIFO", CHECK, ("mine.py", "it is a FIFO, not a regular file", "Name the file"), fifo("mine.py")),
    Kind("a socket", CHECK, ("mine.py", "it is a socket, not a regular file", "Name the"), listening("mine.py")),
    Kind(
        "a device",
        ("check", "/dev/zero", "--scenario", "unclosed-body"),
        ("/dev/zero", "it is a device, not a regular file", "Name the file"),
    ),
    Kind("a link to a device", CHECK, ("mine.py", "it is a device", "Name the"), link("mine.py", "/dev/zero")),
    Kind("a link to itself", CHECK, ("mine.py", "there is no file"), link("mine.py", "mine.py")),
    Kind("a link that leads nowhere", CHECK, ("there is no file mine.py",), link("mine.py", "gone.py")),
    Kind(
        "more than a mebibyte",
        CHECK,
        ("mine.py", "more than 1,048,576 bytes", "Name the file"),
        files(mine__py=b"#" * (2**20 + 1)),
    ),
    Kind("a program that is no Python", CHECK, ("null bytes", "Save"), files(mine__py=b"\x7fELF\0\0\0\0"), 1),
)


def refused(what: str, source: str | bytes, *words: str, unsaid: tuple[str, ...] = ()) -> Kind:
    """A learner's file that is refused before it is run, with `words`."""
    return Kind(what, CHECK, ("NOT FIXED", *words), files(mine__py=source), NOT_AS_EXPECTED, unsaid)


RUNS = "def run(urls):\n    return []\n"
LATIN = "# coding: latin-1\ndef run(urls):\n    return 'é' +\n".encode("latin-1")
HERE = sys.version_info[1]
ENCODINGS = (
    refused("bytes that are not UTF-8", b"name = '\xe9'\n" + RUNS.encode(), "Non-UTF-8 code", "on line 1", "Save it"),
    refused("bytes that are not UTF-8 further down", RUNS.encode() + b"# \xe9\n", "on line 3", "Save it as UTF-8"),
    refused("a cookie of UTF-8 that is not true", b"# coding: utf-8\nname = '\xe9'\n", "utf-8", "Save it as UTF-8"),
    refused("a cookie of ASCII that is not true", "# coding: ascii\nname = 'é'\n", "encoding problem", "Save it"),
    refused("a cookie that names no encoding", f"# coding: klingon\n{RUNS}", "klingon", "Save it as UTF-8"),
    refused("a cookie that names no text encoding", f"# coding: rot13\n{RUNS}", "rot13", "Save it as UTF-8"),
    refused("a cookie of base64", f"# coding: base64\n{RUNS}", "base64", "Save it as UTF-8"),
    refused("a cookie of UTF-16", f"# coding: utf-16\n{RUNS}", "utf-16", "Save it as UTF-8"),
    refused(
        "a mark of UTF-8 beside another cookie", b"\xef\xbb\xbf# coding: latin-1\nname = 1\n", "latin-1", "Save it"
    ),
    refused("UTF-16", RUNS.encode("utf-16"), "It is saved as UTF-16. Save it as UTF-8"),
    refused("UTF-16 from the other end", b"\xfe\xff" + RUNS.encode("utf-16-be"), "saved as UTF-16. Save it as UTF-8"),
    refused("UTF-16 without a mark", RUNS.encode("utf-16-le"), "UTF-16 or UTF-32. Save it as UTF-8"),
    refused("UTF-32", RUNS.encode("utf-32"), "It is saved as UTF-32. Save it as UTF-8"),
    refused("a NUL", f"name = 1\0\n{RUNS}", "null bytes", "Fix the line"),
    refused("a NUL in a comment", f"{RUNS}# \0\n", "null bytes", "line 3", "Fix the line"),
    refused("a syntax error in Latin-1", LATIN, "invalid syntax", "line 3", "é", "Fix the line"),
    refused("a line of a control sequence", "x = '\x1b[2J\n", "SyntaxError", "line 1", "Fix the line"),
    refused("a line of markup", "x = '[/bold]\n", "SyntaxError", "x = '[/bold]", "Fix the line"),
    refused("old line ends", "x = 1\rdef run(urls)\r    return []\r", "expected ':'", "Fix the line"),
    refused("a line feed of another script", "x = 1\u2028def run(urls):\n    return []\n", "U+2028", "Fix the line"),
)

SYNTAX = (
    refused("tabs and spaces", "def run(urls):\n        x = 1\n\ty = 2\n", "TabError", "→", "Use spaces only"),
    refused("an unexpected indent", f"x = 1\n  y = 2\n{RUNS}", "IndentationError", "line 2", "Fix the line"),
    refused("no body", "def run(urls):\n", "IndentationError", "line 1", "Fix the line"),
    refused("a bracket that is left open", "def run(urls):\n    return [\n", "'[' was never closed", "line 2", "Fix"),
    refused("a colon that is missing", "def run(urls)\n    return []\n", "expected ':'", "line 1", "Fix the line"),
    refused("a text that is left open", 'def run(urls):\n    return """\n', "unterminated", "Fix the line"),
    refused("typographic quotes", "def run(urls):\n    return [“a”]\n", "invalid character '“'", "line 2", "Fix"),
    refused("a space that does not break", "def run(urls):\n\u00a0   return []\n", "U+00A0", "line 2", "Fix the line"),
    refused("Python 2", "def run(urls):\n    print urls\n", "Missing parentheses", "line 2", "Fix the line"),
    refused("a merge that was not finished", f"<<<<<<< HEAD\n{RUNS}", "invalid syntax", "line 1", "Fix the line"),
    refused("what a prompt shows", ">>> def run(urls):\n...     return []\n", "invalid syntax", "line 1", "Fix"),
    refused("a fence of Markdown", f"```python\n{RUNS}```\n", "invalid syntax", "line 1", "Fix the line"),
    refused("JSON of a notebook's", '{"cells": [}\n', "does not match", "line 1", "Fix the line"),
    refused("a number of 5,000 digits", f"x = {'9' * 5000}\n{RUNS}", "Exceeds the limit", "Fix"),
    refused("5,000 brackets", f"x = {'(' * 5000}{')' * 5000}\n{RUNS}", "too many nested parentheses", "Fix"),
    refused("100,000 minus signs", f"x = {'-' * 100_000}1\n{RUNS}", "it cannot be imported", "Fix"),
    refused(
        "a return outside of a function", f"return 1\n{RUNS}", "'return' outside function", "line 1", "Fix the line"
    ),
    refused("an argument twice", "def run(urls, urls):\n    return []\n", "duplicate argument 'urls'", "Fix the line"),
    refused("100 indents too many", "".join(f"{' ' * n}if 1:\n" for n in range(101)), "too many levels", "Fix"),
    refused(
        "syntax of a Python to come", "lazy import os\n" + RUNS, "That is syntax of Python 3.15", "Write it without"
    ),
    refused(
        "an unpacking to come", "x = [*y for y in z]\n" + RUNS, "That is syntax of Python 3.15", "Write it without"
    ),
    *(
        refused(
            f"syntax of Python {since}: {source.splitlines()[0]}",
            source,
            f"syntax of Python {since}",
            "Write it without",
        )
        for since, source in (
            ("3.12", "type Row = dict\n"),
            ("3.12", "def first[T](of):\n    return of\n"),
            ("3.12", 'x = f"{"a"}"\n'),
            ("3.13", "def first[T = int](of):\n    return of\n"),
            ("3.14", "try:\n    x = 1\nexcept ValueError, TypeError:\n    x = 2\n"),
            ("3.14", 'x = t"{1}"\n'),
        )
        if int(since[2:]) > HERE
    ),
)

LAB = "it imports leaklab, the lab that measures it"
MAIN = "it imports __main__, the process that measures it"
IMPORTS = (
    *(
        Kind(
            f"a file that uses the lab: {source.splitlines()[0]}",
            CHECK,
            (words, "Remove that"),
            files(mine__py=f"{source}\n{RUNS}"),
            NOT_AS_EXPECTED,
        )
        for source, words in (
            ("import leaklab", LAB),
            ("import os, leaklab.scenario as it", LAB),
            ("from leaklab import scenario", LAB),
            ("from leaklab.measure.worker import main", LAB),
            ("import __main__", MAIN),
            ("from __main__ import *", MAIN),
            ("__import__('leaklab')", LAB),
            ("import builtins; builtins.__import__('leaklab')", LAB),
            ("import importlib; importlib.import_module('leaklab.cli')", LAB),
            ("from importlib import import_module; import_module('__main__')", MAIN),
            ("import importlib; importlib.import_module(name='leaklab')", LAB),
            ("import importlib; importlib.import_module('.cli', 'leaklab')", LAB),
            ("import sys; sys.modules['__main__']", MAIN),
            ("import sys; sys.modules.get('__main__')", MAIN),
            ("from sys import modules; modules['__main__']", MAIN),
            ("import runpy; runpy.run_module('leaklab')", LAB),
            ("try:\n    import leaklab\nexcept ImportError: pass", LAB),
            ("if False: import leaklab", LAB),
        )
    ),
    Kind(
        "a file beside it that uses the lab",
        CHECK,
        ("helper.py", LAB, "Remove that"),
        files(mine__py=f"import helper\n{RUNS}", helper__py="import leaklab\n"),
        NOT_AS_EXPECTED,
    ),
    Kind(
        "a package beside it that uses the lab",
        CHECK,
        (LAB, "Remove that"),
        all_of(
            folder("helper"),
            lambda here: (here / "helper" / "__init__.py").write_text("import leaklab\n"),
            files(mine__py=f"import helper\n{RUNS}"),
        ),
        NOT_AS_EXPECTED,
    ),
    Kind(
        "a module of a package beside it that uses the lab",
        CHECK,
        (LAB, "Remove that"),
        all_of(
            folder("helper"),
            lambda here: (here / "helper" / "inner.py").write_text("import leaklab\n"),
            files(mine__py=f"from helper import inner\n{RUNS}"),
        ),
        NOT_AS_EXPECTED,
    ),
)

# ---- progress files

STARTED = '"scenario": "unclosed-body", "started": "2026-01-02T03:04:05+00:00"'
EVIL = """from pathlib import Path
Path(__file__).with_name("it-was-run").touch()
"""


def progress(exercises: str, schema: str = "1") -> Make:
    """A progress file with these exercises, and the file of one that is usual."""
    text = f'{{"schema": {schema}, "exercises": {exercises}}}'
    return lambda here: (files(unclosed_body__py=LEAKY)(here), (here / STATE).write_text(text, encoding="utf-8"))


def state(text: str | bytes) -> Make:
    """A progress file of this text."""
    data = text if isinstance(text, bytes) else text.encode()
    return all_of(files(unclosed_body__py=LEAKY), lambda here: (here / STATE).write_bytes(data))


def one(more: str, name: str = EXERCISE) -> Make:
    """A progress file with one exercise, of which more is said."""
    return progress(f'{{"{name}": {{{STARTED}{more}}}}}')


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A lock of another open file, as of another process (flock(2))."""
    held = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


@contextmanager
def locked_elsewhere(path: Path) -> Iterator[None]:
    """A lock of the other kind: it does not keep its own process from anything (fcntl(2))."""
    holds = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.write(b"\n")
            process.stdin.close()


BROKEN_STATES: dict[str, tuple[Make, str]] = {
    "a link": (all_of(MINE, link(STATE, "../outside/theirs")), "it is a link, not a regular file"),
    "a link that leads nowhere": (all_of(MINE, link(STATE, "../outside/nothing")), "it is a link, not a regular file"),
    "a link to itself": (all_of(MINE, link(STATE, STATE)), "it is a link, not a regular file"),
    "a FIFO": (all_of(MINE, fifo(STATE)), "it is a FIFO, not a regular file"),
    "a folder": (all_of(MINE, folder(STATE)), "it is a folder, not a regular file"),
    "a socket": (all_of(MINE, listening(STATE)), "it is a socket, not a regular file"),
    "more than a mebibyte": (state(b" " * (2**20 + 1)), "more than 1,048,576 bytes"),
    "empty": (state(""), "is broken"),
    "half of one": (state('{"schema": 1, "exer'), "is broken"),
    "not UTF-8": (state(b'{"schema": 1, "exercises": {"\xff": {}}}'), "is broken"),
    "UTF-16": (state('{"schema": 1, "exercises": {}}'.encode("utf-16")), "is broken"),
    "after a mark of UTF-8": (state(b'\xef\xbb\xbf{"schema": 1, "exercises": {}}'), "is broken"),
    "a NUL": (state(b"\0" * 100), "is broken"),
    "Python": (state("{'schema': 1, 'exercises': {}}"), "is broken"),
    "a list": (state("[]"), "is broken"),
    "null": (state("null"), "is broken"),
    "a page of a login": (state("<!DOCTYPE html><title>Log in</title>"), "is broken"),
    "a merge that was not finished": (state('<<<<<<< HEAD\n{"schema": 1, "exercises": {}}\n'), "is broken"),
    "two documents": (state('{"schema": 1, "exercises": {}}{"schema": 1, "exercises": {}}'), "is broken"),
    "nested 100,000 deep": (state("[" * 100_000), "is broken"),
    "nested 100,000 deep inside": (progress('{"a.py": ' + "[" * 100_000), "is broken"),
    "without a schema": (state('{"exercises": {}}'), "is broken"),
    "without exercises": (state('{"schema": 1}'), "is broken"),
    "of a newer schema": (progress("{}", "3"), "is from a newer leaklab"),
    "of an older schema": (progress("{}", "0"), "is broken"),
    "of a schema that is a text": (progress("{}", '"1"'), "is broken"),
    "of a schema that is true": (progress("{}", "true"), "is broken"),
    "of a schema of 400 digits": (progress("{}", DIGITS), "leaklab"),
    "of a schema of 5,000 digits": (progress("{}", "9" * 5000), "leaklab"),
    "of exercises in a list": (progress("[]"), "is broken"),
    "of an exercise that is null": (progress(f'{{"{EXERCISE}": null}}'), "is broken"),
    "of an exercise without a scenario": (progress(f'{{"{EXERCISE}": {{"started": ""}}}}'), "is broken"),
    "of a scenario that is a number": (progress(f'{{"{EXERCISE}": {{"scenario": 1, "started": ""}}}}'), "is broken"),
    "of an unknown field": (one(', "marks": 1'), "is broken"),
    "of negative attempts": (one(', "attempts": -1'), "is broken"),
    "of a fraction of an attempt": (one(', "attempts": 1.5'), "is broken"),
    "of attempts that are nan": (one(', "attempts": NaN'), "is broken"),
    "of attempts without end": (one(', "attempts": 1e999'), "is broken"),
    "of attempts of 5,000 digits": (one(f', "attempts": {"9" * 5000}'), "is broken"),
    "of attempts that are a text": (one(', "attempts": "3"'), "is broken"),
    "of hints that are true": (one(', "hints": true'), "is broken"),
    "of more hints than can be": (one(f', "hints": {10**30}'), "is broken"),
    "of a start that is no time": (
        progress(f'{{"{EXERCISE}": {{"scenario": "unclosed-body", "started": "soon"}}}}'),
        "is broken",
    ),
    "solved in no time": (one(', "solved": ""'), "is broken"),
    "solved at no time": (one(', "solved": "yes"'), "is broken"),
    "of a name that leads out": (one("", "../outside/theirs"), "is not the name of a file in this folder"),
    "of an absolute name": (one("", "/etc/passwd"), "is not the name of a file in this folder"),
    "of the name of a folder": (one("", ".."), "is not the name of a file in this folder"),
    "of no name": (one("", ""), "is not the name of a file in this folder"),
    "of its own name": (one("", STATE), "is not the name of a file in this folder"),
    "of a name of a control sequence": (one("", "\\u001b[2J.py"), "is not the name of a file in this folder"),
    "of a name with a NUL": (one("", "a\\u0000.py"), "is not the name of a file in this folder"),
    "of a name with a line feed": (one("", "a\\nb.py"), "is not the name of a file in this folder"),
    "of a name that is half a character": (one("", "\\ud800.py"), "is broken"),
    "of a name of 300 characters": (one("", LONG), "is not the name of a file in this folder"),
    "of scenarios that are a list": (one(', "scenarios": []'), "is broken"),
}
"""What a progress file is, and what is said of it by all commands that read it."""

READERS = (
    ("progress",),
    ("hint", EXERCISE),
    ("solution", EXERCISE, "--anyway"),
    ("check", EXERCISE),
    ("watch", EXERCISE),
    ("reset", EXERCISE),
    ("start", "unclosed-body"),
)

# ---- exercises, and what lies beside them

EXERCISES = f'{{"{EXERCISE}": {{{STARTED}}}}}'
STARTED_ALREADY = progress(EXERCISES)


def from_elsewhere(place: str) -> Make:
    """An exercise whose progress file names a folder of scenarios, beside it, that must not be run."""
    where = json.dumps(place)
    text = f'{{"mine.py": {{"scenario": "mine", "started": "2026-01-02T03:04:05+00:00", "scenarios": {where}}}}}'
    return all_of(MINE, folder("theirs/mine"), lambda here: evil_in(here / "theirs" / "mine"), progress(text))


def evil_in(place: Path) -> None:
    """A scenario whose files tell that they were run."""
    for name in ("scenario.py", "leaky.py", "fixed.py"):
        (place / name).write_text(EVIL)
    (place / "lesson.md").write_text("# Mine\n")


NOT_RUN = tuple(
    Kind(
        f"a folder of scenarios that nobody named: {' '.join(typed)}, {place!r}",
        (typed[0], "mine.py", *typed[1:]),
        ("mine.py was started from the scenarios in", "--scenarios"),
        from_elsewhere(place),
    )
    for place in ("theirs", "../here/theirs", "./theirs/", "theirs\x1b[2J", "[/bold]", "")
    for typed in (
        ("check",),
        ("check", "--scenario", "mine"),
        ("hint",),
        ("solution", "--anyway"),
        ("watch",),
        ("reset",),
    )
    # One place is shown to all commands, the others to one.
    if place == "theirs" or typed == ("hint",)
)

UNFINISHED = f".{STATE}.0123456789abcdef.tmp"
HINT = ("hint", EXERCISE)
HINTED = ("Hint 1 of 3", "for the next hint")
BESIDE = (
    *(
        Kind(f"{what}, called {name}, beside a hint", HINT, HINTED, all_of(STARTED_ALREADY, there), DONE, new=(STATE,))
        for name in (f".{STATE}.tmp", f"{STATE}.tmp", f".{STATE}.lock", f"{STATE}~")
        for what, there in (
            ("a link", link(name, "../outside/theirs")),
            ("a link that leads nowhere", link(name, "../outside/nothing")),
            ("a FIFO", fifo(name)),
        )
    ),
    Kind(
        "a link, called like what is being written, beside a hint",
        HINT,
        HINTED,
        all_of(STARTED_ALREADY, link(UNFINISHED, "../outside/theirs")),
        DONE,
        new=(STATE, UNFINISHED),
    ),
    Kind(
        "a folder, called like what is being written, beside a hint",
        HINT,
        HINTED,
        all_of(STARTED_ALREADY, folder(UNFINISHED)),
        DONE,
        new=(STATE,),
    ),
    Kind(
        "an exercise that is a link, started over",
        ("reset", EXERCISE),
        (EXERCISE, f"{EXERCISE}.1.bak"),
        all_of(STARTED_ALREADY, lambda here: (here / EXERCISE).unlink(), link(EXERCISE, "../outside/theirs")),
        DONE,
        new=(STATE, EXERCISE, f"{EXERCISE}.1.bak"),
    ),
    *(
        Kind(
            f"an exercise that is {what}, started over",
            ("reset", EXERCISE),
            (EXERCISE, words),
            all_of(STARTED_ALREADY, lambda here: (here / EXERCISE).unlink(), there),
        )
        for what, there, words in (
            ("a folder", folder(EXERCISE), "no exercise in"),
            ("a FIFO", fifo(EXERCISE), "it is a FIFO, not a regular file. Move it away"),
            ("a socket", listening(EXERCISE), "it is a socket, not a regular file. Move it away"),
            ("a link to a device", link(EXERCISE, "/dev/zero"), "it is a device, not a regular file"),
            ("a link to itself", link(EXERCISE, EXERCISE), "symbolic links. Move it away"),
        )
    ),
    *(
        Kind(
            f"a backup that is {what}",
            ("reset", EXERCISE),
            (EXERCISE, f"{EXERCISE}.2.bak"),
            all_of(STARTED_ALREADY, there),
            DONE,
            new=(STATE, EXERCISE, f"{EXERCISE}.2.bak"),
        )
        for what, there in (
            ("a link", link(f"{EXERCISE}.1.bak", "../outside/theirs")),
            ("a link that leads nowhere", link(f"{EXERCISE}.1.bak", "../outside/nothing")),
            ("a link to itself", link(f"{EXERCISE}.1.bak", f"{EXERCISE}.1.bak")),
            ("a folder", folder(f"{EXERCISE}.1.bak")),
            ("a FIFO", fifo(f"{EXERCISE}.1.bak")),
        )
    ),
    *(
        Kind(f"an exercise to be started that is {what}", ("start", "unclosed-body"), (EXERCISE, words), there)
        for what, there, words in (
            ("a folder", folder(EXERCISE), "it is a folder, not a regular file"),
            ("a FIFO", fifo(EXERCISE), "it is a FIFO, not a regular file. Move it away"),
            ("a socket", listening(EXERCISE), "it is a socket, not a regular file. Move it away"),
            ("a link that leads nowhere", link(EXERCISE, "../outside/nothing"), "leads nowhere. Move it away"),
            ("a link to itself", link(EXERCISE, EXERCISE), "symbolic links. Move it away"),
            ("a link to a device", link(EXERCISE, "/dev/zero"), "it is a device"),
            ("there already", STARTED_ALREADY, "already exists; nothing was written"),
        )
    ),
    *(
        Kind(f"an exercise to be started in {what}", ("start", "unclosed-body", place), (said, words), there)
        for what, place, said, words, there in (
            ("a file", "mine.py", "mine.py", "cannot be created", MINE),
            ("a path through a file", "mine.py/sub", "mine.py/sub", "cannot be created", MINE),
            ("a FIFO", "sub", "sub", "cannot be created", fifo("sub")),
            ("a device", "/dev/null", "/dev/null", "cannot be created", nothing),
            ("a link that leads nowhere", "sub", "sub", "cannot be created", link("sub", "gone")),
            ("a link to itself", "sub", "sub", "cannot be created", link("sub", "sub")),
            ("a folder of a name of 300 characters", LONG, "llll", "name too long", nothing),
            ("a folder of the system", "/proc/leaklab", "/proc/leaklab", "cannot be created", nothing),
            ("what is no folder of the system's", "/sys", "/sys", "cannot be written", nothing),
        )
    ),
    *(
        Kind(
            f"a progress file that is locked by {what}: {' '.join(typed)}",
            typed,
            (words, "is locked by another program", "nothing was changed"),
            STARTED_ALREADY,
            around=around,
        )
        for what, around, words in (
            ("its folder", locked, "leaklab"),
            ("itself", lambda here: locked(here / STATE), STATE),
            ("itself in the other way", lambda here: locked_elsewhere(here / STATE), STATE),
        )
        for typed in (HINT, ("reset", EXERCISE))
    ),
    Kind(
        "two exercises in a folder",
        ("check",),
        ("which exercise in this folder?", "huge_array.py, unclosed_body.py"),
        progress(f'{{"{EXERCISE}": {{{STARTED}}}, "huge_array.py": {{{STARTED}}}}}'),
    ),
    Kind(
        "an exercise that is gone",
        ("check", EXERCISE),
        (EXERCISE, "is gone", f"leaklab reset {EXERCISE}"),
        all_of(STARTED_ALREADY, lambda here: (here / EXERCISE).unlink()),
    ),
    Kind(
        "an exercise with a name that is nearly right",
        ("check", "unclosed-bdy"),
        ("no file unclosed-bdy", f"did you mean {EXERCISE}?"),
        STARTED_ALREADY,
    ),
    Kind("a progress of a file", ("progress", "mine.py"), ("mine.py", "no folder"), MINE),
    Kind("a progress of a folder that is not there", ("progress", "sub"), ("there is no folder sub",)),
    Kind("a solution that is not earned", ("solution",), (EXERCISE, "not solved yet", "--anyway"), STARTED_ALREADY),
    Kind(
        "a solution beside a FIFO",
        ("solution", "--anyway"),
        (EXERCISE, "it is a FIFO"),
        all_of(STARTED_ALREADY, lambda here: (here / EXERCISE).unlink(), fifo(EXERCISE)),
    ),
)

# ---- a full disk


@contextmanager
def full_disk(_here: Path) -> Iterator[None]:
    """No file may become larger than this (setrlimit(2)): what is written fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


_FULL = (
    Kind("a full disk: start", ("start", "unclosed-body"), (EXERCISE, "File too large", "Nothing is left")),
    Kind(
        "a full disk: start elsewhere", ("start", "unclosed-body", "../outside"), ("File too large", "Nothing is left")
    ),
    Kind("a full disk: reset", ("reset", EXERCISE), ("File too large", "was not changed"), STARTED_ALREADY),
    Kind("a full disk: hint", HINT, (STATE, "File too large", "The old content is kept"), STARTED_ALREADY),
    Kind("a full disk: new", ("new", "slow-close"), ("slow_close", "File too large", "Nothing is left")),
    Kind(
        "a full disk: --output",
        ("list", "-o", "list.txt"),
        ("list.txt", "File too large. Choose another place"),
        shown="unclosed-body",
    ),
    Kind(
        "a full disk: --output over a file",
        ("list", "-o", "mine.py"),
        ("mine.py", "File too large. Choose another place"),
        MINE,
        shown="unclosed-body",
    ),
)
FULL = tuple(replace(kind, around=full_disk) for kind in _FULL)

# ---- where a report is written

TARGETS = (
    *(
        Kind(f"--output to {what}", ("list", "-o", place), ("--output", words), there)
        for what, place, words, there in (
            ("nothing", "", "Choose another name", nothing),
            ("a folder", "sub", "not a regular file. Choose another name", folder("sub")),
            ("this folder", ".", "not a regular file. Choose another name", nothing),
            ("a device", os.devnull, "not a regular file. Choose another name", nothing),
            ("a FIFO", "pipe", "not a regular file. Choose another name", fifo("pipe")),
            ("a socket", "socket", "not a regular file. Choose another name", listening("socket")),
            ("a link to itself", "loop", "Choose another name", link("loop", "loop")),
            ("a link to a FIFO", "to", "not a regular file", all_of(fifo("pipe"), link("to", "pipe"))),
            ("a link into a folder that is not there", "to", "Create it first", link("to", "no/such/file")),
            ("a folder that is not there", "no/such/file", "Create it first", nothing),
            ("a path through a file", "mine.py/x", "there is no folder", MINE),
            ("a name of 300 characters", LONG, "Choose another name", nothing),
            ("the progress file", STATE, "Choose another name", STARTED_ALREADY),
            ("a link to the progress file", "to", "Choose another name", all_of(STARTED_ALREADY, link("to", STATE))),
        )
    ),
    Kind(
        "--output to what is to be a folder",
        ("list", "-o", "sub/"),
        ("--output sub/", "Choose another name"),
    ),
    Kind(
        "--output to the file that is checked",
        (*CHECK, "-o", "mine.py"),
        ("--output mine.py", "Choose another name"),
        files(mine__py="def run(:\n"),
    ),
    Kind(
        "--output to a link to the file that is checked",
        (*CHECK, "-o", "to"),
        ("--output to", "Choose another name"),
        all_of(files(mine__py="def run(:\n"), link("to", "mine.py")),
    ),
    Kind(
        "--output to the exercise of the folder",
        ("check", "-o", EXERCISE),
        (f"--output {EXERCISE}", "Choose another name"),
        all_of(STARTED_ALREADY, files(unclosed_body__py="def run(:\n")),
    ),
    Kind(
        "--output to the file of guesses",
        (*RUN, "--guesses", "guesses.csv", "-o", "guesses.csv"),
        ("--output guesses.csv", "Choose another name"),
        files(guesses__csv="half,metric,guess\nleaky,open_sockets,5\n"),
    ),
)

# ---- guesses

HEAD = "who,half,metric,guess\n"
PEOPLE = "".join(f"person {number},leaky,open_sockets,5\n" for number in range(40_000))
GUESSES = tuple(
    Kind(f"guesses {what}", (*RUN, "--guesses", "guesses.csv"), ("guesses.csv", words), there)
    for what, there, words in (
        ("that are not there", nothing, "No such file or directory. Save them as CSV"),
        ("in a folder", folder("guesses.csv"), "Is a directory. Save them as CSV"),
        ("behind a link to itself", link("guesses.csv", "guesses.csv"), "cannot be read"),
        ("behind a link that leads nowhere", link("guesses.csv", "gone"), "No such file"),
        ("in a socket", listening("guesses.csv"), "cannot be read"),
        ("from a device without end", link("guesses.csv", "/dev/zero"), "more than 1,048,576 characters: leave some"),
        ("from a device without anything", link("guesses.csv", "/dev/null"), "is empty: write a header"),
        *(
            (what, files(guesses__csv=text), words)
            for what, text, words in (
                ("of nothing", "", "is empty: write a header"),
                ("of a mark of UTF-8", b"\xef\xbb\xbf", "is empty: write a header"),
                ("of empty lines", "\n \n,,,\n", "write a header"),
                ("of a header only", HEAD, "has no guesses: write one line per guess"),
                ("in UTF-16", HEAD.encode("utf-16"), "it is not UTF-8 text. Save them as CSV in UTF-8"),
                ("in UTF-16 without a mark", HEAD.encode("utf-16-le"), "is not"),
                (
                    "in Latin-1",
                    (HEAD + "Zoë,leaky,open_sockets,5\n").encode("latin-1"),
                    "it is not UTF-8 text. Save them as CSV in UTF-8",
                ),
                ("of NUL", HEAD + "\0\0\0\n", "guesses.csv"),
                ("of NUL in a name", HEAD + "a\0b,leaky,open_sockets,5\n", "characters that cannot be shown"),
                ("of a line feed in a name", HEAD + '"a\nb",leaky,open_sockets,5\n', "characters that cannot be"),
                ("of a control sequence in a name", HEAD + "\x1b[2J,leaky,open_sockets,5\n", "line 2: the name"),
                ("without a header", "Ada,leaky,open_sockets,5\n", "is not the header: write who,half,metric,guess"),
                ("with a column too many", "who,half,metric,guess,why\n", "is not the header"),
                ("with a column twice", "who,half,metric,metric\n", "is not the header"),
                ("with a header in another language", "wer,hälfte,größe,zahl\n", "is not the header"),
                ("with markup as header", "[/bold]\n", "'[/bold]' is not the header"),
                ("of a spreadsheet", b"PK\x03\x04\x14\0\0\0", "guesses.csv"),
                ("of a page of a login", "<!DOCTYPE html>\n<title>Log in</title>\n", "is not the header"),
                ("of JSON", '[{"who": "Ada"}]\n', "is not the header"),
                ("with a line too short", HEAD + "Ada,leaky,5\n", "line 2: 'Ada,leaky,5' has too few columns"),
                ("with a line too long", HEAD + "Ada,leaky,open_sockets,1,000\n", "put a guess with a comma in quotes"),
                ("of no person", HEAD + ",leaky,open_sockets,5\n", "line 2: the name of the person is missing"),
                ("of a half that there is none of", HEAD + "Ada,worse,open_sockets,5\n", "The questions are: leaky,"),
                ("of a half that is not run", HEAD + "Ada,almost,open_sockets,5\n", "The questions are: leaky,"),
                ("of a metric that there is none of", HEAD + "Ada,leaky,luck,5\n", "The questions are: leaky,"),
                ("of a metric that is not asked for", HEAD + "Ada,leaky,threads,5\n", "The questions are: leaky,"),
                (
                    "of a word",
                    HEAD + "Ada,leaky,open_sockets,many\n",
                    "line 2: 'many'",
                ),
                ("of a negative number", HEAD + "Ada,leaky,open_sockets,-5\n", "line 2: '-5'"),
                ("of a fraction", HEAD + "Ada,leaky,open_sockets,1.5\n", "line 2: '1.5'"),
                ("of nan", HEAD + "Ada,leaky,open_sockets,nan\n", "line 2: 'nan'"),
                ("of inf", HEAD + "Ada,leaky,open_sockets,inf\n", "line 2: 'inf'"),
                ("of digits of another script", HEAD + "Ada,leaky,open_sockets,٣\n", "line 2: '٣'"),
                ("of another unit", HEAD + "Ada,leaky,open_sockets,5 MiB\n", "line 2: '5 MiB'"),
                ("of 400 digits", HEAD + f"Ada,leaky,open_sockets,{DIGITS}\n", "more sockets than any machine has"),
                ("of one person twice", HEAD + "Ada,leaky,open_sockets,5\n" * 2, "line 3: Ada already guessed"),
                ("tallied for no question", "leeky,open_sockets: 0×3\n", "line 1: there is no question 'leeky,open"),
                ("tallied in words", "leaky,open_sockets: many×3\n", "line 1: 'many' is not a number of sockets"),
                ("tallied without counts", "leaky,open_sockets: 0 12\n", "write them like leaky,open_sockets: 7×12"),
                ("tallied for ever", f"leaky,open_sockets: 3×{DIGITS}\n", "more people than a room holds"),
                ("tallied without end", "leaky,open_sockets: " + "1×2 " * 200_000 + "?", "'?' is not a guess and"),
                ("of too many people", HEAD + PEOPLE, "more than 1,048,576 characters: leave some guesses out"),
                ("of a field without end", HEAD + '"' + "a" * 200_000 + "\n", "Write who,half,metric,guess"),
                (
                    "of a quote that is left open",
                    HEAD + 'Ada,leaky,open_sockets,"5\n',
                    "is not CSV: unexpected end of data. Write who,half",
                ),
            )
        ),
    )
)

# ---- names of new scenarios

NEW = (
    *(
        Kind(f"a new scenario called with {what}", ("new", "--", name), ("is not a scenario name", "lower-case words"))
        for what, name in {
            "nothing": "",
            "capitals": "Slow-Close",
            "an underscore": "slow_close",
            "a space": "slow close",
            "a digit first": "2-slow",
            "a hyphen first": "-slow",
            "a hyphen last": "slow-",
            "two hyphens": "slow--close",
            "a path": "../outside/slow",
            "a point": "..",
            "markup": "[/bold]",
            "letters of another script": "slоw",
            "a letter with a mark": "zoë",
            "a line feed last": "slow\n",
            "a control sequence": "slow\x1b[2J",
            "an undecodable byte": SURROGATE,
            "digits of another script": "slow٣",
        }.items()
    ),
    Kind("a new scenario called like a built-in one", ("new", "unclosed-body"), ("unclosed-body", "choose another")),
    Kind("a new scenario called like a folder", ("new", "slow"), ("slow", "already exists"), folder("slow")),
    Kind("a new scenario called like a file", ("new", "slow"), ("slow", "already exists"), files(slow="")),
    Kind("a new scenario called like a link", ("new", "slow"), ("slow", "already exists"), link("slow", "gone")),
    Kind("a new scenario called like a FIFO", ("new", "slow"), ("slow", "already exists"), fifo("slow")),
    Kind("a new scenario in a file", ("new", "slow", "mine.py"), ("mine.py/slow", "cannot be created"), MINE),
    Kind("a new scenario of a name too long", ("new", "l" * 300), ("llll", "name too long")),
    Kind("a new scenario called like a module", ("new", "json"), ("json", "choose another name")),
)

# ---- folders of scenarios

WHOLE = """from leaklab.scenario import *

SCENARIO = Scenario(
    title="Tiny", leaks="nothing", summary="it works", settings=Settings(steps=3),
    workload=lambda lab: {"jobs": Steps(lab.steps)},
    expected={"leaky": LEAKS_NOTHING, "fixed": LEAKS_NOTHING}, telling=("threads",),
)
"""
HALF = "def run(jobs):\n    return [*jobs]\n"
LESSON = "# Tiny\n\n> It is why.\n"


def scenario(
    text: str | bytes = WHOLE, name: str = "mine", without: str = "", more: Make = nothing, lesson: str | bytes = LESSON
) -> Make:
    """A scenario in the folder `own`: its `scenario.py`, without one of its files, with more in its folder."""
    texts = {"scenario.py": text, "leaky.py": HALF, "fixed.py": HALF, "lesson.md": lesson}

    def make(here: Path) -> None:
        place = here / "own" / name
        place.mkdir(parents=True)
        for file, given in texts.items():
            if file != without:
                (place / file).write_bytes(given if isinstance(given, bytes) else given.encode())
        more(place)

    return make


def saying(old: str, new: str) -> Make:
    """A scenario that declares something else."""
    assert old in WHOLE
    return scenario(WHOLE.replace(old, new))


OWN = ("--scenarios", "own")
BROKEN = "scenario mine is broken"
MORE = "telling="
DECLARED = {
    "without a title": ('title="Tiny", ', "", "title"),
    "with a title that is a number": ('"Tiny"', "5", "title is 5"),
    "with a title that is None": ('"Tiny"', "None", "title is None"),
    "with a number that is a text": (MORE, "number='1', telling=", "number is '1'"),
    "with a number that is true": (MORE, "number=True, telling=", "number is True"),
    "with steps of zero": ("steps=3", "steps=0", "out of range"),
    "with steps that are a text": ("steps=3", "steps='3'", "'3' is not a whole number"),
    "with steps that are nan": ("steps=3", "steps=float('nan')", "nan is not a whole number"),
    "with settings of a dictionary": ("Settings(steps=3)", "{'steps': 3}", "settings is {'steps': 3}"),
    "with a setting without a default": ("steps=3", "Setting('size', SIZE)", "setting size"),
    "with a setting twice": ("steps=3", "Setting('a', COUNT, 1), Setting('a', COUNT, 1)", "declared twice"),
    "with a setting of no name": ("steps=3", "Setting('a b', COUNT, 1)", "cannot be called 'a b'"),
    "with learners of an unknown setting": (MORE, "learners={'size': 1}, telling=", "no setting 'size'"),
    "with learners of a list": (MORE, "learners=[], telling=", "learners is []"),
    "with a service that there is none of": (MORE, "services=('ftp',), telling=", "unknown service 'ftp'"),
    "with services of a text": (MORE, "services='http', telling=", "services is 'http'"),
    "that requires what is no name": (MORE, "requires=('a b',), telling=", "requires names 'a b'"),
    "that requires an option of pip": (MORE, "requires=('-r=/etc/passwd',), telling=", "requires names '-r="),
    "with a workload of a dictionary": ('lambda lab: {"jobs": Steps(lab.steps)}', "{}", "workload is {}"),
    "with an unknown metric": ('("threads",)', '("luck",)', "unknown metric 'luck'"),
    "with telling of a text": ('("threads",)', '"threads"', "telling is 'threads'"),
    "with a metric that nothing counts": ('("threads",)', '("open_cursors",)', "nothing counts it"),
    "with expectations of a list": ('{"leaky": LEAKS_NOTHING, "fixed": LEAKS_NOTHING}', "[]", "expected is []"),
    "without an expectation": (', "fixed": LEAKS_NOTHING', "", "expected has no fixed half"),
    "with a half too many": ('"fixed": LEAKS', '"worse": LEAKS_NOTHING, "fixed": LEAKS', "expected names 'worse'"),
    "with a verdict that there is none of": ('"leaky": LEAKS_NOTHING', '"leaky": Expected("bad")', "verdict 'bad'"),
    "with findings of a text": ('"leaky": LEAKS_NOTHING', '"leaky": Expected("leaks", "all")', "is 'all'"),
    "with a finding that there is none of": (
        '"leaky": LEAKS_NOTHING',
        '"leaky": Expected("leaks", (("lost", "threads"),))',
        "('lost', 'threads')",
    ),
    "with documents of a set": (MORE, "documents=(Documents('a', 1, {'b': {1}}),), telling=", "it must hold plain"),
    "with documents of themselves": (MORE, "documents=(Documents('a', -1, {}),), telling=", "documents[0].count"),
    "with second steps and no steps": ("settings=Settings(steps=3),", "second_steps=lambda _: 3,", "second_steps"),
    "with what excuses a leak and is no setting": (
        '"leaky": LEAKS_NOTHING',
        '"leaky": Expected("leaks", unless={"size": 3})',
        "has no setting 'size'",
    ),
    "with hints of a text": (MORE, "hints='think', telling=", "hints is 'think'"),
    "with hints of numbers": (MORE, "hints=(1,), telling=", "hints[0] is 1"),
    "with a field that there is none of": (MORE, "colour='red', telling=", "colour"),
}
CODES: dict[str, tuple[str | bytes, str]] = {
    "of nothing": ("", "must set SCENARIO"),
    "of another SCENARIO": ("SCENARIO = 5\n", "must set SCENARIO"),
    "of a class": ("from leaklab.scenario import Scenario as SCENARIO\n", "must set SCENARIO"),
    "that raises": ("raise ValueError('[/bold]\\nleaklab: fine')\n", "line 1: ValueError: [/bold] leaklab: fine"),
    "that raises a class of its own": ("class No(BaseException): pass\nraise No\n", "line 2: No"),
    "that raises what cannot be told": (
        "class No(Exception):\n    def __str__(self): raise self\nraise No\n",
        "line 3",
    ),
    "that is left": ("import sys; sys.exit(0)\n", "line 1: SystemExit"),
    "that ends Python": ("import os; os._exit(0)\n", "ends Python with exit code 0"),
    "that is killed": ("import os; os.kill(os.getpid(), 9)\n", "ends Python by SIGKILL"),
    "that interrupts": ("import signal; signal.raise_signal(2)\n", "ends Python by SIGINT"),
    "of no Python": ("SCENARIO = (\n", "line 1: SyntaxError"),
    "of a NUL": ("\0", "null bytes"),
    "of bytes that are not UTF-8": (b"name = '\xff'\n", "utf-8"),
    "of no package": ("import no_such_thing\n", "line 1: ModuleNotFoundError"),
    "that recurses": ("def again(): again()\nagain()\n", "RecursionError"),
}
SCENARIO_FOLDERS = (
    *(
        Kind(f"a scenario {what}", ("show", "mine", *OWN), (BROKEN, "scenario.py", words), saying(old, new))
        for what, (old, new, words) in DECLARED.items()
    ),
    *(
        Kind(f"a scenario {what}", ("show", "mine", *OWN), (BROKEN, "scenario.py", words), scenario(text))
        for what, (text, words) in CODES.items()
    ),
    *(
        Kind(
            f"a scenario without {name}", ("show", "mine", *OWN), (BROKEN, f"{name} is missing"), scenario(without=name)
        )
        for name in ("scenario.py", "leaky.py", "fixed.py", "lesson.md")
    ),
    *(
        Kind(
            f"a scenario whose {name} is {what}",
            ("show", "mine", *OWN),
            (BROKEN, name, words),
            scenario(without=name, more=there(name)),
        )
        for name in ("scenario.py", "leaky.py", "lesson.md")
        for what, there, words in (
            ("a FIFO", fifo, "is missing"),
            ("a folder", folder, "is missing"),
            ("a link that leads nowhere", lambda name: link(name, "gone"), "is missing"),
            ("a link to a device", lambda name: link(name, "/dev/zero"), "is missing"),
        )
    ),
    Kind(
        "a lesson that is not UTF-8", ("show", "mine", *OWN), (BROKEN, "lesson.md", "UTF-8"), scenario(lesson=b"\xff")
    ),
    Kind(
        "a half that is not UTF-8",
        ("show", "mine", *OWN),
        (BROKEN, "leaky.py", "UTF-8"),
        scenario(more=lambda place: (place / "leaky.py").write_bytes(b"\xff")),
    ),
    Kind(
        "a lesson that is too long",
        ("show", "mine", *OWN),
        (BROKEN, "lesson.md", "1,048,576 bytes"),
        scenario(lesson=b"#" * (2**20 + 1)),
    ),
    Kind(
        "a leaky half that is no Python",
        ("start", "mine", *OWN),
        (BROKEN, "leaky.py", "line 1"),
        scenario(more=lambda place: (place / "leaky.py").write_text("def run(:\n")),
    ),
    *(
        Kind(
            f"a scenario whose requests {what}",
            ("start", "mine", *OWN),
            (BROKEN, words),
            saying(MORE, f"requests=lambda settings: {code}, telling="),
        )
        for what, code, words in (
            ("fail", "1 / 0", "requests fails: ZeroDivisionError"),
            ("are a number", "5", "requests(…) is 5"),
            ("are None", "None", "requests(…) is None"),
            ("are fractions", "{'a': 0.5}", "0.5"),
            ("end Python", "__import__('os')._exit(0)", "it calls os._exit(0)"),
            ("are left", "exit()", "SystemExit"),
        )
    ),
    *(
        Kind(
            f"a scenario whose {field} {what}",
            ("run", "mine", *OWN),
            (BROKEN, f"{field}{words}"),
            saying(MORE, f"{field}=lambda *_: {code}, telling="),
        )
        for field in ("buffer", "deadline", "hang", "time_limit")
        for what, code, words in (
            ("is a text", "'1'", "(…) is '1'"),
            ("fails", "1 / 0", " fails: ZeroDivisionError"),
        )
    ),
    *(
        Kind(
            f"--scenarios of {what}",
            ("list", f"--scenarios={place}"),
            (f"--scenarios {shown}: ", words),
            there,
        )
        for what, place, shown, words, there in (
            ("nothing", "", ".", "no scenario in it (a folder with scenario.py", nothing),
            ("what is not there", "none", "none", "there is no such folder", nothing),
            ("a file", "mine.py", "mine.py", "there is no such folder", MINE),
            ("a FIFO", "pipe", "pipe", "there is no such folder", fifo("pipe")),
            ("a device", "/dev/null", "/dev/null", "there is no such folder", nothing),
            ("a link to itself", "loop", "loop", "there is no such folder", link("loop", "loop")),
            ("an empty folder", "own", "own", "no scenario in it (a folder with scenario.py", folder("own")),
            ("a scenario itself", "own/mine", "own/mine", "no scenario in it (a folder with scenario.py", scenario()),
            ("markup", "[/bold]", "[/bold]", "there is no such folder", nothing),
            ("an undecodable byte", SURROGATE, "\N{REPLACEMENT CHARACTER}", "there is no such folder", nothing),
            ("a name of 300 characters", LONG, LONG, "there is no such folder", nothing),
        )
    ),
    Kind(
        "two scenarios of one name",
        ("list", *OWN),
        ("two scenarios are called slow-close", "Rename one folder"),
        all_of(scenario(name="slow_close"), scenario(name="slow-close")),
    ),
    Kind(
        "a scenario called like a built-in one",
        ("list", *OWN),
        ("two scenarios are called huge-array", "Rename one folder"),
        scenario(name="huge_array"),
    ),
    Kind(
        "a broken scenario among others",
        ("list", *OWN),
        ("mine", "unclosed-body", "ModuleNotFoundError"),
        scenario("import no_such_thing\n"),
        NOT_AS_EXPECTED,
    ),
    Kind(
        "a scenario that needs a package",
        ("run", "mine", *OWN),
        ("scenario mine needs no_such_thing", "pip install"),
        saying(MORE, "requires=('no_such_thing',), telling="),
        COULD_NOT_MEASURE,
    ),
    *(
        Kind(
            f"a scenario in a folder called with {what}",
            ("list", *OWN),
            ("unclosed-body", words),
            scenario(name=name),
            DONE,
        )
        for what, name, words in (
            ("markup", "[bold]", "[bold]"),
            ("spaces", "slow close", "slow close"),
            ("a control sequence", "slow\x1b[2J", "slow"),
            ("250 characters", "l" * 250, "lll"),
            ("capitals", "Slow_Close", "slow-close"),
        )
    ),
    *(
        Kind(
            f"a scenario whose {field} is {what}",
            ("list", *OWN) if field == "leaks" else ("start", "mine", *OWN),
            (words,),
            saying(old, new),
            DONE,
            new=("mine.py", STATE),
        )
        for field, what, old, new, words in (
            ("leaks", "markup", '"nothing"', "'[/bold] and [red]'", "[/bold] and [red]"),
            ("leaks", "a control sequence", '"nothing"', "'a \\x1b[2J b'", "a"),
            ("title", "markup", '"Tiny"', "'[/bold]'", "Created mine.py"),
            ("title", "the end of a text", '"Tiny"', '\'""" + 1 / 0 #\'', "Created mine.py"),
        )
    ),
)

# ---- what is around a command

SIZES = ("0", "1", "19", "-5", "wide", "²", "٣٤", "9" * 5000, "99999999", " 80", "8e1", "")
AROUND = (
    *(
        Kind(f"{name}={value[:20]!r}", ("list",), ("unclosed-body", "easy"), code=DONE, env={name: value})
        for name in ("COLUMNS", "LINES")
        for value in SIZES
    ),
    *(
        Kind(f"{name}={value!r}", ("list",), ("unclosed-body", "easy"), code=DONE, env={name: value})
        for name, value in (
            ("TERM", ""),
            ("TERM", "dumb"),
            ("TERM", "klingon"),
            ("NO_COLOR", ""),
            ("NO_COLOR", "0"),
            ("COLORTERM", "klingon"),
            ("FORCE_COLOR", ""),
            ("HOME", "/dev/null"),
            ("HOME", ""),
            ("TMPDIR", "/no/such/folder"),
            ("LANG", "klingon"),
            ("LEAKLAB_DEBUG", ""),
        )
    ),
    Kind(
        "LEAKLAB_DEBUG beside a wrong name",
        ("show", "nope"),
        ("no scenario is called 'nope'", "there are"),
        env={"LEAKLAB_DEBUG": "1"},
    ),
)

SCRIPT = 'script="$(dirname "$1")/leaklab" && shift 3 && exec "$script" "$@"'
"""Not as `python -m`: that imports what lies in the folder, and a completion asks for the name of the script."""

GONE = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
FULL_DEVICE = ("the output cannot be written", "No space left on device", "Free some space")
PROCESSES = (
    Kind("standard input that is closed", ("list",), ("unclosed-body",), code=DONE, through='exec "$@" <&-'),
    Kind("standard output that is closed", ("list",), (), code=DONE, through='exec "$@" >&-'),
    Kind("standard error that is closed", ("show", "nope"), (), through='exec "$@" 2>&-'),
    Kind("all standard streams that are closed", ("show", "nope"), (), through='exec "$@" <&- >&- 2>&-'),
    Kind("guesses from an input that is closed", (*RUN, "--predict"), ("standard input",), through='exec "$@" <&-'),
    Kind("a full device", ("list",), FULL_DEVICE, code=COULD_NOT_MEASURE, through='exec "$@" >/dev/full'),
    Kind("help to a full device", ("--help",), FULL_DEVICE, code=COULD_NOT_MEASURE, through='exec "$@" >/dev/full'),
    Kind("JSON to a full device", ("schema",), FULL_DEVICE, code=COULD_NOT_MEASURE, through='exec "$@" >/dev/full'),
    Kind("a refusal to a full device", ("show", "nope"), (), through='exec "$@" 2>/dev/full'),
    Kind(
        "a folder that is gone", ("list",), ("the folder in which you are is gone", "change to another"), through=GONE
    ),
    Kind(
        "an output of ASCII",
        ("show", "é–…\x1b[2J"),
        ("no scenario is called '?-~\\x1b[2J'", "unclosed-body"),
        env={"PYTHONIOENCODING": "ascii:strict"},
    ),
    Kind(
        "a locale of ASCII",
        ("show", "nope"),
        ("no scenario is called 'nope'", "unclosed-body"),
        env={"LC_ALL": "C", "PYTHONIOENCODING": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ),
    Kind(
        "a byte that is not UTF-8 on a real command line",
        ("list",),
        ("No such option: --", "--help"),
        through='exec "$@" "$(printf -- \'--\\377\')"',
    ),
    *(
        Kind(f"a completion {what}", (), words, code=code, env=env, through=SCRIPT)
        for what, words, code, env in (
            (
                "of a shell that there is none of",
                ("Shell klingon not supported",),
                WRONG_USAGE,
                {"_LEAKLAB_COMPLETE": "complete_klingon"},
            ),
            (
                "without a word",
                ("install it again with --install-completion",),
                WRONG_USAGE,
                {"_LEAKLAB_COMPLETE": "complete_bash"},
            ),
            (
                "of an option twice and markup",
                (),
                DONE,
                {
                    "_LEAKLAB_COMPLETE": "complete_bash",
                    "COMP_WORDS": "leaklab run --steps 5 --steps 6 [/bold]",
                    "COMP_CWORD": "99",
                },
            ),
        )
    ),
    Kind(
        "a home that is a file, to install a completion in",
        ("--install-completion",),
        ("/dev/null", "Choose another"),
        env={"HOME": "/dev/null"},
        through='SHELL=/bin/bash; export SHELL; exec bash -c \'"$@"; exit $?\' bash "$@"',
    ),
    Kind(
        "a completion to be shown of a shell that there is none of",
        ("--show-completion", "klingon"),
        ("klingon",),
        through='exec bash -c \'"$@"; exit $?\' bash "$@"',
    ),
)

# ---- files that must be run to be known

FORGED = """import os
def run(urls):
    for fd in range(3, 64):
        try:
            os.write(fd, b'{"end": true}\\n')
        except OSError:
            pass
    return []
"""
MEASURED = (
    ("without run", "def ran(urls):\n    return []\n", "needs a function run()"),
    ("with run as a method", "class Work:\n    def run(self, urls):\n        return []\n", "method of the class Work"),
    ("that yields", "def run(urls):\n    for url in urls:\n        yield len(url)\n", "generator"),
    ("that returns what it would do", "def run(urls):\n    return (len(url) for url in urls)\n", "generator"),
    ("that forges what is measured", FORGED, ""),
)
LEARNERS = (
    *(
        Kind(f"a file {what}", CHECK, ("NOT FIXED", words), files(mine__py=source), NOT_AS_EXPECTED)
        for what, source, words in MEASURED
    ),
    Kind(
        "a file beside it that is called like a module",
        CHECK,
        ("NOT FIXED", "requests.py, beside your file,", "Rename it"),
        files(mine__py=FIXED, requests__py="def get(url): return b''\n"),
        NOT_AS_EXPECTED,
        through=SCRIPT,
    ),
)
