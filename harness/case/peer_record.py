"""What the peer has sent and seen on one connection, in relative numbers, and the state that this implies.

The peer never acts by itself. These numbers only give `peer.send` its defaults and the ladder its right-hand column.
"""

from dataclasses import dataclass

from harness.spec import seqno
from harness.spec.options import MalformedOptions, timestamps, timestamps_of
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import State


@dataclass(slots=True)
class PeerRecord:
    """The peer's end of a connection. `snd_nxt`, `snd_una` and `rcv_nxt` as in RFC 9293 §3.3.1.

    `stamp` is the latest TSval that the peer has sent where timestamps are agreed on, None elsewhere; `echo` the TSval
    that the target sent last, `offered` that of the peer's last SYN.
    """

    snd_nxt: int = 0
    snd_una: int = 0
    rcv_nxt: int = 0
    window: int = 65535
    syn_sent: bool = False
    syn_seen: bool = False
    fin_end: int | None = None
    fin_seen: bool = False
    closed_first: bool = False
    reset: bool = False
    offered: int | None = None
    stamp: int | None = None
    echo: int | None = None

    @property
    def stamped(self) -> bytes:
        """The options of a segment that is no SYN: timestamps, if both SYNs had them (RFC 7323 §3.2)."""
        return b"" if self.stamp is None else timestamps(self.stamp, self.echo or 0)

    def sent(self, segment: Segment) -> None:
        """Take note of a segment of the peer. What lies beyond `snd_nxt` counts only once it is acknowledged."""
        if segment.flags & RST:
            self.reset = True
            return
        self._stamp(segment)
        if segment.flags & SYN and segment.seq == 0:
            self.syn_sent = True
        if segment.flags & FIN and self.fin_end is None and segment.seq >= self.snd_nxt:
            self.fin_end = segment.seq + segment.length
            # A FIN that does not acknowledge the target's was sent before that was seen: the two cross.
            self.closed_first = not self.fin_seen or segment.ack < self.rcv_nxt
        if segment.seq == self.snd_nxt:
            self.snd_nxt += segment.length

    def saw(self, segment: Segment) -> None:
        """Take note of a segment of the target, if it is in order."""
        if segment.flags & RST:
            self.reset = True
            return
        if segment.flags & ACK and self.syn_sent:
            self.snd_una = max(self.snd_una, segment.ack)
            self.snd_nxt = max(self.snd_nxt, self.snd_una)
        self._see_stamp(segment)
        if segment.flags & SYN:
            self.syn_seen = True
        if segment.seq == self.rcv_nxt:
            self.rcv_nxt += segment.length
            self.fin_seen = self.fin_seen or bool(segment.flags & FIN)

    def _stamp(self, segment: Segment) -> None:
        value = _stamp_of(segment)
        if segment.flags & SYN:
            self.offered = value
            if segment.flags & ACK and value is not None and self.echo is not None:
                self.stamp = value
        elif value is not None and self.stamp is not None and seqno.lt(self.stamp, value):
            self.stamp = value

    def _see_stamp(self, segment: Segment) -> None:
        value = _stamp_of(segment)
        if value is not None:
            self.echo = value
        if segment.flags & SYN and segment.flags & ACK:
            self.stamp = self.offered if value is not None else None

    @property
    def state(self) -> State:
        """The state that a TCP in the peer's place would be in."""
        if self.reset or not (self.syn_sent or self.syn_seen):
            return State.CLOSED
        if not self.syn_sent:
            return State.LISTEN
        if not self.syn_seen:
            return State.SYN_SENT
        if self.snd_una < 1:
            return State.SYN_RECEIVED
        return self._closing_state()

    def _closing_state(self) -> State:
        if self.fin_end is None:
            return State.CLOSE_WAIT if self.fin_seen else State.ESTABLISHED
        acknowledged = self.snd_una >= self.fin_end
        if not self.fin_seen:
            return State.FIN_WAIT_2 if acknowledged else State.FIN_WAIT_1
        if self.closed_first:
            return State.TIME_WAIT if acknowledged else State.CLOSING
        return State.CLOSED if acknowledged else State.LAST_ACK


def _stamp_of(segment: Segment) -> int | None:
    """Return the TSval of a segment, None if there is none to be read."""
    try:
        found = timestamps_of(segment.options) if segment.options else None
    except MalformedOptions:
        return None
    return found[0] if found else None
