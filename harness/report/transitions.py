"""Which edges of the state machine a case went over, from the states that were seen in order.

A change of state is matched against the table of `harness.spec.machine`: the state before, what was done last, and the
state after. Of all the steps of a case, its verdict is about one: where something is missing or was not expected, else
the last. The edge that was due in that step is the one it speaks about; those before were gone over as they should be.
A case in which no edge was due says nothing about one, wherever the target went.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from harness.spec.machine import TABLE, TIMEOUTS, Event
from harness.spec.states import State
from harness.trace.events import Kind


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of state in the machine; both sorts of SYN-RECEIVED are one state here, as in figure 5."""

    before: State
    event: Event
    after: State
    sends: str
    #: Whether figure 5 of RFC 9293 draws it.
    drawn: bool
    cites: tuple[str, ...]

    @property
    def name(self) -> str:
        """A name that is stable and can stand in an address: ``syn-sent.rcv-syn.syn-received``."""
        return re.sub(r"[^a-z0-9.]+", "-", f"{self.before}.{self.event}.{self.after}".lower())

    def __str__(self) -> str:
        return f"{self.before} → {self.after} on {self.event}"


@cache
def edges() -> tuple[Edge, ...]:
    """Return the machine's edges: those of figure 5 first, each in the order of the table."""
    found: dict[tuple[State, Event, State], Edge] = {}
    for row in TABLE:
        for place in row.places:
            if row.next is None or row.next.state is place.state:
                continue
            key = (place.state, row.event, row.next.state)
            drawn = row.figure == 5 or (key in found and found[key].drawn)
            found[key] = Edge(*key, row.sends.value, drawn, row.cites)
    return tuple(sorted(found.values(), key=lambda edge: not edge.drawn))


class Use(NamedTuple):
    """What a case shows of the machine: edges it went over, the one its verdict speaks about, changes in no table.

    Edges are positions in `edges()`; `strange` are (state before, what was done, state after).
    """

    passed: tuple[int, ...]
    decided: int | None
    strange: tuple[tuple[str, str, str], ...]


class _Moment(NamedTuple):
    """An event, as far as it matters here: `text` is a state, a stimulus, or empty; `odd` is what stands out."""

    kind: str
    text: str
    odd: bool


class _Change(NamedTuple):
    before: str
    stimulus: str
    after: str
    at: int


def use_of(record: Mapping[str, Any]) -> Use:
    """Return what a line of the results shows of the machine."""
    moments = list(_moments(record))
    changes = list(_changes(moments))
    faulty = record["verdict"] not in ("conforms", "unobserved", "not applicable", "inconclusive")
    decided = _decided(record, moments, changes) if faulty else None
    passed, strange = [], []
    for change in changes:
        edge = _match(change)
        if edge is None:
            strange.append(change[:3])
        else:
            passed.append(edge)
    return Use(tuple(dict.fromkeys(passed)), decided, tuple(dict.fromkeys(strange)))


def _moments(record: Mapping[str, Any]) -> Iterator[_Moment]:
    """Yield the events of the main connection."""
    if "ladder" in record:
        for event in record["ladder"]:
            if not event.get("connection"):
                yield _moment(event["kind"], event["text"], bool(event.get("mark")))
        return
    for line in record.get("trace", ()):
        kind, _blank, text = line.partition(" ")
        if not re.search(r" #\d+$", text):
            yield _moment(kind, text, False)


def _moment(kind: str, text: str, marked: bool) -> _Moment:
    return _Moment(kind, text, marked or kind == Kind.EXPECTED)


def _changes(moments: Sequence[_Moment]) -> Iterator[_Change]:
    state, stimulus = str(State.CLOSED), ""
    for at, moment in enumerate(moments):
        if moment.kind == Kind.STATE:
            if moment.text != state:
                yield _Change(state, stimulus, moment.text, at)
            state = moment.text
        else:
            stimulus = _stimulus(moment) or stimulus


