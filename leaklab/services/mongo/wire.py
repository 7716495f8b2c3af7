"""Frames MongoDB's wire protocol: bytes to requests, replies to bytes, nothing else.

Source: MongoDB manual, "MongoDB Wire Protocol", and the driver specification "OP_MSG". Integers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

from leaklab.services.mongo.command_error import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013

HEADER_BYTES = 16
MAX_MESSAGE_BYTES = 48_000_000
"""Largest message in bytes, header included (`maxMessageSizeBytes`; MongoDB manual, "hello")."""
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""Largest document, and bound of all documents in one reply, in bytes ("MongoDB Limits and Thresholds")."""
MAX_WRITE_BATCH = 100_000
"""Statements in one write command (`maxWriteBatchSize`; MongoDB manual, "hello")."""
_MAX_COMMAND_BYTES = MAX_DOCUMENT_BYTES + 16 * 1024  # `BSONObjMaxInternalSize`

CHECKSUM_PRESENT = 1 << 0
MORE_TO_COME = 1 << 1
_UNKNOWN_REQUIRED_FLAGS = 0xFFFF & ~(CHECKSUM_PRESENT | MORE_TO_COME)  # bits 16-31 may be ignored

_HEADER = struct.Struct("<iiii")
_INT32 = struct.Struct("<i")
_INT64 = struct.Struct("<q")

# A date outside Python's years is legal BSON; it must survive the round trip instead of failing to decode.
_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


