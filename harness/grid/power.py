"""What the grid can find: mistakes in the rules, and targets that have not moved.

*Rules.* A target is run once. Each mutation of the rules of §3.10.7 then judges what was seen: a mutation is caught if
a cell that was as expected no longer is. One that alters nothing which a target with these policies may show is
invisible; one that survives alters only what this target does not make use of.

*States.* See `harness.grid.stuck`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from harness.case.policies import policies_in_force
from harness.case.rig import Rig
from harness.grid.accept import demanded
from harness.grid.batch import Result, run_cells
from harness.grid.cells import Cell, segment_cells
from harness.grid.execute import Seen
from harness.grid.judge import judge
from harness.grid.numbers import connection_of, segment_of
from harness.grid.stuck import try_states
from harness.spec.arrivals import RULES, allowed
from harness.spec.connection import Connection
from harness.spec.mutations import Mutation, mutations
from harness.spec.policy import Policy
from harness.spec.rule import Rule
from harness.spec.segment import Segment


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one mutation. `cell` is the first that shows it, `tolerated` the first that would allow for it."""

    mutation: str
    cell: str = ""
    tolerated: str = ""

    @property
    def verdict(self) -> str:
        """``caught``, ``survives`` or ``invisible``."""
        return "caught" if self.cell else "survives" if self.tolerated else "invisible"


def observations(results: Iterable[Result]) -> list[tuple[Cell, Seen]]:
    """Return what was seen, cell by cell; what was not reached is left out."""
    return [(result.cell, result.seen) for result in results if result.seen is not None]


class Judge:
    """Holds observations against altered rules. Cells that meet the altered rule are looked at first."""

    def __init__(self, seen: Sequence[tuple[Cell, Seen]], policies: Collection[Policy]) -> None:
        self.seen = seen
        self.policies = policies
        self._arrivals = [_arrival(cell, each) for cell, each in seen]
        self._right = [self._verdict(index, RULES) for index in range(len(seen))]
        self._meeting: dict[str, list[int]] = {}
        for index, (connection, segment) in enumerate(self._arrivals):
            for name in {name for reaction in allowed(connection, segment) for name in reaction.path}:
                self._meeting.setdefault(name, []).append(index)

    def trial(self, mutation: Mutation) -> Trial:
        """Judge all that was seen by a mutated table until a cell shows it."""
        tolerated = ""
        for index in self._candidates(mutation.rule):
            verdict = self._verdict(index, mutation.rules)
            if verdict[0] != self._right[index][0]:
                return Trial(mutation.id, self.seen[index][0].id)
            if verdict != self._right[index]:
                tolerated = tolerated or self.seen[index][0].id
        return Trial(mutation.id, tolerated=tolerated)

    def _candidates(self, rule: str) -> Iterable[int]:
        near = self._meeting.get(rule, [])
        met = set(near)
        return (*near, *(index for index in range(len(self.seen)) if index not in met))

    def _verdict(self, index: int, rules: tuple[Rule, ...]) -> tuple[str, frozenset[tuple[str, str]]]:
        """Return the finding's signature ("" for none), and all that is demanded."""
        cell, seen = self.seen[index]
        found = allowed(*self._arrivals[index], rules)
        finding = judge(cell, seen.observation, found, self.policies)
        due = frozenset((str(each.reply), str(each.next)) for each in demanded(found, self.policies))
        return finding.signature if finding else "", due


def _arrival(cell: Cell, seen: Seen) -> tuple[Connection, Segment]:
    connection = connection_of(cell, seen.window, seen.filled)
    return connection, segment_of(cell, connection)


def try_rules(
    seen: Sequence[tuple[Cell, Seen]], policies: Collection[Policy], chosen: Iterable[Mutation] | None = None
) -> list[Trial]:
    """Try mutations (all of them by default) on what was seen on a target."""
    judging = Judge(seen, policies)
    return [judging.trial(mutation) for mutation in (mutations() if chosen is None else chosen)]


def summary(trials: Sequence[Trial]) -> str:
    """Return the counts, and each mutation that survives with the cell where it would allow for more or less."""
    count = {
        verdict: sum(trial.verdict == verdict for trial in trials) for verdict in ("caught", "survives", "invisible")
    }
    lines = [
        f"{len(trials)} mutations of the rules: {count['caught']} caught, {count['survives']} survive,"
        f" {count['invisible']} change nothing that can be seen"
    ]
    lines += [
        f"  survives: {trial.mutation} (such as {trial.tolerated})" for trial in trials if trial.verdict == "survives"
    ]
    return "\n".join(lines)


def prove(rig: Rig, version: int = 4) -> str:
    """Run the whole grid on a target and return what it can find: every mutation, and every cell that moves."""
    cells = segment_cells()
    seen = observations(run_cells(rig, cells, version))
    lines = [summary(try_rules(seen, policies_in_force(rig.target)))]
    for blind, how in ((False, "lie about its states"), (True, "hide its states")):
        tried, passed = try_states(rig, cells, version, blind=blind)
        lines.append(f"{tried} cells move; a target that does not, and would {how}, passes in {len(passed)} of them")
        lines += [f"  passes: {name}" for name in passed]
    return "\n".join(lines)
