"""QEMU as a process of ours, without privileges and without KVM: its card is one end of a pair of sockets."""

import shutil
from collections.abc import Iterable

from harness.targets.emulated import initramfs
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


class EmulatedMachine(Machine):
    """A kernel in QEMU; its console is the serial line."""

    def boot(self, image: Image, card: int) -> None:
        """Start the emulator; `card` is the descriptor that frames go through. Raises UnusableTarget without QEMU."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise UnusableTarget(f"{PROGRAM} is not there", "apt-get install --no-install-recommends qemu-system-x86")
        archive = self.folder / "initramfs"
        archive.write_bytes(initramfs.build(image.modules))
        self._run([program, *arguments(image, str(archive), card)], (card,))


def arguments(image: Image, archive: str, card: int) -> list[str]:
    """Return the emulator's arguments."""
    return [
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", "q35,accel=tcg", "-cpu", CPU, "-m", MEMORY, "-smp", "1"),
        *("-kernel", str(image.kernel), "-initrd", archive, "-append", CONSOLE),
        *("-netdev", f"dgram,id=n0,local.type=fd,local.str={card}"),
        *("-device", f"virtio-net-pci,netdev=n0,mac={GUEST_MAC.hex(':')},romfile="),
        *("-chardev", "stdio,id=c0,signal=off", "-serial", "chardev:c0"),
    ]


class EmulatedWire(RealWire):
    """The wire to a kernel in QEMU, in real time."""

    patience_s = PATIENCE_S

    def __init__(self, image: Image) -> None:
        machine = EmulatedMachine()
        super().__init__(machine)
        with self.theirs as theirs:
            try:
                machine.boot(image, theirs.fileno())
            except BaseException:
                self.close()
                raise

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Send packets, then wait for the fence behind them, and for the end of what is sent in several segments."""
        arrivals = super().exchange(packets, destination_mac)
        if sum(len(arrival.packet) > LONGEST_WITHOUT_TEXT for arrival in arrivals) > 1:
            arrivals += self._checked(lambda: self._link.until_quiet(BULK_QUIET_S))
        return arrivals
