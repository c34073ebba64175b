"""All cases on each variant of the reference stack: no MUST may be broken, and no case be inconclusive, on any.

A case is held against what it shows on the reference stack itself: what that does not pass is not a variant's doing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.case.verdict import BAD, Verdict
from harness.mutate.campaign import Noticed
from harness.mutate.script import Script, Shown, play
from harness.mutate.workers import Died, in_order
from harness.stack.variants import AND, Variant, varied

#: So many cases on one variant are one piece of work.
PIECE = 400


@dataclass(frozen=True, slots=True)
class Played:
    """What came of the cases on one variant: those that failed, and those that only noticed it at level SHOULD."""

    name: str
    cases: int
    failed: tuple[Noticed, ...]
    noted: tuple[Noticed, ...]
    not_applicable: int


def play_variants(scripts: Sequence[Script], variants: Sequence[Variant], workers: int) -> Iterator[Played]:
    """Play every case on every variant, over several processes; yield what came of each variant, in order."""
    spans = [slice(at, at + PIECE) for at in range(0, len(scripts), PIECE)]
    pieces = [(variant, span) for variant in variants for span in spans]

    def play_piece(piece: tuple[Variant, slice]) -> Played:
        variant, span = piece
        return play_on(scripts[span], variant)

    so_far: list[Played] = []
    for (variant, span), played in in_order(workers, play_piece, pieces):
        so_far.append(played if not isinstance(played, Died) else _lost(scripts[span], variant, played))
        if len(so_far) == len(spans):
            yield _together(so_far)
            so_far = []


def play_on(scripts: Sequence[Script], variant: Variant) -> Played:
    """Play cases on one variant."""
    failed, noted, not_applicable = [], [], 0
    for script in scripts:
        shown = play(script, variant=variant)
        if shown.verdict in BAD:
            failed.append(Noticed(script.name, script.ip, shown, script.case.summary if script.generated else ""))
        elif shown.verdict is Verdict.DEVIATES:
            noted.append(Noticed(script.name, script.ip, shown))
        not_applicable += shown.verdict is Verdict.NOT_APPLICABLE
    return Played(variant.name, len(scripts), tuple(failed), tuple(noted), not_applicable)


def smallest(script: Script, variant: Variant) -> Variant:
    """Return the part of a variant that a case fails on likewise, where several have been put together."""
    names, shown = variant.name.split(AND), play(script, variant=variant)
    for name in tuple(names):
        without = [each for each in names if each != name]
        if without and _alike(play(script, variant=varied(AND.join(without))), shown):
            names = without
    return varied(AND.join(names))


def _alike(one: Shown, other: Shown) -> bool:
    return (one.verdict, one.code) == (other.verdict, other.code)


def _lost(scripts: Sequence[Script], variant: Variant, death: Died) -> Played:
    shown = Shown(Verdict.HARNESS_ERROR, text=str(death))
    return Played(variant.name, len(scripts), tuple(Noticed(each.name, each.ip, shown) for each in scripts), (), 0)


def _together(parts: Sequence[Played]) -> Played:
    return Played(
        parts[0].name,
        sum(part.cases for part in parts),
        tuple(noticed for part in parts for noticed in part.failed),
        tuple(noticed for part in parts for noticed in part.noted),
        sum(part.not_applicable for part in parts),
    )
