"""Which conversations a run plays: of all chosen kinds by turns, in an order that the seed decides.

So a short run has seen each kind, two runs with one seed see the same, and who plays longer sees what comes behind it.
"""

import difflib
import fnmatch
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.cache import kept
from harness.explore import notation
from harness.explore.kinds import KINDS
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: So many conversations of a kind are shuffled at a time: a generator may have no end.
WINDOW = 1 << 15
TOO_SLOW = "conversations in which minutes pass (--slow)"


class UnknownKind(ValueError):
    """No kind has this name."""

    def __init__(self, name: str) -> None:
        near = difflib.get_close_matches(name, KINDS, 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"kinds are {', '.join(KINDS)}"
        super().__init__(f"there is no kind {name!r}; {hint}")


class NothingToPlay(ValueError):
    """A target lacks what every conversation of a kind needs."""


@dataclass(slots=True)
class Choice:
    """What is to be played, and what was left out by reason. `slow`: also what takes minutes in real time."""

    kinds: tuple[str, ...]
    seed: int = 1
    slow: bool = False
    left_out: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, names: Iterable[str], seed: int = 1, *, slow: bool = False) -> "Choice":
        """Choose kinds by name, all where none is named; raises UnknownKind."""
        names = tuple(dict.fromkeys(names)) or tuple(KINDS)
        for name in names:
            if name not in KINDS:
                raise UnknownKind(name)
        return cls(names, seed, slow)

    def for_target(self, name: str, capabilities: frozenset[Capability], *, demand: bool) -> Iterator[Generated]:
        """Yield what a target can play, by turns of the kinds.

        With `demand` a kind of which it can play nothing raises NothingToPlay.
        """
        running: list[Iterator[Generated]] = []
        for kind in self.kinds:
            fitting = self._fitting(kind, capabilities)
            first = next(fitting, None)
            if first is not None:
                running.append(itertools.chain([first], fitting))
            elif demand:
                raise NothingToPlay(
                    f"{name} can play no conversation of the kind {kind}: {self._why(kind, capabilities)}"
                )
        yield from _by_turns(running)

    def _fitting(self, kind: str, capabilities: frozenset[Capability]) -> Iterator[Generated]:
        for generated in shuffled(KINDS[kind].made(self.seed), f"{self.seed}/{kind}"):
            if reason := self.unfit(generated, capabilities):
                self.left_out[reason] += 1
            else:
                yield generated

    def fits(self, generated: Generated, capabilities: frozenset[Capability]) -> bool:
        """Tell whether a target can play a conversation."""
        return not self.unfit(generated, capabilities)

    def unfit(self, generated: Generated, capabilities: frozenset[Capability]) -> str:
        """Return why a target can't play a conversation, "" if it can."""
        if missing := generated.needs - capabilities:
            return f"conversations that need what the target does not claim: {', '.join(sorted(missing))}"
        if generated.slow and not self.slow and Capability.VIRTUAL_TIME not in capabilities:
            return TOO_SLOW
        return ""

    def _why(self, kind: str, capabilities: frozenset[Capability]) -> str:
        reasons = {self.unfit(generated, capabilities) for generated in itertools.islice(KINDS[kind].generate(), 1000)}
        slow = "minutes pass in all of them, so they want simulated time, or --slow"
        return slow if TOO_SLOW in reasons else f"all are {reasons.pop()}"


#: How many conversations of each kind a run of cases takes.
SMALL = 12
#: The packages that decide which they are.
_SOURCES = ("explore", "spec", "grid", "fuzz", "wire")
OFF, CORE, ALL = LEVELS = ("off", "core", "all")
PREFIX = "explore/"


@dataclass(frozen=True, slots=True)
class Conversations:
    """What a module of test cases holds where conversations are to be collected."""

    def chosen(self, level: str, patterns: Sequence[str]) -> list[Generated]:
        """Return those of a run: a fixed small choice, or all; patterns that speak of them choose among all."""
        named = any(pattern.startswith(PREFIX) or fnmatch.fnmatchcase(PREFIX, pattern) for pattern in patterns)
        if level == ALL or named:
            return [generated for kind in KINDS.values() for generated in kind.generate()]
        return _small() if level == CORE else []


def _small() -> list[Generated]:
    """Return the same few of each kind in every run, none in which minutes pass.

    To find them all are made, which takes seconds: they are kept.
    """
    package = Path(__file__).parents[1]
    sources = sorted(path for name in _SOURCES for path in (package / name).rglob("*.py"))
    return [
        replace(notation.generated_from(text, name, kind), needs=frozenset(map(Capability, needs)))
        for kind, name, text, needs in kept("conversations", sources, _survey)
    ]


def _survey() -> list[tuple[str, str, str, list[str]]]:
    found = []
    for kind in KINDS.values():
        first = itertools.islice(kind.generate(), kind.core_of)
        quick = (generated for generated in shuffled(first, kind.name) if not generated.slow)
        for generated in itertools.islice(quick, SMALL):
            found.append((kind.name, generated.name, notation.text_of(generated), sorted(map(str, generated.needs))))
    return found


def shuffled(all_of_them: Iterable[Generated], seed: str) -> Iterator[Generated]:
    """Yield what a generator makes in an order that the seed decides, holding a part of it at a time."""
    chance, source = random.Random(seed), iter(all_of_them)
    while part := list(itertools.islice(source, WINDOW)):
        chance.shuffle(part)
        part.reverse()
        while part:  # what was played is let go
            yield part.pop()


def _by_turns(sources: list[Iterator[Generated]]) -> Iterator[Generated]:
    while sources:
        for source in list(sources):
            generated = next(source, None)
            if generated is None:
                sources.remove(source)
            else:
                yield generated
