"""Segments that a run looks past (``--set-aside``): what many cases fail by must not hide what lies behind it.

A segment is named by its control bits, and by whether it has text: "ACK", "PSH,ACK with text".
"""

from collections.abc import Callable, Collection, Sequence
from itertools import combinations

from harness.case.received import Received
from harness.spec.segment import Segment, flag_names, parse_flags

NOTE = "(set aside)"
_WITH_TEXT = " with text"


def name_of(segment: Segment) -> str:
    """Return what a segment is called."""
    return f"{flag_names(segment.flags) or 'none'}{_WITH_TEXT if segment.payload else ''}"


def canonical(text: str) -> str:
    """Return the name that somebody wrote, as `name_of` writes it; raises ValueError for what names no segment."""
    bits, text_mark = text.removesuffix(_WITH_TEXT), _WITH_TEXT if text.endswith(_WITH_TEXT) else ""
    try:
        flags = parse_flags(bits.upper().split(","))
    except KeyError:
        raise ValueError(f"--set-aside {text}: write control bits, such as ACK or 'PSH,ACK with text'") from None
    return flag_names(flags) + text_mark


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
