"""What a target does by itself: retransmission, giving up, delayed ACKs, probes, keep-alive, the end of TIME-WAIT."""
