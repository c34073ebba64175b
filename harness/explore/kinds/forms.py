"""The form of the packet: each ordinary conversation in packets of each form; the target behaves the same."""

from collections.abc import Iterator
from dataclasses import replace

from harness.explore.forms import FORMS
from harness.explore.kinds import bases
from harness.explore.plan import moves
from harness.explore.run import Generated

#: Text of odd length, alone and in front of a FIN.
ODD = {
    "odd-fin": "listen S@i A@p,r accept FA@p,r/5 recv:100 close A@p,r",
    "odd-text": "connect SA@i,r A@p,r/1 A@p,r/7 FA@p,r/1 recv:100 send:3 shutdown A@p,r",
}


def generate() -> Iterator[Generated]:
    """Yield some ordinary conversations in each form."""
    for form in FORMS:
        for name, plan in (bases.usual() | {name: moves(text) for name, text in ODD.items()}).items():
            first = replace(plan[0], like=(*plan[0].like, f"form={form}"))
            yield Generated("form", f"{form}.{name}", (first, *plan[1:]))
