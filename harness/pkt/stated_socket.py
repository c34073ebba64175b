"""What is ready of a socket that has no poll() of its own, an adapter's: worked out from its state and its queues.

What POSIX calls ready is a call that would not wait (`harness.stack.readiness`), and that its state tells. Its error is
asked for and kept, for the call that would have been told next; whether there is room for text tells the last SEND.
"""

import os
import select
import socket

from harness.observe.snapshot import Snapshot
from harness.spec.states import State
from harness.targets.sockets import AppSocket

#: States in which the peer's FIN has come, and in which the target's own was asked for.
_PEER_CLOSED = (State.CLOSE_WAIT, State.CLOSING, State.LAST_ACK, State.TIME_WAIT)
_CLOSED_HERE = (State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING, State.LAST_ACK, State.TIME_WAIT)
#: What holds of a connection that is gone.
_ENDED = select.POLLIN | select.POLLOUT | select.POLLHUP | select.POLLRDHUP
#: What an error brings: no call would wait for it.
_ERROR = select.POLLERR | select.POLLIN | select.POLLOUT


class StatedSocket:
    """A socket with what poll() needs to know of the calls that were made at it."""

    def __init__(self, sock: AppSocket) -> None:
        self._sock = sock
        self._error = 0
        self._shut: set[int] = set()
        #: How much was unacknowledged when the last SEND found no room for all; None: it did.
        self._full_at: int | None = None

    # --- what is ready ------------------------------------------------------------------------------------------------

    def conditions(self, snapshot: Snapshot) -> int | None:
        """Return what holds in this state, in the bits of poll(2); None where that is not told."""
        if snapshot.listening or snapshot.state is State.CLOSED:
            return _ENDED | self._pending()
        error = self._pending()
        read_no_more = socket.SHUT_RD in self._shut or snapshot.state in _PEER_CLOSED
        if snapshot.state in (State.SYN_SENT, State.SYN_RECEIVED):
            return error
        wrote_all = socket.SHUT_WR in self._shut or snapshot.state in _CLOSED_HERE
        full = self._full_at is not None and not wrote_all
        if ("recvq" in snapshot.untold and not read_no_more) or ("sendq" in snapshot.untold and full):
            return None
        incoming = select.POLLIN if read_no_more or snapshot.receive_queue else 0
        incoming |= select.POLLRDHUP if read_no_more else 0
        outgoing = select.POLLOUT if wrote_all or self._has_room(snapshot) else 0
        return error | incoming | outgoing | (select.POLLHUP if read_no_more and wrote_all else 0)

    def _has_room(self, snapshot: Snapshot) -> bool:
        return self._full_at is None or snapshot.send_queue < self._full_at

    def _pending(self) -> int:
        self._error = self._error or self._sock.pending_error()
        return _ERROR if self._error else 0

    def found_no_room(self, send_queue: int) -> None:
        """Note that a SEND was refused, or took less than all, and how much was unacknowledged then."""
        self._full_at = send_queue

    def _tell(self) -> None:
        """Raise the error that poll() has asked for before."""
        error, self._error = self._error, 0
        if error:
            raise OSError(error, os.strerror(error))

    # --- calls --------------------------------------------------------------------------------------------------------

    def listen(self, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""
        self._sock.listen(address, port, backlog)

    def connect(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Active OPEN."""
        self._sock.connect(local, remote)

    def accept(self) -> "StatedSocket":
        """Return the next established connection."""
        return StatedSocket(self._sock.accept())

    def send(self, data: bytes, flags: int = 0) -> int:
        """SEND; what it takes is room that was there."""
        self._tell()
        taken = self._sock.send(data, flags)
        self._full_at = None
        return taken

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """RECEIVE."""
        self._tell()
        return self._sock.recv(limit, flags)

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Close one direction, or both."""
        self._sock.shutdown(how)
        self._shut |= {socket.SHUT_RD, socket.SHUT_WR} if how == socket.SHUT_RDWR else {how}

    def close(self) -> None:
        """CLOSE."""
        self._sock.close()

    def abort(self) -> None:
        """ABORT."""
        self._sock.abort()

    def pending_error(self) -> int:
        """Return and clear the pending error."""
        error, self._error = self._error, 0
        return error or self._sock.pending_error()

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option."""
        self._sock.set_option(level, name, value)

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return an option."""
        return self._sock.get_option(level, name, size)
