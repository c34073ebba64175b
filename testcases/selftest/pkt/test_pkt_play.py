"""Scripts are played line by line: what conforms, every way to differ, and what is not asserted."""

import random
from collections import Counter
from typing import cast

import pytest

from harness.case.rig import Rig
from harness.case.violation import Code
from harness.pkt.descriptors import connection_of
from harness.targets.reference.target import ReferenceTarget
from harness.targets.sockets import AppSocket
from testcases.selftest.playing import SERVER, play

FIN_LINES = "+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.1 < F. 1:1(0) ack 2 win 65535\n+0 > . 2:2(0) ack 2\n"


def test_a_script_that_says_what_happens_conforms() -> None:
    played = play(SERVER + FIN_LINES)
    assert (played.verdict, played.notes) == ("conforms", "")


@pytest.mark.parametrize(
    ("lines", "code", "says"),
    [
        ("+0 > F. 1:1(0) ack 1", Code.SILENT, "> F. 1:1(0) ack 1"),
        ("+.1 close(4) = 0\n+0 > R. 1:1(0) ack 1", Code.WRONG_FLAGS, "R."),
        ("+.1 close(4) = 0\n+0 > F. 2:2(0) ack 1", Code.WRONG_SEQ, "F. 2:2"),
        ("+.1 close(4) = 0\n+0 > F. 1:1(0) ack 2", Code.WRONG_ACK, "ack 2"),
        ("+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1 <nop,nop>", None, ""),
        ("+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2>", Code.WRONG_OPTIONS, "TS val"),
        ("+.1 close(4) = 0\n+0 > [ect0] F. 1:1(0) ack 1", Code.WRONG_HEADER, "[ect0]"),
        ("+.1 close(4) = 0\n+0 > [ttl 3] F. 1:1(0) ack 1", Code.WRONG_HEADER, "[ttl 3]"),
        ("+0 write(4, ..., 10) = 10\n+0 > P. 1:21(20) ack 1", Code.SILENT, "P. 1:21(20)"),
        ("+0 write(4, ..., 20) = 20\n+0 > . 1:1(0) ack 1", Code.WRONG_DATA, "> . 1:1(0)"),
        ("+.1 < S 101:101(0) win 65535\n+0 > R 1:1(0)", Code.WRONG_FLAGS, "R 1:1"),
        ("+.1 < R 1:1(0) win 0\n+0 > . 1:1(0) ack 1", Code.SILENT, ". 1:1(0)"),
    ],
)
def test_a_line_that_does_not_come_so_is_told(lines: str, code: Code | None, says: str) -> None:
    played = play(SERVER + lines)
    assert (played.verdict, played.code) == ("violates" if code else "conforms", code)
    assert says in played.due
    if code:
        assert played.line == 8 + lines.count("\n") + 1


@pytest.mark.parametrize(
    "lines",
    [
        "+.1 < S 101:101(0) win 65535\n",  # behind the last line
        "+.1 < S 101:101(0) win 65535\n+.1 < R 1:1(0) win 0\n+.1 read(4, ..., 9) = -1 ECONNRESET (Connection reset)",
        "+.1 < S 101:101(0) win 65535\n+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1\n",  # between two lines
        "+.1 < F. 1:1(0) ack 1 win 65535\n+.1 < F. 1:1(0) ack 1 win 65535\n+0 > . 1:1(0) ack 2",  # twice, not once
    ],
)
def test_what_no_line_says_must_not_come(lines: str) -> None:
    played = play(SERVER + lines)
    assert played.verdict == "violates", played


