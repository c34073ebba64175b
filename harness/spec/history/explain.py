"""What the target sends: the segments that a world allows, and what each of them leaves to be done."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.spec import options, seqno
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.world import SEVERAL, Fate, World, text
from harness.spec.reaction import Outgoing
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment, flag_names
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECEIVED,
    SYN_SENT,
    SYNCHRONIZED,
)
from harness.spec.values import replace

#: States in which text or a FIN may be under way.
SENDING = frozenset({ESTABLISHED, CLOSE_WAIT, FIN_WAIT_1, CLOSING, LAST_ACK})
#: So much text fits a segment of any connection.
SMALL = 400
#: Into so many pieces a sender may cut it.
FEW = 4
#: A window probe may carry so much beyond the window (§3.8.6.1).
PROBE = 1
#: What comes sooner at a closed window is no probe of it, but text that does not heed it.
PROBED_AFTER_NS = 100_000_000


@dataclass(frozen=True)
class Open:
    """A world on its way through the target's segments: what is still owed, and what acknowledgments may come."""

    world: World
    owed: tuple[Outgoing, ...] = ()
    deferrable: bool = False
    low_ack: int = 0
    cites: tuple[str, ...] = ()
    rule: str = ""
    spare: bool = False
    #: The world behind the reset that is owed, as long as that has not come.
    reset: World | None = None


def explain(at: Open, sent: Segment, raw_seq: int, now: int, salt: int = 0) -> Open:
    """Return what is left when the target has sent this segment; raises Fall. `raw_seq` is its number on the wire."""
    if sent.flags & RST:
        return _reset(at, sent, raw_seq)
    if sent.flags & SYN:
        return _syn(at, sent, now)
    if at.world.state not in SYNCHRONIZED:
        return _acknowledgment(at, sent, now)
    if sent.payload or sent.flags & FIN:
        return _stream(at, sent, now, salt)
    return _acknowledgment(at, sent, now)


def unmet(at: Open) -> Outgoing | None:
    """Return what was owed at once and has not come."""
    return at.owed[0] if at.owed and not at.deferrable else None


def _fall(at: Open, code: Broken, sent: Segment, due: str = "", *cites: str, rule: str = "") -> Fall:
    due = due or " and ".join(map(str, at.owed)) or "nothing"
    return Fall(code, due, sent.notation(), cites or at.cites or ("RFC 9293 §3.10.7",), rule or at.rule)


def _reset(at: Open, sent: Segment, raw_seq: int) -> Open:
    for index, due in enumerate(at.owed):
        if due.flags & RST and (_same(due, sent, raw_seq) or _aborts(at, due, sent)):
            left = replace(at, owed=at.owed[:index] + at.owed[index + 1 :])
            return left if at.reset is None else replace(left, world=at.reset, reset=None)
    if not any(due.flags & RST for due in at.owed):
        if at.world.fate in (Fate.TIMED_OUT, Fate.DROPPED, Fate.UNREACHABLE):
            return at  # who gives up may say so
        if at.world.fate is Fate.FORGOTTEN and not at.rule:
            return at  # the same, of a request
        raise _fall(at, Broken.RESET, sent)
    alike = any(due.flags & ACK and due.seq == seqno.add(sent.seq, 0) for due in at.owed)
    what = f"{at.owed[0]} (0 on the wire, where it is {raw_seq})" if alike and raw_seq else ""
    raise _fall(at, Broken.WRONG_SEQ, sent, what)


def _same(due: Outgoing, sent: Segment, raw_seq: int) -> bool:
    if (sent.flags ^ due.flags) & ~(PSH | (ACK if due.flags == RST and due.ack is not None else 0)):
        return False
    if sent.payload and not sent.flags & RST:  # a reset may say why (§3.5.3)
        return False
    absolute = due.flags & RST and due.flags & ACK  # the zero of <SEQ=0><CTL=RST,ACK> is one on the wire
    if due.seq is not None and due.seq != (raw_seq if absolute else seqno.add(sent.seq, 0)):
        return False
    return not sent.flags & ACK or due.ack is None or due.ack == seqno.add(sent.ack, 0)


