"""SACK blocks are judged: where they begin and end, what lies in them, and which one is first."""

import pytest

from harness.case.rig import Rig
from harness.case.violation import Finding
from harness.explore import run
from harness.explore.notation import generated_from
from harness.spec import seqno
from harness.stack import Stack
from harness.stack.connection import Connection
from harness.stack.defects import defective
from harness.stack.defects.defect import stack_with
from harness.stack.reassembly import Reassembly
from harness.stack.variants import VARIANTS
from harness.targets.reference.target import ReferenceTarget
from harness.targets.registry import Settings, open_target, parse

OPEN = "1{offer=s}:listen S@n A@n,n accept "
STAMPED = "1{offer=s.t}:listen S@n A@n,n accept "
#: Lawful whatever is held: of two and three gaps, filled from below and from above, repeated, overlapping, with a FIN,
#: behind text that is taken at once, and segments whose text does not count.
LAWFUL = [
    OPEN + "A@n+10,n/10 A@n+30,n/10 A@n+10,n/10 A@n+50,n/10 A@n,n/10 A@n,n/50",
    OPEN + "A@n+30,n/10 A@n+10,n/10 A@n+20,n/10 A@n+15,n/20 A@n,n/60",
    OPEN + "FA@n+20,n/10 A@n+10,n/5 A@n+15,n/5 A@n,n/10",
    OPEN + "A@n+10,n/10 A@n+30,n/10 A@n,n/15 A@n,n/40",
    OPEN + "send:100 A@n+10,u/10 A@n+30,u/10 A@n+10,n+1000/10 A@n+10,u-70000/10 SA@n+10,n/5 R@n+12/3 A@n+10,n/10",
    OPEN + "A@n+10,n/10 FA@n+10,n/5 A@n+10,n/5",
    STAMPED + "A@n+10,n/10 A@n+30,n/10 A@n+10,n/10~t-5 wait:1000 A@n+10,n/10",
]


def findings(text: str, stack: type[Stack] = Stack) -> list[Finding]:
    rig = Rig(ReferenceTarget(stack_class=stack), guarded=False)
    return run.play_generated(rig, generated_from(text)).conversation.findings


class Spanning(Reassembly):
    """Tells of all text above the first gap as of one piece."""

    def blocks(self) -> list[tuple[int, int]]:
        """Return one block from the lowest left edge to the highest right one."""
        blocks = super().blocks()
        if not blocks:
            return []
        low = blocks[0][0]
        offsets = [(seqno.diff(left, low), seqno.diff(right, low)) for left, right in blocks]
        return [(seqno.add(low, min(offsets)[0]), seqno.add(low, max(right for _left, right in offsets)))]


class OverTheGap(Connection):
    """Has such blocks."""

    def _init_receiving(self) -> None:
        super()._init_receiving()
        self.reassembly = Spanning()


@pytest.mark.parametrize("text", LAWFUL)
def test_blocks_that_may_be_so_are_no_finding(text: str) -> None:
    assert findings(text) == []


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_no_block_of_a_correct_but_different_stack_is_a_finding(name: str) -> None:
    rig = Rig(open_target(parse(f"reference,variant={name}"), Settings()), guarded=False)
    for text in LAWFUL:
        assert run.play_generated(rig, generated_from(text)).conversation.findings == []


@pytest.mark.parametrize("options", [OPEN, STAMPED])
def test_a_block_over_a_gap_is_a_finding(options: str) -> None:
    (found,) = findings(options + "A@n+10,n/10 A@n+30,n/10", stack_with(OverTheGap))
    assert "which" in found.expected
    assert found.cites == ("RFC 2018 §3",)


@pytest.mark.parametrize("options", [OPEN, STAMPED])
def test_the_block_of_the_segment_that_is_answered_is_first(options: str) -> None:
    (found,) = findings(options + "A@n+10,n/10 A@n+30,n/10", defective("D663").stack_class)
    assert found.expected.startswith("the SACK block first")


@pytest.mark.parametrize("text", ["A@n+10,n/10 A@n+20,n/10", "A@n+20,n/10 A@n+10,n/10", "A@n+10,n/20 A@n+15,n/30"])
def test_text_that_lies_together_is_one_block(text: str) -> None:
    assert findings(OPEN + text, defective("D662").stack_class) != []
