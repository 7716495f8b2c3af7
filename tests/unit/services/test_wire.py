"""The framing of MongoDB's wire protocol: what is a message, what is refused, and how."""

from __future__ import annotations

import struct

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.services.mongo import wire
from leaklab.services.mongo.command_error import CommandError

PING = bson.encode({"ping": 1, "$db": "admin"})
BODY = b"\0" + PING


def message(payload: bytes, opcode: int = wire.OP_MSG) -> bytes:
    return struct.pack("<iiii", wire.HEADER_BYTES + len(payload), 7, 0, opcode) + payload


def msg(*sections: bytes, flags: int = 0) -> bytes:
    return message(struct.pack("<I", flags) + b"".join(sections))


def sequence(name: str, *documents: dict[str, object]) -> bytes:
    inner = name.encode() + b"\0" + b"".join(map(bson.encode, documents))
    return b"\x01" + struct.pack("<i", len(inner) + 4) + inner


def query(namespace: str, document: dict[str, object]) -> bytes:
    payload = struct.pack("<i", 0) + namespace.encode() + b"\0" + struct.pack("<ii", 0, -1)
    return message(payload + bson.encode(document), wire.OP_QUERY)


def error_code(whole: bytes) -> int:
    error = wire.parse_request(whole).command
    assert isinstance(error, CommandError)
    return error.code


def test_document_sequences_are_merged_into_the_command_wherever_the_body_stands() -> None:
    first, body = sequence("documents", {"_id": 1}, {"_id": 2}), b"\0" + bson.encode({"insert": "c"})
    command = {"insert": "c", "documents": [{"_id": 1}, {"_id": 2}], "more": []}
    for sections in ([first, body], [body, first]):
        assert wire.parse_request(msg(*sections, sequence("more"))) == wire.Request(7, command)


def test_flags_are_heeded() -> None:
    """Bits 16 to 31 (exhaustAllowed is bit 16) may be ignored by a server; an unknown one below may not."""
    command = {"ping": 1, "$db": "admin"}
    assert wire.parse_request(msg(BODY, b"\xde\xad\xbe\xef", flags=wire.CHECKSUM_PRESENT)).command == command
    assert not wire.parse_request(msg(BODY, flags=wire.MORE_TO_COME)).reply_expected
    assert wire.parse_request(msg(BODY, flags=0xFFFF0000)).command == command
    for whole in [message(b""), *(msg(BODY, flags=1 << bit) for bit in range(2, 16))]:
        with pytest.raises(wire.FramingError):
            wire.parse_request(whole)


@pytest.mark.parametrize(
    ("sections", "code"),
    [
        ([], 40587),
        ([sequence("documents", {"_id": 1})], 40587),
        ([BODY, BODY], 40430),
        ([BODY, sequence("a"), sequence("a")], 40431),
        ([BODY, sequence("ping", {"_id": 1})], 40433),
        ([b"\x02" + PING], 40432),
        ([BODY[:-1]], 22),
        ([b"\0\xff\xff\xff\xff"], 22),
        ([b"\0"], 22),
        ([BODY[:-1] + b"\x01"], 22),
        ([BODY, sequence("")], 22),
        ([BODY, b"\x01\x08\0\0\0abcd"], 22),
        ([BODY, b"\x01\x0a\0\0\0a\0\xff\xff\xff\xff"], 22),
        ([BODY, sequence("documents", *[{}] * (wire.MAX_WRITE_BATCH + 1))], 16),
        ([b"\0" + bson.encode({"a": b"x" * (wire.MAX_DOCUMENT_BYTES + 20_000)})], 10334),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_wrong_sections_can_be_answered_with_a_code(sections: list[bytes], code: int) -> None:
    assert error_code(msg(*sections)) == code


def test_documents_nested_too_deeply_are_no_crash() -> None:
    nested = bson.encode({"a": 1})
    for _ in range(5000):
        inner = b"\x03a\0" + nested
        nested = struct.pack("<i", len(inner) + 5) + inner + b"\0"
    wire.parse_request(msg(b"\0" + nested))


@pytest.mark.parametrize("document", [{"isMaster": 1, "helloOk": True}, {"$query": {"isMaster": 1, "helloOk": True}}])
def test_a_legacy_handshake_is_a_command_on_its_database(document: dict[str, object]) -> None:
    request = wire.parse_request(query("admin.$cmd", document))
    assert (request.legacy, request.command) == (True, {"isMaster": 1, "helloOk": True, "$db": "admin"})
    assert error_code(query("lab.profiles", {})) == 352
    with pytest.raises(wire.FramingError):
        wire.parse_request(message(b"\0\0\0\0ad", wire.OP_QUERY))


NAMES = st.text(st.characters(codec="ascii", exclude_characters="\0"))


@given(st.lists(st.dictionaries(NAMES, st.integers(-9, 9)), max_size=120))
def test_a_cursor_reply_reads_as_if_bson_had_encoded_it(documents: list[dict[str, int]]) -> None:
    raw = [bson.encode(d) for d in documents]
    by_hand = wire.cursor_reply_body("firstBatch", raw, cursor_id=2**62, namespace="läb.c")
    cursor = {"firstBatch": documents, "id": bson.Int64(2**62), "ns": "läb.c"}
    # Compared decoded: bson.encode moves an _id to the front, which a document that is encoded already keeps.
    assert bson.decode(by_hand) == {"cursor": cursor, "ok": 1.0}
    assert len(by_hand) == len(bson.encode({"cursor": cursor, "ok": 1.0}))
