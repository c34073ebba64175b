"""Set-up is what a case does not cite: a rule that a case is about is demanded, and never a step on the way."""

import pytest

from harness.case.verdict import Verdict
from harness.mutate.script import play
from harness.spec.segment import FIN, SYN, Segment
from harness.spec.states import ESTABLISHED, SYN_RECEIVED
from harness.stack import Datagram, Stack
from harness.stack.connection import Connection
from harness.stack.defects.defect import stack_with
from harness.stack.listener import Listener
from testcases.selftest.scripts import scripts


class OneHandshakeAtATime(Listener):
    """While a handshake hangs, nobody else is served."""

    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if any(connection.state is SYN_RECEIVED for connection in self.opening):
            return None
        return super().arrive(datagram, replaced)


class OnePeerAtATime(Stack):
    """A listener is deaf while a connection on its port is established."""

    def arrive(self, datagram: Datagram) -> None:
        segment = datagram.segment
        port = segment.destination_port
        busy = any(
            pair.local.port == port and connection.state is ESTABLISHED for pair, connection in self.connections.items()
        )
        if not (busy and segment.flags == SYN):
            super().arrive(datagram)


class ReservedBitOnSyn(Connection):
    """The SYN has a reserved bit set."""

    def emit(self, segment: Segment) -> None:
        if segment.flags == SYN:
            segment.reserved = 1
        super().emit(segment)


class ReservedBitOnFin(Connection):
    """Every FIN has a reserved bit set."""

    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN:
            segment.reserved = 1
        super().emit(segment)


@pytest.mark.parametrize(
    ("part", "case_id", "code"),
    [
        (OneHandshakeAtATime, "isolation/listener-serves-others-beside-syn-received", "silent"),
        (OnePeerAtATime, "isolation/neighbour[peer-port-data]", "silent"),
        (OnePeerAtATime, "isolation/crowd", "silent"),
        (OnePeerAtATime, "isolation/listen-leaves-connections-alone[established-passive-open]", "silent"),
        (ReservedBitOnSyn, "header/syn", "wrong-header"),
        (ReservedBitOnFin, "header/fin[shutdown-established-passive-open]", "wrong-header"),
    ],
)
def test_what_a_case_cites_is_demanded(part: type, case_id: str, code: str) -> None:
    (script,) = scripts(case_id)
    assert play(script).verdict is Verdict.CONFORMS
    shown = play(script, stack_with(part))
    assert (shown.verdict, shown.code) == (Verdict.VIOLATES, code)


def test_what_a_case_does_not_cite_is_set_up() -> None:
    """A connection that does not open says nothing about what OPEN does on one that is there."""
    deaf = type("Deaf", (Stack,), {"arrive": lambda _self, _datagram: None})
    for script in scripts("isolation/open-twice*", "isolation/neighbour[peer-port-data]"):
        assert play(script, deaf).verdict is Verdict.INCONCLUSIVE
