"""One connection to a server, as the case sees it and as it is on the wire.

The case speaks of a port of its own, of calls that its application makes, and of octets that these calls carry. On the
wire there is the server's port, and a server does by itself what an application would be told to do: it answers text
with the same text, and closes when its peer has closed. So what the application has not been told to do yet is kept
from the case: an echo is what the application has received, a FIN waits for the call. Text that makes an echo server
speak is kept from it likewise. The sequence numbers are shifted by as much, in both directions, which leaves every
distance as it is. Where that can't be done truthfully, `NotOffered` is raised: nothing is judged then.
"""

import time
from collections.abc import Callable

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, PSH, RST, SYN
from harness.targets.protocol import NotOffered
from harness.targets.wired.packet import TcpPacket
from harness.targets.wired.servers import Server
from harness.wire.link import Arrival

#: More text than this, and it matters whether an application reads.
MOST_HIDDEN = 4096
#: So much text fits into one segment to the server.
MOST_SAID = 1400
#: A throttled target answers a SYN, and its first repetition.
MOST_SYNS = 2
#: A little less than the shortest retransmission time-out in use (Linux: 200 ms).
GUARD_S = 0.19


class Channel:
    """A connection between a peer's port and the server. `inject` sends a packet of ours to the server."""

    def __init__(
        self,
        server: Server,
        port: int,
        inject: Callable[[bytes], None],
        *,
        throttled: bool = False,
        timed: bool = False,
    ) -> None:
        self.server, self.port, self._inject, self._throttled = server, port, inject, throttled
        #: Whether times are judged: then nothing is shown at another one than its own.
        self._timed = timed
        self._syns = 0
        #: Whether a SYN that opens the connection, or opens it anew, has drawn nothing yet.
        self._is_opening = False
        self.listener_closed = False
        self.told_to_close = False
        #: Whether a text was sent to it that makes it close.
        self._asked = False
        #: What the application has received, as the server's echo shows.
        self.heard = bytearray()
        self._offered = 0
        #: Octets that the application was told to send and that have not come yet.
        self.owed = 0
        self.held: TcpPacket | None = None
        #: When it came, and when the case saw it, on the scale of arrivals: its repetitions count from the first.
        self._held_ns = self._shown_ns = 0
        self._held_again = False
        self.established = False
        #: Whether the peer has acknowledged the SYN, in whatever segment: some stacks then take it for established.
        self._acknowledged = False
        self.reset = False
        #: Where the peer's text began, and how many octets the server has sent back.
        self._text_from, self._echoed = 0, 0
        self._in_shift = self._out_shift = 0
        #: On the wire: what the server sends next, and expects next, and what it was acknowledged.
        self._snd_nxt = self._snd_una = self.rcv_nxt = 0
        self._shown_ack: int | None = None
        self._last_hidden: int | None = None
        self._peer_fin: int | None = None
        #: Where the text ends that the peer has sent last.
        self._sent_end = 0
        self._own_fin: int | None = None
        self._template: TcpPacket | None = None
        self._opening: TcpPacket | None = None
        #: Whether the server has closed the connection, which nobody has made it do.
        self.left = False

    # --- what the peer sends -----------------------------------------------------------------------------------------

    def inward(self, seen: TcpPacket) -> bytes:
        """Return a packet of the case as it goes on the wire."""
        if seen.sound:
            self._demand_truth(seen)
        seq, ack = seen.seq + self._in_shift, seen.ack + (self._out_shift if seen.flags & ACK else 0)
        octets = seen.written(destination_port=self.server.port, seq=seq, ack=ack)
        sent = TcpPacket.read(octets)
        if sent is not None and sent.sound:
            self._opening = self._opening or sent
            self._note_sent(sent)
        return octets

    def _demand_truth(self, seen: TcpPacket) -> None:
        is_syn = seen.flags & (SYN | ACK | RST) == SYN
        # To an ACK or RST a port that listens answers as one that is closed does.
        tells_listening = not seen.flags & (ACK | RST) and self._may_be_over()
        if self.listener_closed and (tells_listening or not (self.established or seen.flags & RST)):
            raise NotOffered(f"the {self.server.name} server goes on listening")
        if self.server.once and tells_listening:
            raise NotOffered(f"the {self.server.name} server takes one connection in its life")
        self._syns += is_syn
        if self._throttled and self._syns > MOST_SYNS:
            raise NotOffered("the target answers what is repeated once in a while only")
        if self._app_has_closed() and not self.told_to_close:
            what = "has closed already" if self.server.closes_first else "closes as soon as its peer has"
            raise NotOffered(f"the {self.server.name} server {what}")
        self._demand_quiet(seen)
        if self._timed and seen.payload and self.server.echoes:
            raise NotOffered("an echo acknowledges what it answers: no acknowledgment is delayed")
        gap = seen.flags & FIN and seqno.diff(seen.seq + self._in_shift, self.rcv_nxt) > 0
        if (self.server.closes_first or self._asked) and (seen.payload or gap):
            raise NotOffered("the server has closed, and reads nothing: it may reset (RFC 9293 MAY-1)")
        self._offered += len(seen.payload)
        if self._offered > MOST_HIDDEN and not self.told_to_close:
            raise NotOffered("the server reads whatever comes")
        if seen.payload and self.server.echoes and not self.told_to_close and self._snd_una != self._snd_nxt:
            raise NotOffered("an echo would come behind text that is not acknowledged")

    def _demand_quiet(self, seen: TcpPacket) -> None:
        """Raise where the server takes what is sent for something else, or speaks in between."""
        if self.server.question and seen.payload:
            raise NotOffered(f"the {self.server.name} server takes text for a request")
        ends = seen.flags & RST and seen.seq == self.rcv_nxt
        narrow = seen.flags & ACK and seen.window < MOST_SAID  # what is held back is soon followed by probes
        if self.server.babbles and (self.established or narrow) and not ends:
            raise NotOffered(f"the {self.server.name} server speaks all the time")
        if self.server.closes_first and not self.established and narrow:
            raise NotOffered("the peer's window holds back what the server says before it closes")

    def _note_sent(self, sent: TcpPacket) -> None:
        fresh = not self.established or self._may_be_over()
        self._is_opening = sent.flags & (SYN | ACK | RST) == SYN and fresh
        if sent.flags & RST and sent.seq == self.rcv_nxt:
            self.reset = True
        acceptable = seqno.diff(sent.ack, self._snd_una) >= 0 and seqno.diff(sent.ack, self._snd_nxt) <= 0
        acknowledges = not sent.flags & (RST | SYN) and sent.flags & ACK and acceptable
        if acknowledges and sent.ack == self._snd_nxt:
            self._acknowledged = True
        if acknowledges and self._reaches(sent):
            self.established = True
        if acknowledges and sent.seq == self.rcv_nxt:
            self._snd_una = sent.ack
            self._template = sent
            self.established = True
        if sent.payload:
            self._sent_end = sent.end
        if sent.flags & FIN and not self._peer_has_closed():
            self._peer_fin = (sent.end + 1) & 0xFFFFFFFF

    def _reaches(self, sent: TcpPacket) -> bool:
        """Tell whether a segment begins at RCV.NXT, or reaches over it."""
        end = sent.end + bool(sent.flags & FIN)
        return sent.seq == self.rcv_nxt or seqno.diff(sent.seq, self.rcv_nxt) < 0 < seqno.diff(end, self.rcv_nxt)

    def _may_be_over(self) -> bool:
        closed_both = self._own_fin is not None and self._peer_fin is not None
        return self.reset or closed_both

    def _peer_has_closed(self) -> bool:
        return self._peer_fin is not None and seqno.diff(self.rcv_nxt, self._peer_fin) >= 0

    def _app_has_closed(self) -> bool:
        if self._own_fin is not None or self.reset:
            return False
        begun = self.established or (self.server.closes_first and self._acknowledged)
        behind_peer = self.server.closes and self._peer_has_closed()
        return self.held is not None or (begun and (self.server.closes_first or behind_peer))

    @property
    def waits_for_echo(self) -> bool:
        """Whether the server has more to say: an echo that is owed, or a FIN that the application was told to send."""
        return bool(self.owed) or (self.told_to_close and self._own_fin is None and not self.reset)

    # --- what the server sends ---------------------------------------------------------------------------------------

    def outward(self, sent: TcpPacket, time_ns: int = 0) -> list[bytes]:
        """Return what the case sees of a packet of the server: it, a part of it, or nothing."""
        self._is_opening = False
        if sent.flags & FIN and self._repeats_early(time_ns):
            return []
        if not sent.sound:
            return [self._shown(sent)]
        if sent.flags & RST:
            # One with another number refuses an acknowledgment of the peer's, and the connection goes on opening.
            self.reset = self.reset or self.established or sent.seq == self._snd_nxt
            return [self._shown(sent)]
        if sent.flags & SYN:
            self._snd_una, self._snd_nxt, self.rcv_nxt = sent.seq, (sent.seq + 1) & 0xFFFFFFFF, sent.ack
            self._shown_ack = self._text_from = sent.ack
            return [self._shown(sent)]
        if sent.flags & ACK and seqno.diff(sent.ack, self.rcv_nxt) > 0:
            self.rcv_nxt = sent.ack
        return self._part(sent, time_ns)

    def _part(self, sent: TcpPacket, time_ns: int) -> list[bytes]:
        hidden = self._hide(sent) if sent.payload else None
        if sent.payload and hidden is None:
            fin = sent.flags & FIN and self._hold(sent, time_ns)
            return [self._shown(sent, flags=sent.flags & ~FIN if fin else sent.flags)]
        if sent.flags & FIN and not self._hold(sent, time_ns):
            if hidden is not None:
                return [self._shown(sent, payload=b"", seq=sent.end, flags=sent.flags & ~PSH)]
            return [self._shown(sent)]
        if hidden is None and not sent.flags & FIN:
            if self._of_question(sent) or self._is_overtaken(sent):
                return []
            self._shown_ack = sent.ack
            return [self._shown(sent)]
        # What is left of it is an acknowledgment, if it acknowledges anything new.
        if self._shown_ack is not None and seqno.diff(sent.ack, self._shown_ack) <= 0:
            return []
        self._shown_ack = sent.ack
        return [self._shown(sent, payload=b"", seq=sent.seq, flags=ACK)]

    def _repeats_early(self, time_ns: int) -> bool:
        """Tell a timer's repetition of the FIN that is one only when counted from when the FIN really came."""
        held = bool(self._shown_ns) and time_ns - self._held_ns >= GUARD_S * 1e9
        return held and time_ns - self._shown_ns < GUARD_S * 1e9

    def _of_question(self, sent: TcpPacket) -> bool:
        """Tell an acknowledgment of the text that makes the server speak, or close."""
        waits = self.owed or (self._asked and self._own_fin is None)
        return bool(waits) and sent.ack == self.rcv_nxt and sent.seq == self._snd_nxt

    def _is_overtaken(self, sent: TcpPacket) -> bool:
        """Tell an acknowledgment that was sent before the echo, or FIN, that has brought it to the case already."""
        behind = self._last_hidden if self.held is None else self.held.end + 1
        is_old = behind is not None and seqno.diff(sent.seq, behind) < 0
        return is_old and self._shown_ack is not None and seqno.diff(sent.ack, self._shown_ack) <= 0

    def _hide(self, sent: TcpPacket) -> int | None:
        """Take an echo that nobody asked for from the stream, and acknowledge it; None for what was asked for."""
        fresh = seqno.diff(sent.end, self._snd_nxt)
        if fresh <= 0:
            return None if not self._is_hidden(sent) else 0
        self._echoed += fresh
        if self.owed:
            self.owed = max(0, self.owed - fresh)
            self._snd_nxt = sent.end
            return None
        if self.server.echoes:
            self.heard += sent.payload[-fresh:]
        self._snd_nxt = self._snd_una = sent.end
        self._last_hidden = sent.end
        if not self.server.babbles:
            self._acknowledge(sent)
        # The case counts as if nothing had been sent; the packet itself lies before the shift.
        self._out_shift += fresh
        return fresh

    def _is_hidden(self, sent: TcpPacket) -> bool:
        return self._last_hidden is not None and seqno.diff(sent.end, self._last_hidden) <= 0

    def _acknowledge(self, sent: TcpPacket) -> None:
        template = self._template
        if template is not None:
            self._inject(template.written(seq=self.rcv_nxt, ack=sent.end, flags=ACK, payload=b""))

    def _hold(self, sent: TcpPacket, time_ns: int) -> bool:
        """Keep a FIN until the application is told to close; tell whether it was kept."""
        if self.told_to_close:
            self._own_fin = (sent.end + 1) & 0xFFFFFFFF
            self._snd_nxt = self._own_fin
            return False
        self.left = self.left or not (self._peer_has_closed() or self.server.closes_first)
        self._held_again = self._held_again or self.held is not None
        self.held = self.held or sent
        self._held_ns = self._held_ns or time_ns
        return True

    def _shown(
        self, sent: TcpPacket, *, payload: bytes | None = None, seq: int | None = None, flags: int | None = None
    ) -> bytes:
        number = sent.seq if seq is None else seq
        absolute = sent.flags & RST and sent.flags & ACK and sent.seq == 0
        hidden = 0 if absolute else self._out_shift
        ends = (sent.flags if flags is None else flags) & FIN  # its own number is the last, and is the right one
        if self._last_hidden is not None and payload == b"" and not ends and seqno.diff(number, self._snd_nxt) < 0:
            number = self._snd_nxt  # an echo's packet, without the echo
        ack = sent.ack - self._in_shift if sent.flags & ACK else sent.ack
        return sent.written(source_port=self.port, seq=number - hidden, ack=ack, flags=flags, payload=payload)

    # --- what the application does -----------------------------------------------------------------------------------

    def say(self, data: bytes) -> None:
        """Make the server send these octets."""
        if not self.server.echoes:
            raise NotOffered(f"send(): a {self.server.name} server sends nothing that it is told")
        if self._peer_has_closed() or self._template is None:
            raise NotOffered("send(): an echo server sends what it is sent, while its peer has not closed")
        if self._snd_una != self._snd_nxt:
            raise NotOffered("send(): behind text that is not acknowledged, an echo may wait (Nagle's algorithm)")
        if len(data) > MOST_SAID:
            raise NotOffered("send(): more than an echo server is sure to take at once")
        if len(data) > self._template.window:
            raise NotOffered("send(): what the peer's window holds back, an echo server has not sent yet")
        self.owed += len(data)
        self._in_shift += len(data)
        trigger = {"seq": self.rcv_nxt, "ack": self._snd_una, "flags": ACK | PSH}
        self._inject(self._template.written(payload=data, **trigger))

    def close(self) -> list[Arrival]:
        """Let the FIN out that the server has sent by itself; return it if it is there already."""
        if self.server.question and not self._peer_has_closed():
            return self._ask()
        if not self.server.closes:
            raise NotOffered(
                f"close(): the {self.server.name} server does not close behind its peer's FIN, as was tried"
            )
        if not (self._peer_has_closed() or self.server.closes_first or self.held is not None):
            raise NotOffered(f"close(): the {self.server.name} server closes when its peer has")
        unread = self.heard or self._is_forgetful
        if unread or (self._offered and not self.server.echoes and not self.server.closes_first):
            raise NotOffered(f"close(): the {self.server.name} server reads all before it closes")
        if self._timed and self._held_again:
            raise NotOffered(f"close(): the {self.server.name} server's FIN has been repeated already")
        self.told_to_close = True
        held, self.held = self.held, None
        if held is None:
            return []
        self._shown_ns = self._held_ns if self._timed else time.time_ns()
        shown = self._shown(held, payload=b"", seq=held.end, flags=held.flags & ~PSH | FIN)
        self._snd_nxt = self._own_fin = (held.end + 1) & 0xFFFFFFFF
        return [Arrival(self._shown_ns, shown)]

    def _ask(self) -> list[Arrival]:
        """Make the server close by a text; what it says first is hidden, and needs room."""
        if self._template is None or self._snd_una != self._snd_nxt:
            raise NotOffered(f"close(): the {self.server.name} server is asked on an idle connection")
        if self.server.page > self._template.window:
            raise NotOffered("close(): the peer's window holds back what the server says before")
        if not self._asked:
            self._asked = self.told_to_close = True
            question = self.server.question
            written = self._template.written(payload=question, seq=self.rcv_nxt, ack=self._snd_una, flags=ACK | PSH)
            self._in_shift += len(question)
            self._shown_ack = (self.rcv_nxt + len(question)) & 0xFFFFFFFF  # the case hears of no acknowledgment of it
            self._inject(written)
        return []

    def read(self, limit: int) -> bytes | None:
        """Return what the application has received, b"" at the end of the stream, None if there is nothing."""
        if self.heard:
            data = bytes(self.heard[:limit])
            del self.heard[:limit]
            return data
        if not self.server.echoes:
            raise NotOffered(f"recv(): what a {self.server.name} server has received, nobody sees")
        if not self.server.closes and self._peer_has_closed():
            raise NotOffered(f"recv(): whether the {self.server.name} server has the end, which it does not answer")
        if self._is_forgetful:
            raise NotOffered(f"recv(): the {self.server.name} server may forget what came just before the end")
        ended = self.held is not None or (self._own_fin is not None and self._peer_has_closed())
        return b"" if ended else None

    @property
    def _is_forgetful(self) -> bool:
        """Whether the server has closed, and has not sent back what it may have forgotten."""
        if not self.server.hasty or self._peer_fin is None or not self._peer_has_closed() or not self._text_from:
            return False
        return seqno.diff(self._peer_fin, self._text_from) - 1 > self._echoed

    @property
    def expects_an_echo(self) -> bool:
        """Whether text of the peer's was acknowledged that the server has not sent back yet."""
        begun = self.server.echoes and bool(self._text_from) and not self._peer_has_closed()
        return begun and seqno.diff(self.rcv_nxt, self._text_from) > self._echoed

    @property
    def expects_the_end(self) -> bool:
        """Whether the peer's FIN has arrived, so that the server is about to close."""
        return self._peer_has_closed()

    @property
    def is_opening(self) -> bool:
        """Whether a SYN was sent that nothing has answered yet."""
        return self._is_opening

    @property
    def has_spoken(self) -> bool:
        """Whether the server has done what text or a FIN of its peer makes it do; it may do nothing about either."""
        if self._peer_fin is not None and self.server.closes:
            return self.reset or self.held is not None or self._own_fin is not None
        return self.reset or (self._sent_end == self.rcv_nxt and not self.expects_an_echo)

    def last_reset(self) -> bytes | None:
        """Return a reset that ends the connection, None where there is none to end.

        A reset that either side has sent may have ended nothing: in SYN-RECEIVED one refuses a wrong acknowledgment,
        and the handshake goes on for a minute. What is left of it has a place in the server's queue.
        """
        pattern = self._template or self._opening
        if pattern is None or not self.rcv_nxt:
            return None
        return pattern.written(seq=self.rcv_nxt, ack=self._snd_nxt, flags=RST | ACK, payload=b"")
