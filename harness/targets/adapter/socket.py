"""An application's socket at a stack behind an adapter: a handle, and the calls as commands of the protocol.

A call that the stack does not have (ENOSYS) raises `NotOffered`: what needs it is not applicable.
"""

import errno
import re
import socket
import sys
from typing import Protocol

from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.states import State
from harness.targets.adapter.line import Answer
from harness.targets.protocol import Capability, NotOffered, TargetError

#: The other ways to shut down, as the optional form of the command has them.
_DIRECTIONS = {socket.SHUT_RD: "rd", socket.SHUT_RDWR: "rdwr"}
#: Of what `state` tells besides, what is used.
_QUEUES = frozenset({"recvq", "sendq"})
#: The options of a socket that the protocol has, by what they are to the harness: the capability that brings one, and
#: its name. All are whole numbers: 0 and 1 for off and on, seconds, a count of probes, milliseconds.
_OPTIONS = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): (Capability.KEEP_ALIVE, "keep-alive"),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): (Capability.KEEP_ALIVE, "keep-idle"),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): (Capability.KEEP_ALIVE, "keep-interval"),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): (Capability.KEEP_ALIVE, "keep-count"),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): (Capability.USER_TIMEOUT, "user-timeout"),
}


class Dialogue(Protocol):
    """What a socket needs of the stack it belongs to: one that has begun another life knows its handles no more."""

    life: int

    @property
    def calls(self) -> frozenset[str]:
        """Which of the commands there are that are left to an adapter."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the stack claims to have."""

    @property
    def failed(self) -> bool:
        """Whether the adapter can't be asked any more."""

    def ask(self, command: str, *, extra_s: float = 0.0, octets: int = 0) -> Answer:
        """Send a command and return what comes back; raises OSError for a refusal, AdapterFailure."""

    def fail(self, message: str) -> TargetError:
        """Give the adapter up, and return the error that says why."""


class AdapterSocket:
    """An application socket of the stack: a handle of the adapter."""

    def __init__(self, target: Dialogue, handle: str = "") -> None:
        self._target = target
        self._handle = handle
        self._life = target.life

    def listen(self, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""
        self._must_be_fresh()
        self._handle = self._new_handle(f"listen {address} {port} {backlog}")

    def connect(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Active OPEN; the protocol has none of a socket that is open already, a listener's."""
        if self._handle:
            raise NotOffered("connect(): an adapter opens actively with a socket of its own")
        self._handle = self._new_handle(f"connect {local[0]} {local[1]} {remote[0]} {remote[1]}")

    def accept(self) -> "AdapterSocket":
        """Return the next established connection."""
        return AdapterSocket(self._target, self._new_handle(f"accept {self._handle}"))

    def send(self, data: bytes, flags: int = 0) -> int:
        """SEND; flags are not part of the protocol. Nothing is nothing to ask a stack for."""
        _refuse_flags(flags)
        if not data and self._handle:
            return 0
        return int(self._one_word(f"send {self._handle} {data.hex()}", r"\d{1,9}"))

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """RECEIVE."""
        _refuse_flags(flags)
        word = self._one_word(f"recv {self._handle} {limit}", r"eof|(?:[0-9a-fA-F]{2})+", octets=limit)
        return b"" if word == "eof" else bytes.fromhex(word)

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Close the sending direction, or another one where the adapter says that it can."""
        if how == socket.SHUT_WR:
            self._call(f"shutdown {self._handle}")
        elif "shutdown" in self._target.calls:
            self._call(f"shutdown {self._handle} {_DIRECTIONS[how]}")
        else:
            raise OSError(errno.ENOSYS, "an adapter shuts the sending direction only")

    def close(self) -> None:
        """CLOSE; nothing to do where the stack has forgotten everything since, or has never heard of this socket."""
        self._end("close")

    def abort(self) -> None:
        """ABORT."""
        self._end("abort")

    def pending_error(self) -> int:
        """Return and clear the pending error."""
        word = self._one_word(f"error {self._handle}", r"0|E[A-Z0-9]+")
        return 0 if word == "0" else self._number(word)

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set one of the options that the protocol has; ENOPROTOOPT for others, and those that are not claimed."""
        option = self._option(level, name)
        number = value if isinstance(value, int) else int.from_bytes(value, sys.byteorder)
        self._call(f"option {self._handle} {option} {number}")

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return the value of one of the options that the protocol has; ENOPROTOOPT as for `set_option`."""
        option = self._option(level, name)
        return int(self._one_word(f"option {self._handle} {option}", r"\d{1,9}"))

    def _option(self, level: int, name: int) -> str:
        needed, word = _OPTIONS.get((level, name), (Capability.SOCKET_OPTIONS, ""))
        if needed not in self._target.capabilities or not self._handle:
            raise OSError(errno.ENOPROTOOPT, "an adapter has no such option, or of open sockets only")
        return word

    def _must_be_fresh(self) -> None:
        if self._handle:
            raise OSError(errno.EISCONN, "the socket is open")

    def _call(self, command: str, octets: int = 0) -> list[str]:
        if self._life != self._target.life:
            raise TargetError("this socket belongs to a connection that the stack was made to forget")
        if not self._handle and command.split()[0] not in ("listen", "connect"):
            raise OSError(errno.ENOTCONN, "the socket is not open")
        answer = self._target.ask(command, octets=octets)
        if answer.error == "ENOSYS":
            reason = " ".join(answer.words)
            raise NotOffered(f"{command.split()[0]}(): {reason or 'the stack has no such call'}")
        if answer.error:
            raise OSError(self._number(answer.error), " ".join(answer.words))
        return answer.words

    def _one_word(self, command: str, pattern: str, octets: int = 0) -> str:
        words = self._call(command, octets)
        if len(words) != 1 or not re.fullmatch(pattern, words[0]):
            verb = command.split()[0]
            raise self._target.fail(f"the adapter answered {verb!r} with {' '.join(['ok', *words])[:60]!r}")
        return words[0]

    def _new_handle(self, command: str) -> str:
        return self._one_word(command, r"[0-9A-Za-z]{1,20}")

    def _end(self, verb: str) -> None:
        if self._handle and self._life == self._target.life and not self._target.failed:
            self._call(f"{verb} {self._handle}")
        self._handle = ""

    def _number(self, name: str) -> int:
        number = getattr(errno, name, None)
        if not isinstance(number, int):
            raise self._target.fail(f"the adapter reports {name!r}, which is not the name of an errno")
        return number


def _refuse_flags(flags: int) -> None:
    if flags:
        raise OSError(errno.EOPNOTSUPP, "an adapter takes no flags")


def ask_state(target: Dialogue, tuple4: FourTuple) -> Snapshot:
    """Ask for the state of a connection. Raises AdapterFailure where the answer holds none."""
    ends = f"{tuple4.address} {tuple4.port} {tuple4.peer_address} {tuple4.peer_port}"
    answer = target.ask(f"state {ends}")
    try:
        state = State(answer.words[0])
        fields = dict(word.split("=", 1) for word in answer.words[1:])
        receive_queue, send_queue = int(fields.get("recvq", 0)), int(fields.get("sendq", 0))
    except (ValueError, IndexError):
        raise target.fail(f"'state' was answered with {' '.join(answer.words)!r}: no state") from None
    if state is State.LISTEN:
        return Snapshot(State.CLOSED, listening=True)
    untold = _QUEUES - set(fields)
    return Snapshot(state, receive_queue=receive_queue, send_queue=send_queue, untold=untold)
