"""TCP sockets of one process, as Linux gives them when asked for some ports only (sock_diag(7)), or as psutil does.

/proc/net/tcp lists every connection of the machine, those that are long over included: it takes 19 ms where there are
12,000 of them, and this 0.6 ms.
"""

import os
import socket
import struct
from collections.abc import Collection, Iterable

from leaklab.system.process_status import asking_psutil, reads_proc

CLOSE_WAIT = 8
"""The state of a connection that the other end has closed (include/net/tcp_states.h)."""

_OVER = 1 << 6  # TIME_WAIT
_ALL = 0xFFF
_BY_FAMILY, _DUMP = 20, 0x301  # SOCK_DIAG_BY_FAMILY; NLM_F_REQUEST | NLM_F_DUMP (netlink(7))
_ERROR, _DONE = 2, 3
_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_HEADER = struct.Struct("=IHHII")
_STATE_AT, _INODE_AT = 1, 68  # in struct inet_diag_msg


def states(
    pid: int, ports: Iterable[int], families: Iterable[int] = (socket.AF_INET,), others: set[int] | None = None
) -> tuple[list[int], int]:
    """The states of the process's sockets that lead to one of the ports; and how many descriptors it has.

    The process may go on meanwhile: a descriptor that is closed by the time it is looked at counts as none, and a
    socket that was opened after the system was asked is asked for once more. `others` remembers, from one call to the
    next, the inodes of sockets that lead elsewhere.

    Raises OSError where the system does not say, or the process may not be looked at.
    """
    others = set() if others is None else others
    pairs = [(port, family) for family in families for port in ports]
    known = {inode: state for pair in pairs for inode, state in _connections_to(*pair)}
    folder = f"/proc/{pid}/fd"
    inodes: set[int] = set()
    descriptors = 0
    for name in os.listdir(folder):  # noqa: PTH208 # thousands of them
        try:
            target = os.readlink(f"{folder}/{name}")  # noqa: PTH115 # the same
        except FileNotFoundError:  # closed meanwhile
            continue
        descriptors += 1
        if target.startswith("socket:["):
            inodes.add(int(target[8:-1]))
    if inodes - known.keys() - others:
        known |= {inode: state for pair in pairs for inode, state in _connections_to(*pair)}
        others |= inodes - known.keys()
    return [known[inode] for inode in inodes & known.keys()], descriptors


def states_elsewhere(pid: int, ports: Collection[int], kind: str) -> list[str]:
    """What psutil calls the states of the process's sockets, of this kind, that lead to one of the ports.

    Raises OSError as `states` does.
    """
    with asking_psutil() as psutil:
        sockets = psutil.Process(pid).net_connections(kind)
        return [each.status for each in sockets if each.raddr and each.raddr.port in ports]


def _connections_to(port: int, family: int) -> list[tuple[int, int]]:
    """The inode and the state of every TCP socket of the machine that leads to a port."""
    wanted = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ALL & ~_OVER)
    wanted += struct.pack(">HH", 0, port) + bytes(44)
    found: list[tuple[int, int]] = []
    if not hasattr(socket, "AF_NETLINK") or not reads_proc():
        raise OSError("this system has no sock_diag")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asked:
        asked.send(_HEADER.pack(_HEADER.size + len(wanted), _BY_FAMILY, _DUMP, 1, 0) + wanted)
        while True:
            data, at = asked.recv(1 << 17), 0
            while at < len(data):
                length, kind, *_ = _HEADER.unpack_from(data, at)
                if kind == _DONE:
                    return found
                if kind == _ERROR or length < _HEADER.size:
                    raise OSError("the system does not list sockets")
                body = at + _HEADER.size
                (inode,) = struct.unpack_from("=I", data, body + _INODE_AT)
                found.append((inode, data[body + _STATE_AT]))
                at += (length + 3) & ~3
