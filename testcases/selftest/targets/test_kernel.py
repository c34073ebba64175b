"""Kernels as processes, where they are: time, panics and hangs, settings, and what is left of them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.agent import framing
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import Ending, run
from harness.case.target_side import TargetSide
from harness.case.violation import Code, Level
from harness.case.walks import Walk
from harness.observe.snapshot import FourTuple
from harness.spec.segment import ACK, SYN, Segment
from harness.spec.states import CLOSED, ESTABLISHED
from harness.targets.kernel import build, kernels, machine, simulated
from harness.targets.kernel.target import KernelTarget
from harness.targets.namespace import pins
from harness.targets.protocol import Capability, TargetDied, TargetError, UnusableTarget
from harness.trace.events import Kind
from harness.wire import codec
from testcases.selftest.processes import gone

PATH = codec.Path("198.51.100.2", "198.51.100.1")


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
    frame = b"\x02\xfe\0\0\0\1\x02\xfe\0\0\0\2" + framing.ETHERTYPE.to_bytes(2, "big")

    def end_the_agent() -> None:  # which is init, and init must not end
        booted._wire.send_frame(frame + framing.parts(5, b"no JSON")[0])
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


def test_a_warning_on_the_console_is_a_finding_of_the_case_it_came_in_and_of_no_other(booted: KernelTarget) -> None:
    rig = Rig(booted, guarded=False)

    def warn(_target: TargetSide, _peer: PeerSide) -> None:
        console = booted._wire.machine._console.fileno()
        os.write(console, b"[    1.5] WARNING: CPU: 0 PID: 9 at net/ipv4/tcp.c:7 tcp_close+0x1/0x2\nCall Trace:\n")

    outcome = run(rig.begin(4, name="warns"), Walk(ESTABLISHED, "passive"), warn)
    (finding,) = outcome.findings
    assert (outcome.ending, finding.code, finding.level) == (Ending.VIOLATION, Code.WARNED, Level.MUST)
    assert finding.observed == "WARNING: at net/ipv4/tcp.c:7 tcp_close"
    assert outcome.conversation is not None
    assert "Call Trace:" in [event.text for event in outcome.conversation.events if event.kind is Kind.NOTE]
    outcome = run(rig.begin(4, name="is quiet"), Walk(ESTABLISHED, "passive"), lambda _target, _peer: None)
    assert (outcome.ending, outcome.findings) == (Ending.COMPLETED, [])


def test_what_a_kernel_warns_of_while_it_boots_is_no_case_s(booted: KernelTarget) -> None:
    machine = booted._wire.machine
    os.write(machine._console.fileno(), b"WARNING: CPU: 0 PID: 1 at crypto/api.c:170 crypto_wait_for_test+0x1/0x2\n")
    machine.booted()
    assert machine.warnings() == []


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


def test_an_old_kernel_forgets_a_limit_of_challenges_with_its_second(
    booted: KernelTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passed_s() -> float:
        before_ns = booted.clock.now_ns()
        with booted.setting(pins.CHALLENGE_LIMIT, "1"):
            pass
        return (booted.clock.now_ns() - before_ns) / 1e9

    monkeypatch.setitem(booted._made, "release", "6.12.9")
    assert passed_s() < 0.5
    monkeypatch.setitem(booted._made, "release", "5.10.46")
    assert passed_s() >= 1


def test_what_comes_while_a_limit_is_sat_out_is_kept(booted: KernelTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(booted._made, "release", "5.10.46")
    booted.socket(4).listen("198.51.100.1", 80, 16)
    syn = Segment(SYN, 100, 0, 8000, source_port=60000, destination_port=80)
    assert booted.exchange([codec.encode(codec.Path("198.51.100.2", "198.51.100.1"), syn)])
    with booted.setting(pins.CHALLENGE_LIMIT, "1"):
        booted.clock.wait(10)  # ends with the SYN,ACK sent again, which nobody has asked for yet
    assert codec.decode(booted.waiting()[0].packet).segment.flags == SYN | ACK
    booted.forget_connections()


def test_nothing_is_left_of_a_kernel_whose_harness_was_killed() -> None:
    kernel = simulated_kernel()
    script = (
        "import sys, time; from pathlib import Path; from harness.targets.kernel.target import KernelTarget;"
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
