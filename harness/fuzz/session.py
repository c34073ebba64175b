"""A run of the fuzzer: many sequences in batches, what was not explained shrunk, idle entries found out."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.case.rig import Rig
from harness.fuzz import report, shrink
from harness.fuzz.declared import Entry, table_for
from harness.fuzz.difference import Difference
from harness.fuzz.generate import sequence
from harness.fuzz.play import Played, Player
from harness.fuzz.report import Tally
from harness.fuzz.steps import SIMPLER, Sequence, text_of
from harness.targets.protocol import Capability, UnusableTarget
from harness.targets.registry import Settings, open_target, parse

#: How many sequences share a sweep for late segments.
BATCH = 250
#: So many kinds of difference are shrunk; a target that is quite another would take for ever.
SHRUNK_KINDS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play: targets by their text, IP version, seed, and the largest number of steps."""

    target: str
    against: str
    ip: int = 4
    seed: int = 1
    length: int = 24

    @property
    def names(self) -> tuple[str, str]:
        """The two targets, in order."""
        return self.target, self.against

    def command(self, steps: Sequence) -> str:
        """Return the command that plays one sequence again."""
        words = ["tcpspec", "fuzz", "--target", self.target, "--against", self.against]
        words += ["--ip", str(self.ip)] if self.ip != 4 else []
        return shlex.join([*words, "--replay", text_of(steps)])


@contextmanager
def player_of(plan: Plan) -> Iterator[Player]:
    """Start both targets and end them; raises UnusableTarget."""
    rigs: list[Rig] = []
    try:
        for text in plan.names:
            target = open_target(parse(text), Settings())
            rigs.append(Rig(target, guarded=Capability.VIRTUAL_TIME not in target.capabilities))
            if plan.ip == 6 and Capability.IPV6 not in target.capabilities:
                raise UnusableTarget(f"target {text} does not claim ipv6", "without --ip 6 it is IPv4")
        one, other = rigs
        tables = [table_for(rig.target.facts.implementation, plan.ip, rig.target.facts.version) for rig in rigs]
        yield Player((one, other), plan.ip, (tables[0], tables[1]))
    finally:
        for rig in rigs:
            rig.close()


def play_many(player: Player, sequences: Iterable[Sequence]) -> Iterator[Played]:
    """Play sequences in batches; what came late is judged behind each batch."""
    batch: list[Played] = []
    for each in sequences:
        batch.append(player.play(each))
        if len(batch) == BATCH:
            yield from _swept(player, batch)
            batch = []
    yield from _swept(player, batch)


def _swept(player: Player, batch: list[Played]) -> list[Played]:
    for rig in player.rigs:
        rig.sweep()
    for played in batch:
        player.late(played)
    return batch


def drawn(plan: Plan, count: int) -> Iterator[Sequence]:
    """Yield the sequences of a seed."""
    return (sequence(plan.seed, number, plan.length) for number in range(count))


def tally_of(player: Player, plan: Plan, count: int) -> Tally:
    """Play the sequences of a seed and return the figures."""
    tally = Tally()
    for played in play_many(player, drawn(plan, count)):
        tally.add(played)
    return tally


def stories(player: Player, plan: Plan, tally: Tally) -> Iterator[str]:
    """Yield the story of each kind of unexplained difference, with a shortest sequence that shows it."""
    for at, found in enumerate(tally.unexplained.values()):
        first = min(found, key=lambda each: each.at)
        if at >= SHRUNK_KINDS:
            yield f"kinds of differences that are not shown: {len(tally.unexplained) - at}"
            return
        short = shortest(player, first, plan.seed)
        played = player.play(short)
        difference = played.unexplained or first
        yield report.story(played, difference, plan.names, plan.command(short), len(found) - 1)
        _discard(player)


def shortest(player: Player, difference: Difference, seed: int) -> Sequence:
    """Return a shortest sequence that shows a difference of the same sort: the same step and the same replies."""
    if difference.step is None:
        return difference.sequence  # what comes late takes a sweep to see

    def shows_it(candidate: Sequence) -> bool:
        found = player.play(candidate).unexplained
        _discard(player)
        return found is not None and found.sort == difference.sort

    return shrink.shortest(difference.sequence[: difference.at + 1], shows_it, seed, SIMPLER)


def idle_entries(player: Player) -> list[Entry]:
    """Return the declared differences that neither the run nor their own examples have met."""
    for _played in play_many(player, [entry.example for table in player.tables for entry in table.idle()]):
        pass
    return [entry for table in player.tables for entry in table.idle()]


def _discard(player: Player) -> None:
    for rig in player.rigs:
        rig.discard()
