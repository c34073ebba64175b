"""What a process sees from inside a container, as JSON: ``python3 -c THIS`` by `docker exec`, beside the agent."""

import errno
import json
import os
import socket


def text(path: str) -> str:
    with open(path) as file:
        return file.read()


def status(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text(f"/proc/{pid}/status").splitlines() if ":\t" in line)


def refusal(path: str) -> str:
    try:
        with open(path, "w"):
            return "writable"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def way_out(address: str) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((address, 9))
            return "open"
        except OSError as error:
            return errno.errorcode[error.errno or 0]


def unix_sockets() -> list[str]:
    found = []
    for folder, _folders, names in os.walk("/"):
        if not folder.startswith(("/proc", "/sys")):
            found += [path for name in names if os.path.exists(path := os.path.join(folder, name)) and is_socket(path)]
    return found


def is_socket(path: str) -> bool:
    return os.stat(path).st_mode & 0o170000 == 0o140000


one = status(1)
print(
    json.dumps(
        {
            "uid": one["Uid"].split(),
            "capabilities": {name: int(one[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
            "no new privileges": one["NoNewPrivs"],
            "processes": [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()],
            "command": text("/proc/1/cmdline").split("\0")[0],
            "root": refusal("/new"),
            "sysctl": refusal("/proc/sys/net/ipv4/tcp_syncookies"),
            "devices": [name for _index, name in socket.if_nameindex()],
            "out": [way_out("192.0.2.1"), way_out("2001:db8:1::1")],
            "sockets": unix_sockets(),
        }
    )
)
