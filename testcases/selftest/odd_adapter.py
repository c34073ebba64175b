"""The reference stack behind the adapter protocol, odd in one way: the word on the command line says in which."""

import errno
import itertools
import sys
import time
from collections.abc import Callable

from harness.adapter_kit import Address, serve
from harness.spec.segment import FIN, SYN
from harness.targets.reference.target import ReferenceTarget
from harness.targets.registry import Settings, open_target, parse
from harness.targets.sockets import AppSocket
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


def microseconds_pass_with_openings(stack: Reference) -> None:
    """Its clock moves with each OPEN and with each SYN that arrives, so no two initial numbers are of one instant."""
    arrive, connect = stack.arrive, stack.connect

    def arrive_later(packet: bytes, frame: str) -> None:
        if packet[:1] == b"E" and packet[33] & SYN:
            stack.target.pass_time(4000)
        arrive(packet, frame)

    def connect_later(local: Address, remote: Address) -> AppSocket:
        stack.target.pass_time(4000)
        return connect(local, remote)

    stack.arrive = arrive_later  # type: ignore[method-assign]
    stack.connect = connect_later  # type: ignore[method-assign]


def varies(stack: Reference) -> None:
    """It is the variant of the reference stack that the next word names."""
    target = open_target(parse(f"reference,variant={sys.argv[2]}"), Settings())
    assert isinstance(target, ReferenceTarget)
    stack.target = target
    stack.zero_ns = target.stack.now
    stack.capabilities = [each for each in stack.capabilities if each in target.capabilities]  # type: ignore[misc]


def claims_nothing(stack: Reference) -> None:
    """It has all that is optional, and says of nothing but its states that it has it."""
    stack.capabilities = ["states"]  # type: ignore[misc]


def claims_a_part(stack: Reference) -> None:
    """It claims RFC 5961, and not that a SYN may reopen TIME-WAIT, which it has too."""
    stack.capabilities = ["states", "rfc5961"]  # type: ignore[misc]


def lacks_what_it_has(stack: Reference) -> None:
    """It says that it lacks RFC 5961, and has it."""
    claims_nothing(stack)
    stack.lacks = ["rfc5961"]  # type: ignore[misc]


def shows_no_states(stack: Reference) -> None:
    """Its states can't be known."""
    stack.capabilities = [each for each in stack.capabilities if each != "states"]  # type: ignore[misc]


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
    "microseconds-pass-with-openings": microseconds_pass_with_openings,
    "varies": varies,
    "claims-nothing": claims_nothing,
    "claims-a-part": claims_a_part,
    "lacks-what-it-has": lacks_what_it_has,
    "shows-no-states": shows_no_states,
    "throttled": throttled,
    "throttled-and-says-so": throttled_and_says_so,
}

if __name__ == "__main__":
    made = Reference()
    ODDITIES[sys.argv[1]](made)
    serve(made)
