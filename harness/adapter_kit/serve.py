"""The loop of an adapter: commands on standard input, `out` lines and one final line on standard output."""

import errno
import itertools
import os
import sys
from typing import Any, TextIO

from harness.adapter_kit.stack import Address, Stack, refused

PROTOCOL = "tcpspec-adapter 1"


def serve(stack: Stack[Any]) -> None:
    """Serve until the end of standard input. What else writes to standard output lands on standard error.

    A refusal is an OSError of the stack; any other exception ends the adapter, for it is a fault of the stack.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="ascii", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    loop = _Loop(stack, answers)
    for line in sys.stdin:
        loop.answer(*line.split())
        answers.flush()


class _Loop:
    """The commands, and the handles that stand for sockets."""

    def __init__(self, stack: Stack[Any], answers: TextIO) -> None:
        self._stack = stack
        self._answers = answers
        self._sockets: dict[str, Any] = {}
        self._handles = itertools.count(1)

    def answer(self, *words: str) -> None:
        """Perform a command and print what it brings."""
        try:
            final = f"ok {self._perform(*words)}"
        except OSError as error:
            final = f"err {errno.errorcode.get(error.errno or 0, 'EIO')} {error.strerror or ''}"
        for sent_ms, packet in self._stack.taken():
            self._answers.write(f"out {sent_ms:.6f} {packet.hex()}\n")
        self._answers.write(f"{final.rstrip()}\n")

    def _perform(self, *words: str) -> str:
        stack = self._stack
        match words:
            case ["hello", *version]:
                return self._hello(" ".join(version))
            case ["address", text]:
                host, _slash, bits = text.partition("/")
                stack.address(host, _number(bits))
            case ["set", name, value]:
                stack.set(name, value)
            case ["in", packet, *frame]:
                stack.arrive(_octets(packet), " ".join(frame))
            case ["advance", milliseconds]:
                stack.advance(_number(milliseconds))
                return f"{stack.now():.6f}"
            case ["listen", host, port, backlog]:
                return self._enter(stack.listen(Address(host, _number(port)), _number(backlog)))
            case ["connect", host, port, peer, peer_port]:
                return self._enter(stack.connect(Address(host, _number(port)), Address(peer, _number(peer_port))))
            case ["state", host, port, peer, peer_port]:
                seen = stack.state(Address(host, _number(port)), Address(peer, _number(peer_port)))
                return " ".join([seen.name, *(f"{key}={value}" for key, value in seen.figures.items())])
            case ["reset"]:
                stack.reset()
                stack.taken()
                self._sockets.clear()
            case [verb, handle, *rest] if verb in _OF_SOCKETS:
                return self._call(verb, handle, *rest)
            case _:
                raise refused(errno.EINVAL, "no such command")
        return ""

    def _call(self, verb: str, handle: str, *words: str) -> str:
        stack = self._stack
        if handle not in self._sockets:
            raise refused(errno.EBADF, "no such handle")
        sock = self._sockets.pop(handle) if verb == "close" else self._sockets[handle]
        match verb, words:
            case "accept", []:
                accepted = stack.accept(sock)
                if accepted is None:
                    raise refused(errno.EAGAIN, "nothing to accept")
                return self._enter(accepted)
            case "send", [data]:
                return str(stack.send(sock, _octets(data)))
            case "recv", [limit]:
                data_read = stack.recv(sock, _number(limit))
                if data_read is None:
                    raise refused(errno.EAGAIN, "nothing has come")
                return data_read.hex() or "eof"
            case "error", []:
                code = stack.error(sock)
                return errno.errorcode[code] if code else "0"
            case "shutdown", [("rd" | "rdwr") as how]:
                stack.shutdown_receiving(sock, both=how == "rdwr")
                return ""
            case "option", [name]:
                return str(stack.option(sock, name))
            case "option", [name, value]:
                stack.set_option(sock, name, _number(value))
                return ""
            case (("shutdown" | "close" | "abort"), []):
                {"shutdown": stack.shutdown, "close": stack.close, "abort": stack.abort}[verb](sock)
                if verb == "abort":  # one that is refused leaves the handle
                    del self._sockets[handle]
                return ""
        raise refused(errno.EINVAL, f"{verb} HANDLE …")

    def _enter(self, sock: Any) -> str:
        handle = str(next(self._handles))
        self._sockets[handle] = sock
        return handle

    def _hello(self, version: str) -> str:
        stack = self._stack
        if version != PROTOCOL:
            raise refused(errno.EPROTONOSUPPORT, f"this adapter speaks {PROTOCOL}")
        pairs = {"name": stack.name, "version": stack.version, "time": stack.time, **stack.facts}
        lists = {
            "capabilities": stack.capabilities,
            "lacks": stack.lacks,
            "settings": stack.settings,
            "calls": stack.calls,
        }
        pairs |= {key: ",".join(values) for key, values in lists.items() if values}
        return " ".join([PROTOCOL, *(f"{key}={str(value).replace(' ', '_')}" for key, value in pairs.items())])


_OF_SOCKETS = ("accept", "send", "recv", "error", "option", "shutdown", "close", "abort")


def _number(text: str) -> int:
    if not text.isdecimal():
        raise refused(errno.EINVAL, f"{text!r} is no number")
    return int(text)


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise refused(errno.EINVAL, "no hexadecimal octets") from None
