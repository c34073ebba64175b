"""Plays one sequence on two targets, step by step, and stops where they part for good."""

from dataclasses import dataclass, field

from harness.case.rig import Rig
from harness.case.violation import Code, Unjudgeable
from harness.fuzz.compare import OPTION_OF, Shown, alike, core, shown
from harness.fuzz.declared import Table
from harness.fuzz.difference import BOTH_ALLOWED, Difference, Explanation
from harness.fuzz.reader import Reading, read
from harness.fuzz.side import Outcome, Side
from harness.fuzz.steps import Probe, Sequence, Step
from harness.spec.segment import ACK, FIN, SYN

#: A sequence that a timer of a target disturbs is played again, this often.
REPLAYS = 5


@dataclass(slots=True)
class Played:
    """One sequence as it went. `steps` is how many were compared, `trouble` a sentence where a target failed."""

    sequence: Sequence
    sides: tuple[Side, Side]
    differences: list[Difference] = field(default_factory=list)
    steps: int = 0
    parted: bool = False
    trouble: str = ""
    visits: list[tuple[str, Step]] = field(default_factory=list)

    @property
    def unexplained(self) -> Difference | None:
        """The difference that nothing explains, if there is one; it is the last."""
        return next((each for each in self.differences if not each.explained), None)


class Player:
    """Two rigs, and what is declared of their targets. `rigs` are the tested target's and the other's."""

    def __init__(self, rigs: tuple[Rig, Rig], version: int, tables: tuple[Table, Table]) -> None:
        self.rigs = rigs
        self.version = version
        self.tables = tables
        both = rigs[0].target.capabilities & rigs[1].target.capabilities
        self._missing = [capability for capability in OPTION_OF if capability not in both]

    def play(self, sequence: Sequence) -> Played:
        """Play a sequence; one that a timer has disturbed is played again. Raises Unjudgeable."""
        for _attempt in range(REPLAYS):
            played = self._once(sequence)
            if played.unexplained is None or not any(side.disturbed() for side in played.sides):
                return played
        raise Unjudgeable(f"a timer spoke in each of {REPLAYS} attempts: the machine is too slow or too busy")

    def late(self, played: Played) -> None:
        """After the sweep: take what came by itself, behind the last step, for a difference."""
        texts = [_late(side) for side in played.sides]
        if texts[0] != texts[1] and not played.parted and played.unexplained is None:
            one, other = (Shown("", tuple(text), "late") for text in texts)
            self._classify(played, None, (one, other), None)

    def _once(self, sequence: Sequence) -> Played:
        sides = (
            Side(self.rigs[0], self.version, sequence),
            Side(self.rigs[1], self.version, sequence),
        )
        played = Played(sequence, sides)
        for step in sequence:
            outcomes = (sides[0].perform(step), sides[1].perform(step))
            played.visits.append((_place(outcomes[1]), step))
            alike = self._compare(played, step, outcomes)
            if not alike or any(side.ended for side in sides):
                played.parted = True
                break
            played.steps += 1
        for side in sides:
            side.conversation.finished = True
        return played

    def _compare(self, played: Played, step: Step, outcomes: tuple[Outcome, Outcome]) -> bool:
        """Compare one step; tell whether the two still go the same way."""
        seen = (shown(outcomes[0], self._missing), shown(outcomes[1], self._missing))
        if alike(*seen):
            return True
        difference = self._classify(played, step, seen, outcomes)
        return difference.explained and (
            all(each.goes_on for each in difference.explanations) or _in_step(step, outcomes)
        )

    def _classify(
        self,
        played: Played,
        step: Step | None,
        seen: tuple[Shown, Shown],
        outcomes: tuple[Outcome, Outcome] | None,
    ) -> Difference:
        readings: tuple[Reading | None, Reading | None] = (None, None)
        if outcomes:
            one, other = (rig.target for rig in self.rigs)
            readings = (read(outcomes[0], one, self.version), read(outcomes[1], other, self.version))
        state = _place(outcomes[1]) if outcomes else ""
        difference = Difference(played.sequence, played.steps, step, state, seen, readings)
        difference.explanations = self._explanations(difference)
        played.differences.append(difference)
        return difference

    def _explanations(self, difference: Difference) -> list[Explanation]:
        """Return what explains a difference: an entry that pins it, or what is known of each target."""
        entries = [table.explain(difference, at) for at, table in enumerate(self.tables)]
        found = [entry for entry in entries if entry is not None]
        if found or not _is_about_the_rules(difference):
            return found
        readings = [reading for reading in difference.readings if reading is not None and not reading.allowed]
        if not all(reading.declared for reading in readings):
            return []
        deviations = [Explanation(reading.declared, reading.reason) for reading in readings]
        return deviations or [Explanation(BOTH_ALLOWED, _rules(difference))]


def _is_about_the_rules(difference: Difference) -> bool:
    """Tell whether the rules of §3.10.7 can judge it: it lies in replies and states, and not in the data sent."""
    one, other = difference.readings
    if one is None or other is None or core(difference.seen[0]) == core(difference.seen[1]):
        return False
    streams = [[reply for reply in seen.replies if "/" in reply or "F" in reply] for seen in difference.seen]
    return streams[0] == streams[1]


def _rules(difference: Difference) -> str:
    found = [reading for reading in difference.readings if reading is not None]
    return " | ".join(dict.fromkeys(rule for reading in found for rule in reading.rules))


def _late(side: Side) -> list[str]:
    return [finding.observed for finding in side.conversation.findings if finding.code is Code.LATE]


def _place(outcome: Outcome) -> str:
    return str(outcome.before.state or "")


def _in_step(step: Step, outcomes: tuple[Outcome, Outcome]) -> bool:
    """Tell whether two targets that showed different things are in the same condition all the same."""
    one, other = outcomes
    if one.state != other.state or one.queued != other.queued or one.answer != other.answer:
        return False
    return isinstance(step, Probe) and (not step.flags & (SYN | FIN | ACK) or all(map(_brings_nothing, outcomes)))


def _brings_nothing(outcome: Outcome) -> bool:
    """Tell whether a segment could have left nothing behind in a target, taken or not."""
    segment, before = outcome.segment, outcome.before
    if segment is None or segment.flags & (SYN | FIN) or segment.payload or segment.options:
        return False
    return segment.window == before.snd_wnd and not before.snd_una < segment.ack <= before.snd_nxt
