"""What a stack behind a device is to be told of its network: its prefix, who leads out of it, its hardware address."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.targets.protocol import Addresses, UnusableTarget

BROADCAST = "255.255.255.255"
#: The device's hardware address, and the one under which the harness answers for every peer; locally administered.
OWN_MAC, PEER_MAC = "02:fe:00:00:00:01", "02:fe:00:00:00:02"
#: By IP version: the bits of an address, and of the prefix if nobody says otherwise.
_BITS, _USUAL = {4: 32, 6: 128}, {4: 24, 6: 64}
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Network:
    """How many bits of the stack's address name its network, and who leads out of that."""

    prefix: int
    gateway: str

    def __str__(self) -> str:
        return f"{self.prefix}, gateway {self.gateway}"


def network(version: int, addresses: Addresses, options: Mapping[str, str]) -> Network:
    """Read ``prefix`` and ``gateway``, or find both: the first peer is the gateway, and lies in the network.

    Raises UnusableTarget.
    """
    end = "" if version == 4 else "6"
    own, peer = addresses.target[0], addresses.peer[0]
    named = options.get(f"gateway{end}")
    gateway = peer if named is None else address(f"gateway{end}", named, version)
    if gateway == own:
        raise UnusableTarget(f"ip{end} and gateway{end} are both {own}")
    leads = ipaddress.ip_address(gateway)
    near = [ipaddress.ip_address(each) for each in addresses.peer] if named is None else [leads]
    found = ipaddress.ip_network(f"{own}/{_USUAL[version]}", strict=False)
    while not all(each in found or each.is_link_local for each in near):
        found = found.supernet()
    if (told := options.get(f"prefix{end}")) is not None:
        if not told.isdecimal() or not 1 <= int(told) <= _BITS[version]:
            raise UnusableTarget(f"prefix{end}={told} is not a number of bits from 1 to {_BITS[version]}")
        found = ipaddress.ip_network(f"{own}/{told}", strict=False)
    if leads not in found and not leads.is_link_local:
        hint = f"prefix{end}= that holds both, or gateway{end}= near {own}"
        raise UnusableTarget(f"the gateway {gateway} is not in {found}, where nobody could reach it", hint)
    return Network(found.prefixlen, gateway)


def mac(options: Mapping[str, str], *, layer: int) -> str:
    """Read the device's hardware address; "" where there is none (`layer` 3). Raises UnusableTarget."""
    text = options.get("mac", "" if layer == 3 else OWN_MAC).lower()
    if layer == 3:
        if text:
            raise UnusableTarget("mac=: a TUN device has no hardware address", "leave it away")
        return ""
    if not _MAC.fullmatch(text) or int(text[:2], 16) & 1 or text in (PEER_MAC, "00:00:00:00:00:00"):
        raise UnusableTarget(f"mac={text} is no hardware address that one host can have", f"mac={OWN_MAC}")
    return text


def address(key: str, text: str, version: int) -> str:
    """Read an address that one host can have; raises UnusableTarget."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise UnusableTarget(f"{key}={text} is not an address") from None
    if address.version != version:
        raise UnusableTarget(f"{key}={text} is not an IPv{version} address")
    if "%" in text:
        raise UnusableTarget(f"{key}={text}: leave the zone away", f"{key}={text.partition('%')[0]}")
    if address.is_multicast or address.is_unspecified or address.is_loopback or text == BROADCAST:
        raise UnusableTarget(f"{key}={text} is no address that one host can have on a wire")
    return str(address)
