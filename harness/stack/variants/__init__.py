"""Named variants of the reference stack: correct, but different. What a suite must not hold against a TCP.

`VARIANTS` has them by name, `varied` looks one up. Defects are the other half of the proof: no case may break a MUST
on a variant, and each defect must break one. Each variant names the sentence that allows it. Several names with "+"
between them are one stack that differs in all these ways.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from harness.stack.variants import (
    acknowledging,
    calls,
    closing,
    crossing,
    embedded,
    extensions,
    hosts,
    limits,
    numbers,
    opening,
    options,
    queued,
    readings,
    recovery,
    released,
    sending,
    slower,
    timing,
)
from harness.stack.variants.together import AND, Contradiction, mixtures, together
from harness.stack.variants.variant import DECLARED, Variant

__all__ = [
    "AND",
    "TOPICS",
    "VARIANTS",
    "Contradiction",
    "UnknownVariant",
    "Variant",
    "mixtures",
    "together",
    "varied",
]

#: Where they are declared.
TOPICS = (
    opening,
    crossing,
    options,
    extensions,
    numbers,
    readings,
    limits,
    acknowledging,
    sending,
    slower,
    recovery,
    calls,
    queued,
    closing,
    timing,
    released,
    embedded,
    hosts,
)

VARIANTS: Mapping[str, Variant] = MappingProxyType(DECLARED)


class UnknownVariant(KeyError):
    """There is no variant of this name; `near` are names that look like it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.near = difflib.get_close_matches(name.lower(), VARIANTS, n=3, cutoff=0.4)

    def __str__(self) -> str:
        """Return a message for people."""
        return f"there is no variant {self.args[0]!r}"


def varied(name: str) -> Variant:
    """Return the variant of this name, or several as one; raises UnknownVariant and Contradiction."""
    return together([_named(each) for each in name.lower().split(AND)])


def _named(name: str) -> Variant:
    try:
        return VARIANTS[name]
    except KeyError:
        raise UnknownVariant(name) from None
