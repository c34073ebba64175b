"""What a script says and is not asserted: by the lenient profile, behind its last line, and what nobody can tell."""

import socket
from typing import Any, ClassVar

import pytest

from harness.case.violation import Code
from harness.pkt import needs, run
from harness.pkt.schedule import Schedule
from harness.pkt.socket_options import SocketOptions
from harness.pkt.tree import Clock, Time
from harness.spec.segment import RST
from harness.targets.reference.target import ReferenceTarget
from testcases.selftest.playing import SERVER, play

FIN_LINES = "+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.1 < F. 1:1(0) ack 2 win 65535\n+0 > . 2:2(0) ack 2\n"


def test_a_difference_behind_a_segment_that_was_cut_to_fit_the_wire_is_not_applicable() -> None:
    cut = "+.1 < . 1001:4001(3000) ack 1 win 65535\n"
    played = play(SERVER + cut + "+0 > . 1:1(0) ack 1\n+.1 write(4, ..., 9) = 9\n+0 > P. 1:10(9) ack 1\n")
    assert played.verdict == "not applicable"
    assert "does not hold in one piece" in played.due


def test_several_of_what_was_not_asserted_are_told_as_several() -> None:
    text = SERVER + "+.1 < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11\n"
    played = play(text + "+.1 < . 1:1(0) ack 1 win 65535\n" * 2)
    assert played.notes == "2 segments behind the last line not asserted"
    assert [run.plural("copy of text", count) for count in (1, 2)] == ["copy of text", "copies of text"]


def test_an_old_number_behind_the_last_line_may_be_answered_but_not_by_a_reset() -> None:
    text = SERVER + "+.1 < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11\n+.1 < . 1:1(0) ack 1 win 65535\n"
    played = play(text)
    assert (played.verdict, played.notes) == ("conforms", "1 segment behind the last line not asserted")


def test_a_number_at_the_edge_of_the_script_s_window_is_moved_to_the_target_s_unless_strict() -> None:
    text = SERVER + "+0 getsockopt(4, SOL_SOCKET, SO_RCVBUF, [30000], [4]) = 0\n+.1 < R 30000:30000(0) win 0\n"
    played = play(text + "+0 > . 1:1(0) ack 1\n")
    assert played.verdict == "conforms"
    assert "1 number at the edge of a window" in played.notes
    assert play(text.replace("30000:30000", "30005:30005") + "+0 > . 1:1(0) ack 1\n").verdict == "conforms"


def test_a_number_outside_of_the_script_s_window_and_of_the_target_s_stays_as_it_is() -> None:
    text = SERVER + "+0 getsockopt(4, SOL_SOCKET, SO_RCVBUF, [{0}], [4]) = 0\n+.1 < R {1}:{1}(0) win 0\n"
    for claimed, number, moved in ((70000, 70001, 0), (70000, 70000, 1), (30000, 30001, 1)):
        played = play(text.format(claimed, number) + ("+0 > . 1:1(0) ack 1\n" if number == claimed else ""))
        assert (played.verdict, "edge of a window" in played.notes) == ("conforms", bool(moved))
        (sent,) = (each.segment for each in played.events if each.segment and each.segment.flags & RST)
        assert (sent.seq == number) is not bool(moved)


def test_the_window_of_a_connection_that_is_not_accepted_yet_is_at_most_65535() -> None:
    size = "+0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [65536], [4]) = 0\n"
    text = SERVER.replace("+.1 < . 1:1(0)", size + "+.1 < R 65536:65536(0) win 0\n+.1 < . 1:1(0)")
    assert play(text).verdict == "conforms"  # one octet to the left it would be in the window


def test_an_acknowledgment_may_come_at_once_where_the_script_has_it_later_unless_strict() -> None:
    text = SERVER + "+.1 < P. 1:11(10) ack 1 win 65535\n+.3 > . 1:1(0) ack 11\n"
    assert play(text).verdict == "conforms"
    assert play(text, "strict").code is Code.EARLY


