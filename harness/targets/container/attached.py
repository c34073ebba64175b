"""A container whose engine does not see this machine's files: two agents, reached over their attached streams."""

import contextlib
import socket

from harness.observe.sockdiag import NetlinkSocket
from harness.targets.addresses import ADDRESSES
from harness.targets.container.attached_calls import AttachedCalls, AttachedLink
from harness.targets.container.pod import Keeper, demand_ss
from harness.targets.container.sidecar import PEER_MAC
from harness.targets.kernel.guest_socket import GuestSocket
from harness.targets.namespace.pod import PodConfig
from harness.targets.protocol import TargetError, UnusableTarget
from harness.targets.sockets import AppSocket


class RelayedDiag(NetlinkSocket):
    """A sock_diag socket at the agent."""

    def __init__(self, agent: AttachedCalls) -> None:
        self._agent = agent
        self._answer = b""

    def send(self, message: bytes, /) -> int:
        """Relay a message; the answer is kept."""
        self._answer = bytes.fromhex(self._agent.call("diag", message.hex()))
        return len(message)

    def recv(self, limit: int, /) -> bytes:
        """Return the answer."""
        return self._answer

    def close(self) -> None:
        """Nothing to do: the socket ends with the agent."""


class AttachedPod:
    """What a `DockerPod` is, without descriptors: slower, but the engine may be anywhere."""

    def __init__(self, image: str, reason: str, config: PodConfig) -> None:
        with contextlib.ExitStack() as stack:
            keeper = stack.enter_context(contextlib.closing(Keeper()))
            self.container, stream = keeper.start(image, attached=True)
            self.agent = AttachedCalls(stream, f"the agent in the container {self.container['container'][:12]}")
            stack.callback(self.agent.close)
            self.kernel = self.agent.call("hello")
            demand_ss(image, self.kernel)
            beside, stream = keeper.start(image, beside=self.container["container"], attached=True)
            self._sidecar = AttachedCalls(stream, f"the sidecar {beside['container'][:12]}")
            stack.callback(self._sidecar.close)
            stack.callback(self._destroy_what_would_stay, keeper, image)
            self._set_up(config)
            self._stack = stack.pop_all()
        self.containers = [self.container["container"], beside["container"]]
        self.way = f"TAP device, by a sidecar container, over attached streams ({reason})"
        self.diag_socket = RelayedDiag(self.agent)

    def _set_up(self, config: PodConfig) -> None:
        request = {**config.request(), "peer_mac": PEER_MAC.hex()}
        try:
            self._sidecar.call("write sysctls", dict(config.overrides))
        except (OSError, TargetError) as error:
            raise UnusableTarget(f"--set: {error}") from None
        try:
            self.made = self._sidecar.call("set up sidecar", request)
        except (OSError, TargetError) as error:
            raise UnusableTarget(f"the sidecar can't set up the network of the container: {error}") from None

    def link(self) -> AttachedLink:
        """Return the peer's end of the wire, which carries frames by then."""
        target_mac = bytes.fromhex(self.made["target_mac"])
        link = AttachedLink(self._sidecar, PEER_MAC, target_mac, socket.inet_aton(ADDRESSES[4].target[0]))
        link.await_ready()
        return link

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket that the agent works."""
        return GuestSocket(self.agent, version)

    def casualty(self) -> str:
        """Return which of the containers is gone, "" if none; the engine is not asked."""
        return next((end.who for end in (self.agent, self._sidecar) if not end.is_alive()), "")

    def ss(self, arguments: list[str]) -> str | None:
        """Return what the container's own `ss` prints."""
        text: str | None = self.agent.call("ss", arguments)
        return text

    def destroy_sockets(self) -> int:
        """Destroy every TCP socket of the namespace; the sidecar may, the container itself may not."""
        return int(self._sidecar.call("destroy"))

    def read_sysctl(self, name: str) -> str:
        """Return a sysctl of the container's namespace."""
        values = self._sidecar.call("read sysctls", [name])
        if name not in values:
            raise TargetError(f"this kernel has no sysctl {name}")
        return str(values[name])

    def write_sysctl(self, name: str, value: str) -> None:
        """Write a sysctl of the container's namespace."""
        self._sidecar.call("write sysctls", {name: value})

    def close(self) -> None:
        """End the agents and their containers."""
        self._stack.close()

    def _destroy_what_would_stay(self, keeper: Keeper, image: str) -> None:
        """Should the sidecar be dead, let another destroy the sockets: orphans keep the namespace for minutes."""
        if self._sidecar.is_alive() or not self.agent.is_alive():
            return
        with contextlib.suppress(UnusableTarget, TargetError):
            made, stream = keeper.start(image, beside=self.container["container"], attached=True)
            with contextlib.closing(AttachedCalls(stream, f"the sidecar {made['container'][:12]}")) as sidecar:
                sidecar.call("destroy")
