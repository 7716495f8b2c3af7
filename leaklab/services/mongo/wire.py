"""Frames MongoDB's wire protocol: bytes to requests, replies to bytes, nothing else.

Source: MongoDB manual, "MongoDB Wire Protocol", and the driver specification "OP_MSG". Integers are
little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OP_REPLY = 1
OP_QUERY = 2004
OP_MSG = 2013

HEADER_BYTES = 16
MAX_MESSAGE_BYTES = 48_000_000
"""Largest message in bytes, header included (`maxMessageSizeBytes`; MongoDB manual, "hello")."""
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""Largest document, and bound of all documents in one reply, in bytes ("MongoDB Limits and Thresholds")."""

CHECKSUM_PRESENT = 1 << 0
MORE_TO_COME = 1 << 1
_KNOWN_REQUIRED_FLAGS = CHECKSUM_PRESENT | MORE_TO_COME
_REQUIRED_FLAGS = 0xFFFF  # an unknown one of bits 0-15 must be refused, bits 16-31 may be ignored

_HEADER = struct.Struct("<iiii")
_INT32 = struct.Struct("<i")
_UINT32 = struct.Struct("<I")
_INT64 = struct.Struct("<q")
_REPLY = struct.Struct("<iqii")

# A date outside Python's years is legal BSON; it must survive the round trip instead of failing to decode.
_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


class FramingError(ValueError):
    """The bytes break the framing: nothing after them can be understood; close the connection."""


class BodyError(ValueError):
    """A message was framed well, but what it holds is no command: its sender can be answered.

    `request_id` is the message to answer, `code` the real server's error code, `legacy` whether OP_REPLY is
    due, `reply_expected` whether the sender waits for an answer at all.
    """

    def __init__(
        self, message: str, *, code: int, request_id: int, legacy: bool = False, reply_expected: bool = True
    ) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id
        self.legacy = legacy
        self.reply_expected = reply_expected


@dataclass(frozen=True, slots=True)
class Request:
    """One command as it came: `command` is the body with its document sequences merged in.

    `legacy` requests came as OP_QUERY and are answered with OP_REPLY.
    """

    request_id: int
    command: dict[str, Any]
    reply_expected: bool = True
    legacy: bool = False


def decode_document(data: bytes) -> dict[str, Any]:
    """Decode one BSON document.

    Raises ValueError, whatever is wrong with the bytes.
    """
    try:
        return bson.decode(data, codec_options=_CODEC)
    except Exception as error:
        # bson promises InvalidBSON, but garbage inside a value can surface as others (RecursionError too).
        raise ValueError(str(error)) from error


def encode_document(document: Mapping[str, Any]) -> bytes:
    """Encode one document; raises what `bson.encode` raises for a value that BSON cannot hold."""
    return bson.encode(document, codec_options=_CODEC)


def message_bytes(buffer: bytes | bytearray) -> int | None:
    """Length in bytes of the message that `buffer` begins with, or None while its header is incomplete.

    Raises FramingError if no message can have that length or opcode, as soon as that is known.
    """
    if len(buffer) < HEADER_BYTES:
        if len(buffer) >= _INT32.size:
            _check_length(_INT32.unpack_from(buffer)[0])
        return None
    length, _, _, opcode = _HEADER.unpack_from(buffer)
    _check_length(length)
    if opcode not in (OP_MSG, OP_QUERY):
        # OP_COMPRESSED (2012) too: no compressor is offered in `hello`, so no client may send it.
        raise FramingError(f"opcode {opcode} is not supported; use OP_MSG")
    return int(length)


def _check_length(length: int) -> None:
    if not HEADER_BYTES <= length <= MAX_MESSAGE_BYTES:
        raise FramingError(f"message length {length} is not within {HEADER_BYTES} and {MAX_MESSAGE_BYTES} bytes")


def parse_request(message: bytes) -> Request:
    """Parse one whole message, header included.

    Raises FramingError (close the connection) or BodyError (answer it).
    """
    _, request_id, _, opcode = _HEADER.unpack_from(message)
    if opcode == OP_MSG:
        return _parse_msg(message, request_id)
    return _parse_query(message, request_id)


def _parse_msg(message: bytes, request_id: int) -> Request:
    if len(message) < HEADER_BYTES + _UINT32.size:
        raise FramingError("OP_MSG ends before its flags")
    (flags,) = _UINT32.unpack_from(message, HEADER_BYTES)
    if flags & _REQUIRED_FLAGS & ~_KNOWN_REQUIRED_FLAGS:
        # The real server ends the connection too (error category ConnectionFatalMessageParseError).
        raise FramingError(f"OP_MSG has illegal flags {flags:#x}")
    end = len(message)
    if flags & CHECKSUM_PRESENT:
        # Taken off, not verified: on loopback it protects nothing, and CRC-32C in Python is slow.
        end -= _UINT32.size
    reply_expected = not flags & MORE_TO_COME

    try:
        command = _merge_sections(message, HEADER_BYTES + _UINT32.size, end)
    except _SectionError as error:
        raise BodyError(str(error), code=error.code, request_id=request_id, reply_expected=reply_expected) from error
    return Request(request_id, command, reply_expected=reply_expected)


