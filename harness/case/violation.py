"""What a case may find: violations with a code, and the ways in which it may fail to judge at all."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """The RFC 2119 level of the rule that was broken."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Code(StrEnum):
    """What kind of difference was found."""

    SILENT = "silent"  # nothing came, something was due
    EXTRA = "extra"  # something came that nothing explains
    RESET = "reset"  # a reset came instead of what was due
    WRONG_FLAGS = "wrong-flags"
    WRONG_SEQ = "wrong-seq"
    WRONG_ACK = "wrong-ack"
    WRONG_DATA = "wrong-data"
    WRONG_WINDOW = "wrong-window"
    WRONG_OPTIONS = "wrong-options"
    WRONG_HEADER = "wrong-header"  # checksum, ports, reserved bits, data offset, urgent pointer
    WRONG_STATE = "wrong-state"
    WRONG_ANSWER = "wrong-answer"  # the application was told something else
    LATE = "late"
    EARLY = "early"
    DIED = "died"  # the target crashed or panicked
    HUNG = "hung"  # the target does not answer any more, twice
    STORM = "storm"  # the target sends without end
    WARNED = "warned"  # the target goes on, and says that something in it is wrong


@dataclass(slots=True)
class Finding:
    """One difference: what was due, what was seen, in which state of the target, by which rule."""

    code: Code
    level: Level
    expected: str
    observed: str
    state: str = ""
    cites: tuple[str, ...] = ()
    step: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def signature(self) -> str:
        """What a declared deviation pins: the code and what was seen."""
        return f"{self.code}: {self.observed}" if self.observed else str(self.code)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return {
            "code": str(self.code),
            "level": str(self.level),
            "expected": self.expected,
            "observed": self.observed,
            "state": self.state,
            "cites": list(self.cites),
            "step": self.step,
        }


class Violation(AssertionError):
    """A MUST is broken; ends the case."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.expected}, but {finding.observed or 'it did nothing'}")
        self.finding = finding


class Inconclusive(Exception):
    """The precondition of a case was not reached: nothing is said about its rule."""


class Replay(Exception):
    """The case took so long that a timer of the target may have spoken: judge another run instead."""


class Unjudgeable(Exception):
    """A harness error: the case could not be judged, through no fault of the target."""
