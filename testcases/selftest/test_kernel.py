"""Kernels as processes: the calendar and the card against a small kernel of our own, and real ones where they are."""

import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.agent import guest
from harness.case.rig import Rig
from harness.case.runner import Ending, run
from harness.case.violation import Code, Level
from harness.case.walks import Walk
from harness.observe.snapshot import FourTuple
from harness.spec.segment import ACK, SYN, Segment
from harness.spec.states import CLOSED, ESTABLISHED
from harness.targets.kernel import KernelTarget
from harness.targets.protocol import Capability, TargetDied, TargetError, UnusableTarget
from harness.targets.um import build, kernels, machine, simulated
from harness.targets.um.calendar import Calendar, CalendarError, Op
from harness.targets.um.vring import DESC_F_NEXT, Region, Vring
from harness.trace.events import Kind
from harness.wire import codec

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


@pytest.mark.parametrize("size", [0, 1, guest.PART, guest.PART + 1, 5 * guest.PART])
def test_a_message_survives_being_cut_into_frames(size: int) -> None:
    message = bytes(number % 251 for number in range(size))
    parts = guest.parts(77, message)
    assert all(len(part) <= guest.PART + guest.PART_HEADER.size for part in parts)
    joiner = guest.Joiner()
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


def test_missing_sources_and_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    with pytest.raises(UnusableTarget, match=r"sources of 6.1 are not in .* \(there: none\)") as refusal:
        build.build_version("6.1", lambda _text: None)
    assert "linux-source-6.1" in refusal.value.hint
    (tmp_path / "linux-source-6.1.tar.xz").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "which", lambda program, **_options: None if program in ("flex", "bc") else program)
    with pytest.raises(UnusableTarget) as refusal:
        build.build_version("6.1", lambda _text: None)
    assert refusal.value.hint == "apt-get install flex bc"


