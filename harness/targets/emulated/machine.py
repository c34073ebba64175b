"""QEMU as a process of ours, without privileges and without KVM: its card is one end of a pair of sockets."""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

from harness.targets.emulated import initramfs, monitor
from harness.targets.emulated.monitor import Monitor, MonitorError
from harness.targets.emulated.packages import Image
from harness.targets.kernel.machine import Machine
from harness.targets.kernel.wire import GUEST_MAC, RealWire
from harness.targets.protocol import UnusableTarget
from harness.wire.link import Arrival

PROGRAM = "qemu-system-x86_64"
MEMORY = "384M"
#: Five-level page tables make 5.10's early boot fail under emulation.
CPU = "max,la57=off"
#: Checks of timers and measures against other processes only cost time under emulation.
CONSOLE = "console=ttyS0 loglevel=5 panic=-1 random.trust_cpu=on no_timer_check mitigations=off"
#: A boot takes some fifteen seconds, and many times that on a busy machine.
PATIENCE_S = 300.0
#: An IP packet of more octets has text in it, whatever its options.
LONGEST_WITHOUT_TEXT = 40 + 60
#: What is sent in several segments goes on behind the fence's answer: the card's queue is fed in parts.
BULK_QUIET_S = 0.05


@dataclass(frozen=True, slots=True)
class Kept:
    """A machine as it was: what it has booted from, its memory and devices, and how silence is proved on its wire."""

    archive: IO[bytes]
    memory: IO[bytes]
    quiet_s: float | None

    def close(self) -> None:
        """Let go of the files, which have no names."""
        self.archive.close()
        self.memory.close()


class EmulatedMachine(Machine):
    """A kernel in QEMU; its console is the serial line, and its monitor is on a socket."""

    def __init__(self) -> None:
        super().__init__()
        self._monitor_socket: socket.socket | None = None
        self._monitor: Monitor | None = None

    def boot(self, image: Image, card: int, kept: Kept | None = None, processors: int = 1) -> None:
        """Start the emulator; `card` is the descriptor that frames go through. Raises UnusableTarget without QEMU.

        From what was `kept` it goes on, and boots nothing; raises MonitorError where it does not.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise UnusableTarget(f"{PROGRAM} is not there", "apt-get install --no-install-recommends qemu-system-x86")
        self.archive = kept.archive if kept else _archive(image)
        ours, theirs = socket.socketpair()
        with theirs, monitor.reader_of(self.archive) as initrd, contextlib.ExitStack() as opened:
            given = arguments(image, f"/proc/self/fd/{initrd}", card, processors)
            command = [program, *given, *monitor.options(theirs.fileno())]
            passed = [card, initrd, theirs.fileno()]
            if kept:
                passed.append(opened.enter_context(monitor.reader_of(kept.memory)))
                command += monitor.WAITING
            self._run(command, tuple(passed))
        self._monitor_socket = ours
        if kept:
            self.monitor().resume(passed[-1])

    def monitor(self) -> Monitor:
        """Return the emulator's monitor; raises MonitorError where it does not answer."""
        if self._monitor is None:
            assert self._monitor_socket is not None
            self._monitor = Monitor(self._monitor_socket)
        return self._monitor

    def close(self) -> None:
        """End the emulator."""
        if self._monitor is not None:
            self._monitor.close()
        elif self._monitor_socket is not None:
            self._monitor_socket.close()
        super().close()


def _archive(image: Image) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the machine's
    file.write(initramfs.build(image.modules))
    file.flush()
    return file


def arguments(image: Image, archive: str, card: int, processors: int = 1) -> list[str]:
    """Return the emulator's arguments."""
    return [
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", "q35,accel=tcg", "-cpu", CPU, "-m", MEMORY, "-smp", str(processors)),
        *("-kernel", str(image.kernel), "-initrd", archive, "-append", CONSOLE),
        *("-netdev", f"dgram,id=n0,local.type=fd,local.str={card}"),
        *("-device", f"virtio-net-pci,netdev=n0,mac={GUEST_MAC.hex(':')},romfile="),
        *("-chardev", "stdio,id=c0,signal=off", "-serial", "chardev:c0"),
    ]


class EmulatedWire(RealWire):
    """The wire to a kernel in QEMU, in real time. From what was `kept` the machine goes on; raises MonitorError."""

    patience_s = PATIENCE_S

    def __init__(self, image: Image, kept: Kept | None = None, processors: int = 1) -> None:
        self._emulator = EmulatedMachine()
        super().__init__(self._emulator)
        with self.theirs as theirs:
            try:
                self._emulator.boot(image, theirs.fileno(), kept, processors)
            except BaseException:
                self.close()
                raise
        if kept:
            self._link.quiet_s = kept.quiet_s

    def keep(self) -> Kept | None:
        """Return the machine as it is, which goes on; None where the emulator can't, or has no room for it."""
        try:
            return Kept(self._emulator.archive, self._emulator.monitor().keep(), self._link.quiet_s)
        except (MonitorError, OSError):
            return None

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Send packets, then wait for the fence behind them, and for the end of what is sent in several segments."""
        arrivals = super().exchange(packets, destination_mac)
        if sum(len(arrival.packet) > LONGEST_WITHOUT_TEXT for arrival in arrivals) > 1:
            arrivals += self._checked(lambda: self._link.until_quiet(BULK_QUIET_S))
        return arrivals
