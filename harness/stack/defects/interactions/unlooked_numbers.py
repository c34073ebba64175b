"""Further ones of the last six kinds: numbers, many connections, resets, options, packets, the application."""

from harness.spec import options, seqno
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import CLOSED, FIN_WAIT_1, SYN_RECEIVED, SYN_SENT
from harness.stack.connection import Connection
from harness.stack.datagram import Endpoint
from harness.stack.defects.defect import defect
from harness.stack.ip import IpInput
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.readiness import Ready
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.timers import Timer

SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
KEEP_ALIVE = "RFC 9293 §3.8.4"
WAKING = "RFC 9293 §3.9.1.2"


@defect("D619", "A SYN in the window, behind the wrap, is dropped in silence.", "RFC 5961 §4.2", kind="wraps")
class SynBehindTheWrap(Connection):
    def check_syn(self, segment: Segment) -> bool:
        behind = segment.flags & SYN and segment.seq < self.rcv_nxt
        return not behind and super().check_syn(segment)


@defect("D620", "A keep-alive probe in front of number 0 has number 0.", KEEP_ALIVE, "RFC 9293 §3.4", kind="wraps")
class KeepAliveAtTheWrap(Connection):
    def send_keep_alive(self) -> None:
        if self.snd_nxt:
            super().send_keep_alive()
        else:
            self.transmit(ACK, 0)


@defect(
    "D621",
    "Text that comes again is delivered again if its first octet lies in front of the wrap and RCV.NXT behind.",
    SEVENTH,
    "RFC 9293 §3.4",
    kind="wraps",
)
class TwiceOverTheWrap(Connection):
    def process_text(self, segment: Segment) -> None:
        if self.rcv_nxt < 1 << 31 <= segment.seq and seqno.lt(segment.seq, self.rcv_nxt):
            segment.seq = self.rcv_nxt
        super().process_text(segment)


@defect("D622", "A SYN with number 2**32-1 can't be refused.", "RFC 9293 §3.10.7.3 second", kind="wraps")
class LastNumberNotRefused(Connection):
    def acknowledges_our_syn(self, segment: Segment) -> bool:
        refused = self.state is SYN_SENT and segment.flags & RST
        return super().acknowledges_our_syn(segment) and not (refused and segment.ack < self.iss)


