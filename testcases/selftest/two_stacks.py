"""Two reference stacks on one wire: what the tests of sockets have in common."""

from collections.abc import Callable

from harness.stack import Config, Endpoint, Socket, Stack
from harness.stack.config import NS
from harness.stack.datagram import Datagram

HERE, THERE = Endpoint("192.0.2.1", 80), Endpoint("192.0.2.2", 1024)


class TwoStacks:
    """A server and a client; `lose` says which segments don't arrive."""

    def __init__(self, config: Config | None = None) -> None:
        self.server = Stack([HERE.address], config=config, key=b"server")
        self.client = Stack([THERE.address], config=config, key=b"client")
        self.lose: Callable[[Datagram], bool] = lambda datagram: False
        self.listener = self.server.socket()
        self.listener.listen(HERE)

    def run(self, seconds: float = 0) -> None:
        """Carry segments to and fro for so long."""
        until = self.server.now + round(seconds * NS)
        while True:
            moved = self._carry(self.server, self.client) + self._carry(self.client, self.server)
            if moved:
                continue
            timers = [timer for stack in (self.server, self.client) if (timer := stack.next_timer()) is not None]
            now = min([*timers, until])
            if now >= until and self.server.now >= until:
                return
            for stack in (self.server, self.client):
                stack.advance(now)

    def _carry(self, source: Stack, to: Stack) -> int:
        sent = source.poll()
        for datagram in sent:
            if not self.lose(datagram):
                to.arrive(datagram)
        return len(sent)

    def connected(self) -> tuple[Socket, Socket]:
        """Return the client's and the server's end of a new connection."""
        ours = self.client.socket()
        ours.connect(HERE)
        self.run()
        return ours, self.listener.accept()
