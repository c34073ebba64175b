"""What serves a kernel, without one: the calendar, the queues of its card, messages, names, the build."""

import mmap
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.agent import framing
from harness.targets.kernel import build, compiling, kernels, machine
from harness.targets.kernel.calendar import Calendar, CalendarError, Op
from harness.targets.kernel.vring import DESC_F_NEXT, Region, Vring
from harness.targets.protocol import UnusableTarget
from harness.wire import codec
from testcases.selftest.processes import processes_of

MESSAGE = struct.Struct("=IIQ")
PATH = codec.Path("198.51.100.2", "198.51.100.1")

# --- the calendar ----------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> tuple[Calendar, socket.socket]:
    ours, kernels_end = socket.socketpair()
    kernels_end.settimeout(60)
    return Calendar(ours), kernels_end


def say(clock: tuple[Calendar, socket.socket], op: Op, number: int, when: int = 0) -> tuple[int, int, int]:
    """Send a message as the kernel does and return the answer."""
    clock[1].sendall(MESSAGE.pack(op, number, when))
    clock[0].serve()
    op, number, when = MESSAGE.unpack(clock[1].recv(MESSAGE.size))
    return op, number, when


def test_a_kernel_that_nothing_can_start_is_refused_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    started = machine.Machine()
    with pytest.raises(UnusableTarget, match="setarch can't be started: No such file or directory"):
        started.start(Path("/k"), [])
    assert not started.folder.exists()


def test_every_message_is_acknowledged_with_its_number(clock: tuple[Calendar, socket.socket]) -> None:
    for number, op in enumerate((Op.START, Op.REQUEST, Op.UPDATE, Op.WAIT), 7):
        assert say(clock, op, number, 5) == (Op.ACK, number, 0)


def test_the_kernel_runs_at_exactly_the_time_that_it_asked_for_last(clock: tuple[Calendar, socket.socket]) -> None:
    calendar, kernels_end = clock
    say(clock, Op.REQUEST, 1, 9_000)
    assert not calendar.waiting
    say(clock, Op.WAIT, 2)
    assert calendar.due == 9_000
    say(clock, Op.REQUEST, 3, 4_000)  # an interrupt came meanwhile
    assert calendar.due == 4_000
    calendar.run()
    assert MESSAGE.unpack(kernels_end.recv(16))[::2] == (Op.RUN, 4_000)
    assert (calendar.now, calendar.waiting) == (4_000, False)
    assert say(clock, Op.GET, 4) == (Op.ACK, 4, 4_000)


def test_a_kernel_that_does_not_wait_is_not_told_to_run(clock: tuple[Calendar, socket.socket]) -> None:
    with pytest.raises(CalendarError, match="not waiting"):
        clock[0].run()


def test_the_end_of_the_connection_is_the_end_of_the_kernel(clock: tuple[Calendar, socket.socket]) -> None:
    clock[1].close()
    with pytest.raises(CalendarError, match="has ended"):
        clock[0].serve()


def test_an_operation_of_a_later_version_is_refused(clock: tuple[Calendar, socket.socket]) -> None:
    clock[1].sendall(MESSAGE.pack(42, 1, 0))
    with pytest.raises(CalendarError, match="unknown operation 42"):
        clock[0].serve()


# --- the queues ------------------------------------------------------------------------------------------------------

BASE = 0x60000000
TABLE, AVAILABLE, USED, BUFFERS = 0, 0x400, 0x500, 0x1000


@pytest.fixture
def memory() -> Region:
    return Region(BASE, 0x4000, 0, mmap.mmap(-1, 0x4000))


def ring_of(region: Region, buffers: list[list[int]], size: int = 4) -> Vring:
    """Return a queue in which the guest offers chains of buffers of these lengths."""
    ring = Vring()
    ring.size = size
    ring.descriptors, ring.available, ring.used = BASE + TABLE, BASE + AVAILABLE, BASE + USED
    index, at = 0, BUFFERS
    for slot, chain in enumerate(buffers):
        struct.pack_into("<H", region.memory, AVAILABLE + 4 + 2 * slot, index)
        for place, length in enumerate(chain):
            more = place + 1 < len(chain)
            flags = DESC_F_NEXT if more else 0
            struct.pack_into("<QIHH", region.memory, TABLE + 16 * index, BASE + at, length, flags, index + more)
            index, at = index + 1, at + length
    struct.pack_into("<H", region.memory, AVAILABLE + 2, len(buffers))
    return ring


def test_a_frame_is_spread_over_the_buffers_of_a_chain(memory: Region) -> None:
    ring = ring_of(memory, [[5, 20]])
    assert ring.put([memory], b"header|payload")
    assert memory.memory[BUFFERS : BUFFERS + 14] == b"header|payload"
    assert struct.unpack_from("<HII", memory.memory, USED + 2)[0] == 1
    assert struct.unpack_from("<II", memory.memory, USED + 4) == (0, 14)


