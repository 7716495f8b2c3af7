"""TCP sockets of processes, as Linux gives them when asked by sock_diag(7), or as psutil does.

/proc/net/tcp lists every connection of the machine, those that are long over included: it takes 19 ms where there are
12,000 of them, and asking for those of one port 0.6 ms.
"""

import os
import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from leaklab.system.process_status import asking_psutil, reads_proc

CLOSE_WAIT = 8
"""The state of a connection that the other end has closed (include/net/tcp_states.h)."""

LISTEN = 10
"""The state of a socket that takes connections."""

STATES = (
    *("", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"),
    *("CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"),
)
"""What the states are called, by their numbers (include/net/tcp_states.h)."""

Address = tuple[str, int]

_OVER = 1 << 6  # TIME_WAIT
_ALL = 0xFFF
_BY_FAMILY, _BOTH_FAMILIES = 20, 18  # SOCK_DIAG_BY_FAMILY; TCPDIAG_GETSOCK, which takes half as long as both of them
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP (netlink(7))
_ERROR, _DONE = 2, 3
_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_HEADER = struct.Struct("=IHHII")
_ALL_OF_TCP = struct.pack("=BBBB48xII", socket.AF_INET, 0, 0, 0, _ALL & ~_OVER, 0)  # struct inet_diag_req
_SHORTEST = _HEADER.size + 72  # of an answer: the header and a struct inet_diag_msg
_ANSWER = struct.Struct("=IH11xB66xI")  # of an answer: its length, what it is, the state of the socket, its inode
_PORTS = struct.Struct(">HH16s16s")  # of its struct inet_diag_sockid: ports and addresses, from here and to there
_PORTS_AT = _HEADER.size + 4
_MAPPED = bytes(10) + b"\xff\xff"
"""How the IPv6 address of a connection by IPv4 begins (RFC 4291, 2.5.5.2)."""


class TcpSocket(NamedTuple):
    """A TCP socket: the two ends of its connection, and its state; a listening one has no other end."""

    local: Address
    remote: Address
    state: int


def tcp_sockets(inodes: Collection[int], before: Mapping[int, TcpSocket]) -> dict[int, TcpSocket]:
    """Those of these sockets that are TCP and connected, being connected or listening, by their inodes.

    What was found `before` saves half of the time. Raises OSError where the system does not say.
    """
    found: dict[int, TcpSocket] = {}
    for inode, state, data, at in _answers(_BOTH_FAMILIES, _ALL_OF_TCP):
        if inode not in inodes:
            continue
        one = before.get(inode)
        if one is None or one.state != state:
            here, there, source, target = _PORTS.unpack_from(data, at + _PORTS_AT)
            family = data[at + _HEADER.size]
            one = TcpSocket((_host(family, source), here), (_host(family, target), there), state)
        found[inode] = one
    return found


def _host(family: int, address: bytes) -> str:
    if family == socket.AF_INET:
        return socket.inet_ntop(family, address[:4])
    mapped = address.startswith(_MAPPED)
    return socket.inet_ntop(socket.AF_INET, address[12:]) if mapped else socket.inet_ntop(family, address)


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
    return [(inode, state) for inode, state, _, _ in _answers(_BY_FAMILY, wanted)]


def _answers(question: int, wanted: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Of each socket that was asked for the inode, the state, and where its answer is: in these bytes, from there on.

    Raises OSError where the system does not say.
    """
    if not hasattr(socket, "AF_NETLINK") or not reads_proc():
        raise OSError("this system has no sock_diag")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asked:
        asked.send(_HEADER.pack(_HEADER.size + len(wanted), question, _DUMP, 1, 0) + wanted)
        while True:
            data, at = asked.recv(1 << 17), 0
            end = len(data)
            while at < end:
                if end - at < _SHORTEST:
                    if _HEADER.unpack_from(data, at)[1] == _DONE:
                        return
                    raise OSError("the system does not list sockets")
                length, kind, state, inode = _ANSWER.unpack_from(data, at)
                if kind == _ERROR or length < _SHORTEST:
                    raise OSError("the system does not list sockets")
                yield inode, state, data, at
                at += (length + 3) & ~3
