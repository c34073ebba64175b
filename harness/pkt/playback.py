"""Plays scripts that were written here, to see what they tell of a target before anybody else does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.case.conversation import Conversation
from harness.case.rig import Rig
from harness.case.runner import CaseRun, Ending, capture, gone_in
from harness.case.timer_batch import TimerCase, run_together
from harness.case.violation import Unjudgeable, Violation
from harness.case.walks import Walk
from harness.pkt import grammar, needs, run
from harness.pkt.settings import initial
from harness.pkt.support import Unsupported, traits_of
from harness.spec.states import CLOSED
from harness.targets.protocol import Capability

#: So many scripts share a sweep where time is simulated, and a pod where it is real.
IN_A_ROW, SIDE_BY_SIDE = 25, 100
#: By so many at a time is played once more what came late beside many others.
FEWER = 8


class Word(StrEnum):
    """How a script went."""

    CONFORMS = "conforms"
    VIOLATES = "violates"
    UNPLAYED = "can't be played"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a script: `line` is the one that it was not as, `why` what is in the way of playing it."""

    word: Word
    line: int = 0
    why: str = ""


def play(rig_of: Callable[[], Rig], texts: Sequence[str], forget: Callable[[], None]) -> list[Told]:
    """Play scripts on a target's rig; `forget` has the next one get a fresh target."""
    told: list[Told] = []
    while len(told) < len(texts):
        rig = rig_of()
        at_once = IN_A_ROW if Capability.VIRTUAL_TIME in rig.target.capabilities else SIDE_BY_SIDE
        found, trustworthy = _play(rig, texts[len(told) : len(told) + at_once])
        told += found
        if not trustworthy:
            forget()
    return told


def _play(rig: Rig, texts: Sequence[str]) -> tuple[list[Told], bool]:
    """Return what came of some scripts, up to the first that the target came to its end by; and whether it is sound."""
    plays = [_Play(rig, text) for text in texts]
    if Capability.VIRTUAL_TIME not in rig.target.capabilities:
        run_together(rig, [each.timed() for each in plays if each.shares])
        late = [each for each in plays if each.came_late]
        for at in range(0, len(late), FEWER):
            run_together(rig, [each.timed() for each in late[at : at + FEWER]])
    told = []
    for each in plays:
        told.append(each.told())
        if each.died:
            return told, False
    try:
        rig.sweep()
    except Unjudgeable:
        return told, False
    return told, rig.fallen is None


class _Play:
    """One script on a rig. `shares`: it sets nothing, so that others may wait beside it."""

    def __init__(self, rig: Rig, text: str) -> None:
        self._rig = rig
        self._timed: TimerCase | None = None
        self._outcome: run.Outcome | None = None
        self.died = self.shares = False
        self._script = grammar.parse("written.pkt", text)
        (self._version,) = run.versions(self._script)
        traits = traits_of(rig.target)
        self._need = next(needs.unmet(self._script, self._version, traits), None)
        self.shares = self._need is None and initial(self._script, traits) == ()

    def timed(self) -> TimerCase:
        """Return the script as something that waits beside others."""
        conversation = self._rig.begin(self._version.ip)
        self._timed = TimerCase(
            CaseRun(conversation, Walk(CLOSED)), lambda _target, _peer: self._begin(conversation).waits()
        )
        return self._timed

    @property
    def came_late(self) -> bool:
        """Whether it was violated beside others, and something in it was done so late that a timer may have spoken."""
        violated = self._timed is not None and self._timed.error is not None
        return violated and self._outcome is not None and self._outcome.was_very_late

    def told(self) -> Told:
        """Return what came of it; one that was not played beside others is played alone."""
        if self._need is not None:
            return Told(Word.UNPLAYED, why=str(self._need))
        try:
            return self._alone() if self._timed is None else self._judged(self._timed.error)
        except Unsupported as reason:
            return Told(Word.UNPLAYED, why=str(reason))

    def _begin(self, conversation: Conversation) -> run.Outcome:
        self._outcome = run.begin(conversation, self._script, self._version)
        return self._outcome

    def _alone(self) -> Told:
        conversation = self._rig.begin(self._version.ip)
        outcome = self._begin(conversation)
        captured = capture(conversation, lambda: run.play_alone(outcome), evidence=False)
        self.died = captured.died
        if captured.ending is Ending.COMPLETED:
            return Told(Word.CONFORMS)
        if captured.ending is Ending.VIOLATION:
            return Told(Word.VIOLATES, self._line())
        return Told(Word.UNPLAYED, why=captured.message)

    def _judged(self, error: BaseException | None) -> Told:
        if error is None:
            return Told(Word.CONFORMS)
        self.died = gone_in(error) is not None
        if self.died or isinstance(error, Violation):
            return Told(Word.VIOLATES, self._line())
        if isinstance(error, Unsupported | Unjudgeable):
            return Told(Word.UNPLAYED, why=str(error))
        raise error

    def _line(self) -> int:
        player = self._outcome.player if self._outcome is not None else None
        return player.event.place.line if player is not None else 1
