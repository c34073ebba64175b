"""The state machine of RFC 9293 as a flat table: figure 5 and every event of §3.10.

Everything that changes the state of a connection is an event, and there are three sorts of them (§3.10): the
application calls, a segment arrives, time runs out. A connection is in one of eleven states; SYN-RECEIVED counts twice,
because it must remember whether it came from LISTEN or from SYN-SENT (MUST-11): a reset leads back to LISTEN from the
one and ends the other. CLOSED is fictional, it says that there is no connection.

A row says what one event does in one or more places: what is sent, where the connection goes, what the application
hears. If an event has two outcomes, each has its condition in `when`. What is in no row stands in `IMPOSSIBLE` with the
reason. `problems` proves that nothing is missing, doubled or out of reach.

Arrivals are the ordinary stimuli of figure 5: one segment each, in its place and with a good acknowledgment. What other
segments do, at other places of the windows, is told by `harness.spec.arrivals`; where both speak, they agree. Stacks
are taken to follow RFC 5961 and figure 7. After the peer's FIN "rcv FIN" is the repetition of that FIN.

CLOSE is the RFC's: "I have no more to send", while receiving goes on. On BSD sockets that is ``shutdown(SHUT_WR)``;
``close()`` gives up receiving too (MAY-1) and is another walk from FIN-WAIT-1 on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from harness.spec.connection import Origin
from harness.spec.reaction import Level
from harness.spec.states import State


class Event(StrEnum):
    """What can happen to a connection."""

    OPEN_PASSIVE = "passive OPEN"
    OPEN_ACTIVE = "active OPEN"
    SEND = "SEND"
    RECEIVE = "RECEIVE"
    CLOSE = "CLOSE"
    ABORT = "ABORT"
    STATUS = "STATUS"
    RCV_SYN = "rcv SYN"
    RCV_SYN_ACK = "rcv SYN,ACK"
    RCV_ACK_OF_SYN = "rcv ACK of SYN"
    RCV_FIN = "rcv FIN"
    RCV_ACK_OF_FIN = "rcv ACK of FIN"
    RCV_FIN_ACK_OF_FIN = "rcv FIN and ACK of FIN"
    RCV_RST = "rcv RST"
    USER_TIMEOUT = "USER TIMEOUT"
    RETRANSMISSION = "RETRANSMISSION TIMEOUT"
    TIME_WAIT_TIMEOUT = "TIME-WAIT TIMEOUT"


CALLS = tuple(Event)[:7]
ARRIVALS = tuple(Event)[7:14]
TIMEOUTS = tuple(Event)[14:]


class Place(StrEnum):
    """A state, with SYN-RECEIVED split by its origin."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED_PASSIVE = "SYN-RECEIVED (passive)"
    SYN_RECEIVED_ACTIVE = "SYN-RECEIVED (active)"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"

    @property
    def state(self) -> State:
        return State(self.value.split(" ")[0])

    @property
    def origin(self) -> Origin | None:
        """How SYN-RECEIVED was reached; None elsewhere."""
        if self.state is not State.SYN_RECEIVED:
            return None
        return Origin.PASSIVE if self is Place.SYN_RECEIVED_PASSIVE else Origin.ACTIVE


class Sends(StrEnum):
    """What leaves, in the RFC's notation."""

    NOTHING = ""
    SYN = "<SEQ=ISS><CTL=SYN>"
    SYN_ACK = "<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>"
    ACK = "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>"
    DATA = "<SEQ=SND.NXT><ACK=RCV.NXT><DATA><CTL=ACK>"
    FIN = "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=FIN,ACK>"
    RST = "<SEQ=SND.NXT><CTL=RST>"
    RST_SEG_ACK = "<SEQ=SEG.ACK><CTL=RST>"
    RST_ACK_ZERO = "<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>"
    OLDEST = "the oldest unacknowledged segment again"


@dataclass(frozen=True, slots=True)
class Row:
    """What one event does in these places."""

    places: tuple[Place, ...]
    event: Event
    sends: Sends
    #: None: the connection stays where it is.
    next: Place | None
    #: What a call returns (any of these), or what the application is told; empty: it hears nothing.
    tells: tuple[str, ...]
    cites: tuple[str, ...]
    when: str = ""
    level: Level = Level.MUST
    #: The figure of RFC 9293 that draws it; those of figure 5 are all of its edges.
    figure: int | None = None


