"""Links, addresses, routes, neighbours, and what TCP remembers of hosts, by netlink (linux/rtnetlink.h).

Agents have nothing but Python; and importing pyroute2 takes a third of a second, longer than all that a pod needs.
"""

import errno
import os
import socket
import struct
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

NETLINK_ROUTE = 0
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_NEWADDR = 16, 17, 18, 20
RTM_NEWROUTE, RTM_GETROUTE, RTM_NEWNEIGH = 24, 26, 28
NLMSG_DONE, NLM_F_DUMP = 3, 0x300
NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_FD, IFLA_LINK_NETNSID = 3, 5, 10, 18, 28, 37
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFF_UP = 0x1
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 0x02, 0x200
RTA_DST, RTA_OIF, RTA_METRICS = 1, 4, 8
RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RTN_UNICAST, RTN_LOCAL = 254, 4, 0, 253, 1, 2
#: linux/rtnetlink.h, RTAX_*: the metrics that are used here.
METRICS = {"lock": 1, "mtu": 2, "rto_min": 13, "quickack": 15}
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT = 0x80
NLMSG_ERROR = 2
#: linux/genetlink.h, linux/tcp_metrics.h.
NETLINK_GENERIC = 16
#: The family that tells the numbers of the others.
CONTROLLER, GET_FAMILY, FAMILY_ID, FAMILY_NAME = 0x10, 3, 1, 2
TCP_METRICS, DELETE, VERSION = b"tcp_metrics\0", 2, 1
GENERIC_HEADER = struct.Struct("=IHHII")

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
#: An IPv6 address takes packets when a worker of the kernel has made its route, 50 ms later under load: so long it may.
SLOWEST_ROUTE_S, BETWEEN_LOOKS_S = 10.0, 0.0002


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


class LinkFacts(NamedTuple):
    """A link: its index, hardware type and flags, and the indices of what it is a port of and lies on (0: nothing)."""

    name: str
    at: int
    hardware: int
    flags: int
    master: int = 0
    below: int = 0


class RouteSocket:
    """A netlink socket that waits for the acknowledgement of each message; raises OSError with the kernel's errno."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)

    def add_veth(self, name: str, peer_name: str, peer_namespace: int) -> None:
        """Make a pair of links, one end of it in another namespace (a descriptor of that)."""
        link = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        peer = link + attribute(IFLA_IFNAME, peer_name.encode() + b"\0")
        peer += attribute(IFLA_NET_NS_FD, struct.pack("=i", peer_namespace))
        kind = attribute(IFLA_INFO_KIND, b"veth") + attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, peer))
        body = link + attribute(IFLA_IFNAME, name.encode() + b"\0") + attribute(IFLA_LINKINFO, kind)
        self._send(RTM_NEWLINK, body, NLM_F_CREATE | NLM_F_EXCL)

    def delete(self, index: int) -> None:
        """Delete a link, of a pair both ends."""
        self._send(RTM_DELLINK, struct.pack("=BxHiII", 0, 0, index, 0, 0), 0)

    def links(self) -> list[LinkFacts]:
        """Return all links of the namespace."""
        body = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        self._socket.send(struct.pack("=IHHII", 16 + len(body), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
        found: list[LinkFacts] = []
        while True:
            octets = self._socket.recv(1 << 20)
            while octets:
                length, kind = struct.unpack_from("=IH", octets)
                if kind == NLMSG_DONE:
                    return found
                if kind == RTM_NEWLINK:
                    found.append(_link(octets[16:length]))
                octets = octets[(length + 3) & ~3 :]

    def up(self, index: int) -> None:
        """Switch a link on."""
        self._send(RTM_NEWLINK, struct.pack("=BxHiII", 0, 0, index, IFF_UP, IFF_UP), 0)

    def add_address(self, index: int, version: int, address: str, length: int) -> None:
        """Add an address that takes packets from now on, without a route to its prefix, without looking for duplicates.

        Raises OSError, ETIMEDOUT where an IPv6 address does not come to life.
        """
        packed = socket.inet_pton(FAMILIES[version], address)
        flags = IFA_F_NOPREFIXROUTE | (IFA_F_NODAD if version == 6 else 0)
        body = struct.pack("=BBBBI", FAMILIES[version], length, 0, 0, index)
        body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
        self._send(RTM_NEWADDR, body + attribute(IFA_FLAGS, struct.pack("=I", flags)))
        deadline = time.monotonic() + SLOWEST_ROUTE_S
        while version == 6 and not self._is_local(packed):
            if time.monotonic() > deadline:
                raise OSError(errno.ETIMEDOUT, f"the kernel makes no route to {address}")
            time.sleep(BETWEEN_LOOKS_S)

    def _is_local(self, address: bytes) -> bool:
        """Tell whether packets to an IPv6 address are taken here."""
        body = struct.pack("=BBBBBBBBI", socket.AF_INET6, 128, 0, 0, 0, 0, 0, 0, 0) + attribute(RTA_DST, address)
        self._socket.send(struct.pack("=IHHII", 16 + len(body), RTM_GETROUTE, NLM_F_REQUEST, 1, 0) + body)
        answer = self._socket.recv(65536)
        return struct.unpack_from("=H", answer, 4)[0] == RTM_NEWROUTE and answer[16 + 7] == RTN_LOCAL

    def add_route(self, index: int, version: int, prefix: str, metrics: Mapping[str, int]) -> None:
        """Add a route to a prefix on a link, with metrics, or put it in the place of the one that is there."""
        address, length = prefix.split("/")
        packed = socket.inet_pton(FAMILIES[version], address)
        scope = RT_SCOPE_LINK if version == 4 else RT_SCOPE_UNIVERSE
        body = struct.pack(
            "=BBBBBBBBI", FAMILIES[version], int(length), 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, 0
        )
        body += attribute(RTA_DST, packed) + attribute(RTA_OIF, struct.pack("=I", index))
        if metrics:
            nested = b"".join(attribute(METRICS[name], struct.pack("=I", value)) for name, value in metrics.items())
            body += attribute(RTA_METRICS, nested)
        self._send(RTM_NEWROUTE, body)

    def set_mtu(self, index: int, network: Mapping[str, Any], mtu: int | None) -> None:
        """Give the route to a network an MTU of its own, None for the link's."""
        metrics = {**network["metrics"], **({} if mtu is None else {"mtu": mtu})}
        self.add_route(index, network["version"], network["prefix"], metrics)

    def add_neighbour(self, index: int, version: int, address: str, mac: bytes) -> None:
        """Add a permanent neighbour entry."""
        packed = socket.inet_pton(FAMILIES[version], address)
        body = struct.pack("=BxxxiHBB", FAMILIES[version], index, NUD_PERMANENT, 0, 0)
        self._send(RTM_NEWNEIGH, body + attribute(NDA_DST, packed) + attribute(NDA_LLADDR, mac))

    def join(self, index: int, network: Mapping[str, Any], peer_mac: bytes) -> None:
        """Give a link the addresses, the route and the neighbours of a network (as `PodConfig.request` has it)."""
        for address in network["targets"]:
            self.add_address(index, network["version"], address, network["prefixlen"])
        self.add_route(index, network["version"], network["prefix"], network["metrics"])
        for peer in network["peers"]:
            self.add_neighbour(index, network["version"], peer, peer_mac)

    def __enter__(self) -> "RouteSocket":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, kind: int, body: bytes, flags: int = NLM_F_CREATE | NLM_F_REPLACE) -> None:
        flags |= NLM_F_REQUEST | NLM_F_ACK
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        code = -struct.unpack_from("=i", self._socket.recv(65536), 16)[0]
        if code:
            raise OSError(code, os.strerror(code))


