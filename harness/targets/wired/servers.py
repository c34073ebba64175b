"""What servers can stand for: which calls of an application each makes by itself.

A server listens on one port and accepts whoever comes. What an application does of its own accord, it does when it is
provoked: an echo server sends what it is sent, and closes when its peer has; a daytime server closes first, a web
server when it is asked for a page.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of server. `echoes`: SEND can be had by sending it text. `closes_first`: CLOSE comes behind the accept.

    `question`: CLOSE can be had by sending it this text; it answers with `page` octets first. `babbles`: it sends text
    without end, whatever it is told. One that does not `closes` never does, whatever its peer has done.
    One that serves `once` takes one connection in its life; a `hasty` one may close before it has sent back what came
    just before its peer's FIN; both were found out.
    """

    name: str
    port: int
    echoes: bool = False
    closes_first: bool = False
    question: bytes = b""
    page: int = 0
    babbles: bool = False
    closes: bool = True
    once: bool = False
    hasty: bool = False

    def at(self, port: int) -> "Server":
        """Return the server on another port."""
        return replace(self, port=port)

    def __str__(self) -> str:
        return f"{self.name} server on port {self.port}"


#: RFC 9112 §9.6: behind the answer to such a request the server closes.
GET = b"GET / HTTP/1.0\r\n\r\n"
#: RFC 862, RFC 863, RFC 867, RFC 864; `close` is a server that accepts and closes, without a word, and `hold` one that
#: never answers and never closes, as `sleep 9999 | nc -l 9`.
SERVERS = {
    server.name: server
    for server in (
        Server("echo", 7, echoes=True),
        Server("discard", 9),
        Server("daytime", 13, closes_first=True),
        Server("close", 9, closes_first=True),
        Server("http", 80, question=GET),
        Server("chargen", 19, babbles=True),
        Server("hold", 9, closes=False),
    )
}
