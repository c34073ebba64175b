"""Four-way close, the side that closes first (RFC 9293 §3.6, figure 12, TCP peer A)."""
