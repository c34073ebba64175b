"""Both sides close at once (RFC 9293 §3.6, figure 13)."""
