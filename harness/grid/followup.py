"""Follow-ups: segments and calls that prove from outside in which state a target is. They spoil the connection.

A reply alone hides most wrong next states, and a target's own word may be wrong or not to be had. So each state is
asked something that no other state, in particular none that the target might not have left, answers in the same way.
One thing no TCP must show before its retransmission timer does: whether it has noticed an acknowledgment of its FIN.
There the follow-up asks what RFC 5961 (its lower limit of acceptable acknowledgments moves with SND.UNA), permissions
of RFC 9293 or a target's peculiarities may give away, and returns the answers. What a target answers when it really is
in that state is measured once per target, in `harness.grid.calibration`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from harness.case.expect import segment, silence
from harness.case.peer_side import PeerSide
from harness.case.target_side import TargetSide
from harness.grid.numbers import FAR, TEXT
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    State,
)

#: The answers to what a target need not answer; empty where the state is proved without them.
Tells = tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The target's SND.NXT and RCV.NXT, and the largest window it was ever offered, if it sent so much."""

    snd_nxt: int
    rcv_nxt: int
    max_snd_wnd: int | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Both sides, and the numbers that the target must have if all is as it seems."""

    target: TargetSide
    peer: PeerSide
    numbers: Numbers

    def challenge(self) -> None:
        """Demand the ACK that every connection answers to a segment from far outside; it shows SND.NXT and RCV.NXT."""
        __tracebackhide__ = True
        n, r = self.numbers.snd_nxt, self.numbers.rcv_nxt
        self.peer.send(ACK, seq=r + FAR, ack=n)
        self.target.must_send(ACK, seq=n, ack=r)

    def must_be_gone(self) -> None:
        """Demand the reset with which nobody answers."""
        __tracebackhide__ = True
        n, r = self.numbers.snd_nxt, self.numbers.rcv_nxt
        self.peer.send(ACK, seq=r, ack=n)
        self.target.must_send(RST, seq=n)

    def answers(self, flags: int, data: bytes, ack: int) -> bool:
        """Send what may be answered with an ACK or not at all, at RCV.NXT; tell whether it was."""
        __tracebackhide__ = True
        n, r = self.numbers.snd_nxt, self.numbers.rcv_nxt
        self.peer.send(flags, data, seq=r, ack=ack)
        return self.target.must_answer(silence(), segment(ACK, seq=n, ack=r)) is not None

    def answers_below(self, snd_una: int) -> bool:
        """Send the oldest ACK that is acceptable if SND.UNA is `snd_una`; tell whether the target objected."""
        __tracebackhide__ = True
        limit = self.numbers.max_snd_wnd
        return limit is not None and self.answers(ACK, b"", snd_una - limit)


def prove(state: State, scene: Scene) -> Tells:
    """Prove the state, as far as it goes; raises Violation where the target shows that it is in another one."""
    __tracebackhide__ = True
    return _PROOFS[state](scene)


def _closed(scene: Scene) -> Tells:
    __tracebackhide__ = True
    scene.must_be_gone()
    return ()


def _listen(scene: Scene) -> Tells:
    __tracebackhide__ = True
    seq = scene.numbers.rcv_nxt + FAR
    scene.peer.send(SYN, seq=seq, options=b"")
    scene.target.must_send(SYN | ACK, ack=seq + 1)
    return ()


def _syn_sent(scene: Scene) -> Tells:
    __tracebackhide__ = True
    scene.peer.send(SYN | ACK, seq=FAR, ack=scene.numbers.snd_nxt, options=b"")
    scene.target.must_send(ACK, seq=scene.numbers.snd_nxt, ack=FAR + 1)
    return ()


def _syn_received(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.peer.send(ACK, seq=r, ack=n + 1)
    scene.target.must_answer(segment(RST, seq=n + 1), segment(ACK, seq=n, ack=r))
    scene.peer.send(ACK, b"x", seq=r, ack=n)
    # Text and FIN that came with the SYN may have waited for this (§3.10.7.2 third).
    kept = (r + len(TEXT), r + len(TEXT) + 1)
    scene.target.must_answer(*(segment(ACK, seq=n, ack=number) for number in (r + 1, *kept)))
    return ()


def _established(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.peer.send(ACK, seq=r, ack=n + 1)
    scene.target.must_send(ACK, seq=n, ack=r)
    scene.peer.send(ACK, b"x", seq=r, ack=n)
    scene.target.must_send(ACK, seq=n, ack=r + 1)
    if scene.target.connection.app is None:
        scene.target.accept()
    scene.target.send(b"y")
    scene.target.must_send(ACK, seq=n, ack=r + 1, data=b"y")
    return ()


def _fin_wait_1(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    if scene.numbers.max_snd_wnd is not None:
        scene.peer.send(ACK, seq=r, ack=n - 1 - scene.numbers.max_snd_wnd)
        scene.target.must_not_send()
    scene.peer.send(FIN | ACK, seq=r, ack=n - 1)
    scene.target.must_send(ACK, seq=n, ack=r + 1)
    return ()


def _fin_wait_2(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    tells = (scene.answers_below(n - 1), scene.answers(ACK, b"", n + 1))
    scene.peer.send(FIN | ACK, seq=r, ack=n)
    scene.target.must_send(ACK, seq=n, ack=r + 1)
    scene.peer.send(FIN | ACK, seq=r, ack=n)
    scene.target.must_send(ACK, seq=n, ack=r + 1)
    return tells


def _close_wait(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.challenge()
    if scene.target.connection.app is None:
        scene.target.accept()
    scene.target.shutdown()
    scene.target.must_send(FIN | ACK, seq=n, ack=r)
    scene.peer.send(ACK, seq=r, ack=n + 1)
    scene.target.must_not_send()
    scene.peer.send(ACK, seq=r, ack=n + 1)
    scene.target.must_send(RST, seq=n + 1)
    return ()


def _closing(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.challenge()
    scene.peer.send(ACK, b"x", seq=r, ack=n - 1)
    scene.target.must_not_send()
    scene.peer.send(ACK, seq=r, ack=n)
    scene.target.must_not_send()
    scene.peer.send(FIN | ACK, seq=r - 1, ack=n)
    scene.target.must_send(ACK, seq=n, ack=r)
    return ()


def _last_ack(scene: Scene) -> Tells:
    __tracebackhide__ = True
    scene.challenge()
    scene.peer.send(ACK, seq=scene.numbers.rcv_nxt, ack=scene.numbers.snd_nxt)
    scene.target.must_not_send()
    scene.must_be_gone()
    return ()


def _time_wait(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.challenge()
    # CLOSING ignores text that does not acknowledge our FIN; TIME-WAIT may acknowledge it.
    tells = (scene.answers_below(n - 1), scene.answers(ACK, b"x", n - 1))
    scene.peer.send(FIN | ACK, seq=r - 1, ack=n)
    scene.target.must_send(ACK, seq=n, ack=r)
    return tells


_PROOFS: dict[State, Callable[[Scene], Tells]] = {
    CLOSED: _closed,
    LISTEN: _listen,
    SYN_SENT: _syn_sent,
    SYN_RECEIVED: _syn_received,
    ESTABLISHED: _established,
    FIN_WAIT_1: _fin_wait_1,
    FIN_WAIT_2: _fin_wait_2,
    CLOSE_WAIT: _close_wait,
    CLOSING: _closing,
    LAST_ACK: _last_ack,
    TIME_WAIT: _time_wait,
}
