"""An application behind a device, or on a cable, that is told by lines what to call: Linux as a stack nobody knows."""

import json
import math
import os
import select
import shutil
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.agent.lines import Application
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import State
from harness.targets import registry
from harness.targets.adapter.line import Answer
from harness.targets.protocol import Addresses, Target, UnusableTarget
from harness.targets.wired import asking, options
from harness.targets.wired.channel import GUARD_S
from harness.targets.wired.options import Lines
from harness.targets.wired.probing import OFFER
from harness.targets.wired.remains import Remains
from harness.targets.wired.trial import Call
from harness.wire import codec
from harness.wire.link import Arrival
from testcases.selftest.processes import ends, of_a_killed_harness

ROOT = Path(__file__).parents[3]
LINUX = f"{sys.executable} -m testcases.selftest.wired_lines {{if}} 2"
SERVES = f"{sys.executable} -m testcases.selftest.wired_linux"
ODD = f"{sys.executable} -m testcases.selftest.odd_lines"
TO, FRO = codec.Path("198.51.100.2", "198.51.100.1"), codec.Path("198.51.100.1", "198.51.100.2")
BOARD = "peer=192.0.2.1,target=192.0.2.2"
#: What Linux is asked for with its default settings, which hold challenges back.
HIDDEN = {"unobserved", "not applicable"}


def opened(text: str) -> Target:
    return registry.open_target(registry.parse(text), registry.Settings())


def run(*arguments: str, where: Path, wrapped: tuple[str, ...] = (), **environment: str) -> str:
    command = [sys.executable, *wrapped, "-m", "harness", "run", "--results", str(where), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=300, env={**os.environ, **environment}
    )
    return done.stdout + done.stderr


def verdicts(where: Path) -> dict[tuple[str, int], str]:
    lines = [json.loads(line) for line in (where / "results.jsonl").read_text().splitlines()]
    return {(line["id"], line["ip"]): line["verdict"] for line in lines if line["kind"] == "case"}


def differences(seen: dict[tuple[str, int], str], due: dict[tuple[str, int], str]) -> dict[tuple[str, int], str]:
    """Return the verdicts that are others than those of `linux`, and not for want of something to see."""
    return {case: verdict for case, verdict in seen.items() if verdict != due[case] and verdict not in HIDDEN}


@contextmanager
def serial_cable() -> Iterator[tuple[str, str]]:
    """Two serial lines, each the other's far end."""
    (near, near_line), (far, far_line) = os.openpty(), os.openpty()
    stop_read, stop = os.pipe()
    for line in (near_line, far_line):
        tty.setraw(line)

    def hand_over() -> None:
        while True:
            ready = select.select([near, far, stop_read], [], [])[0]
            if stop_read in ready:
                return
            for end in ready:
                os.write(far if end == near else near, os.read(end, 4096))

    thread = threading.Thread(target=hand_over)
    thread.start()
    try:
        yield os.ttyname(near_line), os.ttyname(far_line)
    finally:
        os.close(stop)
        thread.join()
        for descriptor in (near, near_line, far, far_line, stop_read):
            os.close(descriptor)


@pytest.mark.slow
def test_told_by_lines_linux_behind_a_device_gives_the_verdicts_of_linux(tmp_path: Path) -> None:
    topics = ("sanity", "passive-open", "active-open", "active-close", "passive-close", "resets")
    chosen = ["--grid", "off", "--explore", "off", "--ip", "4"]
    chosen += [word for topic in topics for word in ("--case", f"{topic}/*")]
    said = run("--target", f"tap:{LINUX} -,app=lines", *chosen, where=tmp_path / "lines")
    run(*chosen, where=tmp_path / "linux")
    seen, due = verdicts(tmp_path / "lines"), verdicts(tmp_path / "linux")
    assert differences(seen, due) == {}, said
    assert sum(verdict not in HIDDEN for verdict in seen.values()) >= 800
    assert sum(verdict == "unobserved" for verdict in seen.values()) <= 20


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_the_application_in_c_that_the_page_shows_compiles_and_is_told(tmp_path: Path) -> None:
    program = tmp_path / "lines"
    compiler = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-o", str(program), "docker/lines.c"]
    subprocess.run(compiler, cwd=ROOT, check=True)
    chosen = ["--grid", "off", "--explore", "off", "--ip", "4"]
    chosen += [
        word for topic in ("sanity", "active-open", "active-close", "half-close") for word in ("--case", f"{topic}/*")
    ]
    said = run("--target", f"tap:{LINUX} ={program},app=lines", *chosen, where=tmp_path / "c")
    run(*chosen, where=tmp_path / "linux")
    seen, due = verdicts(tmp_path / "c"), verdicts(tmp_path / "linux")
    broken = {case: verdict for case, verdict in seen.items() if verdict == "violates"}
    assert {due[case] for case in broken} <= {"known deviation"}, said  # to the project, lines.c is a stack of its own
    assert sum(verdict not in {"not applicable", "violates"} for verdict in seen.values()) >= 200, said


