"""How many conversations a run of cases takes. What makes them is imported when some are wanted: it takes long."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.explore.run import Generated

OFF, CORE, ALL = LEVELS = ("off", "core", "all")
PREFIX = "explore/"


@dataclass(frozen=True, slots=True)
class Conversations:
    """What a module of test cases holds where conversations are to be collected."""

    def chosen(self, level: str, patterns: Sequence[str]) -> "list[Generated]":
        """Return those of a run: a fixed small choice, or all; patterns that speak of them choose among all."""
        named = any(pattern.startswith(PREFIX) or fnmatch.fnmatchcase(PREFIX, pattern) for pattern in patterns)
        if level == OFF and not named:
            return []
        from harness.explore.choice import small
        from harness.explore.kinds import KINDS

        if level == ALL or named:
            return [generated for kind in KINDS.values() for generated in kind.generate()]
        return small()
