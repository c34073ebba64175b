"""Which proof of silence holds on a wire: the fence, if every known reply comes before it, else timed silence."""

from harness.spec.segment import ACK, RST, SYN, Segment
from harness.targets.addresses import ADDRESSES
from harness.wire import codec
from harness.wire.link import Link

PROBES = 300
#: Silence where the fence does not hold: nothing for so long.
QUIET_S = 0.02


def calibrated_proof(link: Link) -> str:
    """Try the fence on replies that are known to come; switch `link` to timed silence if one came behind it."""
    late = _replies_behind_fence(link)
    if not late:
        return f"fence (ARP), {PROBES} of {PROBES} known replies came before it"
    link.quiet_s = QUIET_S
    return f"timed silence of {QUIET_S * 1000:g} ms ({late} of {PROBES} known replies came behind the fence)"


def _replies_behind_fence(link: Link) -> int:
    """Count the known replies that come too late, over varied 4-tuples: packet steering delays only some."""
    late = 0
    path = codec.Path(ADDRESSES[4].peer[0], ADDRESSES[4].target[0])
    for number in range(PROBES):
        probe = Segment(SYN, seq=number, source_port=1024 + 97 * number, destination_port=1 + number % 7)
        arrivals = link.exchange([codec.encode(path, probe)])
        answers = [codec.decode(arrival.packet) for arrival in arrivals if codec.is_tcp(arrival.packet)]
        late += not any(answer.segment.flags == RST | ACK for answer in answers)
    return late
