"""The framing of MongoDB's wire protocol: what is a message, what is refused, and how."""

from __future__ import annotations

import contextlib
import struct

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.services.mongo import wire

PING = bson.encode({"ping": 1, "$db": "admin"})


def header(length: int, opcode: int = wire.OP_MSG, request_id: int = 7) -> bytes:
    return struct.pack("<iiii", length, request_id, 0, opcode)


def message(payload: bytes, opcode: int = wire.OP_MSG) -> bytes:
    return header(wire.HEADER_BYTES + len(payload), opcode) + payload


def msg(*sections: bytes, flags: int = 0) -> bytes:
    return message(struct.pack("<I", flags) + b"".join(sections))


def body(document: dict[str, object]) -> bytes:
    return b"\0" + bson.encode(document)


def sequence(name: str, *documents: dict[str, object]) -> bytes:
    inner = name.encode() + b"\0" + b"".join(map(bson.encode, documents))
    return b"\x01" + struct.pack("<i", len(inner) + 4) + inner


def query(namespace: str, document: dict[str, object]) -> bytes:
    payload = struct.pack("<i", 0) + namespace.encode() + b"\0" + struct.pack("<ii", 0, -1)
    return message(payload + bson.encode(document), wire.OP_QUERY)


# ---- the length of a message


@pytest.mark.parametrize("have", range(16))
def test_an_incomplete_header_has_no_length_yet(have: int) -> None:
    assert wire.message_bytes(header(100)[:have]) is None


def test_the_length_is_known_once_the_header_is_complete() -> None:
    assert wire.message_bytes(header(100)) == 100
    assert wire.message_bytes(bytearray(header(wire.MAX_MESSAGE_BYTES))) == 48_000_000


@pytest.mark.parametrize("length", [-1, 0, 15, 48_000_001, 2**31 - 1, -(2**31)])
def test_an_impossible_length_is_refused_before_the_rest_arrives(length: int) -> None:
    with pytest.raises(wire.FramingError, match=str(length)):
        wire.message_bytes(struct.pack("<i", length))


@pytest.mark.parametrize("opcode", [0, 1, 2001, 2002, 2005, 2006, 2007, 2012, 2014, -1])
def test_an_unknown_or_retired_opcode_is_refused(opcode: int) -> None:
    """OP_COMPRESSED (2012) among them: hello offers no compressor."""
    with pytest.raises(wire.FramingError, match=f"opcode {opcode}"):
        wire.message_bytes(header(100, opcode))


# ---- OP_MSG


def test_a_body_is_the_command() -> None:
    request = wire.parse_request(msg(b"\0" + PING))
    assert request == wire.Request(7, {"ping": 1, "$db": "admin"})


def test_document_sequences_are_merged_into_the_command_wherever_the_body_stands() -> None:
    first = sequence("documents", {"_id": 1}, {"_id": 2})
    command = {"insert": "c", "documents": [{"_id": 1}, {"_id": 2}], "more": []}
    for sections in ([first, body({"insert": "c"})], [body({"insert": "c"}), first]):
        assert wire.parse_request(msg(*sections, sequence("more"))).command == command


def test_more_to_come_expects_no_reply() -> None:
    assert not wire.parse_request(msg(b"\0" + PING, flags=wire.MORE_TO_COME)).reply_expected


def test_a_checksum_is_taken_off() -> None:
    request = wire.parse_request(msg(b"\0" + PING, b"\xde\xad\xbe\xef", flags=wire.CHECKSUM_PRESENT))
    assert request.command == {"ping": 1, "$db": "admin"}


def test_unknown_optional_flags_are_ignored() -> None:
    """Bits 16 to 31 (exhaustAllowed is bit 16) may be ignored by a server."""
    assert wire.parse_request(msg(b"\0" + PING, flags=0xFFFF0000)).command == {"ping": 1, "$db": "admin"}


@pytest.mark.parametrize("bit", range(2, 16))
def test_an_unknown_required_flag_breaks_the_connection(bit: int) -> None:
    with pytest.raises(wire.FramingError, match="illegal flags"):
        wire.parse_request(msg(b"\0" + PING, flags=1 << bit))


def test_a_message_without_flags_breaks_the_connection() -> None:
    with pytest.raises(wire.FramingError):
        wire.parse_request(message(b""))


@pytest.mark.parametrize(
    ("sections", "code"),
    [
        ([], 40587),
        ([sequence("documents", {"_id": 1})], 40587),
        ([b"\0" + PING, b"\0" + PING], 40430),
        ([b"\0" + PING, sequence("a"), sequence("a")], 40431),
        ([b"\0" + PING, sequence("ping", {"_id": 1})], 40433),
        ([b"\x02" + PING], 40432),
        ([b"\0" + PING[:-1]], 22),
        ([b"\0\xff\xff\xff\xff"], 22),
        ([b"\0"], 22),
        ([b"\0" + PING[:-1] + b"\x01"], 22),
        ([b"\0" + PING, sequence("")], 22),
        ([b"\0" + PING, b"\x01\x08\0\0\0abcd"], 22),
        ([b"\0" + PING, b"\x01\x0a\0\0\0a\0\xff\xff\xff\xff"], 22),
        ([b"\0" + PING, b"\x01\x09\0\0\0a\0abc"], 22),
    ],
)
def test_wrong_sections_can_be_answered_with_a_code(sections: list[bytes], code: int) -> None:
    request = wire.parse_request(msg(*sections))
    assert isinstance(request.command, wire.BodyError)
    assert (request.command.code, request.request_id, request.reply_expected) == (code, 7, True)


