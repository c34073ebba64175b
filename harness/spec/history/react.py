"""A segment arrives: the worlds that §3.10.7 leads to from one, and what the target owes in each of them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from harness.spec import options, seqno
from harness.spec.arrivals import Outcome, outcomes
from harness.spec.connection import Connection, Origin
from harness.spec.history.world import Fate, Held, World
from harness.spec.policy import Policy
from harness.spec.reaction import Level, Outgoing, Reaction, Signal
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
    SYNCHRONIZED,
    TIME_WAIT,
)
from harness.spec.values import replace

#: TS.Recent counts no more when nothing has come for 24 days (RFC 7323 §5.5); a clock may be coarse.
OUTDATED_NS = (2_073_000_000_000_000, 2_160_000_000_000_000)
#: Somewhere outside every window.
FAR = 1 << 30
#: So many octets that a scale rounds off are looked at one by one.
FEW = 7
#: What the window field of a segment can say, before scaling.
LARGEST_WINDOW = 65535
_RECEIVING = frozenset({ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2})
_GONE = frozenset({CLOSED, LISTEN})
#: Rules by which an ACK may come, or none at all.
_MAY_BE_ACKNOWLEDGED = frozenset({"other/seventh/gap", "other/first/held-may-ack"})
#: Rules by which text is refused that nobody will read (SHLD-3).
_NO_READER = frozenset(f"other/seventh/no-reader{what}" for what in ("", "-in-sequence", "-to-the-end"))
#: Rules by which the acknowledgment counts of what lies outside a window that is shut (MUST-66).
_IN_A_SHUT_WINDOW = frozenset(f"other/first/zero-window-{what}" for what in ("last-ack", "urgent", "ack"))


@dataclass(frozen=True)
class Step:
    """What an event leads to: a world, what the target must send, and the reaction that says so (None: a call's)."""

    world: World
    owed: tuple[Outgoing, ...] = ()
    reaction: Reaction | None = None
    #: What is owed may wait, as an acknowledgment may (§3.8.6.3).
    deferrable: bool = False
    #: RCV.NXT before: acknowledgments of what lies between may come on the way.
    low_ack: int = 0
    #: An ACK breaks no rule though none is owed: to text or a FIN that draws none, and behind RECEIVE as a window
    #: update. A second one for a segment would (RFC 5681 §4.2).
    spare: bool = False
    #: The strongest of all that may be done instead: only where it is no MUST may what is owed be left out.
    level: Level = Level.MUST
    #: The world behind the reset that is owed; what waits in this one may leave in front of it.
    reset: World | None = None


def arrive(world: World, segment: Segment, now: int, policies: Collection[Policy]) -> list[Step]:
    """Return the steps that are allowed when `segment` arrives; numbers are relative, modulo 2**32."""
    steps: list[Step] = []
    for seen, silent in _stamped(world, segment, now):
        if silent:
            steps.append(Step(world))
            continue
        found = list(_outcomes(world, seen, policies))
        level = max(outcome.reaction.level for outcome in found)
        for outcome in found:
            step = replace(_apply(world, segment, outcome, now), level=level)
            if step.world.state is SYN_RECEIVED and segment.flags & SYN and segment.length > 1:
                # Text and FIN of a SYN may be queued for later (§3.10.7.2 third).
                behind = replace(segment, flags=segment.flags & ~SYN, seq=seqno.add(segment.seq, 1))
                steps.append(replace(step, world=step.world.holds(behind)))
            steps += _with_held(step, now, policies)
            if world.closing and world.state is SYN_RECEIVED and step.world.state is CLOSE_WAIT:
                # CLOSE was queued until now (§3.10.4), and the FIN behind the ACK comes before or after it.
                steps.append(replace(step, world=step.world.with_connection(state=CLOSING)))
            if step.world.fate is Fate.FORGOTTEN and world.before is not None:
                steps.append(replace(step, world=world.before))  # MAY-2 (2)
            if _refuses(outcome):
                steps += _let_out(world, segment, outcome, step, now)
        steps += _meets_a_queued_close(world, seen, now, policies)
    return list(dict.fromkeys(steps))


def _refuses(outcome: Outcome) -> bool:
    """Tell whether this is a reset for text that nobody will read."""
    return bool(_NO_READER.intersection(outcome.reaction.path)) and outcome.reaction.next in _GONE | {TIME_WAIT}


def _let_out(world: World, segment: Segment, outcome: Outcome, refused: Step, now: int) -> Iterator[Step]:
    """Yield the step in which what the segment's ACK and window let out leaves before its text is refused.

    The fifth check comes before the seventh, and such text may be what acknowledges (MUST-58).
    """
    alive = replace(outcome, reaction=replace(outcome.reaction, next=FIN_WAIT_1))
    step = _apply(world, segment, alive, now)
    if step.world.unsent:
        yield replace(step, reset=refused.world, level=Level.MUST)


def _meets_a_queued_close(world: World, segment: Segment, now: int, policies: Collection[Policy]) -> Iterator[Step]:
    """Yield how text is refused that comes with the ACK of our SYN, where CLOSE was queued until then (§3.10.4)."""
    connection = world.connection
    queued = world.closing and connection.reader_gone and world.state is SYN_RECEIVED
    believed = seqno.lt(connection.snd_una, segment.ack) and seqno.leq(segment.ack, connection.snd_nxt)
    if queued and believed and segment.flags & ACK:
        for step in arrive(world.with_connection(state=FIN_WAIT_1), segment, now, policies):
            if step.reaction is not None and _NO_READER.intersection(step.reaction.path):
                yield step


def _outcomes(world: World, segment: Segment, policies: Collection[Policy]) -> Iterator[Outcome]:
    """Yield what the rules lead to, in the window that was shown, and in what it may be otherwise.

    It may have grown since it was shown, was rounded by its scale, or has been taken back in part (SHLD-14).
    """
    record = _record(world, segment)
    yield from outcomes(record, segment, policies)
    beyond = seqno.lt(world.shown_edge, seqno.add(segment.seq, segment.length))
    if beyond and world.state in SYNCHRONIZED and not segment.flags & RST:
        for more in _unseen(world):
            yield from outcomes(replace(record, rcv_wnd=record.rcv_wnd + more), segment, policies)
    less = max(0, seqno.diff(world.last_edge, record.rcv_nxt)) if world.last_edge else record.rcv_wnd
    if less < record.rcv_wnd and seqno.lt(world.last_edge, seqno.add(segment.seq, segment.length)):
        yield from outcomes(replace(record, rcv_wnd=less), segment, policies)


def _unseen(world: World) -> Iterator[int]:
    """Yield by how many octets the window may be larger than was shown: what was read, and what its scale rounds off.

    Of a large scale only the least and the most are asked about.
    """
    rounded = (1 << world.rcv_shift) - 1
    for off in range(rounded + 1) if rounded <= FEW else (0, rounded):
        if world.unshown + off:
            yield world.unshown + off


def _record(world: World, segment: Segment) -> Connection:
    """Return what the rules look at; a connection that is gone leaves its listener, if there is one."""
    connection = world.connection
    if connection.state is CLOSED and connection.listener_open:
        return Connection(LISTEN, listener_open=True, rcv_wnd=connection.rcv_wnd)
    if connection.state is SYN_SENT:
        return replace(connection, rcv_nxt=segment.seq)  # its numbers begin with this segment, if it has a SYN
    if connection.state is TIME_WAIT and world.stamping:
        return replace(connection, last_tsval=world.newest_recent)
    if world.snd_shift:
        return replace(connection, permissible_snd_wnd=LARGEST_WINDOW << world.snd_shift)
    return connection


def _stamped(world: World, segment: Segment, now: int) -> Iterator[tuple[Segment, bool]]:
    """Yield the segment as timestamps let the rules see it, and whether it is dropped in silence (RFC 7323 §5.3)."""
    exempt = not world.stamping or segment.flags & RST or world.state in _GONE | {SYN_SENT}
    if exempt or (world.state is TIME_WAIT and segment.flags & SYN):
        yield segment, False
        return
    stamp = _tsval(segment)
    if stamp is None:
        yield segment, False
        yield segment, True  # RFC 7323 §3.2: a segment without may be dropped
        return
    age = now - world.recent_since
    if seqno.lt(stamp, world.newest_recent) and age < OUTDATED_NS[1]:
        yield replace(segment, seq=seqno.add(world.connection.rcv_nxt, -FAR), payload=segment.payload), False
    if seqno.leq(world.oldest_recent, stamp) or age > OUTDATED_NS[0]:
        yield segment, False


def _tsval(segment: Segment) -> int | None:
    try:
        found = options.timestamps_of(segment.options)
    except options.MalformedOptions:
        return None
    return found[0] if found else None


def _apply(world: World, segment: Segment, outcome: Outcome, now: int) -> Step:
    """Return the world behind one outcome of the rules."""
    reaction, after = outcome.reaction, outcome.connection
    was = world.state
    if reaction.next is SYN_RECEIVED and was not in (SYN_SENT, SYN_RECEIVED):
        return Step(_begun(world, segment, after, now), reaction.segments, reaction)
    low_ack = world.connection.rcv_nxt
    new = replace(world, connection=replace(world.connection, state=reaction.next, rcv_nxt=after.rcv_nxt))
    if was is CLOSED:
        return Step(world, reaction.segments, reaction)
    if was is SYN_SENT and reaction.next is not SYN_SENT:
        new = _offered(new, segment, now)
        low_ack = after.rcv_nxt
        if reaction.next is SYN_RECEIVED:
            new = new.with_connection(syn_text=after.syn_text)
            new = replace(new, waiting_since=now)  # what was repeated on the way counts: R2 is of the whole opening
    elif was is SYN_SENT:
        new = new.with_connection(rcv_nxt=world.connection.rcv_nxt)
    new = _window_left(new, world)
    if outcome.hears_ack and (reaction.next is not CLOSED or was in SYNCHRONIZED):
        new = _acknowledged(new, segment, now, opening=was is SYN_SENT)
    if seqno.lt(world.connection.rcv_nxt, after.rcv_nxt) and (world.fin_in or Signal.CLOSING in reaction.signals):
        new = replace(new, fin_in=world.fin_in + 1)  # behind a FIN only another one moves it
    if any(rule in ("other/seventh/gap", "other/first/held", "other/first/held-may-ack") for rule in reaction.path):
        new = new.holds(segment, after.rcv_wnd) if new.state in _RECEIVING | {SYN_RECEIVED} else new
    if new.before is not None and new.state is not SYN_RECEIVED:
        new = replace(new, before=None)  # no old duplicate: nothing is fallen back to any more
    if new.keep_alive and (outcome.hears_ack or new.connection.rcv_nxt != low_ack):
        new = replace(new, silent_since=now, asked=0, asks_from=now + new.keep_alive * 9 // 10)
    new = _timestamp_taken(new, segment, world, outcome, now)
    new = _moved(new, was, reaction, now)
    spare = segment.length > 0 and not reaction.segments
    # The ACK of a FIN in sequence may wait as that of text may (MUST-40; register: fin-acknowledged-later).
    whole = segment.flags & FIN and after.rcv_nxt == seqno.add(segment.seq, segment.length)
    deferrable = reaction.deferrable or bool(whole and low_ack == segment.seq and was in _RECEIVING | {SYN_RECEIVED})
    deferrable &= not any(due.flags & RST for due in reaction.segments)
    # One that need not come at all may come late as well.
    deferrable |= reaction.level is Level.MAY and reaction.rule in _MAY_BE_ACKNOWLEDGED
    return Step(new, reaction.segments, reaction, deferrable, low_ack, spare)


def _begun(world: World, syn: Segment, after: Connection, now: int) -> World:
    """Return the world in which a SYN has begun a connection anew: numbers of the target count from its next SYN."""
    connection = Connection(
        SYN_RECEIVED,
        Origin.PASSIVE,
        snd_nxt=1,
        snd_wnd=syn.window,
        max_snd_wnd=syn.window,
        rcv_nxt=after.rcv_nxt,
        syn_text=after.syn_text,
        listener_open=world.connection.listener_open,
    )
    before = world if world.state is TIME_WAIT else None
    fresh = World(connection, waiting_since=now, before=before)
    return _offered(fresh, syn, now)


def _offered(world: World, syn: Segment, now: int) -> World:
    """Take in what the peer's SYN says."""
    try:
        shift, stamps = options.window_scale_of(syn.options), options.timestamps_of(syn.options)
    except options.MalformedOptions:
        shift, stamps = None, None
    return replace(
        world,
        irs=syn.seq,
        peer_shift=shift,
        peer_stamps=stamps is not None,
        oldest_recent=stamps[0] if stamps else 0,
        newest_recent=stamps[0] if stamps else 0,
        recent_since=now,
        send_edge=1 + syn.window,
        window_seq=syn.seq,
        window_ack=syn.ack if syn.flags & ACK else 0,
        connection=replace(world.connection, snd_wnd=syn.window, max_snd_wnd=syn.window),
    )


def _window_left(new: World, old: World) -> World:
    """Keep the right edge where it was shown to be; that of an active open's SYN is known with the peer's number."""
    if old.state in _GONE or new.state in (SYN_SENT, CLOSED):
        return new
    if old.state is SYN_SENT:
        return replace(new, shown_edge=seqno.add(new.irs, 1 + old.connection.rcv_wnd))
    return new.with_connection(rcv_wnd=max(0, seqno.diff(new.shown_edge, new.connection.rcv_nxt)))


def _acknowledged(world: World, segment: Segment, now: int, *, opening: bool) -> World:
    """Take in acknowledgment and window (§3.10.7.4 fifth, ESTABLISHED STATE)."""
    connection = world.connection
    progress = seqno.lt(connection.snd_una, segment.ack) and seqno.leq(segment.ack, connection.snd_nxt)
    una = segment.ack if progress else connection.snd_una
    offered = segment.window << (0 if segment.flags & SYN else world.snd_shift)
    believed = seqno.leq(connection.snd_una, segment.ack) and seqno.leq(segment.ack, connection.snd_nxt)
    newer = seqno.lt(world.window_seq, segment.seq) or (
        world.window_seq == segment.seq and seqno.leq(world.window_ack, segment.ack)
    )
    wnd = offered if believed and (newer or opening) else connection.snd_wnd
    edge = seqno.add(una, wnd) if believed and not newer else seqno.add(segment.ack, offered)
    idle = connection.snd_una == connection.snd_nxt
    shut = believed and newer and not offered  # it answers, so that it may keep its window shut (MUST-37)
    opened = wnd and (not connection.snd_wnd or (idle and wnd > connection.snd_wnd))
    turned = opened or (shut and connection.snd_wnd)  # a timer may count from when the window was shut (SHLD-29)
    return replace(
        world,
        connection=replace(connection, snd_una=una, snd_wnd=wnd, max_snd_wnd=max(connection.max_snd_wnd, wnd)),
        send_edge=edge if believed and seqno.lt(world.send_edge, edge) else world.send_edge,
        window_seq=segment.seq if believed and newer else world.window_seq,
        window_ack=segment.ack if believed and newer else world.window_ack,
        waiting_since=now if progress or turned else world.waiting_since,
        told_shut=now if shut else world.told_shut,
        tries=0 if progress or opened or shut else world.tries,
        waited=0 if progress else world.waited + (now - world.waiting_since if turned else 0),
        stuck_since=now if (progress or opened or not wnd) and world.patience else world.stuck_since,
    )


def _timestamp_taken(world: World, segment: Segment, before: World, outcome: Outcome, now: int) -> World:
    """Move TS.Recent where it may be moved (RFC 7323 §4.3)."""
    stamp = _tsval(segment) if before.stamping and not segment.flags & RST else None
    outdated = now - before.recent_since > OUTDATED_NS[0]
    if stamp is None or (seqno.lt(stamp, before.oldest_recent) and not outdated):
        return world
    refused = {"other/first/unacceptable", "other/first/unacceptable-early"}.intersection(outcome.reaction.path)
    if seqno.lt(before.acked, segment.seq) or refused:
        return world  # RFC 7323 §4.3 (2), §5.3 R2
    if seqno.lt(stamp, before.oldest_recent):  # it counts again, but need not be remembered
        return replace(world, oldest_recent=stamp)
    newest = stamp if seqno.lt(before.newest_recent, stamp) else before.newest_recent
    # Last.ACK.sent lies below RCV.NXT while an acknowledgment is delayed; what the checks refuse need not count.
    old_ack = seqno.lt(segment.ack, before.connection.snd_una)
    outside = _IN_A_SHUT_WINDOW.intersection(outcome.reaction.path)  # its ACK counts, but R2 has rejected it
    sure = before.ack_by is None and outcome.hears_ack and not old_ack and not outside
    oldest = stamp if sure else before.oldest_recent
    return replace(world, newest_recent=newest, oldest_recent=oldest, recent_since=now)


def _moved(world: World, was: object, reaction: Reaction, now: int) -> World:
    """Take note of what a change of state brings with it: how it ended, and since when the state's timer runs."""
    if reaction.next in _GONE and was not in _GONE:
        return world.ended(_fate(world, was, reaction))
    if reaction.next is ESTABLISHED and world.closing and was in (SYN_SENT, SYN_RECEIVED):
        return world.with_connection(state=FIN_WAIT_1)  # CLOSE was queued until now (§3.10.4)
    if reaction.restarts_time_wait or (reaction.next is TIME_WAIT and was is not TIME_WAIT):
        return replace(world, time_wait_since=now)
    if reaction.next is FIN_WAIT_2 and was is not FIN_WAIT_2:
        return replace(world, fin_wait_2_since=now)
    return world


def _fate(world: World, was: object, reaction: Reaction) -> Fate:
    if Signal.REFUSED in reaction.signals:
        return Fate.REFUSED
    if Signal.RESET in reaction.signals:
        return Fate.REFUSED if was is SYN_SENT else Fate.RESET
    if was is SYN_RECEIVED:
        return Fate.FORGOTTEN
    if was in (LAST_ACK, CLOSING, TIME_WAIT):
        return Fate.SWEPT if any("second/" in rule for rule in reaction.path) else Fate.ORDERLY
    return Fate.ABORTED  # no reader: a reset of the target's own


def _with_held(step: Step, now: int, policies: Collection[Policy]) -> Iterator[Step]:
    """Yield the step, and those in which text that was held above the gap now follows (SHLD-31)."""
    yield step
    world = step.world
    if not world.held or world.state not in _RECEIVING:
        return
    rcv_nxt = world.connection.rcv_nxt
    for piece in world.held:
        if seqno.lt(rcv_nxt, piece.start) or seqno.leq(piece.end + piece.fin, rcv_nxt):
            continue
        rest = tuple(each for each in world.held if each != piece)
        follow = _piece(piece, world)
        # It was held in the window of then, of which perhaps nothing has been shown yet.
        window = max(world.connection.rcv_wnd, seqno.diff(seqno.add(piece.end, piece.fin), rcv_nxt))
        for outcome in outcomes(replace(world.connection, rcv_wnd=window), follow, policies):
            if outcome.connection.rcv_nxt == rcv_nxt and not _refuses(outcome):
                continue
            more = _apply(replace(world, held=rest), follow, outcome, now)
            if _refuses(outcome):
                yield more
                yield from _let_out(replace(world, held=rest), follow, outcome, more, now)
                continue
            moved = replace(more.world, send_edge=world.send_edge)
            later = more.deferrable and (step.deferrable or not step.owed)  # what is due at once stays due at once
            yield from _with_held(replace(more, world=moved, low_ack=step.low_ack, deferrable=later), now, policies)


def _piece(piece: Held, world: World) -> Segment:
    """Return held text as a segment that acknowledges nothing new."""
    return Segment(
        ACK | (FIN if piece.fin else 0),
        piece.start,
        world.connection.snd_una,
        world.connection.snd_wnd >> world.snd_shift,
        bytes(max(0, piece.end - piece.start)),
    )
