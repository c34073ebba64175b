"""A program behind a TAP or TUN device, with a server of its own: the machine's kernel as a stack that nobody knows."""

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.spec.segment import ACK, PSH, Segment
from harness.targets import registry
from harness.targets.protocol import TargetHung, UnusableTarget
from harness.targets.wired import options, probing
from harness.targets.wired.channel import GUARD_S
from harness.targets.wired.pod import WiredPod
from harness.targets.wired.trial import Call
from harness.wire import codec
from harness.wire.link import Arrival
from testcases.selftest.processes import ends, of_a_killed_harness
from testcases.selftest.wired_linux import ALONE, EVERYWHERE, SILENT

ROOT = Path(__file__).parents[3]
LINUX = f"{sys.executable} -m testcases.selftest.wired_linux {{if}}"
NOBODY = 65534
TO, FRO = codec.Path("198.51.100.2", "198.51.100.1"), codec.Path("198.51.100.1", "198.51.100.2")


def run(
    *arguments: str, where: Path, user: int | None = None, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "harness", "run", "--results", str(where), *arguments]
    path = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))
    environment = {**os.environ, "HOME": str(where), "PYTHONPATH": path}
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        user=user,
        timeout=300,
    )


def verdicts(where: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (where / "results.jsonl").read_text().splitlines()]
    return {line["id"]: line["verdict"] for line in lines if line["kind"] == "case"}


@pytest.mark.parametrize(("kind", "layer"), [("tap", 2), ("tun", 3)])
def test_a_program_behind_a_device_gives_the_verdicts_of_linux(kind: str, layer: int, tmp_path: Path) -> None:
    chosen = ("--grid", "off", "--explore", "off", "--ip", "4")
    chosen += ("--case", "passive-close/*", "--case", "passive-open/three-way*")
    wired, linux = tmp_path / "wired", tmp_path / "linux"
    done = run("--target", f"{kind}:{LINUX} {layer},app=echo", *chosen, where=wired)
    assert "passive-close" in done.stdout, done.stdout + done.stderr
    run(*chosen, where=linux)
    seen, due = verdicts(wired), verdicts(linux)
    broken = {case for case, verdict in seen.items() if verdict not in ("conforms", "unobserved", "not applicable")}
    assert {due[case] for case in broken} <= {"known deviation", "deviates"}
    assert sum(verdict in ("conforms", "unobserved") for verdict in seen.values()) >= 20


@pytest.mark.parametrize(("kind", "layer"), [("tap", 2), ("tun", 3)])
def test_a_program_that_opens_no_device_is_given_one_that_is_open(kind: str, layer: int, tmp_path: Path) -> None:
    program = f"{sys.executable} -m testcases.selftest.wired_linux {{fd}} {layer}"
    chosen = ("--grid", "off", "--explore", "off", "--ip", "4", "--case", "passive-open/three-way*")
    done = run("--target", f"{kind}:{program}", *chosen, where=tmp_path)
    found = set(verdicts(tmp_path).values())
    assert "unobserved" in found, done.stdout + done.stderr
    assert found <= {"conforms", "unobserved", "not applicable"}, done.stdout


def test_behind_a_tun_device_nobody_is_asked_about_frames(tmp_path: Path) -> None:
    done = run("--target", f"tun:{LINUX} 3", "--ip", "4", "--case", "*/own-address-in-a-broadcast*", where=tmp_path)
    assert set(verdicts(tmp_path).values()) == {"not applicable"}, done.stdout


def test_a_machine_without_devices_is_told_what_it_lacks(tmp_path: Path) -> None:
    hindered = [sys.executable, str(ROOT / "testcases/selftest/hindered.py"), "no-tun", sys.executable, "-m", "harness"]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 120}
    results = ("--results", str(tmp_path), "--case", "sanity/*")
    done = subprocess.run([*hindered, "run", "--target", "tap:./my-stack {if}", *results], **options)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "no pod with a device could be made: /dev/net/tun" in done.stdout + done.stderr
    assert "modprobe tun" in done.stdout + done.stderr
    looked = subprocess.run([*hindered, "doctor"], **options)
    assert re.search(r"note TAP and TUN +no /dev/net/tun", looked.stdout), looked.stdout


def test_a_server_of_one_connection_at_a_time_has_each_case_in_its_turn(tmp_path: Path) -> None:
    done = run(
        *("--target", f"tap:{LINUX} 2,app=echo:{ALONE}", "--grid", "off", "--explore", "off", "--ip", "4"),
        *("--case", "passive-close/*", "--case", "resets/listener-ignores*"),
        where=tmp_path,
    )
    seen = verdicts(tmp_path)
    assert sum(verdict in ("conforms", "unobserved") for verdict in seen.values()) >= 20, done.stdout
    assert not [case for case, verdict in seen.items() if verdict in ("inconclusive", "harness error")], done.stdout
    assert seen["resets/listener-ignores-resets[rst-bare]"] in ("conforms", "unobserved"), done.stdout


