"""A CPU with more registers than an older kernel can keep."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from harness.targets.kernel import registers

PTRACE_GETREGSET, PTRACE_SETREGSET, NT_X86_XSTATE, NT_PRSTATUS = 0x4204, 0x4205, 0x202, 1
#: Asks for the registers of a process that is not traced, which is ESRCH where the question itself is not refused.
ASKS = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace(ctypes.c_long(int(sys.argv[1])), 1, ctypes.c_void_p(int(sys.argv[2])), None)
sys.exit(ctypes.get_errno())
"""


@pytest.mark.parametrize(
    ("request_", "kind", "answer"),
    [
        (PTRACE_GETREGSET, NT_X86_XSTATE, errno.ENODEV),
        (PTRACE_GETREGSET, NT_PRSTATUS, errno.ESRCH),
        (PTRACE_SETREGSET, NT_X86_XSTATE, errno.ESRCH),
    ],
)
def test_only_the_question_for_the_registers_with_extensions_is_refused(request_: int, kind: int, answer: int) -> None:
    command = [sys.executable, "-c", ASKS, str(request_), str(kind)]
    assert subprocess.run(command, check=False).returncode == errno.ESRCH
    assert subprocess.run(command, check=False, preexec_fn=registers.hider()).returncode == answer


@pytest.mark.parametrize(
    ("banner", "amx", "too_many"),
    [
        (b"Linux version 6.1.176 (user@host)", True, True),
        (b"Linux version 5.10.46", True, True),
        (b"Linux version 6.12.118-debug", True, True),
        (b"Linux version 6.13.0-rc1", True, False),
        (b"Linux version 7.3.4", True, False),
        (b"Linux version 6.1.176", False, False),
        (b"Linux version %s", True, False),
        (b"", True, False),
    ],
)
def test_kernels_before_6_13_have_no_room_for_those_of_amx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, banner: bytes, amx: bool, too_many: bool
) -> None:
    monkeypatch.setattr(registers, "_host_has_amx", lambda: amx)
    kernel = tmp_path / "linux"
    kernel.write_bytes(banner and b"\x7fELF" + banner + b"\n\0")
    assert registers.too_many_for(kernel) is too_many
    assert registers.too_many_for(tmp_path / "none") is False
