"""Variants of how a stream is cut into segments, sent again and probed for room (RFC 9293 §3.7, §3.8; RFC 5681)."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, Segment
from harness.spec.states import SYN_RECEIVED, SYN_SENT
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Pair
from harness.stack.tcb import Host, Owner
from harness.stack.timers import Timer
from harness.stack.variants.variant import settings_variant, variant

settings_variant(
    "initial-window-of-one-segment",
    "Sending begins with one segment.",
    "RFC 5681 §3.1",
    allows="The initial window is an upper bound.",
    initial_window_segments=1,
)

settings_variant(
    "override-after-a-second",
    "Less than is worth sending waits for a second.",
    "RFC 9293 §3.8.6.2.1",
    allows="The override timeout is in the range from 0.1 to 1 s.",
    override_timeout_s=1.0,
)

settings_variant(
    "override-after-a-tenth",
    "Less than is worth sending waits for a tenth of a second.",
    "RFC 9293 §3.8.6.2.1",
    allows="The override timeout is in the range from 0.1 to 1 s.",
    override_timeout_s=0.1,
)


@variant(
    "nagle-waits-for-everything",
    "A segment that is not full-sized waits until everything is acknowledged.",
    "RFC 9293 §3.7.4",
    "SHLD-7",
    allows="Nagle's algorithm as RFC 896 has it; Minshall's is a modification.",
)
class NagleWaitsForEverything(Connection):
    def may_send_small(self) -> bool:
        return self.settings.no_delay or self.snd_una == self.snd_nxt


@variant(
    "nagle-off",
    "Small segments are sent at once.",
    "SHLD-7",
    allows="Nagle's algorithm SHOULD be implemented.",
)
class NagleOff(Connection):
    def may_send_small(self) -> bool:
        return True


@variant(
    "fin-apart-from-text",
    "A FIN is always a segment of its own.",
    "RFC 9293 §3.10.4",
    "RFC 9293 §3.7",
    allows="How the stream is cut is the sender's choice, and CLOSE 'forms a FIN segment' behind what is queued.",
)
class FinApartFromText(Connection):
    def _fin_fits(self, size: int, usable: int) -> bool:
        return size <= 0 and super()._fin_fits(size, usable)


@variant(
    "text-in-small-segments",
    "No segment carries more than a hundred octets.",
    "RFC 9293 §3.7.1",
    allows="Eff.snd.MSS is an upper bound.",
)
class TextInSmallSegments(Connection):
    @property
    def send_mss(self) -> int:
        return min(100, super().send_mss)


@variant(
    "front-sent-again-alone",
    "A retransmission time-out sends the first segment again, the others follow when it is acknowledged.",
    "RFC 6298 §5.4",
    allows="It retransmits the earliest segment that has not been acknowledged.",
)
class FrontSentAgainAlone(Connection):
    def retransmission_timeout(self) -> None:
        alone = self.snd_una != self.iss and self.snd_wnd > 0
        if not alone:
            super().retransmission_timeout()
            return
        self.retransmissions += 1
        self.rtt.back_off()
        self.congestion.timed_out(self.flight, first=self.retransmissions == 1)
        self.resend_front()

    def acknowledge(self, ack: int) -> None:
        recovers = bool(self.retransmissions)
        super().acknowledge(ack)
        if recovers and self.flight:
            self.cursor = self.snd_una


@variant(
    "text-cut-anew-when-sent-again",
    "What is sent again takes along what has been queued since: the segments are not those of the first time.",
    "RFC 9293 §3.8.1",
    "RFC 1122 §4.2.2.15",
    allows="What is retransmitted may be packetized anew, up to Eff.snd.MSS.",
)
class TextCutAnewWhenSentAgain(Connection):
    def resend_front(self) -> None:
        self.cursor = self.snd_una
        self.output()

    def worth_sending(self, size: int, queued: int) -> bool:
        return super().worth_sending(size, queued) or bool(self.retransmissions)


@variant(
    "no-fast-retransmit",
    "Only a time-out sends anything again.",
    "RFC 5681 §3.2",
    allows="Fast retransmit SHOULD be used.",
)
class NoFastRetransmit(Connection):
    def duplicate(self, segment: Segment) -> None:
        """Take no notice."""


@variant(
    "closed-window-probed-at-once",
    "What meets a closed window is probed for at once, with one octet.",
    "SHLD-29",
    "MUST-36",
    allows="The first probe SHOULD wait for a retransmission time-out.",
)
class ClosedWindowProbedAtOnce(Connection):
    def _arm_send_timers(self) -> None:
        idle = self.unsent and self.snd_wnd == 0 and not self.flight and self.cursor == self.snd_nxt
        super()._arm_send_timers()
        if idle and not self.probes and self.state not in (SYN_SENT, SYN_RECEIVED):
            self.probes += 1
            Connection.send_probe(self)
            self.start(Timer.PROBE, self.probe_interval())
            self.start_user_timeout()


@variant(
    "probes-of-two-octets",
    "A probe of a closed window carries two octets, where there are as many.",
    "MUST-36",
    allows="At least one octet of new data is sent.",
)
class ProbesOfTwoOctets(Connection):
    def send_probe(self) -> None:
        at = seqno.diff(self.snd_una, self.snd_first)
        payload = bytes(self.send_buffer[at : at + 2])
        if len(payload) < 2:
            super().send_probe()
            return
        self.cursor, self.timed = seqno.add(self.snd_una, 2), None
        if seqno.lt(self.snd_nxt, self.cursor):
            self.snd_nxt = self.cursor
        self.transmit(ACK, self.snd_una, payload)


@variant(
    "probes-as-large-as-segments",
    "A probe of a closed window carries a whole segment.",
    "MUST-36",
    allows="At least one octet of new data is sent.",
)
class ProbesAsLargeAsSegments(Connection):
    def send_probe(self) -> None:
        self.cursor, self.timed = self.snd_una, None
        at = seqno.diff(self.snd_una, self.snd_first)
        payload = bytes(self.send_buffer[at : at + self.send_mss])
        fin = self.fin_queued and not payload
        end = seqno.add(self.snd_una, len(payload) + fin)
        if seqno.lt(self.snd_nxt, end):
            self.snd_nxt = end
        self.transmit(FIN | ACK if fin else ACK, self.snd_una, payload)


@variant(
    "keep-alive-with-an-octet",
    "A keep-alive carries an octet of garbage.",
    "MAY-6",
    "SHLD-12",
    allows="It MAY, for peers that answer nothing else; without is what it SHOULD be.",
)
class KeepAliveWithAnOctet(Connection):
    def send_keep_alive(self) -> None:
        self.transmit(ACK, seqno.add(self.snd_nxt, -1), b"\0")


@variant(
    "text-collected-for-a-moment",
    "What the application sends leaves after 40 ms, with all that it has sent by then, or when a segment is full.",
    "MUST-60",
    "MAY-15",
    allows="Where SEND has no PUSH, text must not be buffered indefinitely; it may be combined.",
)
class TextCollectedForAMoment(Connection):
    collected = True

    def __init__(self, host: Host, pair: Pair, owner: Owner | None) -> None:
        super().__init__(host, pair, owner)
        self._handlers[Timer.COLLECTING] = self.leave

    def worth_sending(self, size: int, queued: int) -> bool:
        again = seqno.lt(self.cursor, self.snd_nxt)
        if self.collected or again or size >= self.send_mss or self.fin_queued:
            return super().worth_sending(size, queued)
        if not self.timers.runs(Timer.COLLECTING):
            self.start(Timer.COLLECTING, nanoseconds(0.04))
        return False

    def send(self, data: bytes, *, urgent: bool = False) -> int:
        self.collected = False
        return super().send(data, urgent=urgent)

    def leave(self) -> None:
        """Send what has come together."""
        self.collected = True
        self.output()
