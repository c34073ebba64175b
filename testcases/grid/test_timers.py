"""RFC 9293 §3.10.8: the user timeout, the retransmission timer and the end of TIME-WAIT, in every state."""

from harness.grid import session

CELLS = session.TIMERS
