"""The TCP options that the stack understands: read from arrivals, written on what is sent."""

from dataclasses import dataclass
from functools import lru_cache

from harness.spec import options
from harness.spec.options import NOP, SACK_PERMITTED

#: RFC 9293 §3.7.1 (MUST-15): what to assume without an MSS option, by IP version.
DEFAULT_MSS = {4: 536, 6: 1220}
#: RFC 7323 §2.3: a greater shift count is taken for this one.
MAX_SHIFT = 14
#: Octets that timestamps take in each segment: NOP, NOP and the option (RFC 7323, appendix A).
TIMESTAMPS_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one segment; None for one that is not there. `timestamps` are TSval and TSecr."""

    mss: int | None = None
    window_scale: int | None = None
    timestamps: tuple[int, int] | None = None
    sack_permitted: bool = False


NONE = Options()


@lru_cache(maxsize=256)
def read(raw: bytes) -> Options:
    """Return the options of a field. Unknown ones are skipped (MUST-6), malformed fields count as empty (MUST-7)."""
    if not raw:
        return NONE
    try:
        shift = options.window_scale_of(raw)
        return Options(
            mss=options.mss_of(raw),
            window_scale=None if shift is None else min(shift, MAX_SHIFT),
            timestamps=options.timestamps_of(raw),
            sack_permitted=options.find(raw, options.KIND_SACK_PERMITTED) is not None,
        )
    except options.MalformedOptions:
        return NONE


def write_syn(mss: int, shift: int | None, sack: bool, stamps: tuple[int, int] | None) -> bytes:
    """Return the options of a SYN, in the order that is usual."""
    field = options.mss(mss)
    if sack:
        field += SACK_PERMITTED
    if stamps is not None:
        field += (b"" if sack else NOP + NOP) + options.timestamps(*stamps)
    if shift is not None:
        field += NOP + options.window_scale(shift)
    return field


def write(stamps: tuple[int, int] | None, blocks: list[tuple[int, int]]) -> bytes:
    """Return the options of any other segment: timestamps, and as many SACK blocks as fit."""
    field = NOP + NOP + options.timestamps(*stamps) if stamps is not None else b""
    fitting = blocks[: (40 - len(field) - 4) // 8]
    if fitting:
        edges = b"".join(edge.to_bytes(4, "big") for block in fitting for edge in block)
        field += NOP + NOP + options.unknown(options.KIND_SACK, edges)
    return field
