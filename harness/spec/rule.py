"""The shape of a rule of §3.10.7: a condition, and one branch for each thing that may be done about it."""

from dataclasses import dataclass
from enum import Enum, IntEnum

from harness.spec.conditions import Condition
from harness.spec.policy import Policy
from harness.spec.reaction import Level, Reply, Signal
from harness.spec.states import State


class Step(IntEnum):
    """The numbered checks of §3.10.7; an end is what comes after the eighth."""

    FIRST = 1
    SECOND = 2
    THIRD = 3
    FOURTH = 4
    FIFTH = 5
    SIXTH = 6
    SEVENTH = 7
    EIGHTH = 8
    END = 9


class Then(Enum):
    """Where processing goes after a branch."""

    STOP = "stop"
    GO_ON = "go on with the next rule"
    FIFTH = "go to the fifth check"
    SIXTH = "go to the sixth check"


class Effect(Enum):
    """What a branch does to sequence numbers, beside moving the connection to another state."""

    NOTHING = "nothing"
    SYNCHRONIZE = "set RCV.NXT behind the SYN"
    SYNCHRONIZE_AND_TAKE_TEXT = "set RCV.NXT behind the SYN and its text"
    TRIM = "cut off what lies outside the window"
    TAKE_TEXT = "advance RCV.NXT over the text"
    TAKE_FIN = "advance RCV.NXT over the FIN"
    DROP_TEXT = "drop text and FIN, keep the rest of the header"


@dataclass(frozen=True, slots=True)
class Branch:
    """One thing that may be done. The default is to do nothing and stop."""

    #: None keeps what an earlier check answered.
    reply: Reply | None = None
    next: State | None = None
    signals: tuple[Signal, ...] = ()
    then: Then = Then.STOP
    effect: Effect = Effect.NOTHING
    level: Level = Level.MUST
    #: The reading of the specifications that this branch belongs to; empty: any.
    policies: tuple[Policy, ...] = ()
    #: The reply leaves before the rest of the segment is looked at.
    at_once: bool = False
    deferrable: bool = False
    restarts_time_wait: bool = False
    #: The segment goes no further, but its acknowledgment has been taken in.
    hears_ack: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of §3.10.7. The first rule that applies takes the segment; its branches say what may become of it."""

    #: Stable name: section of states, number of the check, what was found.
    id: str
    step: Step
    states: frozenset[State]
    when: Condition
    branches: tuple[Branch, ...]
    cites: tuple[str, ...]
    why: str
    ambiguities: tuple[str, ...] = ()


#: Shorthands for the tables: carry on, and the two things that nearly all branches do.
GO_ON = Branch(then=Then.GO_ON)
IGNORE = Branch()
HEAR_ACK = Branch(hears_ack=True)
SEND_ACK = Branch(reply=Reply.ACK)
