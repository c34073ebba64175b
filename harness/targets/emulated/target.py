"""Target ``qemu:PACKAGE``: the kernel that a distribution ships, in an emulator, as an ordinary user."""

from collections.abc import Mapping

from harness.targets.emulated.machine import EmulatedWire, Kept
from harness.targets.emulated.monitor import MonitorError
from harness.targets.emulated.packages import Image
from harness.targets.kernel import wire
from harness.targets.kernel.agent_call import AgentCalls
from harness.targets.kernel.target import KernelTarget


class EmulatedTarget(KernelTarget):
    """A kernel in QEMU, with the same agent as one that runs as a process. Raises UnusableTarget.

    It boots once: behind a crash, or a hang, it goes on from where it was set up. It has so many `processors`.
    """

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
        processors: int = 1,
    ) -> None:
        self._image, self._processors = image, processors
        self._kept: Kept | None = None
        super().__init__(image.kernel, name=name, timers=timers, sysctls=sysctls, as_found=as_found)

    def _is_simulated(self) -> bool:
        return False

    def close(self) -> None:
        """End the kernel, and let go of how it was."""
        super().close()
        if self._kept:
            self._kept.close()

    def _new_wire(self, origin_ns: int) -> wire.Wire:
        return EmulatedWire(self._image, processors=self._processors)

    def _boot(self, origin_ns: int = 0) -> None:
        if self._kept:
            try:
                self._wire = EmulatedWire(self._image, self._kept, self._processors)
            except MonitorError:
                self._kept.close()
                self._kept = None
            else:
                self.clock = self._wire.clock
                self._calls = AgentCalls(self._wire, wire.GUEST_MAC, wire.PEER_MAC)
                return
        super()._boot(origin_ns)
        if isinstance(self._wire, EmulatedWire):
            self._kept = self._wire.keep()
