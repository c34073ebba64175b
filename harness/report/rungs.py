"""A ladder as rungs: what every drawing of it shows, from the events of a live case or from its line in the results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.trace.events import Event, Kind

#: How each kind of event is drawn.
SENT, RECEIVED, MISSING, CALL, PAUSE, STATES = "sent", "received", "missing", "call", "pause", "states"
_DRAWN: Mapping[str, str] = {
    Kind.SENT: SENT,
    Kind.RECEIVED: RECEIVED,
    Kind.EXPECTED: MISSING,
    Kind.CALL: CALL,
    Kind.ANSWER: CALL,
    Kind.WAIT: PAUSE,
    Kind.NOTE: PAUSE,
}


class Rung(NamedTuple):
    """One line of the drawing: a segment, a call, a pause, or the states behind a step (`text`: target, `peer`)."""

    kind: str
    text: str
    peer: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs from top to bottom; `times` are milliseconds since the case began, one per rung, None where not kept."""

    rungs: tuple[Rung, ...]
    times: tuple[float | None, ...]

    def in_words(self) -> str:
        """Return the rungs as lines of text, for those who do not see the drawing."""
        return "\n".join(" ".join(filter(None, (_WORDS[rung.kind], *_words(rung)))) for rung in self.rungs)


_WORDS = {
    SENT: "peer sends",
    RECEIVED: "target sends",
    MISSING: "expected, but missing:",
    CALL: "target:",
    PAUSE: "meanwhile:",
    STATES: "states:",
}


def _words(rung: Rung) -> tuple[str, ...]:
    if rung.kind == STATES:
        return (", ".join(f"{who} {state}" for who, state in (("target", rung.text), ("peer", rung.peer)) if state),)
    return (rung.text, f"({rung.mark})" if rung.mark else "")


def of_record(record: Mapping[str, Any]) -> Ladder:
    """Return the ladder of a line in the results; an empty one if the case never began."""
    if "ladder" in record:
        return of_dicts(record["ladder"])
    return of_trace(record.get("trace", ()))


def of_events(events: Iterable[Event], start_ns: int) -> Ladder:
    """Return the ladder of live events."""
    return of_dicts([event.as_dict(start_ns) for event in events])


def of_dicts(events: Iterable[Mapping[str, Any]]) -> Ladder:
    """Return the ladder of events as `Event.as_dict` writes them."""
    builder = _Builder()
    for event in events:
        number = event.get("connection", 0)
        text = event["text"] + (f" #{number + 1}" if number else "")
        peer_state = "" if number else event.get("peer_state", "")
        builder.add(event["kind"], text, event["ms"], peer_state, event.get("mark", ""))
    return builder.done()


def of_trace(lines: Sequence[str]) -> Ladder:
    """Return the ladder of brief events (`Event.brief`): without times and without the peer's states."""
    builder = _Builder()
    for line in lines:
        kind, _blank, text = line.partition(" ")
        builder.add(kind, text, None, "", "")
    return builder.done()


class _Builder:
    """Puts the states of both sides that belong to one step into one rung."""

    def __init__(self) -> None:
        self._rungs: list[Rung] = []
        self._times: list[float | None] = []
        self._peer = self._pending = ""

    def add(self, kind: str, text: str, ms: float | None, peer_state: str, mark: str) -> None:
        if kind == Kind.STATE:
            self._put(Rung(STATES, text, self._pending), ms)
            self._pending = ""
            return
        if (self._peer, peer_state) == ("CLOSE-WAIT", "CLOSING") or (self._peer == "LISTEN" and "<CTL=SYN>" in text):
            self._take_back()
        self._flush()
        self._put(Rung(_DRAWN.get(kind, PAUSE), text, "", mark), ms)
        if peer_state and peer_state != self._peer and kind in (Kind.SENT, Kind.RECEIVED):
            self._peer = self._pending = peer_state

    def done(self) -> Ladder:
        self._flush()
        return Ladder(tuple(self._rungs), tuple(self._times))

    def _take_back(self) -> None:
        """Take back the peer's last state: what it sends now crosses what it was thought to have answered."""
        self._pending = ""
        shown = [at for at, rung in enumerate(self._rungs) if rung.peer == self._peer]
        if shown:
            self._rungs[shown[-1]] = self._rungs[shown[-1]]._replace(peer="")
            if not self._rungs[shown[-1]].text:
                del self._rungs[shown[-1]], self._times[shown[-1]]

    def _flush(self) -> None:
        if self._pending:
            self._put(Rung(STATES, "", self._pending), None)
            self._pending = ""

    def _put(self, rung: Rung, ms: float | None) -> None:
        self._rungs.append(rung)
        self._times.append(ms)
