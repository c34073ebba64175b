"""A connection: the sum of its layers."""

from harness.stack.calls import Calls


class Connection(Calls):
    """One connection, from its SYN to CLOSED. A defect is a subclass of this with one small method replaced."""
