"""TIME-WAIT: what it answers, what ends it, and how it gives way to a new connection (RFC 9293 §3.6.1)."""
