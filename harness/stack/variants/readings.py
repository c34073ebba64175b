"""Variants that follow another of the specifications on resets, SYNs and ACKs (RFC 793, 5961, 1337, 6191)."""

from harness.spec import seqno
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import SYN_RECEIVED, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.stack import Stack
from harness.stack.variants.variant import settings_variant, variant

RST_PART, SYN_PART, ACK_PART = "rfc5961-rst", "rfc5961-syn", "rfc5961-ack"


class ResetCountsInWindow(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST:
            self.reset_arrived()
        return not segment.flags & RST


class SynInWindowResets(Connection):
    def check_syn(self, segment: Segment) -> bool:
        if segment.flags & SYN and not (self.state is SYN_RECEIVED and self.passive):
            if seqno.lt(segment.seq, self.rcv_nxt):  # the SYN is not in the window: an ACK, as in the first step
                self.answer_unacceptable()
            else:
                self.refuse_syn(segment)
            return False
        return super().check_syn(segment)

    def refuse_syn(self, segment: Segment) -> None:
        """RFC 793 §3.9: it is an error, send a reset, enter CLOSED."""
        if segment.flags & ACK:
            self.emit(Segment(RST, segment.ack, window=0))
        else:
            self.emit(Segment(RST | ACK, 0, segment.end, window=0))
        self.delete(104)


class OldAckIsDuplicate(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        return seqno.leq(segment.ack, self.snd_nxt)


class Rfc793(ResetCountsInWindow, SynInWindowResets, OldAckIsDuplicate):
    """A connection that knows nothing of RFC 5961."""


FROM_793 = "RFC 793 §3.9 has it so; RFC 5961's mitigations SHOULD be implemented (RFC 9293 §3.10.7.4)."

variant(
    "rfc5961-none",
    "A reset counts wherever it lies in the window, a SYN in the window resets, an old ACK is a duplicate.",
    "RFC 793 §3.9",
    "RFC 5961 §1.1",
    allows=FROM_793,
    lacks=("rfc5961", RST_PART, SYN_PART, ACK_PART),
)(Rfc793)

variant(
    "rfc5961-without-rst",
    "A reset counts wherever it lies in the window; SYNs and old ACKs are challenged.",
    "RFC 793 §3.4",
    "RFC 5961 §3.2",
    allows=FROM_793,
    lacks=("rfc5961", RST_PART),
)(ResetCountsInWindow)

variant(
    "rfc5961-without-syn",
    "A SYN in the window resets the connection; other resets and old ACKs are challenged.",
    "RFC 793 §3.9",
    "RFC 5961 §4.2",
    allows=FROM_793,
    lacks=("rfc5961", SYN_PART),
)(SynInWindowResets)

variant(
    "rfc5961-without-ack",
    "An old ACK is a duplicate, and the rest of its segment counts; resets and SYNs are challenged.",
    "RFC 793 §3.9",
    "RFC 5961 §5.2",
    allows=FROM_793,
    lacks=("rfc5961", ACK_PART),
)(OldAckIsDuplicate)

settings_variant(
    "challenges-throttled",
    "One challenge ACK in 5 s, for all connections together.",
    "RFC 5961 §7",
    allows="A counter of challenge ACKs in a period is RECOMMENDED; ten in five seconds are its example.",
    challenge_limit=1,
)

settings_variant(
    "unacceptable-answered-once-in-a-while",
    "After an unacceptable segment is answered, none is for half a second.",
    "RFC 5961 §7",
    allows="An implementation SHOULD throttle; Linux's tcp_invalid_ratelimit does it so.",
    invalid_interval_s=0.5,
)

settings_variant(
    "time-wait-ignores-resets",
    "A reset in TIME-WAIT is ignored.",
    "RFC 1337 §3",
    allows="Fix F1.",
    keep_time_wait=True,
)

settings_variant(
    "time-wait-never-reopened",
    "No SYN reopens a connection from TIME-WAIT.",
    "MAY-2",
    allows="It MAY be accepted.",
    lacks=("time-wait-reuse",),
    time_wait_reuse=False,
)


@variant(
    "time-wait-reopened-by-number",
    "A SYN below RCV.NXT never reopens a connection from TIME-WAIT, whatever its timestamp: it is acknowledged.",
    "MAY-2",
    "SHLD-4",
    allows="RFC 6191's use of timestamps SHOULD be implemented.",
)
class TimeWaitReopenedByNumber(Stack):
    def _reopen(self, connection: Connection, datagram: Datagram) -> bool:
        newer = seqno.leq(connection.rcv_nxt, datagram.segment.seq)
        return newer and super()._reopen(connection, datagram)


@variant(
    "constant-for-largest-window",
    "An ACK is too old when it lies the largest window field, scaled, below SND.UNA, whatever the peer has offered.",
    "RFC 5961 §5.2",
    allows="MAX.SND.WND may be hard-coded to the largest permissible window.",
)
class ConstantForLargestWindow(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        oldest = seqno.add(self.snd_una, -(65_535 << self.snd_shift))
        return seqno.leq(oldest, segment.ack) and seqno.leq(segment.ack, self.snd_nxt)


@variant(
    "spanning-segment-is-taken",
    "A segment that begins left of the window and ends right of it is taken as far as it lies inside.",
    "RFC 9293 §3.4",
    allows="It contains expected numbers: it overlaps the window.",
)
class SpanningSegmentIsTaken(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        if super().is_acceptable(segment):
            return True
        begins = seqno.lt(segment.seq, self.rcv_nxt) and segment.length > self.rcv_wnd > 0
        return begins and seqno.lt(seqno.add(self.rcv_nxt, self.rcv_wnd), segment.end)


@variant(
    "closed-window-drops-all",
    "What does not fit a closed window is dropped as a whole, its acknowledgment with it.",
    "RFC 9293 §3.10.7.4 first",
    allows="An unacceptable segment is dropped after an ACK.",
)
class ClosedWindowDropsAll(Connection):
    def fills_a_closed_window(self, segment: Segment) -> bool:
        return False


@variant(
    "time-wait-acknowledges-text",
    "Text in TIME-WAIT is acknowledged.",
    "RFC 9293 §3.10.7.4 fifth",
    allows="It can be taken for part of what the peer sends again.",
)
class TimeWaitAcknowledgesText(Connection):
    def check_ack(self, segment: Segment) -> bool:
        rests = self.state is TIME_WAIT
        passes = super().check_ack(segment)
        self.ack_due = self.ack_due or (rests and passes and bool(segment.payload))
        return passes
