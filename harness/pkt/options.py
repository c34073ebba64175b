"""TCP options of a script: as octets where the peer writes them, and held against what the target has sent."""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from harness.pkt.segments_options import ANY, AS_WRITTEN, EXPERIMENT
from harness.pkt.tree import TcpOption
from harness.spec import options as wire
from harness.spec import seqno

MD5, FAST_OPEN = 19, 34
#: The magic number of the experimental Fast Open option (RFC 7413 §4.1.1, kind 254).
FAST_OPEN_MAGIC = b"\xf9\x89"
_SINGLE = {"nop": wire.KIND_NOP, "eol": wire.KIND_EOL}
_KINDS = {
    **_SINGLE,
    "mss": wire.KIND_MSS,
    "wscale": wire.KIND_WINDOW_SCALE,
    "sackOK": wire.KIND_SACK_PERMITTED,
    "sack": wire.KIND_SACK,
    "TS": wire.KIND_TIMESTAMPS,
    "FO": FAST_OPEN,
    "FOEXP": EXPERIMENT,
    "exp-FO": EXPERIMENT,
    "md5": MD5,
}


class TooLong(ValueError):
    """More options than the header has room for."""


@dataclass(slots=True)
class Stamps:
    """Timestamps: each of the script's stands for the one of the target that has come in its place."""

    live: dict[int, int] = field(default_factory=dict)

    def matched(self, script: int, live: int) -> None:
        """Note that the target has sent `live` where the script says `script`."""
        self.live[script] = live

    def echo(self, script: int) -> int:
        """Return what the peer echoes where the script says `script`."""
        return self.live.get(script, script)


def octets(options: Sequence[TcpOption], stamps: Stamps, target_iss: int) -> bytes:
    """Return the options field that the peer writes; raises TooLong. SACK blocks count from the target's ISN."""
    field_ = b"".join(_octets(option, stamps, target_iss) for option in options)
    if len(field_) > 40:
        raise TooLong(f"options of {len(field_)} octets: a header has room for 40")
    return field_


def _octets(option: TcpOption, stamps: Stamps, target_iss: int) -> bytes:
    numbers = option.numbers
    match option.name:
        case "nop" | "eol":
            return bytes((_SINGLE[option.name],))
        case "mss":
            return wire.mss(numbers[0])
        case "wscale":
            return wire.window_scale(numbers[0])
        case "sackOK":
            return wire.SACK_PERMITTED
        case "sack":
            edges = [seqno.add(number, target_iss) for number in numbers]
            return wire.unknown(wire.KIND_SACK, struct.pack(f"!{len(edges)}I", *edges))
        case "TS":
            echo = numbers[1] if option.symbol == AS_WRITTEN else stamps.echo(numbers[1])
            return wire.timestamps(numbers[0], echo)
        case "raw":
            return option.octets or b""
        case "FO":
            return wire.unknown(FAST_OPEN, option.octets or b"")
        case "FOEXP" | "exp-FO":
            return wire.unknown(EXPERIMENT, FAST_OPEN_MAGIC + (option.octets or b""))
        case "md5":
            return wire.unknown(MD5, option.octets or bytes(16))
    return wire.unknown(numbers[0], option.octets or b"")


@dataclass(slots=True)
class Difference:
    """What is wrong with the options of a segment ("" for nothing), and what was not looked at."""

    problem: str = ""
    left_out: list[str] = field(default_factory=list)


def compare(
    due: Sequence[TcpOption],
    raw: bytes,
    stamps: Stamps,
    peer_iss: int,
    *,
    strict: bool,
    lacking: Collection[int] = (),
) -> Difference:
    """Hold the options of a segment against those of a script; SACK blocks count from the peer's ISN.

    Unless `strict`, the order, the padding and the window scale's shift are not asserted, nor are options of kinds that
    the target does not claim to have (`lacking`). The value of a timestamp never is, but its echo.
    """
    found = Difference()
    if due and due[0].name == "raw":
        found.problem = f"options {described(raw, peer_iss)}" if due[0].octets != raw else ""
        return found
    try:
        seen = wire.parse(raw)
    except wire.MalformedOptions:
        found.problem = f"options {described(raw, peer_iss)}"
        return found
    if strict:
        ours = [_kind(option) for option in due if option.name != "eol"]  # parse() stops at the first EOL
        if ours != [option.kind for option in seen]:
            found.problem = f"options {described(raw, peer_iss)}"
            return found
    by_kind = {option.kind: option.data for option in seen if option.kind not in (wire.KIND_NOP, wire.KIND_EOL)}
    wanted = {_kind(option): option for option in due if option.name not in _SINGLE}
    missing = {kind for kind in set(wanted) - set(by_kind) if not strict and kind in lacking}
    for kind in missing:
        found.left_out.append(f"option {wanted.pop(kind).name} that the target does not have")
    if set(by_kind) != set(wanted):
        found.problem = f"options {described(raw, peer_iss)}"
        return found
    for kind, option in wanted.items():
        problem = _value(option, by_kind[kind], stamps, peer_iss, strict, found.left_out)
        if problem:
            found.problem = problem
            return found
    return found


