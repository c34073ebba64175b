"""The options of segments in scripts: how each dialect writes them, and what is held against those of a target."""

import pytest

from harness.pkt import options
from harness.pkt.scanner import BadScript
from testcases.selftest.playing import only


def test_any_options_are_written_in_two_ways_and_the_peer_has_none_then() -> None:
    assert only("0 > . 1:1(0) ack 1 <...>").options is None
    assert only("0 > . 1:1(0) ack 1 <nocheck>").options is None
    assert only("0 < . 1:1(0) ack 1 win 9 <nocheck>").options == ()


def test_options_are_read_with_their_numbers() -> None:
    written = "mss 1460,nop,wscale 7,sackOK,TS val 5 ecr 6,sack 1:2 3:4,FO abcd,md5 00ff,kind 9 01"
    line = only(f"0 < S 0:0(0) win 1 <{written}>")
    assert line.options is not None
    found = {option.name: option.octets if option.octets is not None else option.numbers for option in line.options}
    assert found["TS"] == (5, 6)
    assert found["sack"] == (1, 2, 3, 4)
    assert (found["FO"], found["md5"], found["kind"]) == (b"\xab\xcd", b"\x00\xff", b"\x01")
    assert only("0 > S. 0:0(0) ack 1 <...>").options is None


def test_what_is_told_and_not_played_is_read() -> None:
    """Encryption in UDP (PSP), options of MPTCP, and headers that a fuzzer has changed."""
    assert only("0 > encap psp spi 23 F. 5:5(0) ack 2").around == ("psp",)
    assert only("0 < encap psp spi 0x68, vc 0x12 . 1:1(0) ack 1 win 9").around == ("psp",)
    assert only("0 < ipv4 192.0.2.1 > 192.0.2.2 : psp spi 12: . 1:1(0) ack 1 win 9").around == ("ipv4", "psp")
    for option in (
        "mpcapable v1 flags[flag_b,flag_h] key[skey=2] ",
        "dss dack8=1 ssn=1 dll=1000 nocs",
        "mp_join_syn address_id=1 token=sha256_32(skey)",
    ):
        line = only(f"0 < S 0:0(0) win 1 <mss 1460, {option}, nop>")
        assert line.options is not None
        assert [each.name for each in line.options] == ["mss", "told", "nop"]
        assert line.around == ("an option of MPTCP",)
    assert only("0 > S 0:0(0) <mss 1460,edoOK, nop>").around == ("an option of EDO",)
    assert only("0 < . 1:1(0) ack 1 win 9 <edo 60,40*nop>").around == ("an option of EDO",)


@pytest.mark.parametrize(
    ("written", "octets"),
    [
        ("AccECN0", "ac02"),
        ("AccECN0 ee0b 1 eceb 2 ee1b 3", "ac0b000001000002000003"),
        ("AccECN1 ee1b 16777215", "ae05ffffff"),
        ("exp-AccECN1 ee1b 1 eceb 0", "fe0aacc1000001000000"),
        ("exp-tarr", "fe0400ac"),
        ("exp-tarr 3", "fe0500ac06"),
        ("EXP-FO", "fe04f989"),
        ("gen-77", "4d02"),
        ("gen-253 0xF98912", "fd05f98912"),
        ("exp-0ed0 0102", "fe060ed00102"),
        ("020405b4", "020405b4"),
        ("0x0303", "0303"),
        ("TS val 1 ecr 7!", "080a0000000100000007"),
    ],
)
def test_options_are_read_as_the_fork_for_freebsd_writes_them(written: str, octets: str) -> None:
    line = only(f"0 < S 0:0(0) win 1 <{written}>")
    assert line.options is not None
    raw = options.octets(line.options, options.Stamps({7: 99}), 0)
    assert raw.hex() == octets
    answer = only(f"0 > S. 0:0(0) ack 1 <{written}>").options or ()
    if written == "0x0303":
        return  # nobody sends half an option
    assert not options.compare(answer, raw, options.Stamps(), 0, strict=False).problem
    assert options.compare(answer, b"\x4c\x02", options.Stamps(), 0, strict=True).problem


def test_options_that_are_none_are_a_difference() -> None:
    due = only("0 > S. 0:0(0) ack 1 <mss 1460>").options or ()
    assert "has length 9" in options.compare(due, b"\x02\x09\x05", options.Stamps(), 0, strict=False).problem


def test_a_number_of_the_runner_is_left_open() -> None:
    line = only("0 > S. 0:0(0) ack 1 <mss MSS>")
    assert line.options is not None
    assert (line.options[0].numbers, line.options[0].symbol) == ((-1,), "MSS")


def test_counters_of_ecn_and_cookies_with_a_name_are_read() -> None:
    """The order of the counters tells the kind of the option (RFC 9768 §3.2.3)."""
    line = only("0 > . 1:1(0) ack 1 <ECN e1b 1 ceb 0 e0b 258>")
    assert line.options is not None
    assert [(option.numbers, option.octets) for option in line.options] == [
        ((174,), bytes(2) + b"\1" + bytes(4) + b"\1\2")
    ]
    line = only("0 > S. 0:0(0) ack 1 <mss 1460,ECN e0b 1,FO TFO_COOKIE>")
    assert line.options is not None
    assert [option.octets for option in line.options] == [None, b"\0\0\1", None]
    with pytest.raises(BadScript, match="begin with e0b or e1b"):
        only("0 > . 1:1(0) ack 1 <ECN ceb 1>")
