"""A step in which two targets did not show the same, and what explains it."""

import re
from dataclasses import dataclass, field

from harness.fuzz.compare import Shown
from harness.fuzz.reader import Reading
from harness.fuzz.steps import Call, Sequence, Step

#: The explanation that needs no entry in a table.
BOTH_ALLOWED = "the RFC allows both"
#: What stands for the step where something came by itself, behind the last step.
LATE = "late"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a difference is none to worry about: a title (an entry's place, or `BOTH_ALLOWED`), and the reason."""

    title: str
    reason: str
    #: Whether the two targets are in the same condition behind this difference, so that comparing goes on.
    goes_on: bool = False


@dataclass(slots=True)
class Difference:
    """One difference. `at` counts the steps before it, `step` is None behind the last one.

    `seen` and `readings` are of the tested target and of the other; a reading is None where the rules of §3.10.7 have
    nothing to say.
    """

    sequence: Sequence
    at: int
    step: Step | None
    state: str
    seen: tuple[Shown, Shown]
    readings: tuple[Reading | None, Reading | None]
    explanations: list[Explanation] = field(default_factory=list)

    @property
    def explained(self) -> bool:
        """Tell whether anything explains it."""
        return bool(self.explanations)

    @property
    def event(self) -> str:
        """The step in short: a call's name, a segment's flags."""
        if self.step is None:
            return LATE
        return self.step.name if isinstance(self.step, Call) else str(self.step).partition("@")[0]

    @property
    def place(self) -> str:
        """Where it was: as the grid names it, or the state."""
        reading = self.readings[1] or self.readings[0]
        return reading.cell.place if reading else self.state.lower()

    @property
    def kind(self) -> str:
        """What makes two differences of the same kind, in one line; if the replies' options are all, then these too."""
        one, other = (_without_options(seen) for seen in self.seen)
        if one == other:
            one, other = map(str, self.seen)
        return f"{self.place} {self.event}: {one} | {other}"

    @property
    def sort(self) -> tuple[str, ...]:
        """What must stay the same while a sequence is shrunk: the place, the step, and what each target showed."""
        return self.place, self.event, *map(str, self.seen)


def _without_options(seen: Shown) -> str:
    return re.sub(r"~\S*", "", str(seen))
