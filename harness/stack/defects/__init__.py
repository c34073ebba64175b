"""Named defects of the reference stack, one subclass each: what a suite must notice that claims to check a TCP.

`DEFECTS` has them by name, in order; `defective` looks one up. D01 to D82 are classes of defects that real stacks have
had or could have, `NOT_IMPLEMENTED` says for which of them this stack has no place. The rest continue the numbering.
Each defect is one class that replaces a small method of the stack; the stack knows nothing of it.

`INTERACTIONS` are further ones, by name as well: each shows only where two ordinary things meet, and has a kind.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from harness.stack.defects import (
    acknowledgments,
    active_open,
    addressing,
    closed,
    closing,
    data,
    fin,
    interactions,
    listening,
    options,
    resets,
    sequence,
    syn_received,
    time_wait,
    timers,
    timestamps,
    windows,
)
from harness.stack.defects.defect import DECLARED, Defect

__all__ = [
    "ALLOWED",
    "DEFECTS",
    "INTERACTIONS",
    "KINDS",
    "NOT_IMPLEMENTED",
    "TOPICS",
    "Defect",
    "UnknownDefect",
    "defective",
]

#: Where they are declared.
TOPICS = (
    closed,
    listening,
    active_open,
    syn_received,
    sequence,
    resets,
    acknowledgments,
    data,
    fin,
    closing,
    time_wait,
    timers,
    timestamps,
    windows,
    options,
    addressing,
)

_NUMBERS = sorted(DECLARED, key=lambda name: int(name.removeprefix("D")))
DEFECTS: Mapping[str, Defect] = MappingProxyType({name: DECLARED[name] for name in _NUMBERS if not DECLARED[name].kind})
#: Defects where two ordinary things meet, and their kinds with a sentence each.
INTERACTIONS: Mapping[str, Defect] = MappingProxyType(
    {name: DECLARED[name] for name in _NUMBERS if DECLARED[name].kind}
)
KINDS: Mapping[str, str] = MappingProxyType(interactions.KINDS)

#: Numbers without a defect here, and why.
NOT_IMPLEMENTED: Mapping[str, str] = MappingProxyType({})

#: Numbers of what was taken for a defect and is allowed, each with the variant that does it: they are not given again.
ALLOWED: Mapping[str, str] = MappingProxyType({"D666": "first-duplicate-is-enough", "D798": "fin-behind-the-window"})


class UnknownDefect(KeyError):
    """There is no defect of this name; `near` are names that look like it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        known = () if name.upper() in ALLOWED else (*DEFECTS, *INTERACTIONS)
        self.near = difflib.get_close_matches(name.upper(), known, n=3, cutoff=0.5)

    def __str__(self) -> str:
        """Return a message for people."""
        variant = ALLOWED.get(self.args[0].upper())
        allowed = f": it is allowed, and the variant {variant!r} does it" if variant else ""
        return f"there is no defect {self.args[0]!r}{allowed}"


def defective(name: str) -> Defect:
    """Return the defect of this name; raises UnknownDefect."""
    found = DEFECTS.get(name.upper()) or INTERACTIONS.get(name.upper())
    if found is None:
        raise UnknownDefect(name)
    return found