def test_what_came_instead_of_a_line_is_told_and_not_what_came_much_later() -> None:
    text = SERVER + "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n+.1 < F. 1:1(0) ack 1 win 9\n"
    played = play(text + "+0 > F. 11:11(0) ack 2\n")
    assert (played.code, played.line) == (Code.WRONG_FLAGS, 12)
    assert "`> . 11:11(0) ack 2 win" in played.seen


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("+0 read(4, ..., 100) = -1 EAGAIN (Resource temporarily unavailable)", Code.SILENT),  # it blocks
        ("+0 write(4, ..., 10) = 9", Code.WRONG_ANSWER),
        ("+0 close(7) = 0", Code.WRONG_ANSWER),
        ("+0 close(7) = -1 EBADF (Bad file descriptor)", None),
        ("+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0", Code.WRONG_ANSWER),
        ("+0 ioctl(4, SIOCINQ, [3]) = 0", Code.WRONG_ANSWER),
        ("+0 %{ assert tcpi_state == TCP_CLOSE_WAIT }%", Code.WRONG_ANSWER),
        ("+0 %{ assert tcpi_state == TCP_ESTABLISHED }%", None),
        ("+0 getsockopt(4, IPPROTO_TCP, TCP_INFO, {tcpi_state=TCPS_ESTABLISHED}, [4]) = 0", None),
        ("+0 `sockstat -s | grep -c ESTABLISHED | grep 2`", Code.WRONG_STATE),
        ("+0 `ss -tan state established | wc -l | grep 2`", None),  # the first line is the header
        ("+0 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 0) = 1", Code.WRONG_ANSWER),
        ("+0...0.2 read(4, ..., 10) = 10", Code.SILENT),
    ],
)
def test_answers_and_states_are_compared(line: str, code: Code | None) -> None:
    dialect = "bsd" if "TCPS" in line else None
    assert play(SERVER + line, dialect=dialect).code is code


def test_a_call_that_returns_too_early_is_told() -> None:
    played = play(SERVER + "+0...2 read(4, ..., 10) = 10\n+.1 < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11\n")
    assert played.code is Code.EARLY


def test_octets_that_were_not_written_are_told() -> None:
    target = ReferenceTarget()
    real = target.socket

    def socket(version: int) -> AppSocket:
        """Return a socket whose connections send other octets than they are given."""
        made = real(version)
        accept = made.accept

        def accepted() -> AppSocket:
            got = accept()
            send = got.send
            got.send = lambda data, flags=0: send(data[::-1], flags)  # type: ignore[method-assign]
            return got

        made.accept = accepted  # type: ignore[method-assign]
        return made

    target.socket = socket  # type: ignore[method-assign]
    played = play(SERVER + "+0 write(4, ..., 20) = 20\n+0 > P. 1:21(20) ack 1\n", target=target)
    assert played.code is Code.WRONG_DATA
    assert "other octets than the application has written" in played.seen


