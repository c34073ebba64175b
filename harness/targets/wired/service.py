"""Whether a server still serves: some stop for a while, or for good, when they are asked often (inetd's guard).

What a case misses there is no doing of the stack's. So the server is asked once more, on a connection of the harness's.
"""

from collections.abc import Iterable

from harness.spec.segment import ACK, FIN, RST
from harness.targets.wired.link import WireLink
from harness.targets.wired.packet import TcpPacket
from harness.targets.wired.servers import Server
from harness.targets.wired.trial import Call
from harness.wire import codec
from harness.wire.link import Arrival

#: How long a server may take to close, which has just been too slow for a case.
LIMIT_S = 1.0
STARTED_AGAIN = "the {} server had stopped serving, and was started again"
STOPPED = "the {} server serves nobody any more: how many connections, or how many in a minute, does it take?"


def refuses(link: WireLink, path: codec.Path, server: Server, arrivals: Iterable[Arrival]) -> bool:
    """Tell whether nobody listens any more: a SYN of the case's was answered with a reset, and so is one of ours."""
    answers = [TcpPacket.read(arrival.packet) for arrival in arrivals]
    if not any(answer is not None and answer.flags & RST for answer in answers):
        return False
    asked = Call(link, path, server.port, completed=False)
    asked.end()
    return asked.answer is not None and not asked.open


def is_idle(link: WireLink, path: codec.Path, server: Server) -> bool:
    """Tell whether a connection of ours is opened, and the server does not close it behind our FIN."""
    if not server.closes or server.babbles:
        return False
    call = Call(link, path, server.port)
    end = 0
    if call.open:
        call.tell(FIN | ACK)
        _said, end = call.doings(LIMIT_S)
    call.end()
    return not end
