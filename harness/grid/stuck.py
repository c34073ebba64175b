"""A saboteur: a target that answers the probe of a cell as it should, but has not moved.

The probe is kept from the target and the answer is forged. Afterwards the target is asked in earnest; `blind` hides its
states, otherwise they are lied about. What is left to find out that nothing has happened is the follow-up.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from harness.case.connection import Connection
from harness.case.policies import policies_in_force
from harness.case.rig import Rig
from harness.case.runner import capture
from harness.case.violation import Code
from harness.grid.accept import demanded, reactions
from harness.grid.batch import BATCH
from harness.grid.calibration import calibrate
from harness.grid.cells import Cell
from harness.grid.execute import CellRun
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec import seqno
from harness.spec.reaction import Outgoing, Reaction
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import LISTEN
from harness.targets.protocol import Target
from harness.wire import codec
from harness.wire.link import Arrival

#: What a forged SYN,ACK starts from where the target has not chosen an ISS yet.
FORGED_ISS = 0x12345678
#: How often a cell is tried: on a slow machine a timer of the target disturbs it, or does what it was to be asked for.
ATTEMPTS = 6


class StuckTarget:
    """Stands before a target. Once armed, the next packets are swallowed and `answer` comes back instead."""

    def __init__(self, honest: Target, *, blind: bool) -> None:
        self._honest = honest
        self._blind = blind
        self._answer: list[bytes] | None = None
        self._lie: Snapshot | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)

    def arm(self, answer: list[bytes], lie: Snapshot) -> None:
        """Swallow the next packets; from then on the state is what `lie` says."""
        self._answer, self._lie = answer, lie

    def disarm(self) -> None:
        """Be honest again."""
        self._answer = self._lie = None

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets, or swallow them and forge the answer."""
        if self._answer is None:
            return self._honest.exchange(packets, destination_mac)
        answer, self._answer = self._answer, None
        now = self._honest.clock.now_ns()
        return [Arrival(now, packet) for packet in answer]

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return nothing: `ss` would give the lie away."""
        return None

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Return the truth, the lie, or nothing."""
        if self._blind:
            return None
        return self._lie or self._honest.snapshot(tuple4)


class StuckRun(CellRun):
    """One cell on a stuck target, which pretends to choose `reaction`."""

    def __init__(self, rig: Rig, cell: Cell, version: int, reaction: Reaction) -> None:
        super().__init__(rig, cell, version)
        self.reaction = reaction

    def _inject(self, segment: Segment, found: Sequence[Reaction]) -> None:
        target: Any = self.conversation.rig.target
        connection = self.conversation.main
        pretended = (self.reaction.reply, self.reaction.next)
        live = next(reaction for reaction in found if (reaction.reply, reaction.next) == pretended)
        answer = [forge(connection, outgoing) for outgoing in live.segments]
        target.arm(answer, Snapshot(self.reaction.next, listening=self.reaction.next is LISTEN))
        super()._inject(segment, found)


def forge(connection: Connection, outgoing: Outgoing) -> bytes:
    """Return the packet that a target would have sent."""
    base = FORGED_ISS if connection.target_iss is None else connection.target_iss
    seq = base if outgoing.seq is None else seqno.add(outgoing.seq, connection.target_iss or 0)
    if outgoing.flags & RST and outgoing.flags & ACK and not outgoing.flags & SYN:
        seq = outgoing.seq or 0
    ack = 0 if outgoing.ack is None else seqno.add(outgoing.ack, connection.peer_iss)
    tuple4 = connection.tuple4
    segment = Segment(outgoing.flags, seq, ack, 1000, source_port=tuple4.port, destination_port=tuple4.peer_port)
    return codec.encode(connection.path.reversed(), segment)


def moving(cell: Cell, allowed: Sequence[Reaction]) -> Reaction | None:
    """Return the strongest allowed reaction if it leads to another state, else None."""
    strongest = max(allowed, key=lambda reaction: reaction.level, default=None)
    return strongest if strongest is not None and strongest.next != cell.state else None


def try_states(rig: Rig, cells: Iterable[Cell], version: int, *, blind: bool) -> tuple[int, list[str]]:
    """Run every cell that moves on a stuck target; return how many there are, and those that passed."""
    honest, policies = rig.target, policies_in_force(rig.target)
    calibrate(rig, version)
    stuck = StuckTarget(honest, blind=blind)
    tried, missed = 0, []
    rig.target = cast("Target", stuck)
    try:
        for cell in cells:
            reaction = moving(cell, demanded(reactions(cell), policies))
            if reaction is None:
                continue
            tried += 1
            for _attempt in range(ATTEMPTS):
                run = StuckRun(rig, cell, version, reaction)
                outcome = capture(run.conversation, run.perform_all, evidence=False)
                stuck.disarm()
                if [finding.code for finding in outcome.findings] == [Code.WRONG_STATE]:
                    break
            else:
                missed.append(cell.id)
            if rig.batch_size >= BATCH:
                rig.sweep()
        rig.sweep()
    finally:
        rig.target = honest
    return tried, missed
