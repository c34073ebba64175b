"""Initial sequence numbers (RFC 6528 §3, RFC 9293 §3.4.1): M + F(localip, localport, remoteip, remoteport, key)."""

import hashlib

from harness.spec import seqno
from harness.stack.datagram import Pair

#: M counts once in 4 microseconds.
TICK_NS = 4_000


def initial_sequence_number(pair: Pair, now: int, key: bytes) -> int:
    """Return the number at which a connection begins that is opened `now`."""
    return seqno.add(now // TICK_NS, keyed_offset(pair, key))


def keyed_offset(pair: Pair, key: bytes) -> int:
    """Return F: an offset for each pair of endpoints that nobody can guess without the key."""
    text = repr(tuple(pair)).encode()
    return int.from_bytes(hashlib.blake2s(text, key=key[:32], digest_size=4).digest(), "big")
