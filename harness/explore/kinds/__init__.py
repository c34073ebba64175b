"""The generators of conversations, one file per kind of interaction; each yields `harness.explore.run.Generated`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.explore.kinds import forms, loss, stray
from harness.explore.run import Generated


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of conversations: its name, what it is about in one sentence, and the generator of all of them."""

    name: str
    about: str
    generate: Callable[[], Iterator[Generated]]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("stray", "a segment that must change nothing meets a running timer", stray.generate),
        Kind("loss", "what the target sends is lost once, twice, or each time", loss.generate),
        Kind("form", "padding, IP options, fragments, extension headers around the segments", forms.generate),
    )
}
