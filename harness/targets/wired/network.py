"""A real interface with the target on its cable: ``net:IFACE,peer=ADDRESS,target=ADDRESS``, for those who own it.

Nothing is sent but to the addresses that were named, and from those that were named for the peer; they are this wire's,
never the host's. The interface itself is not touched: no address, no route, no setting.
"""

import contextlib
import errno
import ipaddress
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from harness.agent.rtnetlink import LinkFacts, RouteSocket
from harness.targets.lane import Lane
from harness.targets.namespace.helper import ETH_P_ALL
from harness.targets.protocol import NotOffered, UnusableTarget
from harness.targets.wired import claims
from harness.targets.wired.link import WireLink
from harness.targets.wired.options import WireOptions
from harness.wire import codec
from harness.wire.link import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, SOL_PACKET

#: linux/if_packet.h
PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 1, 1
#: linux/if.h, linux/if_arp.h
IFF_UP, IFF_LOOPBACK, ARPHRD_ETHER = 0x1, 0x8, 1
REACH_LIMIT_S = 5.0
#: The same frame is sent to everybody who may have the address.
_SOLICITED = bytes.fromhex("ff0200000000000000000001ff")


class NetworkPort:
    """A raw socket on an interface, whose target nobody here can start or end. Raises UnusableTarget."""

    restarts = False
    wakes = False

    def __init__(self, options: WireOptions, lane: Lane, *, owned: bool) -> None:
        self.device = options.command[0]
        self._options, self._lane = options, lane
        if not owned:
            hint = "behind the cable must be nobody whom a crafted segment could harm: then --i-own-this-network"
            raise UnusableTarget(f"net:{self.device} sends crafted segments into a real network", hint)
        _demand_cable(self.device)
        for version, addresses in options.addresses.items():
            for key, address in (("peer", addresses.peer[0]), ("target", addresses.target[0])):
                _demand_foreign(key, address, version)
        try:
            self.packet_socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError:
            hint = "sudo, or: sudo setcap cap_net_raw+ep on a python of your own"
            raise UnusableTarget(f"no raw socket on {self.device} without CAP_NET_RAW", hint) from None
        self._index = socket.if_nametoindex(self.device)
        try:
            self._claim()
        except BaseException:
            self.packet_socket.close()
            raise
        self.packet_socket.bind((self.device, ETH_P_ALL))
        # Frames for the peer's own hardware address reach this socket, and the setting goes with it.
        membership = struct.pack("iHH8s", self._index, PACKET_MR_PROMISC, 0, b"")
        self.packet_socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)

    def link(self) -> WireLink:
        """Return the wire, which lets nothing through that was not asked for."""
        return NetworkLink(self.packet_socket, self.device, self._options, self._lane)

    def start(self) -> None:
        """Nothing can be started."""

    def stop(self) -> None:
        """Nothing can be ended."""

    def keep(self) -> str:
        """Return "": nothing is started again."""
        return ""

    def exit_code(self) -> int | None:
        """Return None: it runs for ever, as far as is known."""
        return None

    def has_opened(self) -> bool:
        """Return True: the interface is up."""
        return True

    def last_words(self) -> str:
        """Return nothing: a board on a cable tells nobody."""
        return ""

    def streams(self) -> tuple[int, int]:
        """Refuse: a board has none."""
        raise OSError(errno.ENXIO, "a board has no standard input")

    def reach(self, host: str, port: int) -> int:
        """Return the descriptor of a TCP connection over another of this host's interfaces; raises OSError."""
        return socket.create_connection((host, port), REACH_LIMIT_S).detach()

    def close(self) -> None:
        """Close the socket."""
        if self.packet_socket.fileno() >= 0 and not self._lane.is_shared:
            claims.give_back(self._index)
        self.packet_socket.close()

    def _claim(self) -> None:
        """Take the interface, which is that of the process that starts the others until its end."""
        if not self._lane.is_shared:
            claims.take(self._index, self.device)
            if self._lane.count > 1:
                claims.take(self._index, self.device)