def test_the_application_in_c_refuses_as_the_protocol_says(tmp_path: Path) -> None:
    program = tmp_path / "lines"
    subprocess.run(["gcc", "-O1", "-o", str(program), "docker/lines.c"], cwd=ROOT, check=True)
    commands = {
        "listen 127.0.0.1 0 1": "ok 1",
        "accept 1": "err EAGAIN",
        "accept 9999": "err EBADF",
        "listen 192.0.2.77 0 1": "err EADDRNOTAVAIL",
        "connect x 1 y 2": "err EINVAL",
        "error 1": "ok 0",
        "send 1 00": "err EPIPE",
        "state 127.0.0.1 1 127.0.0.1 2": "err ENOSYS",
        "advance 5": "err ENOSYS",
        "dance": "err EINVAL",
        "reset": "ok",
        "accept 1 ": "err EBADF",
        "listen 127.0.0.1 0 2": "ok 3",
    }
    done = subprocess.run([program], input="\n".join(commands), capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(commands)
    assert [answer for answer, due in zip(answers, commands.values(), strict=True) if not answer.startswith(due)] == []


@pytest.mark.parametrize("where", ["-", "127.0.0.1:9000", "{folder}/app.sock", "serial", "tun"])
def test_each_way_to_the_application_reaches_it(where: str, tmp_path: Path) -> None:
    with serial_cable() as (near, far):
        theirs = {"serial": far, "tun": "-"}.get(where, where.format(folder=tmp_path))
        ours = {"serial": f":{near}:9600", "tun": "", "-": ""}.get(where, f":{theirs}")
        theirs = theirs if where != "serial" else f"{theirs}:9600"
        program = LINUX.removesuffix("2") + ("3" if where == "tun" else "2")
        target = opened(f"{'tun' if where == 'tun' else 'tap'}:{program} {theirs},app=lines{ours}")
        try:
            _talk(target)
            target.forget_connections()
            _talk(target)
        finally:
            target.close()


def _talk(target: Target) -> None:
    """Open passively, hear text, and look at the state."""
    listener = target.socket(4)
    listener.listen("198.51.100.1", 5000, 16)
    tuple4 = FourTuple("198.51.100.1", 5000, "198.51.100.2", 60000)
    snapshot = target.snapshot(tuple4)
    assert snapshot is not None
    assert snapshot.listening
    syn = Segment(SYN, 100, source_port=60000, destination_port=5000)
    (answer,) = target.exchange([codec.encode(TO, syn)])
    iss = codec.decode(answer.packet).segment.seq
    text = Segment(ACK, 101, iss + 1, payload=b"hello", source_port=60000, destination_port=5000)
    target.exchange([codec.encode(TO, text)])
    connection = listener.accept()
    assert connection.recv(100) == b"hello"
    assert target.snapshot(tuple4) == Snapshot(State.ESTABLISHED)
    assert connection.send(b"bye") == 3
    assert [codec.decode(arrival.packet).segment.payload for arrival in target.waiting()] == [b"bye"]


def test_what_a_killed_harness_has_left_half_written_on_a_serial_line_is_no_harm() -> None:
    with serial_cable() as (near, far):
        descriptor = os.open(near, os.O_RDWR | os.O_NOCTTY)
        os.write(descriptor, b"listen 198.51.100.1 50")
        target = opened(f"tap:{LINUX} {far},app=lines:{near}")
        os.close(descriptor)
        target.close()


def test_a_serial_line_is_one_run_s_at_a_time() -> None:
    with serial_cable() as (near, far):
        target = opened(f"tap:{LINUX} {far},app=agent:{near}")
        with pytest.raises(UnusableTarget, match="another run has this line"):
            opened(f"tap:{SERVES} {{if}} 2,app=agent:{near}")
        target.close()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["socket", "serial"])
