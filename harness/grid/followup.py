"""Follow-ups: segments and calls that prove from outside in which state a target is. They spoil the connection.

A reply alone hides most wrong next states, and a target's own word may be wrong or not to be had. So each state is
asked something that no other state, in particular none that the target might not have left, answers in the same way.
One thing no TCP must show before its retransmission timer does: whether it has noticed an acknowledgment of its FIN.
There the follow-up asks what RFC 5961 (its lower limit of acceptable acknowledgments moves with SND.UNA), permissions
of RFC 9293 or a target's peculiarities may give away, and returns the answers. What a target answers when it really is
in that state is measured once per target, in `harness.grid.calibration`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from harness.case import acknowledging, throttling
from harness.case.expect import Expected, Silence, segment, silence
from harness.case.peer_side import PeerSide
from harness.case.received import Received
from harness.case.target_side import TargetSide
from harness.case.violation import Code
from harness.grid.numbers import FAR, TEXT
from harness.spec import seqno
from harness.spec.segment import ACK, FIN, PSH, RST, SYN
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

#: How long an answer that is due is waited for on a slow target: the cell must be over before its timers speak.
LATE_ANSWER_S = 0.05
#: The answers to what a target need not answer; empty where the state is proved without them.
Tells = tuple[bool, ...]
#: One segment of an answer: flags, SEQ-SND.NXT (None: SEQ=0), ACK-RCV.NXT (None: no ACK), text.
Said = tuple[int, int | None, int | None, bytes]
#: What a target answers where it really is in the state, and the RFC asks for something else: by number of question.
Habits = Mapping[int, tuple[Said, ...]]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The target's SND.NXT and RCV.NXT, and the largest window it was ever offered, if it sent so much.

    `queued` is what its application has sent before there was a connection.
    """

    snd_nxt: int
    rcv_nxt: int
    max_snd_wnd: int | None = None
    queued: bytes = b""


#: For where there are none.
ARBITRARY = Numbers(4711, 4712)


class Scene:
    """Both sides, and the numbers that the target must have if all is as it seems.

    `habits` are those of the target in this state, one mapping per sort of connection that may be in it. With
    `learned` the answers that are not as the RFC says are noted there instead of judged. `withheld` counts the answers
    that the target may have held back, so that nothing is known of them.
    """

    def __init__(
        self,
        target: TargetSide,
        peer: PeerSide,
        numbers: Numbers,
        habits: Sequence[Habits] = (),
        learned: dict[int, tuple[Said, ...]] | None = None,
    ) -> None:
        self.target = target
        self.peer = peer
        self.numbers = numbers
        self._habits: Sequence[Habits] = habits or ({},)
        self._learned = learned
        #: How many were asked.
        self.questions = 0
        self.withheld = 0

    def hear(self, *due: Expected | Silence) -> bool:
        """Demand one of these answers to what was just asked, or the target's habit; tell whether anything came."""
        __tracebackhide__ = True
        question, self.questions = self.questions, self.questions + 1
        inbox = self.target.connection.inbox
        if not inbox and self._is_withheld(question, due):
            self.withheld += 1
            return False
        lawful, said = _is_lawful(due, inbox), tuple(self._said(received) for received in inbox)
        if self._learned is not None:
            if not lawful:
                self._learned[question] = said
        else:
            self._habits = [each for each in self._habits if (each[question] == said if question in each else lawful)]
            if not self._habits:
                self._contradict(due)
        inbox.clear()
        return bool(said)

    def _is_withheld(self, question: int, due: tuple[Expected | Silence, ...]) -> bool:
        """Wait for an answer that is due on a slow target; tell whether it may be held back instead."""
        conversation, connection = self.target.conversation, self.target.connection
        asked_for = [each for each in due if isinstance(each, Expected)]
        if throttling.held_back(conversation, connection, asked_for) is not None:
            return True
        silent = len(asked_for) < len(due) or any(each.get(question) == () for each in self._habits)
        if conversation.rig.patient and not silent:
            conversation.await_late_answer(connection, LATE_ANSWER_S)
        if not silent and acknowledging.may_wait(conversation.events, asked_for):
            conversation.await_delayed(connection)
        return False

    def skip(self) -> bool:
        """Count a question that can't be asked now."""
        self.questions += 1
        return False

    def _said(self, received: Received) -> Said:
        seen = received.segment
        seq = seqno.diff(seen.seq, self.numbers.snd_nxt) if received.wire.seq else None
        ack = seqno.diff(seen.ack, self.numbers.rcv_nxt) if seen.flags & ACK else None
        return (seen.flags & ~PSH, seq, ack, seen.payload)

    def _contradict(self, due: tuple[Expected | Silence, ...]) -> None:
        __tracebackhide__ = True
        self.target.must_answer(*due)
        self.target.must_not_send()
        self.target.conversation.fail(Code.WRONG_ANSWER, "what the target answers in this state", "what the RFC asks")

    def challenge(self, *, fin_sent: bool = False) -> None:
        """Demand the ACK that every connection answers to a segment from far outside; it shows SND.NXT and RCV.NXT.

        Where a FIN waits for its acknowledgment the ACK may be on that, sent again: it shows the same, and the state.
        Whether the ACK should have come alone is asked by cells of its own.
        """
        __tracebackhide__ = True
        n, r = self.numbers.snd_nxt, self.numbers.rcv_nxt
        again = [segment(FIN | ACK, seq=n - 1, ack=r)] if fin_sent else []
        self.peer.send(ACK, seq=r + FAR, ack=n)
        self.hear(segment(ACK, seq=n, ack=r), *again)

    def must_be_gone(self) -> None:
        """Demand the reset with which nobody answers."""
        __tracebackhide__ = True
        n, r = self.numbers.snd_nxt, self.numbers.rcv_nxt
        self.peer.send(ACK, seq=r, ack=n)
        self.hear(segment(RST, seq=n))

    def answers(self, flags: int, data: bytes, ack: int) -> bool:
        """Send what may be answered with an ACK or not at all, at RCV.NXT; tell whether it was."""
        __tracebackhide__ = True
        n, r = self.numbers.snd_nxt, self.numbers.rcv_nxt
        self.peer.send(flags, data, seq=r, ack=ack)
        return self.hear(silence(), segment(ACK, seq=n, ack=r))

    def answers_below(self, snd_una: int) -> bool:
        """Send the oldest ACK that is acceptable if SND.UNA is `snd_una`; tell whether the target objected."""
        __tracebackhide__ = True
        limit = self.numbers.max_snd_wnd
        return self.skip() if limit is None else self.answers(ACK, b"", snd_una - limit)


