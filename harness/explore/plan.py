"""A plan: the moves of a conversation over several connections, and the compact text that stands for them.

    listen S@i A@p,r accept 2:S@i 2:A@p,r lose:1 send:100 recover FA@p,r close

A word is a step of `harness.fuzz.steps` (a call, or a segment of the peer by positions), or one of the words below. It
is about the first connection unless a number says otherwise (``2:``). A connection begins with the first word about it;
what it is like stands in braces behind that number, ``2{same-port,iss=-3,form=padded}:S@i``:

    same-port  on the port of the first connection, from another port of the peer
    apart=N    from the peer's port that is N above that of the first connection
    peer       from the peer's second address, and the port that the first connection comes from
    turned     with the two ports of the first connection exchanged, which is turned too: its ports are nobody else's
    address    on the target's second address
    other-ip   on the other IP version than the first connection, where the target speaks both
    any-address  whoever listens does so on all addresses of the target
    any-port   whoever connects leaves the choice of its port to the target
    ports=N    the target chooses among so many ports, where it lets that be said
    ip=V       the whole conversation is on this IP version, 4 or 6
    iss=N      the peer's initial sequence number on the wire, modulo 2**32
    form=F     the form of the peer's packets: one of `harness.explore.forms`
    offer=O    options of the peer's SYNs, joined by dots: s SACK, w3 a window scale of 3, t timestamps, m536 an MSS of
               536, m0 no MSS; with t every segment has a timestamp
    delay=MS   the target delays its acknowledgments for so long, where it lets that be chosen
    own-iss=N  the target's initial sequence number, where it lets that be chosen (elsewhere it chooses itself)
    own-tsval=N  likewise its first timestamp
    tsval=N    the first timestamp of the peer
    window=N   the window field of the peer's segments that name none

    lose:K     the next K segments of the target on this connection are lost: the peer does not see them
    recover    the peer does as a TCP does whose segments are lost: repeats, waits for repetitions, acknowledges
    fill       the peer sends text until the target's window is shut, 200 segments at most
    await      time passes until the target sends something, ten minutes at most
    wait:MS    so many milliseconds pass
    clock:MS   time passes until the milliseconds of the target's clock are so many, modulo 2**32
    soft@N, hard@N, quench@N
               an ICMP error comes about the target's segment with the number N: u SND.UNA, n SND.NXT, i its ISS; one
               that may pass by itself, one that says that nobody is there, or Source Quench
    mark       what is compared with the twin begins here, and nothing may come later than in it
    again      the peer sends its last segment again, as it was
    hold       the peer's next segment is long on its way
    late       it arrives, with the numbers that it was sent with
    garbage    the peer asks whether anybody is there, by an octet in front of RCV.NXT that is none of its stream
    piece      a fragment comes of a datagram of the peer that never becomes whole
    fresh      the same two ports from now on, with a new initial sequence number of the peer
    repeat:N   what follows, up to `end`, N times; ``*:`` is about a connection that is another one in each round

    poll, poll-listener, edges, error
               the application asks: for conditions (level) of its socket or its listener, for what has newly come about
               (edge-triggered), for SO_ERROR
    keep-alive:S  keep-alives are sent after so many seconds (SO_KEEPALIVE, TCP_KEEPIDLE); where nothing has been
               accepted the listener is asked
    buffer:N   so many octets are room for what is sent (SO_SNDBUF)
    urgent:N   SEND of urgent text (MSG_OOB)
    peek:N     RECEIVE that leaves the text where it is (MSG_PEEK)
    timeout:MS the user timeout of the connection (TCP_USER_TIMEOUT)
    shut-rd, shut-rdwr
               shutdown(2) of the receiving direction, of both
    begin-connect, begin-accept, begin-recv:N, begin-send:N, begin-close:MS
               a call that waits begins; `begin-close` has so many milliseconds of linger time
"""

import difflib
import functools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.explore.forms import FORMS
from harness.fuzz.steps import LARGEST, USUAL_WINDOW, BadSequence, Call, Position, Probe, parse

