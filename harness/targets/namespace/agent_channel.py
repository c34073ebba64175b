"""The harness's end of the channel to an agent (`harness.agent.server`): requests, answers, passed descriptors."""

import json
import os
import select
import socket
from typing import Any

from harness.targets.protocol import TargetError

MAX_MESSAGE = 1 << 20
MAX_DESCRIPTORS = 128
SOCKET_BATCH = 64


class AgentRefusal(TargetError):
    """The agent answered that it can't do what was asked; `answer` has its words."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["error"])
        self.answer = answer


class AgentChannel:
    """Asks one agent over a SOCK_SEQPACKET socket with a time limit. `who` names the agent in errors (TargetError)."""

    def __init__(self, control: socket.socket, who: str) -> None:
        self._control = control
        self._pool: dict[int, list[socket.socket]] = {4: [], 6: []}
        self._poll = select.poll()
        self._poll.register(control, select.POLLRDHUP)
        self.who = who

    def call(self, request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        """Return the answer and the descriptors that came with it; raises AgentRefusal and TargetError."""
        try:
            self._control.send(json.dumps(request).encode())
            message, descriptors, _flags, _address = socket.recv_fds(self._control, MAX_MESSAGE, MAX_DESCRIPTORS)
        except ConnectionError:
            message, descriptors = b"", []
        except TimeoutError:
            raise TargetError(f"{self.who} does not answer") from None
        if not message:
            raise TargetError(f"{self.who} is gone")
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        answer = json.loads(message)
        if "error" in answer:
            raise AgentRefusal(answer)
        return answer, list(descriptors)

    def socket(self, version: int) -> socket.socket:
        """Return a fresh non-blocking TCP socket of the target's namespace."""
        pool = self._pool[version]
        if not pool:
            _answer, descriptors = self.call({"op": "sockets", "family": version, "count": SOCKET_BATCH})
            # The agent closes its copies behind its answer, and a close() of ours does nothing before it has: so wait
            # for the answer to one more request, which it only reads when it is done.
            self.call({"op": "ping"})
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            for descriptor in descriptors:
                sock = socket.socket(family, socket.SOCK_STREAM, 0, fileno=descriptor)
                sock.setblocking(False)
                pool.append(sock)
        return pool.pop()

    def ss(self, arguments: list[str]) -> str | None:
        """Return what `ss` prints in the target's namespace, None where the program is missing."""
        answer, _descriptors = self.call({"op": "ss", "arguments": arguments})
        return None if answer.get("missing") else str(answer["text"])

    def destroy_sockets(self) -> int:
        """Destroy every TCP socket of the namespace; return how many there were."""
        answer, _descriptors = self.call({"op": "destroy"})
        return int(answer["destroyed"])

    def counters(self) -> dict[str, int]:
        """Return the counters of the target's namespace by the names that ``nstat`` gives them."""
        answer, _descriptors = self.call({"op": "counters"})
        return dict(answer["counters"])

    def read_sysctl(self, name: str) -> str:
        """Return a sysctl of the target's namespace; raises TargetError where the kernel lacks it."""
        answer, _descriptors = self.call({"op": "read-sysctls", "names": [name]})
        if name not in answer["values"]:
            raise TargetError(f"this kernel has no sysctl {name}")
        return str(answer["values"][name])

    def write_sysctl(self, name: str, value: str) -> None:
        """Write a sysctl of the target's namespace."""
        self.call({"op": "write-sysctls", "values": {name: value}, "required": True})

    def is_alive(self) -> bool:
        """Tell whether the agent still holds its end, without asking it (a microsecond)."""
        return not self._poll.poll(0)

    def close(self) -> None:
        """Close the sockets that nobody took, and the channel: the agent then ends."""
        for sock in [sock for pool in self._pool.values() for sock in pool]:
            sock.close()
        self._pool = {4: [], 6: []}
        self._control.close()
