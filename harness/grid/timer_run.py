"""Runs the cell of a timer, as a timer case: walk, wait, judge segment, state and signal, prove the state from outside.

The user timeout bounds the delivery of what has been sent: the SYN, data, the FIN (RFC 9293 §3.8.3, §3.9.1.1). Sockets
set it by an option; without one, the target's own patience stands for it. The cells ask what a timer does. When it does
it, and how its waits grow, is the business of the timer cases.
"""

import errno
import socket
from dataclasses import dataclass

from harness.case.conversation import Conversation
from harness.case.expect import segment
from harness.case.peer_side import PeerSide
from harness.case.received import Received
from harness.case.target_side import TargetSide, walking
from harness.case.timers import COARSENESS, LONGEST_FIRST_RTO_S, Stopwatch, Wait, Waits
from harness.case.violation import Code, Inconclusive, Violation
from harness.case.walks import Walk
from harness.grid import calibration
from harness.grid.calls import EventCell, reply_of
from harness.grid.followup import Numbers, Scene
from harness.grid.numbers import TEXT, connection_of
from harness.grid.routes import route_of, shut_down
from harness.spec.machine import TIMED_OUT, Event, Place, Row, why_impossible
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED, LAST_ACK, LISTEN, SYN_RECEIVED, SYN_SENT, State
from harness.targets.protocol import Capability
from harness.trace.events import Kind, Mark

#: Until when a first retransmission must have come, where the handshake has measured the round trip (RFC 6298 §2).
FIRST_RTO_S = 3.5
#: The user timeout that the application sets, and until when it must have had its effect.
USER_TIMEOUT_S, LATEST_USER_TIMEOUT_S = 1.5, 6.0
#: Until when a target with few retries, as for timer cases, gives up by itself.
GIVEN_UP_S = 12.0
#: An ACK may be delayed so long (MUST-40).
MAX_ACK_DELAY_S = 0.5
#: The MSL of RFC 9293 is two minutes at most.
LATEST_TIME_WAIT_S = 240 * (1 + COARSENESS)

#: How long the cells take in real time, on a target whose 2 MSL is a minute.
SECONDS = {Event.RETRANSMISSION: 5.0, Event.USER_TIMEOUT: 15.0, Event.TIME_WAIT_TIMEOUT: 70.0}

#: The walk to these waits for an ACK of the peer's FIN, which the target for timer cases may delay.
_BEHIND_A_FIN = (CLOSE_WAIT, LAST_ACK)
#: What the table calls the oldest segment, where it is not just that.
_REPEATED: dict[int, str] = {SYN: "syn", SYN | ACK: "syn-ack"}
_SILENCE, _TIMED_OUT = "silence", "timeout"


def inexpressible(cell: EventCell) -> str:
    """Return why no application can let this time run out, "" if one can."""
    if cell.event is Event.USER_TIMEOUT and why_impossible(cell.place, Event.RETRANSMISSION):
        return "the user timeout of a socket bounds the delivery of what it has sent, and all has been delivered"
    return ""


