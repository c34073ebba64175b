"""What a stack behind a device is told of its network: addresses, prefix, gateway, hardware address."""

import sys
from pathlib import Path

import pytest

from harness.report.matrix import Matrix
from harness.targets import registry
from harness.targets.protocol import UnusableTarget
from harness.targets.wired.options import OPTIONS, WireOptions, read, split
from harness.targets.wired.placing import words
from harness.targets.wired.pod import WiredPod


def told(text: str, kind: str = "tap") -> WireOptions:
    return read(kind, *split(text, OPTIONS))


@pytest.mark.parametrize(
    ("named", "has"),
    [
        ("", "198.51.100.1/24, gateway 198.51.100.2; 2001:db8:51::1/64, gateway 2001:db8:51::2"),
        (",ip=10.1.0.1,peer=10.2.0.1", "10.1.0.1/14, gateway 10.2.0.1; 2001:db8:51::1/64, gateway 2001:db8:51::2"),
        (
            ",ip=10.1.0.9,gateway=10.1.0.1,peer=192.0.2.7,gateway6=fe80::1,peer6=2001:db8:9::1",
            "10.1.0.9/24, gateway 10.1.0.1; 2001:db8:51::1/64, gateway fe80::1",
        ),
        (",prefix=30,prefix6=48", "198.51.100.1/30, gateway 198.51.100.2; 2001:db8:51::1/48, gateway 2001:db8:51::2"),
    ],
)
def test_the_prefix_and_the_gateway_are_those_that_are_named_or_fit_the_peers(named: str, has: str) -> None:
    assert str(told(f"./x{named}")) == has


def test_the_program_finds_in_its_environment_all_that_it_is_to_be_configured_with() -> None:
    assert told("./x,mac=02:00:00:00:00:0A,ip=10.1.0.9,gateway=10.1.0.1,peer=192.0.2.7").environment() == {
        "TCPSPEC_IP": "10.1.0.9",
        "TCPSPEC_PEER": "192.0.2.7",
        "TCPSPEC_PREFIX": "24",
        "TCPSPEC_GATEWAY": "10.1.0.1",
        "TCPSPEC_IP6": "2001:db8:51::1",
        "TCPSPEC_PEER6": "2001:db8:51::2",
        "TCPSPEC_PREFIX6": "64",
        "TCPSPEC_GATEWAY6": "2001:db8:51::2",
        "TCPSPEC_MAC": "02:00:00:00:00:0a",
    }
    assert "TCPSPEC_MAC" not in told("./x", "tun").environment()


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        ("mac=02:fe:00:00:00:02", "mac=02:fe:00:00:00:02 is no hardware address that one host can have"),
        ("mac=01:00:5e:00:00:01", "is no hardware address that one host can have"),
        ("mac=seven", "is no hardware address"),
        ("prefix=33", "prefix=33 is not a number of bits from 1 to 32"),
        ("prefix6=0", "prefix6=0 is not a number of bits from 1 to 128"),
        ("gateway=10.0.0.1,prefix=24", "the gateway 10.0.0.1 is not in 198.51.100.0/24"),
        ("gateway=198.51.100.1", "ip and gateway are both 198.51.100.1"),
        ("gateway6=10.0.0.1", "gateway6=10.0.0.1 is not an IPv6 address"),
    ],
)
def test_what_nobody_could_be_configured_with_is_refused_in_a_sentence(named: str, complaint: str) -> None:
    with pytest.raises(UnusableTarget) as refused:
        told(f"./x,{named}")
    assert complaint in str(refused.value)
    with pytest.raises(UnusableTarget, match="a TUN device has no hardware address"):
        told("./x,mac=02:00:00:00:00:01", "tun")


def test_a_stack_that_asks_its_device_or_its_card_has_the_hardware_address_that_was_named(tmp_path: Path) -> None:
    wanted = "02:00:00:00:00:0a"
    pod = WiredPod(told(f"{sys.executable} {_script(tmp_path)} {{if}},mac={wanted}"))
    try:
        pod.start()
        while pod.exit_code() is None:
            pass
        assert f"link/ether {wanted}" in pod.last_words()
    finally:
        pod.close()
    assert f"mac={wanted}" in " ".join(words(wanted)["{net}"])


def _script(where: Path) -> Path:
    script = where / "shows.py"
    script.write_text("import subprocess, sys\nsubprocess.run(['ip', 'link', 'show', sys.argv[1]])\n")
    return script


def test_what_the_stack_is_to_have_is_said_where_nobody_answers_and_above_the_table() -> None:
    sleeps = f"{sys.executable} -c 'import time; time.sleep(60)' {{fd}}"
    with pytest.raises(UnusableTarget, match=r"it is to have 192\.0\.2\.1/25, gateway 192\.0\.2\.3; 2001") as refused:
        registry.open_target(registry.parse(f"tap:{sleeps},ip=192.0.2.1,prefix=25,start=1"), registry.Settings())
    assert "another address is option ip=" in str(refused.value)
    facts = {"implementation": "unknown", "version": "0", "details": {"has": "192.0.2.1/25, gateway 192.0.2.3"}}
    assert Matrix(facts={"tap:x": facts}).title("tap:x") == "tap:x: unknown, has 192.0.2.1/25, gateway 192.0.2.3"
