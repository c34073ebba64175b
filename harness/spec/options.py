"""TCP options (RFC 9293 §3.1, RFC 7323, RFC 2018): builders return octets, `parse` reads them back.

Builders are concatenated (``mss(1460) + NOP + window_scale(7)``); the codec pads the field to a multiple of four.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache

KIND_EOL, KIND_NOP, KIND_MSS, KIND_WINDOW_SCALE, KIND_SACK_PERMITTED, KIND_SACK, KIND_TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8

EOL = b"\x00"
NOP = b"\x01"
SACK_PERMITTED = b"\x04\x02"


def mss(octets: int) -> bytes:
    """Maximum Segment Size in octets of data (RFC 9293 §3.7.1)."""
    return struct.pack("!BBH", KIND_MSS, 4, octets)


def window_scale(shift: int) -> bytes:
    """Window scale as a shift count (RFC 7323 §2)."""
    return struct.pack("!BBB", KIND_WINDOW_SCALE, 3, shift)


def timestamps(value: int, echo: int = 0) -> bytes:
    """Timestamps TSval and TSecr (RFC 7323 §3)."""
    return struct.pack("!BBII", KIND_TIMESTAMPS, 10, value & 0xFFFFFFFF, echo & 0xFFFFFFFF)


def unknown(kind: int, data: bytes = b"") -> bytes:
    """An option of any kind with a correct length octet."""
    return bytes((kind, 2 + len(data))) + data


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its kind and the octets behind kind and length."""

    kind: int
    data: bytes = b""


class MalformedOptions(ValueError):
    """The options field can't be read to its end: a length is missing, below 2, or runs over the field."""


def parse(raw: bytes) -> list[Option]:
    """Return the options of a field up to EOL or its end; raises MalformedOptions."""
    found: list[Option] = []
    at = 0
    while at < len(raw):
        kind = raw[at]
        if kind == KIND_EOL:
            break
        if kind == KIND_NOP:
            found.append(Option(kind))
            at += 1
            continue
        length = raw[at + 1] if at + 1 < len(raw) else 0
        if length < 2 or at + length > len(raw):
            raise MalformedOptions(f"option of kind {kind} at octet {at} has length {length} in a field of {len(raw)}")
        found.append(Option(kind, raw[at + 2 : at + length]))
        at += length
    return found


@lru_cache(maxsize=1 << 12)
def find(raw: bytes, kind: int) -> bytes | None:
    """Return the data of the first option of `kind`, None if there is none; raises MalformedOptions."""
    return next((option.data for option in parse(raw) if option.kind == kind), None)


def mss_of(raw: bytes) -> int | None:
    """Return the announced MSS in octets, if any."""
    data = find(raw, KIND_MSS)
    return int.from_bytes(data, "big") if data is not None and len(data) == 2 else None


def window_scale_of(raw: bytes) -> int | None:
    """Return the announced shift count, if any."""
    data = find(raw, KIND_WINDOW_SCALE)
    return data[0] if data else None


def timestamps_of(raw: bytes) -> tuple[int, int] | None:
    """Return (TSval, TSecr), if the option is there."""
    data = find(raw, KIND_TIMESTAMPS)
    if data is None or len(data) != 8:
        return None
    value, echo = struct.unpack("!II", data)
    return value, echo
