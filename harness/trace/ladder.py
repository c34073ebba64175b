"""Ladders as text: the target on the left, the peer on the right, one line per event, as RFC 9293's figures do."""

from collections.abc import Iterator, Sequence

from harness.trace.events import Event, Kind, Mark

LEFT = 22
MIDDLE = 38


def render(
    events: Sequence[Event], *, peer_states: bool = False, start_ns: int | None = None, times: bool = True
) -> str:
    """Return the ladder of these events; times are milliseconds since `start_ns` (the first event's, if None).

    With `peer_states` the implied state of the peer stands on the right whenever it changes. Without `times` the same
    events always look the same.
    """
    origin = start_ns if start_ns is not None else (events[0].time_ns if events else 0)
    lines = [f"{'':11}{'target':<{LEFT}}{'':{MIDDLE + 6}}peer"]
    shown = ""
    for event in events:
        right = ""
        if peer_states and event.peer_state and event.peer_state != shown:
            right = shown = event.peer_state
        lines += _lines(event, origin if times else None, right)
    return "\n".join(line.rstrip() for line in lines)


def _lines(event: Event, origin: int | None, right: str) -> Iterator[str]:
    time = "" if origin is None else f"{(event.time_ns - origin) / 1e6:.3f}"
    margin = f"{'✗' if event.mark else ' ':<2}{time:>8} "
    which = f" #{event.connection + 1}" if event.connection else ""
    text = event.notation() + which
    tail = f"  {right}" if right else ""
    if event.mark is Mark.UNEXPECTED:
        tail += "  (unexpected)"
    elif event.mark is Mark.LATE:
        tail += "  (late)"
    match event.kind:
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
