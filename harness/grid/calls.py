"""The other cells: user calls and timers of RFC 9293 §3.10.1 to §3.10.6 and §3.10.8, from the table of `spec.machine`.

A call has one cell per place and stimulus: where the table tells two outcomes apart by something that the tester can
arrange (data are waiting, or not), there are two cells; where it leaves a choice, there is one with both outcomes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from harness.spec import machine
from harness.spec.machine import CALLS, TIMEOUTS, Event, Place, Row, Sends

CALL, TIMER = "call", "timer"

#: Conditions of the table that are stimuli; the others are choices of the target.
STIMULI = (
    "data waiting",
    "no data waiting",
    "remote socket given",
    "no remote socket",
    "nothing to send",
    "data to send",
)

_REPLIES = {
    Sends.NOTHING: "none",
    Sends.SYN: "syn",
    Sends.SYN_ACK: "syn-ack",
    Sends.ACK: "ack",
    Sends.DATA: "data",
    Sends.FIN: "fin",
    Sends.RST: "rst",
    Sends.OLDEST: "oldest",
}
_PLACE_SLUGS = {
    Place.SYN_RECEIVED_PASSIVE: "syn-received-passive",
    Place.SYN_RECEIVED_ACTIVE: "syn-received-simultaneous",
}


@dataclass(frozen=True)
class EventCell:
    """One call or timer in one place. `stimulus` tells what must be so, "" if nothing in particular."""

    place: Place
    event: Event
    stimulus: str = ""

    @property
    def kind(self) -> str:
        """``call`` or ``timer``."""
        return CALL if self.event in CALLS else TIMER

    @cached_property
    def id(self) -> str:
        """The stable name: ``grid/<place>/<kind>-<event>[-<stimulus>]``."""
        place = _PLACE_SLUGS.get(self.place, self.place.lower())
        words = "-".join(filter(None, (self.event.lower(), self.stimulus))).replace(" ", "-")
        return f"grid/{place}/{self.kind}-{words}"

    @property
    def route(self) -> str | None:
        """How SYN-RECEIVED came about, None elsewhere."""
        slug = _PLACE_SLUGS.get(self.place)
        return slug.removeprefix("syn-received-") if slug else None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The outcomes that the table allows."""
        found = machine.rows(self.place, self.event)
        return tuple(row for row in found if row.when == self.stimulus or row.when not in STIMULI)

    @property
    def cites(self) -> tuple[str, ...]:
        """What the outcomes cite."""
        return tuple(dict.fromkeys(cite for row in self.rows for cite in row.cites))


def reply_of(row: Row) -> str:
    """Return the name of what a row sends."""
    return _REPLIES[row.sends]


@cache
def call_cells() -> tuple[EventCell, ...]:
    """Return the cells of user calls."""
    return tuple(cell for place in Place for event in CALLS for cell in _cells(place, event))


@cache
def timer_cells() -> tuple[EventCell, ...]:
    """Return the cells of timers."""
    return tuple(cell for place in Place for event in TIMEOUTS for cell in _cells(place, event))


def _cells(place: Place, event: Event) -> Iterator[EventCell]:
    found = machine.rows(place, event)
    stimuli = list(dict.fromkeys(row.when for row in found if row.when in STIMULI))
    if found:
        yield from (EventCell(place, event, stimulus) for stimulus in stimuli or [""])
