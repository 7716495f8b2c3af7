"""A client that speaks the wire protocol by hand, well or badly."""

from __future__ import annotations

import socket
import struct

import bson

from tests.integration.mongo.servers import PATIENCE_S, Document


def ask(connection: socket.socket, command: Document) -> Document:
    connection.sendall(request(command))
    return answer(connection)


def request(command: Document) -> bytes:
    return framed(b"\0\0\0\0\0" + bson.encode(command))


def answer(connection: socket.socket) -> Document:
    head = receive(connection, 16)
    payload = receive(connection, struct.unpack_from("<i", head)[0] - 16)
    return bson.decode(payload[5:])


def receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError(f"closed after {len(data)} of {count} bytes")
        data += part
    return data


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server closes this connection without another byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def framed(payload: bytes, opcode: int = 2013) -> bytes:
    return struct.pack("<iiii", 16 + len(payload), 9, 0, opcode) + payload