def _aborts(at: Open, due: Outgoing, sent: Segment) -> bool:
    """Tell whether this is the reset of ABORT, at SND.NXT (§3.10.5), or one like it that a segment has provoked.

    Where nothing has had a number yet there are no SND.NXT and RCV.NXT that a reset could have.
    """
    if at.rule.startswith(("closed/", "listen/")) and not at.world.connection.snd_nxt:
        return False
    if at.reset is not None:
        due = replace(due, ack=at.world.connection.rcv_nxt)
    if not at.rule or at.reset is not None:
        return any(_same(replace(due, seq=seq), sent, 0) for seq in _next_numbers(at.world))
    bare = due.flags == RST and due.seq == at.world.connection.snd_nxt
    return bare and _same(replace(due, ack=at.world.connection.rcv_nxt), sent, 0)


def _next_numbers(world: World) -> frozenset[int]:
    """Return what may stand for SND.NXT: it need not count the octet of a probe beyond the window.

    A peer that has not taken it would refuse what lies behind it.
    """
    connection = world.connection
    edge = seqno.add(connection.snd_una, connection.snd_wnd)
    probed = connection.snd_nxt == seqno.add(edge, PROBE)
    return frozenset({connection.snd_nxt, edge} if probed else {connection.snd_nxt})


def _syn(at: Open, sent: Segment, now: int) -> Open:
    world = at.world
    flags = sent.flags & ~(PSH | 0xC0)
    expected = {SYN_SENT: SYN, SYN_RECEIVED: SYN | ACK}.get(world.state)
    if world.state in (FIN_WAIT_1, CLOSING) and world.connection.snd_una == world.connection.iss:
        expected = SYN | ACK  # CLOSE in SYN-RECEIVED (§3.10.4): the SYN is still to be acknowledged
    if flags != expected or sent.seq != 0:
        raise _fall(at, Broken.EXTRA if expected is None else Broken.WRONG_FLAGS, sent)
    if flags & ACK and seqno.add(sent.ack, 0) != world.connection.rcv_nxt:
        raise _fall(at, Broken.WRONG_ACK, sent, f"<ACK={world.connection.rcv_nxt}>", "RFC 9293 §3.10.7.2 third")
    owed = [due for due in at.owed if not due.flags & SYN]
    first = len(owed) < len(at.owed)
    if flags & ACK and not first:
        owed = [due for due in owed if due.flags != ACK]  # it carries the acknowledgment (MUST-58)
    world = _shown(world, sent)
    interval = 0 if first else now - world.waiting_since
    world = replace(world, waiting_since=now, tries=world.tries + (not first), interval=interval)
    return replace(at, world=world, owed=tuple(owed))


def _shown(world: World, syn: Segment) -> World:
    """Take in what the target's own SYN offers."""
    try:
        shift, stamps = options.window_scale_of(syn.options), options.timestamps_of(syn.options) is not None
    except options.MalformedOptions:
        shift, stamps = None, False
    if world.state is SYN_SENT:
        connection = replace(world.connection, rcv_wnd=syn.window)
        return replace(world, connection=connection, own_shift=shift, own_stamps=stamps)
    edge = seqno.add(world.connection.rcv_nxt, syn.window)
    if seqno.lt(edge, world.shown_edge) and world.shown_edge:
        edge = world.shown_edge
    connection = replace(world.connection, rcv_wnd=seqno.diff(edge, world.connection.rcv_nxt))
    acked = connection.rcv_nxt
    return replace(world, connection=connection, own_shift=shift, own_stamps=stamps, shown_edge=edge, acked=acked)