class _SectionError(ValueError):
    """What is wrong with the sections of an OP_MSG, by the real server's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


_BODY = ""  # a document sequence always has a name


def _merge_sections(message: bytes, at: int, end: int) -> dict[str, Any]:
    """Read one body and any number of document sequences, in any order, into one command."""
    sections: dict[str, list[dict[str, Any]]] = {}
    while at < end:
        kind = message[at]
        at += 1
        size = _size_at(message, at, end)
        if size is None:
            raise _SectionError(22, "a section of OP_MSG runs past the message's end")
        name, documents = _parse_section(kind, message[at : at + size])
        if name in sections:
            code = 40430 if name == _BODY else 40431
            raise _SectionError(code, f"OP_MSG has more than one section {name or 'that is a body'}")
        sections[name] = documents
        at += size
    if _BODY not in sections:
        raise _SectionError(40587, "OP_MSG has no body section")
    (command,) = sections.pop(_BODY)
    if both := sections.keys() & command.keys():
        raise _SectionError(40433, f"{sorted(both)} are both fields and document sequences")
    return command | sections


def _parse_section(kind: int, section: bytes) -> tuple[str, list[dict[str, Any]]]:
    """Return the name of a section, `_BODY` for a body, and its documents."""
    try:
        if kind == 0:
            return _BODY, [decode_document(section)]
        if kind == 1:
            return _parse_sequence(section)
    except ValueError as error:
        raise _SectionError(22, f"a section of kind {kind} is not valid BSON: {error}") from error
    raise _SectionError(40432, f"unknown section kind {kind} in OP_MSG")


def _size_at(message: bytes, at: int, end: int) -> int | None:
    """Size in bytes that a length-prefixed section at `at` states, or None if it does not fit."""
    if at + _INT32.size > end:
        return None
    (size,) = _INT32.unpack_from(message, at)
    return size if _INT32.size < size <= end - at else None


def _parse_sequence(section: bytes) -> tuple[str, list[dict[str, Any]]]:
    stop = section.find(b"\0", _INT32.size)
    if stop < 0:
        raise ValueError("its name does not end")
    name = section[_INT32.size : stop].decode()
    if not name:
        raise ValueError("it has no name")
    documents: list[dict[str, Any]] = []
    at = stop + 1
    while at < len(section):
        size = _size_at(section, at, len(section))
        if size is None:
            raise ValueError("a document runs past its end")
        documents.append(decode_document(section[at : at + size]))
        at += size
    return name, documents


def _parse_query(message: bytes, request_id: int) -> Request:
    """Layout: int32 flags, cstring namespace, int32 skip, int32 count, document, optional selector."""
    start = HEADER_BYTES + _INT32.size
    stop = message.find(b"\0", start)
    at = stop + 1 + 2 * _INT32.size
    if stop < 0 or at > len(message):
        raise FramingError("OP_QUERY ends before its document")
    try:
        namespace = message[start:stop].decode()
        size = _size_at(message, at, len(message))
        if size is None:
            raise ValueError("it runs past the message's end")
        command = decode_document(message[at : at + size])
    except ValueError as error:
        raise BodyError(f"the query is not valid BSON: {error}", code=22, request_id=request_id, legacy=True) from error
    database, _, collection = namespace.partition(".")
    if collection != "$cmd":
        # Source: MongoDB manual, "Legacy Opcodes": removed in 5.1 but for hello and isMaster.
        raise BodyError(
            f"Unsupported OP_QUERY on {namespace!r}; use the find command",
            code=352,
            request_id=request_id,
            legacy=True,
        )
    if isinstance(command.get("$query"), dict):
        command = command["$query"]
    command["$db"] = database
    return Request(request_id, command, legacy=True)


def reply_message(body: bytes, *, request_id: int, response_to: int, legacy: bool) -> bytes:
    """Return the message that answers `response_to` with one document: OP_MSG, or OP_REPLY if `legacy`."""
    if legacy:
        # responseFlags 8 = AwaitCapable, no cursor, starting at 0, one document.
        payload = _REPLY.pack(8, 0, 0, 1) + body
        opcode = OP_REPLY
    else:
        payload = b"\0\0\0\0\0" + body  # no flags, one section of kind 0
        opcode = OP_MSG
    return _HEADER.pack(HEADER_BYTES + len(payload), request_id, response_to, opcode) + payload


def request_message(body: bytes, *, request_id: int, flags: int = 0) -> bytes:
    """Return an OP_MSG request with one encoded body; what a client sends."""
    payload = _UINT32.pack(flags) + b"\0" + body
    return _HEADER.pack(HEADER_BYTES + len(payload), request_id, 0, OP_MSG) + payload


def cursor_reply_body(batch_name: str, batch: Sequence[bytes], *, cursor_id: int, namespace: str) -> bytes:
    """Return `{cursor: {<batch_name>: [...], id, ns}, ok: 1.0}` around documents that are encoded already.

    Put together by hand, so that documents which many cursors share are never decoded nor encoded again.
    """
    parts: list[bytes] = []
    for index, raw in enumerate(batch):
        parts += (b"\x03%d\0" % index, raw)
    array = _document(b"".join(parts))
    name = namespace.encode() + b"\0"
    cursor = _document(
        b"\x04%b\0%b\x12id\0%b\x02ns\0%b%b"
        % (batch_name.encode(), array, _INT64.pack(cursor_id), _INT32.pack(len(name)), name)
    )
    return _document(b"\x03cursor\0" + cursor + _OK)


def _document(elements: bytes) -> bytes:
    return _INT32.pack(len(elements) + 5) + elements + b"\0"


_OK = b"\x01ok\0" + struct.pack("<d", 1.0)