def test_what_the_guest_sends_is_read_in_order_and_given_back(memory: Region) -> None:
    ring = ring_of(memory, [[3], [2, 2]])
    memory.memory[BUFFERS : BUFFERS + 7] = b"abcdefg"
    assert [ring.get([memory]), ring.get([memory]), ring.get([memory])] == [b"abc", b"defg", None]
    assert struct.unpack_from("<H", memory.memory, USED + 2)[0] == 2


def test_without_a_buffer_nothing_is_written(memory: Region) -> None:
    assert not ring_of(memory, []).put([memory], b"frame")


def test_an_address_outside_the_guest_is_refused(memory: Region) -> None:
    ring = ring_of(memory, [[3]])
    struct.pack_into("<Q", memory.memory, TABLE, 0x1234)
    with pytest.raises(ValueError, match="0x1234"):
        ring.get([memory])


# --- messages of the agent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, framing.PART, framing.PART + 1, 5 * framing.PART])
def test_a_message_survives_being_cut_into_frames(size: int) -> None:
    message = bytes(number % 251 for number in range(size))
    parts = framing.parts(77, message)
    assert all(len(part) <= framing.PART + framing.PART_HEADER.size for part in parts)
    joiner = framing.Joiner()
    assert [joiner.add(part) for part in parts] == [None] * (len(parts) - 1) + [(77, message)]


# --- names and building ----------------------------------------------------------------------------------------------


def kept(cache: Path, folder: str, release: str, age_s: float = 0) -> Path:
    """Put a kernel into a cache, as a build does."""
    place = cache / folder
    place.mkdir(parents=True)
    program = place / kernels.PROGRAM
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    stamp = time.time() - age_s
    os.utime(program, (stamp, stamp))
    kernels.Built(release, "somewhere", "0" * 64).write(place)
    return program


def test_a_version_names_the_latest_build_of_it(tmp_path: Path) -> None:
    kept(tmp_path, "a", "6.1.100", age_s=100)
    latest = kept(tmp_path, "b", "6.1.101")
    other = kept(tmp_path, "c", "6.12.5")
    kept(tmp_path, f"{kernels.TREE}d", "6.1.101")
    assert kernels.resolve("6.1", tmp_path) == latest
    assert kernels.resolve("6.12", tmp_path) == other
    assert kernels.resolve("6.1.100", tmp_path) == tmp_path / "a" / kernels.PROGRAM


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "needs a kernel"),
        ("6.2", r"no kernel '6.2' here \(built: 6.1.100\)"),
        ("/nowhere/linux", "no kernel /nowhere/linux"),
        ("/etc/passwd", "is not a program"),
    ],
)
def test_a_kernel_that_is_not_there_is_one_clear_message(tmp_path: Path, name: str, message: str) -> None:
    kept(tmp_path, "a", "6.1.100")
    with pytest.raises(UnusableTarget, match=message) as refusal:
        kernels.resolve(name, tmp_path)
    assert refusal.value.hint


def test_a_damaged_record_in_the_cache_hides_only_itself(tmp_path: Path) -> None:
    program = kept(tmp_path, "a", "6.1.100")
    broken = kept(tmp_path, "b", "6.1.101")
    (broken.parent / kernels.RECORD).write_text("{")
    assert kernels.resolve("6.1", tmp_path) == program


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    (tmp_path / "linux-source-6.1.tar.xz").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "which", lambda program, **_options: None if program in ("flex", "bc") else program)
    with pytest.raises(UnusableTarget) as refusal:
        build.build_version("6.1", lambda _text: None)
    assert refusal.value.hint == "apt-get install flex bc"


def test_a_tree_that_can_not_be_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableTarget, match="not a kernel's source tree"):
        build.build_tree(tmp_path, lambda _text: None)
    for name in build.OF_A_TREE:
        with pytest.raises(UnusableTarget, match="not a kernel's source tree"):
            build.build_tree(tmp_path, lambda _text: None)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".config").touch()
    with pytest.raises(UnusableTarget, match="built in place") as refusal:
        build.build_tree(tmp_path, lambda _text: None)
    assert "mrproper" in refusal.value.hint


def test_a_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "linux-source-6.1.tar.xz").write_bytes(b"no archive")
    with pytest.raises(UnusableTarget, match=r"tar .* failed:"):
        build.build_version("6.1", lambda _text: None)
    assert not list((tmp_path / "cache" / "tcpspec" / "kernels").iterdir())


