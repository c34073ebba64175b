"""Active open: the target begins the three-way handshake."""