def _is_lawful(due: tuple[Expected | Silence, ...], inbox: Collection[Received]) -> bool:
    if not inbox:
        return any(isinstance(each, Silence) for each in due)
    (first, *more) = inbox
    expected = [each for each in due if isinstance(each, Expected)]
    return not more and any(each.mismatch(first.segment, first.wire) is None for each in expected)


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
    scene.hear(segment(SYN | ACK, ack=seq + 1))
    return ()


def _syn_sent(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, queued = scene.numbers.snd_nxt, scene.numbers.queued
    scene.peer.send(SYN | ACK, seq=FAR, ack=n, options=b"")
    if queued:  # on the ACK or behind it
        scene.target.may_send(ACK, seq=n, ack=FAR + 1)
    scene.hear(segment(ACK, seq=n, ack=FAR + 1, data=queued))
    return ()


def _syn_received(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.peer.send(ACK, seq=r, ack=n + 1)
    scene.hear(segment(RST, seq=n + 1), segment(ACK, seq=n, ack=r))
    scene.peer.send(ACK, b"x", seq=r, ack=n)
    # Text and FIN that came with the SYN may have waited for this (§3.10.7.2 third), and what SEND has queued.
    queued, kept = scene.numbers.queued, (r + len(TEXT), r + len(TEXT) + 1)
    if queued:
        scene.target.may_send(ACK, seq=n, ack=r + 1)
    scene.hear(*(segment(ACK, seq=n, ack=number, data=queued) for number in (r + 1, *kept)))
    return ()


def _established(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.peer.send(ACK, seq=r, ack=n + 1)
    scene.hear(segment(ACK, seq=n, ack=r))
    scene.peer.send(ACK, b"x", seq=r, ack=n)
    scene.hear(segment(ACK, seq=n, ack=r + 1))
    if scene.target.connection.app is None:
        scene.target.accept()
    scene.target.send(b"y")
    scene.hear(segment(ACK, seq=n, ack=r + 1, data=b"y"))
    return ()


def _fin_wait_1(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    if scene.numbers.max_snd_wnd is None:
        scene.skip()
    else:
        scene.peer.send(ACK, seq=r, ack=n - 1 - scene.numbers.max_snd_wnd)
        scene.hear(silence())
    scene.peer.send(FIN | ACK, seq=r, ack=n - 1)
    scene.hear(segment(ACK, seq=n, ack=r + 1))
    return ()


def _fin_wait_2(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    tells = (scene.answers_below(n - 1), scene.answers(ACK, b"", n + 1))
    scene.peer.send(FIN | ACK, seq=r, ack=n)
    scene.hear(segment(ACK, seq=n, ack=r + 1))
    scene.peer.send(FIN | ACK, seq=r, ack=n)
    scene.hear(segment(ACK, seq=n, ack=r + 1))
    return tells


def _close_wait(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.challenge()
    if scene.target.connection.app is None:
        scene.target.accept()
        scene.target.close_listener()  # that a port is closed is asked below, not how a listener meets an ACK
    scene.target.shutdown()
    if not scene.target.connection.inbox:
        scene.peer.send(ACK, seq=r, ack=n)  # some have one segment under way at a time, so that the FIN waits
    scene.hear(segment(FIN | ACK, seq=n, ack=r))
    scene.peer.send(ACK, seq=r, ack=n + 1)
    scene.hear(silence())
    scene.peer.send(ACK, seq=r, ack=n + 1)
    scene.hear(segment(RST, seq=n + 1))
    return ()


def _closing(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.challenge(fin_sent=True)
    scene.peer.send(ACK, b"x", seq=r, ack=n - 1)
    scene.hear(silence())
    scene.peer.send(ACK, seq=r, ack=n)
    scene.hear(silence())
    scene.peer.send(FIN | ACK, seq=r - 1, ack=n)
    scene.hear(segment(ACK, seq=n, ack=r))
    return ()


def _last_ack(scene: Scene) -> Tells:
    __tracebackhide__ = True
    scene.challenge(fin_sent=True)
    scene.peer.send(ACK, seq=scene.numbers.rcv_nxt, ack=scene.numbers.snd_nxt)
    scene.hear(silence())
    scene.must_be_gone()
    return ()


def _time_wait(scene: Scene) -> Tells:
    __tracebackhide__ = True
    n, r = scene.numbers.snd_nxt, scene.numbers.rcv_nxt
    scene.challenge()
    # CLOSING ignores text that does not acknowledge our FIN; TIME-WAIT may acknowledge it.
    tells = (scene.answers_below(n - 1), scene.answers(ACK, b"x", n - 1))
    scene.peer.send(FIN | ACK, seq=r - 1, ack=n)
    scene.hear(segment(ACK, seq=n, ack=r))
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