OK = ("ok",)
QUEUED = ("queued",)
DATA = ("data",)
NO_CONNECTION = ("error: connection does not exist",)
EXISTS = ("error: connection already exists",)
NO_REMOTE = ("error: remote socket unspecified",)
CONNECTION_CLOSING = ("error: connection closing",)
STATE = ("state",)
RESET = ("connection reset",)
REFUSED = ("connection refused",)
EOF = ("connection closing",)
TIMED_OUT = ("error: connection aborted due to user timeout",)

_P = Place
_ALL = tuple(Place)
_SYN_RECEIVED = (_P.SYN_RECEIVED_PASSIVE, _P.SYN_RECEIVED_ACTIVE)
_SYNCHRONIZED = _ALL[5:]
_AFTER_OUR_CLOSE = (_P.FIN_WAIT_1, _P.FIN_WAIT_2, _P.CLOSING, _P.LAST_ACK, _P.TIME_WAIT)
_ENDING = (_P.CLOSING, _P.LAST_ACK, _P.TIME_WAIT)
_AFTER_PEERS_FIN = (_P.CLOSE_WAIT, *_ENDING)

_OPEN = "RFC 9293 §3.10.1"
_SEND = "RFC 9293 §3.10.2"
_RECEIVE = "RFC 9293 §3.10.3"
_CLOSE = "RFC 9293 §3.10.4"
_ABORT = "RFC 9293 §3.10.5"
_STATUS = "RFC 9293 §3.10.6"
_OTHER = "RFC 9293 §3.10.7.4"
_TIMEOUT = "RFC 9293 §3.10.8"

_E = Event
_S = Sends

CALL_ROWS = (
    Row((_P.CLOSED,), _E.OPEN_PASSIVE, _S.NOTHING, _P.LISTEN, OK, (_OPEN,), figure=5),
    Row((_P.LISTEN,), _E.OPEN_PASSIVE, _S.NOTHING, None, NO_REMOTE + EXISTS, (_OPEN, "MUST-41")),
    Row((_P.CLOSED,), _E.OPEN_ACTIVE, _S.SYN, _P.SYN_SENT, OK, (_OPEN,), "remote socket given", figure=5),
    Row((_P.CLOSED,), _E.OPEN_ACTIVE, _S.NOTHING, None, NO_REMOTE, (_OPEN,), "no remote socket"),
    Row((_P.LISTEN,), _E.OPEN_ACTIVE, _S.SYN, _P.SYN_SENT, OK, (_OPEN,), "remote socket given"),
    Row((_P.LISTEN,), _E.OPEN_ACTIVE, _S.NOTHING, None, NO_REMOTE, (_OPEN,), "no remote socket"),
    Row(_ALL[2:], _E.OPEN_PASSIVE, _S.NOTHING, None, EXISTS, (_OPEN,)),
    Row(_ALL[2:], _E.OPEN_ACTIVE, _S.NOTHING, None, EXISTS, (_OPEN,)),
    Row((_P.CLOSED,), _E.SEND, _S.NOTHING, None, NO_CONNECTION, (_SEND,)),
    Row((_P.LISTEN,), _E.SEND, _S.SYN, _P.SYN_SENT, OK, (_SEND,), "remote socket given", figure=5),
    Row((_P.LISTEN,), _E.SEND, _S.NOTHING, None, NO_REMOTE, (_SEND,), "no remote socket"),
    Row((_P.SYN_SENT, *_SYN_RECEIVED), _E.SEND, _S.NOTHING, None, QUEUED, (_SEND,)),
    Row((_P.ESTABLISHED, _P.CLOSE_WAIT), _E.SEND, _S.DATA, None, OK, (_SEND,)),
    Row(_AFTER_OUR_CLOSE, _E.SEND, _S.NOTHING, None, CONNECTION_CLOSING, (_SEND,)),
    Row((_P.CLOSED,), _E.RECEIVE, _S.NOTHING, None, NO_CONNECTION, (_RECEIVE,)),
    Row((_P.LISTEN, _P.SYN_SENT, *_SYN_RECEIVED), _E.RECEIVE, _S.NOTHING, None, QUEUED, (_RECEIVE,)),
    *(
        Row((_P.ESTABLISHED, _P.FIN_WAIT_1, _P.FIN_WAIT_2), _E.RECEIVE, _S.NOTHING, None, tells, (_RECEIVE,), when)
        for tells, when in ((DATA, "data waiting"), (QUEUED, "no data waiting"))
    ),
    Row((_P.CLOSE_WAIT,), _E.RECEIVE, _S.NOTHING, None, DATA, (_RECEIVE,), "data waiting"),
    Row((_P.CLOSE_WAIT,), _E.RECEIVE, _S.NOTHING, None, CONNECTION_CLOSING, (_RECEIVE,), "no data waiting"),
    Row(_ENDING, _E.RECEIVE, _S.NOTHING, None, CONNECTION_CLOSING, (_RECEIVE,)),
    Row((_P.CLOSED,), _E.CLOSE, _S.NOTHING, None, NO_CONNECTION, (_CLOSE,)),
    Row((_P.LISTEN, _P.SYN_SENT), _E.CLOSE, _S.NOTHING, _P.CLOSED, OK, (_CLOSE,), figure=5),
    Row(_SYN_RECEIVED, _E.CLOSE, _S.FIN, _P.FIN_WAIT_1, OK, (_CLOSE,), "nothing to send", figure=5),
    Row(_SYN_RECEIVED, _E.CLOSE, _S.NOTHING, None, QUEUED, (_CLOSE,), "data to send"),
    Row((_P.ESTABLISHED,), _E.CLOSE, _S.FIN, _P.FIN_WAIT_1, OK, (_CLOSE,), figure=5),
    Row((_P.FIN_WAIT_1, _P.FIN_WAIT_2), _E.CLOSE, _S.NOTHING, None, CONNECTION_CLOSING + OK, (_CLOSE,)),
    Row((_P.CLOSE_WAIT,), _E.CLOSE, _S.FIN, _P.LAST_ACK, OK, (_CLOSE,), figure=5),
    Row(_ENDING, _E.CLOSE, _S.NOTHING, None, CONNECTION_CLOSING, (_CLOSE,)),
    Row((_P.CLOSED,), _E.ABORT, _S.NOTHING, None, NO_CONNECTION, (_ABORT,)),
    Row((_P.LISTEN, _P.SYN_SENT), _E.ABORT, _S.NOTHING, _P.CLOSED, OK, (_ABORT,)),
    Row((*_SYN_RECEIVED, *_ALL[5:9]), _E.ABORT, _S.RST, _P.CLOSED, OK, (_ABORT,), "connection deleted"),
    Row(
        (*_SYN_RECEIVED, *_ALL[5:9]),
        _E.ABORT,
        _S.RST,
        _P.TIME_WAIT,
        OK,
        ("RFC 9293 §3.5.2", "RFC 9293 §3.3.2"),
        "the resetting side waits",  # the register's "abort-time-wait"
        Level.SHOULD,
    ),
    Row(_ENDING, _E.ABORT, _S.NOTHING, _P.CLOSED, OK, (_ABORT,)),
    Row((_P.CLOSED,), _E.STATUS, _S.NOTHING, None, NO_CONNECTION, (_STATUS,)),
    Row(_ALL[1:], _E.STATUS, _S.NOTHING, None, STATE, (_STATUS,)),
)

