"""One direction closed, the other in use (RFC 9293 §3.6.1)."""
