"""Runs one cell on a rig: walk, probe, judge reply and state, then prove the state from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.case import acknowledging, aside
from harness.case.conversation import Conversation
from harness.case.policies import policies_in_force
from harness.case.received import Received
from harness.case.rig import Rig
from harness.case.runner import CaseRun
from harness.case.target_side import walking
from harness.case.user_calls import EOF
from harness.case.violation import Inconclusive, Violation
from harness.grid import calibration, followup, observed
from harness.grid.accept import cites_of, demanded, live_reactions, tolerated
from harness.grid.cells import IN_FLIGHT, ZERO_WINDOW, Cell
from harness.grid.followup import ARBITRARY, Numbers, Tells
from harness.grid.judge import judge
from harness.grid.numbers import (
    AFTER_PEERS_FIN,
    TEXT,
    connection_of,
    nominal_window,
    segment_of,
)
from harness.grid.observed import Observation
from harness.grid.routes import route_of
from harness.spec.connection import Connection
from harness.spec.reaction import Reaction
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import CLOSED, SYNCHRONIZED, TIME_WAIT, State
from harness.trace.events import Mark

#: Octets per segment when a receive buffer is filled; an Ethernet frame holds them.
FILL_OCTETS = 1400
#: More than fits into any receive buffer that was asked to be small: behind so many a window does not close.
FILL_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in a cell: the observation, and the window and filling before the probe (see `connection_of`)."""

    observation: Observation
    window: int
    filled: int = 0


