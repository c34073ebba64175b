"""What a conversation has in common with its twin, and what the segment that was to change nothing has changed there.

Counted on both: where the conversation has more of something than its twin, their timers need not go alike.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from harness.explore.icmp_errors import PREFIX
from harness.explore.link import LOST
from harness.explore.talk import NOT_POSSIBLE, Talk
from harness.fuzz.steps import Probe
from harness.spec import seqno
from harness.spec.options import timestamps_of
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.trace.events import Event, Kind

#: A segment so soon behind a stimulus is its answer, and no timer's.
ANSWER_S = 0.001


def lawfully(talk: Talk, twin: Talk) -> bool:
    """Tell whether what was to change nothing has changed something by the rules, so that timers need not go alike."""
    if Counter(lost(talk)) - Counter(lost(twin)):
        return True  # what answers it was lost in place of something else
    if opened(talk, twin) > opened(twin, twin):
        return True  # the connection had ended by then, as the rules have seen: a request opens the next one
    if guessed(talk) > guessed(twin):
        return True  # by chance it has acknowledged what was lost
    here, there = acknowledgments(talk, twin), acknowledgments(twin, twin)
    if here.new > there.new:
        return True  # it stands at its place in sequence and acknowledges something
    if here.repeated > there.repeated and any(map(retransmits_fast, (talk, twin))):
        return True  # a stack may count as duplicates what RFC 5681 §2 does not, and its timer begins anew then
    return drawn(talk, twin) > drawn(twin, twin)  # its window has let text out that waited


def answered_again(talk: Talk) -> int:
    """Return how often the target has answered with a SYN,ACK, each of which but the first is a repetition of its own.

    Behind one the timer may wait as if it had sent it: RFC 6298 §5 recommends how it is managed, and only forbids to
    send too early.
    """
    answers = (event.segment for event, since in segments_of(planned(talk)) if since <= ANSWER_S * 1e9)
    return sum(segment is not None and segment.flags & (SYN | ACK) == SYN | ACK for segment in answers)


def retransmits_fast(talk: Talk) -> bool:
    """Tell whether an answer was text that had been sent before: so it goes behind duplicate ACKs (RFC 5681 §3.2)."""
    ends = Counter[int | None]()
    for event, since in segments_of(planned(talk)):
        segment, key = event.segment, event.connection
        if segment is None:
            continue
        end = segment.seq + segment.length
        if segment.flags & SYN:
            ends[key] = 0
        if since <= ANSWER_S * 1e9 and segment.payload and end <= ends[key]:
            return True
        ends[key] = max(ends[key], end)
    return False


def fins_as_answers(talk: Talk, twin: Talk) -> int:
    """Return how often an answer was a FIN that had been sent before: its timer may begin anew then (RFC 6298 §5)."""
    shared, sent, again = in_both(talk, twin), set[int | None](), 0
    for event, since in segments_of(planned(talk)):
        if event.segment is not None and event.segment.flags & FIN and event.connection in shared:
            again += since <= ANSWER_S * 1e9 and event.connection in sent
            sent.add(event.connection)
    return again


def brings_text(talk: Talk, twin: Talk) -> bool:
    """Tell whether the peer sends text that it does not send in the twin: it is acknowledged, perhaps later."""
    mine, other = (sum(_is_text(move.step) for move in each.plan) for each in (talk, twin))
    return mine > other


def _is_text(step: object) -> bool:
    return isinstance(step, Probe) and step.octets > 0 and step.seq.base == "p"


def planned(talk: Talk) -> Sequence[Event]:
    return talk.conversation.events[: talk.planned]


def lost(talk: Talk) -> Iterator[str]:
    """Yield what the target has sent during the plan that the peer did not get."""
    return (text_of(event) for event in planned(talk) if event.kind is Kind.RECEIVED and LOST in event.annotations)


def opened(talk: Talk, twin: Talk) -> int:
    """Return how many requests were answered by a SYN,ACK that acknowledges them, on connections that the twin has."""
    shared = in_both(talk, twin)
    events = [event for event in planned(talk) if event.connection in shared]
    asked = {
        (event.connection, event.segment.seq + 1)
        for event in events
        if event.kind is Kind.SENT and event.segment is not None and event.segment.flags & (SYN | ACK) == SYN
    }
    answered = {
        (event.connection, event.segment.ack)
        for event in events
        if event.kind is Kind.RECEIVED and event.segment is not None and event.segment.flags & SYN
    }
    return len(asked & answered)


def drawn(talk: Talk, twin: Talk) -> int:
    """Return how many octets were sent for the first time, by no timer, on connections that the twin has."""
    shared = in_both(talk, twin)
    ends, drawn = Counter[int](), 0
    for event, since in segments_of(planned(talk)):
        key, segment = event.connection, event.segment
        if segment is None or key not in shared:
            continue
        if segment.flags & SYN:
            ends[key] = 0
        end = segment.seq + segment.length
        if segment.payload and since <= ANSWER_S * 1e9:
            drawn += max(0, end - max(ends[key], segment.seq))
        ends[key] = max(ends[key], end)
    return drawn


def guessed(talk: Talk) -> int:
    """Return how often the peer has acknowledged what the target has sent and the peer never got."""
    got, sent, guessed = Counter[int](), Counter[int](), 0
    for event in planned(talk):
        key, segment = event.connection, event.segment
        if segment is None:
            continue
        if event.kind is Kind.RECEIVED:
            if segment.flags & SYN:
                got[key] = sent[key] = 0
            sent[key] = max(sent[key], segment.seq + segment.length)
            got[key] = got[key] if LOST in event.annotations else max(got[key], segment.seq + segment.length)
        elif segment.flags & ACK and got[key] < segment.ack <= sent[key]:
            guessed += 1
    return guessed


class Acknowledgments(NamedTuple):
    """How often the peer has acknowledged something new, or nothing new without text, with a segment at RCV.NXT.

    What carries an old timestamp, SYN or RST is dropped all the same (RFC 7323 §5, RFC 9293 §3.10.7.4), and left out.
    """

    new: int
    repeated: int


def acknowledgments(talk: Talk, twin: Talk) -> Acknowledgments:
    """Count those of a conversation's plan, on connections that the twin has, too."""
    shared = in_both(talk, twin)
    told, sent, acked, new, repeated = Counter[int](), Counter[int](), Counter[int](), 0, 0
    stamps = dict[int, int]()
    for event in planned(talk):
        key, segment = event.connection, event.segment
        if key not in shared or segment is None:
            continue
        if event.kind is Kind.RECEIVED:
            if segment.flags & SYN:
                sent[key] = acked[key] = 0
            sent[key] = max(sent[key], segment.seq + segment.length)
            told[key] = segment.ack if segment.flags & ACK else told[key]
            continue
        found = timestamps_of(segment.options)
        current = found is None or seqno.leq(stamps.setdefault(key, found[0]), found[0])
        if found is not None and current:
            stamps[key] = found[0]
        if segment.flags & (ACK | SYN | RST) == ACK and segment.seq == told[key]:
            if acked[key] < segment.ack <= sent[key] and current:
                new += 1
                acked[key] = segment.ack
            else:
                repeated += segment.ack == acked[key] and not segment.length
    return Acknowledgments(new, repeated)


def in_both(talk: Talk, twin: Talk) -> set[int]:
    """Return the connections that the twin has, too."""
    numbers = {move.link for move in twin.plan}
    return {link.connection.index for number, link in talk.all_links.items() if number in numbers}


def impossible(talk: Talk) -> Iterator[str]:
    """Yield the calls of the plan that the application could not make."""
    return (event.text for event in planned(talk) if event.kind is Kind.CALL and NOT_POSSIBLE in event.annotations)


def segments_of(events: Iterable[Event]) -> Iterable[tuple[Event, int]]:
    """Yield the target's segments with the nanoseconds since the last stimulus."""
    last_stimulus: int | None = None
    for event in events:
        if last_stimulus is None or event.kind in (Kind.SENT, Kind.CALL) or event.text.startswith(PREFIX):
            last_stimulus = event.time_ns
        if event.kind is Kind.RECEIVED:
            yield event, event.time_ns - last_stimulus


def text_of(event: Event) -> str:
    return event.segment.notation().replace("PSH,", "") if event.segment is not None else ""
