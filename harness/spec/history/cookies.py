"""A request that was answered by a SYN cookie (RFC 4987 §3.6): the listener remembers nothing of it.

Until an acknowledgment returns the cookie there is no record: the state is LISTEN, nothing is sent again, and what
arrives is answered as in LISTEN. Then the connection is what the request would have made of it; or it is refused, as
by who remembers no such cookie any more.
"""

from collections.abc import Collection, Iterable, Iterator

from harness.spec.history.react import Step, arrive
from harness.spec.history.world import Fate, World
from harness.spec.policy import Policy
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import CLOSED, LISTEN, SYN_RECEIVED
from harness.spec.values import replace

#: What a look at such a connection shows.
SEEN = frozenset({LISTEN, CLOSED})


def instead(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield the same answers to a request, each by a cookie in the place of a record."""
    for step in steps:
        if step.world.state is SYN_RECEIVED:
            yield replace(step, world=replace(step.world, by_cookie=True))


def arrives(world: World, segment: Segment, now: int, policies: Collection[Policy]) -> Iterator[Step]:
    """Yield the steps where a segment arrives for what a cookie stands for."""
    nobody = replace(world, by_cookie=False).ended(Fate.FORGOTTEN)
    for step in arrive(nobody, segment, now, policies):
        yield step if step.world.state is SYN_RECEIVED else replace(step, world=world)
    listens = world.connection.listener_open
    if listens and segment.flags & (SYN | ACK | RST) == ACK and segment.ack == world.connection.snd_nxt:
        yield from arrive(replace(world, by_cookie=False), segment, now, policies)