def _kind(option: TcpOption) -> int:
    return option.numbers[0] if option.name in ("kind", "ECN") else _KINDS[option.name]


def _value(option: TcpOption, data: bytes, stamps: Stamps, peer_iss: int, strict: bool, left_out: list[str]) -> str:
    match option.name:
        case "mss":
            seen = int.from_bytes(data, "big")
            return "" if option.numbers[0] in (seen, ANY) else f"an MSS of {seen}"
        case "wscale":
            if not strict:
                left_out.append("window scale")
                return ""
            return "" if option.numbers[0] in (data[0], ANY) else f"a window scale of {data[0]}"
        case "sack":
            edges = [seqno.diff(edge, peer_iss) for (edge,) in struct.iter_unpack("!I", data[: len(data) // 4 * 4])]
            wanted = [seqno.diff(number, 0) for number in option.numbers]
            pairs = [f"{left}:{right}" for left, right in zip(edges[::2], edges[1::2], strict=False)]
            return "" if edges == wanted else f"SACK blocks {' '.join(pairs)}"
        case "TS":
            value, echo = struct.unpack("!II", data) if len(data) == 8 else (0, 0)
            if option.numbers[0] != ANY:
                stamps.matched(option.numbers[0], value)
            left_out.append("timestamp")
            return "" if option.numbers[1] in (echo, ANY) else f"a timestamp echo of {echo}"
        case "FO" | "FOEXP" | "exp-FO" if option.octets is None:
            return ""
        case "FO":
            return "" if data == (option.octets or b"") else f"a Fast Open cookie of {data.hex() or 'no octets'}"
        case "FOEXP" | "exp-FO":
            same = data == FAST_OPEN_MAGIC + (option.octets or b"")
            return "" if same else f"a Fast Open cookie of {data[2:].hex() or 'no octets'}"
        case "md5":
            return ""  # the digest is over what nobody knows beforehand
        case "kind" | "ECN":
            return "" if data == (option.octets or b"") else f"an option {option.numbers[0]} with {data.hex()}"
    return ""


def described(raw: bytes, base: int = 0) -> str:
    """Return an options field as scripts write it."""
    if not raw:
        return "<>"
    try:
        found = wire.parse(raw)
    except wire.MalformedOptions as error:
        return f"<{error}>"
    return f"<{','.join(_described(option, base) for option in found)}>"


def _described(option: wire.Option, base: int) -> str:
    data = option.data
    match option.kind:
        case wire.KIND_NOP:
            return "nop"
        case wire.KIND_MSS:
            return f"mss {int.from_bytes(data, 'big')}"
        case wire.KIND_WINDOW_SCALE:
            return f"wscale {data[0] if data else 0}"
        case wire.KIND_SACK_PERMITTED:
            return "sackOK"
        case wire.KIND_TIMESTAMPS if len(data) == 8:
            value, echo = struct.unpack("!II", data)
            return f"TS val {value} ecr {echo}"
        case wire.KIND_SACK if len(data) % 8 == 0:
            edges = [(edge - base) & 0xFFFFFFFF for (edge,) in struct.iter_unpack("!I", data)]
            return "sack " + " ".join(f"{left}:{right}" for left, right in zip(edges[::2], edges[1::2], strict=True))
        case kind if kind == FAST_OPEN:
            return f"FO {data.hex()}".rstrip()
        case kind if kind == MD5:
            return f"md5 {data.hex()}"
    return f"kind {option.kind} {data.hex()}".rstrip()
