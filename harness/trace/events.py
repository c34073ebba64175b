"""What happened in a case, one event after the other."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness.spec.segment import ACK, Segment, flag_names


class Kind(StrEnum):
    """What an event is."""

    CALL = "call"  # the application at the target calls
    ANSWER = "answer"  # what the call gave, where it is more than done
    SENT = "sent"  # a segment of the peer
    RECEIVED = "received"  # a segment of the target
    STATE = "state"  # the target's state, where it changed
    EXPECTED = "expected"  # a segment (or silence) that was due and did not come
    WAIT = "wait"  # time passes
    NOTE = "note"


class Mark(StrEnum):
    """Why an event stands out."""

    NONE = ""
    UNEXPECTED = "unexpected"
    LATE = "late"


@dataclass(slots=True)
class Event:
    """One event. `segment` has relative numbers; `packet` is the IP packet as it was on the wire.

    `time_ns` is on the target's clock. `peer_state` is the state that the peer is in, as implied by what it sent and
    saw; `step` names the source line of the step that this event belongs to. `snapshot` is what a look at the target's
    connection table showed: state, and where not 0 or false receive_queue, send_queue (octets), mini.
    """

    time_ns: int
    kind: Kind
    text: str = ""
    segment: Segment | None = None
    packet: bytes = b""
    connection: int = 0
    mark: Mark = Mark.NONE
    peer_state: str = ""
    step: str = ""
    annotations: list[str] = field(default_factory=list)
    snapshot: dict[str, Any] = field(default_factory=dict)

    def notation(self) -> str:
        """Return the event in words: a segment in the RFC's notation, anything else as its text."""
        words = self.segment.notation() if self.segment is not None else self.text
        return " ".join([words, *self.annotations])

    def brief(self) -> str:
        """Return kind and words in one text: ``received <SEQ=0><CTL=SYN>``, with ``#2`` for the second connection."""
        return f"{self.kind} {self.notation()}" + (f" #{self.connection + 1}" if self.connection else "")

    def as_dict(self, origin_ns: int) -> dict[str, Any]:
        """Return JSON-able data; the time in milliseconds after `origin_ns`."""
        data: dict[str, Any] = {"ms": round((self.time_ns - origin_ns) / 1e6, 3), "kind": str(self.kind)}
        if self.segment is not None:
            data["segment"] = {
                "seq": self.segment.seq,
                "ack": self.segment.ack if self.segment.flags & ACK else None,
                "flags": flag_names(self.segment.flags),
                "length": len(self.segment.payload),
                "window": self.segment.window,
            }
        data["text"] = self.notation()
        for name in ("snapshot", "connection", "mark", "peer_state", "step"):
            if value := getattr(self, name):
                data[name] = value
        return data
