"""A stage for selftests: a network namespace of their own, in which every namespace that a harness makes gets an id.

``python watched.py MODE`` enters fresh namespaces, starts a harness as a child in the way that MODE names, and prints
as JSON what is left afterwards. `lsns` cannot do this: it sees only namespaces with a process in them, and what the
harness could leave behind has none. A namespace id (RTM_NEWNSID) does not keep its namespace alive, and vanishes with
it.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGSKNS = 0x894C
RTM_NEWNSID, RTM_GETNSID = 88, 90
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NETNSA_NSID, NETNSA_PID, NETNSA_FD = 1, 2, 3
#: Limits against what hangs; a busy machine takes a tenth of them.
START_LIMIT_S, END_LIMIT_S, PATIENCE_S = 90.0, 90.0, 60.0


def enter_namespaces() -> None:
    """Move this process into a network namespace of its own; for an ordinary user also into a user namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNET | (CLONE_NEWUSER if uid else 0)
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path(f"/proc/self/{name}").write_text(text)


def _ask(message_type: int, flags: int, attributes: bytes) -> list[bytes]:
    """Send one rtnetlink request and return the bodies of the answers; raises OSError."""
    body = bytes(4) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(body), message_type, NLM_F_REQUEST | flags, 1, 0) + body)
        answers = []
        while True:
            data = netlink.recv(65536)
            at = 0
            while at < len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", data, at + 16)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answers
                if kind == NLMSG_DONE:
                    return answers
                answers.append(data[at + 16 : at + size])
                at += (size + 3) & ~3


def name_namespace(nsid: int, *, pid: int = 0, descriptor: int = -1) -> None:
    """Give the namespace of a process or of a descriptor an id in this namespace."""
    who = struct.pack("=HHi", 8, NETNSA_PID, pid) if pid else struct.pack("=HHi", 8, NETNSA_FD, descriptor)
    _ask(RTM_NEWNSID, NLM_F_ACK, struct.pack("=HHi", 8, NETNSA_NSID, nsid) + who)


def is_named(nsid: int, pid: int) -> bool:
    """Name the namespace of a process; tell whether it was still there."""
    try:
        name_namespace(nsid, pid=pid)
    except FileExistsError:
        return True  # it has its name
    except ProcessLookupError:
        return False
    return True


def living_namespaces() -> int:
    """Return how many namespaces with an id in this one are still there."""
    return len(_ask(RTM_GETNSID, NLM_F_DUMP, b""))


def harness_child(mode: str) -> None:
    """Be a harness with connections in many states; name both namespaces of its pod, then end as `mode` says."""
    sys.path.insert(0, str(ROOT))
    from harness.case.peer_side import PeerSide
    from harness.case.rig import Rig
    from harness.case.target_side import TargetSide
    from harness.case.walks import CLOSE, Walk, walk
    from harness.spec.states import State
    from harness.targets.namespace.target import LinuxTarget

    target = LinuxTarget()
    name_namespace(1, pid=target.pod.helper.pid)
    descriptor = fcntl.ioctl(target.pod.packet_socket.fileno(), SIOCGSKNS)
    name_namespace(2, descriptor=descriptor)
    os.close(descriptor)
    rig = Rig(target)
    for state in State:
        if state not in (State.CLOSED,):
            conversation = rig.begin(4, name=state)
            side = TargetSide(conversation.main)
            walk(side, PeerSide(conversation.main), Walk(state, closed_by=CLOSE))
    print(json.dumps({"helper": target.pod.helper.pid, "named": living_namespaces()}), flush=True)
    match mode:
        case "close":
            target.close()
        case "exception":
            raise RuntimeError("the harness fails")
        case "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sigint":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        case "helper-sigkill":
            os.kill(target.pod.helper.pid, signal.SIGKILL)
            target.pod.helper.wait()
            target.close()


def is_helper(pid: int) -> bool:
    """Tell whether a process is a pod helper. One that has ended has no command line, even before it is reaped."""
    try:
        return b"namespace.helper" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def helpers() -> list[int]:
    """Return the pids of the pod helpers that were started from this stage: their environment names it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and is_helper(int(entry.name)):
            with contextlib.suppress(OSError):
                environment = (entry / "environ").read_bytes()
                if f"TCPSPEC_STAGE={os.getpid()}".encode() in environment.split(b"\0"):
                    found.append(int(entry.name))
    return found


def housed() -> list[int]:
    """Return the pids of those helpers that have entered namespaces of their own."""
    ours = os.stat("/proc/self/ns/net").st_ino
    found = []
    for pid in helpers():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}/ns/net").st_ino != ours:
                found.append(pid)
    return found


def whole_run(mode: str) -> dict[str, object]:
    """Start ``tcpspec run``, end it in the middle, and tell what is left."""
    _run, how, *workers = mode.split("-")
    environment = {**os.environ, "TCPSPEC_STAGE": str(os.getpid()), "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as results:
        # Inside the stage an ordinary user looks like root, whose folder in /tmp pytest would not accept.
        return _ended_run(how, workers, {**environment, "PYTEST_DEBUG_TEMPROOT": results}, results)


def _ended_run(how: str, workers: list[str], environment: dict[str, str], results: str) -> dict[str, object]:
    options = ["--timers", "15", "--case", "timers/*", f"--results={results}", *(["-n", *workers] if workers else [])]
    child = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", *options],
        env=environment,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wanted = int(workers[0]) if workers else 1
    deadline = time.monotonic() + START_LIMIT_S
    found: list[int] = []
    named = 0
    while len(found) < wanted and time.monotonic() < deadline and child.poll() is None:
        time.sleep(1.0)  # in the middle of its cases
        found = [pid for pid in housed() if is_named(pid, pid)]
        named = living_namespaces()
        if named != len(found):  # one that was there for a look at the target went meanwhile
            found = []
    if how == "sigint":
        os.killpg(child.pid, signal.SIGINT)
    else:
        child.kill()
    code = child.wait(END_LIMIT_S)
    return {"code": code, "named": named, "helpers_seen": len(found)}


def main(mode: str) -> None:
    """Run one mode and print what is left of it."""
    enter_namespaces()
    if mode.startswith("run-"):
        report = whole_run(mode)
    else:
        child = subprocess.run(
            [sys.executable, __file__, "child", mode],
            capture_output=True,
            text=True,
            timeout=END_LIMIT_S,
            check=False,
        )
        lines = child.stdout.splitlines()
        report = {**json.loads(lines[0]), "code": child.returncode} if lines else {"trouble": child.stderr}
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE_S:
        left = {"namespaces": living_namespaces(), "helpers": len(helpers())}
        if "helper" in report and is_helper(int(report["helper"])):
            left["helpers"] = 1
        if not any(left.values()):
            break
        time.sleep(0.05)
    print(json.dumps({**report, "left": left, "seconds": round(time.monotonic() - started, 2)}))


if __name__ == "__main__":
    if sys.argv[1] == "child":
        harness_child(sys.argv[2])
    else:
        main(sys.argv[1])