def test_a_difference_behind_an_acknowledgment_of_what_is_not_sent_yet_is_not_applicable() -> None:
    slow = SERVER.replace("ack 1 win 65535", "ack 1 win 10") + "+0 write(4, ..., 100) = 100\n"
    played = play(slow + "+.1 < . 1:1(0) ack 101 win 10\n+.1 < F. 1:1(0) ack 101 win 10\n+0 > . 101:101(0) ack 2\n")
    assert (played.verdict, played.line) == ("not applicable", 10)
    assert play(slow + "+0 > P. 1:11(10) ack 1\n+.1 < . 1:1(0) ack 200 win 10\n").verdict == "violates"


def test_what_a_call_asks_for_behind_the_last_line_is_counted_not_judged() -> None:
    played = play(SERVER + "+.1 close(4) = 0\n")
    assert (played.verdict, played.notes) == ("conforms", "1 segment behind the last line not asserted")


def test_windows_and_the_window_scale_are_not_asserted_unless_strict() -> None:
    text = SERVER.replace("<...>", "<mss 1460,wscale 9>").replace("<mss 1460>\n", "<mss 1460,nop,wscale 7>\n", 1)
    text = text.replace("> S. 0:0(0) ack 1", "> S. 0:0(0) ack 1 win 4711")
    played = play(text)
    assert (played.verdict, played.notes) == ("conforms", "1 window, 1 window scale not asserted")
    assert play(text, "strict").code is Code.WRONG_WINDOW


def test_the_order_of_options_and_padding_are_not_asserted_unless_strict() -> None:
    syn = "<mss 1460,sackOK,nop,wscale 7>"
    text = SERVER.replace("<mss 1460>\n", f"{syn}\n", 1).replace("<...>", "<sackOK,mss 1460,nop,nop,nop,nop,wscale 2>")
    assert play(text).verdict == "conforms"
    assert play(text, "strict").code is Code.WRONG_OPTIONS


def test_text_may_be_cut_in_another_way_unless_strict() -> None:
    text = SERVER + "+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1\n+.1 < . 1:1(0) ack 3001 win 65535\n"
    played = play(text)
    assert (played.verdict, played.notes) == ("conforms", "2 segmentations not asserted")
    assert play(text, "strict").verdict == "violates"


def test_text_of_one_segment_may_stand_in_two_lines() -> None:
    lines = "+0 write(4, ..., 1000) = 1000\n+0 > . 1:501(500) ack 1\n+0 > P. 501:1001(500) ack 1\n"
    assert play(SERVER + lines + "+.1 < . 1:1(0) ack 1001 win 65535").verdict == "conforms"


def test_an_acknowledgment_may_come_by_itself_unless_strict() -> None:
    lines = "+.1 < P. 1:11(10) ack 1 win 65535\n+0 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 11\n"
    played = play(SERVER + lines)
    assert (played.verdict, played.notes) == ("conforms", "1 acknowledgment not asserted")
    assert play(SERVER + lines, "strict").verdict == "violates"


def test_a_timer_may_differ_by_an_eighth_and_a_tick() -> None:
    client = (
        " 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
        "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n+0 > S 0:0(0) <...>\n"
    )
    for seconds, code in ((1.0, None), (0.95, None), (1.15, None), (0.7, Code.LATE), (1.5, Code.EARLY)):
        assert play(f"{client}+{seconds} > S 0:0(0) <...>\n").code is code, seconds
    assert play(f"{client}+.9~+1.1 > S 0:0(0) <...>\n", "strict").code is None
    assert play(f"{client}* > S 0:0(0) <...>\n+2 > S 0:0(0) <...>\n", "strict").code is None
    assert play(f"{client}* > S 0:0(0) <...>\n").code is None


def test_how_fast_text_is_sent_is_not_judged_where_another_congestion_control_is_asked_for() -> None:
    asked = " 0 `sysctl -q net.ipv4.tcp_congestion_control=cubic`\n" + SERVER.replace(" 0 socket", "+0 socket", 1)
    text = "+0 write(4, ..., 30000) = 30000\n+0 > . 1:29201(29200) ack 1\n+0 > P. 29201:30001(800) ack 1\n"
    assert play(SERVER + text).verdict == "violates"
    assert play(asked + text).due.startswith("sysctl net.ipv4.tcp_congestion_control=cubic, and line")
    assert play(asked + FIN_LINES.replace("F. 1:1(0) ack 1", "F. 1:1(0) ack 2")).code is Code.WRONG_ACK