@pytest.mark.parametrize(
    ("line", "construct"),
    [
        ("+0 splice(4, [0], 4, NULL, 10, 0) = 10", "splice() from an offset"),
        ("+0 vmsplice(4, 0, 4, 0) = 10", "the call vmsplice()"),
        ("+0 sendfile(4, 4, [0], 10) = 10", "sendfile() of what is no file"),
        ('+0 open("/etc/passwd", O_RDONLY) = -1 ENOENT (No such file)', "a file that can't be opened"),
        ("+0 > . 1:1(0) ack 1 win 9 <...>/udp(9899 > 9899)", "a segment in udp"),
        ("+0 < . 1:1(0) ack 1 win 9 {rep tcp seq_num 0x1}", "a segment with a fuzz of its headers"),
        ("+0 < . 1:1(0) ack 1 win 9 <dss dack8=1 nocs>", "a segment with an option of MPTCP"),
        ("+0 write(4, NULL, 10) = -1 EFAULT (Bad address)", "write() with an address for a buffer"),
        ("+0 read(4, NULL, 10) = -1 EFAULT (Bad address)", "read() with an address for a buffer"),
        ("+0 connect(4, AF_UNSPEC, ...) = 0", "connect() to AF_UNSPEC"),
        ("+0 recv(4, ..., 10, MSG_ERRQUEUE) = -1 EAGAIN (x)", "flags of recv()"),
        ("+0 sendto(4, ..., 1, 0, AF_UNSPEC, ...) = 1", "sendto() to AF_UNSPEC"),
        ("+0 setsockopt(4, IPPROTO_TCP, TCP_KEEPINIT, [5], 4) = -1 EINVAL (x)", "the socket option TCP_KEEPINIT"),
        ("+0 getsockopt(4, IPPROTO_TCP, TCP_KEEPINIT, [5], [4]) = 0", "the socket option TCP_KEEPINIT"),
        (
            "+0 recvmsg(4, {msg_iov(1)=[{...,9}], msg_control=[{cmsg_level=6, cmsg_type=36, cmsg_data=1}]}, 0) = 9",
            "control data of a message",
        ),
        ("+0 setsockopt(4, SOL_TCP, TCP_NO_SUCH, [1], 4) = 0", "the symbol TCP_NO_SUCH"),
        ("+0 `ip link set dev tun0 mtu 1400`", "another MTU of the wire"),
        ("+0 `rm -rf /`", "the command `rm -rf /`"),
        ("+0 > udp (100)", "packets that are not TCP's"),
        ("+0 < icmp no_such_message", "icmp no_such_message on IPv4"),
        ("+0 %{ assert tcpi_snd_cwnd == 10 }%", "tcpi_snd_cwnd of TCP_INFO"),
        ("+0 %{ import os }%", "this assertion: "),
    ],
)
def test_what_can_not_be_played_is_not_applicable_with_its_line(line: str, construct: str) -> None:
    played = play(SERVER + line)
    assert played.verdict == "not applicable"
    assert played.due.startswith(construct)
    assert played.line == 9


FUNCTIONS = [
    "socket",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "close",
    "shutdown",
    "fcntl",
    "ioctl",
    "read",
    "write",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "readv",
    "writev",
    "poll",
    "epoll_create",
    "epoll_ctl",
    "epoll_wait",
    "setsockopt",
    "getsockopt",
    "getsockname",
    "open",
    "pipe",
    "sendfile",
    "splice",
]
VALUES = [
    "...",
    "0",
    "1",
    "-1",
    "3",
    "4",
    "5",
    "NULL",
    "4294967295",
    "9223372036854775807",
    "SOCK_STREAM",
    "SOL_SOCKET",
    "SOL_TCP",
    "TCP_NODELAY",
    "TCP_INFO",
    "SO_ERROR",
    "SO_LINGER",
    "SIOCINQ",
    "F_SETFL",
    "SHUT_WR",
    "MSG_PEEK",
    "EPOLL_CTL_ADD",
    "NO_SUCH",
    "[]",
    "[1]",
    "{}",
    "{fd=4,events=1}",
    "[{fd=4}]",
    "{onoff=1}",
    '"text"',
    "[{...,5}]",
    "{msg_iov(1)=[{...,5}]}",
    "{msg_control=[{cmsg_level=0}]}",
    "{tcpi_state=...}",
    "htons(9)",
]


@pytest.mark.parametrize(("told", "whose"), [(None, 1), (6002, 1), (6003, 2), (OSError(), 0)])
def test_the_connection_of_an_accepted_socket_is_told_by_it_or_the_first_that_lives(
    told: int | OSError | None, whose: int
) -> None:
    """Three wait, of which the first has been reset."""
    conversation = Rig(ReferenceTarget(), guarded=False).begin(4, name="x")
    waiting = [conversation.connect_peer(port=1024, peer_port=port) for port in (6001, 6002, 6003)]

    class Accepted:
        def remote(self) -> tuple[str, int]:
            assert told is not None
            if isinstance(told, OSError):
                raise told
            return "", told

    sock = cast("AppSocket", Accepted() if told is not None else object())
    assert connection_of(sock, waiting, lambda each: each is waiting[0]) is waiting[whose]
    assert connection_of(sock, waiting[:1], lambda _each: True) is waiting[0]
    assert connection_of(sock, [], lambda _each: True) is None