def test_an_error_in_a_message_that_expects_no_reply_says_so() -> None:
    assert not wire.parse_request(msg(b"\0\0", flags=wire.MORE_TO_COME)).reply_expected


def test_documents_nested_too_deeply_are_an_error_and_no_crash() -> None:
    nested = bson.encode({"a": 1})
    for _ in range(5000):
        inner = b"\x03a\0" + nested
        nested = struct.pack("<i", len(inner) + 5) + inner + b"\0"
    wire.parse_request(msg(b"\0" + nested))  # decoding it would be right as well


def test_a_command_is_no_larger_than_a_document_and_a_batch_not_endless() -> None:
    large = wire.parse_request(msg(body({"a": b"x" * (wire.MAX_DOCUMENT_BYTES + 20_000)}))).command
    many = wire.parse_request(msg(sequence("documents", *[{}] * (wire.MAX_WRITE_BATCH + 1)), body({"a": 1}))).command
    assert [error.code for error in (large, many) if isinstance(error, wire.BodyError)] == [10334, 16]


# ---- OP_QUERY


@pytest.mark.parametrize("document", [{"isMaster": 1, "helloOk": True}, {"$query": {"isMaster": 1, "helloOk": True}}])
def test_a_legacy_handshake_is_a_command_on_its_database(document: dict[str, object]) -> None:
    request = wire.parse_request(query("admin.$cmd", document))
    assert request.legacy
    assert request.command == {"isMaster": 1, "helloOk": True, "$db": "admin"}


def test_a_legacy_query_on_a_collection_is_answered_with_an_error() -> None:
    request = wire.parse_request(query("lab.profiles", {}))
    assert isinstance(request.command, wire.BodyError)
    assert (request.command.code, request.legacy) == (352, True)


@pytest.mark.parametrize("cut", [4, 6])
def test_a_legacy_query_that_is_cut_off_breaks_the_connection(cut: int) -> None:
    payload = (struct.pack("<i", 0) + b"admin.$cmd\0")[:cut]
    with pytest.raises(wire.FramingError):
        wire.parse_request(message(payload, wire.OP_QUERY))


# ---- replies


def test_a_reply_is_one_message_in_the_protocol_of_its_request() -> None:
    modern = wire.reply_message(PING, request_id=3, response_to=7, legacy=False)
    assert struct.unpack_from("<iiiiIB", modern) == (len(modern), 3, 7, wire.OP_MSG, 0, 0)
    assert modern[21:] == PING
    legacy = wire.reply_message(PING, request_id=3, response_to=7, legacy=True)
    assert struct.unpack_from("<iiiiiqii", legacy) == (len(legacy), 3, 7, wire.OP_REPLY, 8, 0, 0, 1)
    assert legacy[36:] == PING


@given(
    st.lists(
        st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\0")), st.integers(-9, 9)),
        max_size=120,
    )
)
def test_a_cursor_reply_reads_as_if_bson_had_encoded_it(documents: list[dict[str, int]]) -> None:
    by_hand = wire.cursor_reply_body(
        "firstBatch", [bson.encode(d) for d in documents], cursor_id=2**62, namespace="läb.c"
    )
    cursor = {"firstBatch": documents, "id": bson.Int64(2**62), "ns": "läb.c"}
    # Compared decoded: bson.encode moves an _id to the front, which a document that is encoded already keeps.
    assert bson.decode(by_hand) == {"cursor": cursor, "ok": 1.0}
    assert len(by_hand) == len(bson.encode({"cursor": cursor, "ok": 1.0}))


def test_a_date_outside_pythons_years_survives() -> None:
    raw = bson.encode({"d": bson.DatetimeMS(2**60)})
    assert wire.encode_document(wire.decode_document(raw)) == raw


# ---- garbage


@given(st.binary(max_size=300), st.sampled_from([wire.OP_MSG, wire.OP_QUERY]))
def test_garbage_in_a_frame_is_refused_in_one_of_two_ways(payload: bytes, opcode: int) -> None:
    whole = message(payload, opcode)
    assert wire.message_bytes(whole) == len(whole)
    with contextlib.suppress(wire.FramingError):
        wire.parse_request(whole)


@given(st.data())
def test_a_valid_message_with_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(
        msg(
            body({"insert": "c", "$db": "lab", "x": [1, "two", {"d": None}]}),
            sequence("documents", {"_id": 1}),
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(wire.HEADER_BYTES, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(wire.FramingError):
        wire.parse_request(bytes(whole))


@given(st.binary(max_size=40))
def test_any_start_of_a_stream_is_a_length_or_refused(data: bytes) -> None:
    try:
        length = wire.message_bytes(data)
    except wire.FramingError:
        return
    assert length is None or wire.HEADER_BYTES <= length <= wire.MAX_MESSAGE_BYTES
