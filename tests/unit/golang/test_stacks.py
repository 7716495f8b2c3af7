"""Stacks as Go 1.26 and Go 1.27 print them, shortened: the paths and the calls are as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaklab.golang.stacks import Frame, Goroutine, Panic, goroutines, innermost, panic_in

HOME = Path("/home/ann")
FILE = "/home/ann/mine.go"

GOROUTINES = """\
goroutine 1 [running]:
main.main()
	/home/ann/mine.go:39 +0x128

goroutine 21 [sleep, 2 minutes]:
time.Sleep(0x34630b8a000)
	{library}/runtime/time.go:{at} +0x165
main.leak.func1()
	/home/ann/mine.go:23 +0x94
created by main.leak in goroutine 1
	/home/ann/mine.go:18 +0x1a
[originating from goroutine 1]:
main.leak(...)
	/home/ann/mine.go:25 +0x1a
main.main(...)
	/home/ann/mine.go:33 +0xc5

goroutine 22 [chan send (leaked)]:
main.(*pool).work(...)
	/home/ann/mine.go:15
created by main.leak.func1 in goroutine 21
	/home/ann/mine.go:21 +0x85
[originating from goroutine 21]:
main.leak.func1(...)
	/home/ann/mine.go:23 +0x85
created by main.leak
	/home/ann/mine.go:18 +0x1a
"""

VERSIONS = {
    "1.26": {"library": "/usr/local/go/src", "at": 363},
    "1.27": {"library": "/opt/site-packages/go/src", "at": 368},
}


@pytest.fixture(params=VERSIONS)
def found(request: pytest.FixtureRequest) -> list[Goroutine]:
    return [*goroutines(GOROUTINES.format(**VERSIONS[request.param]))]


def test_each_goroutine_has_its_state_and_its_calls(found: list[Goroutine]) -> None:
    assert [one.state for one in found] == ["running", "sleep", "chan send"]
    assert found[0].frames == (Frame("main.main", FILE, 39),)
    assert [frame.function for frame in found[1].frames] == ["time.Sleep", "main.leak.func1"]


def test_what_can_never_go_on_is_known(found: list[Goroutine]) -> None:
    assert [one.is_leaked for one in found] == [False, False, True]


def test_the_creators_are_the_nearest_first(found: list[Goroutine]) -> None:
    assert [frame.line for frame in found[1].creators] == [18, 25, 33]
    assert [frame.line for frame in found[2].creators] == [21, 23, 18]
    assert found[0].creators == ()


def test_the_innermost_call_is_looked_for_in_one_folder(found: list[Goroutine]) -> None:
    assert innermost(found[1].frames, HOME) == Frame("main.leak.func1", FILE, 23)
    assert innermost(found[1].frames, HOME.parent) is None


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("main.Run", "Run"),
        ("leaklab/halves/h0123/half.Run", "Run"),
        ("leaklab/halves/h0123/half.Run.func1", "Run"),
        ("leaklab/halves/h0123/half.Run.func1.2", "Run"),
        ("leaklab/halves/h0123/half.Run.gowrap1", "Run"),
        ("leaklab/halves/h0123/half.Run-range1", "Run"),
        ("leaklab/halves/h0123/half.Run.func1-range2", "Run"),
        ("leaklab/halves/h0123/half.(*pool).work", "(*pool).work"),
        ("net/http.(*persistConn).readLoop", "(*persistConn).readLoop"),
        ("go.mongodb.org/mongo-driver/v2/mongo.(*Cursor).Next", "(*Cursor).Next"),
    ],
)
def test_a_function_is_called_as_people_call_it(function: str, name: str) -> None:
    """The body of a loop over a function is one of its own to the compiler: `Run-range1`."""
    assert Frame(function, FILE, 1).name == name


BOOM = """\
2026/11/27 22:28:09 what the half printed
panic: boom

goroutine 5 [running]:
main.main.func1()
	/home/ann/mine.go:41 +0x25
created by main.main in goroutine 1
	/home/ann/mine.go:41 +0x1df
exit status 2
"""

AGAIN = """\
panic: first [recovered, repanicked]

goroutine 7 [running]:
main.main.func2.1()
	/home/ann/mine.go:45 +0x18
