"""The peer in a container of its own beside the target's: for whoever may talk to the engine, and no more than that."""

import os
import socket
from pathlib import Path
from typing import Any

from harness.targets.addresses import ADDRESSES
from harness.targets.namespace.agent_channel import AgentChannel, AgentRefusal
from harness.targets.namespace.pod import PodConfig
from harness.targets.protocol import UnusableTarget
from harness.wire.tap import TapLink

#: The peer's hardware address: a locally administered one, and none of those that fences carry.
PEER_MAC = bytes.fromhex("02fd00000002")
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21


def obstacle(pid: int, namespace: int) -> str:
    """Return why this process can't enter the network namespace of a container, "" if it can.

    The engine gives `pid`, the agent `namespace` (an inode), which must fit; else the engine is elsewhere.
    """
    try:
        found = os.stat(f"/proc/{pid}/ns/net").st_ino
    except PermissionError:
        return "only root may enter the container's namespace"
    except OSError:
        found = 0
    if found != namespace:
        return "the engine runs on another machine, or in another namespace of process ids"
    if not _capable(CAP_SYS_ADMIN) or not _capable(CAP_NET_ADMIN):
        return "CAP_SYS_ADMIN and CAP_NET_ADMIN are missing to enter the container's namespace"
    return ""


def _capable(capability: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False


class Sidecar(AgentChannel):
    """Does what a `Pod` does for the namespace of a container, from a second container that shares it."""

    def __init__(self, control: socket.socket, who: str, config: PodConfig) -> None:
        super().__init__(control, who)
        try:
            self.call({"op": "write-sysctls", "values": dict(config.overrides), "required": True})
        except AgentRefusal as refusal:
            raise UnusableTarget(f"--set: {refusal}") from None
        try:
            self.made, (self._tap,) = self.call({"op": "set-up", "peer_mac": PEER_MAC.hex(), **config.request()})
        except AgentRefusal as refusal:
            raise UnusableTarget(f"the sidecar can't set up the network of the container: {refusal}") from None

    def link(self) -> TapLink:
        """Return the peer's end of the wire, which carries frames by then."""
        target_mac = bytes.fromhex(self.made["target_mac"])
        link = TapLink(self._tap, PEER_MAC, target_mac, socket.inet_aton(ADDRESSES[4].target[0]), self._drops)
        link.await_ready()
        return link

    def close(self) -> None:
        """Close the device and the channel: the sidecar then ends."""
        if hasattr(self, "_tap"):
            os.close(self._tap)
        super().close()

    def _drops(self) -> int:
        answer: dict[str, Any] = self.call({"op": "dropped"})[0]
        return int(answer["dropped"])