class CellRun:
    """One cell on one rig. `prepare` walks, `perform` probes and judges; `seen` is what came of it."""

    def __init__(self, rig: Rig, cell: Cell, version: int) -> None:
        self.cell = cell
        self.policies = policies_in_force(rig.target)
        self.case = CaseRun(rig.begin(version, name=cell.id, cites=cites_of(cell)), route_of(cell))
        self.conversation.acks_by_rule = True
        self.seen: Seen | None = None

    @property
    def conversation(self) -> Conversation:
        """The run's conversation."""
        return self.case.conversation

    def prepare(self) -> None:
        """Walk to the cell's state; raises Inconclusive or Unjudgeable."""
        self.case.prepare()

    def perform(self) -> None:
        """Probe and judge; raises Violation, Inconclusive or Unjudgeable."""
        __tracebackhide__ = True
        self.case.perform(self._probe)

    def perform_all(self) -> None:
        """Prepare and perform."""
        __tracebackhide__ = True
        self.prepare()
        self.perform()

    def _probe(self) -> None:
        __tracebackhide__ = True
        if self.cell.state in AFTER_PEERS_FIN - {TIME_WAIT}:
            self._read_to_the_end()
        filled = self._fill() if self.cell.zero_window else 0
        if self.cell.setting == IN_FLIGHT:
            self._send_something()
        # On a target without readable states the walk is believed, and the follow-up judges.
        self.conversation.unobserved = 0
        window = self._offered()
        connection = connection_of(self.cell, window, filled)
        segment = segment_of(self.cell, connection)
        found = live_reactions(self.cell, window, filled)
        self._inject(segment, found)
        inbox = self.conversation.main.inbox
        if not inbox and self._must_answer(found):
            self._await_answer(found)
        received = self._looked_past(list(inbox), found, connection)
        inbox.clear()
        reply = observed.name_of(received, found, connection, segment)
        fitting = [reaction for reaction in found if observed.fits(reaction, received, connection)]
        state = self.conversation.main.state or self._supposed(fitting)
        refuted = self._follow_up(state, connection, received)
        supposed, others = state, self._other_states(fitting, state) if refuted else ()
        for other in others:
            self.conversation.main.inbox.clear()
            if not self._follow_up(other, connection, received):
                state, refuted = other, False
                break
        observation = Observation(reply, state if not refuted else f"not {supposed}")
        self.seen = Seen(observation, window, filled)
        finding = judge(self.cell, observation, found, self.policies)
        if finding is not None:
            for each in received:
                each.event.mark = Mark.UNEXPECTED
            self.conversation.fail(
                finding.code, finding.expected, finding.observed, level=finding.level, cites=finding.cites
            )

    def _await_answer(self, found: Sequence[Reaction]) -> None:
        """Wait for the answer that is due on a slow target, or for an acknowledgment that may be delayed (MUST-40)."""
        if self.conversation.rig.patient:
            self.conversation.await_late_answer(self.conversation.main, followup.LATE_ANSWER_S)
        if any(reaction.deferrable for reaction in found):
            self.conversation.await_delayed(self.conversation.main)

    def _looked_past(
        self, received: list[Received], found: Sequence[Reaction], connection: Connection
    ) -> list[Received]:
        """Return what came without what tells of a window, or the run sets aside, if that is why it is not allowed."""

        def lawful(left: Sequence[Received]) -> bool:
            return any(observed.fits(reaction, left, connection) for reaction in found)

        events = self.conversation.events
        silent = [each for each in received if not acknowledging.updates_window(events, each)]
        if len(silent) < len(received) and not lawful(received) and lawful(silent):
            return silent
        names = self.conversation.rig.aside
        return aside.without(received, names, lawful) if names else received

    def _inject(self, segment: Segment, found: Sequence[Reaction]) -> None:
        # The peer writes absolute numbers into what it sends.
        self.case.peer.inject(replace(segment))

    def _must_answer(self, found: Sequence[Reaction]) -> bool:
        return all(reaction.segments for reaction in demanded(found, self.policies))

    def _supposed(self, fitting: Sequence[Reaction]) -> str:
        """Return the state that a target must be in by its reply, if its states can't be read."""
        strongest = max(self._allowed(fitting), key=lambda reaction: reaction.level, default=None)
        return str(strongest.next) if strongest else observed.UNKNOWN

    def _other_states(self, fitting: Sequence[Reaction], supposed: str) -> tuple[str, ...]:
        """Return the states for which its reply stands as well, where none can be read."""
        if self.conversation.main.snapshot is not None:
            return ()
        states = dict.fromkeys(str(reaction.next) for reaction in self._allowed(fitting))
        return tuple(state for state in states if state != supposed)

    def _allowed(self, fitting: Sequence[Reaction]) -> Sequence[Reaction]:
        return demanded(fitting, self.policies) or tolerated(fitting, self.policies)

    def _follow_up(self, state: str, before: Connection, received: Sequence[Received]) -> bool:
        """Prove the state from outside; tell whether that refuted it."""
        if state == observed.UNKNOWN:
            return False
        findings = len(self.conversation.findings)
        if self.cell.zero_window and state != CLOSED:
            self._drain()
        try:
            numbers = numbers_after(before, received)
            scene = calibration.scene(State(state), self.case.target, self.case.peer, numbers)
            tells = followup.prove(State(state), scene)
            self.conversation.demand_quiet()
        except Violation:
            del self.conversation.findings[findings:]
            return calibration.can_refute(self.conversation, State(state))
        due = self._tells_due(State(state)) if not scene.withheld else set()
        if due and tells not in due:
            return True
        if ((tells and not any(tells)) or scene.withheld) and self.conversation.main.snapshot is None:
            self.conversation.unobserved += 1
        return False

    def _tells_due(self, state: State) -> set[Tells]:
        """Return what the follow-up of a state may tell; nothing where there is nothing to compare with."""
        if self.cell.setting not in ("", ZERO_WINDOW):
            return set()
        return calibration.tells_due(self.conversation.rig, self.conversation.version, state)

    # --- preconditions -----------------------------------------------------------------------------------------------

    def _offered(self) -> int:
        """Return the window that the target offered last, less what it has received since."""
        main = self.conversation.main
        if not main.received:
            return nominal_window(self.cell)
        last = main.received[-1].segment
        return last.window if self.cell.state in SYNCHRONIZED or last.flags & SYN else nominal_window(self.cell)

    def _read_to_the_end(self) -> None:
        """Let the application notice the peer's FIN: an application that reads leaves nothing in the buffer."""
        with walking(self.conversation):
            self.case.target.must_deliver(EOF)

    def _fill(self) -> int:
        """Send data that the application does not read until the target closes its window; return how much."""
        peer, inbox = self.case.peer, self.conversation.main.inbox
        ack = connection_of(self.cell).snd_una
        with walking(self.conversation):
            while (room := peer.target_window) > 0:
                seq = peer.snd_nxt
                sizes = [min(FILL_OCTETS, room - at) for at in range(0, room, FILL_OCTETS)]
                peer.inject(
                    *(
                        peer.segment(ACK, bytes(size), seq=seq + FILL_OCTETS * at, ack=ack)
                        for at, size in enumerate(sizes)
                    )
                )
                self._await_acknowledgment(seq)
                if peer.snd_nxt > FILL_LIMIT:
                    raise Inconclusive("the target never closes its window")
                inbox.clear()
        return peer.snd_nxt - 1

    def _await_acknowledgment(self, before: int) -> None:
        """Wait until all text is acknowledged, of which some may be delayed; raises Inconclusive if it never is.

        What lies in a part of the window that the target has taken back meanwhile (SHLD-14) was not sent, then.
        """
        main = self.conversation.main
        while not main.inbox or main.inbox[-1].segment.ack != main.peer.snd_nxt:
            known = len(main.received)
            main.inbox.clear()
            self.conversation.await_delayed(main)
            if len(main.received) == known:
                told = main.received[-1].segment
                if not before < told.ack <= main.peer.snd_nxt - told.window - 1:
                    raise Inconclusive("the target acknowledges no data")
                main.peer.snd_nxt = told.ack
                return

    def _send_something(self) -> None:
        """Let the application send what the peer does not acknowledge."""
        before = connection_of(replace(self.cell, setting=""))
        with walking(self.conversation):
            self.case.target.send(TEXT)
            self.case.target.must_send(ACK, seq=before.snd_nxt, ack=before.rcv_nxt, data=TEXT)

    def _drain(self) -> None:
        """Read everything, and take note of the window that opens; who does not tell of it is asked (MAY-8)."""
        target, main = self.case.target, self.conversation.main
        while target.connection.app is not None and len(target.recv(1 << 20)) == 1 << 20:
            pass
        last = main.received[-1].segment
        main.inbox.clear()
        if not last.window:
            self.case.peer.inject(self.case.peer.segment(ACK, seq=last.ack - 1, ack=last.seq + last.length))
            main.inbox.clear()


def numbers_after(before: Connection, received: Sequence[Received]) -> Numbers:
    """Return the target's numbers after its reply; a new ISS and what it acknowledged stand in the reply itself."""
    snd_nxt, rcv_nxt = before.snd_nxt, before.rcv_nxt
    for each in received:
        if each.segment.flags & ACK and not each.segment.flags & RST:
            rcv_nxt = each.segment.ack
        if each.segment.flags & SYN:
            snd_nxt = each.segment.seq + 1
    if before.state is CLOSED:
        return ARBITRARY
    return Numbers(snd_nxt, rcv_nxt, before.max_snd_wnd if before.state in SYNCHRONIZED else None)