class FramingError(ValueError):
    """The bytes break the framing: nothing after them can be understood; close the connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """One command as it came: `command` is the body with its document sequences merged in, or what is wrong with it.

    `legacy` requests came as OP_QUERY and are answered with OP_REPLY.
    """

    request_id: int
    command: dict[str, Any] | CommandError
    reply_expected: bool = True
    legacy: bool = False


def decode_document(data: bytes) -> dict[str, Any]:
    """Decode one BSON document. Raises ValueError, whatever is wrong with the bytes."""
    try:
        return bson.decode(data, codec_options=_CODEC)
    except Exception as error:
        # bson promises InvalidBSON, but garbage inside a value can surface as others (RecursionError too).
        raise ValueError(str(error)) from error


def encode_document(document: Mapping[str, Any]) -> bytes:
    """Encode one document; raises what `bson.encode` raises for a value that BSON cannot hold."""
    return bson.encode(document, codec_options=_CODEC)


def message_bytes(header: bytes) -> int:
    """Length in bytes, header included, of the message that begins with `header`.

    Raises FramingError if no message can have that length or opcode.
    """
    length, _, _, opcode = _HEADER.unpack(header)
    if not HEADER_BYTES <= length <= MAX_MESSAGE_BYTES:
        raise FramingError(f"message length {length} is not within {HEADER_BYTES} and {MAX_MESSAGE_BYTES} bytes")
    if opcode not in (OP_MSG, OP_QUERY):
        # OP_COMPRESSED (2012) too: no compressor is offered in `hello`, so no client may send it.
        raise FramingError(f"opcode {opcode} is not supported; use OP_MSG")
    return int(length)


def parse_request(message: bytes) -> Request:
    """Parse one whole message, header included. Raises FramingError: close the connection."""
    _, request_id, _, opcode = _HEADER.unpack_from(message)
    if len(message) < HEADER_BYTES + _INT32.size:
        raise FramingError("the message ends before its flags")
    legacy = opcode == OP_QUERY
    flags = 0 if legacy else _INT32.unpack_from(message, HEADER_BYTES)[0]
    if flags & _UNKNOWN_REQUIRED_FLAGS:
        # The real server ends the connection too (error category ConnectionFatalMessageParseError).
        raise FramingError(f"OP_MSG has illegal flags {flags:#x}")
    # The checksum is taken off, not verified: CRC-32C in Python is slow, and on loopback it protects nothing.
    end = len(message) - (_INT32.size if flags & CHECKSUM_PRESENT else 0)
    command: dict[str, Any] | CommandError
    try:
        command = _parse_query(message) if legacy else _merge_sections(message, HEADER_BYTES + _INT32.size, end)
    except CommandError as error:
        command = error
    return Request(request_id, command, not flags & MORE_TO_COME, legacy)


_BODY = ""  # a document sequence always has a name


def _merge_sections(message: bytes, at: int, end: int) -> dict[str, Any]:
    """Read one body and any number of document sequences, in any order, into one command."""
    sections: dict[str, list[dict[str, Any]]] = {}
    while at < end:
        kind = message[at]
        if kind not in (0, 1):
            raise CommandError(40432, f"unknown section kind {kind} in OP_MSG")
        section = _sized(message, at + 1, end)
        name, documents = (_BODY, [_decode(section)]) if kind == 0 else _parse_sequence(section)
        if name in sections:
            raise CommandError(40430 if name == _BODY else 40431, f"OP_MSG has two sections {name or 'with a body'}")
        sections[name] = documents
        at += 1 + len(section)
    if _BODY not in sections:
        raise CommandError(40587, "OP_MSG has no body section")
    (command,) = sections.pop(_BODY)
    if both := sections.keys() & command.keys():
        raise CommandError(40433, f"{sorted(both)} are both fields and document sequences")
    return command | sections


def _sized(message: bytes, at: int, end: int) -> bytes:
    """What begins at `at` with its own length."""
    size = _INT32.unpack_from(message, at)[0] if at + _INT32.size <= end else 0
    if not _INT32.size < size <= end - at:
        raise CommandError(22, "a section or a document of OP_MSG runs past its end")
    return message[at : at + size]


def _decode(raw: bytes) -> dict[str, Any]:
    if len(raw) > _MAX_COMMAND_BYTES:
        raise CommandError(
            10334, f"BSONObj size: {len(raw)} is invalid. Size must be between 0 and {_MAX_COMMAND_BYTES}"
        )
    try:
        return decode_document(raw)
    except ValueError as error:
        raise CommandError(22, f"not valid BSON: {error}") from error


def _parse_sequence(section: bytes) -> tuple[str, list[dict[str, Any]]]:
    name, separator, _ = section[_INT32.size :].partition(b"\0")
    if not name or not separator or not name.isascii():
        raise CommandError(22, "a document sequence has no name, or one that does not end")
    documents: list[dict[str, Any]] = []
    at = _INT32.size + len(name) + 1
    while at < len(section):
        if len(documents) >= MAX_WRITE_BATCH:
            raise CommandError(16, f"Write batch sizes must be between 1 and {MAX_WRITE_BATCH}. Got more operations.")
        raw = _sized(section, at, len(section))
        documents.append(_decode(raw))
        at += len(raw)
    return name.decode(), documents


def _parse_query(message: bytes) -> dict[str, Any]:
    """Layout: int32 flags, cstring namespace, int32 skip, int32 count, document, optional selector."""
    start = HEADER_BYTES + _INT32.size
    stop = message.find(b"\0", start)
    at = stop + 1 + 2 * _INT32.size
    if stop < 0 or at > len(message):
        raise FramingError("OP_QUERY ends before its document")
    command = _decode(_sized(message, at, len(message)))
    namespace = message[start:stop].decode(errors="replace")
    database, _, collection = namespace.partition(".")
    if collection != "$cmd":
        # Source: MongoDB manual, "Legacy Opcodes": removed in 5.1 but for hello and isMaster.
        raise CommandError(352, f"Unsupported OP_QUERY on {namespace!r}; use the find command")
    inner = command.get("$query")
    return {**(inner if isinstance(inner, dict) else command), "$db": database}


def reply_message(body: bytes, *, request_id: int, response_to: int, legacy: bool) -> bytes:
    """Return the message that answers `response_to` with one document: OP_MSG, or OP_REPLY if `legacy`."""
    # OP_REPLY: responseFlags 8 = AwaitCapable, no cursor, starting at 0, one document. OP_MSG: no flags, one body.
    start = struct.pack("<iqii", 8, 0, 0, 1) if legacy else b"\0\0\0\0\0"
    length = HEADER_BYTES + len(start) + len(body)
    return _HEADER.pack(length, request_id, response_to, OP_REPLY if legacy else OP_MSG) + start + body


def cursor_reply_body(batch_name: str, batch: Sequence[bytes], *, cursor_id: int, namespace: str) -> bytes:
    """Return `{cursor: {<batch_name>: [...], id, ns}, ok: 1.0}` around documents that are encoded already.

    Put together by hand, so that documents which many cursors share are never decoded nor encoded again.
    """
    array = _document(b"".join(b"\x03%d\0%b" % numbered for numbered in enumerate(batch)))
    name = namespace.encode() + b"\0"
    cursor = _document(
        b"\x04%b\0%b\x12id\0%b\x02ns\0%b%b"
        % (batch_name.encode(), array, _INT64.pack(cursor_id), _INT32.pack(len(name)), name)
    )
    return _document(b"\x03cursor\0" + cursor + b"\x01ok\0" + struct.pack("<d", 1.0))


def _document(elements: bytes) -> bytes:
    return _INT32.pack(len(elements) + 5) + elements + b"\0"
