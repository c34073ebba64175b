"""The reference stack behind the adapter protocol, with a clock of its own: an adapter in real time."""

import errno
import itertools
import sys
import time
from typing import Any

from harness.observe.snapshot import FourTuple
from harness.targets.reference.target import ReferenceTarget

GREETING = "tcpspec-adapter 1 name=Clocked version=1.0 time=real settings=ack capabilities=states,ipv6,rfc5961,sack"
CALLS = frozenset({"accept", "send", "recv", "shutdown", "close", "abort", "error"})


class Adapter:
    """Answers one command after the other; before each, the stack is told how late it is."""

    def __init__(self) -> None:
        self.target = ReferenceTarget()
        self._sockets: dict[str, Any] = {}
        self._handles = itertools.count(1)
        self._zero_ns = self._begun_ns = 0

    def answer(self, verb: str, words: list[str]) -> str:
        """Perform a command and return the words behind `ok`; raises OSError."""
        if verb == "hello":
            self._zero_ns, self._begun_ns = self.target.stack.now, time.monotonic_ns()
            return GREETING
        self._keep_up()
        match verb, words:
            case "in", [packet, *_to_several]:
                self._tell(self.target.exchange([bytes.fromhex(packet)]))
            case "advance", [milliseconds]:
                return self._advance(int(milliseconds) / 1000)
            case "listen", [address, port, backlog]:
                sock = self.target.socket(4)
                sock.listen(address, int(port), int(backlog))
                return self._handle(sock)
            case "connect", [address, port, peer, peer_port]:
                sock = self.target.socket(4)
                sock.connect((address, int(port)), (peer, int(peer_port)))
                return self._handle(sock)
            case "state", [address, port, peer, peer_port]:
                seen = self.target.snapshot(FourTuple(address, int(port), peer, int(peer_port)))
                return "LISTEN" if seen.listening else str(seen.state)
            case "reset", []:
                self.target.forget_connections()
                self._sockets.clear()
            case "address" | "set", _:
                pass
            case _ if verb in CALLS and words and words[0] in self._sockets:
                return self._call(verb, *words)
            case _:
                raise OSError(errno.EINVAL, "no such command or handle")
        return ""

    def tell(self) -> None:
        """Print what the stack has sent."""
        self._tell(self.target.waiting())

    def _call(self, verb: str, handle: str, *words: str) -> str:
        sock = self._sockets[handle]
        match verb:
            case "accept":
                return self._handle(sock.accept())
            case "send":
                return str(sock.send(bytes.fromhex(words[0])))
            case "recv":
                return sock.recv(int(words[0])).hex() or "eof"
            case "error":
                code = sock.pending_error()
                return errno.errorcode[code] if code else "0"
            case "close" | "abort":
                del self._sockets[handle]
        getattr(sock, verb)()
        return ""

    def _handle(self, sock: Any) -> str:
        handle = str(next(self._handles))
        self._sockets[handle] = sock
        return handle

    def _keep_up(self) -> bool:
        """Tell the stack the time, from timer to timer; return whether it has sent something."""
        goal = self._zero_ns + time.monotonic_ns() - self._begun_ns
        sent = []
        while self.target.stack.now < goal:
            self.target.pass_time(goal - self.target.stack.now)
            sent += self.target.waiting()
        self._tell(sent)
        return bool(sent)

    def _advance(self, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while not self._keep_up() and time.monotonic() < deadline:
            time.sleep(0.001)
        return self._time(self.target.stack.now)

    def _tell(self, sent: list[Any]) -> None:
        for arrival in sent:
            print("out", self._time(arrival.time_ns), arrival.packet.hex())

    def _time(self, now_ns: int) -> str:
        return f"{(now_ns - self._zero_ns) / 1e6:.6f}"


def main() -> None:
    adapter = Adapter()
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            said = f"ok {adapter.answer(verb, words)}"
        except OSError as error:
            said = f"err {errno.errorcode[error.errno or errno.EINVAL]} {error.strerror}"
        adapter.tell()
        print(said.rstrip(), flush=True)


main()
