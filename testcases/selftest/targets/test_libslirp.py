"""libslirp behind our kit: its applications are real sockets, in a namespace of their own, and its time is virtual."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.case import ACK, EOF, FIN, SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.spec.states import ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LISTEN, TIME_WAIT
from harness.targets.adapter import check
from harness.targets.adapter.process import AdapterProcess, Command
from harness.targets.adapter.target import AdapterTarget
from harness.targets.building import drivers, library
from harness.targets.protocol import NotOffered, UnusableTarget
from testcases.selftest.joined import is_refused, run_as_declared

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def command() -> Command:
    """Return the adapter; where the library is not installed there is nothing to test."""
    try:
        return Command(drivers.command("libslirp"))
    except UnusableTarget as error:
        pytest.skip(f"libslirp is not tested: {error}")


class Kept:
    """Starts the adapter, and tells the number of the process."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self.pid = 0

    def start(self) -> AdapterProcess:
        """Start it."""
        process = self._command.start()
        self.pid = process.pid
        return process

    def close(self) -> None:
        """Nothing is kept."""


#: Holds back what goes over a loopback whose first packets have used up the burst: 66 octets take half a millisecond.
SLOW_QUEUE = "tc qdisc add dev lo root tbf rate 1mbit burst 2000 limit 1000000 mtu 70000"


def _open(command: Command, version: int = 4) -> tuple[TargetSide, PeerSide]:
    main = Rig(AdapterTarget(command, name="libslirp"), guarded=False).begin(version, name="selftest").main
    return TargetSide(main), PeerSide(main)


def test_without_the_library_one_message_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(UnusableTarget, match=r"stack can't be used: the system has no libnone\.so\.9\n.*libnone9"):
        library.find(library.Shared("libnone.so.9", "libnone9"), tmp_path / "stack")


def test_a_release_is_not_to_be_had(command: Command) -> None:
    with pytest.raises(UnusableTarget, match="libslirp 4 does not come with the tool"):
        drivers.command("libslirp", "4")


def test_the_adapter_passes_the_check(command: Command) -> None:
    lines: list[str] = []
    assert check.check(command, lines.append, limit_s=60), "\n".join(lines)


def test_its_applications_meet_nothing_of_the_machine(command: Command) -> None:
    process = command.start()
    try:
        process.write(memoryview(b"hello tcpspec-adapter 1\n"))
        assert process.wait(20)
        assert os.readlink(f"/proc/{process.pid}/ns/net") != os.readlink("/proc/self/ns/net")
    finally:
        process.close()


@pytest.mark.parametrize("version", [4, 6])
def test_a_connection_lives_in_virtual_time(command: Command, version: int) -> None:
    target, peer = _open(command, version)
    _live(target, peer)


def test_what_is_late_on_its_loopback_is_waited_for(command: Command) -> None:
    if not (shutil.which("tc") and shutil.which("nsenter")):
        pytest.skip("needs tc and nsenter")
    launcher = Kept(command)
    rig = Rig(AdapterTarget(launcher, name="libslirp"), guarded=False)
    inside = ["nsenter", f"--target={launcher.pid}", "--net"]
    inside += ["--user", "--preserve-credentials"] if os.geteuid() else []
    if subprocess.run([*inside, *SLOW_QUEUE.split()], capture_output=True, check=False).returncode:
        pytest.skip("the kernel has no tbf")
    for _connection in range(10):
        main = rig.begin(4, name="selftest").main
        _live(TargetSide(main), PeerSide(main))
        rig.discard()


def _live(target: TargetSide, peer: PeerSide) -> None:
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.accept_must_block()
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()
    target.send(b"x" * 1000)
    target.must_send(ACK, seq=1, ack=1, data=b"x" * 1000)
    peer.send(ACK, ack=1001)
    target.shutdown()
    target.must_send(FIN | ACK, seq=1001, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, b"late", ack=1002)
    target.must_send(ACK, seq=1002, ack=5)
    target.must_be(FIN_WAIT_2)
    target.must_deliver(b"late")
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1002, ack=6)
    target.must_deliver(EOF)
    target.wait(9.4)
    target.must_be(TIME_WAIT)
    target.wait(0.7)
    target.must_be(LISTEN)


def test_an_active_open_comes_from_the_port_that_was_asked_for(command: Command) -> None:
    target, peer = _open(command)
    is_refused(target, peer)  # a reset is told as the end of the stream: declared


def test_an_abort_that_it_does_not_hear_is_not_offered(command: Command) -> None:
    target, peer = _open(command)
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=1)
    with pytest.raises(NotOffered, match=r"abort\(\): the stack does not hear"):
        target.abort()


def test_the_kit_keeps_the_handle_of_an_abort_that_is_refused(command: Command) -> None:
    words = subprocess.run(
        command.arguments,
        input="hello tcpspec-adapter 1\naddress 198.51.100.1/24\nconnect 198.51.100.1 9 198.51.100.2 9\n"
        "abort 1\nerror 1\nclose 1\nerror 1\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.splitlines()
    answers = [" ".join(line.split()[:2]) for line in words if not line.startswith("out ")]
    assert answers[-4:] == ["err ENOSYS", "ok 0", "ok", "err EBADF"]


@pytest.mark.slow
def test_cases_come_out_as_declared(command: Command, tmp_path: Path) -> None:
    chosen = ["sanity/*", "active-open/*", "half-close/*", "isolation/*"]
    run_as_declared("libslirp", tmp_path, chosen, "--ip=4")
