"""Passive open: the target listens, and the peer begins the three-way handshake."""
