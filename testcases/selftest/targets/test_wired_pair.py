"""An emulator with a command line of the user's: its card is one end of a pair of sockets, and no device is needed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cache import folder
from harness.targets import registry
from harness.targets.emulated import packages
from harness.targets.protocol import Capability, Target, UnusableTarget
from harness.targets.wired import helper, options, placing
from testcases.selftest import guest

ROOT = Path(__file__).parents[3]
PAIR = f"{sys.executable} -m testcases.selftest.wired_pair"
KERNELS = sorted((folder() / "kernel-packages").glob("*cloud*/vmlinuz"))


def opened(text: str) -> Target:
    return registry.open_target(registry.parse(text), registry.Settings())


def run(*arguments: str, where: Path) -> str:
    command = [sys.executable, "-m", "harness", "run", "--results", str(where), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=500)
    return done.stdout + done.stderr


def verdicts(where: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (where / "results.jsonl").read_text().splitlines()]
    return {line["id"]: line["verdict"] for line in lines if line["kind"] == "case"}


@pytest.mark.parametrize("command", ["dgram {fd}", "stream {stream}"])
def test_a_machine_behind_a_pair_of_sockets_gives_the_verdicts_of_linux(command: str, tmp_path: Path) -> None:
    chosen = ("--grid", "off", "--explore", "off", "--ip", "4")
    chosen += ("--case", "passive-close/*", "--case", "passive-open/three-way*")
    said = run("--target", f"qemu:{PAIR} {command},app=echo,start=10", *chosen, where=tmp_path / "pair")
    run(*chosen, where=tmp_path / "linux")
    seen, due = verdicts(tmp_path / "pair"), verdicts(tmp_path / "linux")
    broken = {case for case, verdict in seen.items() if verdict not in ("conforms", "unobserved", "not applicable")}
    assert {due[case] for case in broken} <= {"known deviation", "deviates"}, said
    assert sum(verdict in ("conforms", "unobserved") for verdict in seen.values()) >= 20, said


def test_a_channel_is_listened_to_once_the_machine_has_booted() -> None:
    target = opened(f"qemu:{PAIR} dgram {{fd}} {{lines}},app=agent,start=10")
    try:
        assert Capability.STATES in target.capabilities
        assert target.facts.implementation == "linux"
        target.forget_connections()
    finally:
        target.close()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("qemu:qemu-system-x86_64 -kernel k", "says nowhere where its card is to be"),
        ("qemu:qemu-system-x86_64 {net} -netdev stream,id=n1,addr.type=fd,addr.str={stream}", "asks for two wires"),
        ("qemu:qemu-system-x86_64 -netdev x{net}", "{net} is a word of its own"),
        ("qemu:qemu-system-x86_64 {net} {serial}", "are where the lines go"),
        ("qemu:qemu-system-x86_64 {net} {port},app=lines:/tmp/x", "are where the lines go"),
        ("qemu:./no-such-emulator {net}", "can't be started"),
        ("qemu:false {net}", "ended with exit code 1"),
        ("qemu:sh -c 'sleep 60' {net},start=1", "answers no ARP for 198.51.100.1 within 1 s"),
        (f"qemu:{PAIR} dgram {{fd}} 0{{lines}},app=echo", "are where the lines go"),
        ("qemu:'unended {net}", "the command can't be read"),
    ],
)
def test_what_does_not_work_is_said_in_a_sentence(text: str, complaint: str) -> None:
    with pytest.raises(UnusableTarget) as refused:
        opened(text)
    assert complaint in str(refused.value)


def test_the_places_of_a_command_are_filled() -> None:
    command = options.read("qemu", "qemu-system-x86_64 {net} -netdev {netdev} {port}", {"app": "agent"}).command
    words = {name: list(parts) for name, parts in placing.words("02:fe:00:00:00:01").items()}
    filled = helper.filled(command, words, {"{fd}": "5", "{lines}": "6", "{control}": "7"})
    assert filled[1:3] == ["-netdev", "dgram,id=n0,local.type=fd,local.str=5"]
    assert "dgram,id=n0,local.type=fd,local.str=5" in filled[3:]
    assert "socket,id=lines,fd=6" in filled
    assert not [word for word in filled if "{" in word]


@pytest.mark.slow
@pytest.mark.skipif(not KERNELS or not shutil.which("qemu-system-x86_64"), reason="needs QEMU and a kernel")
@pytest.mark.parametrize(
    ("places", "device"),
    [
        ("{net} {serial}", "/dev/ttyS0"),
        ("-netdev {netdev} -device virtio-net-pci,netdev=n0,mac=02:fe:00:00:00:09,romfile= {port}", "/dev/vport1p1"),
    ],
)
def test_an_application_in_an_emulated_machine_is_told_by_lines(places: str, device: str, tmp_path: Path) -> None:
    modules = sorted(KERNELS[0].parent.glob("*.ko"))
    if "{port}" in places:
        modules += the_console_of(KERNELS[0].parent.name, tmp_path)
    archive = tmp_path / "root.cpio"
    archive.write_bytes(guest.archive(modules, device))
    machine = f"qemu-system-x86_64 -nodefaults -display none -m 384M -cpu max,la57=off -kernel {KERNELS[0]}"
    boot = f"-initrd {archive} -append 'console=none panic=-1 quiet' {places}"
    said = run(
        *("--target", f"qemu:{machine} {boot},app=agent", "--ip", "4"),
        *("--case", "passive-open/three-way*", "--case", "sanity/*"),
        where=tmp_path,
    )
    assert set(verdicts(tmp_path).values()) == {"conforms"}, said


def the_console_of(package: str, place: Path) -> list[Path]:
    """Return the module that drives virtio's ports, from a kernel's package."""
    done = subprocess.run(["apt-get", "download", "-q", package], cwd=place, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"apt has no {package} any more: {done.stderr.strip()}")
    (archive,) = place.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, place / "tree"], check=True)
    found = packages.with_needs(("virtio_console",), place / "tree")
    made = [place / f"90-{number}-{name}.ko" for number, name in enumerate(found)]
    for file, octets in zip(made, found.values(), strict=True):
        file.write_bytes(octets)
    return made
