"""The shortest conversation that shows the same finding: the same code by the same rule."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.case.violation import Code
from harness.explore import notation
from harness.explore.findings import Sort
from harness.explore.plan import REPEAT, Move, Special
from harness.explore.playing import REFERENCE, Player, Stage
from harness.explore.run import Generated
from harness.fuzz import shrink
from harness.fuzz.steps import SIMPLER, Call, Probe
from harness.targets.registry import parse

#: So many shorter ones are tried of a finding, for at most so many seconds.
TRIES, LIMIT_S = 400, 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """A move, and whether the twin does without it. What a connection is like stands with each move about it."""

    move: Move
    only_here: bool = False


def shortest(player: Player, generated: Generated, sort: Sort, seed: int) -> Generated | None:
    """Return a shortest conversation with a finding of this sort, None if even the whole one shows it no more."""
    late = sort.code == Code.LATE
    sound = Player(Stage(parse(REFERENCE), player.stage.ip))

    def shows_it(parts: tuple[Part, ...]) -> bool:
        candidate = _generated(parts)
        if candidate is None or not sort.is_shown_by(player.undeclared(candidate, late=late)):
            return False
        # A segment of which the twin says wrongly that it changes nothing would show the sort on any target.
        return candidate.twin is None or not sound.undeclared(candidate, late=False)

    try:
        parts = _parts(generated)
        if not shows_it(parts):
            return None
        part = next((parts[:end] for end in range(1, len(parts)) if shows_it(parts[:end])), parts)
        return _generated(shrink.shortest(part, shows_it, seed, _SIMPLER, tries=TRIES, limit_s=LIMIT_S)) or generated
    finally:
        sound.close()


def _parts(generated: Generated) -> tuple[Part, ...]:
    like = {move.link: move.like for move in reversed(generated.plan) if move.like}
    return tuple(
        Part(replace(move, like=like.get(move.link, ())), only_here) for move, only_here in notation.marked(generated)
    )


def _generated(parts: Iterable[Part]) -> Generated | None:
    """Return the conversation of some parts, None if there is nothing in it, or nothing in its twin."""
    words: list[str] = []
    known: set[int] = set()
    for part in parts:
        move = replace(part.move, like=()) if part.move.link in known else part.move
        known.add(move.link)
        words.append(f"[{move}]" if part.only_here else str(move))
    if all(word.startswith("[") for word in words):
        return None
    return notation.generated_from(" ".join(words))


def _on_step(simplified: Callable[[Call | Probe], Call | Probe]) -> Callable[[Part], Part]:
    def simpler(part: Part) -> Part:
        step = part.move.step
        if isinstance(step, Special):
            return part
        return replace(part, move=replace(part.move, step=simplified(step)))

    return simpler


def _less(part: Part) -> Part:
    step = part.move.step
    if isinstance(step, Special) and step.name == "lose":
        return replace(part, move=replace(part.move, step=replace(step, amount=1)))
    if isinstance(step, Special) and step.name == REPEAT:
        return replace(part, move=replace(part.move, step=replace(step, amount=max(1, step.amount * 3 // 4))))
    return part


def _plain(part: Part) -> Part:
    return replace(part, move=replace(part.move, like=()))


def _first_dropped(part: Part) -> Part:
    return replace(part, move=replace(part.move, like=part.move.like[1:]))


def _last_dropped(part: Part) -> Part:
    return replace(part, move=replace(part.move, like=part.move.like[:-1]))


_SIMPLER = (*(_on_step(simplified) for simplified in SIMPLER), _less, _plain, _first_dropped, _last_dropped)
