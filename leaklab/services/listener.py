"""Listens on 127.0.0.1 for the services, and goes on accepting after descriptors ran out.

`loop.create_server` will not do: it accepts up to `backlog` connections in one turn of the loop, and when
there are no descriptors it logs a traceback for each of them (CPython 3.11, asyncio/selector_events.py).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

LOOPBACK = "127.0.0.1"

BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel cuts it to net.core.somaxconn (listen(2))."""

ACCEPTS_PER_TURN = 128
RETRY_S = 0.1
"""Seconds until it is tried again to accept, when there are no descriptors."""


class Listener:
    """A port on loopback, for one start and one stop; every connection gets a protocol of its own."""

    def __init__(self, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._protocol = protocol
        self._socket: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._adoptions: set[asyncio.Task[None]] = set()
        self._was_started = False

    async def start(self, *, send_buffer: int | None = None) -> int:
        """Listen; return the port.

        Args:
            send_buffer: bytes that the kernel is to keep at most of what a client does not read; None is its default.

        Raises:
            RuntimeError: it was started before.
            OSError: it cannot listen.
        """
        if self._was_started:
            raise RuntimeError("this service was started before; make a new one")
        self._was_started = True
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if send_buffer is not None:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            listening.setblocking(False)
            listening.bind((LOOPBACK, 0))
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
        self._socket = listening
        asyncio.get_running_loop().add_reader(listening, self._accept)
        port: int = listening.getsockname()[1]
        return port

    @property
    def is_listening(self) -> bool:
        """Whether it was started, and not stopped yet."""
        return self._socket is not None

    async def stop(self) -> None:
        """Stop listening; a connection that is just being made is made first. May be called again."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._retry is not None:
            self._retry.cancel()
        while self._adoptions:
            await asyncio.wait(self._adoptions)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._socket is not None  # noqa: S101 # the reader is removed before the socket is
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # No descriptors, or no memory. Waiting clients stay in the queue until something is closed.
                loop.remove_reader(self._socket)
                self._retry = loop.call_later(RETRY_S, self._accept_again)
                return
            accepted.setblocking(False)
            adoption = loop.create_task(self._adopt(accepted))
            self._adoptions.add(adoption)
            adoption.add_done_callback(self._adoptions.discard)

    def _accept_again(self) -> None:
        self._retry = None
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._accept)

    async def _adopt(self, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, accepted)
        except OSError:  # gone already: some systems refuse to set options of such a socket
            accepted.close()
