"""Ladders as text: the target on the left, the peer on the right, one line per event, as RFC 9293's figures do."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.trace.events import Event, Kind, Mark

LEFT = 22
MIDDLE = 38
#: More segments in a row than that are not printed, but so many at either end.
LONGEST, KEPT = 60, 10


def render(
    events: Sequence[Event], *, peer_states: bool = False, start_ns: int | None = None, times: bool = True
) -> str:
    """Return the ladder of these events; times are milliseconds since `start_ns` (the first event's, if None).

    With `peer_states` the implied state of the peer stands on the right whenever it changes. Without `times` the same
    events always look the same.
    """
    origin = start_ns if start_ns is not None else (events[0].time_ns if events else 0)
    return render_record([event.as_dict(origin) for event in events], peer_states=peer_states, times=times)


def render_record(events: Sequence[Mapping[str, Any]], *, peer_states: bool = False, times: bool = True) -> str:
    """Return the ladder of events as a line of the results has them (`Event.as_dict`)."""
    lines = [f"{'':11}{'target':<{LEFT}}{'':{MIDDLE + 6}}peer"]
    shown = ""
    for event in _shortened(events):
        right = ""
        state = event.get("peer_state", "")
        if peer_states and state and state != shown:
            right = shown = state
        lines += _lines(event, right, times=times)
    return "\n".join(line.rstrip() for line in lines)


def _shortened(events: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the events; of many in a row that come from the target and are no finding only the first and the last."""
    for heard, run in itertools.groupby(events, lambda event: event["kind"] == Kind.RECEIVED and not event.get("mark")):
        row = list(run)
        if not heard or len(row) <= LONGEST:
            yield from row
            continue
        yield from row[:KEPT]
        left = f"{len(row) - 2 * KEPT} more segments"
        yield {"kind": Kind.NOTE, "ms": row[KEPT]["ms"], "text": left}
        yield from row[-KEPT:]


def _lines(event: Mapping[str, Any], right: str, *, times: bool) -> Iterator[str]:
    time = f"{event['ms']:.3f}" if times else ""
    mark = event.get("mark", "")
    margin = f"{'✗' if mark else ' ':<2}{time:>8} "
    which = f" #{event['connection'] + 1}" if event.get("connection") else ""
    text = event["text"] + which
    tail = f"  {right}" if right else ""
    if mark == Mark.UNEXPECTED:
        tail += "  (unexpected)"
    elif mark == Mark.LATE:
        tail += "  (late)"
    match event["kind"]:
        case Kind.RECEIVED:
            yield f"{margin}{'':{LEFT}}── {text:<{MIDDLE}} ─▶{tail}"
        case Kind.SENT:
            yield f"{margin}{'':{LEFT}}◀─ {text:<{MIDDLE}} ──{tail}"
        case Kind.EXPECTED:
            yield f"{'✗':<11}{'':{LEFT}}╌╌ {text:<{MIDDLE}} ╌▶  (expected)"
        case Kind.WAIT | Kind.NOTE:
            yield f"{margin}{'':{LEFT}}·· {text}"
        case _:
            yield f"{margin}{text}{tail}"
