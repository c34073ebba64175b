"""How many of the seeded defects of the reference stack the fuzzer finds: a measure of its reach, not a bar."""

from collections.abc import Iterator
from dataclasses import replace

from harness.fuzz.session import Plan, drawn, player_of
from harness.stack.defects import DEFECTS


def found_at(plan: Plan, name: str, count: int) -> str:
    """Return in which sequence a defect shows beside the plain stack, "" if in none of `count`.

    What comes late is not looked for. A defect that lets the stack itself fail shows as well.
    """
    seeded = replace(plan, target=f"reference,defect={name}", against="reference")
    with player_of(seeded) as player:
        for number, sequence in enumerate(drawn(seeded, count), 1):
            try:
                played = player.play(sequence)
            except AttributeError as error:
                return f"fails in {number}: {error}"
            if played.unexplained is not None:
                return f"sequence {number}"
    return ""


def lines(plan: Plan, count: int) -> Iterator[str]:
    """Yield one line per defect, and the figure."""
    found = 0
    for name, defect in DEFECTS.items():
        where = found_at(plan, name, count)
        found += bool(where)
        yield f"{name:<6} {where or 'not found':<14} {defect.title}"
    yield f"{found} of {len(DEFECTS)} seeded defects show within {count} sequences"