#: Words with a number: the least and the greatest.
COUNTED = {"lose": (1, 1000), "wait": (1, 4_000_000_000), "clock": (0, (1 << 32) - 1), "repeat": (1, 5000)}
#: Calls that are about what the application is told, with the bounds of their number: octets, or milliseconds.
TOLD: dict[str, tuple[int, int] | None] = {
    "poll": None,
    "poll-listener": None,
    "edges": None,
    "error": None,
    "shut-rd": None,
    "shut-rdwr": None,
    "begin-connect": None,
    "begin-accept": None,
    "begin-recv": (1, LARGEST["recv"]),
    "begin-send": (1, LARGEST["send"]),
    "begin-close": (1, 3_600_000),
    "buffer": (1, 1 << 20),
    "peek": (1, LARGEST["recv"]),
    "urgent": (1, LARGEST["send"]),
    "timeout": (1, 3_600_000),
    "keep-alive": (1, 32_767),
}
BARE = ("recover", "await", "fill", "again", "hold", "late", "fresh", "garbage", "piece", "mark", "end")
REPEAT, END = "repeat", "end"
#: The number of a connection that is another one in each round, and what stands for it.
EACH, EACH_SIGN = 0, "*"
_LINK = re.compile(r"(?:(\d{1,4}|\*)(?:\{([^}]*)\})?:)?(.+)", re.DOTALL)
#: What a connection may be like, besides the default.
TRAITS = (
    *("same-port", "apart", "peer", "turned", "address", "other-ip", "any-address", "any-port", "ports"),
    *("ip", "iss", "form", "offer", "window", "tsval", "own-iss", "own-tsval", "delay"),
)
#: Those without a value.
BARE_TRAITS = ("same-port", "peer", "turned", "address", "other-ip", "any-address", "any-port")
_OFFER = re.compile(r"s|t|w\d{1,3}|m\d{1,4}")
_NUMBER = re.compile(r"-?\d{1,10}")
#: An ICMP error, and a number of the target.
_ERROR = re.compile(r"(soft|hard|quench)@([nuir])([+-]\d{1,10})?")


@dataclass(frozen=True, slots=True)
class Special:
    """A word that is neither a call nor a segment."""

    name: str
    amount: int = 0
    #: Of an ICMP error: the number that it quotes.
    position: Position | None = None

    def __str__(self) -> str:
        if self.position is not None:
            return f"{self.name}@{self.position}"
        return f"{self.name}:{self.amount}" if self.name in COUNTED else self.name


@dataclass(frozen=True, slots=True)
class Move:
    """One word: about which connection, what, and (in a connection's first word) what that is like."""

    step: Call | Probe | Special
    link: int = 1
    like: tuple[str, ...] = ()

    def __str__(self) -> str:
        like = f"{{{','.join(self.like)}}}" if self.like else ""
        link = self.link if self.link != EACH else EACH_SIGN
        return f"{link}{like}:{self.step}" if self.link != 1 or like else str(self.step)


Plan = tuple[Move, ...]


def text_of(plan: Iterable[Move]) -> str:
    """Return the text of a plan."""
    return " ".join(map(str, plan))


def with_traits(plan: Plan, traits: Sequence[str], number: int = 1) -> Plan:
    """Return the plan with a connection that is like that, too; without the connection as it is."""
    at = next((at for at, move in enumerate(plan) if move.link == number), None)
    if at is None or not traits:
        return plan
    return (*plan[:at], replace(plan[at], like=(*plan[at].like, *traits)), *plan[at + 1 :])


def without_traits(plan: Plan, names: Collection[str]) -> Plan:
    """Return the plan without traits of these names."""
    return tuple(
        replace(move, like=tuple(each for each in move.like if each.partition("=")[0] not in names))
        if move.like
        else move
        for move in plan
    )


def ip_of(plan: Plan) -> int:
    """Return the IP version that a plan asks for, 0 if it leaves that open."""
    return next((int(each[3:]) for move in plan for each in move.like if each.startswith("ip=")), 0)


def unrolled(plan: Plan) -> Iterator[tuple[int, Move]]:
    """Yield the moves with their places in the plan, those of a repetition in each of its rounds.

    A repetition goes to its `end`, to the next one, or to the plan's end.
    """
    number, at = max((move.link for move in plan), default=0), 0
    while at < len(plan):
        step = plan[at].step
        end, rounds = at + 1, 1
        if isinstance(step, Special) and step.name == REPEAT:
            inside = (there for there in range(end, len(plan)) if _name(plan[there]) in (REPEAT, END))
            end, rounds, at = next(inside, len(plan)), step.amount, at + 1
        for _round in range(rounds):
            number += any(move.link == EACH for move in plan[at:end])
            for there in range(at, end):
                move = plan[there]
                if _name(move) != END:
                    yield there, move if move.link != EACH else Move(move.step, number, move.like)
        at = end


