"""The whole gate: the sound stack first, then one defect after the other, over several processes.

A kill is a case that violates (or, where none does, deviates), and did not on the sound stack. That a case was
inconclusive kills nothing: it says nothing about its rule. What makes the harness raise or hang kills nothing either.
Where a case runs on both IP versions, IPv6 is played only against what is alive after all else.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.case.verdict import BAD, Verdict
from harness.mutate.order import Order
from harness.mutate.script import CPU_S, TOO_LONG, Script, Shown, play, record, shows_a_difference
from harness.mutate.workers import Died, in_order
from harness.stack.defects import Defect

#: So many cases of the sound stack are one piece of work.
PIECE = 100
#: Where only a SHOULD is broken so far, so many more cases are asked for a MUST.
PATIENCE = 300
KILLS = (Verdict.VIOLATES, Verdict.DEVIATES, Verdict.GONE)


@dataclass(frozen=True, slots=True)
class Noticed:
    """A case that showed something else than on the sound stack."""

    case_id: str
    ip: int
    shown: Shown
    #: Of a generated conversation: what plays it again.
    replay: str = ""

    @property
    def code(self) -> str:
        """The code of the finding, or else the verdict; one that breaks no MUST says so."""
        should = " (SHOULD)" if self.shown.verdict is Verdict.DEVIATES else ""
        return f"{self.shown.code or self.shown.verdict}{should}"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one defect. `kills` are in the order in which the cases were played, MUST before SHOULD.

    `otherwise`: where it answered otherwise than the sound stack, and broke no rule.
    """

    name: str
    played: int
    kills: tuple[Noticed, ...] = ()
    inconclusive: tuple[str, ...] = ()
    troubles: tuple[Noticed, ...] = ()
    otherwise: tuple[Noticed, ...] = ()

    @property
    def codes(self) -> Counter[str]:
        """How often each code was found."""
        return Counter(kill.code for kill in self.kills)


@dataclass(slots=True)
class Campaign:
    """All cases, what the sound stack shows in them, and what became of each defect."""

    scripts: list[Script]
    full: bool = False
    workers: int = 1
    cpu_s: float = CPU_S
    sound: dict[tuple[str, int], Shown] = field(default_factory=dict)
    #: What the sound stack was asked and has answered: who answers the same needs no judge (`harness.mutate.tape`).
    tapes: dict[tuple[str, int], bytes] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)

    def play_sound(self) -> Iterator[Script]:
        """Play every case on the sound stack; yields those done."""
        pieces = [range(at, min(at + PIECE, len(self.scripts))) for at in range(0, len(self.scripts), PIECE)]

        def play_piece(piece: range) -> list[tuple[Shown, bytes]]:
            return [record(self.scripts[at], cpu_s=self.cpu_s) for at in piece]

        for piece, shown in in_order(self.workers, play_piece, pieces):
            if isinstance(shown, Died):
                shown = [(Shown(Verdict.HARNESS_ERROR, text=str(shown)), b"")] * len(piece)
            for at, (each, tape) in zip(piece, shown, strict=True):
                script = self.scripts[at]
                self.sound[script.name, script.ip] = each
                self.tapes[script.name, script.ip] = tape
                yield script

    @property
    def unsound(self) -> list[Noticed]:
        """What the sound stack does not pass."""
        return [Noticed(*key, shown) for key, shown in self.sound.items() if shown.verdict in BAD]

    def play_defects(self, defects: Mapping[str, Defect]) -> Iterator[Trial]:
        """Play the cases against each defect, and yield what came of it, in order."""
        applicable = [each for each in self.scripts if self._shows(each).verdict is not Verdict.NOT_APPLICABLE]
        first, reserve = (Order(part) for part in _by_version(applicable))

        def examine(defect: Defect) -> Trial:
            return self._examine(defect, first.for_defect(defect), reserve.for_defect(defect))

        for defect, trial in in_order(self.workers, examine, list(defects.values())):
            if isinstance(trial, Died):
                trial = Trial(defect.name, 0, troubles=(Noticed("", 0, Shown(Verdict.HARNESS_ERROR, text=str(trial))),))
            self.trials[trial.name] = trial
            yield trial

    def _examine(self, defect: Defect, scripts: Sequence[Script], reserve: Sequence[Script]) -> Trial:
        """Play until a MUST is broken, or everything; a defect under which a case hangs is given up."""
        must: list[Noticed] = []
        should: list[Noticed] = []
        inconclusive: list[str] = []
        troubles: list[Noticed] = []
        otherwise: list[Noticed] = []
        played = 0
        enough = len(scripts)
        for script in itertools.chain(scripts, reserve):
            if (must and not self.full) or ((must or should) and played >= enough):
                break
            played += 1
            differs = self._answers_otherwise(script, defect)
            shown = play(script, defect.stack_class, cpu_s=self.cpu_s) if differs else self._shows(script)
            noticed = Noticed(script.name, script.ip, shown, script.case.summary if script.generated else "")
            if shown.verdict is Verdict.HARNESS_ERROR:
                troubles.append(noticed)
                if shown.text.startswith(TOO_LONG):
                    break
            elif shown.verdict is Verdict.INCONCLUSIVE:
                inconclusive.append(script.name)
            elif shown.verdict in KILLS and shown.verdict is not self._shows(script).verdict:
                (should if shown.verdict is Verdict.DEVIATES else must).append(noticed)
                if not self.full:
                    enough = min(enough, played + PATIENCE)
            elif differs:
                otherwise.append(noticed)
        kills = (*must, *should)
        return Trial(defect.name, played, kills, tuple(inconclusive), tuple(troubles), tuple(otherwise))

    def _answers_otherwise(self, script: Script, defect: Defect) -> bool:
        tape = self.tapes[script.name, script.ip]
        return not tape or shows_a_difference(script, tape, defect.stack_class, cpu_s=self.cpu_s)

    @property
    def survivors(self) -> list[str]:
        """Defects that no case kills."""
        return [name for name, trial in self.trials.items() if not trial.kills]

    @property
    def troubled(self) -> list[str]:
        """Defects under which the harness itself fails."""
        return [name for name, trial in self.trials.items() if trial.troubles]

    def idle(self) -> dict[str, str]:
        """Return the cases (without rows) and cells that killed nothing: "", or why they do not apply to the stack."""
        names = {script.name: script.name if script.cell is not None else script.function for script in self.scripts}
        busy = {names[kill.case_id] for trial in self.trials.values() for kill in trial.kills}
        found: dict[str, str] = {}
        for script in sorted(self.scripts, key=lambda script: script.name):
            name, shown = names[script.name], self._shows(script)
            waived = f"not applicable: {shown.text}" if shown.verdict is Verdict.NOT_APPLICABLE else ""
            if name not in busy and (not waived or name not in found):
                found[name] = waived
        return found

    def _shows(self, script: Script) -> Shown:
        return self.sound[script.name, script.ip]


def _by_version(scripts: Sequence[Script]) -> tuple[list[Script], list[Script]]:
    """Return the cases once each, and those of which there is a run on the other IP version before."""
    once: dict[str, Script] = {}
    again = []
    for script in sorted(scripts, key=lambda script: script.ip):
        if once.setdefault(script.name, script) is not script:
            again.append(script)
    return list(once.values()), again
