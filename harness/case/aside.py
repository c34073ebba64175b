"""Segments that a run looks past (``--set-aside``): what many cases fail by must not hide what lies behind it.

A segment is named by its control bits, and by whether it has text: "ACK", "PSH,ACK with text".
"""

from collections.abc import Callable, Collection, Sequence
from itertools import combinations

from harness.case.connection import Received
from harness.spec.segment import Segment, flag_names

NOTE = "(set aside)"


def name_of(segment: Segment) -> str:
    """Return what a segment is called."""
    return f"{flag_names(segment.flags) or 'none'}{' with text' if segment.payload else ''}"


def without(
    received: Sequence[Received], names: Collection[str], fits: Callable[[Sequence[Received]], bool]
) -> list[Received]:
    """Return what is left of a reply when as few segments of these names as possible are set aside, so that it fits.

    Where none of that fits, all of them are set aside.
    """
    named = [each for each in received if name_of(each.segment) in names]
    left = list(received)
    for count in range(len(named) + 1):
        for gone in combinations(named, count):
            left = [each for each in received if not any(each is other for other in gone)]
            if fits(left):
                _note(gone)
                return left
    _note(named)
    return left


def take(received: Received, names: Collection[str]) -> bool:
    """Tell whether an unexplained segment is to be set aside, and say so in the ladder."""
    if name_of(received.segment) not in names:
        return False
    _note((received,))
    return True


def _note(gone: Sequence[Received]) -> None:
    for each in gone:
        each.event.annotations.append(NOTE)
