"""Four-way close, the side that closes second (RFC 9293 §3.6, figure 12, TCP peer B)."""
