"""The fresh process that makes a pod and then lives in it: ``python -m harness.targets.namespace.helper FD``.

A pod is two network namespaces joined by a veth pair. The peer's end has no IP address at all, so the tester's kernel
never answers by itself. This process enters the target's namespace, passes out the descriptors through which the
harness works, and serves the agent's requests. It has no parent-death signal on purpose: when the control socket
closes, even by ``kill -9`` of the harness, it destroys the sockets of the namespace, deletes the link and ends.

The target's namespace is a new one, or (`join` in the request) that of a container that is running already.

It must be a process of its own: `unshare(CLONE_NEWUSER)` fails in a process with threads.
"""

import array
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import sys
from typing import Any

from harness.agent import commands, server
from harness.agent.rtnetlink import RouteSocket, forget_hosts

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
TARGET_DEVICE, PEER_DEVICE = "t0", "p0"

_libc = ctypes.CDLL(None, use_errno=True)


class SetupError(Exception):
    """A step of making the pod failed: which one, and the system's word for why."""

    def __init__(self, step: str, error: OSError) -> None:
        super().__init__(f"{step}: {error.strerror}")
        self.step = step
        self.errno = error.errno


def main() -> None:
    """Make the pod described by the first message, answer with its descriptors, then serve requests."""
    control = socket.socket(fileno=int(sys.argv[1]))
    request = json.loads(control.recv(server.MAX_MESSAGE))
    descriptors: list[int] = []
    try:
        answer, descriptors = _make_pod(request)
    except SetupError as error:
        answer = {"error": str(error), "step": error.step, "errno": error.errno}
    except server.RequestError as error:
        answer = {"error": str(error), "step": "override", "errno": 0}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}", "step": "set-up", "errno": 0}
    with contextlib.suppress(ConnectionError):
        socket.send_fds(control, [json.dumps(answer).encode()], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    if "error" not in answer:
        server.HANDLERS["shell"] = commands.run
        server.HANDLERS["forget-hosts"] = _forget_hosts
        server.HANDLERS["mtu"] = lambda asked: _set_mtu(request["networks"], asked)
        server.serve(control)
        _delete_link()


def _make_pod(request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    new_namespaces(rootless=request["rootless"])
    peer_namespace = _current_namespace()
    _set_sysctl("net.ipv6.conf.default.disable_ipv6", "1")
    _set_sysctl("net.core.rps_default_mask", "0")
    if request["join"] is None:
        unshare(CLONE_NEWNET, "network namespace of the target")
    else:
        _enter(request["join"])
    target_namespace = _current_namespace()
    missing = _pin(request)
    target_index, peer_mac = _join(request, peer_namespace, target_namespace)
    _set_namespace(peer_namespace)
    packet_socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    packet_socket.bind((PEER_DEVICE, ETH_P_ALL))
    _set_namespace(target_namespace)
    target_mac = _hardware_address(TARGET_DEVICE)
    _tx_checksum_off(TARGET_DEVICE)
    diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, server.NETLINK_SOCK_DIAG)
    os.close(peer_namespace)
    os.close(target_namespace)
    answer = {
        "peer_mac": peer_mac.hex(),
        "target_mac": target_mac.hex(),
        "target_index": target_index,
        "missing_sysctls": missing,
        "sysctls": server.read_sysctls(request["record"]),
        "namespace": os.stat("/proc/self/ns/net").st_ino,
    }
    return answer, [packet_socket.detach(), diag.detach()]


def _forget_hosts(_request: dict[str, Any]) -> server.Answer:
    forget_hosts()
    return {}, []


def _set_mtu(networks: list[dict[str, Any]], asked: dict[str, Any]) -> server.Answer:
    (network,) = (each for each in networks if each["version"] == asked["version"])
    with RouteSocket() as route:
        route.set_mtu(socket.if_nametoindex(TARGET_DEVICE), network, asked["mtu"])
    return {}, []


def unshare(flags: int, step: str) -> None:
    """Leave namespaces for fresh ones; raises SetupError with the name of the step."""
    if _libc.unshare(flags):
        code = ctypes.get_errno()
        raise SetupError(step, OSError(code, os.strerror(code)))


def new_namespaces(*, rootless: bool, besides: int = 0) -> None:
    """Enter a fresh network namespace, rootless in a fresh user namespace, and what `besides` asks for."""
    uid, gid = os.getuid(), os.getgid()
    if not rootless:
        unshare(CLONE_NEWNET | besides, "network namespace")
        return
    unshare(CLONE_NEWUSER | CLONE_NEWNET | besides, "user namespace")
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    except OSError as error:
        raise SetupError("user namespace", error) from None


def _current_namespace() -> int:
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        code = ctypes.get_errno()
        raise SetupError("change of network namespace", OSError(code, os.strerror(code)))


def _enter(namespace: dict[str, Any]) -> None:
    """Enter the namespace of another process. Its inode must be the expected one: elsewhere a pid means another."""
    path = f"/proc/{namespace['pid']}/ns/net"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SetupError("namespace of the container", error) from None
    if os.fstat(descriptor).st_ino != namespace["inode"]:
        raise SetupError("namespace of the container", OSError(errno.ESRCH, f"{path} is another process's"))
    _set_namespace(descriptor)
    os.close(descriptor)


def _set_sysctl(name: str, value: str) -> None:
    try:
        server.write_sysctls({name: value}, required=False)
    except OSError as error:
        raise SetupError("sysctl", error) from None


def _pin(request: dict[str, Any]) -> list[str]:
    _set_sysctl("net.core.rps_default_mask", "0")
    try:
        missing = server.write_sysctls(request["pins"], required=False)
        server.write_sysctls(request["overrides"], required=True)
    except OSError as error:
        raise SetupError("sysctl", error) from None
    return missing


def _join(request: dict[str, Any], peer_namespace: int, target_namespace: int) -> tuple[int, bytes]:
    """Make the veth pair, addresses, routes and neighbours; return the target device's index and the peer's MAC."""
    try:
        with RouteSocket() as target:
            target.add_veth(TARGET_DEVICE, PEER_DEVICE, peer_namespace)
            _set_namespace(peer_namespace)
            with RouteSocket() as peer:
                peer.up(socket.if_nametoindex(PEER_DEVICE))
            peer_mac = _hardware_address(PEER_DEVICE)
            _set_namespace(target_namespace)
            index = socket.if_nametoindex(TARGET_DEVICE)
            target.up(socket.if_nametoindex("lo"))
            target.up(index)
            for network in request["networks"]:
                target.join(index, network, peer_mac)
            return index, peer_mac
    except OSError as error:
        raise SetupError("veth link", error) from None


def _hardware_address(device: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock.fileno(), 0x8927, struct.pack("256s", device.encode()))
    return answer[18:24]


def _tx_checksum_off(device: str) -> None:
    # With checksum offload the frames on a veth carry partial checksums, which could not be judged.
    command = array.array("B", struct.pack("=II", ETHTOOL_STXCSUM, 0))
    address, _length = command.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock.fileno(), SIOCETHTOOL, struct.pack("16sP", device.encode(), address) + bytes(16))
        except OSError as error:
            raise SetupError("tx checksum offload of the target's device", error) from None


def _delete_link() -> None:
    with contextlib.suppress(OSError), RouteSocket() as target:
        target.delete(socket.if_nametoindex(TARGET_DEVICE))


if __name__ == "__main__":
    main()
