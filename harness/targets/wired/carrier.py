"""The octets of lines to an application behind a device: a program's own streams, a socket, or a serial line."""

import contextlib
import errno
import fcntl
import os
import select
import socket
import stat
import termios
import time
import tty
from typing import Any

from harness.targets.adapter.line import FAREWELL_S, ending_by_signal, ending_with_code
from harness.targets.wired.options import Lines
from harness.targets.wired.wiring import Place

#: What a line says of a command that was left half written is over behind so many seconds of silence.
QUIET_S = 0.2
_POLL_S = 0.02
#: So much is looked at of what a machine says while it boots.
_KEPT = 4096
_ENDED = (errno.EIO, errno.EPIPE, errno.ECONNRESET)


class Streams:
    """A pair of descriptors as the streams of a running adapter (`harness.targets.adapter.line.Carrier`)."""

    def __init__(self, place: Place, read: int, write: int) -> None:
        self._place, self._read, self._write = place, read, write
        for descriptor in (read, write):
            os.set_blocking(descriptor, False)

    def write(self, octets: memoryview) -> int:
        """Write what there is room for."""
        try:
            return os.write(self._write, octets)
        except OSError as error:
            if error.errno in _ENDED:
                raise BrokenPipeError from None
            raise

    def read(self) -> bytes:
        """Return what is there, b"" at the end."""
        try:
            return os.read(self._read, 1 << 18)
        except OSError as error:
            if error.errno in _ENDED:
                return b""
            raise

    def wait(self, seconds: float, *, writing: bool = False) -> bool:
        """Wait for octets, or for room."""
        poll = select.poll()
        poll.register(*((self._write, select.POLLOUT) if writing else (self._read, select.POLLIN)))
        return bool(poll.poll(seconds * 1000))

    def ending(self) -> str:
        """Return how the program ended, "" if it runs, or nobody knows."""
        deadline = time.monotonic() + FAREWELL_S
        while (code := self._place.exit_code()) is None and self._place.restarts and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if code is None:
            return ""
        return ending_by_signal(-code) if code < 0 else ending_with_code(code)

    def memory(self) -> int:
        """Return 0: what runs elsewhere is bounded there."""
        return 0

    def last_words(self) -> str:
        """Return the end of what the program has written to its standard error."""
        return self._place.last_words()

    def wake(self, limit_s: float) -> None:
        """Wait until who hears the lines answers an empty one, as with a refusal; raises OSError where nobody does."""
        deadline, heard = time.monotonic() + limit_s, b""
        while time.monotonic() < deadline and self._place.exit_code() is None:
            with contextlib.suppress(BlockingIOError):
                self.write(memoryview(b"\n"))
            while self.wait(QUIET_S) and time.monotonic() < deadline:
                with contextlib.suppress(BlockingIOError):
                    heard = (heard + self.read())[-_KEPT:]
                if self._place.exit_code() is not None:
                    break
            last = heard.rstrip(b"\r\n").rpartition(b"\n")[2]
            if heard[-1:] == b"\n" and last.startswith((b"err", b"ok")):
                return
        how = self.ending() or f"nobody has answered a line within {limit_s:g} s"
        raise OSError(errno.ETIMEDOUT, f"{how}{_said(heard)}")

    def close(self, farewell_s: float = FAREWELL_S) -> bool:
        """Close the streams; the program's end is its pod's."""
        for descriptor in {self._read, self._write}:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        return True


def _said(heard: bytes) -> str:
    text = heard.decode("ascii", "replace").strip().splitlines()
    return f"; the last that came is {text[-1]!r}" if text else ""


class SerialLine(Streams):
    """A serial line, for octets as they are; its settings are as they were when it is closed."""

    def __init__(self, place: Place, path: str, baud: int) -> None:
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise OSError(errno.EINVAL, f"a serial line has no {baud} baud")
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise OSError(errno.EBUSY, "another run has this line") from None
        try:
            self._before: list[Any] = termios.tcgetattr(descriptor)
            tty.setraw(descriptor)
            settings = termios.tcgetattr(descriptor)
            settings[2] |= termios.CLOCAL
            settings[4] = settings[5] = speed
            termios.tcsetattr(descriptor, termios.TCSANOW, settings)
        except termios.error as error:
            os.close(descriptor)
            raise OSError(errno.ENOTTY, str(error.args[-1])) from None
        super().__init__(place, descriptor, descriptor)
        self._end_what_was_begun()

    def _end_what_was_begun(self) -> None:
        """End a command that a harness has left half written, and read what was said to it."""
        self.write(memoryview(b"\n"))
        while self.wait(QUIET_S):
            with contextlib.suppress(BlockingIOError):
                if not self.read():
                    return

    def close(self, farewell_s: float = FAREWELL_S) -> bool:
        """Leave the line as it was."""
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(self._read, termios.TCSANOW, self._before)
        return super().close(farewell_s)


def open_lines(lines: Lines, place: Place, limit_s: float) -> Streams:
    """Open the lines to an application; raises OSError where there is none (yet), or none wakes up in time."""
    if lines.host:
        descriptor = place.reach(lines.host, lines.port)
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Streams(place, descriptor, descriptor)
    if not lines.path:
        streams = Streams(place, *place.streams())
        if place.wakes:
            streams.wake(limit_s)
        return streams
    if stat.S_ISCHR(os.stat(lines.path).st_mode):
        return SerialLine(place, lines.path, lines.baud)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(lines.path)
    except OSError:
        sock.close()
        raise
    descriptor = sock.detach()
    return Streams(place, descriptor, descriptor)
