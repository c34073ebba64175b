"""The clock of a kernel in simulated time: the other side of ``time-travel=ext:SOCKET``.

The kernel asks to run at a time and waits; nothing happens in it until it is told that this time has come. So "all
answers are settled, and the next timer is due at T" is a fact that can be read off, not guessed from silence.
The messages and their meaning are those of include/uapi/linux/um_timetravel.h.
"""

import socket
import struct
from enum import IntEnum

_MESSAGE = struct.Struct("=IIQ")
#: What the kernel believes the time of day to be when it boots: the same in every run.
TIME_OF_DAY_NS = 1_700_000_000 * 1_000_000_000


class Op(IntEnum):
    """Operations of the protocol."""

    ACK = 0
    START = 1
    REQUEST = 2
    WAIT = 3
    GET = 4
    UPDATE = 5
    RUN = 6
    FREE_UNTIL = 7
    GET_TOD = 8


class CalendarError(RuntimeError):
    """The kernel closed the connection (it panicked or ended) or does not keep to the protocol."""


class Calendar:
    """Serves one kernel. `now` is the simulated time in nanoseconds since its boot."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.now = 0
        #: The time at which the kernel wants to run next, while it waits; None while it runs.
        self.due: int | None = None
        self._requested = 0
        self._sent = 0

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Tell whether the kernel stands still until it is told to run."""
        return self.due is not None

    def serve(self) -> None:
        """Read one message and answer it. Every message of the kernel wants an ACK with its number."""
        data = self._socket.recv(_MESSAGE.size, socket.MSG_WAITALL)
        if len(data) < _MESSAGE.size:
            raise CalendarError("the kernel has ended")
        op, number, time = _MESSAGE.unpack(data)
        if op == Op.ACK:  # of our RUN
            return
        answer = 0
        if op == Op.REQUEST:
            self._requested = time
            if self.waiting:  # an interrupt came while it waited: the latest request counts
                self.due = time
        elif op == Op.WAIT:
            self.due = self._requested
        elif op == Op.GET:
            answer = self.now
        elif op == Op.GET_TOD:
            answer = TIME_OF_DAY_NS
        elif op == Op.UPDATE:
            self.now = max(self.now, time)
        elif op != Op.START:
            raise CalendarError(f"the kernel sends the unknown operation {op}")
        self._socket.sendall(_MESSAGE.pack(Op.ACK, number, answer))

    def run(self) -> None:
        """Let the waiting kernel run, at exactly the time that it asked for: any other is a BUG to it."""
        if self.due is None:
            raise CalendarError("the kernel was not waiting")
        self.now, self.due = max(self.now, self.due), None
        self._sent += 1
        self._socket.sendall(_MESSAGE.pack(Op.RUN, self._sent, self.now))

    def close(self) -> None:
        """Close the connection; the kernel panics, which is its end."""
        self._socket.close()
