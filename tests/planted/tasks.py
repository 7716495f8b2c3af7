"""Starts asyncio tasks and ends them, as many at each step as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

kept: list[asyncio.Task[None]] = []


async def end(count: int) -> None:
    """End the oldest tasks."""
    for task in kept[:count]:
        task.cancel()
    await asyncio.gather(*kept[:count], return_exceptions=True)
    del kept[:count]


async def work(jobs: Iterable[int], opens: list[int], gives_back: list[int], *, clean_up: bool) -> int:
    """Each task waits for something that does not come."""
    started = 0
    for _, new, old in zip(jobs, opens, gives_back, strict=True):
        await end(old)
        kept.extend(asyncio.create_task(asyncio.sleep(3600)) for _ in range(new))
        await asyncio.sleep(0)
        started += new
    if clean_up:
        await end(len(kept))
    return started


def run(jobs: Iterable[int], opens: list[int], gives_back: list[int], *, clean_up: bool) -> int:
    """All in one event loop."""
    return asyncio.run(work(jobs, opens, gives_back, clean_up=clean_up))
