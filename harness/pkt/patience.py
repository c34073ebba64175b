"""How long a call of a script blocks at most, where it says so itself, its socket does, or the target gives up.

Where packetdrill makes a call without an end (`+0 read(…)`), it goes on when the call returns, however long that takes.
"""

from harness.pkt.descriptors import LINGERING, RECEIVING, SENDING, Stage, Table, argument
from harness.pkt.schedule import NS
from harness.pkt.text_calls import READERS, WRITERS
from harness.pkt.tree import Call, Number, Place
from harness.targets.protocol import Capability

#: For as long a call without an end is waited for: in simulated time, and where time is real. Linux gives up an active
#: open after 127 s (`tcp_syn_retries`), R2 is at least 100 s (RFC 9293 §3.8.3).
GIVES_UP_S, GIVES_UP_REAL_S = 3600.0, 300.0
#: The argument that is a time-out in milliseconds, of calls that have one.
_TIMEOUTS = {"poll": 2, "epoll_wait": 3}
_WHICH = {
    **dict.fromkeys((*READERS, "accept", "accept4"), RECEIVING),
    **dict.fromkeys((*WRITERS, "connect"), SENDING),
    "close": LINGERING,
}


def limit_ns(call: Call, stage: Stage, table: Table, place: Place) -> int | None:
    """Return after which time a call returns whatever happens, None: it waits for ever."""
    if (at := _TIMEOUTS.get(call.function)) is not None:
        timeout_ms = argument(call, at, stage.symbols, place) if at < len(call.arguments) else 0
        return timeout_ms * NS // 1000 if timeout_ms >= 0 else None
    which = _WHICH.get(call.function)
    descriptor = table.of(call, stage.symbols, place) if which is not None else None
    return descriptor.timeouts_ns.get(which) if descriptor is not None and which is not None else None


def gives_up_ns(call: Call, stage: Stage) -> int:
    """Return how long a call without an end is waited for that is to end by the target's giving up, 0 for any other."""
    of_tcp = call.function == "connect" or call.function in READERS | WRITERS
    fails = isinstance(call.result, Number) and call.result.value < 0 and call.error in ("", "ETIMEDOUT")
    return longest_ns(stage) if of_tcp and fails else 0


def longest_ns(stage: Stage) -> int:
    """Return how long any call without an end is waited for."""
    return int((GIVES_UP_S if stage.traits.claims(Capability.VIRTUAL_TIME) else GIVES_UP_REAL_S) * NS)
