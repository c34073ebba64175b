"""RFC 9293 §3.10.1 to §3.10.6: OPEN, SEND, RECEIVE, CLOSE, ABORT and STATUS in every state."""

from harness.grid import session

CELLS = session.CALLS
