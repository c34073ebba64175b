"""Who is who on a wire: the target's and the peer's addresses, of the ranges that are kept for documentation."""

from harness.targets.protocol import Addresses

#: By IP version (RFC 5737, RFC 3849).
ADDRESSES = {
    4: Addresses(("198.51.100.1", "198.51.100.3"), ("198.51.100.2", "198.51.100.4")),
    6: Addresses(("2001:db8:51::1", "2001:db8:51::3"), ("2001:db8:51::2", "2001:db8:51::4")),
}
#: By IP version: the network, and the prefix length that an address is given with.
PREFIXES = {4: ("198.51.100.0/24", 32), 6: ("2001:db8:51::/64", 128)}