def _stream(at: Open, sent: Segment, now: int, salt: int) -> Open:
    """Text or FIN: new, or again."""
    world, connection = at.world, at.world.connection
    if world.state not in SENDING:
        return _probe_or_fall(at, sent, now)
    seq, fin = seqno.add(sent.seq, 0), bool(sent.flags & FIN)
    end_of_data = seqno.add(seq, len(sent.payload))
    end = seqno.add(end_of_data, fin)
    if not sent.flags & ACK:
        raise _fall(at, Broken.WRONG_FLAGS, sent, "an acknowledgment in every segment", "RFC 9293 §3.10.7.4 fifth")
    if seqno.lt(seq, 1) and not fin and len(sent.payload) <= PROBE:
        return _probe_or_fall(at, sent, now)
    if seqno.lt(connection.snd_nxt, seq) or seqno.lt(seq, 1):
        raise _fall(at, Broken.WRONG_SEQ, sent, f"<SEQ={connection.snd_nxt}> at most", "RFC 9293 §3.4")
    if seqno.lt(world.end_of_text, end_of_data):
        if len(sent.payload) <= PROBE and seqno.lt(seq, connection.snd_nxt):
            return _probe_or_fall(at, sent, now)
        raise _fall(at, Broken.WRONG_DATA, sent, f"text up to {world.end_of_text - 1} only", "RFC 9293 §3.10.2")
    if fin and (not world.closing or end_of_data != world.end_of_text):
        raise _fall(at, Broken.WRONG_FLAGS, sent, "no FIN before the end of the stream", "RFC 9293 §3.10.4")
    if sent.payload != text(seq, len(sent.payload), salt):
        keep_alive = len(sent.payload) <= PROBE and seqno.leq(end, connection.snd_una)
        if not keep_alive:
            raise _fall(at, Broken.WRONG_DATA, sent, "what the application has sent", "RFC 9293 §3.8.1")
    if seqno.leq(end, connection.snd_una) and not len(sent.payload) <= PROBE:
        raise _fall(at, Broken.EXTRA, sent, f"nothing below {connection.snd_una}", "RFC 9293 §3.10.7.4 fifth")
    if world.keep_alive and end == connection.snd_una == connection.snd_nxt and not fin:
        return _probe_or_fall(at, sent, now)
    # The window counts octets of text, so that a FIN behind them may go along (register: fin-behind-the-window).
    probe = fin or len(sent.payload) <= PROBE or seqno.leq(end, connection.snd_nxt)
    limit = seqno.add(world.send_edge, PROBE if probe else 0)
    if seqno.lt(limit, end) and not _probes(world, seq, now):
        raise _fall(at, Broken.EXTRA, sent, f"nothing beyond the window, {limit}", "RFC 9293 §3.8.6", "RFC 9293 §3.4")
    _not_silly(at, sent, seq, end)
    _pushed(at, sent, end)
    return _sent_on(at, sent, end, now)


def _probes(world: World, seq: int, now: int) -> bool:
    """Tell whether this asks for a closed window: with one octet *at least* (§3.8.6.1), and not at once."""
    connection = world.connection
    waited = now - world.waiting_since >= PROBED_AFTER_NS
    return waited and seq == connection.snd_una and connection.snd_wnd == 0


def _not_silly(at: Open, sent: Segment, seq: int, end: int) -> None:
    """Refuse a small part of what fits, and of what a small segment could hold, when nothing is under way.

    Who cuts it in a few pieces may send them all at once (Linux halves the largest window that it has seen). A window
    that came behind a gap counts at once, or when the gap is filled and the segment that was held is processed.
    """
    world, connection = at.world, at.world.connection
    if not seqno.lt(connection.snd_nxt, end) or seqno.lt(connection.rcv_nxt, world.window_seq):
        return
    usable = seqno.diff(seqno.add(connection.snd_una, connection.snd_wnd), seq)
    rest = seqno.diff(world.end_of_text, seq)
    idle = seq == connection.snd_nxt == connection.snd_una
    if idle and len(sent.payload) * FEW < rest <= min(usable, SMALL):
        cites = ("RFC 9293 §3.8.6.2.1", "MUST-38")
        raise Fall(Broken.WRONG_DATA, f"all {rest} octets, which fit", sent.notation(), cites, "silly-window")


def _pushed(at: Open, sent: Segment, end: int) -> None:
    """Refuse the last of the text without PSH; a FIN says as much, and what asks for a window is no such segment."""
    world, connection = at.world, at.world.connection
    asks = not connection.snd_wnd or seqno.leq(end, connection.snd_una)
    if end == world.end_of_text and not asks and not sent.flags & (PSH | FIN):
        cites = ("RFC 9293 §3.9.1.2", "MUST-61")
        raise Fall(Broken.WRONG_FLAGS, "PSH: no more waits to be sent", sent.notation(), cites, "push")


