"""The form of the packet: each ordinary conversation in packets of each form; the target behaves the same."""

from collections.abc import Iterator
from dataclasses import replace

from harness.explore.forms import FORMS
from harness.explore.kinds import bases
from harness.explore.run import Generated


def generate() -> Iterator[Generated]:
    """Yield some ordinary conversations in each form."""
    for form in FORMS:
        for name, plan in bases.usual().items():
            first = replace(plan[0], like=(*plan[0].like, f"form={form}"))
            yield Generated("form", f"{form}.{name}", (first, *plan[1:]))
