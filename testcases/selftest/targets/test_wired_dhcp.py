"""A stack behind a device that asks for its address by DHCP."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP

from harness.targets import registry
from harness.targets.protocol import UnusableTarget
from harness.trace.capture import file_name
from harness.wire.dhcp import DhcpServer

ROOT = Path(__file__).parents[3]
ASKS = f"{sys.executable} -m testcases.selftest.wired_dhcp {{if}} 2"
MAC = bytes.fromhex("020000000007")
DISCOVER, REQUEST, RELEASE, INFORM = 1, 3, 7, 8


def asked(kind: int, *options: tuple[str, str], flags: int = 0, ciaddr: str = "0.0.0.0") -> bytes:
    head = IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    request = BOOTP(xid=77, chaddr=MAC + bytes(10), flags=flags, ciaddr=ciaddr)
    return bytes(head / request / DHCP(options=[("message-type", kind), *options, "end"]))


def answered(server: DhcpServer, packet: bytes) -> tuple[bytes, str, str, dict[str, object]]:
    found = server.answer(packet)
    assert found is not None
    reply = IP(found[1])
    options = {option[0]: option[1] for option in reply[DHCP].options if isinstance(option, tuple)}
    assert (reply[BOOTP].op, reply[BOOTP].xid, reply[UDP].sport, reply[UDP].dport) == (2, 77, 67, 68)
    return found[0], reply.dst, reply[BOOTP].yiaddr, options


def test_an_address_is_offered_and_acknowledged() -> None:
    server = DhcpServer("10.7.1.20", 22, "10.7.2.1")
    mac, destination, given, told = answered(server, asked(DISCOVER))
    assert (mac, destination, given, told["message-type"]) == (MAC, "10.7.1.20", "10.7.1.20", 2)
    assert (told["subnet_mask"], told["router"]) == ("255.255.252.0", "10.7.2.1")
    assert server.given == ""
    wanted = (("server_id", "10.7.2.1"), ("requested_addr", "10.7.1.20"))
    _mac, _destination, given, told = answered(server, asked(REQUEST, *wanted))
    assert (given, told["message-type"], told["lease_time"]) == ("10.7.1.20", 5, 86_400)
    assert server.given == "10.7.1.20/22, router 10.7.2.1"


def test_another_address_is_refused_and_what_is_no_question_is_not_answered() -> None:
    server = DhcpServer("198.51.100.1", 24, "198.51.100.2")
    mac, destination, given, told = answered(server, asked(REQUEST, ("requested_addr", "192.0.2.9")))
    assert (mac, destination, given, told["message-type"]) == (b"\xff" * 6, "255.255.255.255", "0.0.0.0", 6)
    assert server.answer(asked(REQUEST, ("server_id", "192.0.2.1"), ("requested_addr", "198.51.100.1"))) is None
    assert server.answer(asked(RELEASE)) is None
    assert server.answer(bytes(IP(dst="255.255.255.255") / UDP(sport=68, dport=69))) is None
    assert server.answer(b"\x45" + bytes(30)) is None


def test_who_can_hear_broadcasts_only_or_has_an_address_is_answered_so() -> None:
    server = DhcpServer("198.51.100.1", 24, "198.51.100.2")
    mac, destination, _given, _told = answered(server, asked(DISCOVER, flags=0x8000))
    assert (mac, destination) == (b"\xff" * 6, "255.255.255.255")
    _mac, _destination, given, told = answered(server, asked(INFORM, ciaddr="198.51.100.1"))
    assert (given, told["message-type"], "lease_time" in told) == ("0.0.0.0", 5, False)
    assert answered(server, asked(REQUEST, ciaddr="198.51.100.1"))[2] == "198.51.100.1"


@pytest.mark.parametrize(
    ("named", "given"),
    [("", "10.7.1.20/24, router 10.7.1.22"), (",gateway=10.7.1.1,peer=203.0.113.9", "10.7.1.20/24, router 10.7.1.1")],
    ids=["beside its peers", "behind a gateway"],
)
def test_a_stack_that_configures_itself_is_tested_and_its_address_printed(
    named: str, given: str, tmp_path: Path
) -> None:
    target = f"tap:{ASKS},app=lines,dhcp=yes,ip=10.7.1.20{named}"
    chosen = ("--grid", "off", "--explore", "off", "--ip", "4", "--case", "sanity/*")
    command = [sys.executable, "-m", "harness", "run", "--target", target, *chosen, "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"by DHCP {given}" in " ".join(done.stdout.split())
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in lines if line["kind"] == "case"] == ["conforms", "conforms"]


def test_a_stack_that_asks_in_vain_or_not_at_all_is_told_apart() -> None:
    with pytest.raises(UnusableTarget, match=r"dhcp=perhaps is neither yes nor no"):
        registry.open_target(registry.parse("tap:./x,dhcp=perhaps"), registry.Settings())
    with pytest.raises(UnusableTarget, match=r"hint: it has asked nothing by DHCP"):
        registry.open_target(registry.parse("tap:sleep 60,dhcp=yes"), registry.Settings())


def test_the_capture_of_a_target_with_a_long_command_has_a_name_that_a_file_system_takes() -> None:
    record = {"id": "resets/a-case[with-a-name]", "target": "tap:./my-stack " + "--option " * 40, "ip": 4}
    other = record | {"target": record["target"] + "--last"}
    assert len(file_name(record)) < 200
    assert file_name(record) != file_name(other)
    assert file_name(record).startswith("resets_a-case_with-a-name_-tap_._my-stack_--option")
    assert file_name(record | {"target": "linux"}) == "resets_a-case_with-a-name_-linux-ipv4.pcapng"
