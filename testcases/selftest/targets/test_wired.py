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

from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment
from harness.targets import registry
from harness.targets.protocol import NotOffered, TargetHung, UnusableTarget
from harness.targets.wired import options, probing
from harness.targets.wired.channel import GUARD_S, Channel
from harness.targets.wired.packet import TcpPacket
from harness.targets.wired.servers import SERVERS
from harness.wire import codec
from harness.wire.link import Arrival
from testcases.selftest.processes import ends, of_a_killed_harness
from testcases.selftest.wired_linux import ALONE, SILENT

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


def test_where_no_ping_is_answered_a_closed_port_is_the_fence() -> None:
    proofs = []
    for _ in range(3):  # on a busy machine an answer may come behind it, and then it is none, as it should be
        text = f"tun:{LINUX} 3 net.ipv4.icmp_echo_ignore_all=1"
        target = registry.open_target(registry.parse(text), registry.Settings())
        target.close()
        proofs.append(target.silence_proof)
        if "fence (a SYN to a closed port), 40 of 40" in proofs[-1]:
            return
    pytest.fail("; ".join(proofs))


def test_an_echo_right_behind_its_acknowledgment_is_heard() -> None:
    link = Mock()
    link.wait.return_value, link.waiting.return_value = True, []
    call = probing.Call(link, TO, 7, flags=ACK)
    ends = {"source_port": 7, "destination_port": call._own_port}
    both = [codec.encode(FRO, Segment(ACK, payload=text, **ends)) for text in (b"", b"q")]
    link.waiting.side_effect = [[Arrival(0, packet) for packet in both], []]
    assert call.challenge(ACK, text=b"q") is not None
    assert call.hear() == b"q"


@pytest.mark.parametrize(("again_s", "soonest_s"), [(0.02, 0.02), (None, GUARD_S)])
def test_how_soon_a_stack_says_something_again_is_measured(again_s: float | None, soonest_s: float) -> None:
    link, sent = Mock(), time.monotonic()
    answers = [0.0] if again_s is None else [0.0, again_s]
    ends = {"source_port": 7}

    def waiting() -> list[Arrival]:
        if not answers or time.monotonic() - sent < answers[0]:
            return []
        answers.pop(0)
        echo = Segment(ACK | PSH, payload=b"q", destination_port=call._own_port, **ends)
        return [Arrival(0, codec.encode(FRO, echo))]

    link.waiting.return_value = []
    call = probing.Call(link, TO, 7, flags=ACK)
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


def test_a_program_that_hangs_is_told_from_a_harness_in_trouble_and_begun_anew(tmp_path: Path) -> None:
    now = tmp_path / "now"
    hangs = f"{LINUX} 2 & until [ -e {now} ]; do sleep 0.05; done; kill -STOP $!; rm {now}; wait"
    target = registry.open_target(registry.parse(f"tap:sh -c {shlex.quote(hangs)}"), registry.Settings())
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
        ("tap:sleep 60,start=1.5", "answers no ARP for 198.51.100.1 within 1.5 s"),
        ("tap:./does-not-exist {if}", "can't be started"),
        ("tap:sh -c 'echo oh; exit 3'", "ended with code 3\noh"),
        (f"tap:{LINUX} 2,app=echo:6", "nobody listens on port 6 of 198.51.100.1: it answers with a reset"),
        (f"tap:{LINUX} 2,app=echo:{SILENT}", f"nobody answers on port {SILENT} of 198.51.100.1, not even with a reset"),
        (f"tap:{LINUX} 2,app=echo:9", "is no echo server: to b'q' it says b''"),
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


class Talk:
    """A channel to an echo server that has been opened: the server's ISS is 1000, the peer's 100."""

    def __init__(self, kind: str = "echo") -> None:
        self.injected: list[TcpPacket] = []
        self.channel = Channel(SERVERS[kind], 5000, self._inject)
        self.send(SYN, 100, 0)
        self.hear(SYN | ACK, 1000, 101)
        self.send(ACK, 101, 1001)

    def _inject(self, packet: bytes) -> None:
        found = TcpPacket.read(packet)
        assert found is not None
        assert found.sound
        self.injected.append(found)

    def send(self, flags: int, seq: int, ack: int, data: bytes = b"") -> TcpPacket:
        segment = Segment(flags, seq, ack, 8000, data, source_port=60000, destination_port=5000)
        seen = TcpPacket.read(codec.encode(TO, segment))
        assert seen is not None
        sent = TcpPacket.read(self.channel.inward(seen))
        assert sent is not None
        assert sent.sound
        return sent

    def hear(self, flags: int, seq: int, ack: int, data: bytes = b"") -> list[tuple[int, int, int, bytes]]:
        port = self.channel.server.port
        segment = Segment(flags, seq, ack, 8000, data, source_port=port, destination_port=60000)
        seen = TcpPacket.read(codec.encode(FRO, segment))
        assert seen is not None
        shown = [codec.decode(packet) for packet in self.channel.outward(seen)]
        assert all(packet.checksums_ok and packet.segment.source_port == 5000 for packet in shown)
        return [(each.segment.flags, each.segment.seq, each.segment.ack, each.segment.payload) for each in shown]