ARRIVAL_ROWS = (
    Row((_P.CLOSED,), _E.RCV_SYN, _S.RST_ACK_ZERO, None, (), ("RFC 9293 §3.10.7.1",)),
    *(
        Row((_P.CLOSED,), event, _S.RST_SEG_ACK, None, (), ("RFC 9293 §3.10.7.1",))
        for event in (_E.RCV_SYN_ACK, _E.RCV_ACK_OF_SYN, _E.RCV_FIN, _E.RCV_ACK_OF_FIN, _E.RCV_FIN_ACK_OF_FIN)
    ),
    Row((_P.CLOSED,), _E.RCV_RST, _S.NOTHING, None, (), ("RFC 9293 §3.10.7.1",)),
    Row((_P.LISTEN,), _E.RCV_SYN, _S.SYN_ACK, _P.SYN_RECEIVED_PASSIVE, (), ("RFC 9293 §3.10.7.2 third",), figure=5),
    *(
        Row((_P.LISTEN,), event, _S.RST_SEG_ACK, None, (), ("RFC 9293 §3.10.7.2 second",))
        for event in (_E.RCV_SYN_ACK, _E.RCV_ACK_OF_SYN, _E.RCV_FIN, _E.RCV_ACK_OF_FIN, _E.RCV_FIN_ACK_OF_FIN)
    ),
    Row((_P.LISTEN,), _E.RCV_RST, _S.NOTHING, None, (), ("RFC 9293 §3.10.7.2 first",)),
    Row((_P.SYN_SENT,), _E.RCV_SYN, _S.SYN_ACK, _P.SYN_RECEIVED_ACTIVE, (), ("RFC 9293 §3.10.7.3 fourth",), figure=5),
    Row((_P.SYN_SENT,), _E.RCV_SYN_ACK, _S.ACK, _P.ESTABLISHED, (), ("RFC 9293 §3.10.7.3 fourth",), figure=5),
    Row((_P.SYN_SENT,), _E.RCV_ACK_OF_SYN, _S.NOTHING, None, (), ("RFC 9293 §3.10.7.3 fifth",)),
    Row((_P.SYN_SENT,), _E.RCV_FIN, _S.NOTHING, None, (), ("RFC 9293 §3.10.7.3 fifth",)),
    Row((_P.SYN_SENT,), _E.RCV_RST, _S.NOTHING, _P.CLOSED, RESET, ("RFC 9293 §3.10.7.3 second",)),
    Row((_P.SYN_RECEIVED_PASSIVE,), _E.RCV_SYN, _S.NOTHING, _P.LISTEN, (), (_OTHER + " fourth",)),
    Row((_P.SYN_RECEIVED_ACTIVE,), _E.RCV_SYN, _S.ACK, None, (), (_OTHER + " fourth", "RFC 5961 §4.2")),
    Row((_P.SYN_RECEIVED_PASSIVE,), _E.RCV_SYN_ACK, _S.ACK, None, (), (_OTHER + " first",)),
    Row(
        (_P.SYN_RECEIVED_ACTIVE,),
        _E.RCV_SYN_ACK,
        _S.NOTHING,
        _P.ESTABLISHED,
        (),
        ("RFC 9293 §3.5", "MUST-10"),
        figure=7,
    ),
    Row(_SYN_RECEIVED, _E.RCV_ACK_OF_SYN, _S.NOTHING, _P.ESTABLISHED, (), (_OTHER + " fifth",), figure=5),
    Row(_SYN_RECEIVED, _E.RCV_FIN, _S.ACK, _P.CLOSE_WAIT, EOF, (_OTHER + " fifth", _OTHER + " eighth")),
    Row((_P.SYN_RECEIVED_PASSIVE,), _E.RCV_RST, _S.NOTHING, _P.LISTEN, (), (_OTHER + " second",), figure=5),
    Row((_P.SYN_RECEIVED_ACTIVE,), _E.RCV_RST, _S.NOTHING, _P.CLOSED, REFUSED, (_OTHER + " second",)),
    Row(_SYNCHRONIZED, _E.RCV_SYN, _S.ACK, None, (), (_OTHER + " fourth", "RFC 5961 §4.2")),
    Row(_SYNCHRONIZED, _E.RCV_SYN_ACK, _S.ACK, None, (), (_OTHER + " fourth", "RFC 5961 §4.2")),
    Row(_SYNCHRONIZED, _E.RCV_ACK_OF_SYN, _S.NOTHING, None, (), (_OTHER + " fifth",)),
    Row((_P.ESTABLISHED,), _E.RCV_FIN, _S.ACK, _P.CLOSE_WAIT, EOF, (_OTHER + " eighth",), figure=5),
    Row((_P.FIN_WAIT_1,), _E.RCV_FIN, _S.ACK, _P.CLOSING, EOF, (_OTHER + " eighth",), figure=5),
    Row((_P.FIN_WAIT_2,), _E.RCV_FIN, _S.ACK, _P.TIME_WAIT, EOF, (_OTHER + " eighth",), figure=5),
    Row(_AFTER_PEERS_FIN, _E.RCV_FIN, _S.ACK, None, (), (_OTHER + " first",)),
    Row((_P.FIN_WAIT_1,), _E.RCV_ACK_OF_FIN, _S.NOTHING, _P.FIN_WAIT_2, (), (_OTHER + " fifth",), figure=5),
    Row((_P.CLOSING,), _E.RCV_ACK_OF_FIN, _S.NOTHING, _P.TIME_WAIT, (), (_OTHER + " fifth",), figure=5),
    Row((_P.LAST_ACK,), _E.RCV_ACK_OF_FIN, _S.NOTHING, _P.CLOSED, (), (_OTHER + " fifth",), figure=5),
    Row((_P.FIN_WAIT_2, _P.TIME_WAIT), _E.RCV_ACK_OF_FIN, _S.NOTHING, None, (), (_OTHER + " fifth",)),
    Row(
        (_P.FIN_WAIT_1,),
        _E.RCV_FIN_ACK_OF_FIN,
        _S.ACK,
        _P.TIME_WAIT,
        EOF,
        (
            "RFC 9293 §3.3.2",
            _OTHER + " fifth",
            _OTHER + " eighth",
        ),
    ),
    Row((_P.FIN_WAIT_2,), _E.RCV_FIN_ACK_OF_FIN, _S.ACK, _P.TIME_WAIT, EOF, (_OTHER + " eighth",)),
    Row(_ENDING, _E.RCV_FIN_ACK_OF_FIN, _S.ACK, None, (), (_OTHER + " first",)),
    Row(_SYNCHRONIZED[:4], _E.RCV_RST, _S.NOTHING, _P.CLOSED, RESET, (_OTHER + " second",)),
    Row(_ENDING, _E.RCV_RST, _S.NOTHING, _P.CLOSED, (), (_OTHER + " second",)),
)

