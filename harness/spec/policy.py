"""Named readings of the TCP specifications: where several are in use, a target follows one of each pair.

A reaction names the policies that it needs; a target's capabilities choose the policies in force.
"""

from enum import StrEnum


class Policy(StrEnum):
    """One way to handle a case on which the specifications differ."""

    RFC5961_RST = (
        "rfc5961-rst"  # RFC 5961 §3.2: an RST counts at RCV.NXT only, elsewhere in the window it is challenged
    )
    RFC793_RST = "rfc793-rst"  # RFC 793 §3.4: an RST counts anywhere in the window
    RFC5961_SYN = "rfc5961-syn"  # RFC 5961 §4.2: a SYN on a synchronized connection is challenged
    RFC793_SYN = "rfc793-syn"  # RFC 793 §3.9: a SYN in the window resets the connection
    RFC5961_ACK = "rfc5961-ack"  # RFC 5961 §5.2: an ACK more than a window old condemns the whole segment
    RFC793_ACK = "rfc793-ack"  # RFC 793 §3.9: an old ACK is a duplicate, the rest of the segment counts
    FIGURE_7 = "figure-7"  # RFC 9293 §3.5: the crossing SYN+ACK of a simultaneous open establishes
    LITERAL_SEQUENCE = "literal-sequence"  # RFC 9293 §3.10.7.4 first, literally: that SYN+ACK is out of the window
    RFC1337 = "rfc1337"  # RFC 1337 §3, fix F1: TIME-WAIT ignores every RST
    RFC6191 = "rfc6191"  # RFC 6191 §2: timestamps decide about a SYN in TIME-WAIT
    RFC6191_UNTOLD = "rfc6191-untold"  # its answers beside the others: of a stack of which it is not known
    MAY_2 = "may-2"  # RFC 9293 §3.6.1: a SYN may reopen the connection from TIME-WAIT
    HARD_CODED_WINDOW = "hard-coded-window"  # RFC 5961 §5.2: the largest permissible window stands for MAX.SND.WND
    HALF_DUPLEX_CLOSE = "half-duplex-close"  # RFC 9293 §3.6.1 (MAY-1): data after close() draws a reset


#: Pairs of which every target follows one: what both allow is allowed always.
ALTERNATIVES = (
    (Policy.RFC5961_RST, Policy.RFC793_RST),
    (Policy.RFC5961_SYN, Policy.RFC793_SYN),
    (Policy.RFC5961_ACK, Policy.RFC793_ACK),
    (Policy.FIGURE_7, Policy.LITERAL_SEQUENCE),
)

#: RFC 9293 with RFC 5961, without RFC 6191, RFC 1337 and MAY-2. On the crossing SYN+ACK RFC 9293 contradicts itself,
#: so both of its readings are in; so is MAY-1, because no capability tells the RFC's CLOSE from a full close.
DEFAULT = frozenset(
    {
        Policy.RFC5961_RST,
        Policy.RFC5961_SYN,
        Policy.RFC5961_ACK,
        Policy.FIGURE_7,
        Policy.LITERAL_SEQUENCE,
        Policy.HALF_DUPLEX_CLOSE,
    }
)