def test_an_echo_is_what_the_application_received_and_is_acknowledged() -> None:
    talk = Talk()
    talk.send(ACK, 101, 1001, b"text")
    assert talk.hear(ACK | PSH, 1001, 105, b"text") == [(ACK, 1001, 105, b"")]
    assert talk.channel.read(10) == b"text"
    assert (talk.injected[0].seq, talk.injected[0].ack) == (105, 1005)
    assert talk.send(ACK, 105, 1001).ack == 1005
    assert talk.hear(ACK, 1005, 105) == [(ACK, 1001, 105, b"")]


def test_an_echo_is_due_as_soon_as_text_is_acknowledged_and_until_it_has_come() -> None:
    talk = Talk()
    assert not talk.channel.expects_an_echo
    talk.send(ACK, 101, 1001, b"text")
    assert not talk.channel.expects_an_echo
    talk.hear(ACK, 1001, 105)
    assert talk.channel.expects_an_echo
    talk.hear(ACK | PSH, 1001, 105, b"te")
    assert talk.channel.expects_an_echo
    talk.hear(ACK | PSH, 1003, 105, b"xt")
    assert not talk.channel.expects_an_echo
    assert talk.channel.read(10) == b"text"


def test_what_the_application_is_told_to_send_is_had_by_an_echo() -> None:
    talk = Talk()
    talk.channel.say(b"hello")
    assert (talk.injected[0].seq, talk.injected[0].payload) == (101, b"hello")
    assert talk.hear(ACK, 1001, 106) == []
    assert talk.hear(ACK | PSH, 1001, 106, b"hello") == [(ACK | PSH, 1001, 101, b"hello")]
    assert (talk.send(ACK, 101, 1006).seq, talk.hear(ACK, 1006, 106)) == (106, [(ACK, 1006, 101, b"")])


def test_behind_an_echo_that_is_not_acknowledged_another_may_wait() -> None:
    talk = Talk()
    talk.channel.say(b"hello")
    talk.hear(ACK | PSH, 1001, 106, b"hello")
    with pytest.raises(NotOffered, match="Nagle"):
        talk.channel.say(b"again")
    talk.send(ACK, 101, 1006)
    talk.channel.say(b"again")


def test_a_fin_waits_for_the_call_and_nothing_is_asked_meanwhile() -> None:
    talk = Talk()
    talk.send(FIN | ACK, 101, 1001)
    assert talk.hear(FIN | ACK, 1001, 102) == [(ACK, 1001, 102, b"")]
    assert talk.channel.read(10) == b""
    with pytest.raises(NotOffered, match="closes as soon as its peer has"):
        talk.send(ACK, 102, 1001)
    (fin,) = talk.channel.close()
    segment = codec.decode(fin).segment
    assert (segment.flags, segment.seq, segment.ack) == (FIN | ACK, 1001, 102)
    assert talk.send(ACK, 102, 1002).ack == 1002


def test_a_server_that_closes_by_itself_is_noted_and_its_fin_kept_back() -> None:
    talk = Talk()
    assert not talk.channel.left
    assert talk.hear(FIN | ACK, 1001, 101) == []
    assert talk.channel.left
    with pytest.raises(NotOffered):
        talk.send(ACK, 101, 1002)


def test_a_reset_that_refuses_an_acknowledgment_is_no_end_of_an_opening() -> None:
    opening = Talk.__new__(Talk)
    opening.injected = []
    opening.channel = Channel(SERVERS["echo"], 5000, opening._inject)
    opening.send(SYN, 100, 0)
    opening.hear(SYN | ACK, 1000, 101)
    opening.send(ACK, 101, 5000)
    assert opening.hear(RST, 5000, 0) == [(RST, 5000, 0, b"")]
    assert not opening.channel.reset
    opening.hear(RST, 1001, 0)
    assert opening.channel.reset