def test_calls_with_any_arguments_come_to_a_verdict() -> None:
    chance = random.Random(15)
    seen: Counter[str] = Counter()
    for _ in range(400):
        calls = [
            f"+0 {chance.choice(FUNCTIONS)}({', '.join(chance.choices(VALUES, k=chance.randint(0, 5)))}) = "
            f"{chance.choice(['0', '1', '...', '4', '-1 EINVAL (x)'])}\n"
            for _ in range(chance.randint(1, 3))
        ]
        seen[play(SERVER + "".join(calls)).verdict] += 1
    assert all(seen[verdict] > 5 for verdict in ("conforms", "violates", "not applicable"))


def test_a_listener_is_seen_while_a_connection_on_its_port_is_half_open() -> None:
    half_open = SERVER.partition("+.1 < .")[0]
    listening = '+0 `grep " 0A " /proc/net/tcp | grep ":1F90"`\n'
    assert play(half_open + listening).verdict == "conforms"
    assert play(half_open + "+0 close(3) = 0\n" + listening).code is Code.WRONG_STATE


def test_the_mss_of_ipv4_stands_for_that_of_ipv6_on_the_same_wire() -> None:
    text = "--ip_version=ipv6\n" + SERVER.replace("<...>", "<mss 1460>")
    played = play(text)
    assert (played.verdict, played.notes) == ("conforms", "1 MSS not asserted")
    assert play(text.replace("> S. 0:0(0) ack 1 <mss 1460>", "> S. 0:0(0) ack 1 <mss 1400>")).code is Code.WRONG_OPTIONS
    assert play(text, "strict").code is not None
    assert play(text.replace("ipv6", "ipv4").replace("mss 1460>\n+.1", "mss 1440>\n+.1")).code is Code.WRONG_OPTIONS


def test_a_setting_is_made_while_the_script_runs_and_taken_back() -> None:
    target = ReferenceTarget()
    lines = SERVER.replace(" 0 socket", " 0 `sysctl -q net.ipv4.tcp_sack=0`\n+0 socket", 1)
    text = lines.replace("<mss 1460>\n", "<mss 1460,sackOK,nop,nop>\n", 1).replace("<...>", "<mss 1460>")
    assert play(text, target=target).verdict == "conforms"
    assert target.stack.config.sack
    assert play(text.replace("tcp_sack=0", "tcp_sack=1"), target=target).code is Code.WRONG_OPTIONS


def test_an_icmp_error_ends_an_open_where_it_quotes_the_syn() -> None:
    lines = (
        " 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
        "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n+0 > S 0:0(0) <...>\n"
    )
    refused = "+.1 getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0\n"
    assert play(f"{lines}+.1 < icmp unreachable port_unreachable [0:0(0)]\n{refused}").verdict == "conforms"
    assert play(f"{lines}+.1 < [0:0(0)] icmp unreachable port_unreachable\n{refused}").verdict == "conforms"
    assert play(f"{lines}+.1 < icmp unreachable port_unreachable [9:9(0)]\n{refused}").code is Code.WRONG_ANSWER


def test_numbers_count_from_the_syn_of_the_peer_and_of_the_target() -> None:
    text = SERVER.replace("S 0:0(0)", "S 1000:1000(0)").replace("S. 0:0(0) ack 1 ", "S. 5000:5000(0) ack 1001 ")
    assert play(text + FIN_LINES).verdict == "conforms"


def test_an_acknowledgment_without_a_number_has_the_number_of_the_syn() -> None:
    """The reference stack has left that number behind, and is asked again by it (RFC 9293 §3.10.7.4 fifth)."""
    played = play(SERVER + "+.1 < . 1:1(0) win 9\n+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1\n")
    (sent,) = (each.segment for each in played.events if each.segment and each.segment.window == 9)
    assert (played.verdict, sent.ack) == ("conforms", 0)