def _sent_on(at: Open, sent: Segment, end: int, now: int) -> Open:
    world, connection = at.world, at.world.connection
    at = _carries_ack(at, sent)
    new = seqno.lt(connection.snd_nxt, end)
    state = connection.state
    fin_sent = connection.fin_sent or bool(sent.flags & FIN)
    if fin_sent and state is CLOSE_WAIT:
        state = LAST_ACK
    idle = not world.unacknowledged
    # What the timer sends again begins with the earliest segment (RFC 6298 §5.4); other parts may come besides.
    front = not new and not seqno.lt(connection.snd_una, seqno.add(sent.seq, 0))
    waited = world.waited + now - world.waiting_since
    # What a window lets out as it opens tells nothing of the timer, which probes may have backed off (RFC 6298 §5.5).
    backed_off = world.tries or now - world.waiting_since < PROBED_AFTER_NS
    moved = replace(connection, snd_nxt=end if new else connection.snd_nxt, fin_sent=fin_sent, state=state)
    return replace(
        at,
        world=replace(
            at.world,
            connection=replace(moved, rcv_wnd=at.world.connection.rcv_wnd),
            waiting_since=now if front or idle else world.waiting_since,
            tries=world.tries + front,
            # A fast retransmit comes in the midst of an RTO that was backed off, and leaves it (RFC 5681 §3.2).
            interval=max(world.interval if backed_off else 0, waited) if front else world.interval,
            waited=0 if front or idle else world.waited,
        ),
    )


def _probe_or_fall(at: Open, sent: Segment, now: int) -> Open:
    """An octet that was acknowledged already: a keep-alive (§3.8.4), or a probe (§3.8.6.1: "or retransmit")."""
    world, connection = at.world, at.world.connection
    seq = seqno.add(sent.seq, 0)
    shut = world.outstanding and not connection.snd_wnd
    before = {seqno.add(connection.snd_nxt, -1), seqno.add(connection.snd_una if shut else connection.snd_nxt, -1)}
    old = seq in before and not sent.flags & FIN and len(sent.payload) <= PROBE
    if old and world.state in SENDING | {FIN_WAIT_2}:
        return _probed(_carries_ack(_asked_for(at, sent, now), sent), now)
    raise _fall(at, Broken.EXTRA, sent)


def _acknowledgment(at: Open, sent: Segment, now: int) -> Open:
    """A segment that is an ACK and no more."""
    world, connection = at.world, at.world.connection
    # What has left before it in the same step has moved SND.NXT on.
    for index, due in enumerate(at.owed):
        if due.flags == ACK and any(_same(replace(due, seq=seq), sent, 0) for seq in (due.seq, *_next_numbers(world))):
            left = replace(at, owed=at.owed[:index] + at.owed[index + 1 :])
            return _carries_ack(left, sent)
    if world.state not in SYNCHRONIZED:
        if at.spare and not at.owed and seqno.add(sent.ack, 0) == connection.rcv_nxt:
            return replace(at, spare=False)
        raise _fall(at, _kind(at, sent), sent)
    seq, ack = seqno.add(sent.seq, 0), seqno.add(sent.ack, 0)
    if sent.flags & ~PSH != ACK:
        raise _fall(at, Broken.WRONG_FLAGS, sent)
    between = seqno.lt(at.low_ack, ack) and seqno.lt(ack, connection.rcv_nxt)
    if at.owed and between and seqno.leq(seq, connection.snd_nxt):
        return replace(at, world=replace(world, acked=ack))  # one acknowledgment for each part of what has come
    if ack != connection.rcv_nxt:
        raise _fall(at, Broken.WRONG_ACK, sent, f"<ACK={connection.rcv_nxt}>", *at.cites, rule=at.rule)
    before = {seqno.add(connection.snd_nxt, -1)}
    if world.outstanding and not connection.snd_wnd:
        before.add(seqno.add(connection.snd_una, -1))  # what the peer has taken its window back from is under way
    if seqno.lt(seq, connection.snd_una) and seq not in before:
        raise _fall(at, Broken.WRONG_SEQ, sent, f"<SEQ={connection.snd_nxt}>", "RFC 9293 §3.4")
    if seqno.lt(connection.snd_nxt, seq):
        raise _fall(at, Broken.WRONG_SEQ, sent, f"<SEQ={connection.snd_nxt}>", "RFC 9293 §3.4")
    believable = _may_stand_for_next(world, seq)
    if believable and seq in before and world.state in SENDING | {FIN_WAIT_2}:
        return _probed(_carries_ack(_asked_for(at, sent, now), sent), now)  # a keep-alive, or a probe without an octet
    if believable and (world.ack_by is not None or seqno.lt(world.shown_edge, _edge(world, sent))):
        return _carries_ack(at, sent)
    if at.owed:
        raise _fall(at, Broken.WRONG_SEQ, sent)
    if not believable:
        raise _fall(at, Broken.WRONG_SEQ, sent, f"<SEQ={connection.snd_nxt}>", "RFC 9293 §3.10.7.4 first")
    if at.spare:
        return replace(_carries_ack(at, sent), spare=False)
    raise _fall(at, Broken.EXTRA, sent, "nothing", *at.cites, rule=at.rule)