def test_a_board_on_a_cable_is_told_by_lines(way: str, tmp_path: Path) -> None:
    chosen = ("--grid", "off", "--explore", "off", "--case", "passive-close/*", "--case", "active-open/three*")
    with serial_cable() as (near, far):
        theirs, ours = (far, near) if way == "serial" else (str(tmp_path / "board"), str(tmp_path / "board"))
        target = f"net:eth1,{BOARD},peer6=2001:db8::1,target6=2001:db8::2,app=lines:{ours}"
        wrapped = ("-m", "testcases.selftest.cable", sys.executable)
        told = ("--target", target, "--i-own-this-network", *chosen)
        said = run(*told, where=tmp_path / "net", wrapped=wrapped, LINES=theirs)
    run(*chosen, where=tmp_path / "linux")
    seen = verdicts(tmp_path / "net")
    assert differences(seen, verdicts(tmp_path / "linux")) == {}, said
    assert {ip for (_case, ip), verdict in seen.items() if verdict == "conforms"} == {4, 6}, said


def test_a_death_in_the_middle_of_a_case_is_a_violation_of_that_case(tmp_path: Path) -> None:
    cases = ("--case", "passive-close/an-ack-out*", "--case", "sanity/*", "--ip", "4", "--grid", "off")
    said = run("--target", f"tap:{ODD} dies {{if}},app=lines", *cases, where=tmp_path)
    found = verdicts(tmp_path)
    assert {case: verdict for (case, _ip), verdict in found.items() if verdict == "violates"} == {
        "passive-close/an-ack-out-of-the-window[by-shutdown]": "violates"
    }
    assert "ended with exit code 3" in said
    assert "nobody closes here" in said


def test_an_application_without_connect_and_abort_is_asked_all_else(tmp_path: Path) -> None:
    cases = ("--ip", "4", "--case", "passive-close/four-way-close*")
    said = run("--target", f"tap:{ODD} few {{if}},app=lines", *cases, where=tmp_path)
    assert set(verdicts(tmp_path).values()) == {"conforms", "not applicable"}, said


def test_the_program_ends_with_a_harness_that_is_killed() -> None:
    assert all(ends(pid) for pid in of_a_killed_harness(f"tap:{LINUX} -,app=lines"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tap:./x,app=lines:", "'' is no place for lines"),
        ("tap:./x,app=lines:nowhere", "'nowhere' is no place for lines"),
        ("tap:./x,app=lines:127.0.0.1:0", "is no place for lines"),
        ("net:eth1,peer=192.0.2.1,target=192.0.2.2,app=lines", "a board has no standard input"),
        ("tap:./x,app=gopher", "an application that is told what to call: lines"),
        ("tap:./does-not-exist {if},app=lines", "can't be started"),
        (f"tap:{SERVES} {{if}} 2,app=lines:/dev/null", "Inappropriate ioctl for device"),
        (f"tap:{SERVES} {{if}} 2,app=lines:/dev/ptmx:77", "a serial line has no 77 baud"),
        (f"tap:{SERVES} {{if}} 2,app=agent:127.0.0.1:9000", "one file, is to run there: python3 lines.py --listen"),
        (f"tap:{ODD} virtual {{if}},app=lines", "claims time=virtual"),
        (f"tap:{ODD} claims {{if}},app=lines", "the adapter claims 'telepathy'"),
        (f"tap:{ODD} packet {{if}},app=lines", "with a packet: behind a device packets go over that"),
        (f"tap:{ODD} babbles {{if}},app=lines", "went on behind its final line"),
        (f"tap:{ODD} nonsense {{if}},app=lines", "not an out, ok or err line"),
        (f"tap:{ODD} closed {{if}},app=lines", "answers no SYN to port"),
        (f"tap:{ODD} keeps {{if}},app=lines", "refuses 'reset': ENOSYS nothing is forgotten here"),
    ],
)
def test_what_does_not_work_is_said_in_a_sentence(text: str, complaint: str) -> None:
    with pytest.raises(UnusableTarget) as refused:
        registry.open_target(registry.parse(text), registry.Settings(owns_network=True))
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("lines", Lines()),
        ("lines:127.0.0.1:9000", Lines(host="127.0.0.1", port=9000)),
        ("lines:[::1]:9000", Lines(host="::1", port=9000)),
        ("lines:/run/app.sock", Lines(path="/run/app.sock")),
        ("agent", Lines(agent=True)),
        ("agent:10.0.0.5:9000", Lines(host="10.0.0.5", port=9000, agent=True)),
        ("lines:/dev/ttyUSB0:9600", Lines(path="/dev/ttyUSB0", baud=9600)),
    ],
)
def test_a_place_for_lines_is_read(text: str, lines: Lines) -> None:
    assert options.read("tap", "./x {if}", {"app": text}).lines == lines