def route_to(cell: EventCell) -> Walk:
    """Return the walk to the cell, or to where its own waits begin."""
    state = cell.place.state
    return route_of(shut_down(ESTABLISHED if state in _BEHIND_A_FIN else state, cell.route))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What came of it: what the application was told, what was sent, and where the connection is."""

    told: str
    reply: str
    next: str

    def __str__(self) -> str:
        return f"{self.told}: {self.reply} → {self.next}"


class TimerRun:
    """One timer cell; `body` is the generator of its timer case."""

    def __init__(self, cell: EventCell, target: TargetSide, peer: PeerSide) -> None:
        self.cell = cell
        self.target = target
        self.peer = peer
        self._outstanding: Segment | None = None

    @property
    def conversation(self) -> Conversation:
        """The run's conversation."""
        return self.target.conversation

    def body(self) -> Waits:
        """Let the time run out and judge."""
        __tracebackhide__ = True
        if self.cell.place.state in _BEHIND_A_FIN:
            yield from self._walk_on()
        self.conversation.unobserved = 0
        latest = self._set_user_timeout() if self.cell.event is Event.USER_TIMEOUT else LATEST_TIME_WAIT_S
        numbers = self._arrange()
        if self.cell.event is Event.RETRANSMISSION:
            opening = self.cell.place.state in (SYN_SENT, SYN_RECEIVED)
            yield from self._wait_for_segment(LONGEST_FIRST_RTO_S if opening else FIRST_RTO_S)
        else:
            yield from self._wait_for_state(latest)
        self._judge(numbers)

    def _walk_on(self) -> Waits:
        """Receive the peer's FIN, and close."""
        __tracebackhide__ = True
        due = connection_of(shut_down(CLOSE_WAIT, None))
        with walking(self.conversation):
            self.peer.send(FIN | ACK)
            yield from self._wait_for_segment(MAX_ACK_DELAY_S)
            self.target.must_send(ACK, seq=due.snd_nxt, ack=due.rcv_nxt)
            if self.cell.place.state is LAST_ACK:
                self.target.shutdown()
                self.target.must_send(FIN | ACK, seq=due.snd_nxt, ack=due.rcv_nxt)
            self.target.must_be(self.cell.place.state)

    # --- until it happens --------------------------------------------------------------------------------------------

    def _set_user_timeout(self) -> float:
        """Ask for a short user timeout where that can be asked for; return until when it must have had its effect.

        What is asked for is a bound "for all data submitted" (RFC 9293 §3.9.1.1): for a SYN a target may keep its own.
        """
        can_ask = Capability.USER_TIMEOUT in self.conversation.rig.target.capabilities
        own = Stopwatch(self.target).patience(GIVEN_UP_S)
        if not can_ask or self.target.connection.app is None:
            return own
        self.target.set_option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(USER_TIMEOUT_S * 1000))
        opening = self.cell.place.state in (SYN_SENT, SYN_RECEIVED)
        return max(own, LATEST_USER_TIMEOUT_S) if opening else LATEST_USER_TIMEOUT_S

    def _arrange(self) -> Numbers:
        """Have something outstanding, where the walk leaves nothing; return the target's numbers then."""
        before = connection_of(shut_down(self.cell.place.state, self.cell.route))
        received = self.target.connection.received
        snd_nxt = before.snd_nxt
        if before.state in (ESTABLISHED, CLOSE_WAIT):
            with walking(self.conversation):
                self.target.send(TEXT)
                self.target.must_send(ACK, seq=snd_nxt, ack=before.rcv_nxt, data=TEXT)
            snd_nxt += len(TEXT)
        self._outstanding = next((each.segment for each in reversed(received) if each.segment.length), None)
        return Numbers(snd_nxt, before.rcv_nxt)

    def _wait_for_segment(self, latest: float) -> Waits:
        connection, scale = self.target.connection, self.conversation.rig.time_scale
        start_ns = self._begin_to_wait(latest)
        if not connection.inbox:
            yield Wait(start_ns + int(latest * scale * 1e9), connection)
        self.conversation.step()

    def _wait_for_state(self, latest: float) -> Waits:
        """Look now and then whether the connection has left its state; where states can't be read, wait to the end."""
        clock = self.conversation.rig.target.clock
        end_ns = self._begin_to_wait(latest) + int(latest * self.conversation.rig.time_scale * 1e9)
        pause_ns = int(max(0.1, latest / 50) * 1e9)
        here = self.target.connection.state
        while clock.now_ns() < end_ns and self.target.connection.state == here:
            yield Wait(min(clock.now_ns() + pause_ns, end_ns))
            self.conversation.step()

    def _begin_to_wait(self, latest: float) -> int:
        self.conversation.note(Kind.WAIT, f"up to {latest:g} s pass", self.target.connection)
        return self.conversation.rig.target.clock.now_ns()

    # --- what came of it ---------------------------------------------------------------------------------------------

    def _judge(self, numbers: Numbers) -> None:
        __tracebackhide__ = True
        connection = self.target.connection
        received = list(connection.inbox)
        connection.inbox.clear()
        known = len(connection.received)
        reply = self._reply(received, numbers)
        state = connection.state or str(self._due_state(self.cell.rows[0]))
        seen = _Seen(self._told(), reply, state)
        if not any(self._allows(row, seen) for row in self.cell.rows):
            self._fail(seen, received)
        began_ns = self.conversation.rig.target.clock.now_ns()
        try:
            self._prove(State(state), numbers)
        except Violation:
            self.conversation.findings.clear()
            # What comes in the same instant, where time is simulated, no timer has sent.
            later = [each for each in connection.received[known:] if each.event.time_ns > began_ns]
            if any(self._repeats(each.segment, numbers) for each in later):
                raise Inconclusive("the timer ran out once more while the state was being proved") from None
            self._fail(_Seen(seen.told, reply, f"not {state}"), received)

    def _reply(self, received: list[Received], numbers: Numbers) -> str:
        """Return the name of what was sent. Repetitions count once, and on the way to a user timeout not at all.

        Nor does a reset when it is over: no sentence says that the peer is told nothing, nor with which number.
        """
        names = []
        for each in received:
            una = self._outstanding.seq if self._outstanding is not None else numbers.snd_nxt
            ends = each.segment.flags & RST and each.segment.seq in (una, numbers.snd_nxt)
            if ends and self.cell.event is Event.USER_TIMEOUT:
                continue
            if self.cell.event is Event.TIME_WAIT_TIMEOUT or not self._repeats(each.segment, numbers):
                names.append(each.segment.notation())
            elif self.cell.event is Event.RETRANSMISSION:
                names.append(_REPEATED.get(each.segment.plain_flags, "oldest"))
        return " + ".join(dict.fromkeys(names)) or "none"

    def _repeats(self, sent: Segment, numbers: Numbers) -> bool:
        """Tell whether this is the oldest segment again; its acknowledgment is up to date."""
        due = self._outstanding
        return due is not None and (
            (sent.plain_flags, sent.seq, sent.ack if sent.flags & ACK else 0, sent.payload)
            == (due.plain_flags, due.seq, numbers.rcv_nxt if due.flags & ACK else 0, due.payload)
        )

    def _told(self) -> str:
        """Return what the application has been told; before accept() it has no handle to be told anything."""
        app = self.target.connection.app
        if app is None:
            return _SILENCE
        self.conversation.begin_step()
        event = self.conversation.note(Kind.CALL, "pending error", self.target.connection)
        code = app.pending_error()
        event.annotations.append(f"= {errno.errorcode.get(code, str(code)) if code else 'no error'}")
        self.conversation.step()
        return {0: _SILENCE, errno.ETIMEDOUT: _TIMED_OUT}.get(code, errno.errorcode.get(code, str(code)))

    def _due_state(self, row: Row) -> State:
        """Return where a row leads; where a listener stays behind, a connection that is gone leaves LISTEN."""
        due = (row.next or self.cell.place).state
        return LISTEN if due is CLOSED and self.target.connection.listener is not None else due

    def _due_told(self, row: Row) -> str:
        heard = row.tells == TIMED_OUT and self.cell.place is not Place.SYN_RECEIVED_PASSIVE
        return _TIMED_OUT if heard else _SILENCE

    def _allows(self, row: Row, seen: _Seen) -> bool:
        return seen == _Seen(self._due_told(row), reply_of(row), self._due_state(row))

    def _fail(self, seen: _Seen, received: list[Received]) -> None:
        __tracebackhide__ = True
        for each in received:
            each.event.mark = Mark.UNEXPECTED
        rows = self.cell.rows
        due = " or ".join(str(_Seen(self._due_told(r), reply_of(r), self._due_state(r))) for r in rows)
        if all(seen.reply != reply_of(row) for row in rows):
            code = Code.SILENT if seen.reply == "none" else Code.EXTRA
        else:
            code = Code.WRONG_STATE if all(seen.next != self._due_state(row) for row in rows) else Code.WRONG_ANSWER
        self.conversation.fail(code, due, str(seen))

    def _prove(self, state: State, numbers: Numbers) -> None:
        """Prove the state; what was sent again is acknowledged first, where that leaves the state as it is."""
        __tracebackhide__ = True
        target, peer = self.target, self.peer
        n, r = numbers.snd_nxt, numbers.rcv_nxt
        if self.cell.event is Event.RETRANSMISSION and state in (ESTABLISHED, CLOSE_WAIT):
            peer.send(ACK, seq=r, ack=n)
            target.must_not_send()
        if state is ESTABLISHED:
            Scene(target, peer, numbers).challenge()
            self._must_take_text(numbers)
            target.send(b"y")
            target.must_send(ACK, seq=n, ack=r + 1, data=b"y")
        elif state is SYN_RECEIVED:
            has_room = peer.target_window > 0
            peer.send(ACK, seq=r, ack=n + 1)
            calibration.scene(state, target, peer, numbers).hear(segment(RST, seq=n + 1), segment(ACK, seq=n, ack=r))
            if not has_room:  # the window opens behind the handshake
                peer.send(ACK, seq=r, ack=n)
                target.may_send(ACK, seq=n, ack=r)
            self._must_take_text(numbers)
        else:
            calibration.prove(state, target, peer, numbers)

    def _must_take_text(self, numbers: Numbers) -> None:
        """Send text, whose ACK may be delayed, and what must be answered at once."""
        __tracebackhide__ = True
        n, r = numbers.snd_nxt, numbers.rcv_nxt
        self.peer.send(ACK, b"x", seq=r, ack=n)
        self.target.may_send(ACK, seq=n, ack=r + 1)
        Scene(self.target, self.peer, Numbers(n, r + 1)).challenge()
