"""The generators of conversations, one file per kind of interaction; each yields `harness.explore.run.Generated`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.explore.kinds import (
    again,
    application,
    armed,
    beside,
    conditions,
    crossing,
    forms,
    full,
    icmp,
    late,
    loss,
    many,
    options,
    order,
    pairs,
    queue,
    random_walks,
    reset_ack,
    residue,
    stray,
    unread,
    unsent,
    urgent,
    wraps,
)
from harness.explore.run import Generated


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of conversations: its name, what it is about in one sentence, and the generator of all of them.

    A small choice is made among the first `core_of`: it would be long until all of a dear kind are there. A `seeded`
    generator makes others for another seed; of the other kinds all are made, and a seed decides their order. What is
    `ordered` is played in the order in which it is made, as it is made: what is new comes first. All kinds play in the
    first turn, then each in every `every`-th: by how much each found for its time (EXPLORE.md).
    """

    name: str
    about: str
    generate: Callable[..., Iterator[Generated]]
    core_of: int = 20_000
    seeded: bool = False
    ordered: bool = False
    every: int = 10

    def made(self, seed: int) -> Iterator[Generated]:
        """Yield the conversations of a seed."""
        return self.generate(seed) if self.seeded else self.generate()


KINDS = {
    kind.name: kind
    for kind in (
        Kind("stray", "a segment that must change nothing meets a running timer", stray.generate),
        Kind("loss", "what the target sends is lost once, twice, or each time", loss.generate),
        Kind("queue", "whatever happens before accept()", queue.generate),
        Kind("unsent", "CLOSE with something unsent, and the peer's next step", unsent.generate),
        Kind("residue", "the same pair again after each way to end", residue.generate),
        Kind("late", "segments of the connection before come to the next one", late.generate),
        Kind("unread", "unread data meets FIN, RST and close", unread.generate),
        Kind("wraps", "numbers and timestamps at their wraps", wraps.generate),
        Kind("many", "one connection after the other and side by side", many.generate, every=40),
        Kind("reset-ack", "RST,ACK with any acknowledgment, in every state", reset_ack.generate),
        Kind("options", "timestamps, window scale and SACK at once", options.generate),
        Kind("conditions", "ordinary conversations under pairs of conditions", conditions.generate),
        Kind("random", "long seeded walks", random_walks.generate, core_of=200, seeded=True, ordered=True),
        Kind(
            "pairs",
            "ordinary things behind and inside each other",
            pairs.generate,
            450,
            seeded=True,
            ordered=True,
            every=1,
        ),
        Kind(
            "armed",
            "whatever is pending meets any segment, call, neighbour and former life",
            armed.generate,
            450,
            seeded=True,
            ordered=True,
            every=1,
        ),
        Kind(
            "again",
            "any conversation beside itself, behind itself, or parts of it several times",
            again.generate,
            450,
            seeded=True,
            ordered=True,
            every=1,
        ),
        Kind(
            "order",
            "any conversation with words the other way round, or something between them",
            order.generate,
            450,
            seeded=True,
            ordered=True,
            every=1,
        ),
        Kind("application", "readiness, errors, and calls that wait, whatever happens", application.generate),
        Kind("icmp", "ICMP errors, soft, hard and forged, in every state", icmp.generate),
        Kind("urgent", "urgent text, lost, in front of shut windows, behind gaps", urgent.generate),
        Kind("crossing", "simultaneous opens with calls, losses and resets at each point", crossing.generate),
        Kind("beside", "timers of one connection, whatever another one goes through", beside.generate),
        Kind("full", "the target's window is shut by what nobody has read", full.generate, every=20),
        Kind("form", "padding, IP options, fragments, extension headers around the segments", forms.generate),
    )
}
