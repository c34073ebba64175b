"""What a target may send while it gives up: the segment again and again, and at the end a reset.

RFC 9293 §3.10.8 has the user timeout flush the queues and delete the TCB; no sentence says that nobody is told, nor
with which of the numbers that are outstanding.
"""

from harness.case import ACK, FIN, RST, SYN, Target


def swallow(target: Target, flags: int, *, seq: int, ack: int | None = None, data: bytes = b"") -> None:
    """Accept any number of repetitions."""
    while target.may_send(flags, seq=seq, ack=ack, data=data):
        pass


def gave_up(target: Target, flags: int, *, seq: int, ack: int | None = None, data: bytes = b"") -> None:
    """Accept any number of repetitions, and behind them a reset at SND.NXT, or at what was not acknowledged."""
    swallow(target, flags, seq=seq, ack=ack, data=data)
    following = seq + len(data) + bool(flags & SYN) + bool(flags & FIN)
    for number in (following, seq):
        if target.may_send(RST, seq=number) or target.may_send(RST | ACK, seq=number, ack=ack):
            return
