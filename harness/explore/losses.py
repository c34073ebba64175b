"""What a loss leaves behind by the rules, when it is over: smaller windows, and the timeout behind a lost SYN.

RFC 5681 §3.1 has the congestion window be one segment behind a timeout and grow by what is acknowledged, and the
initial window be one segment where the SYN or the SYN,ACK was lost. RFC 6298 §5.7 has the timeout be 3 s there.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.explore.link import LOST
from harness.spec.segment import RST, SYN
from harness.trace.events import Event, Kind


def repeated(events: Iterable[Event]) -> set[int]:
    """Return the connections that have sent text again since their SYN."""
    ends, repeated = Counter[int](), set[int]()
    for event in events:
        key, segment = event.connection, event.segment
        if event.kind is not Kind.RECEIVED or segment is None or key is None:
            continue
        if segment.flags & SYN:
            ends[key] = 0
            repeated.discard(key)
        if segment.payload and segment.seq < ends[key]:
            repeated.add(key)
        ends[key] = max(ends[key], segment.seq + segment.length)
    return repeated


def opened_late(events: Iterable[Event]) -> set[int]:
    """Return the connections of whose last life a SYN of the target was lost, or came again."""
    lives, late = dict[int, _Opening](), set[int]()
    for event in events:
        if event.connection is None:
            continue
        life = lives.setdefault(event.connection, _Opening())
        if life.ends_with(event):
            lives[event.connection] = life = _Opening()
            late.discard(event.connection)
        if life.comes_late(event):
            late.add(event.connection)
    return late


@dataclass(slots=True)
class _Opening:
    """What is known of a life on a pair: the number of the peer's SYN, the flags of the target's, and its end."""

    peers: int | None = None
    flags: int = 0
    over: bool = False

    def ends_with(self, event: Event) -> bool:
        """Tell whether an event belongs to the next life: OPEN, another SYN of the peer, or one behind the opening."""
        segment = event.segment
        if event.kind is Kind.CALL:
            return event.text.startswith("connect(")
        if segment is None or not segment.flags & SYN:
            return False
        if event.kind is Kind.SENT:
            return self.peers not in (None, segment.seq)
        return self.over

    def comes_late(self, event: Event) -> bool:
        """Take note of an event, and tell whether it is a SYN of the target that is lost or comes again."""
        segment = event.segment
        if segment is None:
            return False
        if event.kind is Kind.SENT:
            self.peers = segment.seq if segment.flags & SYN else self.peers
            self.over |= bool(segment.flags & RST)
            return False
        again, self.flags = self.flags == segment.flags, segment.flags
        self.over |= not segment.flags & SYN
        return bool(segment.flags & SYN) and (again or LOST in event.annotations)
