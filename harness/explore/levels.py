"""How many conversations a run of cases takes. What makes them is imported when some are wanted: it takes long."""

import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.case.selection import matches

if TYPE_CHECKING:
    from harness.explore.run import Generated

OFF, CORE, ALL = LEVELS = ("off", "core", "all")
PREFIX = "explore/"


@dataclass(frozen=True, slots=True)
class Conversations:
    """What a module of test cases holds where conversations are to be collected."""

    def chosen(self, level: str, patterns: Sequence[str]) -> "list[Generated]":
        """Return those of a run: a fixed small choice, or all; patterns that begin with `explore/` choose among all.

        Then only those are returned that these name, and only the kinds that they may be about are made. Where one
        names nothing all of these are returned, for whoever is to say what there is. A pattern that is about
        conversations and all else, as `*` is, chooses among those of the run.
        """
        about = [each for each in patterns if each.startswith(PREFIX)]
        if level == OFF and not about:
            return []
        from harness.explore.choice import small

        if not about:
            return list(_made(about)) if level == ALL else small()
        few = {generated.id: generated for generated in small()}
        if few.keys() >= set(about):
            found = [generated for name, generated in few.items() if name in about]
        else:
            found = _named(_made(about), about) or list(_made(about))
        if level == OFF or len(about) == len(patterns):
            return found
        others = few.values() if level == CORE else _made(())
        return list({generated.id: generated for generated in (*found, *others)}.values())


def _made(patterns: Sequence[str]) -> "Iterator[Generated]":
    """Yield all conversations of the kinds that patterns are about, which begin with `explore/`; of all without any."""
    from harness.explore.kinds import KINDS

    kinds = [pattern.removeprefix(PREFIX).partition("/")[0] for pattern in patterns]
    for name, kind in KINDS.items():
        if not kinds or any(fnmatch.fnmatchcase(name, each) for each in kinds):
            yield from kind.generate()


def _named(made: "Iterable[Generated]", patterns: Sequence[str]) -> "list[Generated]":
    """Return those that patterns name, looking no further than needed; none where a pattern names nothing."""
    found, unmet, exact = [], set(patterns), set(patterns)
    for generated in made:
        naming = {pattern for pattern in patterns if matches(pattern, generated.id)}
        if naming:
            found.append(generated)
            unmet -= naming
            exact.discard(generated.id)
            if not exact:
                break
    return [] if unmet else found
