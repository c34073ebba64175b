"""The peer's end of the wire, as a rule a raw AF_PACKET socket on one end of a veth pair, and the fence.

The target answers inside our own `send()`, so its reply is queued when `send()` returns. To *prove* that nothing
(more) was sent, `exchange` sends a probe behind the segments that the kernel always answers: an ARP request. Its
answer, matched by an id, shows that the target has finished with everything that was sent before.
"""

import select
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

ETHERTYPE_IPV4 = b"\x08\x00"
ETHERTYPE_IPV6 = b"\x86\xdd"
ETHERTYPE_ARP = b"\x08\x06"

SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_IGNORE_OUTGOING = 23
SO_TIMESTAMPNS = 35
PACKET_VNET_HDR = 15
#: linux/virtio_net.h: flags, GSO type, length of the headers, size of a segment, where the checksum begins and lies.
_VNET_HDR = struct.Struct("=BBHHHH")
_NEEDS_CSUM, _GSO_TCPV4, _GSO_TCPV6 = 1, 1, 4
#: The longest frame of an MTU of 1500.
LONGEST_FRAME = 1514
_TIMESPEC = struct.Struct("@qq")

#: How long a fence may be on its way. It takes microseconds; a machine that is suspended or swapping takes longer.
FENCE_TIMEOUT_S = 5.0
READY_POLL_S = 0.01
#: More packets than this in answer to one exchange, or an exchange that is not over by then, have no end.
MAX_ARRIVALS = 10_000
UNQUIET_S = 10.0
#: Fewer packets than that in this time are what many connections repeat by themselves, each at its own pace.
STORM = 500
#: How long the probe's answer is waited for where silence is timed: some limit how often they answer one.
LIFE_LIMIT_S = 1.0
#: Who wakes so much later than asked was given no processor, and so perhaps was the target: that was no silence of its
#: own. So often it is waited anew.
OVERSLEPT_S, OVERSLEPT_TIMES = 0.01, 20


