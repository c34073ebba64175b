"""The state machine's table is complete, sound, and the one of figure 5; it agrees with the rules of §3.10.7."""

from dataclasses import replace

import pytest

from harness.spec import machine
from harness.spec.arrivals import allowed
from harness.spec.connection import Connection, Origin
from harness.spec.machine import ARRIVALS, TABLE, Event, Place, Row, Sends
from harness.spec.policy import DEFAULT, Policy
from harness.spec.reaction import Reply, select
from harness.spec.segment import ACK, FIN, RST, SYN, Segment

#: Figure 5, copied by hand from the drawing: from, event, sent, to.
FIGURE_5 = {
    ("CLOSED", "passive OPEN", "", "LISTEN"),
    ("CLOSED", "active OPEN", "SYN", "SYN-SENT"),
    ("LISTEN", "CLOSE", "", "CLOSED"),
    ("LISTEN", "SEND", "SYN", "SYN-SENT"),
    ("LISTEN", "rcv SYN", "SYN_ACK", "SYN-RECEIVED (passive)"),
    ("SYN-SENT", "CLOSE", "", "CLOSED"),
    ("SYN-SENT", "rcv SYN", "SYN_ACK", "SYN-RECEIVED (active)"),
    ("SYN-SENT", "rcv SYN,ACK", "ACK", "ESTABLISHED"),
    ("SYN-RECEIVED (passive)", "rcv RST", "", "LISTEN"),
    ("SYN-RECEIVED (passive)", "rcv ACK of SYN", "", "ESTABLISHED"),
    ("SYN-RECEIVED (active)", "rcv ACK of SYN", "", "ESTABLISHED"),
    ("SYN-RECEIVED (passive)", "CLOSE", "FIN", "FIN-WAIT-1"),
    ("SYN-RECEIVED (active)", "CLOSE", "FIN", "FIN-WAIT-1"),
    ("ESTABLISHED", "CLOSE", "FIN", "FIN-WAIT-1"),
    ("ESTABLISHED", "rcv FIN", "ACK", "CLOSE-WAIT"),
    ("CLOSE-WAIT", "CLOSE", "FIN", "LAST-ACK"),
    ("FIN-WAIT-1", "rcv FIN", "ACK", "CLOSING"),
    ("FIN-WAIT-1", "rcv ACK of FIN", "", "FIN-WAIT-2"),
    ("FIN-WAIT-2", "rcv FIN", "ACK", "TIME-WAIT"),
    ("CLOSING", "rcv ACK of FIN", "", "TIME-WAIT"),
    ("LAST-ACK", "rcv ACK of FIN", "", "CLOSED"),
    ("TIME-WAIT", "TIME-WAIT TIMEOUT", "", "CLOSED"),
}


def test_the_table_has_no_hole_and_no_contradiction() -> None:
    assert list(machine.problems()) == []


@pytest.mark.parametrize("missing", TABLE, ids=lambda row: f"{row.places[0]}/{row.event}/{row.when}")
def test_every_row_is_needed(missing: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = any(row is not missing and row.event is missing.event and row.places == missing.places for row in TABLE)
    monkeypatch.setattr(machine, "TABLE", tuple(row for row in TABLE if row is not missing))
    # Of two outcomes on different conditions the check can't know that there should be two.
    assert twin or any("neither a row nor" in problem for problem in machine.problems())


def test_a_contradiction_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = machine.rows(Place.ESTABLISHED, Event.RCV_FIN)[0]
    monkeypatch.setattr(machine, "TABLE", (*TABLE, replace(row, next=Place.CLOSED)))
    assert list(machine.problems()) == ["ESTABLISHED × rcv FIN: 2 rows for one condition"]


def test_a_place_out_of_reach_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "TABLE", tuple(row for row in TABLE if row.next is not Place.CLOSING))
    assert "CLOSING can't be reached from CLOSED" in list(machine.problems())


