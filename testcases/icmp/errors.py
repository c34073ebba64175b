"""The ICMP errors of RFC 9293 §3.9.2.2 by class, as (IP version, type, code), and what else the cases share."""

import pytest

from harness.case import ACK, Peer, Target
from harness.wire.icmp import (
    PARAMETER_PROBLEM,
    PARAMETER_PROBLEM_V6,
    TIME_EXCEEDED,
    TIME_EXCEEDED_V6,
    UNREACHABLE,
    UNREACHABLE_V6,
)

#: Soft errors: type and code for IPv4 and for IPv6.
SOFT = {
    "net-unreachable": ((UNREACHABLE, 0), (UNREACHABLE_V6, 0)),
    "host-unreachable": ((UNREACHABLE, 1), (UNREACHABLE_V6, 3)),
    "hops-exceeded": ((TIME_EXCEEDED, 0), (TIME_EXCEEDED_V6, 0)),
    "reassembly-exceeded": ((TIME_EXCEEDED, 1), (TIME_EXCEEDED_V6, 1)),
    "parameter-problem": ((PARAMETER_PROBLEM, 0), (PARAMETER_PROBLEM_V6, 0)),
    "parameter-problem-1": ((PARAMETER_PROBLEM, 1), (PARAMETER_PROBLEM_V6, 1)),
    "parameter-problem-2": ((PARAMETER_PROBLEM, 2), (PARAMETER_PROBLEM_V6, 2)),
}
#: Hard errors. RFC 9293 names none for IPv6; port unreachable is that of code 3, and IPv6 has no protocol unreachable
#: but parameter problem code 1, which counts as soft. Code 4 of IPv4 belongs to path MTU discovery (RFC 1191).
HARD = {"port-unreachable": ((UNREACHABLE, 3), (UNREACHABLE_V6, 4))}

Error = tuple[tuple[int, int], tuple[int, int]]


def each(errors: dict[str, Error]) -> pytest.MarkDecorator:
    """Make a row for each error of a class."""
    return pytest.mark.parametrize("error", list(errors.values()), ids=list(errors))


def send(peer: Peer, target: Target, error: Error, *, seq_offset: int = 0, port_offset: int = 0) -> None:
    """Let the peer send an error of the target's IP version about its last segment."""
    kind, code = error[target.connection.tuple4.version == 6]
    peer.send_icmp_error(kind, code, seq_offset=seq_offset, port_offset=port_offset)


def prove_alive(target: Target, peer: Peer, *, ack: int = 1) -> None:
    """The connection takes data as if nothing had happened, and its next segment has the number `ack`."""
    peer.send(ACK, b"still here", ack=ack)
    target.must_send(ACK, seq=ack, ack=peer.snd_nxt)
    target.must_deliver(b"still here")
