"""A machine of a user's own command line boots once, where its memory as it was fits its disks."""

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.cache import folder
from harness.targets import registry
from harness.targets.emulated import monitor
from harness.targets.protocol import UnusableTarget
from harness.targets.wired import helper, options, placing
from harness.targets.wired.keeping import GOES_ON, MachineKeeper
from testcases.selftest import guest

KERNELS = sorted((folder() / "kernel-packages").glob("*cloud*/vmlinuz"))
NO_DISKS: list[dict[str, Any]] = [
    {"device": "cd0"},
    {"device": "d0", "inserted": {"ro": True}},
]
DISKS = [*NO_DISKS, {"device": "", "qdev": "/machine/vda", "inserted": {"ro": False, "node-name": "n1"}}]


def emulator(blocks: list[dict[str, Any]], refused: Mapping[str, str]) -> socket.socket:
    """Return the monitor of an emulator that has these disks, and writes a word for its memory."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            theirs.sendall(b'{"QMP": {}}\n')
            given = -1
            while True:
                message, descriptors, _flags, _address = socket.recv_fds(theirs, 65536, 1)
                if not message:
                    return
                command = json.loads(message)["execute"]
                given = descriptors[0] if descriptors else given
                if command == "migrate":
                    os.write(given, b"memory")
                answer: Any = {"query-block": blocks, "query-migrate": {"status": "completed"}}.get(command, {})
                if command == "query-status":
                    answer = {"status": "paused"}
                said = {"error": {"desc": refused[command]}} if command in refused else {"return": answer}
                theirs.sendall(json.dumps(said).encode() + b"\n")

    threading.Thread(target=serve, daemon=True).start()
    return ours


@pytest.mark.parametrize(
    ("blocks", "refused", "how"),
    [
        (NO_DISKS, {}, GOES_ON),
        (DISKS, {}, "by booting: it can write to /machine/vda, which would not fit its memory as it was"),
        (NO_DISKS, {"migrate": "no such device"}, "by booting: the emulator can't keep it: no such device"),
    ],
)
def test_a_machine_is_kept_unless_it_can_write_to_a_disk(
    blocks: list[dict[str, Any]], refused: dict[str, str], how: str
) -> None:
    with closing(MachineKeeper()) as keeper:
        keeper.attend(emulator(blocks, refused).detach())
        assert keeper.keep() == how
        assert keeper.is_kept == (how == GOES_ON)
        assert keeper.keep() == how


def test_an_emulator_that_does_not_go_on_from_what_was_kept_boots_from_then_on() -> None:
    with closing(MachineKeeper()) as keeper:
        keeper.attend(emulator(NO_DISKS, {}).detach())
        keeper.keep()
        keeper.attend(emulator(NO_DISKS, {}).detach())
        assert keeper.resume()
        keeper.attend(emulator(NO_DISKS, {"migrate-incoming": "another machine"}).detach())
        assert not keeper.resume()
        assert not keeper.is_kept
        assert "another machine" in keeper.keep()


def test_the_monitor_has_its_place_in_a_command_and_a_machine_that_waits_is_told_so() -> None:
    for place in ("{net}", "-netdev {netdev} {monitor}"):
        command = options.read("qemu", f"qemu-system-x86_64 {place}", {}).command
        assert placing.has_monitor(command)
        words = {name: list(parts) for name, parts in placing.words("02:fe:00:00:00:01", waiting=True).items()}
        filled = helper.filled(command, words, {"{fd}": "5", "{control}": "6"})
        assert "socket,id=tcpspec,fd=6" in filled
        assert filled[-2:] == list(monitor.WAITING)
    assert not placing.has_monitor(["./my-emulator", "{fd}"])
    with pytest.raises(UnusableTarget, match="has the monitor"):
        options.read("qemu", "qemu-system-x86_64 {net} {monitor}", {})


@pytest.mark.slow
@pytest.mark.skipif(not KERNELS or not shutil.which("qemu-system-x86_64"), reason="needs QEMU and a kernel")
@pytest.mark.parametrize("disk", ["", "-snapshot -drive if=virtio,format=raw,file="])
def test_an_emulated_machine_goes_on_from_where_it_was_before_the_first_case(disk: str, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    archive = tmp_path / "root.cpio"
    archive.write_bytes(guest.archive(sorted(KERNELS[0].parent.glob("*.ko")), "/dev/ttyS0"))
    disk = f"{disk}{tmp_path / 'disk'}" if disk else ""
    machine = f"qemu-system-x86_64 -nodefaults -display none -m 384M -cpu max,la57=off -kernel {KERNELS[0]} {disk}"
    boot = f"-initrd {archive} -append 'console=none panic=-1 quiet' {{net}} {{serial}}"
    began = time.monotonic()
    target = registry.open_target(registry.parse(f"qemu:{machine} {boot},app=agent"), registry.Settings())
    booted_s = time.monotonic() - began
    try:
        again = target.facts.details["started again"]
        assert again == (
            GOES_ON if not disk else "by booting: it can write to virtio0, which would not fit its memory as it was"
        )
        target._silent = True  # type: ignore[attr-defined]
        began = time.monotonic()
        target.forget_connections()
        assert target.exchange([]) == []
        if not disk:
            assert time.monotonic() - began < booted_s / 2
    finally:
        target.close()
