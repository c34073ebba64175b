"""Sockets that the pod's helper passes belong to us alone: a second reference would make our close() do nothing."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from harness.agent import server
from harness.observe.snapshot import FourTuple
from harness.targets.addresses import ADDRESSES
from harness.targets.namespace.agent_channel import SOCKET_BATCH, AgentChannel
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import UnusableTarget


@pytest.fixture(scope="module")
def kernel() -> Iterator[LinuxTarget]:
    try:
        kernel = LinuxTarget()
    except UnusableTarget as reason:
        pytest.skip(str(reason))
    with contextlib.closing(kernel):
        yield kernel


class SlowToClose:
    """The module `os` on a machine where the helper is kept waiting between two close() calls."""

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def close(self, descriptor: int) -> None:
        time.sleep(0.001)
        os.close(descriptor)


def references_to(sock: socket.socket) -> int:
    """Return how many descriptors of this process stand for the socket."""
    inode, found = os.fstat(sock.fileno()).st_ino, 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found += os.stat(f"/proc/self/fd/{name}").st_ino == inode
    return found


def test_a_fresh_socket_is_handed_out_when_the_helper_holds_it_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper closes its copies behind its answer, and may be slow; here it is a thread of our own."""
    monkeypatch.setattr(server, "os", SlowToClose())
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel = AgentChannel(ours, "the helper")

    def answer_requests() -> None:
        while message := server._receive(theirs):
            server._reply(theirs, message)

    helper = threading.Thread(target=answer_requests)
    helper.start()
    try:
        fresh = channel.socket(4)
        assert references_to(fresh) == 1
    finally:
        channel.close()
        helper.join()
        theirs.close()
        fresh.close()


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
