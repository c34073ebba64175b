"""What the words of a conversation need of a target, by how they look."""

import re

from harness.targets.protocol import Capability

Table = tuple[tuple[re.Pattern[str], Capability], ...]

#: What a socket is asked for, urgent text of either side, and errors of the way.
ASKED_FOR: Table = (
    (re.compile(r"soft@|hard@|quench@"), Capability.ICMP),
    (re.compile(r"urgent:|\b[A-Z]*U[A-Z]*@"), Capability.SOCKET_OPTIONS),
    (re.compile(r"timeout:"), Capability.USER_TIMEOUT),
    (re.compile(r"keep-alive:"), Capability.KEEP_ALIVE),
    (re.compile(r"begin-"), Capability.WAITING_CALLS),
    (re.compile(r"other-ip"), Capability.IPV6),
    # Which of two calls that wait for the same comes first, and how their texts mix, is nobody's promise (POSIX send(),
    # recv()): in virtual time it is always the same.
    (re.compile(r"begin-recv\b.*begin-recv\b|begin-send\b.*\b(send|urgent):"), Capability.VIRTUAL_TIME),
)


def needs_of(text: str, table: Table = ASKED_FOR) -> frozenset[Capability]:
    """Return what a conversation needs that is written so."""
    return frozenset(need for look, need in table if look.search(text))
