"""The harness's end of a TAP or TUN device: what the stack asks of its neighbours is answered, the rest counted."""

import contextlib
import ipaddress
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

from harness.spec.segment import SYN, Segment
from harness.targets.wired import numbering
from harness.wire import codec
from harness.wire.link import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    FENCE_TIMEOUT_S,
    Arrival,
    LostFence,
    PacketLink,
)

PEER_MAC = bytes.fromhex(numbering.PEER_MAC.replace(":", ""))
UNKNOWN_MAC = b"\xff" * 6
ICMP, TCP, ICMPV6, UDP = 1, 6, 58, 17
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136
ECHO_REPLY = 0
#: A header of IPv6 and the first octet behind it, where the next protocol stands if it is no upper one.
SHORTEST = 41
MARK = b"tcpspec "
ASK_EVERY_S = 0.1
#: A probe of the fence that was not answered so soon is followed by another one.
AGAIN_S = 1.0
#: What may come, and is not known to come, is waited for so many round trips longer than next door.
PATIENCE = 3.0
#: The fence's numbers begin here: as hardware addresses they are nobody's, the peer's own least of all.
FIRST_FENCE = 0x1000
#: What always has an answer, in the order in which it is tried; the last needs a port that nobody listens on.
FENCES = {"arp": "ARP", "ping": "ping", "syn": "a SYN to a closed port"}
CLOSED_PORT, FENCE_PORT = 65_533, 65_531
_NAMES = {ICMP: "ICMP", ICMPV6: "ICMPv6 (ND, MLD)", UDP: "UDP (DHCP, mDNS)", 2: "IGMP"}


class DhcpServer(Protocol):
    """What gives the stack its address; `given` says what, once it has."""

    given: str

    def answer(self, packet: bytes) -> tuple[bytes, bytes] | None:
        """Return the hardware address and the IP packet of the answer to a client; None for anything else."""