def test_a_tree_that_can_not_be_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableTarget, match="not a kernel's source tree"):
        build.build_tree(tmp_path, lambda _text: None)
    (tmp_path / "arch" / "um").mkdir(parents=True)
    (tmp_path / "arch" / "um" / "Makefile").touch()
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
    for tool in ("tar", "xz", *build.TOOLS):
        (tools / tool).write_text("#!/bin/sh\necho $$ > $PIDFILE\nexec sleep 300\n")
        (tools / tool).chmod(0o755)
    script = (
        "from pathlib import Path; from harness.targets.um import build;"
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


# --- real kernels ----------------------------------------------------------------------------------------------------


def simulated_kernel() -> Path:
    """Return a kernel in simulated time; where none was built its tests are skipped."""
    built = kernels.all_built(build.kernels_folder())
    if built:
        return built[0][1]
    pytest.skip("no kernel in simulated time is built here: `tcpspec build kernel 6.12`")


def prebuilt_kernel() -> Path:
    """Return Debian's kernel in real time; where it is missing as above."""
    program = shutil.which("linux.uml")
    if program is not None:
        return Path(program)
    pytest.skip("the package user-mode-linux is not installed")


@pytest.fixture
def booted() -> Iterator[KernelTarget]:
    kernel = KernelTarget(simulated_kernel(), name="kernel:test")
    yield kernel
    kernel.close()


def syn(port: int, seq: int = 0) -> bytes:
    return codec.encode(PATH, Segment(SYN, seq=seq, source_port=60001, destination_port=port))


def test_a_connection_is_opened_in_simulated_time(booted: KernelTarget) -> None:
    assert Capability.VIRTUAL_TIME in booted.capabilities
    assert booted.facts.details["time"] == "simulated"
    listener = booted.socket(4)
    listener.listen("198.51.100.1", 1024, 5)
    (answer,) = [arrival for arrival in booted.exchange([syn(1024)]) if codec.is_tcp(arrival.packet)]
    segment = codec.decode(answer.packet).segment
    assert segment.flags == SYN | ACK
    ack = Segment(ACK, seq=1, ack=(segment.seq + 1) & 0xFFFFFFFF, source_port=60001, destination_port=1024, window=1000)
    assert not [arrival for arrival in booted.exchange([codec.encode(PATH, ack)]) if codec.is_tcp(arrival.packet)]
    tuple4 = FourTuple("198.51.100.1", 1024, "198.51.100.2", 60001)
    assert booted.snapshot(tuple4).state is ESTABLISHED
    evidence = booted.evidence(tuple4)
    assert evidence is not None
    assert "ESTAB" in evidence
    booted.forget_connections()
    assert booted.snapshot(tuple4).state is CLOSED


def test_minutes_pass_at_once_and_repeat_to_the_microsecond() -> None:
    def ladder() -> list[int]:
        target = KernelTarget(simulated_kernel(), name="kernel:test", timers=True)
        try:
            target.socket(4).connect(("198.51.100.1", 2000), ("198.51.100.2", 60002))
            (first,) = target.waiting()
            times = []
            while target.clock.now_ns() - first.time_ns < 200 * 10**9:
                target.clock.wait(10)
                sent = [arrival for arrival in target.waiting() if codec.is_tcp(arrival.packet)]
                times += [arrival.time_ns - first.time_ns for arrival in sent]
            return times
        finally:
            target.close()

    started = time.monotonic()
    times = ladder()
    assert time.monotonic() - started < 150, "200 simulated seconds: real ones would be seen"
    assert len(times) >= 5
    assert times == sorted(times)
    again = ladder()
    assert len(again) == len(times)
    # What the kernel does between two segments costs it some hundred nanoseconds, and it has random numbers.
    assert all(abs(one - other) < 1000 for one, other in zip(times, again, strict=True))


def test_a_panic_is_a_violation_with_the_console_and_the_next_case_has_a_fresh_kernel(booted: KernelTarget) -> None:
    before_ns = booted.clock.now_ns()
    frame = b"\x02\xfe\0\0\0\1\x02\xfe\0\0\0\2" + guest.ETHERTYPE.to_bytes(2, "big")

    def end_the_agent() -> None:  # which is init, and init must not end
        booted._wire.send_frame(frame + guest.parts(5, b"no JSON")[0])
        booted._wire.agent_frame()

    rig = Rig(booted, guarded=False)
    outcome = run(rig.begin(4, name="panics"), Walk(CLOSED), lambda _target, _peer: end_the_agent())
    (finding,) = outcome.findings
    assert (outcome.ending, finding.code, finding.level) == (Ending.VIOLATION, Code.DIED, Level.MUST)
    assert finding.observed.startswith("Kernel panic - not syncing: Attempted to kill init!")
    assert outcome.conversation is not None
    notes = [event.text for event in outcome.conversation.events if event.kind is Kind.NOTE]
    assert any("Call Trace" in note for note in notes), "the console is in the ladder"
    with pytest.raises(TargetDied):
        booted.exchange([syn(1024)])
    booted.clock.wait(1)
    booted.forget_connections()
    assert booted.clock.now_ns() >= before_ns
    (answer,) = [arrival for arrival in booted.exchange([syn(1024)]) if codec.is_tcp(arrival.packet)]
    assert codec.decode(answer.packet).segment.ack == 1


@pytest.mark.parametrize("prebuilt", [False, True], ids=["simulated", "real"])
def test_a_kernel_that_hangs_is_an_error_and_the_next_case_has_a_fresh_kernel(
    prebuilt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = KernelTarget(prebuilt_kernel() if prebuilt else simulated_kernel(), name="kernel:test")
    try:
        hanging = kernel._wire.machine.pid
        os.killpg(hanging, signal.SIGSTOP)
        with monkeypatch.context() as hasty:
            hasty.setattr(simulated, "HANG_LIMIT_S", 0.5)
            with pytest.raises(TargetError, match=r"the kernel failed: (no sign of life|no answer to the ARP probe)"):
                kernel.exchange([syn(1024)])
        assert gone(hanging)
        kernel.forget_connections()
        (answer,) = [arrival for arrival in kernel.exchange([syn(1024)]) if codec.is_tcp(arrival.packet)]
        assert codec.decode(answer.packet).segment.ack == 1
    finally:
        kernel.close()


def test_settings_of_the_user_apply_inside(booted: KernelTarget) -> None:
    own = KernelTarget(simulated_kernel(), name="kernel:test", sysctls={"tcp_sack": "0"})
    try:
        assert own.facts.sysctls["net.ipv4.tcp_sack"] == "0"
    finally:
        own.close()
    assert booted.facts.sysctls["net.ipv4.tcp_sack"] == "1"
    with pytest.raises(UnusableTarget, match=r"no sysctl net.ipv4.tcp_nonsense"):
        KernelTarget(simulated_kernel(), name="kernel:test", sysctls={"tcp_nonsense": "1"})


def test_nothing_is_left_of_a_kernel_whose_harness_was_killed() -> None:
    kernel = simulated_kernel()
    script = (
        "import sys, time; from pathlib import Path; from harness.targets.kernel import KernelTarget;"
        f"target = KernelTarget(Path({str(kernel)!r}), name='kernel:test');"
        "print(target._wire.machine.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        pid = int(harness.stdout.readline())
        assert Path("/proc", str(pid)).exists()
        harness.send_signal(signal.SIGKILL)
        killed = harness.pid
    assert gone(pid)
    assert not list(Path(tempfile.gettempdir()).glob(f"{machine.PREFIX}{killed}-*"))


def gone(session: int) -> bool:
    """Wait until no process of a session runs any more; those that were killed take a moment."""
    deadline = time.monotonic() + 60
    while processes_of(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_of(session)


def processes_of(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def test_a_program_that_is_no_kernel_is_refused_and_never_started(tmp_path: Path) -> None:
    program = tmp_path / "linux"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    with pytest.raises(UnusableTarget, match=r"linux is not a kernel built for ARCH=um") as refusal:
        KernelTarget(program, name="kernel:linux")
    assert "tcpspec build kernel" in refusal.value.hint
    assert not (tmp_path / "started").exists()


def test_a_folder_that_is_too_deep_for_sockets_is_one_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("deep" * 25)))
    with pytest.raises(UnusableTarget, match="too long a path") as refusal:
        machine.Machine()
    assert "TMPDIR" in refusal.value.hint


def test_the_prebuilt_kernel_runs_in_real_time() -> None:
    target = KernelTarget(prebuilt_kernel(), name="kernel:uml")
    try:
        assert Capability.VIRTUAL_TIME not in target.capabilities
        assert target.silence_proof.startswith(("fence (ARP)", "timed silence"))
        target.socket(4).listen("198.51.100.1", 1024, 5)
        (answer,) = [arrival for arrival in target.exchange([syn(1024)]) if codec.is_tcp(arrival.packet)]
        assert codec.decode(answer.packet).segment.flags == SYN | ACK
    finally:
        target.close()
