"""RFC 9293 §3.10.7, "SEGMENT ARRIVES": every state × every kind of segment, at every edge of the windows."""

from harness.grid.session import CellGroup

CELLS = CellGroup()
