"""A distribution's kernel in an emulator: what it boots from, and what is refused."""

import lzma
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cache import folder
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.targets import registry
from harness.targets.emulated import initramfs, machine, packages
from harness.targets.emulated.target import EmulatedTarget
from harness.targets.protocol import Capability, Target, TargetError, UnusableTarget
from harness.wire import codec

ROOT = Path(__file__).parents[3]
#: A harness that has started an emulator and goes on.
BOOTED = """
import time
from pathlib import Path
from harness.targets.emulated import machine, packages
wire = machine.EmulatedWire(packages.Image("linux-image-6.1", Path("/k"), ()))
wire.machine.booted()
time.sleep(60)
"""
#: What is started behind the emulator is the guard.
KILLED_EARLY = """
import os, signal, subprocess
emulators = []
class Popen(subprocess.Popen):
    def __init__(self, words, **options):
        if emulators:
            os.write(1, b"%d" % emulators[0].pid)
            os.kill(os.getpid(), signal.SIGKILL)
        super().__init__(words, **options)
        emulators.extend([self] * any("qemu-system" in word for word in words))
subprocess.Popen = Popen
"""
TO = codec.Path("198.51.100.2", "198.51.100.1")
CACHED = sorted((folder() / "kernel-packages").glob("*/vmlinuz"))


def names(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Read an archive of cpio's "newc" format."""
    at = 0
    while archive[at : at + 6] == b"070701":
        fields = [int(archive[at + 6 + 8 * k : at + 14 + 8 * k], 16) for k in range(13)]
        size, length = fields[6], fields[11]
        name = archive[at + 110 : at + 109 + length].decode()
        begin = at + (110 + length + 3) // 4 * 4
        yield name, archive[begin : begin + size]
        at = begin + (size + 3) // 4 * 4


def test_the_guest_boots_into_the_agent_with_the_python_of_this_machine(tmp_path: Path) -> None:
    module = tmp_path / "07-virtio_net.ko"
    module.write_bytes(b"module")
    files = dict(names(initramfs.build([module])))
    python = files["init"].split()[0].removeprefix(b"#!").decode()
    assert files[python.lstrip("/")][:4] == b"\x7fELF"
    assert any(name.endswith("harness/agent/guest.py") for name in files)
    assert any("libc.so" in name for name in files)
    assert files["modules/07-virtio_net.ko"] == b"module"
    assert list(names(initramfs.build([module])))[-1][0] == "TRAILER!!!"


def test_a_package_without_content_stands_for_the_one_that_it_depends_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = "Package: linux-image-6.12-amd64\nDepends: linux-image-6.12.9+deb12-amd64 (= 6.12.9-1)\n"
    done = subprocess.CompletedProcess([], 0, shown, "")
    monkeypatch.setattr(packages.subprocess, "run", lambda *_words, **_options: done)
    place = tmp_path / "linux-image-6.12.9+deb12-amd64"
    place.mkdir()
    for name in ("vmlinuz", "08-virtio_net.ko", "00-virtio.ko"):
        (place / name).touch()
    image = packages.resolve("linux-image-6.12-amd64", tmp_path)
    assert image.package == place.name
    assert [path.name for path in image.modules] == ["00-virtio.ko", "08-virtio_net.ko"]


def test_a_package_that_was_fetched_is_there_though_apt_has_forgotten_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "linux-image-6.1.0-9-amd64").mkdir()
    (tmp_path / "linux-image-6.1.0-9-amd64" / "vmlinuz").touch()
    done = subprocess.CompletedProcess([], 100, "", "E: No packages found")
    monkeypatch.setattr(packages.subprocess, "run", lambda *_words, **_options: done)
    assert packages.resolve("linux-image-6.1.0-9-amd64", tmp_path).kernel.is_file()


def test_modules_come_behind_what_they_need_whatever_the_release(tmp_path: Path) -> None:
    (tmp_path / "drivers").mkdir()
    for name, needs in {"net-card": "bus,ring", "bus": "ring", "ring": "", "another": ""}.items():
        (tmp_path / "drivers" / f"{name}.ko").write_bytes(b"\0license=GPL\0depends=" + needs.encode() + b"\0more")
    (tmp_path / "diag.ko.xz").write_bytes(lzma.compress(b"\0depends=built-in,net-card\0"))
    found = packages.with_needs(("net_card", "diag", "built_in"), tmp_path)
    assert list(found) == ["ring", "bus", "net_card", "diag"]
    assert found["diag"] == b"\0depends=built-in,net-card\0"


def test_the_card_is_a_pair_of_sockets_and_no_privilege_is_asked_for() -> None:
    image = packages.Image("linux-image-6.1", Path("/k"), ())
    text = " ".join(machine.arguments(image, "/i", 7))
    assert "dgram,id=n0,local.type=fd,local.str=7" in text
    assert "accel=tcg" in text
    assert "-smp 1" in text


