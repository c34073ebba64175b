"""Which of the specifications' alternatives a target follows, by what it claims and how it is set."""

from collections.abc import Collection

from harness.spec.policy import DEFAULT, Policy
from harness.targets.protocol import Capability, Target, in_parts

#: What a target follows that claims a part of RFC 5961, and what one that lacks it.
_RFC5961_OR_793 = {
    Capability.RFC5961_RST: (Policy.RFC5961_RST, Policy.RFC793_RST),
    Capability.RFC5961_SYN: (Policy.RFC5961_SYN, Policy.RFC793_SYN),
    Capability.RFC5961_ACK: (Policy.RFC5961_ACK, Policy.RFC793_ACK),
}


def policies_of(
    capabilities: Collection[Capability], *, untold: Collection[Capability] = (), rfc1337: bool = False
) -> frozenset[Policy]:
    """Return the policies that a target follows by what it claims; `rfc1337` is a setting on some.

    Of what is `untold` both are allowed: nothing is held against a stack for what RFC 9293 says, or leaves to it,
    because its author has not claimed it.
    """
    chosen = set(DEFAULT)
    claimed = in_parts(capabilities)
    for part, (followed, older) in _RFC5961_OR_793.items():
        if part in untold:
            chosen.add(older)
        elif part not in claimed:
            chosen = chosen - {followed} | {older}
    if Capability.TIME_WAIT_REUSE in claimed:
        chosen |= {Policy.MAY_2, Policy.RFC6191}
    elif Capability.TIME_WAIT_REUSE in untold:
        chosen |= {Policy.MAY_2, Policy.RFC6191_UNTOLD}
    if rfc1337:
        chosen.add(Policy.RFC1337)
    return frozenset(chosen)


def policies_in_force(target: Target) -> frozenset[Policy]:
    """Return the policies that a target follows, by its capabilities and settings."""
    facts = target.facts
    rfc1337 = facts.sysctls.get("net.ipv4.tcp_rfc1337") == "1"
    return policies_of(target.capabilities, untold=facts.untold, rfc1337=rfc1337)