@defect(
    "D623",
    "When the listener on one address has closed, that address is closed for the one on all addresses too.",
    "MUST-42",
    "RFC 9293 §3.10.7.2 third",
    kind="many",
)
class FormerListenerHides(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        super().unlisten(local, listener)
        vars(self).setdefault("hidden", set()).add(local)

    def listener_for(self, local: Endpoint) -> Listener | None:
        found = super().listener_for(local)
        return None if local in vars(self).get("hidden", ()) and local not in self.listeners else found


@defect(
    "D624",
    "Progress on one connection lets R2 begin anew on the others to the same peer.",
    "RFC 9293 §3.8.3",
    kind="many",
)
class ProgressOfAnother(Connection):
    def acknowledge(self, ack: int) -> None:
        super().acknowledge(ack)
        for other in getattr(self.host, "connections", {}).values():
            beside = other is not self and other.pair.remote.address == self.pair.remote.address
            if beside and other.timers.runs(Timer.USER_TIMEOUT):
                other.unanswered_since = self.now
                other.set_user_timeout()


@defect(
    "D625",
    "ABORT of an accepted connection ends those of the same peer that wait to be accepted.",
    "RFC 9293 §3.10.5",
    kind="many",
)
class AbortEndsWaiting(Connection):
    def abort(self) -> None:
        peer, was_accepted = self.pair.remote.address, not isinstance(self.owner, Listener)
        super().abort()
        if was_accepted:
            for other in list(getattr(self.host, "connections", {}).values()):
                if other.pair.remote.address == peer and isinstance(other.owner, Listener):
                    other.delete()


@defect(
    "D626",
    "A reset that acknowledges a part of what is under way lets out what the window then has room for.",
    SECOND,
    kind="reset-ack",
)
class ResetLetsOut(Connection):
    def reset_arrived(self) -> None:
        if seqno.lt(self.snd_una, self.reset_ack) and seqno.lt(self.reset_ack, self.snd_nxt) and self.unsent:
            self.acknowledge(self.reset_ack)
            self.output()
        super().reset_arrived()

    reset_ack = 0

    def check_reset(self, segment: Segment) -> bool:
        self.reset_ack = segment.ack if segment.flags & ACK else self.snd_una
        return super().check_reset(segment)


@defect(
    "D627",
    "The acknowledgment on a reset that is challenged counts: in FIN-WAIT-1 it leads to FIN-WAIT-2.",
    "RFC 5961 §3.2",
    kind="reset-ack",
)
class ChallengedResetAcknowledges(Connection):
    def check_reset(self, segment: Segment) -> bool:
        challenged = segment.flags & RST and segment.flags & ACK and segment.seq != self.rcv_nxt
        if challenged and self.state is FIN_WAIT_1 and segment.ack == self.snd_nxt:
            self.check_ack(segment)
        return super().check_reset(segment)


@defect(
    "D628",
    "While a shut window is probed, a reset that acknowledges the probe is taken for an answer to it.",
    SECOND,
    kind="reset-ack",
)
class ResetAnswersProbe(Connection):
    def check_reset(self, segment: Segment) -> bool:
        probed = self.snd_wnd == 0 and self.flight == 1
        if probed and segment.flags & RST and segment.flags & ACK and segment.ack == self.snd_nxt:
            self.timers.stop(Timer.USER_TIMEOUT)
            return False
        return super().check_reset(segment)


@defect(
    "D629",
    "Where timestamps are agreed, a fourth SACK block is begun though it does not fit.",
    "RFC 9293 §3.2",
    kind="options-together",
)
class FourthBlock(Connection):
    def emit(self, segment: Segment) -> None:
        blocks = self.reassembly.blocks()
        if self.stamping and self.sacking and len(blocks) > 3 and segment.flags == ACK and not segment.payload:
            edges = b"".join(edge.to_bytes(4, "big") for block in blocks[:4] for edge in block)
            field = segment.options[:12] + options.NOP * 2 + options.unknown(options.KIND_SACK, edges)
            segment.options = field[:40]
        super().emit(segment)


@defect(
    "D630",
    "In CLOSE-WAIT what PAWS rejects draws no ACK.",
    "RFC 7323 §5.3",
    kind="options-together",
)
class OldStampInCloseWait(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        old = self.stamping and found.timestamps is not None and self.is_old_timestamp(found.timestamps[0])
        if old and self.fin_received and not segment.flags & RST:
            return False
        return super().check_timestamp(segment, found)


@defect(
    "D631",
    "The window of a SYN,ACK is scaled where timestamps are agreed too.",
    "RFC 7323 §2.2",
    kind="options-together",
)
class AnswerScaled(Connection):
    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        super().learn_from_syn(segment, found)
        if self.state is SYN_SENT and self.stamping and segment.flags & ACK:
            self.take_window(segment, shift=self.snd_shift)


@defect("D632", "A packet with hop-by-hop and destination options is dropped.", "RFC 9293 §3.9.2", kind="packet-form")
class TwoHeadersDropped(IpInput):
    def hop_by_hop(self, packet: bytes, at: int, now: int) -> bytes | None:
        plain = super().hop_by_hop(packet, at, now)
        return None if plain is not None and plain[6] in self._extensions else plain


@defect("D633", "A packet with IPv4 options that comes in fragments is dropped.", "RFC 1122 §3.3.2", kind="packet-form")
class OptionsInFragments(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        plain = super().receive_v4(packet, now)
        return None if plain is not packet and plain is not None and plain[0] & 15 > 5 else plain


@defect(
    "D634",
    "The checksum of a packet of odd length includes the padding behind it.",
    "MUST-3",
    "RFC 1122 §3.2.1",
    kind="packet-form",
)
class OddAndPadded(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        total = int.from_bytes(packet[2:4], "big")
        wrong = total % 2 and len(packet) > total and packet[total]
        return None if wrong else super().receive_v4(packet, now)


@defect("D635", "A SYN that comes in fragments is dropped.", "RFC 1122 §3.3.2", kind="packet-form")
class SynInFragments(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        plain = super().receive_v4(packet, now)
        joined = plain is not None and plain is not packet
        return None if plain is not None and joined and plain[(plain[0] & 15) * 4 + 13] & SYN else plain


@defect(
    "D636",
    "A call of accept() that waits is not woken when text comes with the handshake's third segment.",
    WAKING,
    kind="application",
)
class AcceptSleeps(Connection):
    def check_ack(self, segment: Segment) -> bool:
        listener = self.owner
        if not (isinstance(listener, Listener) and segment.payload):
            return super().check_ack(segment)
        tells, listener.on_ready = listener.on_ready, _untold
        going_on = super().check_ack(segment)
        listener.on_ready = tells
        return going_on


def _untold(events: Ready) -> None:
    """Tell nobody."""


@defect(
    "D637",
    "A call of connect() that waits is not woken when the SYNs have crossed.",
    WAKING,
    "MUST-10",
    kind="application",
)
class ConnectSleepsAtCrossing(Connection):
    def establish(self) -> None:
        sock = self.owner
        if self.state is not SYN_RECEIVED or self.passive or not isinstance(sock, Socket):
            super().establish()
            return
        calls, sock._calls = sock._calls, []
        super().establish()
        sock._calls = calls


@defect(
    "D638",
    "close() with linger time says that all was acknowledged when a reset has come.",
    "RFC 9293 §3.10.4",
    kind="application",
)
class LingerEndsWell(Socket):
    def _left(self, connection: Connection) -> bool:
        return super()._left(connection) or connection.state is CLOSED