def test_what_is_left_of_a_connection_is_reset_at_the_number_that_it_expects() -> None:
    remains = Remains()
    for segment in (
        Segment(SYN, 1000, source_port=1025, destination_port=60000),
        Segment(SYN | ACK, 2000, 101, source_port=1026, destination_port=60001),
        Segment(ACK, 2001, 105, payload=b"text", source_port=1026, destination_port=60001),
        Segment(ACK, 3000, 1, source_port=1027, destination_port=60002),
        Segment(RST, 3000, source_port=1027, destination_port=60002),
    ):
        remains.note([Arrival(0, codec.encode(FRO, segment))])
    resets = [codec.decode(packet).segment for packet in remains.resets()]
    assert [(each.flags, each.seq, each.ack, each.destination_port) for each in resets] == [
        (RST | ACK, 0, 1001, 1025),
        (RST, 105, 0, 1026),
    ]
    assert remains.resets() == []


@pytest.mark.parametrize(("again_s", "found_s"), [(0.01, 0.01), (0.208, math.inf), (None, math.inf)])
def test_how_soon_text_comes_again_that_nobody_acknowledges_is_measured(
    monkeypatch: pytest.MonkeyPatch, again_s: float | None, found_s: float
) -> None:
    """By capture times: a loss probe (RFC 8985 §7.2) comes before any time-out, which is reckoned with anyway."""
    link, told = Mock(patience_s=0.0), Mock(life=0, failed=False)
    link.waiting.return_value = []
    told.ask.return_value = Answer([], "", ["1"])
    desk = asking._Desk(link, Addresses(("198.51.100.1",), ("198.51.100.2",)), told)
    call = Call(link, TO, asking.PORT, flags=ACK)
    monkeypatch.setattr(desk, "call", lambda _offer: call)
    text = [
        codec.encode(FRO, Segment(ACK, seq, payload=b"x", destination_port=call._own_port, source_port=asking.PORT))
        for seq in (1, 2)
    ]
    came = [Arrival(0, text[0]), Arrival(5_000_000, text[1])]
    came += [] if again_s is None else [Arrival(5_000_000 + int(again_s * 1e9), text[1])]
    told.waiting.side_effect = lambda: [came.pop(0)] if came else []
    assert desk.again_s(2 * asking.SEGMENT) == found_s


@pytest.mark.parametrize(
    ("again_s", "guard_s"),
    [
        ([math.inf] * 4, GUARD_S),
        ([0.12, 0.12, math.inf, 0.12], asking.PROBED_S),
        ([0.12, *[math.inf] * 3], 0.03),
        ([math.inf, math.inf, math.inf, 0.004], 0.001),
    ],
)
def test_a_probe_that_was_seen_once_may_come_two_round_trips_behind(again_s: list[float], guard_s: float) -> None:
    assert asking._guard_s(again_s) == guard_s


@pytest.mark.parametrize("probes", [0, 3])
def test_a_loss_probe_of_linux_is_no_segment_too_many(probes: int) -> None:
    target = opened(f"tap:{LINUX} - net.ipv4.tcp_early_retrans={probes},app=lines")
    try:
        assert target.guard_s(syn_sent=False) == GUARD_S or probes
        rig = Rig(target, patient=True)
        main = rig.begin(4, name="selftest").main
        side, peer = TargetSide(main), PeerSide(main)
        side.listen()
        peer.send(SYN, options=OFFER)
        side.must_send(SYN | ACK, seq=0, ack=1)
        peer.send(ACK)
        side.accept()
        side.send(bytes(2 * asking.SEGMENT))
        for seq in (1, 1 + asking.SEGMENT):
            side.must_send(ACK, seq=seq, ack=1, data=bytes(asking.SEGMENT))
        time.sleep(0.1)  # a slow step: longer than two round trips and two jiffies, shorter than any time-out
        side.must_not_send()
    finally:
        target.close()


def test_refusals_have_the_names_of_their_errnos() -> None:
    application = Application()
    assert application.answer("dance").startswith("err EINVAL")
    assert application.answer("recv 1 10").startswith("err EBADF")
    assert application.answer("listen 127.0.0.1").startswith("err EINVAL")
    assert application.answer("listen 192.0.2.77 0 1").startswith("err EADDRNOTAVAIL")
    assert application.answer("hello tcpspec-adapter 2").startswith("err EINVAL")
    handle = application.answer("listen 127.0.0.1 0 1").split()[1]
    assert application.answer(f"accept {handle}").startswith("err EAGAIN")
    assert application.answer("reset") == "ok"
    assert application.answer(f"accept {handle}").startswith("err EBADF")