def test_a_web_server_closes_when_it_is_told_and_its_page_is_kept_from_the_case() -> None:
    talk = Talk("http")
    assert talk.channel.close() == []
    (question,) = talk.injected
    assert (question.seq, question.payload[:4]) == (101, b"GET ")
    behind = 101 + len(question.payload)
    assert talk.hear(ACK, 1001, behind) == []
    assert talk.hear(ACK | PSH, 1001, behind, b"page") == []
    assert talk.hear(FIN | ACK, 1005, behind) == [(FIN | ACK, 1001, 101, b"")]
    assert (talk.send(ACK, 101, 1002).seq, talk.send(ACK, 101, 1002).ack) == (behind, 1006)


def test_an_acknowledgment_that_the_fin_has_overtaken_is_told_once() -> None:
    talk = Talk()
    talk.send(FIN | ACK, 101, 1001)
    assert talk.hear(FIN | ACK, 1001, 102) == [(ACK, 1001, 102, b"")]
    assert talk.hear(ACK, 1001, 102) == []
    assert talk.hear(ACK, 1002, 102) == [(ACK, 1002, 102, b"")]


def test_a_fin_that_reaches_over_the_window_establishes_too_and_the_server_closes() -> None:
    talk = Talk.__new__(Talk)
    talk.injected, talk.channel = [], Channel(SERVERS["discard"], 5000, lambda _packet: None)
    talk.send(SYN, 100, 0)
    talk.hear(SYN | ACK, 1000, 101)
    talk.send(FIN | ACK, 100, 1001, b"x")
    talk.hear(ACK, 1001, 102)
    with pytest.raises(NotOffered, match="closes as soon as its peer has"):
        talk.send(ACK, 102, 1001)


def test_a_repetition_of_a_held_fin_is_counted_from_when_the_fin_came() -> None:
    talk = Talk()
    talk.send(FIN | ACK, 101, 1001)
    segment = Segment(FIN | ACK, 1001, 102, 8000, source_port=7, destination_port=60000)
    seen = TcpPacket.read(codec.encode(FRO, segment))
    assert seen is not None
    now_ns = time.time_ns()
    talk.channel.outward(seen, now_ns - 100_000_000)
    assert len(talk.channel.close()) == 1
    assert talk.channel.outward(seen, now_ns + 100_000_000) == []
    assert len(talk.channel.outward(seen, now_ns + 300_000_000)) == 1


def test_a_handshake_that_was_left_is_reset_too() -> None:
    talk = Talk.__new__(Talk)
    talk.injected, talk.channel = [], Channel(SERVERS["echo"], 5000, lambda _packet: None)
    talk.send(SYN, 100, 0)
    assert talk.channel.last_reset() is None
    talk.hear(SYN | ACK, 1000, 101)
    reset = TcpPacket.read(talk.channel.last_reset() or b"")
    assert reset is not None
    assert (reset.flags, reset.seq, reset.destination_port) == (RST | ACK, 101, 7)


def test_text_for_a_web_server_would_be_a_request() -> None:
    with pytest.raises(NotOffered, match="takes text for a request"):
        Talk("http").send(ACK, 101, 1001, b"text")


def test_a_server_that_never_stops_speaking_is_asked_for_its_handshake_and_reset_only() -> None:
    talk = Talk("chargen")
    assert talk.hear(ACK | PSH, 1001, 101, b" !#$") == []
    with pytest.raises(NotOffered, match="speaks all the time"):
        talk.send(FIN | ACK, 101, 1001)
    assert talk.send(RST, 101, 0).seq == 101


def test_both_zeros_of_a_checksum_are_right() -> None:
    packets = (
        codec.encode(FRO, Segment(ACK, seq, 101, 8000, source_port=7, destination_port=60000)) for seq in range(1 << 17)
    )
    zero = next(packet for packet in packets if packet[36:38] in (bytes(2), b"\xff\xff"))
    for text in (bytes(2), b"\xff\xff"):
        seen = TcpPacket.read(zero[:36] + text + zero[38:])
        assert seen is not None
        assert seen.sound
        moved = TcpPacket.read(seen.written(source_port=5000))
        assert moved is not None
        assert moved.sound


def test_a_reset_and_a_wrong_checksum_are_shown_as_they_are() -> None:
    talk = Talk()
    assert talk.hear(RST, 1001, 0) == [(RST, 1001, 0, b"")]
    segment = Segment(ACK, 1001, 101, source_port=7, destination_port=60000)
    seen = TcpPacket.read(codec.encode(FRO, segment, checksum_error=0x0101))
    assert seen is not None
    (shown,) = talk.channel.outward(seen)
    assert not codec.decode(shown).checksums_ok


def test_a_port_that_goes_on_listening_is_not_asked_whether_it_is_closed() -> None:
    talk = Talk()
    talk.channel.listener_closed = True
    talk.send(RST | ACK, 101, 1001)
    with pytest.raises(NotOffered, match="goes on listening"):
        talk.send(SYN, 9000, 0)