@pytest.mark.parametrize("cpus", ["0", "65", "two", "-1", ""])
def test_what_is_no_number_of_processors_is_refused(cpus: str) -> None:
    with pytest.raises(UnusableTarget, match=f"cpus={cpus} is not a number from 1 to 64"):
        registry.open_target(registry.parse(f"qemu:linux-image-6.1,cpus={cpus}"), registry.Settings())


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "needs the name of a kernel's package"),
        ("vmlinuz", "not 'vmlinuz'"),
        ("linux-image-*", r"not 'linux-image-\*'"),
        ("linux-image-6.1/../x", "not 'linux-image-6.1/../x'"),
    ],
)
def test_what_is_no_package_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(UnusableTarget, match=complaint):
        registry.open_target(registry.parse(f"qemu:{name}"), registry.Settings())


def test_a_package_that_apt_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = subprocess.CompletedProcess([], 100, "", "E: No packages found")
    monkeypatch.setattr(packages.subprocess, "run", lambda *_words, **_options: done)
    with pytest.raises(UnusableTarget, match="apt knows no package 'linux-image-0'"):
        packages.resolve("linux-image-0", tmp_path)


def test_without_an_emulator_the_package_that_has_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnusableTarget) as refused:
        machine.EmulatedWire(packages.Image("linux-image-6.1", Path("/k"), ()))
    assert "qemu-system-x86" in str(refused.value)


def test_a_harness_that_is_killed_takes_its_emulator_and_all_its_processes_along(tmp_path: Path) -> None:
    program, started = tmp_path / machine.PROGRAM, tmp_path / "started"
    program.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {started}.new; mv {started}.new {started}; wait\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    harness = subprocess.Popen([sys.executable, "-c", BOOTED], env=environment)
    try:
        assert _soon(started.exists)
    finally:
        harness.kill()
        harness.wait()
    emulator = int(started.read_text())
    words = Path("/proc", str(emulator), "cmdline")
    ended = _soon(lambda: not (words.exists() and words.read_bytes()))  # a zombie has no words
    if not ended:
        os.kill(emulator, signal.SIGKILL)
    assert ended


def test_a_harness_that_is_killed_before_the_guard_is_there_leaves_nothing(tmp_path: Path) -> None:
    """What is started waits for its guard."""
    program, started = tmp_path / machine.PROGRAM, tmp_path / "started"
    program.write_text(f"#!/bin/sh\ntouch {started}\nsleep 60\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    harness = subprocess.Popen([sys.executable, "-c", KILLED_EARLY + BOOTED], env=environment, stdout=subprocess.PIPE)
    told, _nothing = harness.communicate(timeout=60)
    assert harness.returncode == -signal.SIGKILL
    waiting = Path("/proc", told.decode(), "cmdline")
    assert _soon(lambda: not (waiting.exists() and waiting.read_bytes()))
    assert not started.exists()


def _soon(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


@pytest.mark.slow
@pytest.mark.skipif(not CACHED or not shutil.which(machine.PROGRAM), reason="needs QEMU and a kernel in the cache")
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_kernel_as_a_distribution_ships_it_answers_a_handshake(cpus: int) -> None:
    spec = registry.parse(f"qemu:{CACHED[0].parent.name},cpus={cpus}")
    target = registry.open_target(spec, registry.Settings())
    try:
        assert target.facts.version in spec.ident
        assert target.facts.details["processors"] == str(cpus)
        assert Capability.STATES in target.capabilities
        listener = target.socket(4)
        listener.listen("198.51.100.1", 80, 16)
        syn = Segment(SYN, 100, 0, 8000, source_port=60000, destination_port=80)
        arrivals = target.exchange([codec.encode(TO, syn)])
        answer = next(codec.decode(each.packet) for each in arrivals if codec.is_tcp(each.packet))
        assert answer.checksums_ok
        assert (answer.segment.flags, answer.segment.ack) == (SYN | ACK, 101)
        target.forget_connections()
        assert not [each for each in target.waiting() if codec.is_tcp(each.packet)]
    finally:
        target.close()


@pytest.mark.slow
@pytest.mark.skipif(not CACHED or not shutil.which(machine.PROGRAM), reason="needs QEMU and a kernel in the cache")
def test_a_kernel_that_has_crashed_goes_on_from_where_it_was_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    target = registry.open_target(registry.parse(f"qemu:{CACHED[0].parent.name},cpus=2"), registry.Settings())
    try:
        before = target.clock.now_ns()
        target.socket(4).listen("198.51.100.1", 80, 16)
        assert isinstance(target, EmulatedTarget)
        target._wire.machine.kill()
        with pytest.raises(TargetError):
            target.exchange([codec.encode(TO, Segment(SYN, 100, source_port=60000, destination_port=80))])
        monkeypatch.setattr(initramfs, "build", None)  # what it would boot from
        target.forget_connections()
        assert target.clock.now_ns() > before
        answer = _answer(target, 60001)
        assert answer.flags == RST | ACK  # nobody listens any more
        target.socket(4).listen("198.51.100.1", 80, 16)
        assert _answer(target, 60002).flags == SYN | ACK
    finally:
        target.close()


def _answer(target: Target, port: int) -> Segment:
    syn = Segment(SYN, 100, 0, 8000, source_port=port, destination_port=80)
    arrivals = target.exchange([codec.encode(TO, syn)])
    return next(codec.decode(each.packet).segment for each in arrivals if codec.is_tcp(each.packet))
