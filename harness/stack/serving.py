"""What sockets ask of the stack below them."""

from typing import Any, Protocol

from harness.stack.config import Config
from harness.stack.connection import Connection
from harness.stack.datagram import Endpoint
from harness.stack.listener import Listener
from harness.stack.settings import SocketSettings


class Serving(Protocol):
    """A stack as its sockets see it."""

    config: Config
    now: int

    def socket(self, settings: SocketSettings | None = None) -> Any:
        """Return a new socket of the stack's own class."""

    def listen(self, local: Endpoint, settings: SocketSettings, backlog: int) -> Listener:
        """Passive OPEN; raises OSError where the port is taken."""

    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        """End a passive OPEN."""

    def connect(self, remote: Endpoint, local: Endpoint | None, owner: Any) -> Connection:
        """Return a connection for an active OPEN; raises OSError where it can't be."""

    def awaken(self, socket: Any) -> None:
        """Let the calls go on that wait on a socket, before the stack's caller goes on."""
