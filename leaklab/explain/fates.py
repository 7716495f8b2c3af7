"""What became of the connections that were opened: who made them, and whether the body of their response was read."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from leaklab.explain.recorder import (
    FAILED,
    HTTP_1_0,
    ONE_ANSWER,
    READ,
    SERVER_ENDS,
    UNREAD,
    OpenedConnection,
    Recorder,
)
from leaklab.explain.safely import attributes

if TYPE_CHECKING:
    from leaklab.explain.own_code import Line

MOST = 0.5
"""The share of a line's connections of which a reason must be true, to be given."""


def by_line(recorder: Recorder, ports: set[int]) -> dict[Line | None, list[OpenedConnection]]:
    """The connections to these ports, by the line that opened them."""
    found: dict[Line | None, list[OpenedConnection]] = {}
    for one in recorder.connections:
        if one.address[1:2] and one.address[1] in ports:
            found.setdefault(one.origin.line, []).append(one)
    return found


def fate(several: list[OpenedConnection]) -> str:
    """What became of most of these connections, and why none was used again."""
    fates = [_fate(one) for one in several]
    words, count = Counter(fates).most_common(1)[0]
    said = [words] if words and count >= MOST * len(several) else []
    left = [
        one.left if one.left is not None else _left(one)
        for one, its in zip(several, fates, strict=True)
        if its == words
    ]
    known = sorted(number for number in left if number)
    if said and known and UNREAD_WORDS in words:
        few, many = f"{known[0]:,}", f"{known[-1]:,}"
        said[0] += f" ({few if few == many else f'{few} to {many}'} bytes left)"
    if maker := new_each_time(several):
        said.append(f"each was made by a new {maker}")
    return "; ".join(said)


UNREAD_WORDS = "with its body unread"

_ENDED = {
    FAILED: "never established",
    HTTP_1_0: "closed after one answer, as the server speaks HTTP/1.0",
    SERVER_ENDS: "closed after one answer, as the server ends it then",
    ONE_ANSWER: "closed after one answer, as its request asked for (Connection: close)",
}


def _fate(one: OpenedConnection) -> str:
    sock: Any = one.socket()
    is_open = sock is not None and sys.modules["_socket"].socket.fileno(sock) >= 0
    if one.fate in _ENDED:
        return _ENDED[one.fate]
    if one.fate == UNREAD or (is_open and _left(one)):
        return f"{'still open' if is_open else 'closed'} {UNREAD_WORDS}"
    if one.fate == READ:
        return "still open, its body read" if is_open else "closed, its body read"
    return "still open" if is_open else "closed"


def _left(one: OpenedConnection) -> int | None:
    """Bytes that a response which is still there has not read."""
    response = one.response() if one.response is not None else None
    own = attributes(response) if response is not None else {}
    length = own.get("length")
    return length if own.get("fp") is not None and type(length) is int else None


def could_be_reused(several: list[OpenedConnection]) -> bool:
    """Whether one client has made them all for a server that ends each after one answer: then none can be reused."""
    return bool(new_each_time(several)) or any(one.fate not in (HTTP_1_0, SERVER_ENDS) for one in several)


def new_each_time(several: list[OpenedConnection]) -> str:
    """The type of the client that made them, if each was made by another one; empty if not."""
    if len(several) < 2:
        return ""
    makers = [one.origin.makers for one in several]
    shared = Counter(number for each in makers for _, number in set(each))
    if not all(makers) or any(count > MOST * len(several) for count in shared.values()):
        return ""
    # A client of a database is asked by way of its collections.
    clients = [[name for name, _ in each if "Client" in name or "Session" in name] or [each[0][0]] for each in makers]
    return Counter(names[0] for names in clients).most_common(1)[0][0]
