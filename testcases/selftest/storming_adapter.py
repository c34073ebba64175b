"""An adapter whose stack sends without end: `storming_adapter.py at-once` or `over-time`, behind the first segment.

`at-once`: a million copies of one ACK in answer to a segment. `over-time`: one in each microsecond from then on.
It speaks the protocol of docker/ADAPTER.md; "reset" ends the storm.
"""

import sys
from itertools import repeat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.spec.segment import ACK, Segment
from harness.wire import codec

MANY = 1_000_000
GREETING = "ok tcpspec-adapter 1 name=Storming version=1.0 time=virtual capabilities=states,ipv6"
WORDS = {"listen": "ok 1", "connect": "ok 1", "state": "ok CLOSED", "accept": "err EAGAIN", "recv": "err EAGAIN"}


def answer_to(packet: bytes) -> str:
    """Return an ACK in answer to a packet, in hexadecimal."""
    got = codec.decode(packet)
    ports = {"source_port": got.segment.destination_port, "destination_port": got.segment.source_port}
    ack = Segment(ACK, 1000, got.segment.end, **ports)
    return codec.encode(codec.Path(got.destination, got.source), ack).hex()


def main() -> None:
    mode, now, storm = sys.argv[1], 0.0, ""
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "hello":
            answer = GREETING
        elif verb == "in":
            storm, answer = answer_to(bytes.fromhex(words[0])), "ok"
            if mode == "at-once":
                sys.stdout.writelines(repeat(f"out {now:.6f} {storm}\n", MANY))
                storm = ""
        elif verb == "advance":
            now += 0.001 if storm else int(words[0])
            answer = f"out {now:.6f} {storm}\nok {now:.6f}" if storm else f"ok {now:.6f}"
        else:
            storm = "" if verb == "reset" else storm
            answer = WORDS.get(verb, "ok")
        print(answer, flush=True)


main()
