"""What comes behind every conversation: everything is carried to an orderly end, and all serves again.

1. Each connection that is still there is accepted, read, closed by both sides, and whatever is missing is repeated,
   until both streams are complete and both FINs acknowledged.
2. Each listener takes a new connection.
3. After 2 MSL the same pair works again, passively where somebody listens and actively elsewhere, then silence: what is
   left of the old connection would show now. In real time this takes too long, and is left out.
"""

from harness.case.timers import Waits
from harness.case.violation import Code
from harness.explore.application import UNSPECIFIED, End
from harness.explore.link import Link
from harness.explore.plan import moves
from harness.explore.talk import AWAIT_S, Talk
from harness.fuzz.steps import Position, Probe
from harness.spec.history.answers import Answer
from harness.spec.history.world import World
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    SYNCHRONIZED,
    TIME_WAIT,
)

#: So many rounds without progress, with a long wait in each, and a connection has not come to its end.
STALLED = 8
#: With progress in each, nobody waits for the end of more: a gap of five megaoctets, filled segment by segment.
ROUNDS = 4000
#: At most so many octets are repeated in one segment.
CHUNK = 1400
#: RECEIVE takes so much at once.
READ = 1 << 20
#: The longest silence behind it all, in seconds: keep-alives apart, no timer is longer (RFC 9293 §3.8.3: R2).
STILL_S = 700.0
_ACCEPTABLE_END = "the connection closed in order by both sides, with all that was sent"
_END_CITES = ("RFC 9293 §3.6", "RFC 9293 §3.8.1", "RFC 9293 §3.10.4")


def epilogue(talk: Talk, *, patient: bool) -> Waits:
    """Play it all; `patient` in virtual time, where 2 MSL cost nothing."""
    talk.conversation.step_name = "epilogue"
    talk.ending = True
    old = list(talk.links.values())
    for link in old:
        link.any_address = False  # accept() is called from now on where the link's own requests go
        yield from carry(talk, link)
    while talk.remains:
        talk.remains.pop().demand(talk.refusals.refuse)
    for end in list(talk.application.listeners):
        yield from _another(talk, end)
    if not patient:
        return
    yield from talk.let_pass(talk.traits.two_msl_s[1] + 1)
    for link in old:
        if link.number in talk.links and link.history.every(lambda world: world.over):
            yield from again(talk, link)
    yield from talk.let_pass(STILL_S)


def carry(talk: Talk, link: Link) -> Waits:
    """Bring one connection to its orderly end; a violation if it does not come to it."""
    link.losing = 0
    stalled, last = 0, None
    for _round in range(ROUNDS):
        if _is_at_its_end(link) or stalled == STALLED:
            break
        _serve(talk, link)
        if _is_at_its_end(link):
            break
        before = _standing(link)
        stalled, last = stalled if before == last else 0, before  # time brings something, too
        _answer(talk, link)
        if _is_at_its_end(link):
            break
        stalled = stalled + 1 if _standing(link) == before else 0
        if stalled > 1:
            yield from talk.let_pass(AWAIT_S, link)
    else:
        link.history.lost = True
    _demand_end(talk, link)
    if link.app is not None:
        _read_all(talk, link)
        talk.call(link, "close")


def _standing(link: Link) -> object:
    """Return how far the connection has come, as the peer sees it."""
    return link.view.got, link.view.rcv_nxt, link.history.states


def _is_at_its_end(link: Link) -> bool:
    return link.history.lost or link.history.every(_ended)


def _ended(world: World) -> bool:
    read = world.connection.reader_gone or not world.available
    return world.over or (world.state is TIME_WAIT and read)


def _takes_text(world: World) -> bool:
    return not world.fin_in and world.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2)


def _serve(talk: Talk, link: Link) -> None:
    """Do as an application does that wants to be done: accept, read, close."""
    if not link.accepted and talk.application.has_listener(link):
        for _each in range(len(talk.links) + 1):
            if talk.call(link, "accept").error:
                break
    if link.app is None:
        return
    _read_all(talk, link)
    # A handshake under way is left to come to its end first: CLOSE in SYN-SENT would just delete it.
    open_ = link.history.some(lambda world: not world.closing and world.state in (ESTABLISHED, CLOSE_WAIT))
    if link.app is not None and open_:
        talk.call(link, "shutdown")


def _read_all(talk: Talk, link: Link) -> None:
    for _each in range(1000):
        answer = talk.call(link, "recv", READ)
        if answer.error or not answer.data:
            return


