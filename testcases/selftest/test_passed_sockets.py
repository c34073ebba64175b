"""Sockets that the pod's helper passes belong to us alone: a second reference would make our close() do nothing."""

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from harness.observe.snapshot import FourTuple
from harness.targets.linux import LinuxTarget
from harness.targets.pod import ADDRESSES, SOCKET_BATCH
from harness.targets.protocol import UnusableTarget


@pytest.fixture(scope="module")
def kernel() -> Iterator[LinuxTarget]:
    try:
        kernel = LinuxTarget()
    except UnusableTarget as reason:
        pytest.skip(str(reason))
    with contextlib.closing(kernel):
        yield kernel


def inodes_held_by(pid: int) -> set[int]:
    folder = f"/proc/{pid}/fd"
    found = set()
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.stat(f"{folder}/{name}").st_ino)
    return found


@pytest.mark.parametrize("version", [4, 6])
def test_the_helper_holds_no_copy_of_a_fresh_socket(kernel: LinuxTarget, version: int) -> None:
    """The helper closes its copies behind its answer: we must not be faster."""
    for _ in range(4 * SOCKET_BATCH):
        with kernel.pod.socket(version) as fresh:
            assert os.fstat(fresh.fileno()).st_ino not in inodes_held_by(kernel.pod.helper.pid)


@pytest.mark.parametrize("version", [4, 6])
def test_a_closed_listener_is_gone_at_once(kernel: LinuxTarget, version: int) -> None:
    near, far = ADDRESSES[version].target[0], ADDRESSES[version].peer[0]
    for port in range(2000, 2000 + 4 * SOCKET_BATCH):
        tuple4 = FourTuple(near, port, far, 7)
        listener = kernel.socket(version)
        listener.listen(near, port, 1)
        assert kernel.snapshot(tuple4).listening
        listener.close()
        assert not kernel.snapshot(tuple4).listening


def test_a_passed_socket_does_not_leak_into_programs_that_we_start(kernel: LinuxTarget) -> None:
    with kernel.pod.socket(4) as fresh:
        assert not os.get_inheritable(fresh.fileno())
        assert fresh.type & socket.SOCK_STREAM
        assert not fresh.getblocking()
