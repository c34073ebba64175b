"""Calls at a socket that few programs make: with NULL for a buffer, of a file, into a pipe. Standard library only."""

import ctypes
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

#: How much a new pipe holds (pipe(7)), in octets.
_IN_A_PIPE = 1 << 16


def nowhere(
    descriptor: int, sends: bool, octets: int, flags: int, ends: tuple[tuple[str, int], tuple[str, int]] | None = None
) -> int:
    """SEND or RECEIVE with NULL for a buffer; raises OSError with what the kernel says to that: EFAULT.

    With `ends`, its own and the peer's, the SEND opens a connection (MSG_FASTOPEN).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.sendto if sends else libc.recvfrom
    call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    call.restype = ctypes.c_ssize_t
    address = b""
    if ends is not None:
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            if not sock.getsockname()[1]:
                sock.bind(tuple(ends[0]))
            address = _address(sock.family, *ends[1])
    buffer = ctypes.create_string_buffer(address, len(address)) if address else None
    done = int(call(descriptor, None, octets, flags | (socket.MSG_NOSIGNAL if sends else 0), buffer, len(address)))
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return done


def _address(family: int, address: str, port: int) -> bytes:
    """Return the structure of an address (linux/in.h, linux/in6.h)."""
    octets = socket.inet_pton(family, address)
    if family == socket.AF_INET:
        return struct.pack("=H2s4s8x", family, port.to_bytes(2, "big"), octets)
    return struct.pack("=H2sI16sI", family, port.to_bytes(2, "big"), 0, octets, 0)


def send_file(descriptor: int, data: str) -> int:
    """SEND a file with this text, in hexadecimal digits, by sendfile(2); return how many octets were taken."""
    octets = bytes.fromhex(data)
    file = os.memfd_create("text")
    try:
        os.write(file, octets)
        return os.sendfile(descriptor, file, 0, len(octets))
    finally:
        os.close(file)


def splice(descriptor: int, limit: int) -> str:
    """RECEIVE into a pipe by splice(2); return what is in it, in hexadecimal digits."""
    end, begin = os.pipe()
    try:
        moved = os.splice(descriptor, begin, min(limit, _IN_A_PIPE))
        return os.read(end, moved).hex() if moved else ""
    finally:
        os.close(end)
        os.close(begin)


CALLS: dict[str, Callable[..., Any]] = {"nowhere": nowhere, "send file": send_file, "splice": splice}