def test_a_build_removes_what_a_killed_one_left_and_nothing_that_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "linux-source-6.1.tar.xz").write_bytes(b"no archive")
    with subprocess.Popen(["true"]) as over:
        over.wait()
    program = kept(build.kernels_folder(), "6.1-abc", "6.1.1")
    (left, running) = (build.kernels_folder() / f"work-6.12-{pid}" for pid in (over.pid, os.getppid()))
    for folder in (left, running):
        (folder / "source").mkdir(parents=True)
    with pytest.raises(UnusableTarget, match=r"tar .* failed:"):
        build.build_version("6.1", lambda _text: None)
    assert not left.exists()
    assert running.exists()
    assert program.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_broken_off_leaves_neither_processes_nor_files(tmp_path: Path, number: int) -> None:
    (tmp_path / "linux-source-6.1.tar.xz").touch()
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("tar", "xz", *compiling.TOOLS):
        (tools / tool).write_text("#!/bin/sh\necho $$ > $PIDFILE\nexec sleep 300\n")
        (tools / tool).chmod(0o755)
    script = (
        "from pathlib import Path; from harness.targets.kernel import build;"
        f"build.SOURCES = Path({str(tmp_path)!r}); build.FREE_GB = 0; build.main(['6.1'])"
    )
    started = tmp_path / "pid"
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PIDFILE": str(started),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL) as building:
        deadline = time.monotonic() + 60
        while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        building.send_signal(number)
        assert building.wait(60) != 0
    assert not processes_of(int(started.read_text()))
    assert not list((tmp_path / "cache" / "tcpspec" / "kernels").iterdir())


CONSOLE = """\
[    0.010000] random: crng init done
<4>[   12.345678] ------------[ cut here ]------------
[   12.345678] WARNING: CPU: 0 PID: 17 at net/ipv4/tcp_input.c:6551 tcp_rcv_state_process+0x1f/0x2e0
[   12.345680] CPU: 0 UID: 0 PID: 17 Comm: init Not tainted 6.12.43
[   12.345690]  [<60123456>] ? show_stack+0x10/0x20
[   13.000000] refcount_t: underflow; use-after-free.
WARNING: possible circular locking dependency detected
BUG: KASAN: slab-use-after-free in tcp_ack+0x12/0x345
Read of size 8 at addr 0000000060abcdef by task init/1
UBSAN: shift-out-of-bounds in net/ipv4/tcp_output.c:266:13
INFO: task init:1 blocked for more than 122 seconds.
INFO: lockdep is turned off.
"""


def test_warnings_are_told_from_the_rest_of_a_console_by_lines_that_do_not_vary() -> None:
    found = [text.splitlines() for text in machine.warnings_in(CONSOLE)]
    assert [lines[0] for lines in found] == [
        "WARNING: at net/ipv4/tcp_input.c:6551 tcp_rcv_state_process",
        "refcount_t: underflow; use-after-free.",
        "WARNING: possible circular locking dependency detected",
        "BUG: KASAN: slab-use-after-free in tcp_ack",
        "UBSAN: shift-out-of-bounds in net/ipv4/tcp_output.c:266:13",
        "INFO: task init:1 blocked for more than 122 seconds.",
    ]
    assert any("show_stack" in line for line in found[0])
    assert machine.warnings_in("random: crng init done\nWarning: unable to open an initial console\n") == []


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("make[3]: *** No rule to make target 'drivers/scsi/scsi_common.o'.  Stop.", ""),
        ("scripts/Makefile.clang:19: *** unknown target triple.  Stop.", "--llvm"),
        ("net/ipv4/tcp.c:7:1: error: code model kernel does not support PIC mode", "-no-pie"),
        ("***  is not clean, please run 'make ARCH=um mrproper'", "make mrproper"),
        ("gelf.h: fatal error: no such file", "libelf-dev"),
    ],
)
def test_why_a_build_failed_is_told_though_a_parallel_make_buries_it(said: str, hint: str) -> None:
    script = f"echo {shlex.quote(said)}; seq 100; exit 2"
    with pytest.raises(UnusableTarget) as refusal:
        compiling.run(["sh", "-c", script], lambda _text: None)
    complaint = str(refusal.value).splitlines()
    assert complaint[0].endswith("failed:")
    assert complaint[1] == said
    assert hint in refusal.value.hint
    assert bool(hint) == bool(refusal.value.hint)


def test_a_tree_that_mounts_nothing_without_block_devices_gets_them(tmp_path: Path) -> None:
    assert compiling.old_trees_need(tmp_path) == []
    mounting = tmp_path / "init" / "do_mounts.c"
    mounting.parent.mkdir()
    mounting.write_text("static int __init mount_nodev_root(void)\n")
    assert compiling.old_trees_need(tmp_path) == []
    mounting.write_text("void __init mount_root(void)\n")
    assert "CONFIG_BLOCK=y" in compiling.old_trees_need(tmp_path)
    assert "# CONFIG_BLK_DEV_BSG is not set" in compiling.old_trees_need(tmp_path), "it needs sources of SCSI"