def test_what_is_drawn_in_figure_5_is_in_the_table_and_nothing_else_claims_to_be() -> None:
    drawn = {
        (str(place), str(row.event), row.sends.name if row.sends else "", str(row.next))
        for row in TABLE
        if row.figure == 5
        for place in row.places
    }
    assert drawn == FIGURE_5


@pytest.mark.parametrize("place", list(Place)[1:])
def test_every_connection_can_end(place: Place) -> None:
    assert Place.CLOSED in machine.reachable(place)


@pytest.mark.parametrize("place", list(Place))
def test_every_call_gets_an_answer(place: Place) -> None:
    for event in machine.CALLS:
        assert all(row.tells for row in machine.rows(place, event)), event


def test_only_one_fin_is_ever_sent() -> None:
    closing = {place for row in TABLE if row.sends is Sends.FIN for place in row.places}
    assert closing.isdisjoint({Place.FIN_WAIT_1, Place.FIN_WAIT_2, Place.CLOSING, Place.LAST_ACK, Place.TIME_WAIT})


def _connection(place: Place) -> Connection:
    fin_sent = place in (Place.FIN_WAIT_1, Place.FIN_WAIT_2, Place.CLOSING, Place.LAST_ACK, Place.TIME_WAIT)
    fin_acked = place in (Place.FIN_WAIT_2, Place.TIME_WAIT)
    handshake = place.state in ("SYN-SENT", "SYN-RECEIVED")
    return Connection(
        state=place.state,
        origin=place.origin or Origin.PASSIVE,
        iss=1000,
        snd_una=1000 if handshake else 1001 + fin_acked,
        snd_nxt=1001 + fin_sent,
        rcv_nxt=5001,
        fin_sent=fin_sent,
        listener_open=place is Place.SYN_RECEIVED_PASSIVE,
    )


def _stimulus(place: Place, event: Event) -> Segment:
    after_fin = place in (Place.CLOSE_WAIT, Place.CLOSING, Place.LAST_ACK, Place.TIME_WAIT)
    crossing = place.state == "SYN-RECEIVED" and event is Event.RCV_SYN_ACK
    repeated = after_fin and event in (Event.RCV_FIN, Event.RCV_FIN_ACK_OF_FIN)
    flags = {
        Event.RCV_SYN: SYN,
        Event.RCV_SYN_ACK: SYN | ACK,
        Event.RCV_ACK_OF_SYN: ACK,
        Event.RCV_FIN: FIN | ACK,
        Event.RCV_ACK_OF_FIN: ACK,
        Event.RCV_FIN_ACK_OF_FIN: FIN | ACK,
        Event.RCV_RST: RST | ACK if place is Place.SYN_SENT else RST,
    }[event]
    return Segment(flags, 5000 if crossing or repeated else 5001, 1002 if "ACK of FIN" in event else 1001)


REPLIES = {
    Sends.NOTHING: {Reply.NONE},
    Sends.ACK: {Reply.ACK, Reply.ACK_NEW},
    Sends.SYN_ACK: {Reply.SYN_ACK},
    Sends.RST_SEG_ACK: {Reply.RST_SEG_ACK},
    Sends.RST_ACK_ZERO: {Reply.RST_ACK_ZERO},
}


@pytest.mark.parametrize("event", ARRIVALS)
@pytest.mark.parametrize("place", list(Place))
def test_the_table_agrees_with_the_rules_of_segment_arrives(place: Place, event: Event) -> None:
    policies = DEFAULT - {Policy.LITERAL_SEQUENCE}
    for row in machine.rows(place, event):
        reactions = select(allowed(_connection(place), _stimulus(place, event)), policies)
        strongest = reactions[0]
        for reaction in reactions:
            strongest = reaction if reaction.level > strongest.level else strongest
        assert strongest.reply in REPLIES[row.sends]
        assert strongest.next == (row.next or place).state
        assert strongest.signals == tuple(signal for signal in strongest.signals if signal in row.tells)
