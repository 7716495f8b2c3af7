"""The HTTP service of one half, in the services' process."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from leaklab.services.http import HttpService
from leaklab.services.kinds import ServiceCounts, ServiceNeeds


class HostedHttp:
    """An HttpService with secrets of its own, and its counts."""

    server: str | None = None

    def __init__(self, service: HttpService, port: int) -> None:
        self._service = service
        self.ports = (port,)
        self.endpoint = {"port": port, "secret": service.secret, "base": service.base}

    @classmethod
    async def start(cls, _needs: ServiceNeeds, _blocking: ThreadPoolExecutor) -> HostedHttp:
        """Start one on a free port."""
        service = HttpService(secret=os.urandom(8).hex(), base=f"/{os.urandom(8).hex()}")
        return cls(service, await service.start())

    async def counts(self) -> ServiceCounts:
        """Connections and requests, the most connections that were open at the same time, and the time waited."""
        counts = self._service.counts()
        return ServiceCounts(
            counters={
                "connections": counts.connections_accepted,
                "requests": counts.requests_served,
                "spent": counts.connections_spent,
            },
            peaks={"sockets": counts.connections_peak},
            routes=counts.requests_by_route,
            connections=(counts.connections_accepted, counts.connections_open),
            half_connections=counts.connections_open,
            answers_due=counts.answers_due,
            waited_s=counts.waited_s,
        )

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        await self._service.stop()
