"""Scripts beside what a target has: settings, options and calls that it lacks, files that nobody opens, and waiting."""

import pytest

from harness.case.violation import Code
from harness.pkt import grammar, needs
from harness.pkt.run import Version
from harness.pkt.settings import Settings
from harness.pkt.support import Traits, Unsupported
from harness.pkt.tree import Place
from harness.targets.protocol import Capability, NotOffered, TargetError
from harness.targets.reference.target import ReferenceTarget
from harness.targets.sockets import AppSocket
from testcases.selftest.playing import SERVER, play

FIN_LINES = "+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.1 < F. 1:1(0) ack 2 win 65535\n+0 > . 2:2(0) ack 2\n"


@pytest.mark.parametrize(
    ("line", "construct"),
    [
        ("+0 `sysctl -w net.inet.tcp.insecure_rst=1`\n", "sysctl net.inet.tcp.insecure_rst=1"),
        ("+0 setsockopt(4, IPPROTO_TCP, TCP_KEEPINIT, [5], 4) = 0\n", "the socket option TCP_KEEPINIT"),
        ("+0 setsockopt(4, IPPROTO_TCP, 24, [1], 8) = 0\n", "the socket option IPPROTO_TCP 24"),
        ("+0 < icmp unreachable frag_needed mtu 1280 [1:1(0)]\n", "the MTU of a path"),
    ],
)
def test_a_script_is_played_without_what_the_target_has_not_and_a_difference_may_come_of_that(
    line: str, construct: str
) -> None:
    played = play(SERVER + line + FIN_LINES)
    assert (played.verdict, played.notes) == ("conforms", f"played without {construct}")
    for lines in ("+.1 < R 99:99(0) win 9\n+.1 close(4) = -1 EBADF (x)\n", "+.1 < S 9:9(0) win 9\n"):
        differs = play(SERVER + line + lines)
        assert (differs.verdict, differs.line) == ("not applicable", 9)
        assert differs.due.startswith(f"{construct}, without which line ")


def test_a_setting_behind_the_last_line_is_not_missed() -> None:
    assert play(SERVER + FIN_LINES + "+0 `sysctl -w net.inet.tcp.insecure_rst=1`\n").notes == ""


def test_a_fin_that_is_sent_again_to_acknowledge_may_be_an_acknowledgment() -> None:
    lines = "+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.1 < F. 1:1(0) ack 1 win 9\n+0 > F. 1:1(0) ack 2\n"
    played = play(SERVER + lines)
    assert (played.verdict, played.notes) == ("conforms", "1 repeated FIN not asserted")
    assert play(SERVER + lines, "strict").code is Code.WRONG_FLAGS
    assert play(SERVER + lines.replace("ack 2", "ack 3")).code is Code.WRONG_FLAGS
    # What was not sent yet is none that is sent again.
    assert play(f"{SERVER}+.1 < F. 1:1(0) ack 1 win 9\n+0 > F. 1:1(0) ack 2\n").code is not None


def test_where_time_is_real_only_what_is_left_to_acknowledge_is_waited_for_behind_the_last_line() -> None:
    taken = {}
    for real in (True, False):
        for name, lines in (("settled", FIN_LINES), ("owed", "+.1 < P. 1:11(10) ack 1 win 9\n")):
            target = ReferenceTarget()
            target.capabilities -= {Capability.VIRTUAL_TIME} if real else set()
            begun = target.clock.now_ns()
            assert play(SERVER + lines, target=target).verdict == "conforms"
            taken[real, name] = (target.clock.now_ns() - begun) / 1e9
    assert taken[True, "settled"] < taken[False, "settled"] - 0.5
    assert taken[True, "owed"] > 0.6


