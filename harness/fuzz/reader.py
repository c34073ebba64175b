"""The third reader: what RFC 9293 §3.10.7, as `harness.spec.arrivals` has it, says where two targets differ.

It also names the step as the grid names its cells, so that what is declared of a target there is known here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from harness.case.policies import policies_in_force
from harness.case.received import Received
from harness.expectations import changes
from harness.fuzz.side import Outcome
from harness.grid import known, observed
from harness.grid.accept import tolerated
from harness.grid.cells import (
    CLOSE,
    DATA,
    FAR_OLD,
    FIN_OUTSTANDING,
    LISTENING,
    NONE,
    PASSIVE,
    SHUTDOWN,
    SIMULTANEOUS,
    TIMESTAMPS,
    UNNUMBERED,
    ZERO_WINDOW,
    Cell,
)
from harness.grid.numbers import FAR
from harness.grid.observed import Observation
from harness.spec import options, seqno
from harness.spec.arrivals import allowed
from harness.spec.connection import Connection, Origin
from harness.spec.policy import Policy
from harness.spec.reaction import Reaction, Reply, select
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Flags, Segment
from harness.spec.states import CLOSED, FIN_WAIT_1, FIN_WAIT_2, LISTEN, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from harness.targets.protocol import Target


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules say about one target in one step.

    `allowed`: it did what the RFC allows; `due` is that in words, `cites` where it stands. `declared` is where the
    grid's expectations of this target say that it does otherwise, "" if they don't.
    """

    cell: Cell
    seen: Observation
    allowed: bool
    due: tuple[str, ...]
    cites: tuple[str, ...]
    rules: tuple[str, ...]
    #: The segment's TSval beside TS.Recent: "older", "equal", "newer" or "absent"; "" where timestamps are not in use.
    stamp: str = ""
    declared: str = ""
    reason: str = ""


def read(outcome: Outcome, target: Target, version: int) -> Reading | None:
    """Read one target's step; None for a call, or where the target shows no states."""
    connection, segment = outcome.before.connection(), outcome.segment
    if connection is None or segment is None or not outcome.state:
        return None
    arrived = replace(segment, seq=seqno.add(segment.seq, 0), ack=seqno.add(segment.ack, 0))
    if connection.state is SYN_SENT:
        connection = replace(connection, rcv_nxt=arrived.seq)  # its numbers begin with this segment, if it has a SYN
    if connection.state in (CLOSED, LISTEN):
        nobodys = seqno.add(arrived.ack, FAR)  # there are no numbers any more that an answer could be taken for
        connection = replace(connection, iss=nobodys, snd_una=nobodys, snd_nxt=nobodys)
    stamp = _tsval(connection.last_tsval, arrived) if connection.last_tsval is not None else ""
    found = allowed(connection, _outside(arrived, connection) if _is_old(arrived, connection, stamp) else arrived)
    policies = policies_in_force(target)
    due = _due(found, policies)
    fitting = [reaction for reaction in due if _fits(reaction, outcome)]
    plain = _without_data(outcome.received)
    seen = Observation(observed.name_of(plain, found, connection, arrived), _state_of(outcome))
    cell = cell_of(connection, arrived)
    chosen = fitting or due
    rule = None if fitting else _declared(cell, seen, target, version)
    return Reading(
        cell,
        seen,
        bool(fitting),
        tuple(dict.fromkeys(f"{reaction.reply} → {reaction.next}" for reaction in due)),
        tuple(dict.fromkeys(cite for reaction in chosen for cite in reaction.cites)),
        tuple(dict.fromkeys(reaction.rule for reaction in chosen)),
        stamp,
        rule.origin if rule else "",
        rule.reason if rule else "",
    )


def _is_old(segment: Segment, connection: Connection, stamp: str) -> bool:
    """Tell whether its timestamp makes a segment unacceptable (RFC 7323 §5.3, R1), which the rules don't know."""
    reopens = connection.state is TIME_WAIT and segment.flags & SYN
    return stamp == "older" and not segment.flags & RST and not reopens and connection.state not in UNNUMBERED


def _outside(segment: Segment, connection: Connection) -> Segment:
    return replace(segment, seq=seqno.add(connection.rcv_nxt, -FAR))


def _due(found: Sequence[Reaction], policies: Collection[Policy]) -> list[Reaction]:
    """Return what breaks no MUST: the demanded reactions, and those of a target that leaves RFC 6191 aside."""
    return list(dict.fromkeys((*select(found, policies), *tolerated(found, policies))))


def _fits(reaction: Reaction, outcome: Outcome) -> bool:
    """Tell whether a target did this. Data that was waiting may come along, and then stands for the acknowledgment."""
    if str(reaction.next) != _state_of(outcome):
        return False
    bare = [each for each in outcome.received if not _carries_data(each, outcome)]
    if observed.fits(reaction, bare) or observed.fits(reaction, _without_data(outcome.received)):
        return True
    return reaction.deferrable and not outcome.received and reaction.reply is Reply.ACK_NEW


