"""Sequence-number arithmetic modulo 2**32 (RFC 9293 §3.4).

Comparisons are only meaningful for numbers less than 2**31 apart, which every window guarantees.
"""

MODULUS = 1 << 32
MASK = MODULUS - 1
HALF = 1 << 31


def add(number: int, octets: int) -> int:
    """Return the sequence number `octets` after `number` (before it, when negative)."""
    return (number + octets) & MASK


def diff(left: int, right: int) -> int:
    """Return `left` - `right` as a signed distance in octets, in [-2**31, 2**31)."""
    return ((left - right + HALF) & MASK) - HALF


def lt(left: int, right: int) -> bool:
    """Tell whether `left` comes before `right`."""
    return diff(left, right) < 0


def leq(left: int, right: int) -> bool:
    """Tell whether `left` comes before `right` or is the same number."""
    return diff(left, right) <= 0


def in_window(number: int, left: int, size: int) -> bool:
    """Tell whether `number` is one of the `size` octets that begin at `left`."""
    return ((number - left) & MASK) < size
