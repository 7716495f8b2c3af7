"""Guards a run: what it has started and made is ended and removed, should those who would do it be gone.

The services' process keeps such a list, and this module is the program of one more that does nothing else: whichever
two of them and the runner are killed, the third one clears up.
"""

from __future__ import annotations

import os
import signal
import sys

# This process does nothing until the end: what it needs then is imported then.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class GuardList:
    """What is to be cleared up of a run.

    Attributes:
        halves: the folder of each half; with its process group and mark, once it was started.
        databases: the run's databases on servers that are not the lab's own: their names, and the URI.
    """

    def __init__(self) -> None:
        self.halves: dict[str, tuple[int, str] | None] = {}
        self.databases: dict[str, str] = {}

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Take a message `guard` or `release`; False if it is another."""
        match message:
            case {"do": "guard", "folder": folder, "family": family}:
                self.halves[folder] = family
            case {"do": "guard", "database": name, "uri": uri}:
                self.databases[name] = uri
            case {"do": "release", "folder": folder}:
                self.halves.pop(folder, None)
            case {"do": "release", "database": name}:
                self.databases.pop(name, None)
            case _:
                return False
        return True

    def clear_halves(self) -> None:
        """End every half, and remove its folder and the shared memory that it made."""
        if not self.halves:
            return
        from leaklab.system.processes import end_family
        from leaklab.system.temporary import remove

        for folder, family in self.halves.items():
            if family is not None:
                end_family(*family)
            remove(folder)
        self.halves.clear()

    def drop_databases(self) -> list[str]:
        """Drop the databases; what is said of those that stay."""
        if not self.databases:
            return []
        from leaklab.services.database import drop

        return [words for name, uri in self.databases.items() if (words := drop(uri, name)) is not None]


def outlive_the_runner() -> None:
    """Ignore what ends the runner: this process is to end after it, when its channel closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """Keep the list that the runner sends, until the runner is gone; then clear up what is on it."""
    outlive_the_runner()
    channel, said = int(sys.argv[1]), bytearray()
    while True:
        try:
            data = os.read(channel, 1 << 16)
        except OSError:
            data = b""
        if not data:
            break
        said += data
    import json

    listed = GuardList()
    for line in said.split(b"\n")[:-1]:
        listed.hear(json.loads(line))
    listed.clear_halves()
    listed.drop_databases()
    os._exit(0)


if __name__ == "__main__":
    main()
