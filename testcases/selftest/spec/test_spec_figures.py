"""The rules of §3.10.7 lead through figures 6 to 13 of RFC 9293."""

from dataclasses import replace

from harness.spec.connection import Connection, Origin
from harness.spec.policy import Policy
from harness.spec.reaction import Outgoing, Signal
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from testcases.selftest.endpoint import only, outcomes


def test_figure_6_three_way_handshake() -> None:
    syn = only(Connection(LISTEN), Segment(SYN, 100))
    assert (syn.segments, syn.next) == ((Outgoing(SYN | ACK, None, 101),), SYN_RECEIVED)
    a = Connection(SYN_SENT, Origin.ACTIVE, iss=100, snd_una=100, snd_nxt=101)
    syn_ack = only(a, Segment(SYN | ACK, 300, 101))
    assert (syn_ack.reply, syn_ack.segments, syn_ack.next) == ("ack", (Outgoing(ACK, 101, 301),), ESTABLISHED)
    b = Connection(SYN_RECEIVED, iss=300, snd_una=300, snd_nxt=301, rcv_nxt=101, listener_open=True)
    assert outcomes(b, Segment(ACK, 101, 301)) == {("none", "ESTABLISHED")}
    with_data = only(b, Segment(ACK, 101, 301, payload=b"data"))
    assert (with_data.segments, with_data.next) == ((Outgoing(ACK, 301, 105),), ESTABLISHED)
    assert with_data.signals == (Signal.DATA,)
    assert with_data.deferrable


def test_figure_7_simultaneous_open() -> None:
    a = Connection(SYN_SENT, Origin.ACTIVE, iss=100, snd_una=100, snd_nxt=101)
    assert only(a, Segment(SYN, 300)).segments == (Outgoing(SYN | ACK, 100, 301),)
    a = replace(a, state=SYN_RECEIVED, rcv_nxt=301)
    figure = frozenset({Policy.FIGURE_7})
    assert outcomes(a, Segment(SYN | ACK, 300, 101), figure) == {("none", "ESTABLISHED"), ("ack", "ESTABLISHED")}
    literal = frozenset({Policy.LITERAL_SEQUENCE})
    assert outcomes(a, Segment(SYN | ACK, 300, 101), literal) == {("ack", "SYN-RECEIVED")}
    passive = replace(a, origin=Origin.PASSIVE)
    assert outcomes(passive, Segment(SYN | ACK, 300, 101)) == {("ack", "SYN-RECEIVED")}


def test_figure_8_old_duplicate_syn() -> None:
    a = Connection(SYN_SENT, Origin.ACTIVE, iss=100, snd_una=100, snd_nxt=101)
    wrong = only(a, Segment(SYN | ACK, 300, 91))
    assert (wrong.segments, wrong.next) == ((Outgoing(RST, 91, None),), SYN_SENT)
    b = Connection(SYN_RECEIVED, iss=300, snd_una=300, snd_nxt=301, rcv_nxt=91, listener_open=True)
    assert outcomes(b, Segment(RST, 91)) == {("none", "LISTEN")}


def test_figure_9_half_open_connection_discovered_by_syn() -> None:
    b = Connection(ESTABLISHED, iss=299, snd_una=300, snd_nxt=300, rcv_nxt=100)
    assert only(b, Segment(SYN, 400)).segments == (Outgoing(ACK, 300, 100),)
    a = Connection(SYN_SENT, Origin.ACTIVE, iss=400, snd_una=400, snd_nxt=401)
    assert only(a, Segment(ACK, 300, 100)).segments == (Outgoing(RST, 100, None),)
    assert only(b, Segment(RST, 100)).next is CLOSED


def test_figure_10_half_open_connection_discovered_by_data() -> None:
    reset = only(Connection(CLOSED), Segment(ACK, 300, 100, payload=bytes(10)))
    assert reset.segments == (Outgoing(RST, 100, None),)
    b = Connection(ESTABLISHED, iss=299, snd_una=300, snd_nxt=310, rcv_nxt=100)
    assert only(b, Segment(RST, 100)).signals == (Signal.RESET,)


def test_figure_11_old_duplicate_between_two_passive_sockets() -> None:
    reset = only(Connection(LISTEN), Segment(SYN | ACK, 700, 201))
    assert (reset.segments, reset.next) == ((Outgoing(RST, 201, None),), LISTEN)


def test_figure_12_normal_close() -> None:
    b = Connection(ESTABLISHED, iss=299, snd_una=300, snd_nxt=300, rcv_nxt=100)
    fin = only(b, Segment(FIN | ACK, 100, 300))
    assert (fin.segments, fin.next, fin.signals) == ((Outgoing(ACK, 300, 101),), CLOSE_WAIT, (Signal.CLOSING,))
    a = Connection(FIN_WAIT_1, iss=99, snd_una=100, snd_nxt=101, rcv_nxt=300, fin_sent=True)
    assert outcomes(a, Segment(ACK, 300, 101)) == {("none", "FIN-WAIT-2")}
    a = replace(a, state=FIN_WAIT_2, snd_una=101)
    last = only(a, Segment(FIN | ACK, 300, 101))
    assert (last.segments, last.next) == ((Outgoing(ACK, 101, 301),), TIME_WAIT)
    b = replace(b, state=LAST_ACK, snd_nxt=301, rcv_nxt=101, fin_sent=True)
    assert outcomes(b, Segment(ACK, 101, 301)) == {("none", "CLOSED")}


def test_figure_13_simultaneous_close() -> None:
    a = Connection(FIN_WAIT_1, iss=99, snd_una=100, snd_nxt=101, rcv_nxt=300, fin_sent=True)
    crossing = only(a, Segment(FIN | ACK, 300, 100))
    assert (crossing.segments, crossing.next) == ((Outgoing(ACK, 101, 301),), CLOSING)
    a = replace(a, state=CLOSING, rcv_nxt=301)
    assert outcomes(a, Segment(ACK, 301, 100)) == {("none", "CLOSING")}
    assert outcomes(a, Segment(ACK, 301, 101)) == {("none", "TIME-WAIT")}
