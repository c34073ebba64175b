"""Target ``docker:IMAGE``: the running kernel's TCP as a container has it."""

import functools
from collections.abc import Iterable, Mapping

from harness.targets.building import images
from harness.targets.container.attached import AttachedPod
from harness.targets.container.confined import SocketUnreachable
from harness.targets.container.pod import TAP, VETH, DockerPod
from harness.targets.namespace.pod import PodConfig
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import TargetError
from harness.wire.link import Arrival

OWN_IMAGE = "linux"
ATTACHED = "attached"
WIRES = frozenset({VETH, TAP, ATTACHED})


class DockerTarget(LinuxTarget):
    """The kernel in a container of `image`; all else is as for the plain namespace."""

    pod: DockerPod | AttachedPod

    def __init__(
        self,
        image: str,
        *,
        name: str,
        wire: str = "",
        timers: bool = False,
        sysctls: Mapping[str, str] | None = None,
        observer: str = "sockdiag",
        as_found: bool = False,
    ) -> None:
        opener = functools.partial(open_pod, image, wire)
        super().__init__(
            name=name, timers=timers, sysctls=sysctls, observer=observer, open_pod=opener, as_found=as_found
        )
        self.facts.version = self.pod.kernel["release"]
        self.facts.details |= {
            "machine": self.pod.kernel["machine"],
            "build": self.pod.kernel["build"],
            "image": f"{image} ({self.pod.container['image']})",
            "wire": self.pod.way,
            "engine": self.pod.container["engine"],
            "python": self.pod.kernel["python"],
        }

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets; a case during which the container has died is a harness error."""
        packets = list(packets)
        if packets and (who := self.pod.casualty()):
            raise TargetError(f"{who} has died")
        return super().exchange(packets, destination_mac)


def open_pod(image: str, wire: str, config: PodConfig) -> DockerPod | AttachedPod:
    """Start the container and join its network, in the fastest way that works here, or in that of `wire`."""
    if wire == ATTACHED:
        return AttachedPod(image, "wire=attached", config)
    try:
        return DockerPod(image, wire, config)
    except SocketUnreachable as reason:
        if wire:
            raise
        return AttachedPod(image, reason.message, config)


def image_of(ident: str) -> str:
    """Return the image that ``docker:IDENT`` names; that of ``docker:linux`` is built where it is missing."""
    return images.ensure(OWN_IMAGE) if ident == OWN_IMAGE else ident
