"""A conversation and its twin, in which the peer leaves out what must change nothing: their timers go alike.

What restarts, stops or keeps a timer is said by sentences of RFC 9293, RFC 6298 and RFC 1122; an unacceptable segment
(§3.10.7.4 first: "after sending the acknowledgment, drop the unacceptable segment") is in none of them.
"""

from harness.case.timers import COARSENESS, SLACK_S
from harness.explore.talk import Talk
from harness.trace.events import Event, Kind

CITES = ("RFC 9293 §3.8.1", "RFC 6298 §5", "RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.8")
#: A stack's clock may tick so coarsely (lwIP: 500 ms for TCP's slow timer).
TICK_S = 0.6
#: A segment so soon behind a stimulus is its answer, and no timer's.
ANSWER_S = 0.001


def difference(talk: Talk, twin: Talk) -> tuple[str, str] | None:
    """Return what the twin's timers did and this one's did not, in words; None if they went alike."""
    if talk.states and twin.states and talk.states != twin.states:
        return f"state {twin.states[0]} by now, as without the segment that changes nothing", f"{talk.states[0]}"
    mine, other = by_themselves(talk), by_themselves(twin)
    end = _length(twin)
    for (text, at), found in zip(other, [*mine, *[None] * len(other)], strict=False):
        due = f"{text} after {at:.1f} s by itself, as without the segment that changes nothing"
        if found is None:
            return None if at > end - _tolerance(at) else (due, "it did not come")
        if found[0] != text:
            return due, f"{found[0]} after {found[1]:.1f} s"
        if abs(found[1] - at) > _tolerance(at):
            return due, f"after {found[1]:.1f} s"
    if len(mine) > len(other) and mine[len(other)][1] < end - _tolerance(end):
        text, at = mine[len(other)]
        return "nothing more by itself, as without the segment that changes nothing", f"{text} after {at:.1f} s"
    return None


def _tolerance(at: float) -> float:
    return TICK_S + SLACK_S + at * COARSENESS


def _length(talk: Talk) -> float:
    events = talk.conversation.events[: talk.planned]
    return (talk.ended_ns - events[0].time_ns) / 1e9 if events else 0.0


def by_themselves(talk: Talk) -> list[tuple[str, float]]:
    """Return what the target has sent by itself during the plan, with its time in seconds since the beginning."""
    events = talk.conversation.events[: talk.planned]
    start = events[0].time_ns if events else 0
    found: list[tuple[str, float]] = []
    last_stimulus = start
    for event in events:
        if event.kind in (Kind.SENT, Kind.CALL):
            last_stimulus = event.time_ns
        elif event.kind is Kind.RECEIVED and event.time_ns - last_stimulus > ANSWER_S * 1e9:
            found.append((_text(event), (event.time_ns - start) / 1e9))
    return found


def _text(event: Event) -> str:
    return event.segment.notation().replace("PSH,", "") if event.segment is not None else ""