class WireLink(PacketLink):
    """Frames to and from the stack. `layer` 3 has no link layer: what cases see as one is made up.

    `fence` is the probe behind segments, one of `fences`. `seen` counts what came besides TCP, and `asked` how
    often the stack has asked for a peer's hardware address.
    """

    def __init__(self, sock: socket.socket, device: str, layer: int, target: str, peers: Iterable[str]) -> None:
        super().__init__(sock, PEER_MAC, UNKNOWN_MAC, socket.inet_aton(target))
        self._device, self._layer, self._target = device, layer, target
        self._target_octets = socket.inet_aton(target)
        self._named = list(peers)
        self._peers = {ipaddress.ip_address(peer).packed for peer in self._named}
        self._peer = next(packed for peer in self._named if len(packed := ipaddress.ip_address(peer).packed) == 4)
        self.fences = tuple(FENCES) if layer == 2 else tuple(FENCES)[1:]
        self.fence, self._fences = self.fences[0], FIRST_FENCE
        self.seen: Counter[str] = Counter()
        self.asked = 0
        #: Answers the stack's questions for an address of its own, where that was asked for.
        self.dhcp: DhcpServer | None = None
        self.knows_stack = layer == 3
        self.has_ipv6 = False
        #: How long an answer is on its way at most, as far as probes have shown.
        self.round_trip_s = 0.0
        #: Probes of the fence that were not answered, where one behind them was.
        self.lost_probes = 0
        #: The one that is missed.
        self._missed = b""
        #: Addresses that somebody out there has who is not the target, and how many frames of ours came back.
        self.strangers: Counter[str] = Counter()
        self.reflected = 0

    @property
    def given(self) -> str:
        """What the stack was given by DHCP, "" for nothing."""
        return self.dhcp.given if self.dhcp is not None else ""

    @property
    def patience_s(self) -> float:
        """How much longer than next door an answer may take that is not known to come."""
        return PATIENCE * self.round_trip_s

    def is_answered(self, limit_s: float) -> bool:
        """Send the fence's probe; tell whether it is answered in time. What else comes is lost."""
        try:
            identity = self.send_probe(self.fence)
            return identity in self.answered_probes(limit_s)
        except LostFence:
            return False

    def send_probe(self, fence: str) -> bytes:
        """Send a probe of this kind, and return what its answer is told by; raises LostFence."""
        usual, self.fence = self.fence, fence
        try:
            return self._send_fence()
        finally:
            self.fence = usual

    def answered_probes(self, limit_s: float) -> Iterator[bytes]:
        """Yield which probes are answered within a time, as their answers come. What else comes is lost."""
        deadline = time.monotonic() + limit_s
        while self.wait(deadline - time.monotonic()):
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, _time_ns = self._receive()
                    if frame[12:14] == ETHERTYPE_ARP:
                        yield frame[:6]

    def greet(self, limit_s: float) -> bool:
        """Ask for the stack's link-layer address until it answers; tell whether it did."""
        deadline = time.monotonic() + limit_s
        while not self.knows_stack and time.monotonic() < deadline:
            try:
                self._transmit(self._arp(UNKNOWN_MAC, 1, bytes(6), self._peer, socket.inet_aton(self._target)))
                self.wait(ASK_EVERY_S)
                self.waiting()
            except LostFence:  # the program has not opened the device yet
                time.sleep(ASK_EVERY_S / 10)
        return self.knows_stack

    def _transmit(self, frame: bytes) -> None:
        try:
            if self._layer == 2:
                self._put(frame)
            elif frame[12:14] != ETHERTYPE_ARP:
                self._sock.sendto(frame[14:], (self._device, int.from_bytes(frame[12:14], "big")))
        except OSError as error:
            raise LostFence(f"the device takes no frame: {error.strerror}") from None

    def _put(self, frame: bytes) -> None:
        super()._transmit(frame)

    def _get(self) -> tuple[bytes, int]:
        return super()._receive()

    def _receive(self) -> tuple[bytes, int]:
        """Return the next frame with TCP or an answer to the fence's probe."""
        while True:
            frame, time_ns = self._get()
            if self._layer == 3:
                ethertype = ETHERTYPE_IPV4 if frame[:1] and frame[0] >> 4 == 4 else ETHERTYPE_IPV6
                frame = PEER_MAC + UNKNOWN_MAC + ethertype + frame
            if (identity := _refused(frame) or _pinged(frame)) is not None:
                frame = identity + frame[6:12] + ETHERTYPE_ARP
            elif not self._is_wanted(frame):
                continue
            if frame[:6] == self._missed:
                self._missed = b""
            return frame, time_ns

    def _is_wanted(self, frame: bytes) -> bool:
        ethertype, packet = frame[12:14], frame[14:]
        self.reflected += self._layer == 2 and frame[6:12] == PEER_MAC
        if ethertype == ETHERTYPE_ARP:
            return self._hear_arp(packet)
        if ethertype == ETHERTYPE_IPV4:
            self._note_stranger(packet[12:16])
        if ethertype not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            self.seen[f"ethertype {ethertype.hex()}"] += 1
            return False
        if codec.is_tcp(packet):
            self._learn(frame[6:12])
            return True
        head = packet.ljust(SHORTEST, b"\0")
        protocol = head[9] if ethertype == ETHERTYPE_IPV4 else head[6] or head[40]  # MLD has options before it
        self.seen[_NAMES.get(protocol, f"protocol {protocol}")] += 1
        if protocol == UDP and self.dhcp is not None and (answer := self.dhcp.answer(packet)) is not None:
            self._transmit(answer[0] + PEER_MAC + ETHERTYPE_IPV4 + answer[1])
        if protocol == ICMPV6:
            self._hear_neighbour(packet, frame[6:12])
        return False

    def _learn(self, mac: bytes) -> None:
        if self._layer == 2 and not self.knows_stack:
            self._ethernet = mac + PEER_MAC
            self.knows_stack = True

    def _hear_arp(self, packet: bytes) -> bool:
        """Answer a question for a peer; tell whether it is an answer itself."""
        if len(packet) < 28:
            return False
        operation, sender_mac, sender, wanted = packet[7], packet[8:14], packet[14:18], packet[24:28]
        if sender == socket.inet_aton(self._target):
            self._learn(sender_mac)
        self._note_stranger(sender)
        if operation == 1 and wanted in self._peers and sender != wanted:
            self.seen["ARP questions"] += 1
            self.asked += 1
            self._transmit(self._arp(sender_mac, 2, sender_mac, wanted, sender))
        return operation == 2

    def _note_stranger(self, address: bytes) -> None:
        if len(address) == 4 and any(address) and address not in self._peers | {self._target_octets}:
            self.strangers[socket.inet_ntoa(address)] += 1

    def _arp(self, destination: bytes, operation: int, target_mac: bytes, sender: bytes, target: bytes) -> bytes:
        head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        return destination + PEER_MAC + ETHERTYPE_ARP + head + PEER_MAC + sender + target_mac + target

    def _hear_neighbour(self, packet: bytes, mac: bytes) -> None:
        """Answer a neighbour solicitation for a peer (RFC 4861 §7.2.4)."""
        if len(packet) < 64:
            return
        kind, wanted, source = packet[40], packet[48:64], packet[8:24]
        self.has_ipv6 = self.has_ipv6 or (kind == NEIGHBOUR_ADVERTISEMENT and wanted not in self._peers)
        if kind != NEIGHBOUR_SOLICITATION or wanted not in self._peers or not any(source):
            return
        self.asked += 1
        body = struct.pack("!BBHI", NEIGHBOUR_ADVERTISEMENT, 0, 0, 0x60000000) + wanted + b"\x02\x01" + PEER_MAC
        self._transmit(mac + PEER_MAC + ETHERTYPE_IPV6 + _icmpv6(wanted, source, body))

    def solicit(self, target: str) -> None:
        """Ask for the stack's link-layer address over IPv6 (RFC 4861 §7.2.2)."""
        wanted = ipaddress.ip_address(target).packed
        source = next(packed for peer in self._named if len(packed := ipaddress.ip_address(peer).packed) == 16)
        group = bytes.fromhex("ff0200000000000000000001ff") + wanted[-3:]
        body = struct.pack("!BBHI", NEIGHBOUR_SOLICITATION, 0, 0, 0) + wanted + b"\x01\x01" + PEER_MAC
        self._transmit(b"\x33\x33" + group[-4:] + PEER_MAC + ETHERTYPE_IPV6 + _icmpv6(source, group, body))

    def _behind_fence(self, identity: bytes) -> list[Arrival]:
        """Return what comes until the probe is answered, or another one behind it: then the first was lost."""
        arrivals, answered = self._until_answer(identity, max(AGAIN_S, self.patience_s))
        if answered:
            return arrivals
        self._missed = identity
        more, answered = self._until_answer(self._send_fence(), FENCE_TIMEOUT_S)
        if not answered:
            raise LostFence(f"no answer to its probe ({FENCES[self.fence]}) within {FENCE_TIMEOUT_S:g} s")
        self.lost_probes += bool(self._missed)
        return arrivals + more

    def _send_fence(self) -> bytes:
        if self.fence == "arp":
            return super()._send_fence()
        self._fences = (self._fences + 1) & 0xFFFFFFFF
        identity = b"\x02\xfe" + self._fences.to_bytes(4, "big")
        if self.fence == "syn":
            path = codec.Path(socket.inet_ntoa(self._peer), self._target)
            probe = Segment(SYN, self._fences, source_port=FENCE_PORT, destination_port=CLOSED_PORT)
            self._transmit(self._ethernet + ETHERTYPE_IPV4 + codec.encode(path, probe))
            return identity
        message = bytearray(struct.pack("!BBHHH", 8, 0, 0, 0x7C9, self._fences & 0xFFFF) + MARK + identity)
        message[2:4] = codec.checksum(bytes(message)).to_bytes(2, "big")
        header = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0, 64, ICMP, 0))
        header += self._peer + socket.inet_aton(self._target)
        header[10:12] = codec.checksum(bytes(header)).to_bytes(2, "big")
        self._transmit(self._ethernet + ETHERTYPE_IPV4 + bytes(header + message))
        return identity


