"""Simultaneous open: both sides begin, and their SYNs cross."""
