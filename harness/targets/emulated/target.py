"""Target ``qemu:PACKAGE``: the kernel that a distribution ships, in an emulator, as an ordinary user."""

from collections.abc import Mapping

from harness.targets.emulated.machine import EmulatedWire
from harness.targets.emulated.packages import Image
from harness.targets.kernel.target import KernelTarget
from harness.targets.kernel.wire import Wire


class EmulatedTarget(KernelTarget):
    """A kernel in QEMU, with the same agent as one that runs as a process. Raises UnusableTarget."""

    machine = "qemu, emulated (TCG)"
    jiffy_s = 0.004
    hasty = False

    def __init__(
        self,
        image: Image,
        *,
        name: str,
        timers: bool = False,
        sysctls: Mapping[str, str] | None = None,
        as_found: bool = False,
    ) -> None:
        self._image = image
        super().__init__(image.kernel, name=name, timers=timers, sysctls=sysctls, as_found=as_found)

    def _is_simulated(self) -> bool:
        return False

    def _new_wire(self, origin_ns: int) -> Wire:
        return EmulatedWire(self._image)
