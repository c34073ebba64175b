"""The agent in a container whose engine is far away: reached over its standard input and output.

No descriptor can be passed. So it works the sockets itself, and beside the target it also works the TAP device.

A message is its length (4 octets, big-endian) and a JSON list of operations, as for `guest`; so is the answer.
Standard library only.
"""

import json
import os
import select
import struct
import sys
import time
from typing import Any

from harness.agent import guest, server, sidecar

LENGTH = struct.Struct("!I")
MAX_FRAME = 65600


class Agent(guest.Agent):
    """Serves one harness; `set_up` makes it the sidecar."""

    def __init__(self) -> None:
        super().__init__()
        self._tap = -1

    def hello(self) -> dict[str, Any]:
        """Return what the agent in a container says of itself."""
        return server.HANDLERS["hello"]({})[0]

    def set_up_sidecar(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make the TAP device and give the target its addresses."""
        answer, (self._tap,) = sidecar.set_up(request)
        return answer

    def swap(self, frames: list[str]) -> list[tuple[int, str]]:
        """Write frames; return all that there is to read, with the times (nanoseconds, this machine's clock)."""
        for frame in frames:
            os.write(self._tap, bytes.fromhex(frame))
        found = []
        while True:
            try:
                found.append((time.time_ns(), os.read(self._tap, MAX_FRAME).hex()))
            except BlockingIOError:
                return found

    def wait(self, seconds: float) -> bool:
        """Wait for a frame to read; tell whether there is one."""
        return bool(select.select([self._tap], [], [], seconds)[0])

    def dropped(self) -> int:
        """Return how many frames the device has dropped."""
        return int(sidecar.DROPPED.read_text())

    def now(self) -> int:
        """Return this machine's time in nanoseconds."""
        return time.time_ns()


guest.OPERATIONS |= {
    "hello": Agent.hello,
    "set up sidecar": Agent.set_up_sidecar,
    "swap": Agent.swap,
    "wait": Agent.wait,
    "dropped": Agent.dropped,
    "now": Agent.now,
}


def main() -> None:
    """Serve until standard input ends."""
    agent = Agent()
    asked, answered = sys.stdin.buffer, sys.stdout.buffer
    while len(head := asked.read(LENGTH.size)) == LENGTH.size:
        operations = json.loads(asked.read(LENGTH.unpack(head)[0]))
        answer = json.dumps([agent.perform(operation) for operation in operations]).encode()
        answered.write(LENGTH.pack(len(answer)) + answer)
        answered.flush()
    agent.destroy()
