"""packetdrill's language: what is read, and what is refused with its place, however hostile it is."""

import random
import re
import time
from pathlib import Path

import pytest

from harness.pkt import explain, grammar, needs, run, scanner, shell
from harness.pkt.assertions import MAX_OCTETS, Assertion, BadAssertion
from harness.pkt.scanner import BadScript
from harness.pkt.support import Traits
from harness.pkt.tree import Call, Clock, Code, Icmp, IpFields, Record, Shell
from harness.spec.segment import ACK, CWR, ECE, FIN, PSH, SYN, URG
from harness.targets.protocol import Capability
from testcases.selftest.playing import SERVER, only

LINUX = Traits("Linux", frozenset(Capability))
OWN = Path(__file__).parents[2] / "pkt"


@pytest.mark.parametrize(
    ("flags", "bits"),
    [
        ("S", SYN),
        ("S.", SYN | ACK),
        (".", ACK),
        ("FP.", FIN | PSH | ACK),
        ("SEW", SYN | ECE | CWR),
        ("PU.", PSH | URG | ACK),
        ("-", 0),
        ("F.5", FIN | ACK | ECE),
    ],
)
def test_flags_are_read(flags: str, bits: int) -> None:
    assert int(only(f"0 < {flags} 1:1(0) win 10").flags) == bits


def test_the_bit_that_was_reserved_is_read() -> None:
    assert only("0 < SAEW 0:0(0) win 10").reserved == 1
    assert only("0 < .5 0:0(0) win 10").reserved == 1


@pytest.mark.parametrize(
    ("text", "clock", "start", "end"),
    [
        ("0.25", Clock.ABSOLUTE, 250_000_000, 250_000_000),
        ("+.1", Clock.RELATIVE, 100_000_000, 100_000_000),
        ("+.3~+.4", Clock.RELATIVE, 300_000_000, 400_000_000),
        ("1~2", Clock.ABSOLUTE, 1_000_000_000, 2_000_000_000),
        ("*", Clock.ANY, 0, 0),
    ],
)
def test_times_are_read(text: str, clock: Clock, start: int, end: int) -> None:
    event = grammar.parse("x.pkt", f"{text} > . 1:1(0) ack 1").events[0]
    assert (event.time.clock, event.time.start_ns, event.time.end_ns) == (clock, start, end)


def test_what_stands_before_a_segment_is_read() -> None:
    line = only("0 < [tos 0x10, flowlabel 0x3] 1111 > 8080 . 1:1(0) ack 1 win 5")
    assert (line.ip.tos, line.ip.flow_label, line.ports) == (16, 3, (1111, 8080))
    wrapped = only("0 < ipv4 192.0.2.1 > 192.0.2.2: gre: . 1:1(0) ack 1 win 5")
    assert wrapped.around == ("ipv4", "gre")


def test_the_dialect_of_freebsd_is_read() -> None:
    icmp = grammar.parse("x.pkt", "0 < [4294967295:4294967295(0)] icmp unreachable port_unreachable").events[0].action
    assert isinstance(icmp, Icmp)
    assert (icmp.type, icmp.code, icmp.quoted) == ("unreachable", "port_unreachable", (4294967295, 0))
    closed, other = (grammar.parse("x.pkt", f"0 %{{ assert tcpi_state == {n} }}%") for n in (0, 7))
    assert (run.dialect_of(closed), run.dialect_of(other)) == ("bsd", "linux")
    line = only("0 > (class 0x20) P6. 5:5(0)! ack 1 win 3 <mss ..., nop, TS val ... ecr 7, md5 valid>/udp(1 > 9811)")
    assert (line.ip.tos, line.reserved, line.absolute, line.around) == (0x20, 1, True, ("udp",))
    assert line.options is not None
    assert [option.numbers for option in line.options] == [(-1,), (), (-1, 7), (True,)]


