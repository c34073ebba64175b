"""How a proof is declared, and tried."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.stack import Stack
from harness.targets.reference.target import BEGINNING_NS
from testcases.selftest.interactions.lab import Lab


@dataclass(frozen=True, slots=True)
class Proof:
    """A conversation that shows one defect, and when it begins."""

    defect: str
    play: Callable[[Lab], None]
    beginning_ns: int

    def holds(self, stack_class: type[Stack]) -> str:
        """Return "" if the stack passes, else what it does wrong.

        An OSError is a call that the stack refuses. Whatever else is raised is our own error.
        """
        try:
            self.play(Lab(stack_class, self.beginning_ns))
        except (AssertionError, OSError) as failure:
            return str(failure) or "an assertion fails"
        return ""


#: All proofs, by the name of the defect.
PROOFS: dict[str, Proof] = {}


def shows(defect: str, *, beginning_ns: int = BEGINNING_NS) -> Callable[[Callable[[Lab], None]], Callable[[Lab], None]]:
    """Declare the function below as the proof of a defect."""

    def declare(play: Callable[[Lab], None]) -> Callable[[Lab], None]:
        assert defect not in PROOFS, f"{defect} has two proofs"
        PROOFS[defect] = Proof(defect, play, beginning_ns)
        return play

    return declare