def _name(move: Move) -> str:
    return move.step.name if isinstance(move.step, Special) else ""


def moves(text: str) -> Plan:
    """Read a plan; raises BadSequence with the word that is none."""
    if not text.split():
        raise BadSequence("a plan has one word at least, such as: listen S@i A@p,r")
    return tuple(_words(text))


def _words(text: str) -> Iterator[Move]:
    known: set[int] = set()
    for word in text.split():
        move = _move(word)
        if move.like and move.link in known:
            raise BadSequence(f"{word!r}: what a connection is like stands with its first word")
        known.add(move.link)
        if _name(move) == REPEAT:
            known.discard(EACH)
        yield move


@functools.lru_cache(maxsize=1 << 14)  # the words of all conversations are a few thousand
def _move(word: str) -> Move:
    """Read one word; raises BadSequence."""
    match = _LINK.fullmatch(word)
    assert match is not None
    prefix, like, rest = match.groups()
    if prefix is not None and "@" not in rest and not rest[0].isalpha():
        raise BadSequence(f"{word!r} is no word of a plan")
    if prefix is None and re.fullmatch(r"\d+", word.partition(":")[0]):
        raise BadSequence(f"{word!r} is no word of a plan")
    link = EACH if prefix == EACH_SIGN else int(prefix or 1)
    if link < 1 and prefix != EACH_SIGN:
        raise BadSequence(f"{word!r}: connections are counted from 1")
    traits = tuple(each for each in (like or "").split(",") if each)
    for trait in traits:
        _check(trait, word)
    return Move(_step(rest, word), link, traits)


def _check(trait: str, word: str) -> None:
    """Refuse what a connection can't be like; raises BadSequence."""
    name, equals, value = trait.partition("=")
    if name not in TRAITS:
        raise BadSequence(f"{word!r}: {trait!r} is none of {', '.join(TRAITS)}")
    if (name in BARE_TRAITS) == bool(equals):
        raise BadSequence(f"{word!r}: {name} {'takes no value' if equals else 'takes a value, as in ' + name + '=1'}")
    if name == "form" and value not in FORMS:
        raise BadSequence(f"{word!r}: {value!r} is no form; forms are {', '.join(FORMS)}")
    if name == "offer" and not all(map(_OFFER.fullmatch, value.split("."))):
        raise BadSequence(f"{word!r}: {value!r} is no offer; one looks like s.w3.t")
    if name not in {*BARE_TRAITS, "form", "offer"} and not _NUMBER.fullmatch(value):
        raise BadSequence(f"{word!r}: {name} takes a number, not {value!r}")
    if name == "ip" and value not in ("4", "6"):
        raise BadSequence(f"{word!r}: an IP version is 4 or 6")
    if name == "window" and not 0 <= int(value) <= USUAL_WINDOW:
        raise BadSequence(f"{word!r}: a window is at most {USUAL_WINDOW}")


def _step(rest: str, word: str) -> Call | Probe | Special:
    if error := _ERROR.fullmatch(rest):
        name, base, offset = error.groups()
        return Special(name, position=Position(base, int(offset or 0)))
    name, colon, amount = rest.partition(":")
    if name in BARE:
        if colon:
            raise BadSequence(f"{word!r}: {name} takes no number")
        return Special(name)
    if name in COUNTED:
        least, most = COUNTED[name]
        if not amount.isdecimal() or not least <= int(amount) <= most:
            raise BadSequence(f"{word!r}: {name} takes a number from {least} to {most}: {name}:{least}")
        return Special(name, int(amount))
    if name in TOLD:
        return _told(name, amount if colon else None, word)
    try:
        return parse(rest)[0]
    except BadSequence as error:
        near = difflib.get_close_matches(name, (*BARE, *COUNTED, *TOLD), 3, 0.7)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise BadSequence(f"{error}{hint}") from None


def _told(name: str, amount: str | None, word: str) -> Call:
    bounds = TOLD[name]
    if bounds is None:
        if amount is not None:
            raise BadSequence(f"{word!r}: {name} takes no number")
        return Call(name)
    least, most = bounds
    if amount is None or not amount.isdecimal() or not least <= int(amount) <= most:
        raise BadSequence(f"{word!r}: {name} takes a number from {least} to {most}: {name}:100")
    return Call(name, int(amount))
