"""The symbols of scripts and their numbers: those of Linux, and what FreeBSD numbers in another way.

Names that Python's modules know are taken from there; the others are from linux/tcp.h, asm-generic/socket.h and
FreeBSD's netinet/tcp.h.
"""

import errno
import fcntl
import os
import re
import select
import socket
from collections.abc import Mapping

from harness.pkt.support import Unsupported
from harness.pkt.tree import Applied, Expression, Items, Name, Number, Union
from harness.spec.states import State

_INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,19})")


_PREFIXES = ("AF_", "PF_", "SOCK_", "SOL_", "IPPROTO_", "SO_", "TCP_", "IP_", "IPV6_", "MSG_", "SHUT_", "INADDR_")
_EXTRA = {
    "SO_ZEROCOPY": 60,
    "SO_MAX_PACING_RATE": 47,
    "SO_INCOMING_CPU": 49,
    "SO_RCVLOWAT": 18,
    "SO_SNDLOWAT": 19,
    "SO_TIMESTAMPING": 37,
    "TCP_CORK": 3,
    "TCP_THIN_LINEAR_TIMEOUTS": 16,
    "TCP_THIN_DUPACK": 17,
    "TCP_REPAIR": 19,
    "TCP_TIMESTAMP": 24,
    "TCP_NOTSENT_LOWAT": 25,
    "TCP_CC_INFO": 26,
    "TCP_SAVE_SYN": 27,
    "TCP_SAVED_SYN": 28,
    "TCP_FASTOPEN_CONNECT": 30,
    "TCP_FASTOPEN_KEY": 33,
    "TCP_FASTOPEN_NO_COOKIE": 34,
    "TCP_INQ": 36,
    "TCP_TX_DELAY": 37,
    "TCP_RTO_MAX_MS": 44,
    "TCP_RTO_MIN_US": 45,
    "MSG_ZEROCOPY": 0x4000000,
    "MSG_FASTOPEN": 0x20000000,
    "IP_RECVERR": 11,
    "IPV6_RECVERR": 25,
    "IP_MTU_DISCOVER": 10,
    "IP_MTU": 14,
    "IPV6_MTU": 24,
    "IPV6_V6ONLY": 26,
    "SIOCINQ": 0x541B,
    "FIONREAD": 0x541B,
    "SIOCOUTQ": 0x5411,
    "FIONWRITE": 0x5411,
    "TIOCOUTQ": 0x5411,
    "SOL_TCP": 6,
    "SOL_IP": 0,
    "SOL_IPV6": 41,
    "EPOLL_CTL_ADD": 1,
    "EPOLL_CTL_DEL": 2,
    "EPOLL_CTL_MOD": 3,
    "NULL": 0,
    # The error queue: linux/errqueue.h, linux/net_tstamp.h.
    "TCP_CM_INQ": 36,
    "SCM_TIMESTAMPING": 37,
    "SO_EE_ORIGIN_NONE": 0,
    "SO_EE_ORIGIN_LOCAL": 1,
    "SO_EE_ORIGIN_ICMP": 2,
    "SO_EE_ORIGIN_ICMP6": 3,
    "SO_EE_ORIGIN_TIMESTAMPING": 4,
    "SO_EE_ORIGIN_ZEROCOPY": 5,
    "SO_EE_CODE_ZEROCOPY_COPIED": 1,
    "SCM_TSTAMP_SND": 0,
    "SCM_TSTAMP_SCHED": 1,
    "SCM_TSTAMP_ACK": 2,
    "SOF_TIMESTAMPING_TX_HARDWARE": 1 << 0,
    "SOF_TIMESTAMPING_TX_SOFTWARE": 1 << 1,
    "SOF_TIMESTAMPING_RX_HARDWARE": 1 << 2,
    "SOF_TIMESTAMPING_RX_SOFTWARE": 1 << 3,
    "SOF_TIMESTAMPING_SOFTWARE": 1 << 4,
    "SOF_TIMESTAMPING_SYS_HARDWARE": 1 << 5,
    "SOF_TIMESTAMPING_RAW_HARDWARE": 1 << 6,
    "SOF_TIMESTAMPING_OPT_ID": 1 << 7,
    "SOF_TIMESTAMPING_TX_SCHED": 1 << 8,
    "SOF_TIMESTAMPING_TX_ACK": 1 << 9,
    "SOF_TIMESTAMPING_OPT_CMSG": 1 << 10,
    "SOF_TIMESTAMPING_OPT_TSONLY": 1 << 11,
    "SOF_TIMESTAMPING_OPT_STATS": 1 << 12,
    "IP_FREEBIND": 15,
}
#: Options that FreeBSD's sockets have and nobody else's (its netinet/tcp.h and sys/socket.h).
ONLY_BSD = re.compile(
    r"TCP_(?:KEEPINIT|NOOPT|NOPUSH|DELACK|MAXUNACKTIME|LOGID|LOGID_CNT|LOGDUMP|LOGDUMPID|STATS|PCAP_IN|PCAP_OUT|"
    r"REMOTE_UDP_ENCAPS_PORT|REUSPORT_LB_NUMA|FUNCTION_ALIAS|PERF_INFO|FAST_RSM_HACK|USE_CMP_ACKS|LRD|RACK_\w+|BBR_\w+)|"
    r"SO_(?:USELOOPBACK|ACCEPTFILTER|SETFIB|USER_COOKIE|NO_DDP|NO_OFFLOAD|REUSEPORT_LB|TS_CLOCK|LISTENQLIMIT)"
)