def test_a_line_that_may_come_at_any_time_is_not_waited_for_when_the_connection_is_gone() -> None:
    target = ReferenceTarget()
    begun = target.clock.now_ns()
    played = play(SERVER + "+.1 < R 1:1(0) win 0\n* > . 1:1(0) ack 1\n", target=target)
    assert played.code is Code.SILENT
    assert target.clock.now_ns() - begun < 10e9
    # The SYN,ACK of a connection that is not accepted yet is repeated for minutes, whether its state is seen or not.
    half_open = SERVER.partition("+.1 < .")[0] + "* > S. 0:0(0) ack 1 <...>\n" * 5
    assert play(half_open, target=ReferenceTarget()).verdict == "conforms"
    unseeing = ReferenceTarget()
    seen = unseeing.snapshot
    hidden = lambda ends: None if (found := seen(ends)) is None else found._replace(listening=True)  # noqa: E731
    unseeing.snapshot = hidden  # type: ignore[method-assign]
    assert play(half_open, target=unseeing).verdict == "conforms"
    # The last repetition of a FIN comes a minute behind the one before.
    late = SERVER + FIN_LINES.partition("+.1 <")[0] + "* > F. 1:1(0) ack 1\n" * 6
    assert play(late, target=ReferenceTarget()).verdict == "conforms"


def test_text_that_is_not_to_be_copied_is_text() -> None:
    lines = "+0 send(4, ..., 10, MSG_ZEROCOPY) = 10\n+0 > P. 1:11(10) ack 1\n"
    assert play(SERVER + lines).verdict == "conforms"


def test_text_of_a_file_and_of_a_pipe_is_what_the_stream_has_there() -> None:
    lines = '+0 open("/no/such/file", O_RDONLY) = 5\n+0 sendfile(4, 5, NULL, 20) = 20\n+0 > P. 1:21(20) ack 1\n'
    assert play(SERVER + lines).verdict == "conforms"
    pipe = "+0 pipe([5, 6]) = 0\n+.1 < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11\n"
    assert play(f"{SERVER}{pipe}+0 splice(4, NULL, 6, NULL, 99, 0) = 10\n").verdict == "conforms"
    assert play(f"{SERVER}{pipe}+0 splice(4, NULL, 6, NULL, 99, 0) = 9\n").code is Code.WRONG_ANSWER
    assert play(f"{SERVER}{pipe}+0 splice(7, NULL, 6, NULL, 9, 0) = -1 EBADF (Bad descriptor)\n").verdict == "conforms"
    waits = "+0 pipe([5, 6]) = 0\n+0 splice(4, NULL, 6, NULL, 9, 0) = 9\n"
    assert play(SERVER + waits).code is Code.SILENT


def test_a_call_that_a_stack_has_not_is_not_applicable_with_its_line() -> None:
    target = ReferenceTarget()
    real = target.socket

    def socket(version: int) -> AppSocket:
        """Return a socket of a stack that opens actively with fresh ones only."""
        made = real(version)

        def connect(*_ends: object) -> None:
            raise NotOffered("connect(): a fresh socket only")

        made.connect = connect  # type: ignore[method-assign]
        return made

    target.socket = socket  # type: ignore[method-assign]
    played = play("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 connect(3, ..., ...) = 0\n", target=target)
    assert (played.verdict, played.due, played.line) == ("not applicable", "connect(): a fresh socket only", 2)


class _Uncounted(ReferenceTarget):
    """A target whose counters are there and out of reach, as those of a container."""

    def counters(self) -> dict[str, int]:
        raise TargetError("the counters of this kernel are out of reach")


def test_counters_that_nobody_may_look_at_make_a_script_not_applicable() -> None:
    settings = Settings(_Uncounted(), Traits("Linux", frozenset()))
    settings.count()
    with pytest.raises(Unsupported, match="the counter TcpExtBeyondWindow") as refusal:
        settings.grown("TcpExtBeyondWindow", Place(3, 1))
    assert refusal.value.lacking


def test_an_adapter_has_the_options_that_it_claims() -> None:
    names = ("SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_USER_TIMEOUT", "TCP_NODELAY")
    lines = "".join(f"+0 setsockopt(4, SOL_TCP, {name}, [1], 4) = 0\n" for name in names)
    script = grammar.parse("x.pkt", SERVER + lines)
    for claimed, lacking in (
        ({Capability.KEEP_ALIVE}, ["TCP_USER_TIMEOUT", "TCP_NODELAY"]),
        ({Capability.USER_TIMEOUT}, ["SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_NODELAY"]),
        (set(), list(names)),
    ):
        found = list(needs.without(script, Version(4), Traits("mine", frozenset(claimed))))
        assert found == [f"the socket option {name}" for name in lacking]


