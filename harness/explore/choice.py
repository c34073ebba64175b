"""Which conversations a run plays: of all chosen kinds by turns, in an order that the seed decides.

So a short run has seen each kind, two runs with one seed see the same, and who plays longer sees what comes behind it.
"""

import difflib
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.cache import kept
from harness.explore import meetings, notation
from harness.explore.circumstances import under
from harness.explore.kinds import KINDS
from harness.explore.plan import unrolled
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: So many conversations of a kind are shuffled at a time: a generator may have no end.
WINDOW = 1 << 15
#: Among so many the next one is chosen.
CANDIDATES = 64
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

    def for_target(
        self, name: str, capabilities: frozenset[Capability], *, demand: bool, ip: int = 0
    ) -> Iterator[Generated]:
        """Yield what a target can play, by turns of the kinds.

        With `demand` a kind of which it can play nothing raises NothingToPlay. `ip` 0: on both IP versions, where the
        target speaks both.
        """
        ip = ip if Capability.IPV6 in capabilities else 4
        running: list[tuple[int, Iterator[Generated]]] = []
        for kind in self.kinds:
            fitting = self._fitting(kind, capabilities)
            first = next(fitting, None)
            if first is not None:
                running.append((KINDS[kind].every, itertools.chain([first], fitting)))
            elif demand:
                raise NothingToPlay(
                    f"{name} can play no conversation of the kind {kind}: {self._why(kind, capabilities)}"
                )
        for generated in _by_turns(running):
            yield under(generated, self.seed, ip)

    def _fitting(self, kind: str, capabilities: frozenset[Capability]) -> Iterator[Generated]:
        made = KINDS[kind].made(self.seed)
        for generated in made if KINDS[kind].ordered else spread(shuffled(made, f"{self.seed}/{kind}")):
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
            return f"conversations that need what the target does not claim: {min(missing)}"
        if generated.slow and not self.slow and Capability.VIRTUAL_TIME not in capabilities:
            return TOO_SLOW
        return ""

    def _why(self, kind: str, capabilities: frozenset[Capability]) -> str:
        reasons = {self.unfit(generated, capabilities) for generated in itertools.islice(KINDS[kind].generate(), 1000)}
        slow = "minutes pass in all of them, so they want simulated time, or --slow"
        return slow if TOO_SLOW in reasons else f"all are {reasons.pop()}"


#: How many conversations of each kind a run of cases takes, and how many words one may have with all its rounds: three
#: long ones of two thousand took as much time as all the others together.
SMALL = 12
LONGEST = 200
#: The packages that decide which they are.
_SOURCES = ("explore", "spec", "grid", "fuzz", "wire")


def small() -> list[Generated]:
    """Return the same few of each kind in every run, none in which minutes pass, and none that is very long.

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
        quick = (generated for generated in shuffled(first, kind.name) if _is_quick(generated))
        for generated in itertools.islice(quick, SMALL):
            found.append((kind.name, generated.name, notation.text_of(generated), sorted(map(str, generated.needs))))
    return found


def _is_quick(generated: Generated) -> bool:
    if generated.slow or Capability.VIRTUAL_TIME in generated.needs:
        return False
    return sum(1 for _ in itertools.islice(unrolled(generated.plan), LONGEST + 1)) <= LONGEST


def shuffled(all_of_them: Iterable[Generated], seed: str) -> Iterator[Generated]:
    """Yield what a generator makes in an order that the seed decides, holding a part of it at a time."""
    chance, source = random.Random(seed), iter(all_of_them)
    while part := list(itertools.islice(source, WINDOW)):
        chance.shuffle(part)
        part.reverse()
        while part:  # what was played is let go
            yield part.pop()


def spread(source: Iterable[Generated]) -> Iterator[Generated]:
    """Yield the same, and of some candidates first the one in which most things meet that have not met yet.

    Of three conversations two are strung together as long as there are any. So few conversations bring much together:
    in the order of chance they would repeat one another for long.
    """
    strung, single = itertools.tee(source)
    first = _spread(generated for generated in strung if generated.strung)
    rest = _spread(generated for generated in single if not generated.strung)
    while batch := [*itertools.islice(first, 2), *itertools.islice(rest, 1)]:
        yield from batch


class _Candidate:
    """A conversation that may be the next one, and what of it has not met yet."""

    def __init__(self, generated: Generated, seen: set[tuple[str, str]]) -> None:
        self.generated = generated
        met = _meetings(generated)
        self.sizes = [len(found) for found in met]
        self.left = [found - seen for found in met]

    def news(self) -> float:
        """Return which share of it is new, of its parts and of its words."""
        return sum(len(left) / size for left, size in zip(self.left, self.sizes, strict=True) if size)

    def see(self, met: set[tuple[str, str]]) -> None:
        for left in self.left:
            left -= met


def _spread(source: Iterable[Generated]) -> Iterator[Generated]:
    source, seen = iter(source), set[tuple[str, str]]()
    waiting = [_Candidate(generated, seen) for generated in itertools.islice(source, CANDIDATES)]
    while waiting:
        best = max(waiting, key=_Candidate.news)
        waiting.remove(best)
        met = set[tuple[str, str]]().union(*best.left)
        seen |= met
        for candidate in waiting:
            candidate.see(met)
        yield best.generated
        waiting += [_Candidate(more, seen) for more in itertools.islice(source, 1)]


def _meetings(generated: Generated) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return the pairs of what it is made of, by its name, and of its words."""
    parts = set(itertools.combinations([f".{part}" for part in generated.name.split(".")], 2))
    return parts, meetings.of_words(generated.plan)


def _by_turns(sources: list[tuple[int, Iterator[Generated]]]) -> Iterator[Generated]:
    """Yield one of each kind by turns, of a kind in every so many turns."""
    for turn in itertools.count():
        if not sources:
            return
        for each in [each for each in sources if not turn % each[0]]:
            generated = next(each[1], None)
            if generated is not None:
                yield generated
            else:
                sources.remove(each)
