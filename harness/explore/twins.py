"""A conversation and its twin, in which the peer leaves out what must change nothing: their timers go alike.

What restarts, stops or keeps a timer is said by sentences of RFC 9293, RFC 6298 and RFC 1122; an unacceptable segment
(§3.10.7.4 first: "after sending the acknowledgment, drop the unacceptable segment") is in none of them.

Behind the word ``mark`` the two are compared without numbers, and only what comes later, not at all, or in smaller
pieces counts: what happened before it is over (RFC 6298 §2.1 and §5 for timeouts), while who remembers more of a path
may be faster (RFC 9040). The same holds for ICMP errors (RFC 6069 lets timeouts shrink). Smaller pieces break no MUST:
the initial window is an upper bound (RFC 5681 §3.1), and may be the window that the connection before has ended with
(RFC 9040 §6.1).
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from harness.case.timers import COARSENESS, SLACK_S
from harness.case.violation import Level
from harness.explore import changed, losses
from harness.explore.changed import ANSWER_S, planned, segments_of, text_of
from harness.explore.icmp_errors import PREFIX
from harness.explore.plan import EACH
from harness.explore.talk import MARKED, Talk
from harness.spec.segment import ACK, SYN, flag_names
from harness.trace.events import Event, Kind

CITES = ("RFC 9293 §3.8.1", "RFC 6298 §5", "RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.8")
#: A stack's clock may tick so coarsely (lwIP: 500 ms for TCP's slow timer).
TICK_S = 0.6
#: Beside text that is acknowledged meanwhile a stack may keep its timers less evenly, as lwIP does: repetitions that
#: come sooner by more than this share, or not within twice the time, are what is looked for.
SOONER = 0.35
#: A first round trip that was measured too long makes a timeout of three times that (RFC 6298 §2.2).
MEASURED = 3
#: Less than this share of what the twin has sent at once is too little.
SHARE = 2

#: Which one depends on whether all text has left (RFC 9293 §3.10.4), and so on windows that what is over has changed.
_AS_TEXT_LEAVES = {"CLOSE-WAIT", "LAST-ACK"}

#: Something that came by itself: its text, and its time in seconds since the beginning.
Spoken = tuple[str, float]


class Difference(NamedTuple):
    """What the twin has done, what came instead, and what of the RFCs that is held against."""

    due: str
    seen: str
    level: Level = Level.MUST
    cites: tuple[str, ...] = CITES


def difference(talk: Talk, twin: Talk) -> Difference | None:
    """Return what the twin's timers did and this one's did not, in words; None if they went alike."""
    marked = _begin(twin)
    if marked is None and changed.lawfully(talk, twin):
        return None
    if marked is not None and not (talk.settled and twin.settled):
        return None
    if marked is not None and talk.rested and not _answers_a_request(talk):
        return None  # TIME-WAIT need not be opened again (MAY-2), and the twin has none
    if Counter(changed.impossible(twin)) - Counter(changed.impossible(talk)):
        return None  # the application there has got no socket yet: an ended connection stood in front of it
    for mine, other in zip(talk.states, twin.states, strict=False):  # the twin may have fewer connections
        if mine != other and (marked is None or {mine, other} != _AS_TEXT_LEAVES):
            return Difference(f"state {other} by now, as without the segment that changes nothing", mine)
    if marked is not None:
        return _slower(talk, twin) or _smaller(talk, twin)
    if any(event.text.startswith(PREFIX) for event in planned(talk)):
        return _slower(talk, twin)
    if changed.fins_as_answers(talk, twin) > changed.fins_as_answers(twin, twin):
        return None  # its timer began anew: what must come of it in time, the rules know without a twin
    if changed.brings_text(talk, twin):
        said, due = by_themselves(talk, twin, bare=False), by_themselves(twin, twin, bare=False)
        return unlike(said, due, _stimuli(twin), beside_text=True)
    said, due = by_themselves(talk, twin), by_themselves(twin, twin)
    again = changed.answered_again(talk) - changed.answered_again(twin)
    if again > 0:
        return unlike(said, due[: len(due) - again], _stimuli(twin), beside_text=True)
    return unlike(said, due, _stimuli(twin), late=_shifted(talk, twin))


def _shifted(talk: Talk, twin: Talk) -> float:
    """Return by how much what the twin does without may have moved the clock of the target: see `Facts.lifted_s`."""
    mine, other = (
        sum(since <= ANSWER_S * 1e9 for _event, since in segments_of(planned(each))) for each in (talk, twin)
    )
    return talk.rig.target.facts.lifted_s * max(0, mine - other)


def _stimuli(twin: Talk) -> list[float]:
    """Return when the peer or the application did something in the twin, and when it ends, in seconds."""
    events = _compared(twin)
    times = [event.time_ns for event in events if event.kind in (Kind.SENT, Kind.CALL)]
    return [*((each - events[0].time_ns) / 1e9 for each in times), _length(twin)] if events else [0.0]


def unlike(
    mine: Sequence[Spoken],
    other: Sequence[Spoken],
    stimuli: Sequence[float],
    *,
    beside_text: bool = False,
    late: float = 0.0,
) -> Difference | None:
    """Return in what that which came by itself differs from what came in the twin.

    `stimuli` are the times of what was done there, the end last: what is late by a timer's slack may have been stopped
    by the next one. With `beside_text` timers may go less evenly; `late` is by how much a clock may have been moved.
    """
    end = stimuli[-1]
    for (text, at), found in zip(other, [*mine, *[None] * len(other)], strict=False):
        sooner, later = (at * SOONER, at) if beside_text else (0.0, MEASURED * late)
        due = f"{text} after {at:.1f} s by itself, as without the segment that changes nothing"
        if found is None:
            stopped = at > end - _tolerance(at) - later or _is_soon(at, stimuli)
            return None if stopped else Difference(due, "it did not come")
        if found[0] != text:
            stopped = _is_soon(at, stimuli) or _is_soon(found[1], stimuli)
            return None if stopped else Difference(due, f"{found[0]} after {found[1]:.1f} s")
        if not -_tolerance(at) - sooner <= found[1] - at <= _tolerance(at) + later:
            return Difference(due, f"after {found[1]:.1f} s")
    if not beside_text and len(mine) > len(other) and not _is_soon(mine[len(other)][1], stimuli):
        text, at = mine[len(other)]
        due = "nothing more by itself, as without the segment that changes nothing"
        return Difference(due, f"{text} after {at:.1f} s")
    return None


def _is_soon(at: float, stimuli: Sequence[float]) -> bool:
    """Tell whether something is done so soon behind a time that a timer may come behind it as well as in front."""
    return any(0 <= when - at <= _tolerance(at) for when in stimuli)


def _slower(talk: Talk, twin: Talk) -> Difference | None:
    """Return what came by itself in the twin and did not come here by then.

    A tick by which round trips were measured otherwise makes each repetition later, the more the timer is backed off.
    Where a SYN was lost the timeout of what follows is 3 s at least (RFC 6298 §5.7).
    """
    if (losses.opened_late(_in_front(talk)) - losses.opened_late(_in_front(twin))) & _goes_on(talk):
        return None
    mine, other = by_themselves(talk, twin, exact=False), by_themselves(twin, twin, exact=False)
    end = _length(twin)
    first = min((at for _text, at in other), default=1.0)
    for number, (text, at) in enumerate(other):
        tolerance = _tolerance(at) + TICK_S * max(0.0, at / first - 1)
        due = f"{text} after {at:.1f} s by itself, as without what is over"
        here = [when for said, when in mine if said == text]
        before = sum(said == text for said, _when in other[:number])
        if len(here) <= before:
            return None if at > end - tolerance else Difference(due, "it did not come")
        if here[before] > at + tolerance:
            return Difference(due, f"after {here[before]:.1f} s")
    return None


def _smaller(talk: Talk, twin: Talk) -> Difference | None:
    """Return how much text was sent at once in the twin, and how much here, if that is less than half of it.

    Behind a loss a connection begins with less: RFC 5681 §3.1 has it grow again by what is acknowledged, and has the
    initial window be one segment where the SYN was lost.
    """
    mine, other = _at_once(talk), _at_once(twin)
    here, there = _in_front(talk), _in_front(twin)
    lost = (losses.opened_late(here) | losses.repeated(here)) - losses.opened_late(there) - losses.repeated(there)
    if mine * SHARE >= other or lost & _goes_on(talk):
        return None
    due = f"{other} octets of text at once, as without what is over"
    return Difference(due, f"{mine} octets", Level.SHOULD, ("RFC 5681 §3.1", "RFC 9040 §6.1"))


def _tolerance(at: float) -> float:
    return TICK_S + SLACK_S + at * COARSENESS


def _in_front(talk: Talk) -> Sequence[Event]:
    return planned(talk)[: _begin(talk)]


def _goes_on(talk: Talk) -> set[int]:
    """Return the connections on which the target sends behind the mark, without those that it opens there."""
    opened, goes_on = set[int](), set[int]()
    for event, since in segments_of(_compared(talk)):
        if event.connection is None or event.segment is None:
            continue
        if event.segment.flags & SYN and since <= ANSWER_S * 1e9:
            opened.add(event.connection)
        elif event.connection not in opened:
            goes_on.add(event.connection)
    return goes_on


def _begin(talk: Talk) -> int | None:
    """Return the place of the mark among the events, None without one."""
    found = (at for at, event in enumerate(planned(talk)) if event.kind is Kind.NOTE and event.text == MARKED)
    return next(found, None)


def _answers_a_request(talk: Talk) -> bool:
    """Tell whether a SYN,ACK has come behind the mark."""
    sent = (event.segment for event, _since in segments_of(_compared(talk)))
    return any(segment is not None and segment.flags & (SYN | ACK) == SYN | ACK for segment in sent)


def _compared(talk: Talk) -> Sequence[Event]:
    return planned(talk)[_begin(talk) or 0 :]


def _length(talk: Talk) -> float:
    events = _compared(talk)
    return (talk.ended_ns - events[0].time_ns) / 1e9 if events else 0.0


def by_themselves(talk: Talk, twin: Talk, *, exact: bool = True, bare: bool = True) -> list[Spoken]:
    """Return what the target has sent by itself during the plan, with its time in seconds since the beginning.

    Connections that the twin does without speak for themselves. Without `bare` only what takes sequence space counts,
    whatever it acknowledges.
    """
    numbers = {move.link for move in twin.plan}
    of_rounds = talk.all_links.keys() - {move.link for move in talk.plan} if EACH in numbers else frozenset()
    shared = {link.connection.index for number, link in talk.all_links.items() if number in numbers | of_rounds}
    start = next((event.time_ns for event in _compared(talk)), 0)
    said = _number if not bare else text_of if exact else _form
    return [
        (said(event), (event.time_ns - start) / 1e9)
        for event, since in segments_of(_compared(talk))
        if since > ANSWER_S * 1e9 and event.connection in shared and (bare or _takes_space(event))
    ]


def _at_once(talk: Talk) -> int:
    sent = (event.segment for event, since in segments_of(_compared(talk)) if since <= ANSWER_S * 1e9)
    return sum(len(segment.payload) for segment in sent if segment is not None)


def _number(event: Event) -> str:
    """Return a segment without what it acknowledges."""
    segment = event.segment
    return f"a segment with {segment.length} octets from SEQ={segment.seq} on" if segment is not None else ""


def _takes_space(event: Event) -> bool:
    return event.segment is not None and event.segment.length > 0


def _form(event: Event) -> str:
    """Return a segment without its numbers."""
    segment = event.segment
    if segment is None:
        return ""
    name = flag_names(segment.flags) if segment.flags & SYN else f"segment with {len(segment.payload)} octets"
    return f"a {name}"