def test_of_a_program_that_serves_every_port_nobody_asks_for_a_closed_one(tmp_path: Path) -> None:
    cases = (
        "closed-and-listening/closed-port-answers*",
        "passive-open/three-way-handshake",
        "grid/closed/syn/-/-/none",
    )
    done = run(
        *("--target", f"tap:{LINUX} 2 {EVERYWHERE}", "--explore", "off", "--ip", "4"),
        *(word for case in cases for word in ("--case", case)),
        where=tmp_path,
    )
    seen = verdicts(tmp_path)
    asked = {case for case, verdict in seen.items() if verdict != "not applicable"}
    assert len(seen) > 4, done.stdout
    assert asked == {"passive-open/three-way-handshake"}, done.stdout


def test_where_no_ping_is_answered_a_closed_port_is_the_fence() -> None:
    proofs = []
    for _ in range(3):  # on a busy machine an answer may come behind it, and then it is none, as it should be
        text = f"tun:{LINUX} 3 net.ipv4.icmp_echo_ignore_all=1"
        target = registry.open_target(registry.parse(text), registry.Settings())
        target.close()
        proofs.append(target.silence_proof)
        if "fence (a SYN to a closed port), 60 of 60" in proofs[-1]:
            return
    pytest.fail("; ".join(proofs))


def test_an_echo_right_behind_its_acknowledgment_is_heard() -> None:
    link = Mock(patience_s=0.0)
    link.wait.return_value, link.waiting.return_value = True, []
    call = Call(link, TO, 7, flags=ACK)
    ends = {"source_port": 7, "destination_port": call._own_port}
    both = [codec.encode(FRO, Segment(ACK, payload=text, **ends)) for text in (b"", b"q")]
    link.waiting.side_effect = [[Arrival(0, packet) for packet in both], []]
    assert call.challenge(ACK, text=b"q") is not None
    assert call.hear() == b"q"


@pytest.mark.parametrize(("again_s", "soonest_s"), [(0.02, 0.02), (None, GUARD_S)])
def test_how_soon_a_stack_says_something_again_is_measured(again_s: float | None, soonest_s: float) -> None:
    link, sent = Mock(patience_s=0.0), time.monotonic()
    answers = [0.0] if again_s is None else [0.0, again_s]
    ends = {"source_port": 7}

    def waiting() -> list[Arrival]:
        if not answers or time.monotonic() - sent < answers[0]:
            return []
        answers.pop(0)
        echo = Segment(ACK | PSH, payload=b"q", destination_port=call._own_port, **ends)
        return [Arrival(0, codec.encode(FRO, echo))]

    link.waiting.return_value = []
    call = Call(link, TO, 7, flags=ACK)
    link.waiting.side_effect, sent = waiting, time.monotonic()
    found_s = probing._guard_s(call)
    assert (found_s == GUARD_S) == (again_s is None)
    assert found_s <= soonest_s


@pytest.mark.parametrize("app", ["daytime", "http"])
def test_the_close_of_a_server_that_closes_first_is_judged(app: str, tmp_path: Path) -> None:
    chosen = ("--grid", "off", "--case", "active-close/*", "--case", "time-wait/*", "--ip", "4")
    wired, linux = tmp_path / "wired", tmp_path / "linux"
    done = run("--target", f"tap:{LINUX} 2,app={app}", *chosen, where=wired)
    run(*chosen, where=linux)
    seen, due = verdicts(wired), verdicts(linux)
    assert sum(verdict in ("conforms", "unobserved") for verdict in seen.values()) >= 40, done.stdout
    broken = {case for case, verdict in seen.items() if verdict == "violates"}
    # The server calls close() where the case says shutdown(): what Linux does behind that is declared for close().
    assert {due[case.replace("by-shutdown", "by-close")] for case in broken} <= {"known deviation"}


