"""When the acknowledgment of a cell may come, and on what: late where it may be delayed, and on a FIN sent again."""

import pytest

from harness.case.verdict import Verdict
from harness.grid.cells import segment_cells
from harness.mutate.script import Shown, play
from harness.spec.segment import Segment
from harness.spec.states import FIN_WAIT_2, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.defects import defective
from harness.stack.defects.defect import stack_with
from harness.stack.stack import Stack
from harness.stack.variants import varied
from testcases.selftest.scripts import scripts

TEXT = "grid/established/ack/exact/dup/data"
CROSSING_FIN = "grid/fin-wait-1-shutdown/fin-ack/left1/dup/data"
LAST_FIN = "grid/fin-wait-2-shutdown/fin-ack/left1/dup/data"


def shown(cell: str, stack_class: type[Stack] = Stack, variant: str = "") -> Shown:
    (script,) = scripts(cell)
    return play(script, stack_class, variant=varied(variant) if variant else None)


def test_the_cells_exist() -> None:
    assert {TEXT, CROSSING_FIN, LAST_FIN} <= {cell.id for cell in segment_cells()}


@pytest.mark.parametrize(
    ("cell", "variant"), [(TEXT, "acks-delayed"), (CROSSING_FIN, "fin-again-with-each-new-ack"), (LAST_FIN, "")]
)
def test_an_acknowledgment_may_be_delayed_and_ride(cell: str, variant: str) -> None:
    assert shown(cell, variant=variant).verdict is Verdict.CONFORMS


def test_text_that_is_never_acknowledged_is_found() -> None:
    class Silent(Connection):
        def owe_ack(self, octets: int, *, at_once: bool) -> None:
            """Owe nothing."""

    silent = shown(TEXT, stack_with(Silent))
    assert (silent.verdict, silent.code) == (Verdict.VIOLATES, "silent")


def test_nothing_rides_on_a_fin_that_was_acknowledged() -> None:
    class FinForEver(Connection):
        def emit(self, segment: Segment) -> None:
            if self.state in (FIN_WAIT_2, TIME_WAIT) and not segment.length:
                segment.flags, segment.seq = segment.flags | 1, segment.seq - 1
            super().emit(segment)

    for_ever = shown(LAST_FIN, stack_with(FinForEver))
    assert (for_ever.verdict, for_ever.level) == (Verdict.VIOLATES, "MUST")


def test_a_crossing_fin_that_nothing_acknowledges_is_found() -> None:
    assert shown(CROSSING_FIN, defective("D56").stack_class).verdict is Verdict.VIOLATES