def _stimulus(moment: _Moment) -> str:
    """Return what was done to the target: a call without its arguments, control bits, ``wait``; "" for nothing."""
    match moment.kind:
        case Kind.SENT:
            found = re.search(r"<CTL=([^>]*)>", moment.text)
            return found[1] if found else moment.text
        case Kind.WAIT:
            return "wait"
        case Kind.CALL:
            return moment.text.partition(" = ")[0]
        case Kind.NOTE if moment.text.startswith("ICMP"):
            return moment.text
    return ""


#: Calls, as ladders write them, and the RFC's.
_CALLS = {
    "listen(": Event.OPEN_PASSIVE,
    "connect(": Event.OPEN_ACTIVE,
    "send(": Event.SEND,
    "shutdown(": Event.CLOSE,
    "close()": Event.CLOSE,  # of the listener too
    "abort(": Event.ABORT,
}


@cache
def _events(stimulus: str) -> frozenset[Event]:
    """Return the machine's events that a stimulus may be."""
    if stimulus == "wait":
        return frozenset(TIMEOUTS)
    if stimulus in tuple(Event):
        return frozenset({Event(stimulus)})
    for start, event in _CALLS.items():
        if stimulus.startswith(start):
            return frozenset({event})
    bits = set(stimulus.split(","))
    if "RST" in bits:
        return frozenset({Event.RCV_RST})
    if "SYN" in bits:
        return frozenset({Event.RCV_SYN_ACK if "ACK" in bits else Event.RCV_SYN})
    fin = {Event.RCV_FIN, Event.RCV_FIN_ACK_OF_FIN} if "FIN" in bits else set()
    return frozenset(fin | ({Event.RCV_ACK_OF_SYN, Event.RCV_ACK_OF_FIN} if "ACK" in bits else set()))


def _match(change: _Change) -> int | None:
    """Return the edge of a change of state. Where only a listener is left behind a connection, that is gone."""
    gone = {State.CLOSED, State.LISTEN}
    ends = [change.after]
    if change.after in gone and change.before != State.CLOSED:
        ends += sorted(gone - {change.after})
    found = _by_states()
    for end in ends:
        for at in found.get((change.before, end), ()):
            if edges()[at].event in _events(change.stimulus):
                return at
    return None


@cache
def _by_states() -> dict[tuple[str, str], tuple[int, ...]]:
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for at, edge in enumerate(edges()):
        key = (str(edge.before), str(edge.after))
        found[key] = (*found.get(key, ()), at)
    return found


def _decided(record: Mapping[str, Any], moments: Sequence[_Moment], changes: Sequence[_Change]) -> int | None:
    """Return the edge of the step that the verdict is about: where it should have led, else where it did."""
    end = next((at for at, moment in enumerate(moments) if moment.odd), len(moments))
    stimuli = [at for at in range(end) if _stimulus(moments[at])]
    if not stimuli:
        return None
    begin = stimuli[-1]
    stimulus = _stimulus(moments[begin])
    before = next((change.after for change in reversed(changes) if change.at < begin), str(State.CLOSED))
    due = [finding["expected"] for finding in record.get("findings", ())]
    for at, edge in enumerate(edges()):
        if edge.before == before and edge.event in _events(stimulus) and any(_names(text, edge) for text in due):
            return at
    seen = next((change for change in changes if change.at > begin), None)
    edge_seen = _match(seen) if seen is not None else None
    if edge_seen is None or not any(_sends(text, edges()[edge_seen]) for text in due):
        return None  # no edge was due, or it is not the edge that something is wrong with
    return edge_seen


def _names_state(expected: str) -> bool:
    return expected.startswith("state ") or "→" in expected


def _names(expected: str, edge: Edge) -> bool:
    """Tell whether what was due is this edge's end, or the segment that a call must send."""
    if _names_state(expected):
        return re.search(rf"(?<![A-Z-]){re.escape(edge.after)}(?![A-Z0-9-])", expected) is not None
    return edge.event in _CALLS.values() and _sends(expected, edge)


def _sends(expected: str, edge: Edge) -> bool:
    """Tell whether what was due is the segment that goes with an edge."""
    return bool(edge.sends) and edge.sends.rpartition("<")[2] in expected
