"""Runs the cell of a user call: walk, call, judge answer, segment and state, then prove the state from outside.

The calls of RFC 9293 §3.9.1 are an abstract interface; sockets speak for them. CLOSE is shutdown(SHUT_WR) where there
is a connection to close, and close() in LISTEN and SYN-SENT. Errors are not told apart, a refusal is a refusal; and
neither close() nor a second shutdown() needs to fail. STATUS is what an observer reads.
"""

import errno
from dataclasses import replace

from harness.case.conversation import Conversation
from harness.case.received import Received
from harness.case.rig import Rig
from harness.case.runner import CaseRun
from harness.case.target_side import walking
from harness.case.user_calls import EOF
from harness.case.violation import Code, Violation
from harness.case.walks import Walk
from harness.grid import calibration
from harness.grid.calls import EventCell, reply_of
from harness.grid.cells import Cell
from harness.grid.followup import ARBITRARY, Numbers
from harness.grid.numbers import TEXT, connection_of
from harness.grid.routes import route_of, shut_down
from harness.spec.machine import (
    CONNECTION_CLOSING,
    DATA,
    EXISTS,
    NO_CONNECTION,
    NO_REMOTE,
    OK,
    QUEUED,
    STATE,
    Event,
    Place,
)
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED, LISTEN, SYN_RECEIVED, SYN_SENT, State
from harness.targets.sockets import AppSocket
from harness.trace.events import Kind, Mark

DONE, REFUSED, LATER, GOT_DATA, GOT_END = "done", "refused", "later", "data", "end"

#: What a socket may answer where the abstract interface answers this. Where that queues there may be no room to queue,
#: which is an error (§3.10.2, §3.10.3): the socket of a listener has no stream at all.
_ANSWERS = {
    OK[0]: {DONE},
    QUEUED[0]: {DONE, LATER, REFUSED},
    DATA[0]: {GOT_DATA},
    STATE[0]: {DONE},
    NO_CONNECTION[0]: {REFUSED},
    EXISTS[0]: {REFUSED},
    NO_REMOTE[0]: {REFUSED},
    CONNECTION_CLOSING[0]: {REFUSED, GOT_END},
}
_MAY_SUCCEED = (Event.CLOSE, Event.ABORT)

_NO_HANDLE = "before accept() the socket interface has no handle for the connection"
_NO_REMOTE = "the socket interface has no such call without, or with, a remote socket"
_NO_QUEUE = "the socket interface queues nothing before the connection is established"


def inexpressible(cell: EventCell) -> str:
    """Return why a call can't be made through sockets, "" if it can."""
    if cell.place is Place.SYN_RECEIVED_PASSIVE:
        return _NO_HANDLE
    if cell.event is Event.OPEN_ACTIVE and cell.stimulus == "no remote socket":
        return _NO_REMOTE
    if cell.event is Event.SEND and cell.stimulus == "remote socket given":
        return _NO_REMOTE
    return _NO_QUEUE if cell.stimulus == "data to send" else ""


