"""The vector registers of this machine's CPU, where older kernels of ARCH=um have no room for them.

Until 6.12 such a kernel keeps 2696 octets of a process's registers (arch/x86/um/user-offsets.c: HOST_FP_SIZE). With AMX
a CPU has 11,008, and since the host takes them back as a whole or not at all, the first process of such a kernel ends
in "ptrace set fp regs failed". If it is told that the host has none but the old ones (a filter of system calls does
that), it saves those; the upper halves of the others are lost at each page fault then, so that the C library inside
has to do without them.
"""

import ctypes
import mmap
import re
import struct
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

#: The first release that asks the host how large they are.
_ASKS_SINCE = (6, 13)
_BANNER = re.compile(rb"Linux version (\d+)\.(\d+)")
#: For the environment of the first process inside: glibc's functions that use them are not chosen.
WITHOUT_VECTORS = "GLIBC_TUNABLES=glibc.cpu.hwcaps=" + ",".join(
    f"-{name}" for name in ("AVX_Fast_Unaligned_Load", "AVX", "AVX2", "AVX512F", "AVX512VL", "AVX512BW", "XSAVEC")
)

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 19  # ENODEV
#: In `struct seccomp_data`: where each word is, and what it is in the call that is refused.
_REFUSED = (
    (4, 0xC000003E),  # AUDIT_ARCH_X86_64
    (0, 101),  # ptrace()
    (16, 0x4204),  # PTRACE_GETREGSET
    (32, 0x202),  # NT_X86_XSTATE
)


def too_many_for(kernel: Path) -> bool:
    """Tell whether this machine's CPU has more registers than the kernel can keep."""
    if not _host_has_amx():
        return False
    try:
        with open(kernel, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            banner = _BANNER.search(image)
            return banner is not None and (int(banner[1]), int(banner[2])) < _ASKS_SINCE
    except (OSError, ValueError):
        return False  # whoever starts it says that it can't be read


@lru_cache(maxsize=1)
def _host_has_amx() -> bool:
    return re.search(r"^flags\b.*\bamx_tile\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE) is not None


def hider() -> Callable[[], None]:
    """Return what a new process calls before its program starts: the host then denies that it has such registers."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(_instructions()))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(code))

    def hide(code: object = code) -> None:
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
            _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0
        ):
            raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")

    return hide


def _instructions() -> list[bytes]:
    """Return the filter: each word is loaded and compared, and the first that differs lets the call pass."""
    found = []
    for at, (offset, value) in enumerate(_REFUSED):
        to_the_end = 2 * (len(_REFUSED) - at) - 1
        found += [_instruction(_LOAD, 0, offset), _instruction(_JUMP_IF_EQUAL, to_the_end, value)]
    return [*found, _instruction(_RETURN, 0, _REFUSE), _instruction(_RETURN, 0, _ALLOW)]


def _instruction(code: int, skipped_if_not: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, 0, skipped_if_not, value)
