"""packetdrill's scripts (`.pkt`) on every target: read, played by the harness's own means, judged with its proofs."""
