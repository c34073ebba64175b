"""RFC 9293 §3.10.7, "SEGMENT ARRIVES": every state × every kind of segment, at every edge of the windows."""

from harness.grid import session

CELLS = session.SEGMENTS