panic({0x4e7b00?, 0x515540?})
	/usr/local/go/src/runtime/panic.go:860 +0x13a
main.main.func2()
	/home/ann/mine.go:46 +0x3e
"""

BEFORE_1_24 = AGAIN.replace(" [recovered, repanicked]", " [recovered]\n\tpanic: first")

MAP = """\
fatal error: concurrent map writes

goroutine 7 [running]:
internal/runtime/maps.fatal({0x50d30f?, 0x0?})
	/usr/local/go/src/runtime/panic.go:1181 +0x18
main.main.func4()
	/home/ann/mine.go:60 +0x28

goroutine 1 [sleep]:
time.Sleep(0x3b9aca00)
	/usr/local/go/src/runtime/time.go:363 +0x165
"""

OVERFLOW = """\
runtime: goroutine stack exceeds 65536-byte limit
runtime: sp=0x3e639a94c388 stack=[0x3e639a94c000, 0x3e639a95c000]
fatal error: stack overflow

runtime stack:
runtime.throw({0x50b5be?, 0x200000008?})
	/usr/local/go/src/runtime/panic.go:1229 +0x48 fp=0x7ffc2962dc28 sp=0x7ffc2962dbf8 pc=0x47dfe8

goroutine 21 gp=0x3e639a904780 m=0 mp=0x5f4460 [running]:
main.f(0x1506)
	/home/ann/mine.go:27 +0x39 fp=0x3e639a94c398 sp=0x3e639a94c390 pc=0x4da139
main.f(0x1504)
	/home/ann/mine.go:27 +0x1c fp=0x3e639a94c3b0 sp=0x3e639a94c398 pc=0x4da11c
"""

NIL = """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4da6a2]

goroutine 7 [running]:
main.main.func6()
	/home/ann/mine.go:72 +0x2
"""

LINES = """\
panic: custom 3
	second line

goroutine 7 [running]:
main.main.func7()
	/home/ann/mine.go:75 +0x58
"""

DEADLOCK = """\
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [select (no cases)]:
main.main()
	/home/ann/mine.go:70 +0x2b2
"""

TEXT_BEFORE = "panic: I only look like it\n\ngoroutine 1 [running]:\nmain.main()\n\t/etc/passwd:1 +0x1\n" + BOOM


@pytest.mark.parametrize(
    ("said", "kind", "words", "line"),
    [
        (BOOM, "panic", "boom", 41),
        (AGAIN, "panic", "first", 45),
        (BEFORE_1_24, "panic", "first", 45),
        (MAP, "fatal error", "concurrent map writes", 60),
        (OVERFLOW, "fatal error", "stack overflow", 27),
        (NIL, "panic", "runtime error: invalid memory address or nil pointer dereference", 72),
        (LINES, "panic", "custom 3", 75),
        (DEADLOCK, "fatal error", "all goroutines are asleep - deadlock!", 70),
        (TEXT_BEFORE, "panic", "boom", 41),
        ("panic: half of it", "panic", "half of it", None),
    ],
    ids=["panic", "raised again", "before 1.24", "map", "overflow", "nil", "lines", "deadlock", "text before", "cut"],
)
def test_a_panic_has_its_words_and_the_line_of_the_half(said: str, kind: str, words: str, line: int | None) -> None:
    panic = panic_in(said)
    assert panic is not None
    assert (panic.kind, panic.words) == (kind, words)
    place = panic.place(HOME)
    assert (place and place.line) == line


@pytest.mark.parametrize("said", ["", "no panic: here\n", "don't panic\n", "  panic: indented\n"])
def test_other_words_are_no_panic(said: str) -> None:
    assert panic_in(said) is None


def test_a_panic_in_other_files_has_no_place() -> None:
    assert Panic("panic", "boom", (Frame("main.f", "/elsewhere/mine.go", 1),)).place(HOME) is None


@pytest.mark.parametrize(
    "text", ["", "\n", "goroutine x [running]:\n", "goroutine 1 [running]:\n", "\t/a.go:1\n\t/a.go:2"]
)
def test_no_text_is_too_odd(text: str) -> None:
    assert sum(len(one.frames) for one in goroutines(text)) == 0
