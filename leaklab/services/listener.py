"""Listens on 127.0.0.1 for the services, and goes on accepting after descriptors ran out.

`loop.create_server` will not do: it accepts up to `backlog` connections in one turn of the loop, and when there are no
descriptors it logs a traceback for each of them (CPython 3.11, asyncio/selector_events.py).
"""

import asyncio
import socket
import sys
from collections.abc import Callable

LOOPBACK = "127.0.0.1"
BACKLOG = 4096  # connections that may wait to be accepted; the kernel cuts it to net.core.somaxconn (listen(2))
ACCEPTS_PER_TURN = 128
RETRY_S = 0.1  # until the next attempt to accept, when there are no descriptors


class Listener:
    """A port on loopback, for one start and one stop; every connection gets a protocol of its own."""

    def __init__(self, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._protocol = protocol
        self._socket: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._adoptions: set[asyncio.Task[None]] = set()
        self._was_started = False

    async def start(self, *, send_buffer: int | None = None) -> int:
        """Listen; return the port. `RuntimeError` if it was started before, `OSError` if it cannot listen.

        `send_buffer` bounds, in bytes, what the kernel keeps of what a client does not read; None is its default.
        """
        if self._was_started:
            raise RuntimeError("this service was started before; make a new one")
        self._was_started = True
        self._socket = socket.create_server((LOOPBACK, 0), backlog=BACKLOG)
        self._socket.setblocking(False)
        if send_buffer is not None:  # accepted sockets inherit it
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            if sys.platform == "linux":
                # A segment is up to 64 KiB on loopback: a buffer that holds only one has to wait for the client's
                # delayed acknowledgement, some 40 ms, again and again.
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, send_buffer // 4)
        asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)
        return int(self._socket.getsockname()[1])

    @property
    def is_listening(self) -> bool:
        """Whether it was started, and not stopped yet."""
        return self._socket is not None

    async def stop(self) -> None:
        """Stop listening; a connection that is just being made is made first. May be called again."""
        if self._retry is not None:
            self._retry.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        while self._adoptions:
            await asyncio.wait(self._adoptions)

    def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # No descriptors, or no memory. Waiting clients stay in the queue until something is closed.
                loop.remove_reader(listening)
                self._retry = loop.call_later(RETRY_S, loop.add_reader, listening, self._accept, listening)
                return
            accepted.setblocking(False)
            adoption = loop.create_task(self._adopt(accepted))
            self._adoptions.add(adoption)
            adoption.add_done_callback(self._adoptions.discard)

    async def _adopt(self, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, accepted)
        except OSError:  # gone already: some systems refuse to set options of such a socket
            accepted.close()
