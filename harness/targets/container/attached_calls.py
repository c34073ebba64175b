"""Calls to an agent over the attached streams of its container (`harness.agent.attached`)."""

import json
import select
import socket
import time
from collections import deque
from typing import Any

from harness.agent.attached import LENGTH
from harness.targets.container.adapter import FRAME, STDOUT
from harness.targets.operations import Operations
from harness.targets.protocol import TargetError
from harness.wire.link import Link, LostFence

CLOCK_PROBES = 8
#: A wait at the agent is cut into pieces, so that the harness's own time limit never runs out.
LONGEST_WAIT_S = 5.0
REFUSAL = "RequestError: "


class AttachedCalls(Operations):
    """Performs operations at the agent of one container, each a round trip. `who` names it in errors (TargetError)."""

    def __init__(self, stream: socket.socket, who: str) -> None:
        super().__init__()
        self.who = who
        self._stream = stream
        self._frames = b""
        self._said = b""
        self._poll = select.poll()
        self._poll.register(stream, select.POLLRDHUP)

    def is_alive(self) -> bool:
        """Tell whether the agent still holds its end, without asking it."""
        return not self._poll.poll(0)

    def close(self) -> None:
        """Close the streams: the agent then ends."""
        self._stream.close()

    def _exchange(self, operations: list[list[Any]]) -> list[Any]:
        message = json.dumps(operations).encode()
        try:
            self._stream.sendall(LENGTH.pack(len(message)) + message)
            answer: list[Any] = json.loads(self._read(LENGTH.unpack(self._read(LENGTH.size))[0]))
        except ConnectionError:
            raise TargetError(f"{self.who} is gone") from None
        except TimeoutError:
            raise TargetError(f"{self.who} does not answer") from None
        return answer

    def _refusal(self, text: str) -> TargetError:
        return TargetError(text.removeprefix(REFUSAL))

    def _read(self, size: int) -> bytes:
        while len(self._said) < size:
            octets = self._stream.recv(1 << 18)
            if not octets:
                raise ConnectionResetError
            self._frames += octets
            self._split()
        octets, self._said = self._said[:size], self._said[size:]
        return octets

    def _split(self) -> None:
        """Take the whole frames of the engine off what has come; standard error is nothing to us."""
        while len(self._frames) >= FRAME.size:
            stream, length = FRAME.unpack_from(self._frames)
            end = FRAME.size + length
            if len(self._frames) < end:
                return
            if stream == STDOUT:
                self._said += self._frames[FRAME.size : end]
            self._frames = self._frames[end:]


class AttachedLink(Link):
    """A `Link` over the TAP device of a sidecar that is reached by calls; arrival times are put on our own clock."""

    def __init__(self, sidecar: AttachedCalls, peer_mac: bytes, target_mac: bytes, target_ip: bytes) -> None:
        super().__init__(peer_mac, target_mac, target_ip)
        self._sidecar = sidecar
        self._out: list[str] = []
        self._in: deque[tuple[int, str]] = deque()
        self._dropped = 0
        self._offset_ns = min((self._clock_probe() for _ in range(CLOCK_PROBES)), key=lambda probe: probe[0])[1]

    def wait(self, seconds: float) -> bool:
        """Sleep until something arrives, at most `seconds`; tell whether something did."""
        self._swap()
        deadline = time.monotonic() + seconds
        while not self._in and (left := deadline - time.monotonic()) > 0:
            if self._sidecar.call("wait", min(left, LONGEST_WAIT_S)):
                self._swap()
        return bool(self._in)

    def dropped(self) -> int:
        """Return the frames that the device has dropped since the last call."""
        before, self._dropped = self._dropped, int(self._sidecar.call("dropped"))
        return self._dropped - before

    def close(self) -> None:
        """Nothing to do: the device ends with the sidecar."""

    def _transmit(self, frame: bytes) -> None:
        self._out.append(frame.hex())

    def _receive(self) -> tuple[bytes, int]:
        if not self._in:
            self._swap()
        if not self._in:
            raise BlockingIOError
        time_ns, frame = self._in.popleft()
        return bytes.fromhex(frame), time_ns + self._offset_ns

    def _swap(self) -> None:
        frames, self._out = self._out, []
        try:
            self._in.extend(self._sidecar.call("swap", frames))
        except OSError as error:
            raise LostFence(f"the TAP device is gone: {error.strerror}") from None

    def _clock_probe(self) -> tuple[int, int]:
        """Return how long it took to ask for the other clock, and what is to be added to it."""
        before = time.time_ns()
        there = int(self._sidecar.call("now"))
        after = time.time_ns()
        return after - before, (before + after) // 2 - there