def test_the_fields_of_differentiated_services_are_read_apart() -> None:
    assert only("0 < (dscp ef, ecn ect0) . 1:1(0) ack 1 win 5").ip == IpFields(ecn=2, dscp=46)
    assert only("0 < [dscp 5,ttl 3] . 1:1(0) ack 1 win 5").ip == IpFields(dscp=5, ttl=3)
    assert only("0 > [dscp af23, ect01] . 1:1(0) ack 1").ip == IpFields(ecn=4, dscp=22)
    assert only("0 > [ecn 0] . 1:1(0) ack 1").ip == IpFields(ecn=0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 < S 0:0(0) win 1 <gen-256>", "1:21: the number of an option is too large: gen-256"),
        ("0 < S 0:0(0) win 1 <exp-10000 01>", "1:21: the number of an option is too large: exp-10000"),
        ("0 < S 0:0(0) win 1 <gen-9 012>", "1:21: gen-9 takes pairs of hexadecimal digits, 40 at most"),
        ("0 < S 0:0(0) win 1 <AccECN0 ee0b 16777216>", "1:34: the counter ee0b is from 0 to 16777215, not 16777216"),
        ("0 < S 0:0(0) win 1 <exp-tarr 128>", "1:30: a rate is from 0 to 127, not 128"),
        ("0 < 99999 > 8080 S 0:0(0) win 1", "1:5: a port is from 0 to 65535, not 99999"),
        ("0 < (dscp 64) S 0:0(0) win 1", "1:11: a DSCP is at most 0x3f"),
        ("0 < (dscp gold) S 0:0(0) win 1", "1:11: there is no 'gold': expected one of cs0"),
        ("0 < [ect01] S 0:0(0) win 1", "ect01 can stand in what the target sends only"),
    ],
)
def test_what_the_dialect_does_not_allow_is_told_with_its_place(line: str, message: str) -> None:
    with pytest.raises(BadScript, match=re.escape(message)):
        only(line)


def test_what_packetdrill_takes_on_its_command_line_may_stand_in_a_script() -> None:
    """Its own list, and what it is about: how it is run, which is not ours, changes nothing."""
    for option in ("wire_client", "code_sockopt=TCP_INFO", "so_filename=./x.so", "is_anyip", "strict_segments"):
        assert grammar.parse("x.pkt", f"--{option}\n0 close(3) = 0").events


def test_the_place_of_an_option_is_known() -> None:
    script = grammar.parse("x.pkt", "// x\n--mtu=9000\n --udp_encapsulation=tcp\n0 `true`")
    assert {name: (place.line, place.column) for name, place in script.places.items()} == {
        "mtu": (2, 1),
        "udp_encapsulation": (3, 2),
    }


def test_calls_are_read_with_structures_and_errors() -> None:
    script = grammar.parse(
        "x.pkt",
        '0...0.2 connect(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("1.2.3.4")}, 16) '
        "= -1 EINPROGRESS (Operation now in progress)\n"
        "+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_flags=0, msg_control=[]}, 0) = 10",
    )
    connect, receive = (event.action for event in script.events)
    assert isinstance(connect, Call)
    assert (connect.error, connect.stop_ns) == ("EINPROGRESS", 200_000_000)
    assert isinstance(receive, Call)
    assert isinstance(receive.arguments[1], Record)


