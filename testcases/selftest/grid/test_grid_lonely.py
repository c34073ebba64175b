"""A stack that takes one connection at a time is asked for its manners before a cell takes that connection."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from harness.case.rig import Rig
from harness.grid import calibration
from harness.grid.cells import Cell
from harness.grid.session import GridSession
from harness.spec.segment import NO_FLAGS, RST, SYN
from harness.spec.states import ESTABLISHED, LAST_ACK
from harness.targets.protocol import Capability, NotOffered
from harness.targets.reference.target import ReferenceTarget
from harness.wire import codec
from harness.wire.link import Arrival


class Alone(ReferenceTarget):
    """The reference stack with hidden states and one connection at a time, in real time for all that anybody knows."""

    def __init__(self) -> None:
        super().__init__(lacks=frozenset({Capability.STATES}))
        self.capabilities -= {Capability.VIRTUAL_TIME}
        self.facts = replace(self.facts, lonely=True)
        self.taken: set[tuple[int, int]] = set()

    def exchange(self, packets: Iterable[bytes], *rest: Any) -> list[Arrival]:
        """Refuse a second connection."""
        asked = list(packets)
        for packet in map(codec.decode, asked):
            if packet.segment.flags & (SYN | RST) == SYN:
                self.taken.add((packet.segment.source_port, packet.segment.destination_port))
        if len(self.taken) > 1:
            raise NotOffered("one connection at a time")
        return super().exchange(asked, *rest)

    def forget_connections(self) -> None:
        """Be free for the next one."""
        self.taken.clear()
        super().forget_connections()


def test_a_stack_with_one_connection_at_a_time_is_asked_before_the_cell_has_it() -> None:
    rig = Rig(Alone(), guarded=False)
    try:
        run = GridSession().start(rig, Cell(LAST_ACK, None, NO_FLAGS, "far", None), 4)
        run.prepare()
        for state in (ESTABLISHED, LAST_ACK):
            assert None not in calibration.manners(rig, 4, state)
        run.perform()
    finally:
        rig.close()