class CallRun:
    """One call cell on one rig."""

    def __init__(self, rig: Rig, cell: EventCell, version: int) -> None:
        self.cell = cell
        self.case = CaseRun(rig.begin(version, name=cell.id, cites=cell.cites), self._route())
        self.conversation.acks_by_rule = True

    @property
    def conversation(self) -> Conversation:
        """The run's conversation."""
        return self.case.conversation

    def prepare(self) -> None:
        """Walk to the place; raises Inconclusive or Unjudgeable."""
        self.case.prepare()

    def perform(self) -> None:
        """Call and judge; raises Violation, Inconclusive or Unjudgeable."""
        __tracebackhide__ = True
        self.case.perform(self._call_and_judge)

    def _route(self) -> Walk:
        return route_of(self._like(ESTABLISHED if self._wait_with_fin() else self.cell.place.state))

    def _like(self, state: State) -> Cell:
        return shut_down(state, self.cell.route)

    def _wait_with_fin(self) -> bool:
        """Whether data must be waiting behind which the peer's FIN has come."""
        return self.cell.place.state is CLOSE_WAIT and self.cell.stimulus == "data waiting"

    def _call_and_judge(self) -> None:
        __tracebackhide__ = True
        self.conversation.unobserved = 0
        self._arrange()
        before = connection_of(self._like(self.cell.place.state))
        numbers = Numbers(before.snd_nxt, before.rcv_nxt + self._waiting())
        answer = self._call()
        if self.cell.event is Event.SEND and answer == DONE and self.cell.place.state in (ESTABLISHED, CLOSE_WAIT):
            self.conversation.await_collected(self.conversation.main)
        inbox = self.conversation.main.inbox
        received = list(inbox)
        inbox.clear()
        if answer == GOT_DATA and received and self._updates_the_window(received[0], numbers):
            received = received[1:]
        reply = _reply(received, numbers)
        after = _after(numbers, received, before.state)
        if self.cell.event is Event.SEND and self.cell.place.state in (SYN_SENT, SYN_RECEIVED) and answer == DONE:
            after = replace(after, queued=TEXT)
        main = self.conversation.main
        state = main.state or self._supposed(answer)
        if not self._allows(answer, reply, state):
            self._fail(answer, reply, state, received)
        try:
            calibration.prove(State(state), self.case.target, self.case.peer, after)
        except Violation:
            self.conversation.findings.clear()
            if not calibration.can_refute(self.conversation, State(state)):
                return
            self._fail(answer, reply, f"not {state}", received)

    def _updates_the_window(self, first: Received, numbers: Numbers) -> bool:
        """Tell whether a segment is an ACK with nothing new but the room that RECEIVE has made (§3.8.6.2.2).

        Few octets are less than a scaled window can tell.
        """
        known, segment = self.conversation.main.received, first.segment
        before = known[known.index(first) - 1].segment
        repeats = segment.is_bare_ack and (segment.seq, segment.ack) == (numbers.snd_nxt, numbers.rcv_nxt)
        return repeats and segment.window >= before.window

    def _supposed(self, answer: str) -> str:
        """Return the state in which a target should be whose states can't be read: a refused call changes none."""
        rows = [] if answer == REFUSED else self.cell.rows
        return str(next((row.next or self.cell.place for row in rows), self.cell.place).state)

    def _allows(self, answer: str, reply: str, state: str) -> bool:
        return any(
            reply == reply_of(row)
            and state == (row.next or self.cell.place).state
            and (answer in {each for tell in row.tells for each in _ANSWERS[tell]} or self._may_succeed(answer))
            for row in self.cell.rows
        )

    def _may_succeed(self, answer: str) -> bool:
        return answer == DONE and self.cell.event in _MAY_SUCCEED

    def _fail(self, answer: str, reply: str, state: str, received: list[Received]) -> None:
        __tracebackhide__ = True
        for each in received:
            each.event.mark = Mark.UNEXPECTED
        due = [
            f"{' or '.join(row.tells)}: {reply_of(row)} → {(row.next or self.cell.place).state}"
            for row in self.cell.rows
        ]
        self.conversation.fail(Code.WRONG_ANSWER, " or ".join(due), f"{answer}: {reply} → {state}")

    def _arrange(self) -> None:
        """Let data wait where the cell wants some, and let the application read the end of the stream elsewhere."""
        if self.cell.stimulus == "data waiting":
            flags = FIN | ACK if self._wait_with_fin() else ACK
            with walking(self.conversation):
                before = connection_of(self._like(self.cell.place.state))
                self.case.peer.send(flags, TEXT, ack=before.snd_una)
                self.case.target.must_send(ACK, seq=before.snd_nxt, ack=before.rcv_nxt + self._waiting())

    def _waiting(self) -> int:
        return len(TEXT) if self.cell.stimulus == "data waiting" else 0

    # --- the call ----------------------------------------------------------------------------------------------------

    def _call(self) -> str:
        """Make the call and return how it was answered."""
        conversation = self.conversation
        conversation.begin_step()
        event = conversation.note(Kind.CALL, str(self.cell.event), conversation.main)
        try:
            answer = self._do()
        except OSError as error:
            answer = LATER if error.errno in (errno.EAGAIN, errno.EINPROGRESS) else REFUSED
            event.annotations.append(f"= {errno.errorcode.get(error.errno or 0, error)}")
        conversation.step()
        return answer

    def _do(self) -> str:
        main = self.conversation.main
        app = self._handle()
        match self.cell.event:
            case Event.OPEN_PASSIVE:
                app.listen(main.tuple4.address, main.tuple4.port, 8)
            case Event.OPEN_ACTIVE:
                app.connect((main.tuple4.address, main.tuple4.port), (main.tuple4.peer_address, main.tuple4.peer_port))
            case Event.SEND:
                app.send(TEXT)
            case Event.RECEIVE:
                return GOT_END if app.recv(4096) == EOF else GOT_DATA
            case Event.CLOSE if self.cell.place.state in (LISTEN, SYN_SENT):
                self._give_up_handle()
                app.close()
            case Event.CLOSE:
                app.shutdown()
            case Event.ABORT:
                self._give_up_handle()
                app.abort()
            case _:
                self.conversation.observe(main)
                self.conversation.unobserved += main.snapshot is None
                return REFUSED if (main.state or self.cell.place.state) == CLOSED else DONE
        return DONE

    def _handle(self) -> AppSocket:
        main = self.conversation.main
        if main.app is None and main.listener is None:
            fresh = self.conversation.rig.target.socket(main.tuple4.version)
            if self.cell.event is Event.OPEN_PASSIVE:
                main.listener = fresh
            else:
                main.app = fresh
        found = main.app or main.listener
        assert found is not None
        return found

    def _give_up_handle(self) -> None:
        self.conversation.main.app = self.conversation.main.listener = None


def _reply(received: list[Received], numbers: Numbers) -> str:
    """Return the name of what the call sent."""
    names = []
    for each in received:
        segment = each.segment
        flags = segment.plain_flags
        names_of: dict[tuple[int, int, int], str] = {
            (SYN, 0, 0): "syn",
            (ACK, numbers.snd_nxt, len(TEXT)): "data",
            (FIN | ACK, numbers.snd_nxt, 0): "fin",
            (RST, numbers.snd_nxt, 0): "rst",
            (RST | ACK, numbers.snd_nxt, 0): "rst",
        }
        due = names_of.get((flags, segment.seq, 0 if flags & RST else len(segment.payload)))
        right = due in ("syn", "rst") or segment.ack == numbers.rcv_nxt
        names.append(due if due and right else segment.notation())
    return " + ".join(names) or "none"


def _after(numbers: Numbers, received: list[Received], before: State) -> Numbers:
    if not received:
        return numbers if before not in (CLOSED, LISTEN) else ARBITRARY
    last = received[-1].segment
    return numbers if last.flags & RST else Numbers(last.seq + last.length, numbers.rcv_nxt)