def test_a_long_sleep_at_the_end_is_for_somebody_who_looks() -> None:
    target = ReferenceTarget()
    begun = target.clock.now_ns()
    text = SERVER + FIN_LINES
    assert play(f"{text}+0 `sleep 1000000`\n", target=target).verdict == "conforms"
    assert target.clock.now_ns() - begun < 60e9
    assert play(f"{text}+0 `sleep 7200; ss state time-wait | grep -c x | grep 1`\n").code is Code.WRONG_STATE


CLOSED_PORT = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n"


@pytest.mark.parametrize(
    ("segment", "ack"), [("S 17:17(0)", 18), ("S 17:20(3)", 21), ("SF 17:20(3)", 22), ("F 17:17(0)", 18)]
)
def test_nothing_counts_from_a_syn_that_begins_nothing(segment: str, ack: int) -> None:
    text = f"{CLOSED_PORT}+.1 < {segment} win 100\n+0 > R. 0:0(0) ack "
    assert play(f"{text}{ack}\n").verdict == "conforms"
    assert play(f"{text}{ack - 17}\n").code is Code.WRONG_ACK


def test_a_number_of_the_target_may_be_left_open() -> None:
    text = SERVER.replace("S. 0:0(0) ack 1", "S. ...(0) ack 1") + "+.1 close(4) = 0\n"
    assert play(text + "+0 > F. ...(0) ack 1\n").verdict == "conforms"
    assert play(text + "+0 > F. ...(0) ack 2\n").code is Code.WRONG_ACK


def test_what_is_for_another_system_is_not_played() -> None:
    close = "+.1 close(4) = 0\n"
    text = f"{SERVER}{close}#ifdef Linux\n+0 > R. 1:1(0) ack 1\n#else\n+0 > F. 1:1(0) ack 1\n#endif\n"
    assert play(text).verdict == "conforms"
    assert play(text.replace("Linux", "reference")).code is Code.WRONG_FLAGS
    assert play("--define=Linux=1\n" + text).code is Code.WRONG_FLAGS
    assert play(f"#ifdef FreeBSD\n{SERVER}#endif\n").verdict == "not applicable"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("+0...2 read(4, ..., 10) = 10\n+1 < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11", "for 1 s more"),
        ("+0...2 read(4, ..., 10) = 10\n+1.9 < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11", ""),
        ("+0...2 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1", "for 2 s more"),  # it does not block at all
    ],
)
def test_how_early_a_call_may_return_counts_from_its_beginning(lines: str, says: str) -> None:
    played = play(f"{SERVER}+100 < . 1:1(0) ack 1 win 65535\n{lines}\n")
    assert played.verdict == ("violates" if says else "conforms")
    assert (played.code is Code.EARLY) == bool(says)
    assert says in played.due


def test_a_line_may_name_the_socket_whose_connection_it_is_about() -> None:
    opened = """
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = {0}
+0 fcntl({0}, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect({0}, ..., ...) = -1 EINPROGRESS (x)
+0 > S 0:0(0) <...> sock({0})
+0 < S. 0:0(0) ack 1 win 5792 sock({0})
+0 > . 1:1(0) ack 1 <...> sock({0})
"""
    both = "0 `true`\n" + opened.format(3) + opened.format(4)
    write = "+.1 write(3, ..., 9) = 9\n+0 > P. 1:10(9) ack 1 <...> sock({})\n+0 < . 1:1(0) ack 10 win 92 sock(3)\n"
    assert play(both + write.format(3)).verdict == "conforms"
    assert play(both + write.format(4)).verdict == "violates"


@pytest.mark.parametrize("options", ["fd000000", "02010000", "0303", "00000000", "ff" * 40])
def test_options_without_a_form_reach_the_target_as_they_are(options: str) -> None:
    opened = SERVER.replace("win 65535 <mss 1460>", f"win 65535 <{options}>")
    played = play(opened)
    assert (played.verdict, played.code) == ("conforms", None)
    sent = next(each.segment for each in played.events if each.segment is not None)
    assert sent.options.startswith(bytes.fromhex(options))
