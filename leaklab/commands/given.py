"""What a command was given, as the lab takes it: the settings of a scenario, the limits of a half, how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaklab.errors import UsageError
from leaklab.system.limits import OUTPUT, THREADS, Limits

if TYPE_CHECKING:
    from leaklab.lab.pair import RunOptions

EMBEDDED = "embedded"
"""What --mongo calls the lab's own server."""


def wanted(
    steps: int | None, size: int | None, hang: float | None, deadline: float | None, dead: str | None
) -> dict[str, Any]:
    """The settings that were asked for, by name; None is one that was not."""
    return {"steps": steps, "size": size, "hang": hang, "deadline": deadline, "dead": dead}


def limits(
    time_s: float,
    memory: int | None = None,
    threads: int | None = None,
    fds: int | None = None,
    output: int | None = None,
) -> Limits:
    """The limits that were asked for; None is the default."""
    return Limits(time_s=time_s, memory=memory, threads=threads or THREADS, fds=fds, output=output or OUTPUT)


def options(its_limits: Limits, repeat: int, mongo: str | None) -> RunOptions:
    """How halves are run. Raises UsageError if `mongo` names no server."""
    from leaklab.lab.pair import RunOptions

    return RunOptions(repeat=repeat, limits=its_limits, mongo_uri=mongo_uri(mongo))


def mongo_uri(mongo: str | None) -> str | None:
    """The server that --mongo names, None for the embedded one. Raises UsageError if it names none."""
    if mongo in (None, EMBEDDED):
        return None
    if not mongo.startswith(("mongodb://", "mongodb+srv://")):
        raise UsageError(f"--mongo {mongo}: that is no MongoDB URI. Write mongodb://HOST:PORT, or {EMBEDDED}.")
    return mongo