def _pinged(frame: bytes) -> bytes | None:
    """Return the identity in an answer to our echo request, None for anything else."""
    packet = frame[14:]
    if frame[12:14] != ETHERTYPE_IPV4 or len(packet) < 42 or packet[9] != ICMP:
        return None
    message = packet[4 * (packet[0] & 15) :]
    is_ours = message[0] == ECHO_REPLY and message[8 : 8 + len(MARK)] == MARK
    return message[8 + len(MARK) :][:6] if is_ours else None


def _refused(frame: bytes) -> bytes | None:
    """Return the identity in the reset that answers our SYN to a closed port, None for anything else."""
    at = 14 + 4 * (frame[14] & 15) if frame[12:14] == ETHERTYPE_IPV4 and len(frame) > 33 else 0
    if not at or frame[23] != TCP or frame[at : at + 4] != struct.pack("!HH", CLOSED_PORT, FENCE_PORT):
        return None
    acked = int.from_bytes(frame[at + 8 : at + 12], "big")
    return b"\x02\xfe" + ((acked - 1) & 0xFFFFFFFF).to_bytes(4, "big")


def _icmpv6(source: bytes, destination: bytes, body: bytes) -> bytes:
    message = bytearray(body)
    pseudo = source + destination + struct.pack("!II", len(message), ICMPV6)
    message[2:4] = codec.checksum(pseudo + bytes(message)).to_bytes(2, "big")
    return struct.pack("!IHBB", 6 << 28, len(message), ICMPV6, 255) + source + destination + bytes(message)