def test_the_rest_is_read_too() -> None:
    script = grammar.parse(
        "x.pkt",
        "// About this.\n--ip_version=ipv6\n--define=X=3\n`./defaults.sh\n`\n/* a comment\n */ 0 `true`\n"
        "+0 %{ assert tcpi_state == 1 }%\n+0 < icmp unreachable frag_needed mtu 1300 [1:11(10)]\n`cleanup`",
    )
    assert (script.summary, script.options, script.symbols) == ("About this.", {"ip_version": "ipv6"}, {"X": "3"})
    kinds = [type(event.action) for event in script.events]
    assert kinds == [Shell, Shell, Code, Icmp, Shell]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("0 > S. 0:0(0) ack 1\n+0 < X 0:0(0)", "2:6", "expected flags"),
        ("0 < . 1:5(3) win 1", "1:7", "are 4, not 5"),
        ("0 < S 0:0(0) win 70000", "1:18", "from 0 to 65535"),
        ("0 < S 0:0(0) win 1 <mss>", "1:24", "expected the number of mss"),
        ("0 < S 0:0(0) win 1 <speed 3>", "1:21", "there is no option 'speed'"),
        ("0 < S 0:0(0) win 1 <...>", "1:25", "<...> can stand in what the target sends only"),
        ("0 close(3 = 0", "1:11", "expected ')' or ','"),
        ("0 > . 1:1(0) akc 1", "1:14", "expected 'ack' or 'win' or 'urg' or options in <> or a time, found 'akc'"),
        ("0 > . 1:1(0) win 3 ack 1", "1:20", "expected 'urg' or options in <> or a time, found 'ack'"),
        ("0 > . 1:1(0) <nop\n+0 close(3) = 0", "1:18", "expected '>' or ',', found the end of the line"),
        ("0 bind(3, ..., ...)\n+0 listen(3, 1) = 0", "1:20", "expected '=', found the end of the line"),
        ("0 S 0:0(0) win 1", "1:5", "expected '(' of a call, '<' or '>' before a segment, found '0'"),
        ("0 read(3, ..., 1) = -1 ECONRESET", "1:24", "there is no error ECONRESET: ECONNRESET?"),
        ("0 read(3, ..., 1) = -1 einval", "1:24", "expected an error such as EINVAL or a note in () or a time"),
        ("0 close(3) = 0 ok", "1:16", "expected a note in () or a time, found 'ok'"),
        ("0 close(3)", "1:11", "expected '=', found the end of the file"),
        ("-1 close(3) = 0", "1:1", "a time is not negative"),
        ("+.3~+.1 > . 1:1(0) ack 1", "1:4", "ends before it begins"),
        ("+.3~+.4 close(3) = 0", "1:1", "only what the target sends"),
        ("* < . 1:1(0) ack 1 win 1", "1:1", "only what the target sends"),
        ("0...-1 accept(3) = 4", "1:5", "a time is not negative"),
        ("1...0.5 accept(3, ..., ...) = 4", "1:5", "returns before it is made"),
        ("0 `sysctl", "1:3", "this command has no end"),
        ("0 %{ assert 1", "1:3", "this assertion has no end"),
        ("0 %{ assert tcpi_state = 1 }%", "1:3", "this assertion: no assertion: invalid syntax"),
        ("0 %{ print 5\nassert (tcpi_state }%", "1:3", "this assertion: no assertion: '(' was never closed"),
        ("/* for ever", "1:1", "this comment has no end"),
        ("--colour=red\n0 close(3) = 0", "1:1", "there is no option --colour"),
        ("", "1:1", "expected a time"),
        ("0 < sctp: INIT", "1:5", "SCTP"),
        ("0 < . ...(0) win 1", "1:7", "expected a sequence number"),
        ("#ifdef Linux\n0 close(3) = 0", "1:13", "#ifdef Linux has no #endif"),
        ("0 close(3) = 0\n#else", "2:1", "#else without #ifdef"),
        ("#ifdef A\n" * 40, "33:1", "32 are the deepest"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, place: str, says: str) -> None:
    with pytest.raises(BadScript) as told:
        grammar.parse("x.pkt", text)
    assert str(told.value).startswith(f"x.pkt:{place}: ")
    assert says in str(told.value)