def _state_of(outcome: Outcome) -> str:
    """Return the state behind a step; where a connection has gone, the listener that may be left is not its state."""
    gone = outcome.state == LISTEN and outcome.before.state not in (LISTEN, SYN_RECEIVED, CLOSED)
    return str(CLOSED) if gone else outcome.state


def _carries_data(received: Received, outcome: Outcome) -> bool:
    """Tell whether a segment is one of the stream: data, or the FIN behind it."""
    segment = received.segment
    stream = bool(segment.payload) or bool(segment.flags & FIN)
    return stream and not segment.flags & (SYN | RST) and segment.seq >= outcome.before.snd_una


def _without_data(received: Sequence[Received]) -> list[Received]:
    """Return the segments with data reduced to the acknowledgment that it brings."""
    found: list[Received] = []
    for each in received:
        segment = each.segment
        if not segment.flags & (SYN | RST) and (segment.payload or segment.flags & FIN):
            if found:
                continue
            event = replace(each.event, segment=replace(segment, flags=ACK, payload=b""))
            found.append(Received(event, each.wire))
        else:
            found.append(each)
    return found


def _declared(cell: Cell, seen: Observation, target: Target, version: int) -> known.GridRule | None:
    facts = target.facts
    having = changes.history(facts.implementation).standing(facts.version)
    for rule in known.covering(known.bundled(facts.implementation), cell, version, facts.version):
        if rule.scope.holds(having) and rule.pinned(cell) == seen:
            return rule
    return None


# --- the names of the grid -------------------------------------------------------------------------------------------


def cell_of(connection: Connection, segment: Segment) -> Cell:
    """Return the cell of the grid that a step is most like."""
    state = connection.state
    flags = Flags(segment.flags & ~PSH)
    seq = None if state in UNNUMBERED else _seq_position(connection, segment)
    payload = DATA if segment.payload else NONE
    setting, tsval = "", None
    if state is TIME_WAIT and flags == SYN and connection.last_tsval is not None:
        setting = f"{TIMESTAMPS}-{LISTENING}" if connection.listener_open else TIMESTAMPS
        tsval = _tsval(connection.last_tsval, segment)
    elif state is TIME_WAIT and flags == SYN and connection.listener_open:
        setting, tsval = LISTENING, "newer" if options.timestamps_of(segment.options) else "absent"
    elif state not in UNNUMBERED and not connection.rcv_wnd:
        setting = ZERO_WINDOW
    ack = _ack_position(connection, segment)
    if ack == FAR_OLD and (seq != "exact" or flags & SYN):
        ack = "too_old"  # the grid tells them apart at the left edge only
    return Cell(state, _route(connection), flags, seq, ack, payload, setting, tsval)


def _route(connection: Connection) -> str | None:
    if connection.state is SYN_RECEIVED:
        return PASSIVE if connection.origin is Origin.PASSIVE else SIMULTANEOUS
    if connection.state in (FIN_WAIT_1, FIN_WAIT_2):
        return CLOSE if connection.reader_gone else SHUTDOWN
    return None


def _seq_position(connection: Connection, segment: Segment) -> str:
    first, window = seqno.diff(segment.seq, connection.rcv_nxt), connection.rcv_wnd
    end = first + segment.length
    if first < 0:
        if first == -1 and len(segment.payload) <= 1:
            return "left1"
        return "overlap" if end > 0 else "left1" if end == 0 else "far"
    if first == 0:
        return "exact"
    if first < window - 1:
        return "inside"
    return {window - 1: "right_last", window: "right_out"}.get(first, "far")


def _ack_position(connection: Connection, segment: Segment) -> str | None:
    state, ack = connection.state, segment.ack
    if not segment.flags & ACK or state in (CLOSED, LISTEN) or (segment.flags & RST and state is not SYN_SENT):
        return None
    if state in (SYN_SENT, SYN_RECEIVED):
        if not seqno.lt(connection.snd_una, ack):
            return "le_iss"
        return "good" if seqno.leq(ack, connection.snd_nxt) else "unsent"
    if seqno.lt(connection.snd_nxt, ack):
        return "unsent"
    if ack == connection.snd_nxt and state in FIN_OUTSTANDING and connection.fin_sent:
        return "acks_fin"
    behind = seqno.diff(connection.snd_una, ack)
    if behind <= 0:
        return "dup"
    if behind <= connection.max_snd_wnd:
        return "old"
    return "too_old" if behind <= connection.permissible_snd_wnd + connection.max_snd_wnd else FAR_OLD


def _tsval(last: int, segment: Segment) -> str:
    stamps = options.timestamps_of(segment.options)
    if stamps is None:
        return "absent"
    distance = seqno.diff(stamps[0], last)
    return "equal" if not distance else "newer" if distance > 0 else "older"