def _answer(talk: Talk, link: Link) -> None:
    """Do as the peer's TCP does: acknowledge what came, repeat what is not acknowledged, then the FIN."""
    view = link.view
    states = link.history.states
    if states <= SYNCHRONIZED - {TIME_WAIT} and link.history.every(lambda world: world.connection.rcv_nxt <= view.iss):
        # The peer has forgotten that connection, and would answer whatever comes of it with a reset (RFC 9293 §3.5.1).
        talk.inject(link, Segment(RST, link.history.worlds[0].connection.rcv_nxt, 0, 0))
        return
    if states <= {SYN_SENT, LISTEN}:
        _send(talk, link, SYN | ACK, view.iss, 0)
        return
    if view.peer_fin is not None and link.history.every(_takes_text) and view.rcv_nxt > view.peer_fin:
        view.peer_fin, view.sent_end = None, view.rcv_nxt  # it was refused, and text came in its place
    start = max(view.rcv_nxt, view.iss + 1)
    if states <= {SYN_RECEIVED} and not view.got:
        _send(talk, link, SYN, view.iss, 0, ack=False)
        return
    if view.peer_fin is not None and start <= view.peer_fin:
        octets = min(view.peer_fin - start, CHUNK)
        fin = FIN if start + octets == view.peer_fin else 0
        _send(talk, link, ACK | fin, start, octets)
    elif view.sent_end > start and view.peer_fin is None:
        _send(talk, link, ACK, start, min(view.sent_end - start, CHUNK))
    elif view.peer_fin is None and view.sent_end < view.end_above:
        # What was sent above a gap is to be delivered with what fills it, in its place and once.
        _send(talk, link, ACK, view.sent_end, min(view.end_above - view.sent_end, CHUNK))
    elif view.peer_fin is None:
        _send(talk, link, FIN | ACK, view.sent_end, 0)
    else:
        _send(talk, link, ACK, view.sent_end, 0)


def _send(talk: Talk, link: Link, flags: int, seq: int, octets: int, *, ack: bool = True) -> None:
    view = link.view
    position = Position("i", seq - view.iss)
    probe = Probe(type(ACK)(flags), position, Position("r") if ack else None, octets)
    talk.inject(link, view.segment(probe))


def _demand_end(talk: Talk, link: Link) -> None:
    if link.history.lost:
        return
    if not link.history.every(_ended):
        worlds = link.history.worlds
        seen = f"it is in {' or '.join(sorted(link.history.states))}"
        # Whoever has closed the listener has closed what it had not accepted.
        forsaken = not link.accepted and not talk.application.has_listener(link)
        alive = any(not world.over and (world.connection.reader_gone or forsaken) for world in worlds)
        if alive or link.app is not None:
            talk.refusals.refuse(link, Code.WRONG_STATE, _ACCEPTABLE_END, seen, _END_CITES)
        return


def _another(talk: Talk, end: End) -> Waits:
    """Demand that a listener takes a new connection, and serves it."""
    number = max(talk.all_links) + 1
    first = talk.all_links[min(talk.all_links)]
    here = first.connection.tuple4
    elsewhere = end[1] not in (here.address, UNSPECIFIED[here.version])
    place = "other-ip" if (":" in end[1]) != (here.version == 6) else "address"
    if here.port != end[0] or (not elsewhere and talk.application.end_of(first) != end):
        return
    link = talk.link(number, ("same-port", place) if elsewhere else ("same-port",))
    if talk.application.end_of(link) == end:
        yield from serve_once(talk, link)


def serve_once(talk: Talk, link: Link) -> Waits:
    """Demand that the link's listener takes a connection: handshake, text both ways, close."""
    if talk.application.is_crowded(talk.application.end_of(link)):  # with what has ended there: it gives its place back
        while not talk.call(link, "accept").error:
            pass
    for move in moves("S@i A@p,r A@p,r/4"):
        yield from talk.make(link, move)
    answer = Answer() if link.accepted else talk.call(link, "accept")  # a call that waited may have it already
    while not answer.error and not link.accepted:
        answer = talk.call(link, "accept")  # others, ended ones among them, may stand before it
    if answer.error:
        talk.refusals.refuse(
            link, Code.WRONG_ANSWER, "the new connection to be accepted", answer.error, ("RFC 9293 §3.9.1.1", "MUST-42")
        )
    for move in moves("recv:100 send:4 A@p,r"):
        yield from talk.make(link, move)
    yield from carry(talk, link)


def again(talk: Talk, link: Link) -> Waits:
    """Demand that the same pair works again, with nothing left of the connection before."""
    link.renew()
    if talk.application.has_listener(link):
        yield from serve_once(talk, link)
        return
    for move in moves("connect SA@i,r A@p,r/4 recv:100 send:4 A@p,r"):
        yield from talk.make(link, move)
    yield from carry(talk, link)
