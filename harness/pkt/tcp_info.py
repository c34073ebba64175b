"""TCP_INFO: the fields that assertions ask for, from the kernel's octets, or what another target can tell of them."""

import socket
import struct

from harness.observe.snapshot import Snapshot
from harness.pkt.profile import Dialect
from harness.pkt.symbols import BSD_STATES, LINUX_STATES
from harness.spec.states import State

#: The layout of struct tcp_info (linux/tcp.h): format characters and names, in order; older kernels have less of it.
_BYTES = ("state", "ca_state", "retransmits", "probes", "backoff", "options")
_WORDS = [
    "rto",
    "ato",
    "snd_mss",
    "rcv_mss",
    "unacked",
    "sacked",
    "lost",
    "retrans",
    "fackets",
    "last_data_sent",
    "last_ack_sent",
    "last_data_recv",
    "last_ack_recv",
    "pmtu",
    "rcv_ssthresh",
    "rtt",
    "rttvar",
    "snd_ssthresh",
    "snd_cwnd",
    "advmss",
    "reordering",
    "rcv_rtt",
    "rcv_space",
    "total_retrans",
]
_LATER = (
    ("Q", "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    ("I", "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out"),
    ("Q", "delivery_rate busy_time rwnd_limited sndbuf_limited"),
    ("I", "delivered delivered_ce"),
    ("Q", "bytes_sent bytes_retrans"),
    ("I", "dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash"),
)
SIZE = 248
PREFIX = "tcpi_"
#: What SO_MEMINFO tells, in order (linux/sock_diag.h), and its number (asm-generic/socket.h).
_MEMORY = ("RMEM_ALLOC", "RCVBUF", "WMEM_ALLOC", "SNDBUF", "FWD_ALLOC", "WMEM_QUEUED", "OPTMEM", "BACKLOG", "DROPS")
MEMORY_PREFIX = "SK_MEMINFO_"
MEMORY_OPTION = (socket.SOL_SOCKET, 55)
MEMORY_SIZE = 4 * len(_MEMORY)
#: What can be known where there is no such option, from a look at the connection table.
KNOWN_EVERYWHERE = frozenset({PREFIX + "state"})


def decode(octets: bytes, dialect: Dialect) -> dict[str, int]:
    """Return the fields of the kernel's answer by their names, with the prefix; the state as the dialect numbers it."""
    found = dict(zip(_BYTES, octets[: len(_BYTES)], strict=False))
    if len(octets) > 7:
        found["snd_wscale"], found["rcv_wscale"] = octets[6] & 15, octets[6] >> 4
        found["delivery_rate_app_limited"] = octets[7] & 1
        found["fastopen_client_fail"] = octets[7] >> 1 & 3
    layout = [("I", name) for name in _WORDS] + [(kind, name) for kind, names in _LATER for name in names.split()]
    at = 8
    for kind, name in layout:
        size = struct.calcsize(kind)
        if at + size > len(octets):
            break
        found[name] = struct.unpack_from(f"={kind}", octets, at)[0]
        at += size
    state = next((each for number, each in LINUX_STATES.values() if number == found.get("state")), State.CLOSED)
    found["state"] = state_number(state, dialect)
    return {PREFIX + name: value for name, value in found.items()}


def decode_memory(octets: bytes) -> dict[str, int]:
    """Return what a socket has of memory, in octets."""
    words = struct.unpack_from(f"={len(octets) // 4}I", octets)
    return dict(zip((MEMORY_PREFIX + name for name in _MEMORY), words, strict=False))


def from_snapshot(snapshot: Snapshot, dialect: Dialect) -> dict[str, int]:
    """Return what a look at the connection table tells: the state."""
    state = State.LISTEN if snapshot.listening else snapshot.state
    return {PREFIX + "state": state_number(state, dialect)}


def state_number(state: State, dialect: Dialect) -> int:
    """Return the number of a state."""
    table = BSD_STATES if dialect is Dialect.BSD else LINUX_STATES
    return next(number for number, each in table.values() if each is state)


#: What is asked of the kernel.
OPTION = (socket.IPPROTO_TCP, socket.TCP_INFO)