HOSTILE = {
    "deep lists": "0 f(" + "[" * 100_000,
    "deep functions": "0 f" + "(f" * 50_000,
    "deep structures": "0 f(" + "{a=" * 50_000,
    "a huge number": "0 close(" + "9" * 100_000 + ") = 0",
    "a huge sequence number": f"0 < S {'9' * 50_000}:0(0) win 1",
    "a huge time": "9" * 5_000 + " close(3) = 0",
    "an endless range": "0~1e99 > . 1:1(0) ack 1",
    "an endless option list": "0 < S 0:0(0) win 1 <" + "nop," * 100_000,
    "endless blocks": "0 < S 0:0(0) win 1 <sack " + "1:2 " * 100_000,
    "format strings": "0 %s%n%x = 0",
    "an octet of zero": "0 close(3) = 0\0",
    "an open string": '0 write(4, "' + "a" * 100_000,
    "a bad escape": r'0 write(4, "\xzz", 1) = 1',
    "an open comment": "/*" * 100_000,
    "only blanks": " " * 500_000,
    "endless lists": "0 f(" + "1," * 100_000 + "1) = 0",
    "endless joints": "0 f(A" + "|A" * 100_000 + ") = 0",
    "endless strings": "0 f(" + '"a" ' * 100_000 + ") = 0",
    "endless commands": "`" + "ss state " * 10_000 + "`",
    "a number that is none": "--mss=nan\n0 close(3) = 0",
    "a number without end": "--tolerance_usecs=" + "9" * 5_000,
    "a field twice": "0 f({a=1,a=2}) = 0",
    "another alphabet": "0 close(\u0663) = 0",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_script_is_refused_at_once(what: str) -> None:
    began = time.process_time()
    with pytest.raises(BadScript) as told:
        grammar.parse("x.pkt", HOSTILE[what])
    assert time.process_time() - began < 2
    assert len(str(told.value)) < 600


@pytest.mark.parametrize(
    "octets",
    [
        b"\xef\xbb\xbf0 close(3) = 0",  # with a byte order mark
        b"// by M. T\xfcxen\n0 close(3) = 0\n",  # a name in Latin-1
        b"0 close(3) = 0\r\n+0 close(3) = 0\r\n",
        b"/* a\0b */ # c\n0 close(/* d */ 3) = 0 // the end, without a line's",
    ],
)
def test_a_file_may_come_from_anywhere(octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pkt"
    path.write_bytes(octets)
    assert all(isinstance(event.action, Call) for event in grammar.parse("x.pkt", scanner.load(path)).events)


def test_a_symbol_that_a_script_defines_may_be_no_number() -> None:
    for text in ("0x", "9" * 5_000, "\u00b2", "A", ""):
        script = grammar.parse("x.pkt", f"--define=A={text}\n0 close(A) = 0")
        assert "the symbol" in str(next(needs.unmet(script, run.Version(4), LINUX)))


def test_a_long_command_is_not_looked_up() -> None:
    began = time.process_time()
    (meaning,) = shell.meanings("ss " + "state a | wc -l " * 4_000)
    assert meaning.unsupported
    assert time.process_time() - began < 1


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.pkt", tmp_path / "binary.pkt"
    with large.open("wb") as file:
        file.truncate(100 << 20)
    binary.write_bytes(b"0 close(3) = 0\n\xff\xfe")
    for path, says in ((large, "at most 1 MiB"), (binary, "2:1: not text"), (tmp_path, "can't be read")):
        with pytest.raises(BadScript, match=says):
            scanner.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "assert __import__('os').system('true')",
        "assert open('/etc/passwd')",
        "assert (1).__class__.__bases__",
        "assert [x for x in (1, 2)]",
        "assert (lambda: 1)()",
        "assert f'{tcpi_state}'",
        "assert 9 ** 9 ** 9",
        "assert tcpi_state[0]",
        "import os",
        "exec('1')",
        "x = 1",
        "while True: pass",
        "assert " + "(" * 1000 + "1" + ")" * 1000,
        "assert " + "-" * MAX_OCTETS + "1",
        "assert 1 +",
    ],
)
def test_an_assertion_is_no_program(text: str) -> None:
    with pytest.raises(BadAssertion):
        list(Assertion(text).failures({"tcpi_state": 1}))


def test_an_assertion_is_worked_out() -> None:
    fields = {"tcpi_state": 1, "tcpi_options": 7}
    good = "assert tcpi_state == TCP_ESTABLISHED, tcpi_state\nassert tcpi_options & (TCPI_OPT_SACK | 4) == 6"
    assert list(Assertion(good).failures(fields)) == []
    said = 'print "RTO; then", tcpi_options\nassert tcpi_state == 1; print tcpi_state; assert tcpi_options == 7'
    assert list(Assertion(said).failures(fields)) == []
    assert [due for due, _seen in Assertion(said.replace("== 7", "== 8")).failures(fields)] == ["tcpi_options == 8"]
    going_on = "assert tcpi_state == \\\n 1, tcpi_state; \\\n\tassert tcpi_options > 6, tcpi_options;\\\n"
    assert list(Assertion(going_on).failures(fields)) == []
    assert [due for due, _seen in Assertion(going_on.replace("> 6", "> 7")).failures(fields)] == ["tcpi_options > 7"]
    ((due, seen),) = Assertion("assert 3 <= tcpi_options < 5 or tcpi_state in (2, 3)").failures(fields)
    assert (due, seen) == ("3 <= tcpi_options < 5 or tcpi_state in (2, 3)", "tcpi_options = 7, tcpi_state = 1")


def test_mutilated_scripts_are_read_or_refused_and_nothing_else() -> None:
    """Octets of our own scripts are changed, doubled and left out; a seed makes it the same each time."""
    chance = random.Random(14)
    texts = [path.read_text(encoding="utf-8") for path in sorted(OWN.rglob("*.pkt"))] + [SERVER]
    signs = "()[]{}<>~+*.`%'\",=|:/ \n0159aSFx\\\0é"
    refused = 0
    for _ in range(1500):
        text = list(chance.choice(texts))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(text))
            end = min(len(text), at + chance.randint(1, 12))
            text[at:end] = chance.choice([[chance.choice(signs)], text[at:end] * 2, [], list(chance.choice(signs) * 9)])
        try:
            script = grammar.parse("x.pkt", "".join(text))
        except BadScript:
            refused += 1
        else:
            explain.explain(script) if "ip_version" not in script.options else None
            list(needs.unmet(script, run.Version(4), LINUX))
    assert 300 < refused < 1500
