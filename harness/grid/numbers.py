"""From positions to numbers: the connection of a cell, and the segment that probes it. All numbers are relative.

Both initial sequence numbers are 0. Before the probe the target has sent `SENT_OCTETS`, which fill the largest window
that the peer ever offered and have been acknowledged: only then can an acknowledgment be too old for RFC 5961.
"""

from harness.grid.cells import CLOSE, DATA, FIN_OUTSTANDING, FIN_SENT, IN_FLIGHT, SIMULTANEOUS, Cell
from harness.spec import options, seqno
from harness.spec.connection import Connection, Origin
from harness.spec.segment import URG, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    SYNCHRONIZED,
    TIME_WAIT,
)

#: What the peer offers in every segment; small, so that the target need not send much to fill it.
PEER_WINDOW = 256
SENT_OCTETS = PEER_WINDOW
#: A receive window for where no live one is at hand; that of Linux for a peer without options.
NOMINAL_WINDOW = 64240
#: The TSval in the peer's SYN.
LAST_TSVAL = 1_000_000

AFTER_PEERS_FIN = frozenset({CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT})
INSIDE = 100
FAR = 1 << 30
#: Where the rules of a state look at no number, something that matches nothing by chance.
ANY_ACK = 4711
TEXT = b"data"

_TSVALS = {"older": LAST_TSVAL - 1, "equal": LAST_TSVAL, "newer": LAST_TSVAL + 1}


def nominal_window(cell: Cell) -> int:
    """Return the window that a target with `NOMINAL_WINDOW` offers in the cell: the peer's FIN has taken an octet."""
    return NOMINAL_WINDOW - (cell.state in AFTER_PEERS_FIN)


def connection_of(cell: Cell, window: int = NOMINAL_WINDOW, filled: int = 0) -> Connection:
    """Return the connection that the cell is about.

    `window` is what the target has offered last, `filled` what the peer has sent before, to close it.
    """
    state = cell.state
    if state in (CLOSED, LISTEN):
        return Connection(state, listener_open=cell.listening, rcv_wnd=window)
    sent = SENT_OCTETS if state in SYNCHRONIZED else 0
    flying = len(TEXT) if cell.setting == IN_FLIGHT else 0
    snd_nxt = 1 + sent + flying + (state in FIN_SENT)
    early = state in (SYN_SENT, SYN_RECEIVED)
    return Connection(
        state,
        origin=Origin.ACTIVE if state is SYN_SENT or cell.route == SIMULTANEOUS else Origin.PASSIVE,
        iss=0,
        snd_una=0 if early else snd_nxt - flying - (state in FIN_OUTSTANDING),
        snd_nxt=snd_nxt,
        snd_wnd=PEER_WINDOW,
        max_snd_wnd=PEER_WINDOW,
        rcv_nxt=0 if state is SYN_SENT else 1 + filled + (state in AFTER_PEERS_FIN),
        rcv_wnd=0 if cell.zero_window else window,
        fin_sent=state in FIN_SENT,
        reader_gone=cell.route == CLOSE,
        listener_open=cell.listening,
        last_tsval=LAST_TSVAL if cell.timestamps else None,
    )


def segment_of(cell: Cell, connection: Connection) -> Segment:
    """Return the segment that probes the cell, numbers relative to the connection's."""
    payload = b""
    if cell.payload == DATA:
        payload = TEXT[:1] if cell.seq == "left1" else TEXT
    return Segment(
        cell.flags,
        seq=_seq(cell, connection),
        ack=_ack(cell, connection),
        window=PEER_WINDOW,
        payload=payload,
        options=options.timestamps(_TSVALS[cell.tsval], 0) if cell.tsval in _TSVALS else b"",
        urgent=1 if cell.flags & URG else 0,
    )


def _seq(cell: Cell, connection: Connection) -> int:
    if cell.seq is None:
        return 0
    rcv_nxt, window = connection.rcv_nxt, connection.rcv_wnd
    octets = {
        "left1": -1,
        "overlap": -1,
        "exact": 0,
        "inside": INSIDE,
        "right_last": window - 1,
        "right_out": window,
        "far": FAR,
    }[cell.seq]
    return seqno.add(rcv_nxt, octets)


def _ack(cell: Cell, connection: Connection) -> int:
    if cell.ack is None:
        return ANY_ACK if cell.state in (CLOSED, LISTEN) else connection.snd_nxt
    return {
        "le_iss": connection.iss,
        "good": seqno.add(connection.iss, 1),
        "unsent": seqno.add(connection.snd_nxt, 1),
        "far_new": seqno.add(connection.snd_nxt, FAR),
        "between": seqno.add(connection.snd_una, 2),
        "dup": connection.snd_una,
        "old": seqno.add(connection.snd_una, -1),
        "too_old": seqno.add(connection.snd_una, -connection.max_snd_wnd - 1),
        "far_old": seqno.add(connection.snd_una, -FAR),
        "acks_fin": connection.snd_nxt,
    }[cell.ack]
