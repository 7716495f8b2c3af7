"""Reads the stacks that Go prints: of a process that a panic ended, and of the goroutines that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple


class Frame(NamedTuple):
    """A call in a stack: its function with the package's path, its file, and its line."""

    function: str
    file: str
    line: int

    @property
    def name(self) -> str:
        """The function as people call it: without its package, and without the number of a function literal."""
        name = re.sub(r"(\.func\d+|\.gowrap\d+|-range\d+|[-.]\d+)+$", "", self.function.rpartition("/")[2])
        return name.partition(".")[2] or name


@dataclass(frozen=True, slots=True)
class Goroutine:
    """A goroutine as Go prints it.

    Attributes:
        state: what it does or waits for: `chan send`.
        is_leaked: whether it can never go on (runtime/pprof, "goroutineleak").
        frames: its calls, the innermost first.
        creators: the calls that started it, the nearest first; then those that started that one, if they are known.
    """

    state: str
    is_leaked: bool
    frames: tuple[Frame, ...]
    creators: tuple[Frame, ...]


class Panic(NamedTuple):
    """What ended a process: `panic` or `fatal error`, its words, and the calls of the goroutine, innermost first."""

    kind: str
    words: str
    frames: tuple[Frame, ...]

    def place(self, folder: Path) -> Frame | None:
        """The innermost call in a file of the folder; None if there is none."""
        return innermost(self.frames, folder)


HEAD = re.compile(r"^goroutine \d+ (?:gp=\S+ m=\S+(?: mp=\S+)? )?\[(?P<state>[^\]]*)\]:$", re.MULTILINE)
CALL = re.compile(
    r"^(?P<creates>created by )?(?P<function>\S.*)\n\t(?P<file>.+):(?P<line>\d{1,9})(?: \+0x[0-9a-f]+)?(?: \w+=\w+)*$"
)
ORIGIN = "[originating from goroutine "
LONGEST = 300
"""Characters of what a panic says that are kept."""

PANIC = re.compile(r"^(?P<kind>panic|fatal error): (?P<words>.*?)(?: \[recovered\b[^\]]*\].*)?$", re.MULTILINE)


def goroutines(text: str) -> Iterator[Goroutine]:
    """The goroutines of a text as `runtime.Stack` makes it, also with their ancestors (GODEBUG=tracebackancestors)."""
    heads = [*HEAD.finditer(text)]
    for head, end in zip(heads, [*(each.start() for each in heads[1:]), len(text)], strict=False):
        state, *more = head["state"].split(", ")
        is_leaked = state.endswith(" (leaked)")
        frames: list[Frame] = []
        creators: list[Frame] = []
        for frame, is_own in _calls(text[head.end() : end]):
            (frames if is_own else creators).append(frame)
        yield Goroutine(state.removesuffix(" (leaked)"), is_leaked or "leaked" in more, tuple(frames), tuple(creators))


def _calls(text: str) -> Iterator[tuple[Frame, bool]]:
    """The calls of one goroutine, and whether each is one of its own."""
    lines = text.strip("\n").split("\n")
    is_own = True
    for first, second in pairwise(lines):
        if first.startswith(ORIGIN):
            is_own = False
        call = CALL.match(f"{first}\n{second}") if second.startswith("\t") else None
        if call is not None:
            is_own = is_own and not call["creates"]
            # Its arguments, or the goroutine that it was in, are no part of its name.
            function = call["function"].partition(" in goroutine ")[0]
            yield Frame(re.sub(r"\([^()]*\)$", "", function), call["file"], int(call["line"])), is_own


def innermost(frames: Sequence[Frame], folder: Path) -> Frame | None:
    """The first of these calls that is in a file of the folder."""
    # The jump of an empty loop has no line of its own.
    return next((frame for frame in frames if frame.line and Path(frame.file).parent == folder), None)


def panic_in(output: str) -> Panic | None:
    """What a process said when a panic, or an error of Go's runtime, ended it; None if it says nothing of the kind.

    It is the last of what it said: the program may have printed such words before.
    """
    said = next(reversed([*PANIC.finditer(output)]), None)
    if said is None:
        return None
    ended = next(goroutines(output[said.end() :]), None)
    return Panic(said["kind"], said["words"][:LONGEST], ended.frames if ended is not None else ())
