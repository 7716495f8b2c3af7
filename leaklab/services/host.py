"""The process that owns the services of a run, and ends the measured processes if the runner is gone.

It answers lines of JSON on one socket. When that socket closes, for whatever reason, every process group it guards is
killed and its folder removed, every service stopped and the run's databases dropped.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pkgutil import resolve_name
from typing import Any

from leaklab.errors import ExitCode, LeaklabError
from leaklab.services.guard import GuardList, outlive_the_runner
from leaklab.services.kinds import SERVICE_KINDS, HostedService, ServiceNeeds
from leaklab.system.machine import raise_fd_limit

LONGEST_LINE = 2**26
"""Bytes of one message: a scenario's documents come in one."""


class Host:
    """Starts services, reads their counts, guards halves, and leaves nothing behind."""

    def __init__(self) -> None:
        self._running: dict[int, HostedService] = {}
        self.guarded = GuardList()
        self._numbers = itertools.count(1)
        self._blocking = ThreadPoolExecutor(max_workers=4)

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what one message asks."""
        handlers = {"start": self._start, "counts": self._counts, "stop": self._stop}
        try:
            return await handlers[message["do"]](message)
        except LeaklabError as error:
            return {"error": str(error), "exit_code": int(error.exit_code)}
        except Exception as error:  # noqa: BLE001 # the runner reports it, and ends this process in good order
            words = f"a service failed: {type(error).__name__}: {error}"
            return {"error": words, "exit_code": int(ExitCode.COULD_NOT_MEASURE)}

    async def close(self) -> None:
        """Kill what is guarded, stop what runs."""
        self.guarded.clear_halves()
        for service in self._running.values():
            await service.stop()
        self._running.clear()
        self._blocking.shutdown(wait=True)

    async def _start(self, message: dict[str, Any]) -> dict[str, Any]:
        hosted: type[HostedService] = resolve_name(SERVICE_KINDS[message["service"]].hosted)
        service = await hosted.start(ServiceNeeds(**message["needs"]), self._blocking)
        # Two halves can each have a service of one kind: the number distinguishes them.
        number = next(self._numbers)
        self._running[number] = service
        return {"service": number, "ports": service.ports, "server": service.server, "endpoint": service.endpoint}

    async def _counts(self, message: dict[str, Any]) -> dict[str, Any]:
        # What the half did before it paused has reached the sockets already; a few turns of the loop read it all,
        # so that a connection that was closed before this question is not counted as open.
        for _ in range(3):
            await asyncio.sleep(0)
        return {"counts": [asdict(await self._running[number].counts()) for number in message["services"]]}

    async def _stop(self, message: dict[str, Any]) -> dict[str, Any]:
        for number in message["services"]:
            await self._running.pop(number).stop()
        return {}


async def serve(channel: socket.socket) -> None:
    """Answer messages on `channel` until it closes, then leave nothing behind."""
    reader, writer = await asyncio.open_connection(sock=channel, limit=LONGEST_LINE)
    host = Host()
    try:
        while line := await reader.readline():
            message = json.loads(line)
            # No answer is needed to those of the guard: the runner does not wait for this process to be up before it
            # starts a half. Nor to what it says of the services to come.
            if message["do"] == "expect":
                for kind in message["services"]:
                    resolve_name(SERVICE_KINDS[kind].hosted)
            elif not host.guarded.hear(message):
                writer.write(json.dumps(await host.answer(message)).encode() + b"\n")
                await writer.drain()
    except ConnectionError:
        pass
    finally:
        await host.close()
        writer.close()


def main() -> None:
    """Run the host on the socket whose descriptor is the argument."""
    outlive_the_runner()
    raise_fd_limit()
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
    # All is stopped and dropped. What the interpreter would still wait for are pymongo's own threads, asleep for up to
    # half a second each.
    os._exit(0)


if __name__ == "__main__":
    main()
