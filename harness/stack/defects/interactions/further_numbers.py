"""Thirty further ones, written likewise: numbers, neighbours, options, packets and applications."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, Segment
from harness.spec.states import CLOSING
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import defect
from harness.stack.ip import FIXED, FRAGMENT, MORE, OFFSET, IpInput, checksum
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.output import SENDING
from harness.stack.readiness import Ready
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb

SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"


# --- wraps -----------------------------------------------------------------------------------------------------------


@defect(
    "D749",
    "While what is under way lies across the wrap, an acknowledgment of what was never sent counts as one of all.",
    FIFTH,
    kind="wraps",
)
class TooMuchAcrossWrap(Connection):
    def check_ack(self, segment: Segment) -> bool:
        across = self.snd_nxt < self.snd_una != self.iss
        if across and segment.flags & ACK and seqno.lt(self.snd_nxt, segment.ack):
            segment.ack = self.snd_nxt
        return super().check_ack(segment)


@defect("D750", "Text with number 0 is acknowledged, but lost.", SEVENTH, kind="wraps")
class TextAtZero(Connection):
    def advance(self) -> None:
        first, before = self.rcv_nxt, len(self.receive_buffer)
        super().advance()
        if first == 0:
            del self.receive_buffer[before:]


@defect("D751", "ABORT sends no reset whose number would be 0.", "RFC 9293 §3.10.5", kind="wraps")
class NoResetAtZero(Connection):
    def send_reset(self) -> None:
        if self.snd_nxt:
            super().send_reset()


# --- many ------------------------------------------------------------------------------------------------------------


@defect(
    "D752",
    "A SYN,ACK that is repeated has the number of the connection of its listener that opens longest.",
    "RFC 9293 §3.8.1",
    kind="many",
)
class SynAckOfTheOldest(Connection):
    def send_syn(self) -> None:
        again = self.retransmissions and self.passive and isinstance(self.owner, Listener) and self.owner.opening
        if not again:
            super().send_syn()
            return
        assert isinstance(self.owner, Listener)
        own, self.iss = self.iss, self.owner.opening[0].iss
        super().send_syn()
        self.iss, self.cursor = own, seqno.add(own, 1)
        self.snd_nxt = self.cursor


@defect(
    "D753",
    "Accepted connections have their settings together: keep-alive that one asks for is on for all.",
    "MUST-25",
    kind="many",
)
class SettingsTogether(Connection):
    def settings_changed(self) -> None:
        super().settings_changed()
        for other in self.host.connections.values() if isinstance(self.host, Stack) else ():
            if other is not self and other.passive and self.passive and other.pair.local == self.pair.local:
                other.settings.keep_alive = self.settings.keep_alive
                other.settings.keep_alive_idle_s = self.settings.keep_alive_idle_s
                other.arm_keep_alive()


@defect(
    "D754",
    "A shut window of one connection holds back what waits on the others to the same peer.",
    "RFC 9293 §3.10.2",
    kind="many",
)
class OneWindowForAll(Connection):
    def usable_window(self) -> int:
        assert isinstance(self.host, Stack)
        peer = self.pair.remote.address
        others = [mine for mine in self.host.connections.values() if mine.pair.remote.address == peer]
        shut = any(mine.snd_wnd == 0 and mine.max_snd_wnd and mine.state in SENDING for mine in others)
        return 0 if shut else super().usable_window()


# --- resets with another acknowledgment ------------------------------------------------------------------------------


@defect(
    "D755",
    "In CLOSING a reset that acknowledges our FIN leads to TIME-WAIT.",
    SECOND,
    kind="reset-ack",
)
class ResetAcknowledgesInClosing(Connection):
    def reset_arrived(self) -> None:
        if self.state is CLOSING and self.resets_at == self.snd_nxt:
            self.snd_una = self.snd_nxt
            self.enter_time_wait()
        else:
            super().reset_arrived()

    resets_at: int | None = None

    def check_reset(self, segment: Segment) -> bool:
        self.resets_at = segment.ack if segment.flags & ACK else None
        return super().check_reset(segment)


@defect(
    "D756",
    "A reset at RCV.NXT is only challenged while text waits behind a gap.",
    SECOND,
    kind="reset-ack",
)
class ResetInFrontOfGap(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and len(self.reassembly):
            self.send_challenge()
            return False
        return super().check_reset(segment)


# --- options and scale together --------------------------------------------------------------------------------------


@defect("D757", "The window of the peer's FIN is taken without its scale.", "RFC 7323 §2.3", kind="options-together")
class FinsWindowUnscaled(Connection):
    def update_window(self, segment: Segment) -> None:
        shift = self.snd_shift
        self.snd_shift = 0 if segment.flags & FIN else shift
        super().update_window(segment)
        self.snd_shift = shift


@defect(
    "D758",
    "The acknowledgment of a segment that PAWS rejects counts all the same.",
    "RFC 7323 §5.3",
    kind="options-together",
)
class OldTimestampAcknowledges(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        passed = super().check_timestamp(segment, found)
        new = seqno.lt(self.snd_una, segment.ack) and seqno.leq(segment.ack, self.snd_nxt)
        if not passed and found.timestamps is not None and segment.flags & ACK and new and self.snd_una != self.iss:
            self.acknowledge(segment.ack)
        return passed


@defect(
    "D759",
    "A window that reading opens is told without timestamps, though they are agreed.",
    "RFC 7323 §3.2",
    kind="options-together",
)
class UpdateWithoutTimestamps(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        stamping, self.stamping = self.stamping, False
        try:
            return super().receive(limit, peek=peek)
        finally:
            self.stamping = stamping


# --- the form of the packet ------------------------------------------------------------------------------------------


@defect(
    "D760",
    "A FIN without text in a packet with IPv4 options or extension headers is overlooked.",
    EIGHTH,
    kind="packet-form",
)
class FinBehindOptions(Stack):
    special = False

    def receive(self, packet: bytes) -> bytes | None:
        plain = super().receive(packet)
        six = packet[:1] and packet[0] >> 4 == 6
        self.special = packet[6] != 6 if six and len(packet) > FIXED else bool(packet and packet[0] & 15 > 5)
        return plain

    def deliver(self, datagram: Datagram) -> None:
        if self.special and datagram.segment.flags & FIN and not datagram.segment.payload:
            datagram.segment.flags &= ~FIN
        super().deliver(datagram)


@defect(
    "D761",
    "Padding behind the last fragment is joined with it: the checksum is wrong.",
    "RFC 1122 §3.2.1",
    kind="packet-form",
)
class PaddedFragment(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        place, length = int.from_bytes(packet[6:8], "big"), (packet[0] & 15) * 4
        total = int.from_bytes(packet[2:4], "big")
        if not place & MORE and place & OFFSET and len(packet) > total:
            header = bytearray(packet[:length])
            header[2:4], header[10:12] = len(packet).to_bytes(2, "big"), b"\0\0"
            header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
            packet = bytes(header) + packet[length:]
        return super().receive_v4(packet, now)

    def receive_v6(self, packet: bytes, now: int) -> bytes | None:
        end = FIXED + int.from_bytes(packet[4:6], "big")
        if packet[6] == FRAGMENT and not packet[FIXED + 3] & 1 and len(packet) > end:
            packet = packet[:4] + (len(packet) - FIXED).to_bytes(2, "big") + packet[6:]
        return super().receive_v6(packet, now)


# --- the application -------------------------------------------------------------------------------------------------


@defect(
    "D762",
    "A call of recv() that waits behind SHUT_WR is not woken by text.",
    "RFC 9293 §3.10.3",
    kind="application",
)
class HalfClosedSleeper(Socket):
    def notify(self, connection: Tcb, events: Ready) -> None:
        sleeps = connection.fin_queued and events in (Ready.IN, Ready.NONE) and self.connection is not None
        calls = self._calls
        self._calls = [] if sleeps else calls
        super().notify(connection, events)
        self._calls = calls


@defect(
    "D763",
    "A call of accept() that waits is not woken when the SYN,ACK had to be repeated.",
    "RFC 9293 §3.9.1.1",
    kind="application",
)
class LateHandshakeUnheard(Connection):
    late = False

    def acknowledge(self, ack: int) -> None:
        self.late = self.retransmissions > 0
        super().acknowledge(ack)

    def establish(self) -> None:
        listener = self.owner
        if not (isinstance(listener, Listener) and self.late):
            super().establish()
            return
        told, listener.on_ready = listener.on_ready, lambda events: None
        super().establish()
        listener.on_ready = told
