"""RST,ACK with another acknowledgment than SND.NXT, in every state: the form of a peer with data or a FIN in flight."""

from collections.abc import Iterator

from harness.explore.kinds import bases
from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: States with more to send than the window lets out, or with a probe of a shut one under way.
HELD_BACK = {
    "established-limited": "listen S@i A@p,r%2920 accept send:9000",
    "fin-wait-1-limited": "connect SA@i,r%2920 send:9000 shutdown",
    "close-wait-limited": "listen S@i A@p,r%2920 accept FA@p,r%2920 send:9000",
    "closing-limited": "connect SA@i,r%2920 send:9000 close FA@p,u%2920",
    "established-probed": "listen S@i A@p,r%0 accept send:100 await",
    "fin-wait-1-probed": "connect SA@i,r%0 send:100 close await",
    "close-wait-probed": "listen S@i A@p,r%0 accept FA@p,r%0 send:100 close await",
}
ACKS = ("u", "u-1", "u+1", "n-1", "n", "n+1", "n+1000", "u-70000", "n+1073741824", "i")
#: So many challenges in a row.
CHALLENGED = 6
HELD_ACKS = ("u+1460", "u+1000")
SEQS = ("n", "n+10", "n-1", "e-1", "e")


def generate() -> Iterator[Generated]:
    """Yield each state, number and acknowledgment; what is left then goes on to its end."""
    for state, text in (bases.STATES | HELD_BACK).items():
        for seq in SEQS:
            if state in ("listen", "syn-sent") and seq != "n":
                continue
            for ack in (*ACKS, *(HELD_ACKS if state in HELD_BACK else ())):
                slow = "await" in text
                yield Generated("reset-ack", f"{state}.{seq}.{ack}", moves(f"{text} RA@{seq},{ack}"), slow=slow)
    yield from _challenged()


def _challenged() -> Iterator[Generated]:
    """Yield each state with what is challenged or dropped there, one behind the other, then one that counts.

    Few enough for a target that sends ten challenges and no more for a while (RFC 5961 §7).
    """
    for state, text in (bases.STATES | HELD_BACK).items():
        if state in ("listen", "syn-sent"):
            continue
        for seq, last in (("n+10", "u"), ("e-1", "n"), ("n+10", "u+1")):
            words = " ".join(f"RA@{seq},{ack} RA@n-1,{ack}" for ack in ACKS[:CHALLENGED])
            plan = moves(f"{text} {words} RA@n,{last}")
            needs = frozenset({Capability.RFC5961_RST})
            slow = "await" in text
            yield Generated("reset-ack", f"{state}.all.{seq}.{last}", plan, slow=slow, needs=needs, strung=True)
