"""Fast Open's cookies as Linux makes them, for scripts whose runner defines them: SipHash-2-4 of both addresses.

Source: `tcp_fastopen_cookie_gen_cipher` of net/ipv4/tcp_fastopen.c; Aumasson, Bernstein: SipHash, 2012.
"""

import ipaddress
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.pkt.tree import TcpOption

#: The key that a cookie of this name is made with; the kernel's runner of scripts defines them for its addresses.
KEYS: Mapping[str, bytes] = {
    "TFO_COOKIE": bytes.fromhex("a1a1a1a1b2b2b2b2c3c3c3c3d4d4d4d4"),
    "TFO_COOKIE_ZERO": bytes(16),
}
_MASK = (1 << 64) - 1


#: Options that carry a cookie.
_CARRIERS = frozenset({"FO", "FOEXP", "exp-FO"})


def resolved(
    options: Sequence[TcpOption], peer: str, target: str, written: tuple[str, str] | None = None
) -> tuple[TcpOption, ...]:
    """Return options in which cookies are those that this peer gets of this target.

    They stand there by name, or as octets for the addresses, peer and target, that the script is written for.
    """
    return tuple(_resolved(option, peer, target, written) for option in options)


def _resolved(option: TcpOption, peer: str, target: str, written: tuple[str, str] | None) -> TcpOption:
    key = KEYS.get(option.symbol)
    if key is None and option.name in _CARRIERS and option.octets and written is not None:
        key = next((key for key in KEYS.values() if cookie(key, *written) == option.octets), None)
    return option if key is None else replace(option, numbers=(), symbol="", octets=cookie(key, peer, target))


def cookie(key: bytes, peer: str, target: str) -> bytes:
    """Return the cookie that a target with this key gives to a peer."""
    addresses = b"".join(ipaddress.ip_address(address).packed for address in (peer, target))
    return struct.pack("<Q", siphash(key, addresses))


def siphash(key: bytes, data: bytes) -> int:
    """Return SipHash-2-4 of some octets with a key of 16."""
    first, second = struct.unpack("<QQ", key)
    v = [
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    ]
    padded = data + bytes(7 - len(data) % 8) + bytes((len(data) & 0xFF,))
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _rounds(v, 4)
    return int(v[0] ^ v[1] ^ v[2] ^ v[3])


def _rounds(v: list[int], count: int) -> None:
    for _round in range(count):
        _mix(v, 0, 1, 13)
        v[0] = _turned(v[0], 32)
        _mix(v, 2, 3, 16)
        _mix(v, 0, 3, 21)
        _mix(v, 2, 1, 17)
        v[2] = _turned(v[2], 32)


def _mix(v: list[int], to: int, other: int, by: int) -> None:
    v[to] = (v[to] + v[other]) & _MASK
    v[other] = _turned(v[other], by) ^ v[to]


def _turned(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & _MASK
