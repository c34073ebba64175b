"""Calls to the agent inside a kernel, over the wire that it has anyway."""

import json
from typing import Any, Protocol

from harness.agent import framing
from harness.targets.operations import Operations
from harness.targets.protocol import TargetError


class AgentRefusal(TargetError):
    """The agent can't do what was asked, for a reason that is not the system's."""


class Carrier(Protocol):
    """What brings frames of the agent's EtherType there and back."""

    def send_frame(self, frame: bytes) -> None:
        """Bring a frame to the guest."""

    def agent_frame(self) -> bytes:
        """Return the next frame of the agent, waiting for it; raises TargetError when none comes."""


class AgentCalls(Operations):
    """Performs operations at the agent of a guest."""

    def __init__(self, carrier: Carrier, guest_mac: bytes, peer_mac: bytes) -> None:
        super().__init__()
        self._carrier = carrier
        self._head = guest_mac + peer_mac + framing.ETHERTYPE.to_bytes(2, "big")
        self._number = 0

    def greet(self) -> None:
        """Wait for the agent to be there."""
        number, _text = framing.Joiner().add(self._carrier.agent_frame()[framing.ETHERNET.size :]) or (None, b"")
        if number != framing.READY:
            raise AgentRefusal("the agent in the guest does not greet")

    def _exchange(self, operations: list[list[Any]]) -> list[Any]:
        self._number += 1
        for part in framing.parts(self._number, json.dumps(operations).encode()):
            self._carrier.send_frame(self._head + part)
        joiner = framing.Joiner()
        while True:
            message = joiner.add(self._carrier.agent_frame()[framing.ETHERNET.size :])
            if message is not None and message[0] == self._number:
                answer: list[Any] = json.loads(message[1])
                return answer

    def _refusal(self, text: str) -> TargetError:
        return AgentRefusal(text)
