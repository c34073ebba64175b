"""RST,ACK with another acknowledgment than SND.NXT, in every state: the form of a peer with data or a FIN in flight."""

from collections.abc import Iterator

from harness.explore.kinds import bases
from harness.explore.plan import moves
from harness.explore.run import Generated

ACKS = ("u", "u-1", "u+1", "n-1", "n", "n+1", "n+1000", "u-70000", "n+1073741824", "i")
SEQS = ("n", "n+10", "n-1", "e-1", "e")


def generate() -> Iterator[Generated]:
    """Yield each state, number and acknowledgment; what is left then goes on to its end."""
    for state, text in bases.STATES.items():
        for seq in SEQS:
            if state in ("listen", "syn-sent") and seq != "n":
                continue
            for ack in ACKS:
                yield Generated("reset-ack", f"{state}.{seq}.{ack}", moves(f"{text} RA@{seq},{ack}"))