class NetworkLink(WireLink):
    """A wire with others on it. What is not between the named addresses is neither sent nor heard."""

    def __init__(self, sock: socket.socket, device: str, options: WireOptions, lane: Lane) -> None:
        self._lane = lane
        self._targets = _packed(addresses.target[0] for addresses in options.addresses.values())
        self._groups = {_SOLICITED + target[-3:] for target in self._targets if len(target) == 16}
        self._pause_s, self._free_at = (lane.count if lane.is_shared else 1) / options.rate, 0.0
        peers = [addresses.peer[0] for addresses in options.addresses.values()]
        super().__init__(sock, device, 2, options.addresses[4].target[0], peers)
        self.fences = self.fences[1:]  # ARP's would show a switch a new hardware address each time
        self.fence, self._fences = self.fences[0], lane.first_fence or self._fences

    def _transmit(self, frame: bytes) -> None:
        ethertype, packet = frame[12:14], frame[14:]
        to_all = bool(frame[0] & 1)
        if ethertype == ETHERTYPE_ARP:
            if packet[24:28] not in self._targets:
                return  # an answer to somebody else
        else:
            source, destination = _ends(ethertype, packet)
            if source not in self._peers or destination not in self._targets | self._groups:
                raise NotOffered("nothing goes to or from an address that was not named")
            if to_all and destination not in self._groups:
                raise NotOffered("no frame goes to everybody on a real network")
        if (now := time.monotonic()) < self._free_at:
            time.sleep(self._free_at - now)
        self._free_at = max(now, self._free_at) + self._pause_s
        super()._transmit(frame)

    def _is_wanted(self, frame: bytes) -> bool:
        ethertype, packet = frame[12:14], frame[14:]
        if ethertype == ETHERTYPE_ARP:
            return packet[14:18] in self._targets and super()._is_wanted(frame)
        if ethertype not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            return False
        source, destination = _ends(ethertype, packet)
        for_us = destination in self._peers or destination[:1] == b"\xff"
        is_ours = source in self._targets and for_us and self._is_of_lane(packet)
        return is_ours and super()._is_wanted(frame)

    def _is_of_lane(self, packet: bytes) -> bool:
        """Tell whether it is for no other process of the run."""
        at = 4 * (packet[0] & 15) if packet[0] >> 4 == 4 else 40
        return not codec.is_tcp(packet) or self._lane.has(int.from_bytes(packet[at + 2 : at + 4], "big"))


def _ends(ethertype: bytes, packet: bytes) -> tuple[bytes, bytes]:
    """Return the addresses of a packet, source and destination."""
    if ethertype == ETHERTYPE_IPV4:
        return packet[12:16], packet[16:20]
    return packet[8:24], packet[24:40]


def _packed(addresses: Iterable[str]) -> set[bytes]:
    return {ipaddress.ip_address(address).packed for address in addresses}


def _demand_cable(device: str) -> None:
    """Raise unless the interface is there, up, and leads to nobody but who is on its cable."""
    with RouteSocket() as route:
        links = route.links()
    found = next((link for link in links if link.name == device), None)
    if found is None:
        raise UnusableTarget(
            f"there is no interface {device!r}", f"interfaces here: {', '.join(e.name for e in links)}"
        )
    if found.flags & IFF_LOOPBACK:
        raise UnusableTarget(f"{device} is the loopback", "--target linux tests this machine's own kernel")
    if found.hardware != ARPHRD_ETHER:
        raise UnusableTarget(f"{device} is no Ethernet", "a program behind a TUN device: --target 'tun:COMMAND'")
    if not found.flags & IFF_UP:
        raise UnusableTarget(f"{device} is down", f"sudo ip link set {device} up")
    leading = sorted(above(device, links) & _default_devices())
    if leading:
        what = "" if device in leading else f", through {leading[0]}"
        hint = "put the board on an interface of its own: no crafted segment may find a way further"
        raise UnusableTarget(f"{device} has a default route{what}: it leads into the network of others", hint)


def above(device: str, links: Iterable[LinkFacts]) -> set[str]:
    """Return the names of an interface and all that send through it: bridges and bonds that it is in, VLANs on it."""
    every = list(links)
    found = {link.at: link for link in every if link.name == device}
    while True:
        masters = {link.master for link in found.values()}
        fresh = [link for link in every if link.at not in found and (link.below in found or link.at in masters)]
        if not fresh:
            break
        found |= {link.at: link for link in fresh}
    return {link.name for link in found.values()}


def _default_devices() -> set[str]:
    """Return the interfaces that a default route leads through."""
    found = set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/net/route").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == fields[7] == "0" * 8:
                found.add(fields[0])
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/net/ipv6_route").read_text().splitlines():
            fields = line.split()
            if (fields[0], fields[1]) == ("0" * 32, "00") and fields[9] != "lo":
                found.add(fields[9])
    return found


def _demand_foreign(key: str, address: str, version: int) -> None:
    """Raise if the address is one of this host's."""
    if address in (_own_ipv4() if version == 4 else _own_ipv6()):
        raise UnusableTarget(f"{key}={address} is this host's own address", "name one that nobody has")


def _own_ipv4() -> set[str]:
    """Return the addresses that this host's routing takes for its own (proc_net(5), fib_trie)."""
    found, address = set(), ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/net/fib_trie").read_text().splitlines():
            words = line.split()
            if words[0] == "|--":
                address = words[1]
            elif words[1:] == ["host", "LOCAL"]:
                found.add(address)
    return found


def _own_ipv6() -> set[str]:
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/net/if_inet6").read_text().splitlines()
        return {str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))) for line in lines}
    return set()
