"""What the embedded MongoDB server counts for the lab."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MongoCounts:
    """Exact counts since the start; a connection ends at the first sign of it: end of file or loss.

    `requests_served` counts commands that were answered, the handshakes and polls of drivers among them.
    `sessions_open` counts the sessions that were used and not ended since.
    """

    connections_accepted: int
    connections_open: int
    connections_peak: int
    requests_served: int
    cursors_open: int
    cursors_peak: int
    sessions_open: int
