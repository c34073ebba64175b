"""The reference stack behind the adapter protocol by way of the kit: what an author of a Python stack writes."""

import socket
from typing import ClassVar

from harness.adapter_kit import Address, Stack, State, serve
from harness.observe.snapshot import FourTuple
from harness.targets.reference.target import ReferenceTarget
from harness.targets.sockets import AppSocket

OPTIONS = {
    "keep-alive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "keep-idle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "keep-interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "keep-count": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "user-timeout": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
}


class Reference(Stack[AppSocket]):
    name, version = "Kit", "1.0"
    capabilities: ClassVar = [
        "states",
        "ipv6",
        "rfc5961",
        "timestamps",
        "window-scale",
        "sack",
        "keep-alive",
        "user-timeout",
    ]
    calls: ClassVar = ["shutdown"]

    def __init__(self) -> None:
        super().__init__()
        self.target = ReferenceTarget()
        self.zero_ns = self.target.stack.now

    def now(self) -> float:
        return (self.target.stack.now - self.zero_ns) / 1e6

    def advance(self, milliseconds: int) -> None:
        self.target.pass_time(milliseconds * 1_000_000)
        self.collect()

    def collect(self) -> None:
        for arrival in self.target.waiting():
            self.transmit(arrival.packet)

    def address(self, host: str, bits: int) -> None: ...

    def arrive(self, packet: bytes, frame: str) -> None:
        for arrival in self.target.exchange([packet]):
            self.transmit(arrival.packet)

    def listen(self, local: Address, backlog: int) -> AppSocket:
        sock = self.target.socket(6 if ":" in local.host else 4)
        sock.listen(local.host, local.port, backlog)
        return sock

    def connect(self, local: Address, remote: Address) -> AppSocket:
        sock = self.target.socket(6 if ":" in local.host else 4)
        sock.connect((local.host, local.port), (remote.host, remote.port))
        self.collect()
        return sock

    def accept(self, listener: AppSocket) -> AppSocket:
        return listener.accept()

    def send(self, sock: AppSocket, data: bytes) -> int:
        taken = sock.send(data)
        self.collect()
        return taken

    def recv(self, sock: AppSocket, limit: int) -> bytes:
        data = sock.recv(limit)
        self.collect()
        return data

    def shutdown(self, sock: AppSocket) -> None:
        sock.shutdown()
        self.collect()

    def shutdown_receiving(self, sock: AppSocket, *, both: bool) -> None:
        sock.shutdown(socket.SHUT_RDWR if both else socket.SHUT_RD)
        self.collect()

    def set_option(self, sock: AppSocket, name: str, value: int) -> None:
        sock.set_option(*OPTIONS[name], value)
        self.collect()

    def option(self, sock: AppSocket, name: str) -> int:
        return int(sock.get_option(*OPTIONS[name]))

    def close(self, sock: AppSocket) -> None:
        sock.close()
        self.collect()

    def abort(self, sock: AppSocket) -> None:
        sock.abort()
        self.collect()

    def error(self, sock: AppSocket) -> int:
        return sock.pending_error()

    def state(self, local: Address, remote: Address) -> State:
        seen = self.target.snapshot(FourTuple(local.host, local.port, remote.host, remote.port))
        return State("LISTEN" if seen is None or seen.listening else str(seen.state))

    def reset(self) -> None:
        self.target.forget_connections()


if __name__ == "__main__":
    serve(Reference())
