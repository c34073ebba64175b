"""A board on a cable: the machine's kernel behind a veth pair, in namespaces of the test's own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.agent.rtnetlink import LinkFacts
from harness.spec.segment import SYN, Segment
from harness.targets import registry
from harness.targets.lane import MOST, Lane
from harness.targets.protocol import NotOffered, UnusableTarget
from harness.targets.wired import claims
from harness.targets.wired.network import ARPHRD_ETHER, NetworkLink, above
from harness.targets.wired.options import read_network
from harness.wire import codec
from harness.wire.link import PacketLink
from testcases.selftest.wired_linux import ALONE

ROOT = Path(__file__).parents[3]
BOARD = "peer=192.0.2.1,target=192.0.2.2"
USAGE_ERROR = 4


def run(*arguments: str, where: Path, cable: tuple[str, ...] | None = ()) -> subprocess.CompletedProcess[str]:
    """Run the harness on the near end of a cable, or (None) without one."""
    wrapped = [] if cable is None else [sys.executable, "-m", "testcases.selftest.cable", *cable]
    command = [*wrapped, sys.executable, "-m", "harness", "run", "--results", str(where), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, env={**os.environ})


def lines(where: Path) -> list[dict[str, str]]:
    read = [json.loads(line) for line in (where / "results.jsonl").read_text().splitlines()]
    return [line for line in read if line["kind"] == "case"]


@pytest.mark.slow
def test_a_board_on_a_cable_gives_the_verdicts_of_linux(tmp_path: Path) -> None:
    chosen = ("--grid", "off", "--explore", "off", "--case", "passive-close/*")
    target = f"net:eth1,{BOARD},peer6=2001:db8::1,target6=2001:db8::2"
    done = run("--target", target, "--i-own-this-network", *chosen, where=tmp_path / "net")
    assert "passive-close" in done.stdout, done.stdout + done.stderr
    run(*chosen, where=tmp_path / "linux", cable=None)
    due = {(line["id"], line["ip"]): line["verdict"] for line in lines(tmp_path / "linux")}
    seen = {(line["id"], line["ip"]): line["verdict"] for line in lines(tmp_path / "net")}
    broken = {case for case, verdict in seen.items() if verdict in ("violates", "deviates")}
    assert {due[case] for case in broken} <= {"known deviation", "deviates"}
    assert sum(verdict in ("conforms", "unobserved") for verdict in seen.values()) >= 20
    assert {ip for (_case, ip), verdict in seen.items() if verdict == "unobserved"} == {4, 6}


@pytest.mark.slow
def test_nothing_is_sent_to_an_address_that_nobody_named(tmp_path: Path) -> None:
    cases = ("--case", "isolation/listen-at*", "--case", "*/to-group-address*", "--ip", "4", "--grid", "off")
    run("--target", f"net:eth1,{BOARD}", "--i-own-this-network", *cases, where=tmp_path)
    reasons = {line.get("reason", "").removeprefix("not applicable: ") for line in lines(tmp_path)}
    assert "nothing goes to or from an address that was not named" in reasons
    assert "one address was named" in reasons


def test_what_sends_through_an_interface_is_asked_for_a_default_route_too() -> None:
    links = [
        LinkFacts("eth0", 2, ARPHRD_ETHER, 1, master=5),
        LinkFacts("eth1", 3, ARPHRD_ETHER, 1),
        LinkFacts("eth1.7", 4, ARPHRD_ETHER, 1, below=3),
        LinkFacts("bond0", 5, ARPHRD_ETHER, 1),
        LinkFacts("br0", 6, ARPHRD_ETHER, 1),
        LinkFacts("bond0.9", 7, ARPHRD_ETHER, 1, master=6, below=5),
    ]
    assert above("eth0", links) == {"eth0", "bond0", "bond0.9", "br0"}
    assert above("eth1", links) == {"eth1", "eth1.7"}


def test_no_more_packets_leave_in_a_second_than_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[float] = []
    monkeypatch.setattr(PacketLink, "_transmit", lambda _link, _frame: left.append(time.monotonic()))
    addresses = {"peer": "192.0.2.1", "target": "192.0.2.2", "rate": "100"}
    sock = Mock()
    sock.getsockopt.return_value = bytes(8)
    link = NetworkLink(sock, "eth1", read_network("eth1", addresses), Lane())
    packet = codec.encode(codec.Path("192.0.2.1", "192.0.2.2"), Segment(SYN, source_port=60000, destination_port=7))
    for _ in range(21):
        link.send(packet, bytes.fromhex("020000000002"))
    assert len(left) == 21
    assert 0.2 <= left[-1] - left[0] < 2
    with pytest.raises(NotOffered, match="not named"):
        link.send(codec.encode(codec.Path("192.0.2.1", "192.0.2.3"), Segment(SYN)))
    assert len(left) == 21


@pytest.mark.parametrize(
    ("options", "cable", "complaint"),
    [
        ((f"net:eth1,{BOARD}",), (), "--i-own-this-network"),
        ((f"net:eth1,{BOARD}", "--i-own-this-network"), ("default-route",), "eth1 has a default route"),
        ((f"net:eth1,{BOARD}", "--i-own-this-network"), ("bridge",), "eth1 has a default route, through br0"),
        (("net:eth1,peer=192.0.2.1,target=192.0.2.9", "--i-own-this-network"), (), "is it on this cable"),
        ((f"net:eth9,{BOARD}", "--i-own-this-network"), (), "there is no interface 'eth9'"),
        ((f"net:lo,{BOARD}", "--i-own-this-network"), (), "lo is"),
        (
            (f"net:eth1,{BOARD},app=lines:/dev/null", "--i-own-this-network", "-n2"),
            (),
            "told what to call, by one process",
        ),
        ((f"net:eth1,{BOARD}", "--i-own-this-network", "-n9"), (), "no more than 8 processes ask one board"),
        ((f"net:eth1,{BOARD},app=echo:{ALONE}", "--i-own-this-network", "-n2"), (), "takes one connection at a time"),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(
    options: tuple[str, ...], cable: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    done = run("--target", *options, "--case", "sanity/*", where=tmp_path, cable=cable)
    assert complaint in done.stdout + done.stderr
    assert done.returncode == USAGE_ERROR


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("net:", "needs an interface"),
        (f"net:eth1,{BOARD},aap=echo", "unknown option 'aap'"),
        ("net:eth1,peer=192.0.2.1", "needs an interface, and target= with peer="),
        ("net:eth1,peer=192.0.2.1,target=192.0.2.1", "are both 192.0.2.1"),
        ("net:eth1,peer=2001:db8::1,target=192.0.2.2", "is not an IPv4 address"),
        ("net:eth1,peer=192.0.2.1,target=255.255.255.255", "is no address that one host can have"),
        ("net:eth1,peer=224.0.0.1,target=192.0.2.2", "is no address that one host can have"),
        ("net:eth1,peer=0.0.0.0,target=192.0.2.2", "is no address that one host can have"),
        (f"net:eth1,{BOARD},peer6=fe80::1%eth1,target6=fe80::2", "peer6=fe80::1%eth1: leave the zone away"),
        (f"net:eth1,{BOARD},rate=0", "is not a number of packets per second"),
        (f"net:eth1,speed=1,{BOARD}", "unknown option 'speed'"),
        (f"net:lo,{BOARD}", "lo is the loopback"),
        ("net:lo,peer=192.0.2.1,target=192.0.2.2,app=gopher", "there is no server 'gopher'"),
    ],
)
def test_what_does_not_work_is_said_in_a_sentence(text: str, complaint: str) -> None:
    with pytest.raises(UnusableTarget) as refused:
        registry.open_target(registry.parse(text), registry.Settings(owns_network=True))
    assert complaint in str(refused.value)


def test_an_interface_is_one_run_s_at_a_time_and_free_again_behind_its_end() -> None:
    nobodys = 1 << 30
    claim = f"from harness.targets.wired import claims; claims.take({nobodys}, 'eth1')"
    other = [sys.executable, "-c", claim]
    claims.take(nobodys, "eth1")
    claims.take(nobodys, "eth1")  # the same run may have two targets there
    claims.give_back(nobodys)
    refused = subprocess.run(other, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "another run tests over eth1" in refused.stderr
    claims.give_back(nobodys)
    assert subprocess.run(other, cwd=ROOT, check=False).returncode == 0


@pytest.mark.slow
def test_processes_side_by_side_give_the_verdicts_of_one_on_a_long_cable(tmp_path: Path) -> None:
    chosen = ("--grid", "off", "--explore", "off", "--ip", "4", "--case", "passive-close/*")
    target = ("--target", f"net:eth1,{BOARD}", "--i-own-this-network")
    alone = run(*target, *chosen, where=tmp_path / "alone", cable=("far",))
    beside = run(*target, *chosen, "-n3", where=tmp_path / "beside", cable=("far",))
    due, seen = ({line["id"]: line["verdict"] for line in lines(tmp_path / name)} for name in ("alone", "beside"))
    # On a long way a timer may speak in the middle of a case, time and again.
    judged = {case for case in due if "harness error" not in (due[case], seen[case])}
    assert {case: seen[case] for case in judged} == {case: due[case] for case in judged}, beside.stdout + beside.stderr
    assert len(due) - len(judged) <= 2, alone.stdout + beside.stdout
    assert sum(verdict in ("conforms", "unobserved") for verdict in seen.values()) >= 20


def test_no_two_processes_have_a_port_or_a_probe_in_common() -> None:
    for count in (2, MOST):
        lanes = [Lane(at, count) for at in range(2 * count)]  # each may have died once
        for port in range(1024, 60_001):
            assert sum(lane.has(port) for lane in lanes) <= 1
        for lane in lanes:
            first, last = lane.ports
            assert all(map(lane.has, (first, last, *lane.calls)))
            assert not set(lane.calls) & set(range(first, last + 1))
        assert len({lane.first_fence for lane in lanes}) == len(lanes)
    assert all(lane.has(port) for lane in (Lane(), Lane(count=4)) for port in (1, 65_535))
