"""A joined stack as a program behind a device, in real time: ``wired_adapter.py DEVICE LAYER STACK [FACT=VALUE…]``.

STACK is one that the project has an adapter of, in virtual time (`docker/ADAPTER.md`). Here its clock goes with the
machine's, its packets go through the device, and what an application is told to call (``app=lines``) is handed on to
it. Facts are added to its answer to ``hello``.
"""

import os
import select
import struct
import subprocess
import sys
import time
from typing import IO

from harness.targets.building import drivers
from testcases.selftest.wired_linux import device

#: How many milliseconds the stack's clock may be behind the machine's.
TICK_MS = 2
ETHERNET_OCTETS = 14
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
OWN_MAC = bytes.fromhex("020000000007")
#: An adapter's claim, and an application's.
VIRTUAL, REAL = "time=virtual", "time=real"


class Wire:
    """The device: IP packets, in Ethernet frames where it has these."""

    def __init__(self, name: str, layer: int, own: str) -> None:
        self.descriptor = device(name, layer)
        self._framed = layer == 2
        self._own = bytes(map(int, own.split(".")))
        self._peer = bytes(6)

    def read(self) -> str:
        """Return the next packet as the adapter is told of it; empty if it is none. ARP is answered."""
        frame = os.read(self.descriptor, 65536)
        if not self._framed:
            return frame.hex()
        kind = int.from_bytes(frame[12:14], "big")
        if kind not in {IPV4, IPV6}:
            self._resolve(kind, frame[ETHERNET_OCTETS:])
            return ""
        self._peer = frame[6:12]
        everybody = {bytes.fromhex("ffffffffffff"): " broadcast"}
        cast = everybody.get(frame[:6], " multicast" if frame[0] & 1 else "")
        return frame[ETHERNET_OCTETS:].hex() + cast

    def write(self, packet: bytes) -> None:
        """Send a packet."""
        kind = IPV4 if packet[0] >> 4 == 4 else IPV6
        head = self._peer + OWN_MAC + struct.pack(">H", kind) if self._framed else b""
        os.write(self.descriptor, head + packet)

    def _resolve(self, kind: int, arp: bytes) -> None:
        """Answer ARP's question for the stack's address."""
        if kind == ARP and arp[7] == 1 and arp[24:28] == self._own:
            answer = arp[:7] + b"\x02" + OWN_MAC + self._own + arp[8:18]
            os.write(self.descriptor, arp[8:14] + OWN_MAC + struct.pack(">H", ARP) + answer)


class Stack:
    """The adapter, whose packets go onto the wire."""

    def __init__(self, command: list[str], wire: Wire) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._wire = wire
        self._began, self._now = time.monotonic(), 0.0

    def ask(self, line: str) -> str:
        """Hand on one command; return its final line."""
        put, got = self._process.stdin, self._process.stdout
        assert put
        assert got
        put.write(f"{line}\n".encode())
        put.flush()
        while answer := got.readline().decode().rstrip("\n"):
            if not answer.startswith("out "):
                return answer
            self._wire.write(bytes.fromhex(answer.split(" ")[2]))
        raise SystemExit(self._process.wait())

    def catch_up(self) -> None:
        """Let the stack's clock come up to the machine's."""
        while (late := int((time.monotonic() - self._began) * 1000 - self._now)) >= 1:
            self._now = float(self.ask(f"advance {late}").split(" ")[1])


def main() -> None:
    """Start the stack, and hand packets and calls to it for ever."""
    name, layer, joined, *facts = sys.argv[1:]
    wire = Wire(name, int(layer), os.environ["TCPSPEC_IP"])
    stack = Stack(drivers.command(joined), wire)
    claims = stack.ask("hello tcpspec-adapter 1")
    stack.ask(f"address {os.environ['TCPSPEC_IP']}/24")
    if ",ipv6" in claims or "=ipv6" in claims:
        stack.ask(f"address {os.environ['TCPSPEC_IP6']}/64")
    serve(wire, stack, " ".join([claims.replace(VIRTUAL, REAL), *facts]), sys.stdin.buffer)


def serve(wire: Wire, stack: Stack, claims: str, calls: IO[bytes]) -> None:
    """Hand packets and calls on, in the order in which they come."""
    while True:
        ready = select.select([wire.descriptor, calls], [], [], TICK_MS / 1000)[0]
        stack.catch_up()
        if wire.descriptor in ready and (packet := wire.read()):
            stack.ask(f"in {packet}")
        if calls in ready:
            line = calls.raw.readline().decode().rstrip("\n")  # type: ignore[attr-defined]
            answer = claims if line.startswith("hello") else stack.ask(line)
            os.write(1, f"{answer}\n".encode())


if __name__ == "__main__":
    main()
