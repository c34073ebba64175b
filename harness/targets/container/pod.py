"""A pod around a container: the agent in it makes the sockets, and a helper outside joins its namespace with a veth."""

import contextlib
import dataclasses
import socket
from typing import Any

from harness.observe.sockdiag import limit_wait
from harness.targets.container.confined import SocketUnreachable
from harness.targets.container.engine import GREETING_LIMIT_S, REQUEST_LIMIT_S
from harness.targets.container.sidecar import Sidecar, obstacle
from harness.targets.namespace.agent_channel import AgentChannel, AgentRefusal
from harness.targets.namespace.pod import DIAG_LIMIT_S, Pod, PodConfig, await_end, start_process
from harness.targets.protocol import TargetError, UnusableTarget
from harness.wire.link import Link

#: For all that the keeper asks of the engine for one container, each with a limit of its own.
START_LIMIT_S = GREETING_LIMIT_S + 2 * REQUEST_LIMIT_S
AGENT_LIMIT_S = 30.0
#: To remove all its containers. Killed before, it would leave them.
END_LIMIT_S = 2 * REQUEST_LIMIT_S
VETH, TAP = "veth", "tap"


class Keeper(AgentChannel):
    """The process that makes the containers and removes them, however this one ends."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START_LIMIT_S)
        with theirs:
            self.process = start_process("harness.targets.container.keeper", theirs)
        super().__init__(ours, f"the containers' keeper process (pid {self.process.pid})")

    def start(
        self, image: str, beside: str | None = None, *, attached: bool = False
    ) -> tuple[dict[str, str], socket.socket]:
        """Start a container, alone or sharing the network of another.

        Return what the engine says of it and the connection of its agent, or with `attached` its streams; raises
        UnusableTarget, and SocketUnreachable if the agent can't connect.
        """
        made, (descriptor,) = self._ask({"op": "agent", "image": image, "beside": beside, "attached": attached})
        control = socket.socket(fileno=descriptor)
        control.settimeout(AGENT_LIMIT_S)
        return made, control

    def start_adapter(self, image: str, **options: Any) -> tuple[str, socket.socket]:
        """Start a container (`options` as for `adapter_engine.create`); return its id and its attached streams.

        Raises UnusableTarget.
        """
        made, (descriptor,) = self._ask({"op": "adapter", "image": image, **options})
        return made["container"], socket.socket(fileno=descriptor)

    def ending(self, container: str) -> str:
        """Return how an adapter's container ended, "" if it has not."""
        return str(self.call({"op": "ending", "container": container})[0]["ending"])

    def remove(self, container: str) -> None:
        """Remove a container before the end."""
        self.call({"op": "remove", "container": container})

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        try:
            return self.call(request)
        except AgentRefusal as refusal:
            kind = SocketUnreachable if refusal.answer.get("unreachable") else UnusableTarget
            raise kind(str(refusal), refusal.answer["hint"]) from None
        except TargetError as error:
            raise UnusableTarget(str(error), "is the container engine or its disk busy?") from None

    def close(self) -> None:
        """Let the keeper remove its containers, and wait until it has."""
        super().close()
        await_end(self.process, END_LIMIT_S)


def demand_ss(image: str, kernel: dict[str, Any]) -> None:
    """Raise UnusableTarget unless the agent has found the program that gives the evidence."""
    if kernel["ss"] is None:
        raise UnusableTarget(f"the image {image} has no program ss", "install the package iproute2 in it")


class DockerPod:
    """A container, and whatever brings the peer's end of a wire into its network namespace.

    `wire` is ``veth`` (a helper enters the namespace), ``tap`` (a sidecar shares it), or empty: as it may be.
    """

    def __init__(self, image: str, wire: str, config: PodConfig) -> None:
        with contextlib.ExitStack() as stack:
            self._keeper = stack.enter_context(contextlib.closing(Keeper()))
            self.container, control = self._keeper.start(image)
            self.containers = [self.container["container"]]
            self.agent = AgentChannel(control, f"the agent in the container {self.container['container'][:12]}")
            stack.callback(self.agent.close)
            self.kernel, _descriptors = self.agent.call({"op": "hello"})
            demand_ss(image, self.kernel)
            self._outside = stack.enter_context(contextlib.closing(self._join(image, wire, config)))
            stack.callback(self._destroy_what_would_stay, image)
            self.made = self._outside.made
            _answer, (descriptor,) = self.agent.call({"op": "diag"})
            self.diag_socket = stack.enter_context(socket.socket(fileno=descriptor))
            limit_wait(self.diag_socket, DIAG_LIMIT_S)
            self._stack = stack.pop_all()

    def _join(self, image: str, wire: str, config: PodConfig) -> Pod | Sidecar:
        join = int(self.container["pid"]), int(self.kernel["namespace"])
        reason = obstacle(*join)
        if wire == VETH and reason:
            raise UnusableTarget(f"wire=veth: {reason}", "wire=tap works without, by a sidecar container")
        if wire != TAP and not reason:
            self.way = "veth, by a helper that enters the container's namespace"
            return Pod(dataclasses.replace(config, join=join))
        self.way = f"TAP device, by a sidecar container ({reason or 'wire=tap'})"
        made, control = self._keeper.start(image, beside=self.container["container"])
        self.containers.append(made["container"])
        return Sidecar(control, f"the sidecar {made['container'][:12]}", config)

    def casualty(self) -> str:
        """Return which of the containers or helpers is gone, "" if none; the engine is not asked."""
        return next((end.who for end in (self.agent, self._outside) if not end.is_alive()), "")

    def link(self) -> Link:
        """Return the peer's end of the wire."""
        return self._outside.link()

    def socket(self, version: int) -> socket.socket:
        """Return a fresh socket that the agent has made in the container."""
        return self.agent.socket(version)

    def ss(self, arguments: list[str]) -> str | None:
        """Return what the container's own `ss` prints."""
        return self.agent.ss(arguments)

    def destroy_sockets(self) -> int:
        """Destroy every TCP socket of the namespace, from outside: the container has no right to."""
        return self._outside.destroy_sockets()

    def read_sysctl(self, name: str) -> str:
        """Return a sysctl of the container's namespace."""
        return self._outside.read_sysctl(name)

    def write_sysctl(self, name: str, value: str) -> None:
        """Write a sysctl of the container's namespace, from outside: /proc/sys is read-only in it."""
        self._outside.write_sysctl(name, value)

    def close(self) -> None:
        """End the pod, the agent and the container."""
        self._stack.close()

    def _destroy_what_would_stay(self, image: str) -> None:
        """Should the sidecar be dead, let another destroy the sockets: orphans keep the namespace for minutes."""
        if isinstance(self._outside, Pod) or self._outside.is_alive() or not self.agent.is_alive():
            return
        with contextlib.suppress(UnusableTarget, TargetError):
            made, control = self._keeper.start(image, beside=self.container["container"])
            with contextlib.closing(AgentChannel(control, f"the sidecar {made['container'][:12]}")) as sidecar:
                sidecar.destroy_sockets()
