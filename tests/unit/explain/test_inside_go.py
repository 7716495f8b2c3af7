"""What a witness in Go gives becomes groups: goroutines, connections, memory, and where the caller is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaklab.explain.evidence import ReportedLine
from leaklab.explain.inside_go import GOROUTINES, groups_in_go
from leaklab.metrics import CONNECTIONS_OPENED, ELAPSED, RSS, SOCKETS

HOME = Path("/home/ann")
FILE = "/home/ann/mine.go"

CONNECTION = """\
goroutine {number} [select]:
net/http.(*persistConn).{loop}(0x3a2b53782480)
	/usr/local/go/src/net/http/transport.go:2325 +0xc7
created by net/http.(*Transport).dialConn in goroutine 50
	/usr/local/go/src/net/http/transport.go:1944 +0x174f
[originating from goroutine 50]:
net/http.(*Transport).dialConnFor(...)
	/usr/local/go/src/net/http/transport.go:1615 +0x174f
created by net/http.(*Transport).queueForDial
	/usr/local/go/src/net/http/transport.go:1592 +0x4a5
[originating from goroutine 1]:
net/http.Get(...)
	/usr/local/go/src/net/http/client.go:463 +0x3a
leaklab/halves/h0123/half.Run-range1(...)
	/home/ann/mine.go:12 +0x2f
"""

SENDER = """\
goroutine {number} [chan send (leaked)]:
leaklab/halves/h0123/half.inTime.func1()
	/home/ann/mine.go:29 +0x47
created by leaklab/halves/h0123/half.inTime in goroutine 1
	/home/ann/mine.go:28 +0x8f
"""

CALLER = """\
goroutine 1 [select]:
leaklab/halves/h0123/half.wait(...)
	/home/ann/mine.go:40
leaklab/halves/h0123/half.Run({0x0, 0x0})
	/home/ann/mine.go:20 +0x2f
reflect.Value.Call({0x1?, 0x2?, 0x3?})
	/usr/local/go/src/reflect/value.go:365 +0xb9
leaklab/worker.(*worker).call(0xc000116000, {0x1, 0x2, 0x3})
	/cache/module/worker/worker.go:140 +0x85
"""


def connections(count: int) -> str:
    loops = ("readLoop", "writeLoop")
    return "\n".join(
        CONNECTION.format(number=100 + 2 * pair + second, loop=loop)
        for pair in range(count)
        for second, loop in enumerate(loops)
    )


def groups(
    stacks: str, heap: list[Any] | None = None
) -> list[tuple[str, int, ReportedLine | None, ReportedLine | None]]:
    return [(one.counter, one.count, one.opened, one.waits) for one in groups_in_go(stacks, heap or [], HOME)]


def test_a_connection_is_one_socket_and_two_goroutines_of_the_line_that_asked() -> None:
    found = groups(connections(3))
    line = ReportedLine(FILE, 12, "Run")
    counted = {(counter, opened): 0 for counter, _, opened, _ in found}
    for counter, count, opened, _ in found:
        counted[counter, opened] += count
    assert counted == {(GOROUTINES, line): 6, (SOCKETS, line): 3, (CONNECTIONS_OPENED.counter, line): 3}


def test_a_goroutine_that_can_never_go_on_is_told_with_both_lines() -> None:
    (one,) = groups_in_go("\n".join(SENDER.format(number=number) for number in (5, 6, 7)), [], HOME)
    assert (one.counter, one.count) == (GOROUTINES, 3)
    assert (one.opened, one.waits) == (ReportedLine(FILE, 28, "inTime"), ReportedLine(FILE, 29, "inTime"))
    assert "never" in one.note


def test_the_caller_is_where_the_time_goes_and_no_goroutine_of_the_halfs() -> None:
    assert groups(CALLER) == [(ELAPSED.counter, 1, None, ReportedLine(FILE, 40, "wait"))]


def test_memory_belongs_to_the_innermost_line_of_the_half() -> None:
    library = ["/usr/local/go/src/bytes/buffer.go", 90, "bytes.growSlice"]
    of_line = [[FILE, line, "leaklab/halves/h0123/half.load"] for line in (9, 10)]
    heap = [
        {"bytes": 5, "stack": [library, of_line[0], of_line[1]]},
        {"bytes": 7, "stack": [of_line[0]]},
        {"bytes": 9, "stack": [library]},
    ]
    assert groups("", heap) == [(RSS.counter, 12, ReportedLine(FILE, 9, "load"), None)]


@pytest.mark.parametrize(
    "heap",
    [
        [3],
        [{"bytes": 0, "stack": []}],
        [{"bytes": -1, "stack": []}],
        [{"bytes": "many", "stack": []}],
        [{"bytes": 1}],
        [{"bytes": 1, "stack": [["file", "line", "function"]]}],
        [{"bytes": 2**60, "stack": []}],
    ],
)
def test_memory_that_is_not_as_it_should_be_is_left_out(heap: list[Any]) -> None:
    assert groups("", heap) == []


@pytest.mark.parametrize("stacks", ["", "nonsense", "goroutine 1 [running]:", "\0", "goroutine 5 [x]:\n\t\n\t:1"])
def test_no_stacks_are_too_odd(stacks: str) -> None:
    assert all(one.opened is None and one.waits is None for one in groups_in_go(stacks, [], HOME))


def test_most_come_first() -> None:
    found = groups_in_go(connections(2) + "\n" + SENDER.format(number=9), [], HOME)
    assert [one.count for one in found] == sorted((one.count for one in found), reverse=True)
