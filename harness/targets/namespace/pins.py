"""The sysctls that a pod pins, because they change what TCP does; each with the reason. Only what exists is written."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pin:
    """A sysctl of the target's namespace and the value that the cases assume."""

    name: str
    value: str
    reason: str


_IPV4 = "net.ipv4."

#: The limit of challenge ACKs per second, and the first release that counts them for each namespace. Older ones count
#: for the whole machine, and take the limit of whoever is first in a second (tcp_input.c tcp_send_challenge_ack()).
CHALLENGE_LIMIT, COUNTED_APART = _IPV4 + "tcp_challenge_ack_limit", (6, 1)
COUNTED_S = 1.0

#: Pins of every pod.
COMMON = (
    Pin("net.ipv6.conf.default.addr_gen_mode", "1", "no link-local address, so no multicast chatter"),
    Pin("net.ipv6.conf.default.accept_ra", "0", "no router solicitations"),
    Pin("net.ipv6.conf.default.disable_ipv6", "0", "hosts and containers may switch IPv6 off"),
    Pin("net.ipv6.conf.all.disable_ipv6", "0", "hosts and containers may switch IPv6 off"),
    Pin(_IPV4 + "ip_unprivileged_port_start", "1024", "the kernel's default"),
    Pin("net.core.somaxconn", "65535", "a full backlog would drop SYNs"),
    Pin(_IPV4 + "tcp_max_syn_backlog", "65535", "a full backlog would drop SYNs"),
    Pin(_IPV4 + "tcp_syncookies", "0", "a cookie leaves no SYN-RECEIVED to look at"),
    Pin(CHALLENGE_LIMIT, "2147483647", "every challenge ACK is due, unless a case is about the limit"),
    Pin(_IPV4 + "tcp_invalid_ratelimit", "0", "the default of 500 ms hides repeated challenge ACKs"),
    Pin(_IPV4 + "tcp_early_retrans", "0", "no tail loss probes: they would speak before the RTO"),
    Pin(_IPV4 + "tcp_no_metrics_save", "1", "a connection must not inherit from the one before"),
    Pin(_IPV4 + "tcp_congestion_control", "reno", "the host's default may be bbr"),
    Pin(_IPV4 + "tcp_max_tw_buckets", "262144", "a full table would skip TIME-WAIT"),
    Pin(_IPV4 + "tcp_timestamps", "1", "the kernel's default"),
    Pin(_IPV4 + "tcp_window_scaling", "1", "the kernel's default"),
    Pin(_IPV4 + "tcp_sack", "1", "the kernel's default"),
    Pin(_IPV4 + "tcp_ecn", "2", "the kernel's default: only when the peer asks"),
    Pin(_IPV4 + "tcp_rfc1337", "0", "the kernel's default"),
    Pin(_IPV4 + "tcp_abort_on_overflow", "0", "the kernel's default"),
    Pin(_IPV4 + "tcp_stdurg", "0", "the kernel's default"),
    Pin(_IPV4 + "tcp_tw_reuse", "0", "an active open must not take over a TIME-WAIT port"),
    Pin(_IPV4 + "tcp_fastopen", "0", "no data on SYN by cookie"),
    Pin(_IPV4 + "tcp_l3mdev_accept", "0", "the kernel's default"),
    Pin(_IPV4 + "tcp_mtu_probing", "0", "the kernel's default"),
    Pin(_IPV4 + "tcp_orphan_retries", "0", "the kernel's default"),
    Pin(_IPV4 + "tcp_rmem", "4096 131072 6291456", "the kernel's default: the size of the receive window"),
    Pin(_IPV4 + "tcp_wmem", "4096 16384 4194304", "the kernel's default"),
    Pin(_IPV4 + "icmp_ratelimit", "0", "ICMP answers are never withheld"),
)

#: Pins of the pod for ordinary cases: what could speak by itself is put far away.
QUICK = (
    Pin(_IPV4 + "tcp_fin_timeout", "60", "the kernel's default"),
    Pin(_IPV4 + "tcp_synack_retries", "5", "the kernel's default"),
)

#: Pins of the pod for timer cases: small retry counts, so that giving up takes seconds and not a quarter of an hour.
TIMERS = (
    Pin(_IPV4 + "tcp_syn_retries", "3", "giving up on a SYN within seconds"),
    Pin(_IPV4 + "tcp_synack_retries", "2", "giving up on a SYN,ACK within seconds"),
    Pin(_IPV4 + "tcp_retries2", "3", "giving up on data within seconds"),
    Pin(_IPV4 + "tcp_orphan_retries", "3", "giving up on the FIN of a closed socket within seconds"),
    Pin(_IPV4 + "tcp_fin_timeout", "3", "FIN-WAIT-2 after close() ends within seconds"),
)

#: Pins of the pod for scripts that others have written: what they take for granted, a kernel's defaults, where those
#: differ from what the cases assume.
AS_FOUND = (
    Pin(_IPV4 + "tcp_syncookies", "1", "the kernel's default"),
    Pin(_IPV4 + "tcp_invalid_ratelimit", "500", "the kernel's default"),
    Pin(_IPV4 + "tcp_early_retrans", "3", "the kernel's default"),
    Pin(_IPV4 + "tcp_fastopen", "1", "the kernel's default"),
)

#: Recorded in the results beside the pinned ones: kernels differ in their defaults.
RECORDED = (
    _IPV4 + "tcp_syn_linear_timeouts",
    _IPV4 + "tcp_syn_retries",
    _IPV4 + "tcp_retries2",
    _IPV4 + "tcp_rto_min_us",
    _IPV4 + "tcp_fin_timeout",
    "net.core.rps_default_mask",
)


def full_name(name: str) -> str:
    """Return the full name of a sysctl: ``tcp_rfc1337`` stands for ``net.ipv4.tcp_rfc1337``."""
    return name if "." in name else _IPV4 + name


def outlasts_its_namespace(name: str, release: str) -> bool:
    """Tell whether what a setting does is felt beyond its namespace, and until the second is over."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    return name == CHALLENGE_LIMIT and numbers < COUNTED_APART
