"""A machine of the user's own command line, kept as it was before the first case: it boots once.

Its memory is kept, and nothing of its disks: where it can write to one, that is another one by then, and no snapshot
of ours shall be written into it.
"""

import contextlib
import socket
from typing import IO

from harness.targets.emulated import monitor
from harness.targets.emulated.monitor import Monitor, MonitorError

_KEPT = "kept"
GOES_ON = "from its memory as it was before the first case"


class MachineKeeper:
    """The monitor of an emulator that runs, and the memory of the machine as it was."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._monitor: Monitor | None = None
        self._memory: IO[bytes] | None = None
        #: Why it can't be kept, in words.
        self._why = ""

    @property
    def is_kept(self) -> bool:
        """Whether it can go on from where it was."""
        return self._memory is not None

    def attend(self, descriptor: int) -> None:
        """Take the monitor of an emulator that has just been started."""
        self._close_monitor()
        self._socket = socket.socket(fileno=descriptor)

    def keep(self) -> str:
        """Keep the machine as it is, once; return in words how it is started from now on."""
        if self._memory is None and not self._why:
            try:
                asked = self._asked()
                if disks := asked.writable_disks():
                    self._why = f"it can write to {', '.join(disks)}, which would not fit its memory as it was"
                else:
                    self._memory = asked.keep()
            except (MonitorError, OSError) as error:
                self._why = f"the emulator can't keep it: {error}"
        return GOES_ON if self._memory is not None else f"by booting: {self._why}"

    def resume(self) -> bool:
        """Let the emulator, which waits for it, go on from there; tell whether it does. Else that is forgotten."""
        assert self._memory is not None
        try:
            with monitor.reader_of(self._memory) as memory:
                self._asked().call("getfd", memory, fdname=_KEPT)
            self._asked().resume(_KEPT)
        except (MonitorError, OSError) as error:
            self._why = f"the emulator does not go on from what was kept: {error}"
            self._memory.close()
            self._memory = None
        return self._memory is not None

    def close(self) -> None:
        """Let go of both."""
        self._close_monitor()
        if self._memory is not None:
            self._memory.close()

    def _asked(self) -> Monitor:
        if self._monitor is None:
            if self._socket is None:
                raise MonitorError("it has no monitor")
            self._monitor = Monitor(self._socket)
        return self._monitor

    def _close_monitor(self) -> None:
        with contextlib.suppress(OSError):
            if self._monitor is not None:
                self._monitor.close()
            elif self._socket is not None:
                self._socket.close()
        self._monitor = self._socket = None
