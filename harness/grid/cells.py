"""The grid: every state × every kind of segment, at every edge of the windows, one cell each.

A cell names positions, not numbers: `exact` is RCV.NXT whatever that is on the live connection. `harness.grid.numbers`
turns positions into numbers, `harness.grid.accept` asks the rules of §3.10.7 what the target may do about it.

Four settings: the ordinary one; a closed receive window (the application has stopped reading); data of the target in
flight; and TIME-WAIT with a SYN that may or may not prove itself new by its timestamp (RFC 6191). A field that plays no
part is None: sequence numbers before there is a RCV.NXT, acknowledgments without an ACK bit, without anything sent, or
beside an RST, which §3.10.7.4 validates by its sequence number alone. Such an RST,ACK acknowledges SND.NXT; that it
plays no part is proved by cells with every other acknowledgment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

from harness.spec.segment import ACK, FIN, NO_FLAGS, NOTATION_ORDER, PSH, RST, SYN, URG, Flags
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
    SYNCHRONIZED,
    TIME_WAIT,
    State,
)

PASSIVE, SIMULTANEOUS, SHUTDOWN, CLOSE = "passive", "simultaneous", "shutdown", "close"
NONE, DATA = "none", "data"
ZERO_WINDOW, TIMESTAMPS, LISTENING = "zero-window", "timestamps", "listening"
STAMPED_LISTENING = f"{TIMESTAMPS}-{LISTENING}"
IN_FLIGHT = "in-flight"
#: All settings but the ordinary one.
SETTINGS = (ZERO_WINDOW, TIMESTAMPS, STAMPED_LISTENING, LISTENING, IN_FLIGHT)

#: The places of the grid: a state, and the route to it where that makes a difference.
PLACES: tuple[tuple[State, str | None], ...] = (
    (CLOSED, None),
    (LISTEN, None),
    (SYN_SENT, None),
    (SYN_RECEIVED, PASSIVE),
    (SYN_RECEIVED, SIMULTANEOUS),
    (ESTABLISHED, None),
    (FIN_WAIT_1, SHUTDOWN),
    (FIN_WAIT_1, CLOSE),
    (FIN_WAIT_2, SHUTDOWN),
    (FIN_WAIT_2, CLOSE),
    (CLOSE_WAIT, None),
    (CLOSING, None),
    (LAST_ACK, None),
    (TIME_WAIT, None),
)

#: All combinations of the four bits that decide.
FLAGS = tuple(
    NO_FLAGS | syn | ack | fin | rst
    for syn, ack, fin, rst in product((NO_FLAGS, SYN), (NO_FLAGS, ACK), (NO_FLAGS, FIN), (NO_FLAGS, RST))
)
#: URG and PSH with the ones where they might matter; only at the left edge and with a good acknowledgment.
EXTRA_FLAGS = (ACK | PSH, ACK | URG, FIN | ACK | PSH, FIN | ACK | URG, FIN | PSH | URG)

SEQ_POSITIONS = ("left1", "exact", "inside", "right_last", "right_out", "far", "overlap")
EARLY_ACKS = ("le_iss", "good", "unsent")
LATER_ACKS = ("unsent", "dup", "old", "too_old")
#: Far below any window; only at the left edge, with what an acknowledgment may stop.
FAR_OLD = "far_old"
#: Acknowledgments of a reset that are not SND.NXT: a peer with data in flight, or one that forges, writes them.
RESET_ACKS = ("dup", "old", "too_old", FAR_OLD, "unsent", "far_new")
RESET_ACKS_EARLY = ("le_iss", "unsent", "far_new")
RESET_SEQS = ("left1", "exact", "inside")
#: States in which our FIN is out and not acknowledged.
FIN_OUTSTANDING = frozenset({FIN_WAIT_1, CLOSING, LAST_ACK})
FIN_SENT = FIN_OUTSTANDING | {FIN_WAIT_2, TIME_WAIT}
#: States before there is a RCV.NXT.
UNNUMBERED = frozenset({CLOSED, LISTEN, SYN_SENT})

_ZERO_WINDOW_PLACES = ((ESTABLISHED, None), (FIN_WAIT_1, SHUTDOWN), (FIN_WAIT_2, SHUTDOWN))
TSVALS = ("absent", "older", "equal", "newer")


@dataclass(frozen=True)
class Cell:
    """One kind of segment in one state. `setting` is "" in the ordinary grid; `tsval` belongs to RFC 6191 only."""

    state: State
    route: str | None
    flags: Flags
    seq: str | None
    ack: str | None
    payload: str = NONE
    setting: str = ""
    tsval: str | None = None

    @cached_property
    def id(self) -> str:
        """The stable name: ``grid/<state>[-route][-setting]/<flags>/<seq>/<ack>/<payload>``, "-" for no part."""
        place = "-".join(filter(None, (self.place, self.setting)))
        flags = "-".join(name.lower() for name in self.flag_names) or "none"
        ack = f"tsval-{self.tsval}" if self.tsval else self.ack
        return f"grid/{place}/{flags}/{self.seq or '-'}/{ack or '-'}/{self.payload}"

    @cached_property
    def place(self) -> str:
        """The state and the route to it: ``fin-wait-1-close``."""
        return "-".join(filter(None, (self.state.lower(), self.route)))

    @property
    def flag_names(self) -> list[str]:
        """The names of the flags in the order of the RFC's figures."""
        return [str(flag.name) for flag in NOTATION_ORDER if self.flags & flag]

    @property
    def zero_window(self) -> bool:
        """The receive window is closed because the application does not read."""
        return self.setting == ZERO_WINDOW

    @property
    def timestamps(self) -> bool:
        """The connection uses timestamps."""
        return TIMESTAMPS in self.setting

    @property
    def listening(self) -> bool:
        """Somebody listens on the port when the segment arrives."""
        return LISTENING in self.setting or (self.state, self.route) in ((LISTEN, None), (SYN_RECEIVED, PASSIVE))


