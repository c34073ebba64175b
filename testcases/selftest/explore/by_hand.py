"""A history that is told by hand what has happened on a connection."""

from collections.abc import Sequence

from harness.spec.history.calls import Answer
from harness.spec.history.history import History, Sent
from harness.spec.history.world import Traits, text
from harness.spec.segment import ACK, FIN, PSH, SYN, Segment
from harness.spec.states import (
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    SYN_RECEIVED,
    TIME_WAIT,
    State,
)

SECOND = 1_000_000_000
#: What the target's own stream and the peer's are made of.
OWN, PEER = 3, 40


class Hand:
    """Tells a history what happened, a second after the other; `seen` switches the states off."""

    def __init__(self, *, states: bool = True, traits: Traits | None = None) -> None:
        self.history = History(own_salt=OWN, peer_salt=PEER, traits=traits)
        self.states = states
        self.now = 0

    def peer(self, segment: Segment, *answers: Segment, state: State | None = None) -> None:
        self.now += SECOND
        self.history.arrives(segment, self.now, self._sent(answers), self._shown(state))

    def call(self, name: str, octets: int, answer: Answer, *sent: Segment, state: State | None = None) -> None:
        self.now += SECOND
        self.history.calls(name, octets, answer, self.now, self._sent(sent), self._shown(state))

    def wait(self, seconds: float, *sent: tuple[float, Segment], state: State | None = None) -> None:
        begin, self.now = self.now, self.now + round(seconds * SECOND)
        told = [Sent(segment, segment.seq, begin + round(at * SECOND)) for at, segment in sent]
        self.history.passes(self.now, told, self._shown(state))

    def _sent(self, segments: Sequence[Segment]) -> list[Sent]:
        return [Sent(segment, segment.seq, self.now) for segment in segments]

    def _shown(self, state: State | None) -> State | None:
        return state if self.states else None


def segment(flags: int, seq: int, ack: int = 0, octets: int = 0, salt: int = PEER) -> Segment:
    return Segment(flags, seq, ack, payload=text(seq, octets, salt))


def own(flags: int, seq: int, ack: int, octets: int = 0) -> Segment:
    return segment(flags | (PSH if octets else 0), seq, ack, octets, OWN)


def established(hand: Hand) -> Hand:
    hand.history.listens(True)
    hand.peer(segment(SYN, 0), own(SYN | ACK, 0, 1), state=SYN_RECEIVED)
    hand.peer(segment(ACK, 1, 1), state=ESTABLISHED)
    hand.history.accepted()
    return hand


def closing(hand: Hand) -> Hand:
    established(hand).call("shutdown", 0, Answer(), own(FIN | ACK, 1, 1), state=FIN_WAIT_1)
    return hand


def waiting(hand: Hand) -> Hand:
    closing(hand).peer(segment(ACK, 1, 2), state=FIN_WAIT_2)
    hand.peer(segment(FIN | ACK, 1, 2), own(ACK, 2, 2), state=TIME_WAIT)
    return hand
