"""Connections with the tester's usual numbers, and what is allowed to them."""

from harness.spec.arrivals import allowed
from harness.spec.connection import Connection, Origin
from harness.spec.policy import DEFAULT, Policy
from harness.spec.reaction import Reaction, select
from harness.spec.segment import Segment
from harness.spec.states import (
    CLOSING,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    State,
)

RFC793 = frozenset({Policy.RFC793_RST, Policy.RFC793_SYN, Policy.RFC793_ACK, Policy.LITERAL_SEQUENCE})
WINDOW = 1000
FIN_OUT = {FIN_WAIT_1, CLOSING, LAST_ACK}
FIN_SENT = FIN_OUT | {FIN_WAIT_2, TIME_WAIT}

Outcome = tuple[str, str]


def at(state: State, **changes: object) -> Connection:
    """Return a connection of the tester's usual numbers: ISS 1000, 100 octets sent, RCV.NXT 5001, window 1000."""
    handshake = state in (SYN_SENT, SYN_RECEIVED)
    snd_nxt = 1001 if handshake else 1101 + (state in FIN_SENT)
    values: dict[str, object] = {
        "state": state,
        "origin": Origin.ACTIVE if state is SYN_SENT else Origin.PASSIVE,
        "iss": 1000,
        "snd_una": 1000 if handshake else snd_nxt - (state in FIN_OUT),
        "snd_nxt": snd_nxt,
        "max_snd_wnd": 500,
        "rcv_nxt": 5001,
        "rcv_wnd": WINDOW,
        "fin_sent": state in FIN_SENT,
        "listener_open": state in (LISTEN, SYN_RECEIVED),
    }
    return Connection(**(values | changes))  # type: ignore[arg-type]


def outcomes(connection: Connection, segment: Segment, policies: frozenset[Policy] = DEFAULT) -> set[Outcome]:
    return {(str(each.reply), str(each.next)) for each in select(allowed(connection, segment), policies)}


def only(connection: Connection, segment: Segment, policies: frozenset[Policy] = DEFAULT) -> Reaction:
    (reaction,) = select(allowed(connection, segment), policies)
    return reaction
