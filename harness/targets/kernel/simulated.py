"""A kernel in simulated time: machine, calendar and network card as one, driven by whoever owns the time."""

import os
import select
import socket
import time
from pathlib import Path

from harness.targets.kernel.calendar import Calendar, CalendarError
from harness.targets.kernel.machine import Machine
from harness.targets.kernel.vhost import NO_SIGN_OF_LIFE, DeviceError, NetworkCard
from harness.targets.protocol import TargetError, TargetStorms
from harness.wire.link import MAX_ARRIVALS, Flood, comes

#: How long the kernel's process may run, in seconds of the wall clock, before it counts as hanging.
HANG_LIMIT_S = 60.0


class SimulatedKernel:
    """Boots on construction, up to the moment at which its network driver is ready and it has nothing to do.

    Nothing happens in it but during a call. Raises TargetError when it panics or hangs.
    """

    def __init__(self, kernel: Path, mac: bytes) -> None:
        self.machine = Machine()
        self._frames: list[tuple[int, bytes]] = []
        clock_path, card_path = self.machine.folder / "clock", self.machine.folder / "card"
        self._calendar: Calendar | None = None
        self._card: NetworkCard | None = None
        self._storm: TargetStorms | None = None
        try:
            with _listener(clock_path) as clock, _listener(card_path) as card:
                arguments = [f"time-travel=ext:{clock_path}", f"virtio_uml.device={card_path}:1"]
                # Transmitted buffers are freed at once, not at an interrupt that the card would have to raise.
                self.machine.start(kernel, [*arguments, "virtio_net.napi_tx=0"])
                self._calendar = Calendar(self._accept(clock))
                self._boot(card, mac)
        except BaseException:
            self.close()
            raise

    @property
    def now(self) -> int:
        """Return the simulated time in nanoseconds since boot."""
        assert self._calendar is not None
        return self._calendar.now

    @property
    def due(self) -> int:
        """Return when the kernel wants to run next, by itself."""
        assert self._calendar is not None
        assert self._calendar.due is not None
        return self._calendar.due

    def deliver(self, frame: bytes) -> None:
        """Let a frame arrive now; when this returns the kernel has done all that it does because of it."""
        calendar, card = self._parts()
        if self._storm is not None:
            raise self._storm
        try:
            card.deliver(frame, calendar.serve, calendar.fileno(), HANG_LIMIT_S)
        except (DeviceError, CalendarError, OSError) as error:
            raise self._failure(error) from None
        self.settle()

    def settle(self) -> None:
        """Let the kernel run until it has nothing more to do at this time."""
        calendar, _card = self._parts()
        while not calendar.waiting or self.due <= calendar.now:
            self._step()
            if self._storm is not None:
                self.machine.kill()
                raise self._storm

    def run_next(self) -> None:
        """Jump to the kernel's next timer and let it run."""
        self._step()
        self.settle()

    def pass_time(self, until: int) -> None:
        """Let time pass up to `until`, or until the kernel has sent a frame."""
        calendar, _card = self._parts()
        while not self._frames and self.due <= until:
            self.run_next()
        if not self._frames:
            calendar.now = max(calendar.now, until)

    def sent(self) -> list[tuple[int, bytes]]:
        """Return the frames sent since the last call, each with its time."""
        frames, self._frames = self._frames, []
        return frames

    def close(self) -> None:
        """End it."""
        self.machine.close()
        for part in (self._calendar, self._card):
            if part is not None:
                part.close()

    # --- machinery ---------------------------------------------------------------------------------------------------

    def _parts(self) -> tuple[Calendar, NetworkCard]:
        assert self._calendar is not None
        assert self._card is not None
        return self._calendar, self._card

    def _boot(self, card: socket.socket, mac: bytes) -> None:
        """Serve the clock until the kernel probes its card, then both, until the driver has enabled its queues."""
        assert self._calendar is not None
        poll = select.poll()
        poll.register(self._calendar, select.POLLIN)
        poll.register(card, select.POLLIN)
        while self._card is None:
            if self._calendar.waiting:
                self._calendar.run()
            for descriptor, _event in self._poll(poll):
                if descriptor == card.fileno():
                    self._card = NetworkCard(card.accept()[0], mac, self._sent)
                else:
                    self._serve_clock()
        self._ready = select.poll()
        self._ready.register(self._calendar, select.POLLIN)
        self._ready.register(self._card, select.POLLIN)
        while not self._card.ready:
            self._step()
        self.settle()

    def _step(self) -> None:
        """Let the kernel do one thing: run if it waits, else be served."""
        calendar, card = self._parts()
        if calendar.waiting:
            calendar.run()
        for descriptor, _event in self._poll(self._ready):
            try:
                if descriptor == card.fileno():
                    card.serve()
                else:
                    calendar.serve()
            except (DeviceError, CalendarError, OSError) as error:
                raise self._failure(error) from None

    def _serve_clock(self) -> None:
        assert self._calendar is not None
        try:
            self._calendar.serve()
        except (CalendarError, OSError) as error:
            raise self._failure(error) from None

    def _poll(self, poll: "select.poll") -> list[tuple[int, int]]:
        events = poll.poll(HANG_LIMIT_S * 1000)
        if not events:
            raise self._failure(TimeoutError(NO_SIGN_OF_LIFE.format(HANG_LIMIT_S)))
        return events

    def _sent(self, frame: bytes) -> None:
        if len(self._frames) > MAX_ARRIVALS:
            self._storm = TargetStorms(str(Flood()))
        else:
            self._frames.append((self.now, frame))

    def _accept(self, listener: socket.socket) -> socket.socket:
        deadline = time.monotonic() + HANG_LIMIT_S
        while not comes(listener, 0.05):
            if not self.machine.running() or time.monotonic() > deadline:
                raise self._failure(CalendarError("it does not ask for the time"))
        return listener.accept()[0]

    def _failure(self, error: Exception) -> TargetError:
        """Return the error with what the kernel last wrote on its console. One that hangs ends here."""
        deadline = time.monotonic() + 1
        while self.machine.running() and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.machine.failure(str(error))


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    listener.listen(1)
    return listener
