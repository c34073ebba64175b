"""The reference stack behind the adapter protocol, odd in one way: the word on the command line says in which."""

import errno
import itertools
import sys
import time
from collections.abc import Callable

from harness.adapter_kit import Address, serve
from harness.spec.segment import FIN
from harness.targets.protocol import AppSocket
from harness.targets.reference.target import ReferenceTarget
from testcases.selftest.kit_adapter import Reference

#: How many listeners the one that forgets nothing has room for.
TABLE = 40


def ipv4_only(stack: Reference) -> None:
    """It does not speak IPv6, and does not claim it."""
    stack.capabilities = [each for each in stack.capabilities if each != "ipv6"]  # type: ignore[misc]


def forgets_nothing(stack: Reference) -> None:
    """Its reset answers, and does nothing: some time its table of listeners is full."""
    opened = itertools.count(1)
    listen = stack.listen

    def listen_while_there_is_room(local: Address, backlog: int) -> AppSocket:
        if next(opened) > TABLE:
            raise OSError(errno.ENOBUFS, "the table is full")
        return listen(local, backlog)

    stack.listen = listen_while_there_is_room  # type: ignore[method-assign]
    stack.reset = lambda: None  # type: ignore[method-assign]


def throttled(stack: Reference) -> None:
    """It sends one challenge in five seconds, for all connections together, and does not say so."""
    stack.target = ReferenceTarget(settings={"net.ipv4.tcp_challenge_ack_limit": "1"})


def throttled_and_says_so(stack: Reference) -> None:
    """Likewise, and says so."""
    throttled(stack)
    stack.facts = {"throttle": "5000,host"}


def hangs_at_a_fin(stack: Reference) -> None:
    """It never comes back from a segment with FIN."""
    arrive = stack.arrive

    def arrive_or_hang(packet: bytes, frame: str) -> None:
        while packet[33] & FIN:
            time.sleep(60)
        arrive(packet, frame)

    stack.arrive = arrive_or_hang  # type: ignore[method-assign]


ODDITIES: dict[str, Callable[[Reference], None]] = {
    "ipv4-only": ipv4_only,
    "forgets-nothing": forgets_nothing,
    "hangs-at-a-fin": hangs_at_a_fin,
    "throttled": throttled,
    "throttled-and-says-so": throttled_and_says_so,
}

if __name__ == "__main__":
    made = Reference()
    ODDITIES[sys.argv[1]](made)
    serve(made)