TIMEOUT_ROWS = (
    Row(_ALL[1:], _E.USER_TIMEOUT, _S.NOTHING, _P.CLOSED, TIMED_OUT, (_TIMEOUT,)),
    Row((_P.SYN_SENT,), _E.RETRANSMISSION, _S.SYN, None, (), (_TIMEOUT,)),
    Row(_SYN_RECEIVED, _E.RETRANSMISSION, _S.SYN_ACK, None, (), (_TIMEOUT,)),
    Row(
        (_P.ESTABLISHED, _P.FIN_WAIT_1, _P.CLOSE_WAIT, _P.CLOSING, _P.LAST_ACK),
        _E.RETRANSMISSION,
        _S.OLDEST,
        None,
        (),
        (_TIMEOUT,),
    ),
    Row((_P.TIME_WAIT,), _E.TIME_WAIT_TIMEOUT, _S.NOTHING, _P.CLOSED, (), (_TIMEOUT,), figure=5),
)

TABLE: tuple[Row, ...] = (*CALL_ROWS, *ARRIVAL_ROWS, *TIMEOUT_ROWS)

_BEFORE_CLOSE = (_P.SYN_SENT, *_SYN_RECEIVED, _P.ESTABLISHED, _P.CLOSE_WAIT)

#: What can't happen, and why.
IMPOSSIBLE: tuple[tuple[tuple[Place, ...], Event, str], ...] = (
    (_BEFORE_CLOSE, _E.RCV_ACK_OF_FIN, "no FIN of ours has been sent"),
    (_BEFORE_CLOSE, _E.RCV_FIN_ACK_OF_FIN, "no FIN of ours has been sent"),
    ((_P.CLOSED,), _E.USER_TIMEOUT, "there is no connection"),
    (
        (_P.CLOSED, _P.LISTEN, _P.FIN_WAIT_2, _P.TIME_WAIT),
        _E.RETRANSMISSION,
        "nothing is on the retransmission queue",
    ),
    (_ALL[:-1], _E.TIME_WAIT_TIMEOUT, "the timer runs in TIME-WAIT only"),
)