def _link(message: bytes) -> LinkFacts:
    _family, hardware, index, flags, _changed = struct.unpack_from("=BxHiII", message)
    told, rest = dict[int, bytes](), message[16:]
    while rest:
        length, kind = struct.unpack_from("=HH", rest)
        told[kind] = rest[4:length]
        rest = rest[(length + 3) & ~3 :]
    # What it lies on may be in another namespace: the index says nothing here then.
    below = b"" if IFLA_LINK_NETNSID in told else told.get(IFLA_LINK, b"")
    name = told[IFLA_IFNAME].rstrip(b"\0").decode()
    master = told.get(IFLA_MASTER, b"")
    return LinkFacts(name, index, hardware, flags, *(int.from_bytes(each, sys.byteorder) for each in (master, below)))


def forget_hosts() -> None:
    """Forget what TCP remembers of hosts, Fast Open's cookies among it.

    Raises OSError: EPERM without privileges in the initial user namespace.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as netlink:
        answer = _ask(netlink, CONTROLLER, GET_FAMILY, attribute(FAMILY_NAME, TCP_METRICS), NLM_F_REQUEST)
        _ask(netlink, _family(answer), DELETE, b"", NLM_F_REQUEST | NLM_F_ACK)


def _ask(netlink: socket.socket, family: int, command: int, attributes: bytes, flags: int) -> bytes:
    """Return what is behind the headers of the answer; raises OSError with the kernel's errno."""
    body = struct.pack("=BBH", command, VERSION, 0) + attributes
    netlink.send(GENERIC_HEADER.pack(GENERIC_HEADER.size + len(body), family, flags, 1, 0) + body)
    answer = netlink.recv(65536)
    _length, kind, _flags, _sequence, _port = GENERIC_HEADER.unpack_from(answer)
    if kind == NLMSG_ERROR and (code := -struct.unpack_from("=i", answer, GENERIC_HEADER.size)[0]):
        raise OSError(code, os.strerror(code))
    return answer[GENERIC_HEADER.size + 4 :]


def _family(attributes: bytes) -> int:
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, at)
        if kind == FAMILY_ID:
            return int(struct.unpack_from("=H", attributes, at + 4)[0])
        at += max(4, length + 3 & ~3)
    raise OSError("the kernel has no family tcp_metrics")
