"""What a server does on a connection, unasked and asked, before any case: it must be of the kind that was named.

What another kind does would be taken for the stack's doing, or waited for in each case.
"""

from collections.abc import Callable

from harness.spec.segment import ACK, FIN, PSH, RST
from harness.targets.protocol import UnusableTarget
from harness.targets.wired.servers import Server
from harness.targets.wired.trial import ANSWER_LIMIT_S, Call

#: How long a server may take for what it does by itself.
SERVER_LIMIT_S = 2.0
TEXT = b"q"
#: So often it is tried whether one forgets what it was told just before it closes.
HURRIES = 3
_CLOSES_FIRST = "app=daytime:PORT, or app=close:PORT, is for a server that closes first"
_RESETS = "a reset is ABORT (SO_LINGER of 0?), and CLOSE is to be tried; or it is the stack that can't take a FIN"
_LISTENS = "app=echo:PORT is for a server that sends back what it is sent, app=discard:PORT for one that only reads"


def examine(call: Callable[[], Call], server: Server) -> bool:
    """Try what a server does on connections of our own; tell whether it closes when it is to, which a server need not.

    Raises UnusableTarget for one of another kind, and for one that resets where it is to close.
    """
    opened = call()
    try:
        if server.closes_first or server.babbles:
            _demand_first_move(opened, server)
            return server.closes
        if not server.echoes:
            _demand_patience(opened, server)
        return _closes_behind_its_peer(opened, server)
    finally:
        opened.end()


def is_hasty(call: Callable[[], Call], server: Server) -> bool:
    """Tell whether an echo server that meets its peer's FIN may forget the text in front of it, as `ncat -e`."""
    for _ in range(HURRIES if server.echoes and server.closes else 0):
        opened = call()
        opened.tell(ACK | PSH, TEXT)
        opened.tell(FIN | ACK)
        said, end = opened.doings(SERVER_LIMIT_S)
        opened.end()
        if end == FIN and said != TEXT:
            return True
    return False


def in_words(server: Server) -> str:
    """Return what a server does behind its peer's FIN."""
    if not server.closes:
        return "does not close"
    return "closes, and may forget text in front of it" if server.hasty else "closes"


def _demand_first_move(opened: Call, server: Server) -> None:
    said, end = opened.doings(SERVER_LIMIT_S)
    if end == RST:
        raise _refusal(server, "it resets the connection by itself", _RESETS)
    if server.closes_first and not end:
        what = f"it says {_shortened(said)} and" if said else "it"
        hint = "app=chargen:PORT is for a server that never stops speaking" if said else _LISTENS
        raise _refusal(server, f"{what} does not close by itself within {SERVER_LIMIT_S:g} s", hint)
    if server.babbles and end:
        raise _refusal(server, "it closes by itself", _CLOSES_FIRST)
    if server.babbles and not said:
        raise _refusal(server, f"it says nothing by itself within {SERVER_LIMIT_S:g} s", _LISTENS)


def _demand_patience(opened: Call, server: Server) -> None:
    said, end = opened.doings(ANSWER_LIMIT_S)
    if end:
        does, hint = ("closes", _CLOSES_FIRST) if end == FIN else ("resets the connection", _RESETS)
        raise _refusal(server, f"it {does} by itself", hint)
    if said:
        hint = "app=chargen:PORT is for a server that never stops speaking; for one that greets there is none"
        raise _refusal(server, f"it says {_shortened(said)} unasked", hint)
    if server.question:  # what it does when it is asked is tried besides
        return
    opened.tell(ACK | PSH, TEXT)
    said, end = opened.doings(ANSWER_LIMIT_S)
    if said or end:
        what = f"says {_shortened(said)}" if said else "closes" if end == FIN else "resets the connection"
        raise _refusal(server, f"to {TEXT!r} it {what}", "app=echo:PORT, app=http:PORT" if said else _CLOSES_FIRST)


def _closes_behind_its_peer(opened: Call, server: Server) -> bool:
    opened.tell(FIN | ACK)
    _said, end = opened.doings(SERVER_LIMIT_S if server.closes else ANSWER_LIMIT_S)
    if end == RST:
        raise _refusal(server, "it resets the connection behind its peer's FIN", _RESETS)
    if end and not server.closes:
        raise _refusal(server, "it closes behind its peer's FIN", "app=discard:PORT is for a server that reads")
    return bool(end)


def _refusal(server: Server, what: str, hint: str) -> UnusableTarget:
    return UnusableTarget(f"the server on port {server.port} is no {server.name} server: {what}", hint)


def _shortened(said: bytes) -> str:
    return repr(said) if len(said) <= 20 else f"{said[:20]!r}…"
