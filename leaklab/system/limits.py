"""Resource limits for a half, and their defaults: a half that exceeds one is ended."""

from dataclasses import dataclass

TIME_LIMIT_S = 60.0
"""Seconds that a half may run by default."""

LEARNERS_TIME_LIMIT_S = 20.0
"""Seconds that a learner's file may run by default: a minute is too long to wait for a typing error."""

MEMORY_SHARE = 0.8
"""The share of the machine's free memory that a half may take by default."""

THREADS = 2_000
"""Threads that a half may have by default."""

OUTPUT = 64 * 2**10
"""Bytes of a half's output that are kept by default."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a half may use. A half that exceeds it is ended; no built-in scenario does at its defaults.

    Attributes:
        time_s: seconds for `run`, pauses included.
        memory: bytes of RSS, watched, those of its child processes included; also the size of a file it writes. None
            is MEMORY_SHARE of what is free when the half starts.
        threads: threads, watched, those of its child processes included.
        fds: open file descriptors, kept by the system; None is as many as the system allows.
        output: bytes of what it prints that are kept; the rest is counted.
        address_room: bytes of address space above what the half has when it is imported, kept by the system: an
            allocation beyond it fails in the half itself. None adds no limit to `memory`.
    """

    time_s: float = TIME_LIMIT_S
    memory: int | None = None
    threads: int = THREADS
    fds: int | None = None
    output: int = OUTPUT
    address_room: int | None = None