def test_what_comes_behind_the_last_line_may_come_of_an_acknowledgment_of_what_was_not_sent() -> None:
    ahead = "+0 write(4, ..., 60000) = 60000\n+.1 < . 1:1(0) ack 50001 win 65535\n"
    assert play(SERVER + ahead + "+.1 `true`").verdict == "not applicable"


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ("+.1 < . 1:101(100) ack 1 win 65535\n+0 < . 1:101(100) ack 1 win 65535\n", "conforms"),
        ("+.1 < . 101:201(100) ack 1 win 65535\n", "conforms"),
        ("+.1 < S 101:101(0) win 65535\n", "violates"),
        ("+.1 < R 101:101(0) win 65535\n", "violates"),
    ],
)
def test_behind_the_last_line_text_that_is_not_new_in_order_is_answered(lines: str, verdict: str) -> None:
    assert play(SERVER + lines).verdict == verdict


@pytest.mark.parametrize(("later", "code"), [(".18", None), (".35", Code.SILENT)])
def test_how_late_a_call_that_blocks_may_return_counts_from_its_beginning(later: str, code: Code | None) -> None:
    lines = f"+0...1 read(4, ..., 100) = 10\n+.9 `true`\n+{later} < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11\n"
    assert play(SERVER + lines).code is code


@pytest.mark.parametrize("waits", [True, False])
def test_what_a_kernel_counts_for_calls_that_wait_is_not_judged_where_none_does(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "KNOWN_EVERYWHERE", {"tcpi_sndbuf_limited"})
    monkeypatch.setattr(SocketOptions, "info", lambda *_arguments: {"tcpi_sndbuf_limited": 0})
    octets = 4_000_000 if waits else 10
    text = f"+0...1 write(4, ..., {octets}) = {octets}\n+0 > . 1:1461(1460) ack 1\n" if waits else ""
    played = play(SERVER + text + "+0 %{ assert tcpi_sndbuf_limited > 0 }%")
    assert played.verdict == ("not applicable" if waits else "violates")


def test_a_number_on_the_wire_and_one_that_is_left_open() -> None:
    lines = " 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+.1 < S 5:5(0) win 9 <mss 1460>\n"
    assert play(lines + "+0 > R. 0:0(0)! ack 6").verdict == "conforms"
    assert play(lines + "+0 > R. 7:7(0)! ack 1").code is Code.WRONG_SEQ
    assert play(SERVER.replace("<...>", "<mss ...>")).verdict == "conforms"
    assert play(SERVER.replace("<mss 1460>\n", "<mss ...>\n", 1)).verdict == "not applicable"


def test_an_error_may_have_another_name() -> None:
    lines = "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 read(4, ..., 9) = -1 EWOULDBLOCK (Operation would block)"
    assert play(SERVER + lines).verdict == "conforms"


def test_an_edge_may_be_that_of_the_largest_window_where_none_is_scaled() -> None:
    size = "+0 getsockopt(4, SOL_SOCKET, SO_RCVBUF, [65700], [4]) = 0\n"
    for edge in (65535, 65700):  # the last octet of the window, by either count
        played = play(f"{SERVER}{size}+.1 < R {edge}:{edge}(0) win 0\n+0 > . 1:1(0) ack 1\n")
        assert (played.verdict, "edge of a window" in played.notes) == ("conforms", True)


def test_strictly_too_a_time_counts_from_when_the_event_before_was() -> None:
    schedule = Schedule(0, 0.0, strict=True)
    schedule.happened(100, 30_000_000)
    assert schedule.due_ns(Time(Clock.RELATIVE, 5)) == 30_000_005
    assert schedule.due_ns(Time(Clock.ABSOLUTE, 5)) == 5