#: TCP's states as Linux numbers them (net/tcp_states.h), and as FreeBSD does (netinet/tcp_fsm.h).
LINUX_STATES = {
    "TCP_ESTABLISHED": (1, State.ESTABLISHED),
    "TCP_SYN_SENT": (2, State.SYN_SENT),
    "TCP_SYN_RECV": (3, State.SYN_RECEIVED),
    "TCP_FIN_WAIT1": (4, State.FIN_WAIT_1),
    "TCP_FIN_WAIT2": (5, State.FIN_WAIT_2),
    "TCP_TIME_WAIT": (6, State.TIME_WAIT),
    "TCP_CLOSE": (7, State.CLOSED),
    "TCP_CLOSE_WAIT": (8, State.CLOSE_WAIT),
    "TCP_LAST_ACK": (9, State.LAST_ACK),
    "TCP_LISTEN": (10, State.LISTEN),
    "TCP_CLOSING": (11, State.CLOSING),
    "TCP_NEW_SYN_RECV": (12, State.SYN_RECEIVED),
}
BSD_STATES = {
    "TCPS_CLOSED": (0, State.CLOSED),
    "TCPS_LISTEN": (1, State.LISTEN),
    "TCPS_SYN_SENT": (2, State.SYN_SENT),
    "TCPS_SYN_RECEIVED": (3, State.SYN_RECEIVED),
    "TCPS_ESTABLISHED": (4, State.ESTABLISHED),
    "TCPS_CLOSE_WAIT": (5, State.CLOSE_WAIT),
    "TCPS_FIN_WAIT_1": (6, State.FIN_WAIT_1),
    "TCPS_CLOSING": (7, State.CLOSING),
    "TCPS_LAST_ACK": (8, State.LAST_ACK),
    "TCPS_FIN_WAIT_2": (9, State.FIN_WAIT_2),
    "TCPS_TIME_WAIT": (10, State.TIME_WAIT),
}
#: Words for states in what commands print: of sockstat, netstat, ss.
SHOWN_STATES = {
    "CLOSED": State.CLOSED,
    "LISTEN": State.LISTEN,
    "SYN_SENT": State.SYN_SENT,
    "SYN_RCVD": State.SYN_RECEIVED,
    "SYN_RECV": State.SYN_RECEIVED,
    "ESTABLISHED": State.ESTABLISHED,
    "ESTAB": State.ESTABLISHED,
    "CLOSE_WAIT": State.CLOSE_WAIT,
    "FIN_WAIT_1": State.FIN_WAIT_1,
    "FIN_WAIT_2": State.FIN_WAIT_2,
    "CLOSING": State.CLOSING,
    "LAST_ACK": State.LAST_ACK,
    "TIME_WAIT": State.TIME_WAIT,
}
#: What TCP_INFO's options and congestion states are called (linux/tcp.h).
TCP_INFO_NAMES = {
    "TCPI_OPT_TIMESTAMPS": 1,
    "TCPI_OPT_SACK": 2,
    "TCPI_OPT_WSCALE": 4,
    "TCPI_OPT_ECN": 8,
    "TCPI_OPT_ECN_SEEN": 16,
    "TCPI_OPT_SYN_DATA": 32,
    "TCP_CA_Open": 0,
    "TCP_CA_Disorder": 1,
    "TCP_CA_CWR": 2,
    "TCP_CA_Recovery": 3,
    "TCP_CA_Loss": 4,
    "TCP_INFINITE_SSTHRESH": 0x7FFFFFFF,
}


def _known() -> dict[str, int]:
    found = {name: int(getattr(socket, name)) for name in dir(socket) if name.startswith(_PREFIXES)}
    for module, prefixes in ((fcntl, ("F_",)), (os, ("O_",)), (select, ("POLL", "EPOLL"))):
        found |= {
            name: value
            for name in dir(module)
            if name.startswith(prefixes) and isinstance(value := getattr(module, name), int)
        }
    # What FreeBSD's TCP_INFO calls the same states, and classes of service (RFC 2474 §4.2.2, RFC 2597, RFC 3246).
    told = {name.replace("TCPS_", "TCPI_"): number for name, (number, _state) in BSD_STATES.items()}
    classes = {f"IPTOS_DSCP_CS{number}": number << 5 for number in range(8)}
    classes |= {f"IPTOS_DSCP_AF{one}{two}": (one << 5) | (two << 3) for one in range(1, 5) for two in range(1, 4)}
    found |= told | classes | {"IPTOS_DSCP_EF": 0xB8}
    states = {name: number for name, (number, _state) in (LINUX_STATES | BSD_STATES).items()}
    errors = {name: number for number, name in errno.errorcode.items()}
    return errors | found | _EXTRA | states | TCP_INFO_NAMES


NUMBERS: Mapping[str, int] = _known()


def number(expression: Expression, defined: Mapping[str, str]) -> int:
    """Return the number that an expression stands for; Unsupported for a symbol that there is not."""
    match expression:
        case Number(value):
            return value
        case Name(name, place):
            if name in defined:
                name = defined[name].strip()
                if _INTEGER.fullmatch(name):
                    return int(name, 16 if "x" in name.lower() else 10)
            if name not in NUMBERS:
                lacking = ONLY_BSD.fullmatch(name) is not None
                raise Unsupported(f"the {'socket option' if lacking else 'symbol'} {name[:40]}", place, lacking=lacking)
            return NUMBERS[name]
        case Union(parts):
            total = 0
            for part in parts:
                total |= number(part, defined)
            return total
        case Items((only,)):
            return number(only, defined)
        case Applied(function="htons" | "htonl" | "ntohs" | "ntohl", arguments=(only,)):
            return number(only, defined)
    raise Unsupported("an expression without a number", expression.place)


def errno_of(name: str) -> int:
    """Return the number of an errno, 0 for one that this machine does not know."""
    return int(getattr(errno, name, 0))
