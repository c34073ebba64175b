"""Behind a timeout one segment is sent, and a peer that has got what was lost says so before all of it has come."""

import pytest

from harness.case.rig import Rig
from harness.case.violation import Finding
from harness.explore import run
from harness.explore.notation import generated_from
from harness.stack import Stack
from harness.stack.connection import Connection
from harness.stack.defects.defect import stack_with
from harness.targets.reference.target import ReferenceTarget
from harness.trace.events import Event, Kind

OPEN = "listen S@n A@n,n accept "
#: One loss and several, as text and with a FIN, at a window that opens meanwhile, with SACK and without.
LAWFUL = [
    OPEN + "send:7300 await",
    OPEN + "lose:3 send:6000 recover",
    OPEN + "lose:9 send:9000 close recover",
    "1{offer=s.t}:" + OPEN + "lose:2 send:6000 A@p,r recover",
    OPEN + "A@p,r%1000 send:7300 await A@p,u await",
    OPEN + "lose:1 send:100 lose:1 send:3000 shutdown recover",
]


class KnowsNoCongestion(Connection):
    """Sends all that fits the peer's window, behind a timeout too."""

    def usable_window(self) -> int:
        """Return the peer's window once something had to be sent again."""
        return self.snd_wnd if self.retransmissions else super().usable_window()


def played(text: str, stack: type[Stack] = Stack) -> tuple[list[Finding], list[Event]]:
    """Play a conversation on a stack; return what is wrong, and what happened."""
    rig = Rig(ReferenceTarget(stack_class=stack), guarded=False)
    conversation = run.play_generated(rig, generated_from(text)).conversation
    return conversation.findings, conversation.events


@pytest.mark.parametrize("text", LAWFUL)
def test_what_is_lawful_is_no_finding(text: str) -> None:
    assert not played(text)[0]


@pytest.mark.parametrize("text", LAWFUL[:3])
def test_more_than_a_segment_behind_a_timeout_breaks_a_must(text: str) -> None:
    (finding,) = played(text, stack_with(KnowsNoCongestion))[0]
    assert (str(finding.code), str(finding.level)) == ("extra", "MUST")
    assert "MUST-19" in finding.cites


def test_a_peer_that_recovers_acknowledges_what_it_has_got_so_far() -> None:
    _findings, events = played(OPEN + "lose:3 send:6000 recover")
    acknowledged = [event.segment.ack for event in events if event.kind is Kind.SENT and event.segment is not None]
    assert {1461, 4381} & set(acknowledged)
    assert max(acknowledged) > 6000
