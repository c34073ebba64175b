"""A writer for pcapng captures in which every packet can carry a comment: the step of the case that it belongs to.

Standard library only. Format: IETF draft "PCAP Next Generation Capture File Format" (draft-ietf-opsawg-pcapng).
"""

import os
import secrets
import struct
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

LINKTYPE_ETHERNET = 1  #: frames begin with an Ethernet header
LINKTYPE_RAW = 101  #: packets begin with an IPv4 or IPv6 header

_SECTION_HEADER, _INTERFACE, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_OPT_END, _OPT_COMMENT = 0, 1
_SHB_USERAPPL, _IF_TSRESOL, _EPB_FLAGS = 4, 9, 2
_NANOSECONDS = 9  # the exponent: 10**-9 s
_INBOUND, _OUTBOUND = 1, 2
_OPTION_LIMIT = 0xFFFF  # octets, from the 16-bit length field


class PcapngWriter:
    """Writes one capture with one interface; a context manager.

    What is written goes to a hidden file beside `path` and takes its name only when the block ends well, so a
    half-written capture never stays: after an exception in the block there is no file, and an older one of that name
    is untouched. Raises OSError as files do.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        link_type: int = LINKTYPE_ETHERNET,
        comment: str = "",
        application: str = "",
    ) -> None:
        """Name the capture; `comment` and `application` describe all of it and are left out if empty."""
        self.path = Path(path)
        self._link_type = link_type
        self._comment = comment
        self._application = application
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self._file is not None:
            raise ValueError(f"the capture {self.path} is being written already")
        # Mode "x" and not tempfile: mkstemp would leave the capture readable by its owner only.
        self._file = self._temporary.open("xb")
        try:
            self._file.write(_section_header(self._comment, self._application) + _interface(self._link_type))
        except BaseException:
            self._abandon(self._file)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._file is not None, "__exit__ follows __enter__"
        if kind is not None:
            self._abandon(self._file)
            return
        try:
            self._file.close()
            self._temporary.replace(self.path)
        except BaseException:
            self._abandon(self._file)
            raise
        self._file = None

    def packet(self, time_ns: int, data: bytes, comment: str = "", outbound: bool = False) -> None:
        """Add a packet in full; `time_ns` is nanoseconds since 1970 (or since whatever the target's clock counts from).

        `outbound` means sent by the side that captured. A comment over 65,535 octets of UTF-8 is cut. Raises
        ValueError for a time outside [0, 2**64) or outside of the `with` block.
        """
        if self._file is None:
            raise ValueError(f"the capture {self.path} is not open: packets are written inside its with block")
        if not 0 <= time_ns < 1 << 64:
            raise ValueError(f"time_ns is {time_ns}: a capture holds times from 0 to 2**64 - 1 ns")
        head = struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), len(data))
        options = _text(_OPT_COMMENT, comment) + _option(
            _EPB_FLAGS, struct.pack("<I", _OUTBOUND if outbound else _INBOUND)
        )
        self._file.write(_block(_ENHANCED_PACKET, head + _padded(data), options))

    def _abandon(self, file: BinaryIO) -> None:
        self._file = None
        try:
            file.close()  # flushes, and so can fail as the write before it did
        finally:
            self._temporary.unlink(missing_ok=True)


def _section_header(comment: str, application: str) -> bytes:
    """Little-endian, version 1.0, length of the section not given (-1)."""
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(_SECTION_HEADER, body, _text(_OPT_COMMENT, comment) + _text(_SHB_USERAPPL, application))


def _interface(link_type: int) -> bytes:
    """Interface 0: no limit on the length of packets, times in nanoseconds."""
    return _block(_INTERFACE, struct.pack("<HHI", link_type, 0, 0), _option(_IF_TSRESOL, bytes((_NANOSECONDS,))))


def _block(kind: int, body: bytes, options: bytes) -> bytes:
    """`body` and `options` are padded already; the length stands at both ends so that readers can go backwards."""
    end = struct.pack("<HH", _OPT_END, 0) if options else b""
    length = 12 + len(body) + len(options) + len(end)
    return struct.pack("<II", kind, length) + body + options + end + struct.pack("<I", length)


def _text(code: int, text: str) -> bytes:
    """A text option, none if the text is empty; cut between characters where it is too long."""
    if not text:
        return b""
    octets = text.encode("utf-8", errors="replace")
    if len(octets) > _OPTION_LIMIT:
        octets = octets[:_OPTION_LIMIT].decode("utf-8", errors="ignore").encode("utf-8")
    return _option(code, octets)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
