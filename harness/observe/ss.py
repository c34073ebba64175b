"""The text of the `ss` program: the evidence a person believes, and a second observer beside sock_diag."""

import re

from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.states import State

#: TCP only, numeric, all states, timers, internal information, extended.
FLAGS = ["-tanoie"]

#: How ss spells the states (misc/ss.c, sstate_name).
SS_STATES = {
    "ESTAB": State.ESTABLISHED,
    "SYN-SENT": State.SYN_SENT,
    "SYN-RECV": State.SYN_RECEIVED,
    "FIN-WAIT-1": State.FIN_WAIT_1,
    "FIN-WAIT-2": State.FIN_WAIT_2,
    "TIME-WAIT": State.TIME_WAIT,
    "UNCONN": State.CLOSED,
    "CLOSE-WAIT": State.CLOSE_WAIT,
    "LAST-ACK": State.LAST_ACK,
    "LISTEN": State.LISTEN,
    "CLOSING": State.CLOSING,
}


_MAPPED = re.compile(r"\[::ffff:([0-9.]+)\]", re.IGNORECASE)


class UnreadableSs(ValueError):
    """A line of ss that does not begin with a state and two queue lengths."""


def _pattern(address: str, port: int | str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def arguments(tuple4: FourTuple) -> list[str]:
    """Return the arguments of ss that select this connection and a listener on its port."""
    connection = f"src {_pattern(tuple4.address, tuple4.port)} dst {_pattern(tuple4.peer_address, tuple4.peer_port)}"
    listener = f"state listening sport = :{tuple4.port}"
    return [*FLAGS, "-H", "(", *connection.split(), ")", "or", "(", *listener.split()[2:], ")"]


def parse(text: str, tuple4: FourTuple) -> Snapshot:
    """Read the text that ss printed for `arguments(tuple4)`; raises UnreadableSs."""
    listener: Snapshot | None = None
    wanted = (
        re.escape(_pattern(tuple4.address, tuple4.port)),
        re.escape(_pattern(tuple4.peer_address, tuple4.peer_port)),
    )
    found: Snapshot | None = None
    for line in text.splitlines():
        if not line or line[0].isspace():
            continue
        fields = line.split()
        if len(fields) < 5 or fields[0] not in SS_STATES or not (fields[1] + fields[2]).isdigit():
            raise UnreadableSs(f"ss printed a line that can't be read: {line!r}")
        state = SS_STATES[fields[0]]
        queues = int(fields[1]), int(fields[2])
        if state is State.LISTEN:
            listener = Snapshot(State.CLOSED, True, *queues)
        elif re.fullmatch(wanted[0], _plain(fields[3])) and re.fullmatch(wanted[1], _plain(fields[4])):
            mini = state in (State.TIME_WAIT, State.FIN_WAIT_2) and "timer:(timewait" in line
            found = Snapshot(state, False, *queues, mini)
    return found or listener or Snapshot(State.CLOSED)


def _plain(endpoint: str) -> str:
    """Return an address and port without a scope, and one of IPv4 that an IPv6 socket has as IPv4's own."""
    return _MAPPED.sub(r"\1", re.sub(r"%\w+", "", endpoint))