def ack_positions(state: State, flags: Flags) -> tuple[str | None, ...]:
    """Return the acknowledgments that make a difference in a state."""
    if not flags & ACK or state in (CLOSED, LISTEN):
        return (None,)
    if state is SYN_SENT:
        return EARLY_ACKS
    if flags & RST:
        return (None,)
    if state is SYN_RECEIVED:
        return EARLY_ACKS
    return (*LATER_ACKS, "acks_fin") if state in FIN_OUTSTANDING else LATER_ACKS


def good_ack(state: State) -> str:
    """Return the position that a peer in good order would acknowledge."""
    if state in (SYN_SENT, SYN_RECEIVED):
        return "good"
    return "acks_fin" if state in FIN_OUTSTANDING else "dup"


@cache
def segment_cells() -> tuple[Cell, ...]:
    """Return every segment cell: the ordinary grid, then zero windows, then TIME-WAIT with timestamps."""
    cells = [cell for state, route in PLACES for cell in _of_place(state, route)]
    return (*cells, *_zero_window_cells(), *_time_wait_cells(), *_reset_cells())


@cache
def by_id() -> dict[str, Cell]:
    """Return the segment cells by their names."""
    return {cell.id: cell for cell in segment_cells()}


def _of_place(state: State, route: str | None) -> Iterator[Cell]:
    for flags in FLAGS:
        for (seq, payload), ack in product(_places_of_sequence(state), ack_positions(state, flags)):
            yield Cell(state, route, flags, seq, ack, payload)
    for flags in EXTRA_FLAGS:
        acks = ack_positions(state, flags)
        ack = good_ack(state) if acks != (None,) else None
        for payload in (NONE, DATA):
            yield Cell(state, route, flags, None if state in UNNUMBERED else "exact", ack, payload)
    if state in SYNCHRONIZED:
        for flags, payload in product((ACK, FIN | ACK), (NONE, DATA)):
            yield Cell(state, route, flags, "exact", FAR_OLD, payload)


def _places_of_sequence(state: State) -> list[tuple[str | None, str]]:
    if state in UNNUMBERED:
        return [(None, NONE), (None, DATA)]
    return [(seq, payload) for seq in SEQ_POSITIONS for payload in (NONE, DATA) if (seq, payload) != ("overlap", NONE)]


def _reset_cells() -> Iterator[Cell]:
    """Yield resets with each other acknowledgment, in the ordinary setting and with data in flight."""
    for state, route in PLACES:
        if state in UNNUMBERED:
            continue
        acks = list(RESET_ACKS_EARLY if state is SYN_RECEIVED else RESET_ACKS)
        # Where everything is acknowledged SND.UNA is SND.NXT, and no other acknowledgment.
        acks = [ack for ack in acks if ack != "dup" or state in FIN_OUTSTANDING]
        for seq, ack in product(RESET_SEQS, acks):
            yield Cell(state, route, RST | ACK, seq, ack)
    for state, seq, number in product((ESTABLISHED, CLOSE_WAIT), RESET_SEQS, (*RESET_ACKS, "between", None)):
        yield Cell(state, None, RST | ACK, seq, number, NONE, IN_FLIGHT)


def _zero_window_cells() -> Iterator[Cell]:
    for state, route in _ZERO_WINDOW_PLACES:
        for flags, seq, payload in product(FLAGS, ("left1", "exact", "inside"), (NONE, DATA)):
            acks = ack_positions(state, flags)
            for ack in (None,) if acks == (None,) else dict.fromkeys(("dup", good_ack(state))):
                yield Cell(state, route, flags, seq, ack, payload, ZERO_WINDOW)
        yield Cell(state, route, ACK | URG, "exact", good_ack(state), DATA, ZERO_WINDOW)


def _time_wait_cells() -> Iterator[Cell]:
    for setting in (TIMESTAMPS, STAMPED_LISTENING):
        for seq, tsval in product(("left1", "exact", "inside", "far"), TSVALS):
            yield Cell(TIME_WAIT, None, SYN, seq, None, NONE, setting, tsval)
    for seq, tsval in product(("left1", "exact", "inside", "far"), ("absent", "newer")):
        yield Cell(TIME_WAIT, None, SYN, seq, None, NONE, LISTENING, tsval)
