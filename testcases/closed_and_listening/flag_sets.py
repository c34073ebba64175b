"""All 256 combinations of the control bits, in the 16 rows that the rules tell apart."""

import itertools
from collections.abc import Iterator

from harness.case import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from harness.spec.segment import Flags, flag_names


def combinations(*bits: Flags) -> tuple[Flags, ...]:
    """Return every combination of these bits, the empty one first."""
    return tuple(
        sum(chosen, Flags(0)) for number in range(len(bits) + 1) for chosen in itertools.combinations(bits, number)
    )


def row_name(flags: int) -> str:
    """Return the name of a row: ``syn-fin``, or ``none``."""
    return flag_names(flags).replace(",", "-").lower() or "none"


#: The bits that RFC 9293 §3.10.7.1 and §3.10.7.2 look at, and those that must not matter to them.
ROWS = combinations(SYN, FIN, RST, ACK)
OTHERS = combinations(PSH, URG, ECE, CWR)
PAYLOADS = (b"", b"abc")


def variants(flags: Flags) -> Iterator[tuple[Flags, bytes]]:
    """Return what a row sends: its bits with every combination of the others, without and with payload."""
    for others, payload in itertools.product(OTHERS, PAYLOADS):
        yield flags | others, payload
