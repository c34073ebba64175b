"""Mutants of the source, judged: which statements each case executes, who can notice a mutant, what became of it.

A case that never executes a changed statement can't notice it: only those that do are played, until a MUST is broken.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.case.verdict import BAD, Verdict
from harness.mutate.campaign import KILLS, PATIENCE, Noticed
from harness.mutate.script import Script, Shown, play, record, shows_a_difference
from harness.mutate.source import Mutant, Place, watched
from harness.mutate.workers import Died, in_order
from harness.stack import Stack

#: What a case may take of a processor, in seconds: the slowest takes a tenth of one, alone.
CPU_S = 8.0
#: So many cases of the sound stack are one piece of work.
PIECE = 200
#: What became of a mutant.
NEVER, SURVIVES, BROKEN = "never executed", "survives", "crashes or hangs"
KINDS = CASE, CELL, TIMED, CONVERSATION = "quick case", "cell of the grid", "timer case", "conversation"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one mutant: by what kind of case it was noticed, or why not; `kill` is the first to break a MUST.

    `played` cases were asked, of those that execute the statement; `should` only deviated from a SHOULD. In so many the
    stack answered `otherwise` and broke no rule, first in `seen`.
    """

    number: int
    what: str
    played: int
    kill: Noticed | None = None
    should: Noticed | None = None
    otherwise: int = 0
    seen: Noticed | None = None


@dataclass(slots=True)
class SourceCampaign:
    """All cases, what the sound stack shows in each, and the statements of the stack that each executes."""

    scripts: list[Script]
    workers: int = 1
    sound: list[Shown] = field(default_factory=list)
    executed: list[frozenset[Place]] = field(default_factory=list)
    #: What the sound stack was asked and has answered (`harness.mutate.tape`).
    tapes: list[bytes] = field(default_factory=list)

    def play_sound(self) -> None:
        """Play every case on the sound stack."""
        pieces = [range(at, min(at + PIECE, len(self.scripts))) for at in range(0, len(self.scripts), PIECE)]

        def play_piece(piece: range) -> list[tuple[Shown, bytes, frozenset[Place]]]:
            with watched() as seen:
                return [_traced(self.scripts[at], seen) for at in piece]

        for _piece, shown in in_order(self.workers, play_piece, pieces):
            if isinstance(shown, Died):
                raise shown
            for each, tape, executed in shown:
                self.sound.append(each)
                self.tapes.append(tape)
                self.executed.append(executed)

    @property
    def unsound(self) -> list[Noticed]:
        """What the sound stack does not pass."""
        pairs = zip(self.scripts, self.sound, strict=True)
        return [Noticed(script.name, script.ip, shown) for script, shown in pairs if shown.verdict in BAD]

    def leave_out_unsound(self) -> None:
        """Play no case any more that the sound stack does not pass."""
        kept = [at for at, shown in enumerate(self.sound) if shown.verdict not in BAD]
        self.scripts = [self.scripts[at] for at in kept]
        self.executed = [self.executed[at] for at in kept]
        self.tapes = [self.tapes[at] for at in kept]
        self.sound = [self.sound[at] for at in kept]

    def play_mutants(self, mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Fate]]:
        """Play the cases on each mutant, and yield what came of it, in order."""
        every = list(range(len(mutants)))
        for at, fate in in_order(self.workers, lambda at: self._examine(at, mutants[at]), every):
            yield mutants[at], fate if isinstance(fate, Fate) else Fate(at, BROKEN, 0)

    def _examine(self, number: int, mutant: Mutant) -> Fate:
        able = [at for at, executed in enumerate(self.executed) if mutant.place in executed]
        if mutant.is_constant:
            able = list(range(len(self.scripts)))
        if not able:
            return Fate(number, NEVER, 0)
        with mutant.applied():
            return self._play(number, able)

    def _in_order(self, able: Sequence[int]) -> list[int]:
        """Return cases before cells before timers before conversations, and of each the first rows first."""
        seen: Counter[str] = Counter()
        ranks = {}
        for at in able:
            script = self.scripts[at]
            ranks[at] = KINDS.index(kind_of(script)), 0 if script.generated else seen[script.function]
            seen[script.function] += 1
        return sorted(able, key=lambda at: ranks[at])

    def _play(self, number: int, able: Sequence[int]) -> Fate:
        should: Noticed | None = None
        otherwise: list[Noticed] = []
        enough = len(able)
        for played, at in enumerate(self._in_order(able), 1):
            script = self.scripts[at]
            differs = shows_a_difference(script, self.tapes[at], Stack, cpu_s=CPU_S)
            shown = play(script, cpu_s=CPU_S) if differs else self.sound[at]
            noticed = Noticed(script.name, script.ip, shown, script.case.summary if script.generated else "")
            if shown.verdict is Verdict.HARNESS_ERROR:
                return Fate(number, BROKEN, played, noticed)
            if shown.verdict in KILLS and shown.verdict is not self.sound[at].verdict:
                if shown.verdict is not Verdict.DEVIATES:
                    return Fate(number, kind_of(script), played, noticed, should)
                should = should or noticed
                enough = min(enough, played + PATIENCE)
            elif differs:
                otherwise.append(noticed)
            if played >= enough:
                break
        first = otherwise[0] if otherwise else None
        return Fate(number, SURVIVES, min(enough, len(able)), None, should, len(otherwise), first)


def kind_of(script: Script) -> str:
    """Return which kind of case a script is."""
    if script.generated is not None:
        return CONVERSATION
    if script.case.meta.timer_s is not None:
        return TIMED
    return CASE if script.cell is None else CELL


def table(fates: Sequence[Fate]) -> Iterator[tuple[str, int]]:
    """Yield how many mutants came to each end, what is noticed by a SHOULD alone aside."""
    counts = Counter("a SHOULD only" if fate.what is SURVIVES and fate.should else fate.what for fate in fates)
    for what in (BROKEN, *KINDS, "a SHOULD only", SURVIVES, NEVER):
        yield what, counts[what]


def _traced(script: Script, seen: set[Place]) -> tuple[Shown, bytes, frozenset[Place]]:
    """Play a case on the sound stack; return what it shows, its tape, and the statements that it executes."""
    seen.clear()
    shown, tape = record(script, cpu_s=10 * CPU_S)
    return shown, tape, frozenset(seen)
