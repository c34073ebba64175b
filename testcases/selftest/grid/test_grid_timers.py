"""The cells of timers: each is an item or says why not, a wrong outcome is found, and the grid's page is current."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.case.rig import Rig
from harness.case.runner import CaseRun
from harness.case.timer_batch import TimerCase, run_together
from harness.case.violation import Violation
from harness.grid import docs, export
from harness.grid.calls import EventCell, timer_cells
from harness.grid.session import TIMERS, case_of, inexpressible, timer_body
from harness.grid.timer_run import route_to
from harness.spec.machine import TIMED_OUT, Event, Place, Row, Sends
from harness.targets import registry
from harness.targets.reference.target import ReferenceTarget

IDS = [
    "grid/listen/timer-user-timeout",
    "grid/syn-sent/timer-user-timeout",
    "grid/syn-sent/timer-retransmission-timeout",
    "grid/syn-received-passive/timer-user-timeout",
    "grid/syn-received-passive/timer-retransmission-timeout",
    "grid/syn-received-simultaneous/timer-user-timeout",
    "grid/syn-received-simultaneous/timer-retransmission-timeout",
    "grid/established/timer-user-timeout",
    "grid/established/timer-retransmission-timeout",
    "grid/fin-wait-1/timer-user-timeout",
    "grid/fin-wait-1/timer-retransmission-timeout",
    "grid/fin-wait-2/timer-user-timeout",
    "grid/close-wait/timer-user-timeout",
    "grid/close-wait/timer-retransmission-timeout",
    "grid/closing/timer-user-timeout",
    "grid/closing/timer-retransmission-timeout",
    "grid/last-ack/timer-user-timeout",
    "grid/last-ack/timer-retransmission-timeout",
    "grid/time-wait/timer-user-timeout",
    "grid/time-wait/timer-time-wait-timeout",
]
RUNNING = [cell for cell in timer_cells() if not inexpressible(cell)]


class Altered(EventCell):
    """A cell whose outcomes are not those of the table."""

    altered: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.altered


def alterations(cell: EventCell) -> Iterator[EventCell]:
    """Yield the cell with another segment, another next state and another signal."""
    (row,) = cell.rows
    elsewhere = Place.CLOSED if row.next is None else cell.place
    told = () if row.tells else TIMED_OUT
    for other in (
        replace(row, sends=Sends.NOTHING if row.sends else Sends.OLDEST),
        replace(row, next=elsewhere),
        replace(row, tells=told),
    ):
        altered = Altered(cell.place, cell.event)
        object.__setattr__(altered, "altered", (other,))
        yield altered


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig(ReferenceTarget(), guarded=False)
    yield rig
    rig.close()


def run(rig: Rig, cells: list[EventCell]) -> list[BaseException | None]:
    cases = [TimerCase(CaseRun(rig.begin(4, name=cell.id), route_to(cell)), timer_body(cell)) for cell in cells]
    run_together(rig, cases)
    return [case.error for case in cases]


def test_the_names_are_stable_and_the_export_has_them() -> None:
    exported = [cell["id"] for cell in export.cells() if cell.get("kind") == "timer"]
    assert [cell.id for cell in timer_cells()] == exported == IDS


def test_each_cell_is_an_item_or_says_why_not() -> None:
    assert [cell.id for cell in TIMERS.cells("full", ())] == IDS
    assert list(TIMERS.cells("core", ())) == RUNNING
    assert [cell.place for cell in timer_cells() if inexpressible(cell)] == [
        Place.LISTEN,
        Place.FIN_WAIT_2,
        Place.TIME_WAIT,
    ]
    for cell in timer_cells():
        case = case_of(cell, registry.parse("linux"), 4, "")
        assert case.case_id == cell.id
        assert (
            case.meta.timer_s
            == {Event.RETRANSMISSION: 5, Event.USER_TIMEOUT: 15, Event.TIME_WAIT_TIMEOUT: 70}[cell.event]
        )


def test_the_reference_stack_conforms_in_every_cell(rig: Rig) -> None:
    assert dict(zip(RUNNING, run(rig, RUNNING), strict=True)) == dict.fromkeys(RUNNING)


@pytest.mark.parametrize("cell", RUNNING, ids=lambda cell: cell.id)
def test_another_outcome_is_found(rig: Rig, cell: EventCell) -> None:
    expected = list(alterations(cell))
    if cell.place is Place.SYN_RECEIVED_PASSIVE:
        expected.pop()  # before accept() nobody can be told anything
    assert [type(error) for error in run(rig, expected)] == [Violation] * len(expected)


def test_the_page_is_current() -> None:
    page = Path(docs.__file__).with_name("GRID.md")
    renew = "it is out of date: tcpspec grid --markdown harness/grid/GRID.md"
    assert page.read_text(encoding="utf-8") == docs.markdown(), renew
