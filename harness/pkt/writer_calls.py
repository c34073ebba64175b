"""The calls of a case as lines of a script: what the application asks for, and what it is told."""

import ast
import re
import socket
from collections.abc import Callable, Iterator

from harness.case.user_calls import BACKLOG, PREPARED, URGENT
from harness.pkt.writing import OWN, PORT, Side, Unsayable, Writing
from harness.trace.events import Event

#: How a record says that the application had no socket to make this call with.
_NOT_MADE = "= not possible here"
_NUMBERS = re.compile(r"\w+\((\d+)?(?: octets)?\)")
_GIVES = re.compile(r"= (\d+) octets(?: taken)?")
_OPTION = re.compile(r"setsockopt\((\d+), (\d+), (-?\d+)\)")
_OPTION_NAMES = {
    (socket.SOL_SOCKET, socket.SO_OOBINLINE): "SOL_SOCKET, SO_OOBINLINE",
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): "SOL_SOCKET, SO_KEEPALIVE",
    (socket.SOL_SOCKET, socket.SO_SNDBUF): "SOL_SOCKET, SO_SNDBUF",
    (socket.SOL_SOCKET, socket.SO_RCVBUF): "SOL_SOCKET, SO_RCVBUF",
    (socket.SOL_SOCKET, socket.SO_RCVLOWAT): "SOL_SOCKET, SO_RCVLOWAT",
    (socket.IPPROTO_TCP, socket.TCP_NODELAY): "SOL_TCP, TCP_NODELAY",
    (socket.IPPROTO_TCP, socket.TCP_CORK): "SOL_TCP, TCP_CORK",
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): "SOL_TCP, TCP_KEEPIDLE",
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): "SOL_TCP, TCP_KEEPINTVL",
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): "SOL_TCP, TCP_KEEPCNT",
    (socket.IPPROTO_TCP, socket.TCP_SYNCNT): "SOL_TCP, TCP_SYNCNT",
    (socket.IPPROTO_TCP, socket.TCP_LINGER2): "SOL_TCP, TCP_LINGER2",
    (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT): "SOL_TCP, TCP_DEFER_ACCEPT",
    (socket.IPPROTO_TCP, socket.TCP_QUICKACK): "SOL_TCP, TCP_QUICKACK",
    (socket.IPPROTO_TCP, socket.TCP_MAXSEG): "SOL_TCP, TCP_MAXSEG",
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): "SOL_TCP, TCP_USER_TIMEOUT",
    (socket.IPPROTO_IP, socket.IP_TOS): "SOL_IP, IP_TOS",
    (socket.IPPROTO_IP, socket.IP_TTL): "SOL_IP, IP_TTL",
    (socket.IPPROTO_IP, 11): "SOL_IP, IP_RECVERR",
    (socket.IPPROTO_IPV6, socket.IPV6_TCLASS): "SOL_IPV6, IPV6_TCLASS",
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS): "SOL_IPV6, IPV6_UNICAST_HOPS",
    (socket.IPPROTO_IPV6, 25): "SOL_IPV6, IPV6_RECVERR",
}
_OCTETS = re.compile(r"= (?:(\d+) octets )?(b(?:'|\").*)", re.DOTALL)
_ERROR = re.compile(r"= (E[A-Z]+)")


def called(writing: Writing, event: Event) -> None:
    """Write a call, unless the application had no socket to make it with."""
    if _NOT_MADE in event.annotations:
        return
    side = writing.side(event)
    name = event.text.partition("(")[0]
    write_call = CALLS.get(event.text) or CALLS.get(name)
    if write_call is None:
        raise Unsayable(f"the application calls {event.notation()}")
    for text in write_call(writing, side, event):
        writing.add(text, event.time_ns)


def _options(event: Event, number: int) -> Iterator[str]:
    """Yield the options that a socket was given before the call."""
    for text in event.annotations:
        if not text.startswith(f"({PREPARED}"):
            continue
        for option in text.removeprefix(f"({PREPARED}").rstrip(")").split(", "):
            level, name, value = map(int, option.split())
            yield f"setsockopt({number}, {_name_of(event, level, name)}, [{value}], 4) = 0"


def _name_of(event: Event, level: int, name: int) -> str:
    if (level, name) not in _OPTION_NAMES:
        raise Unsayable(f"the application calls {event.notation()}")
    return _OPTION_NAMES[level, name]


def _outcome(event: Event, good: str) -> str:
    """Return what a call gave: what is usual, or the error that it is annotated with."""
    found = next((found for text in event.annotations if (found := _ERROR.match(text)) is not None), None)
    return f"-1 {found[1]} ({found[1]})" if found is not None else good


def _socket(writing: Writing) -> tuple[int, str]:
    number = writing.number()
    return number, f"socket(..., SOCK_STREAM, IPPROTO_TCP) = {number}"