def _may_stand_for_next(world: World, seq: int) -> bool:
    """Tell whether an acknowledgment may have this number of what is under way (§3.10.7.4: it has SND.NXT).

    Who sends again, asks for a window or sends keep-alives goes back, and a lone octet may have asked for one. Where
    the window was taken back, its edge counts.
    """
    connection = world.connection
    lone = seqno.diff(connection.snd_nxt, connection.snd_una) <= PROBE and not connection.fin_sent
    asked = lone or not connection.snd_wnd
    if world.tries or world.keep_alive or asked:
        return True
    edge = seqno.add(connection.snd_una, connection.snd_wnd)
    return seq in _next_numbers(world) or seqno.lt(edge, connection.snd_nxt) or not world.unacknowledged


def _asked_for(at: Open, sent: Segment, now: int) -> Open:
    """Refuse a keep-alive that the application has not asked for (MUST-25), or not yet (MUST-26).

    One that waits for the peer may probe.
    """
    world = at.world
    if world.keep_alive and not world.asked and now < world.asks_from and not world.outstanding:
        due = f"no keep-alive before {world.keep_alive // 1_000_000_000} s without a sign of the peer"
        raise _fall(at, Broken.EXTRA, sent, due, "RFC 9293 §3.8.4", "MUST-26")
    if world.keep_alive:
        return replace(at, world=replace(world, asked=min(world.asked + 1, SEVERAL)))
    if world.outstanding or at.owed or at.spare or world.ack_by is not None:
        return at
    raise _fall(at, Broken.EXTRA, sent, "nothing: no keep-alives were asked for", "RFC 9293 §3.8.4", "MUST-25")


def _probed(at: Open, now: int) -> Open:
    """Count a probe of a closed window, which waits for the next one."""
    world = at.world
    if world.connection.snd_wnd or not (world.unsent or world.unacknowledged):
        return at
    probed = replace(world, waiting_since=now, tries=world.tries + 1, interval=now - world.waiting_since)
    return replace(at, world=probed)


def _kind(at: Open, sent: Segment) -> Broken:
    if not at.owed:
        return Broken.EXTRA
    return Broken.WRONG_FLAGS if (sent.flags ^ at.owed[0].flags) & ~PSH else Broken.WRONG_ACK


def _edge(world: World, sent: Segment) -> int:
    return seqno.add(sent.ack, sent.window << world.rcv_shift)


def _carries_ack(at: Open, sent: Segment) -> Open:
    """Take in the acknowledgment and the window that every segment carries."""
    world, connection = at.world, at.world.connection
    ack = seqno.add(sent.ack, 0)
    if at.owed and seqno.leq(at.low_ack, ack) and seqno.lt(ack, connection.rcv_nxt):
        return replace(at, world=replace(world, acked=ack))
    if ack != connection.rcv_nxt:
        raise _fall(at, Broken.WRONG_ACK, sent, f"<ACK={connection.rcv_nxt}>", "RFC 9293 §3.4", *at.cites)
    edge = _edge(world, sent)
    unshown = 0
    if seqno.leq(edge, world.shown_edge):
        edge, unshown = world.shown_edge, world.unshown
    owed = tuple(due for due in at.owed if due.flags != ACK or not (sent.payload or sent.flags & FIN))
    connection = replace(connection, rcv_wnd=max(0, seqno.diff(edge, connection.rcv_nxt)))
    shown = replace(
        world,
        shown_edge=edge,
        last_edge=_edge(world, sent),
        unshown=unshown,
        connection=connection,
        ack_by=None,
        acked=ack,
    )
    return replace(at, owed=owed, world=shown)


def named(owed: Sequence[Outgoing]) -> str:
    """Return what is owed in words."""
    return " and ".join(f"<CTL={flag_names(due.flags)}>" if due.seq is None else str(due) for due in owed)