def _without_options() -> ReferenceTarget:
    """Return a target whose accepted connections have no options."""
    target = ReferenceTarget()
    real = target.socket

    def socket(version: int) -> AppSocket:
        made = real(version)
        accept = made.accept

        def accepted() -> AppSocket:
            got = accept()

            def refuse(*_option: object) -> None:
                raise NotOffered("option(): no such option")

            got.set_option = refuse  # type: ignore[method-assign]
            return got

        made.accept = accepted  # type: ignore[method-assign]
        return made

    target.socket = socket  # type: ignore[method-assign]
    return target


def test_an_option_that_turns_out_to_be_none_is_gone_without() -> None:
    text = SERVER + "+0 setsockopt(4, SOL_TCP, TCP_KEEPIDLE, [2], 4) = 0\n" + FIN_LINES
    played = play(text, target=_without_options())
    assert (played.verdict, played.notes) == ("conforms", "played without the socket option TCP_KEEPIDLE")


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ("+0 close(4) = 0\n+0 > R. 1:1(0) ack 1\n", "violates"),
        ("+0 write(4, ..., 9) = 9\n+0 > P. 1:11(10) ack 1\n", "not applicable"),
    ],
)
def test_what_comes_of_an_option_that_says_when_text_is_sent_is_text_alone(lines: str, verdict: str) -> None:
    text = SERVER + "+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0\n"
    assert play(text + FIN_LINES, target=_without_options()).verdict == "conforms"
    assert play(text + lines, target=_without_options()).verdict == verdict


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "+0 poll([{fd=4, events=POLLIN, revents=0}], 1, 0) = 0",
            "poll() and epoll, which the target has not (line 9)",
        ),
        ("+0 recv(4, ..., 10, MSG_PEEK) = -1 EAGAIN (x)", "flags of recv(), which the target has not (line 9)"),
        ("+0 > . 1:1(0) ack 1/udp(9899 > 9899)", "a segment in udp, which the target has not (line 9)"),
        ("+0 splice(4, 0, 3, 0, 1, 0) = 1", "splice() from an offset (line 9)"),
    ],
)
def test_what_a_target_has_not_is_said_of_it(line: str, says: str) -> None:
    adapter = Traits("lwIP", frozenset({Capability.VIRTUAL_TIME}))
    script = grammar.parse("x.pkt", f"{SERVER}{line}\n")
    assert [str(need) for need in needs.unmet(script, Version(4), adapter)][:1] == [says]


def test_what_came_is_said_without_the_value_of_a_timestamp() -> None:
    opened = SERVER.replace("<mss 1460>", "<mss 1460,nop,nop,TS val 5 ecr 0>").replace(
        "ack 1 <...>", "ack 1 <mss 1460>"
    )
    assert "TS val ... ecr 5" in play(opened).seen


def test_options_of_mptcp_are_told_by_the_names_of_each_fork() -> None:
    script = grammar.parse("x.pkt", "0 < S 0:0(0) win 9 <mss 1460,mp_capable a,dss dack4 dsn4 FIN>\n")
    need = next(needs.unmet(script, Version(4), Traits("Linux", frozenset())))
    assert str(need) == "a segment with an option of MPTCP (line 1)"


def test_a_socket_without_a_connection_is_closed_wherever_states_are_seen() -> None:
    opening = " 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 %{ assert tcpi_state == TCP_CLOSE }%\n"
    connects = (
        "+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n+0 connect(3, ..., ...) = -1 EINPROGRESS (x)\n+0 > S 0:0(0) <...>\n"
    )
    assert play(opening + connects + "+0 %{ assert tcpi_state == TCP_SYN_SENT }%\n").verdict == "conforms"
    assert play(opening.replace("CLOSE", "LISTEN")).code is Code.WRONG_ANSWER
