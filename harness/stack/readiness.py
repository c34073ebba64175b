"""What poll(2) tells of a socket: its conditions now (level), and what has newly come about (edge).

POSIX names the conditions; where it is silent about TCP, this is what programs rely on everywhere:

    IN     recv() or accept() would not block: text, the end of the stream, an error, a connection in the queue
    OUT    send() would not block: there is room in an open connection, or it would fail at once
    ERR    an error is pending
    HUP    nothing will pass any more, either way: both directions are closed, or the connection is gone
    RDHUP  nothing more will come: the peer has closed, or the application itself has (SHUT_RD)
"""

from enum import IntFlag


class Ready(IntFlag):
    """Conditions of a socket, with the values of poll(2) on Linux."""

    NONE = 0
    IN = 0x001
    OUT = 0x004
    ERR = 0x008
    HUP = 0x010
    RDHUP = 0x2000


#: What becomes true when a connection ends.
ENDED = Ready.IN | Ready.OUT | Ready.HUP | Ready.RDHUP