def comes(what: socket.socket | int, seconds: float) -> bool:
    """Wait until something can be read there, at most `seconds`; by poll(2), which takes numbers beyond 1023 too."""
    poll = select.poll()
    poll.register(what, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


class LostFence(RuntimeError):
    """The probe behind a segment was not answered: nothing can be said about silence. Never a pass."""


class Flood(RuntimeError):
    """The target sends without end."""

    def __init__(self, what: str = f"it sent more than {MAX_ARRIVALS} packets") -> None:
        super().__init__(what)


@dataclass(slots=True)
class Arrival:
    """An IP packet from the target and the time at which the kernel saw it (nanoseconds, CLOCK_REALTIME)."""

    time_ns: int
    packet: bytes


class Link(ABC):
    """Sends IP packets to the target and collects what comes back, over any device that carries Ethernet frames.

    `target_ip` is the IPv4 address that ARP is asked for. `quiet_s` replaces the fence where that does not hold:
    silence is then what has lasted so long, which is slower and proves less. Where the probe is answered at all, if out
    of turn (`shows_life`), it is counted from its answer on: a target that was given no processor is not silent.
    """

    def __init__(self, peer_mac: bytes, target_mac: bytes, target_ip: bytes) -> None:
        self._ethernet = target_mac + peer_mac
        self._fence_head = b"\xff" * 6
        self._fence_tail = target_ip
        self._fences = 0
        self.quiet_s: float | None = None
        #: So many probes, each behind the answer to the one before: text that a card collects (GRO) is overtaken by the
        #: first, and by no later one.
        self.rounds = 1
        self.shows_life = True
        #: Whether the last probe was answered.
        self.was_answered = True

    @abstractmethod
    def wait(self, seconds: float) -> bool:
        """Sleep until something arrives, at most `seconds`; tell whether something did."""

    @abstractmethod
    def dropped(self) -> int:
        """Return the frames that were lost since the last call because nobody read them in time."""

    @abstractmethod
    def close(self) -> None:
        """Close the device."""

    @abstractmethod
    def _transmit(self, frame: bytes) -> None:
        """Put a frame on the wire."""

    @abstractmethod
    def _receive(self) -> tuple[bytes, int]:
        """Return the next frame and its time (nanoseconds, CLOCK_REALTIME); BlockingIOError if there is none."""

    def await_ready(self) -> None:
        """Wait until the wire carries frames both ways; raises LostFence.

        A device that has come up drops what is sent until the kernel's linkwatch has activated its queue; that takes
        moments, or long where everybody creates devices.
        """
        deadline = time.monotonic() + FENCE_TIMEOUT_S
        while time.monotonic() < deadline:
            self._send_fence()
            if self.wait(READY_POLL_S):
                self.waiting()
                return
        raise LostFence(f"the wire carries nothing within {FENCE_TIMEOUT_S:g} s")

    def send(self, packet: bytes, destination_mac: bytes | None = None) -> None:
        """Put one IP packet on the wire; `destination_mac` overrides the target's address (broadcast tests)."""
        ethertype = ETHERTYPE_IPV4 if packet[0] >> 4 == 4 else ETHERTYPE_IPV6
        ethernet = self._ethernet if destination_mac is None else destination_mac + self._ethernet[6:]
        self._transmit(ethernet + ethertype + packet)

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Send `packets` and return all that the target had to say until it was done with them.

        Raises LostFence, or Flood.
        """
        for packet in packets:
            self.send(packet, destination_mac)
        if self.quiet_s is None:
            return [arrival for _ in range(self.rounds) for arrival in self._behind_fence(self._send_fence())]
        arrivals = list[Arrival]()
        if self.shows_life:
            arrivals, self.was_answered = self._until_answer(self._send_fence(), LIFE_LIMIT_S)
        return arrivals + self.until_quiet(self.quiet_s)

    def waiting(self) -> list[Arrival]:
        """Return what has already arrived, without any proof that it is all; raises Flood."""
        arrivals: list[Arrival] = []
        while len(arrivals) <= MAX_ARRIVALS:
            try:
                frame, time_ns = self._receive()
            except BlockingIOError:
                return arrivals
            if frame[12:14] != ETHERTYPE_ARP:
                arrivals.append(Arrival(time_ns, frame[14:]))
        raise Flood

    def _send_fence(self) -> bytes:
        # ARP has no id field. The sender's hardware address carries ours (locally administered, so never a real one);
        # sender protocol address 0.0.0.0 makes it an address probe, which leaves no neighbour entry behind (RFC 5227).
        self._fences = (self._fences + 1) & 0xFFFFFFFF
        identity = b"\x02\xfe" + self._fences.to_bytes(4, "big")
        self._transmit(
            self._fence_head
            + identity
            + ETHERTYPE_ARP
            + b"\x00\x01\x08\x00\x06\x04\x00\x01"
            + identity
            + bytes(10)
            + self._fence_tail
        )
        return identity

    def _behind_fence(self, identity: bytes) -> list[Arrival]:
        arrivals, answered = self._until_answer(identity, FENCE_TIMEOUT_S)
        if not answered:
            raise LostFence(f"no answer to the ARP probe within {FENCE_TIMEOUT_S:g} s")
        return arrivals

    def _until_answer(self, identity: bytes, limit_s: float) -> tuple[list[Arrival], bool]:
        """Return what comes until a probe is answered, and whether it is within `limit_s`; raises Flood."""
        arrivals: list[Arrival] = []
        deadline = 0.0
        while len(arrivals) <= MAX_ARRIVALS:
            try:
                frame, time_ns = self._receive()
            except BlockingIOError:
                # The answer is normally queued already; it is not while the kernel has handed its work to ksoftirqd.
                now = time.monotonic()
                deadline = deadline or now + limit_s
                if not self.wait(deadline - now):  # which looks, however late it is
                    return arrivals, False
                continue
            if frame[12:14] == ETHERTYPE_ARP:
                if frame[:6] == identity:
                    return arrivals, True
                continue
            arrivals.append(Arrival(time_ns, frame[14:]))
        raise Flood

    def until_quiet(self, quiet_s: float) -> list[Arrival]:
        """Return what comes until no packet has come for so many seconds, or for long enough; raises Flood."""
        arrivals = self.waiting()
        deadline = time.monotonic() + UNQUIET_S
        end = time.monotonic() + quiet_s
        while self._comes_within(end - time.monotonic()):
            fresh = self.waiting()
            if fresh:
                end = time.monotonic() + quiet_s
            arrivals += fresh
            late = time.monotonic() > deadline
            if len(arrivals) > (STORM if late else MAX_ARRIVALS):
                raise Flood(f"it was not quiet for {quiet_s:g} s within {UNQUIET_S:g} s")
            if late:
                break
        return arrivals

    def _comes_within(self, seconds: float) -> bool:
        """Wait for something in a time of which nothing was overslept; tell whether it came."""
        for _ in range(OVERSLEPT_TIMES):
            began = time.monotonic()
            if self.wait(seconds):
                return True
            if time.monotonic() - began < max(0.0, seconds) + OVERSLEPT_S:
                break
        return False


class PacketLink(Link):
    """A `Link` over a raw socket that is bound to the peer's end of a veth pair."""

    def __init__(self, sock: socket.socket, peer_mac: bytes, target_mac: bytes, target_ip: bytes) -> None:
        super().__init__(peer_mac, target_mac, target_ip)
        self._sock = sock
        #: Of segments with so many octets a packet is merged that the wire does not hold; None: of two.
        self.merged_of: int | None = None
        self._prepare()

    def _prepare(self) -> None:
        self._sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._sock.setblocking(False)
        self.dropped()

    def wait(self, seconds: float) -> bool:
        """Sleep until something arrives, at most `seconds`; tell whether something did."""
        return comes(self._sock, seconds)

    def dropped(self) -> int:
        """Return the frames dropped by the capture socket since the last call (reading clears the counter)."""
        statistics = self._sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return int(struct.unpack("@II", statistics)[1])

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _transmit(self, frame: bytes) -> None:
        if len(frame) <= LONGEST_FRAME:
            self._sock.send(frame)
            return
        # What the wire does not hold goes over it as cards hand up what they have merged: in one piece.
        self._sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        try:
            self._sock.send(_merged(frame, self.merged_of) + frame)
        finally:
            self._sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 0)

    def _receive(self) -> tuple[bytes, int]:
        frame, ancillary, _flags, _address = self._sock.recvmsg(65600, 64)
        seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2]) if ancillary else (0, 0)
        return frame, (seconds * 1_000_000_000 + nanoseconds) or time.time_ns()


def _merged(frame: bytes, mss: int | None) -> bytes:
    """Return the header that says of a frame with a segment of TCP that it was merged, and of which ones."""
    version = frame[14] >> 4
    begin = 14 + (4 * (frame[14] & 15) if version == 4 else 40)
    headers = begin + 4 * (frame[begin + 12] >> 4)
    kind = _GSO_TCPV4 if version == 4 else _GSO_TCPV6
    length = min(mss or 0xFFFF, len(frame) - headers - 1)
    return _VNET_HDR.pack(_NEEDS_CSUM, kind, headers, length, begin, 16)