def test_a_server_that_never_closes_holds_close_wait(tmp_path: Path) -> None:
    chosen = ("--case", "passive-close/*", "--case", "grid/close-wait/*", "--ip", "4")
    wired, linux = tmp_path / "wired", tmp_path / "linux"
    done = run("--target", f"tap:{LINUX} 2,app=hold:82", *chosen, where=wired)
    run(*chosen, where=linux)
    seen, due = verdicts(wired), verdicts(linux)
    assert seen["passive-close/another-fin-is-acknowledged[close-wait]"] != "not applicable", done.stdout
    broken = {case for case, verdict in seen.items() if verdict in ("violates", "deviates")}
    assert {due[case] for case in broken} <= {"known deviation", "deviates"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_needs_no_rights() -> None:
    python = "/usr/bin/python3"  # that of the virtual environment may lie where nobody else may look
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        where.chmod(0o777)
        target = f"tap:{python} -m testcases.selftest.wired_linux {{if}} 2"
        case = ("--grid", "off", "--ip", "4", "--case", "sanity/*")
        done = run("--target", target, *case, where=where, user=NOBODY, python=python)
        assert done.returncode == 0, done.stdout + done.stderr
        assert set(verdicts(where).values()) == {"unobserved"}


@pytest.mark.parametrize("quiet_s", [None, 0.02], ids=["fence", "timed silence"])
def test_a_program_that_hangs_is_told_from_a_harness_in_trouble_and_begun_anew(
    quiet_s: float | None, tmp_path: Path
) -> None:
    now = tmp_path / "now"
    hangs = f"{LINUX} 2 & until [ -e {now} ]; do sleep 0.05; done; kill -STOP $!; rm {now}; wait"
    target = registry.open_target(registry.parse(f"tap:sh -c {shlex.quote(hangs)}"), registry.Settings())
    target._link.quiet_s = quiet_s  # type: ignore[attr-defined]
    try:
        now.touch()
        while now.exists():
            time.sleep(0.05)
        with pytest.raises(TargetHung, match="no answer"):
            target.exchange([])
        target.forget_connections()
        assert target.exchange([]) == []
    finally:
        target.close()


def test_the_program_ends_with_a_harness_that_is_killed() -> None:
    assert all(ends(pid) for pid in of_a_killed_harness(f"tap:{LINUX} 2"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tap:", "needs a command"),
        ("tap:./x,app=gopher", "there is no server 'gopher'"),
        ("tap:./x,app=echo:seven", "'seven' is not a port"),
        ("tun:./x,ip=fe80::1", "is not an IPv4 address"),
        ("tap:./x,ip=10.0.0.1,peer=10.0.0.1", "are both 10.0.0.1"),
        ("tap:./x,start=soon", "start=soon is not a number of seconds"),
        ("tap:sleep 60,start=1.5", "runs, and has not opened the device within 1.5 s"),
        ("tap:./does-not-exist {if}", "can't be started"),
        ("tun:tun0", "behind tun: stands the command of the program, which opens the device {if}"),
        ("10.0.0.2", "a machine on a cable is 'net:INTERFACE,peer=ADDRESS,target=10.0.0.2'"),
        ("tun0", "a program behind such a device is 'tun:./my-stack {if}'"),
        ("lo", "a machine on a cable is 'net:lo,peer=ADDRESS,target=ADDRESS'"),
        ("fd00::2", "a machine on a cable is 'net:INTERFACE,peer=ADDRESS,target6=fd00::2'"),
        ("tap:sh -c 'echo oh; exit 3'", "ended with exit code 3\noh"),
        (f"tap:{LINUX} 2,app=echo:6", "nobody listens on port 6 of 198.51.100.1: it answers with a reset"),
        (f"tap:{LINUX} 2,app=echo:{SILENT}", f"nobody answers on port {SILENT} of 198.51.100.1, not even with a reset"),
        (f"tap:{LINUX} 2,app=echo:9", "is no echo server: to b'q' it says nothing"),
        (f"tap:{LINUX} 2,app=http:7", "does not close behind a GET"),
    ],
)
def test_what_does_not_work_is_said_in_a_sentence(text: str, complaint: str) -> None:
    with pytest.raises(UnusableTarget, match=r"(?s)") as refused:
        registry.open_target(registry.parse(text), registry.Settings())
    assert complaint in str(refused.value)


def test_options_stand_behind_a_command_with_commas() -> None:
    command, found = options.split("./stack -o a=1,b {if},app=echo:8,ip=10.0.0.2")
    assert command == "./stack -o a=1,b {if}"
    assert found == {"app": "echo:8", "ip": "10.0.0.2"}


#: Opens the device, and is slow to go: it does not hear SIGTERM, and has much memory to give back.
SLOW_TO_GO = """
import fcntl, signal, struct, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
device = open("/dev/net/tun", "r+b", buffering=0)
try:
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), 0x1002))
except OSError as error:
    print("refused:", error, flush=True)
    raise SystemExit(1)
memory = bytearray(300 << 20)
print("open", flush=True)
time.sleep(600)
"""


def test_what_a_program_has_started_has_let_go_of_the_device_before_the_next_start(tmp_path: Path) -> None:
    """The leader of the session goes at once; its child does not, and had the device."""
    program = tmp_path / "program.py"
    program.write_text(SLOW_TO_GO)
    pod = WiredPod(options.read("tap", f"sh -c '{sys.executable} {program} {{if}} & wait'", {}))
    try:
        for number in range(1, 6):
            pod.start()
            deadline = time.monotonic() + 60
            while len(words := pod.last_words().splitlines()) < number and time.monotonic() < deadline:
                time.sleep(0.02)
            pod.stop()
        assert words == ["open"] * 5
    finally:
        pod.close()