def _listen(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    port = writing.port_of(event.connection)
    if port in writing.listening or (writing.listening and port is None):
        raise Unsayable("another listener waits on other ports or at another address")
    address = "..."
    if writing.listening and port != PORT:
        address = f'{{sa_family = AF_INET, sin_port = htons({port}), sin_addr = inet_addr("{OWN}")}}'
    side.listener, made = _socket(writing)
    writing.listening[port] = side.listener
    yield made
    yield f"setsockopt({side.listener}, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"
    yield from _options(event, side.listener)
    yield f"bind({side.listener}, {address}, ...) = 0"
    writing.begun = True
    yield f"listen({side.listener}, {_number(event.text) or BACKLOG}) = {_outcome(event, '0')}"


def _connect(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    outcome = _outcome(event, "-1 EINPROGRESS (Operation now in progress)")
    if any(name in outcome for name in ("ENETUNREACH", "EADDR", "EHOSTUNREACH", "EACCES")):
        raise Unsayable(f"connect() goes to another address: {event.notation()}")
    side.app, made = _socket(writing)
    side.closed = False
    side.peer_base = side.target_base = None  # another connection, whose numbers count anew
    side.synchronized = False
    yield made
    yield from _options(event, side.app)
    yield f"fcntl({side.app}, F_SETFL, O_RDWR|O_NONBLOCK) = 0"
    writing.begun = True
    yield f"connect({side.app}, ..., ...) = {outcome}"


def _accept(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    listener = _listener(writing, side, event)
    refused = _outcome(event, "")
    if refused:
        yield f"fcntl({listener}, F_SETFL, O_RDWR|O_NONBLOCK) = 0"
        yield f"accept({listener}, ..., ...) = {refused}"
        return
    number = writing.number()
    if side.synchronized and (side.closed or not side.app):
        side.app, side.closed = number, False
    else:  # of a connection that shows when it is used
        writing.unclaimed.append(number)
    yield f"accept({listener}, ..., ...) = {number}"
    yield f"fcntl({number}, F_SETFL, O_RDWR|O_NONBLOCK) = 0"


def _listener(writing: Writing, side: Side, event: Event) -> int:
    """Return the number of the listener that a connection belongs to."""
    others = (each.listener for each in writing.sides.values() if each.listener)
    own = writing.listening.get(writing.port_of(event.connection))
    return side.listener or own or next(others, 3)


def _close(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    number, side.closed = writing.app(side), True
    yield f"close({number}) = {_outcome(event, '0')}"


def _close_listener(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    listener = _listener(writing, side, event)
    writing.listening = {port: each for port, each in writing.listening.items() if each != listener}
    yield f"close({listener}) = {_outcome(event, '0')}"


def _abort(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    number, side.closed = writing.app(side), True
    yield f"setsockopt({number}, SOL_SOCKET, SO_LINGER, {{onoff=1, linger=0}}, 8) = 0"
    yield f"close({number}) = {_outcome(event, '0')}"


def _shutdown(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    yield f"shutdown({writing.app(side)}, SHUT_WR) = {_outcome(event, '0')}"


def _send(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    octets = _number(event.text) or "0"
    taken = next((found[1] for text in event.annotations if (found := _GIVES.fullmatch(text)) is not None), octets)
    is_urgent = event.text.startswith("urgent") or URGENT in event.annotations
    flag = "MSG_OOB" if is_urgent else "MSG_NOSIGNAL"
    yield f"send({writing.app(side)}, ..., {octets}, {flag}) = {_outcome(event, taken)}"


def _recv(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    got = "0"
    for text in event.annotations:
        if (found := _OCTETS.match(text)) is not None:
            got = found[1] or str(len(_literal(found[2])))
        elif (found := _GIVES.fullmatch(text)) is not None:
            got = found[1]
    limit = _number(event.text) or (got if got != "0" else "65536")
    yield f"read({writing.app(side)}, ..., {limit}) = {_outcome(event, got)}"


def _number(text: str) -> str:
    """Return the number of octets in the words of a call, "" where there is none."""
    found = _NUMBERS.fullmatch(text)
    return (found[1] or "") if found is not None else ""


def _option(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    found = _OPTION.fullmatch(event.text)
    if found is None:
        raise Unsayable(f"the application calls {event.notation()}")
    name = _name_of(event, int(found[1]), int(found[2]))
    yield f"setsockopt({writing.app(side)}, {name}, [{found[3]}], 4) = {_outcome(event, '0')}"


def _literal(text: str) -> bytes:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return b""
    return value if isinstance(value, bytes) else b""


def _pending_error(writing: Writing, side: Side, event: Event) -> Iterator[str]:
    seen = _outcome(event, "0").split()
    name = seen[1] if len(seen) > 1 else "0"
    yield f"getsockopt({writing.app(side)}, SOL_SOCKET, SO_ERROR, [{name}], [4]) = 0"


CALLS: dict[str, Callable[[Writing, Side, Event], Iterator[str]]] = {
    "listen": _listen,
    "connect": _connect,
    "accept": _accept,
    "close() of the listener": _close_listener,
    "unlisten": _close_listener,
    "close": _close,
    "abort": _abort,
    "shutdown": _shutdown,
    "send": _send,
    "urgent": _send,
    "recv": _recv,
    "pending error": _pending_error,
    "SO_ERROR": _pending_error,
    "error": _pending_error,
    "setsockopt": _option,
}
