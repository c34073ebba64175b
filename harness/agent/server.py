"""The control loop inside a target's namespace: makes sockets and passes them out, runs `ss`, reads and writes sysctls.

Standard library only, so that it also runs in a container that has nothing but Python. Requests and answers are JSON
objects, one per message of a SOCK_SEQPACKET Unix socket; descriptors travel beside the answer (SCM_RIGHTS). A socket
keeps the namespace it was made in, so whoever receives it works in the target's namespace without entering it.

When the control socket closes, whatever the reason, every TCP socket of the namespace is destroyed: orphaned
connections would keep the namespace alive for minutes.

In a container this is the only program (`main`).
"""

import errno
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_MESSAGE = 1 << 20
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
PROGRAM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/bin", "/bin"))

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 20, 21
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_DONE, NLMSG_ERROR = 3, 2
ALL_STATES = 0x1FFF
#: Where `struct inet_diag_sockid` lies in a dump's answer, and its size (linux/inet_diag.h).
ID_OFFSET, ID_SIZE = 4, 48

Answer = tuple[dict[str, Any], list[int]]


class RequestError(Exception):
    """A request that can't be served; its text goes to the asker."""


def serve(control: socket.socket) -> None:
    """Answer requests until the other side is gone, then destroy every TCP socket of this namespace."""
    try:
        while message := _receive(control):
            _reply(control, message)
    except (ConnectionError, BrokenPipeError):
        pass
    finally:
        destroy_all_sockets()


def _receive(control: socket.socket) -> bytes:
    while True:
        try:
            return control.recv(MAX_MESSAGE)
        except InterruptedError:
            continue


def _reply(control: socket.socket, message: bytes) -> None:
    descriptors: list[int] = []
    try:
        request = json.loads(message)
        answer, descriptors = HANDLERS[request["op"]](request)
    except RequestError as error:
        answer = {"error": str(error)}
    except OSError as error:
        answer = {"error": f"{error.strerror or error}", "errno": error.errno}
    try:
        socket.send_fds(control, [json.dumps(answer).encode()], descriptors)
    finally:
        # What was passed must not stay open here: a close() on the other side would otherwise send no FIN.
        for descriptor in descriptors:
            os.close(descriptor)


def _sockets(request: dict[str, Any]) -> Answer:
    family = FAMILIES[request["family"]]
    made = [socket.socket(family, socket.SOCK_STREAM) for _ in range(request["count"])]
    return {}, [sock.detach() for sock in made]


def _diag(_request: dict[str, Any]) -> Answer:
    return {}, [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG).detach()]


def _ss(request: dict[str, Any]) -> Answer:
    program = shutil.which("ss", path=PROGRAM_PATH)
    if program is None:
        return {"missing": True}, []
    done = subprocess.run([program, *request["arguments"]], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RequestError(f"ss exits with {done.returncode}: {done.stderr.strip()}")
    return {"text": done.stdout}, []


def sysctl_path(name: str) -> Path:
    """Return the file of a sysctl such as ``net.ipv4.tcp_syncookies``."""
    return Path("/proc/sys", *name.split("."))


def read_sysctls(names: list[str]) -> dict[str, str]:
    """Return the values of those sysctls that this kernel has."""
    values = {}
    for name in names:
        try:
            values[name] = " ".join(sysctl_path(name).read_text().split())
        except OSError:
            continue
    return values


def write_sysctls(values: dict[str, str], *, required: bool) -> list[str]:
    """Write sysctls and return the names that this kernel lacks; with `required` a lacking one is a RequestError.

    A read-only /proc/sys is an OSError (EROFS or EACCES): half-pinned facts would be worse than none.
    """
    missing = []
    for name, value in values.items():
        try:
            with open(sysctl_path(name), "w") as file:
                file.write(value)
        except FileNotFoundError:
            missing.append(name)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ERANGE):
                raise RequestError(f"this kernel refuses {name}={value} (invalid value)") from None
            raise
    if required and missing:
        raise RequestError(f"this kernel has no sysctl {', '.join(missing)}")
    return missing


def _read_sysctls(request: dict[str, Any]) -> Answer:
    return {"values": read_sysctls(request["names"])}, []


def _write_sysctls(request: dict[str, Any]) -> Answer:
    return {"missing": write_sysctls(request["values"], required=request["required"])}, []


def _hello(_request: dict[str, Any]) -> Answer:
    kernel = os.uname()
    answer = {
        "namespace": os.stat("/proc/self/ns/net").st_ino,
        "release": kernel.release,
        "build": kernel.version,
        "machine": kernel.machine,
        "python": ".".join(map(str, sys.version_info[:3])),
        "ss": shutil.which("ss", path=PROGRAM_PATH),
    }
    return answer, []


def _ping(_request: dict[str, Any]) -> Answer:
    return {}, []


def counters() -> dict[str, int]:
    """Return the counters of this namespace, by the names that ``nstat`` gives them: ``TcpExtBeyondWindow``."""
    found: dict[str, int] = {}
    for name in ("netstat", "snmp"):
        lines = Path("/proc/self/net", name).read_text().splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=True):
            group, _colon, heads = names.partition(":")
            found |= dict(zip((group + head for head in heads.split()), map(int, values.split()[1:]), strict=True))
    return found


def _counters(_request: dict[str, Any]) -> Answer:
    return {"counters": counters()}, []


def _destroy(_request: dict[str, Any]) -> Answer:
    return {"destroyed": destroy_all_sockets()}, []


#: What can be asked for; other agents add to it.
HANDLERS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "sockets": _sockets,
    "diag": _diag,
    "hello": _hello,
    "ping": _ping,
    "ss": _ss,
    "read-sysctls": _read_sysctls,
    "write-sysctls": _write_sysctls,
    "destroy": _destroy,
    "counters": _counters,
}


def destroy_all_sockets(netlink: socket.socket | None = None) -> int:
    """Destroy every TCP socket of this namespace (or of the one that `netlink` is from); return how many there were."""
    if netlink is None:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as own:
            return destroy_all_sockets(own)
    netlink.settimeout(5)
    found = [(family, sock_id) for family in FAMILIES.values() for sock_id in _dump(netlink, family)]
    for family, sock_id in found:
        netlink.send(_diag_request(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, family, sock_id))
        netlink.recv(MAX_MESSAGE)
    return len(found)


def _diag_request(kind: int, flags: int, family: int, sock_id: bytes) -> bytes:
    body = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, ALL_STATES) + sock_id
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def _dump(netlink: socket.socket, family: int) -> list[bytes]:
    netlink.send(_diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, family, bytes(ID_SIZE)))
    found: list[bytes] = []
    while True:
        data = netlink.recv(MAX_MESSAGE)
        at = 0
        while at + 16 <= len(data):
            size, kind = struct.unpack_from("=IH", data, at)
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                return found
            start = at + 16 + ID_OFFSET
            found.append(data[start : start + ID_SIZE])
            at += (size + 3) & ~3


def main() -> None:
    """Connect to the socket that the first argument names, and serve until the other side is gone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.connect(sys.argv[1])
        serve(control)