def rows(place: Place, event: Event) -> tuple[Row, ...]:
    """Return the outcomes of an event in a place; none if it is impossible there."""
    return tuple(row for row in TABLE if row.event is event and place in row.places)


def why_impossible(place: Place, event: Event) -> str | None:
    """Return the reason why an event can't happen in a place, None if it can."""
    return next((reason for places, listed, reason in IMPOSSIBLE if listed is event and place in places), None)


def problems() -> Iterator[str]:
    """Yield one sentence for each hole, contradiction or place out of reach in the table; nothing if it is sound."""
    for place in Place:
        for event in Event:
            yield from _problems_of(place, event)
    for place in sorted(set(Place) - reachable()):
        yield f"{place} can't be reached from CLOSED"


def _problems_of(place: Place, event: Event) -> Iterator[str]:
    found = rows(place, event)
    impossible = why_impossible(place, event)
    if not found and not impossible:
        yield f"{place} × {event}: neither a row nor a reason why not"
    if found and impossible:
        yield f"{place} × {event}: a row, but also impossible ({impossible})"
    conditions = [row.when for row in found]
    if len(set(conditions)) < len(conditions) or (len(found) > 1 and "" in conditions):
        yield f"{place} × {event}: {len(found)} rows for one condition"


def reachable(start: Place = Place.CLOSED) -> frozenset[Place]:
    """Return the places that some sequence of events leads to."""
    found = {start}
    while True:
        more = {row.next for row in TABLE if row.next and found.intersection(row.places)}
        if more <= found:
            return frozenset(found)
        found |= more
