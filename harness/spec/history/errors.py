"""ICMP errors (RFC 9293 §3.9.2.2): the worlds that one leads to.

A soft error and Source Quench leave a connection as it is (MUST-55, MUST-56); a hard one about what is under way should
end it (SHLD-26), and nothing ends TIME-WAIT early (MUST-13). What is quoted and is not under way counts for nothing
(RFC 5927 §4.1), as a segment would outside of the window.
"""

from collections.abc import Iterator

from harness.spec import seqno
from harness.spec.history.react import Step
from harness.spec.history.world import Fate, World
from harness.spec.states import SYN_RECEIVED, TIME_WAIT
from harness.spec.values import replace


def hears(world: World, seq: int, *, hard: bool) -> Iterator[Step]:
    """Yield the steps behind an error that quotes the number `seq` of the target."""
    yield Step(replace(world, troubled=True))
    connection = world.connection
    under_way = seqno.leq(connection.snd_una, seq) and seqno.leq(seq, connection.snd_nxt)
    if not hard or not under_way or world.over or world.state is TIME_WAIT:
        return
    waits = world.state is SYN_RECEIVED and not world.accepted
    ended = world.ended(Fate.FORGOTTEN if waits else Fate.UNREACHABLE)
    yield Step(ended)
    if waits and world.before is not None:
        yield Step(world.before)