@pytest.mark.parametrize("flags", ["R 1:1(0)", "R. 1:1(0) ack 1"])
def test_a_reset_by_a_call_may_have_the_ack_bit_or_not_unless_strict(flags: str) -> None:
    linger = "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0\n"
    text = f"{SERVER}{linger}+.1 close(4) = 0\n+0 > {flags}\n"
    assert play(text).verdict == "conforms"
    assert play(text, "strict").verdict == ("violates" if "ack" in flags else "conforms")


def test_a_reset_that_answers_has_the_ack_bit_that_is_due() -> None:
    assert play(SERVER + "+.1 < S. 5000:5000(0) ack 9 win 9\n+0 > R. 9:9(0) ack 5001\n").verdict == "violates"
    stray = "+0 < F 5:5(0) win 9\n+0 > {}\n"
    assert play(stray.format("R. 0:0(0) ack 6")).verdict == "conforms"
    assert play(stray.format("R 0:0(0)")).code is Code.WRONG_FLAGS


def test_packetdrill_s_profile_is_strict_and_demands_no_silence_behind_the_last_line() -> None:
    challenged = SERVER + "+.1 < R 100:100(0) win 0\n"
    assert [play(challenged, match).code for match in ("lenient", "strict")] == [Code.EXTRA, Code.EXTRA]
    played = play(challenged, "packetdrill")
    assert (played.verdict, played.notes) == ("conforms", "1 segment behind the last line not asserted")
    assert play(SERVER, "packetdrill").notes == ""
    between = challenged + "+.1 write(4, ..., 9) = 9\n+0 > P. 1:10(9) ack 1\n"
    assert play(between, "packetdrill").code is Code.WRONG_DATA  # the next line meets it, as packetdrill's would
    window = SERVER.replace("> S. 0:0(0) ack 1", "> S. 0:0(0) ack 1 win 4711")
    assert play(window, "packetdrill").code is Code.WRONG_WINDOW


def test_packetdrill_s_profile_takes_text_in_pieces_as_its_device_hands_up_what_a_card_would_cut() -> None:
    text = SERVER + "+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1\n"
    assert [play(text, match).code for match in ("lenient", "packetdrill")] == [None, None]
    assert play(text, "strict").code is Code.WRONG_FLAGS  # the first of three
    short = text.replace("3000", "300").replace("3001", "301")
    assert [play(each, "packetdrill").code for each in (short, short.replace("> P.", "> ."))] == [
        None,
        Code.WRONG_FLAGS,
    ]
    assert play(text.replace("> P. 1:3001(3000)", "> P. 2:3001(2999)"), "packetdrill").code is Code.WRONG_SEQ


def test_a_call_that_blocks_may_end_as_late_as_the_script_is_behind() -> None:
    schedule = Schedule(0, 0.0, strict=True)
    schedule.happened(1_000, 6_000_000)
    schedule.happened(7_000_000, 7_000_000)
    assert schedule.behind_ns == 5_999_000


class Choosing(ReferenceTarget):
    """A target whose sockets take a congestion control of their own."""

    chosen: ClassVar[list[object]] = []

    def socket(self, version: int) -> Any:
        """Return a socket that notes what it is given."""
        sock = super().socket(version)
        before = sock.set_option

        def put(level: int, name: int, value: int | bytes) -> None:
            if (level, name) == (socket.IPPROTO_TCP, socket.TCP_CONGESTION):
                self.chosen.append(value)
            else:
                before(level, name, value)

        setattr(sock, "set_option", put)  # noqa: B010
        return sock


def test_a_congestion_control_that_is_not_made_the_default_is_given_to_each_socket() -> None:
    lines = "+0 write(4, ..., 9) = 9\n+0 > P. 1:10(9) ack 2\n"
    text = "0 `sysctl -q net.ipv4.tcp_congestion_control=cubic`\n" + SERVER.replace(" 0 socket", "+0 socket") + lines
    assert play(text).verdict == "not applicable"  # how fast text is sent may come of it
    Choosing.chosen.clear()
    assert play(text, target=Choosing()).code is Code.WRONG_ACK
    assert Choosing.chosen == [b"cubic"] * 2
