"""What an endpoint may do when a segment arrives: reply, next state, signals to the application."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from harness.spec.policy import DEFAULT, Policy
from harness.spec.segment import flag_names
from harness.spec.states import State


class Level(IntEnum):
    """How strongly a reaction is asked for (RFC 2119); an instruction of §3.10 without a keyword counts as MUST."""

    MAY = 1
    SHOULD = 2
    MUST = 3


class Reply(StrEnum):
    """The kinds of answer to one segment."""

    NONE = "none"
    RST_SEG_ACK = "rst(seq=seg.ack)"
    RST_ACK_ZERO = "rst-ack(seq=0)"
    SYN_ACK = "syn-ack"
    #: SEQ=SND.NXT and ACK=RCV.NXT as they were; also the ACK that leaves SYN-SENT.
    ACK = "ack"
    #: The same with RCV.NXT advanced over text or FIN of this segment, in a synchronized state.
    ACK_NEW = "ack-new"
    #: An RST of any other form.
    RST = "rst"
    #: That RST behind an acknowledgment of what the segment has brought.
    ACK_NEW_AND_RST = "ack-new + rst"


class Signal(StrEnum):
    """What the application is told."""

    RESET = "connection reset"
    REFUSED = "connection refused"
    CLOSING = "connection closing"  # end of file
    DATA = "data"
    URGENT = "urgent data"


@dataclass(frozen=True)
class Outgoing:
    """A segment that the endpoint sends; None in a number leaves it open (an ISS yet to be chosen, ACK bit off)."""

    flags: int
    seq: int | None
    ack: int | None

    def __str__(self) -> str:
        seq = "ISS" if self.seq is None else self.seq
        ack = "" if self.ack is None else f"<ACK={self.ack}>"
        return f"<SEQ={seq}>{ack}<CTL={flag_names(self.flags)}>"


@dataclass(frozen=True)
class Reaction:
    """One allowed reaction to one segment."""

    reply: Reply
    #: Exactly these, in this order; mostly one or none.
    segments: tuple[Outgoing, ...]
    next: State
    signals: tuple[Signal, ...]
    level: Level
    #: Policies that must all be in force for this reaction to be allowed; empty: allowed always.
    policies: tuple[Policy, ...]
    cites: tuple[str, ...]
    #: The id of the rule that decided, and of all rules on the way.
    rule: str
    path: tuple[str, ...]
    #: One sentence: why the specification wants this.
    why: str
    #: Ids in `harness.spec.ambiguities.REGISTER` of the questions that were settled on the way.
    ambiguities: tuple[str, ...]
    #: The acknowledgment may be delayed or ride on other segments (RFC 9293 §3.8.6.3 and §3.10.7.4 seventh).
    deferrable: bool
    #: The 2 MSL wait begins anew (RFC 9293 §3.10.7.4 fifth and eighth).
    restarts_time_wait: bool
    #: The ISS chosen for a reopened connection lies above this number (RFC 9293 §3.6.1, MAY-2).
    iss_above: int | None = None

    @property
    def default(self) -> bool:
        """Allowed under RFC 9293 with RFC 5961, without RFC 6191, RFC 1337 and MAY-2."""
        return DEFAULT.issuperset(self.policies)


#: Optional documents that replace the answer of RFC 9293 where they speak, instead of adding to it.
REPLACING = frozenset({Policy.RFC1337, Policy.RFC6191})


def select(reactions: Iterable[Reaction], policies: Collection[Policy] = DEFAULT) -> tuple[Reaction, ...]:
    """Return the reactions that are allowed when exactly `policies` are in force."""
    chosen, replacing = set(policies), REPLACING
    if Policy.RFC6191_UNTOLD in chosen and Policy.RFC6191 not in chosen:
        chosen, replacing = chosen | {Policy.RFC6191}, REPLACING - {Policy.RFC6191}
    possible = tuple(reaction for reaction in reactions if chosen.issuperset(reaction.policies))
    return tuple(reaction for reaction in possible if replacing.intersection(reaction.policies)) or possible
