"""Calls that block and return by themselves: time-outs of sockets, of poll() and epoll, and what a target gives up."""

from pathlib import Path

import pytest

from harness import cli
from harness.pkt import run
from harness.pkt.text_calls import PIECE
from harness.targets import registry
from harness.targets.protocol import UnusableTarget
from testcases.selftest.playing import SERVER, play

#: A time-out of 0.3 s for what is received, and for what is sent.
RECEIVES, SENDS = (
    f"setsockopt(%d, SOL_SOCKET, {name}, {{tv_sec=0, tv_usec=300000}}, 16) = 0\n"
    for name in ("SO_RCVTIMEO", "SO_SNDTIMEO")
)
CLIENT = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
CLOSE = "+.1 close(4) = 0\n+0 > F. 1:1(0) ack 1\n"


@pytest.mark.parametrize("end", ["+0", "+0...0.3"])
@pytest.mark.parametrize(
    "lines",
    [
        f"+0 {RECEIVES % 4}END read(4, ..., 10) = -1 EAGAIN\n{CLOSE}",
        f"+0 {RECEIVES % 4}END recv(4, ..., 10, MSG_DONTWAIT) = -1 EAGAIN\n{CLOSE}",
        f"+0 {RECEIVES % 3}END accept(3, ..., ...) = -1 EAGAIN\n",
    ],
)
def test_a_call_returns_when_the_time_of_its_socket_is_over(lines: str, end: str) -> None:
    waits = "MSG_DONTWAIT" not in lines
    played = play(SERVER + lines.replace("END", end))
    assert played.verdict == ("conforms" if waits or end == "+0" else "violates"), played


@pytest.mark.parametrize(("seconds", "verdict"), [("0.3", "conforms"), ("0.1", "violates"), ("0.5", "violates")])
def test_how_long_it_blocks_is_compared(seconds: str, verdict: str) -> None:
    assert play(SERVER + f"+0 {RECEIVES % 4}+0...{seconds} read(4, ..., 9) = -1 EAGAIN\n").verdict == verdict


def test_what_follows_a_call_without_an_end_counts_from_its_return() -> None:
    """The peer answers 0.4 s after the open began, 0.1 s after the application was told that it is under way."""
    lines = f"{CLIENT}+0 {SENDS % 3}+0 connect(3, ..., ...) = -1 EINPROGRESS\n* > S 0:0(0) <...>\n"
    played = play(f"{lines}+.1 < R. 0:0(0) ack 1 win 0\n")
    assert played.verdict == "conforms", played
    (reset,) = (event for event in played.events if event.segment is not None and "RST" in event.segment.notation())
    assert reset.time_ns - played.events[0].time_ns == 400_000_000


def test_a_socket_that_was_accepted_has_the_time_of_its_listener() -> None:
    head, accept = SERVER.rsplit("+0 accept", 1)
    lines = head + f"+0 {RECEIVES % 3}+0 accept{accept}+0...0.3 read(4, ..., 9) = -1 EAGAIN\n"
    assert play(lines).verdict == "conforms"


def test_as_much_is_written_as_finds_room_in_time() -> None:
    room = f"+0 {SENDS % 4}+0...0.3 write(4, ..., 8000000) = ...\n+0 write(4, ..., 1) = -1 EAGAIN\n"
    played = play(SERVER.replace("win 65535\n+0 accept", "win 0\n+0 accept") + room)
    assert played.verdict == "conforms", played


@pytest.mark.parametrize("error", ["", " ETIMEDOUT", " ETIMEDOUT (Connection timed out)"])
def test_a_call_without_an_end_is_waited_for_until_the_target_gives_up(error: str) -> None:
    assert play(f"{CLIENT}+0 connect(3, ..., ...) = -1{error}\n+0 close(3) = 0\n").verdict == "conforms"


LINGER = "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=2}, 8) = 0\n"
#: The peer acknowledges the FIN 0.4 s after the close() began.
ANSWERED = "+0 > F. 1:1(0) ack 1\n+.4 < . 1:1(0) ack 2 win 65535\n"


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (f"{LINGER}+0...0.4 close(4) = 0\n{ANSWERED}", "conforms"),
        (f"{LINGER}+0...2 close(4) = 0\n{ANSWERED}", "violates"),
        (f"{LINGER}+0 close(4) = 0\n* > F. 1:1(0) ack 1\n", "conforms"),
        (f"{LINGER.replace('onoff=1', 'onoff=0')}+0...0.4 close(4) = 0\n{ANSWERED}", "violates"),
        (f"{LINGER.replace('linger=2', 'linger=0')}+0 close(4) = 0\n+0 > R. 1:1(0) ack 1\n", "conforms"),
        (f"{LINGER}+.1 < R. 1:1(0) ack 1 win 0\n+.1 close(4) = 0\n", "conforms"),
    ],
)
def test_a_close_lingers_until_the_peer_has_acknowledged_all(lines: str, verdict: str) -> None:
    played = play(SERVER + lines)
    assert played.verdict == verdict, played


TEN = "+{} < P. {}(10) ack 1 win 65535\n+0 > . 1:1(0) ack {}\n"
PARTS = TEN.format(0, "1:11", 11), TEN.format(".2", "11:21", 21)
#: What sockets say to calls that are not for them, or not any more; the same on every target.
REFUSALS = """
+0 connect(4, ..., ...) = -1 EISCONN
+0 connect(3, ..., ...) = -1 EISCONN
+0 accept(4, ..., ...) = -1 EINVAL
+0 read(3, ..., 5) = -1 ENOTCONN
+0 shutdown(4, 7) = -1 EINVAL
+0 ioctl(4, FIONBIO, [1]) = 0
+0 read(4, ..., 5) = -1 EAGAIN
+0 setsockopt(4, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5) = 0
"""


@pytest.mark.parametrize(
    ("before", "call"),
    [
        ("", "recv(4, ..., 20, MSG_WAITALL)"),
        ("+0 setsockopt(4, SOL_SOCKET, SO_RCVLOWAT, [20], 4) = 0\n", "read(4, ..., 30)"),
        (f"+0 {RECEIVES % 4}", "recv(4, ..., 30, MSG_WAITALL)"),
    ],
)
def test_a_call_waits_for_as_much_as_it_asks(before: str, call: str) -> None:
    ends = "0.3" if "30, MSG" in call else "0.2"
    lines = f"{PARTS[0]}{before}+0...{ends} {call} = 20\n{PARTS[1]}+.2 recv(4, ..., 9, MSG_DONTWAIT) = -1 EAGAIN\n"
    assert play(SERVER + lines).verdict == "conforms"
    early = lines.replace("= 20", "= 10")
    assert play(SERVER + early).verdict == "violates"


def test_what_waits_for_more_is_ended_by_the_end_of_the_stream() -> None:
    end = "+.2 < F. 11:11(0) ack 1 win 65535\n+0 > . 1:1(0) ack 12\n"
    lines = f"{PARTS[0]}+0...0.2 recv(4, ..., 20, MSG_WAITALL) = 10\n{end}+0 read(4, ..., 5) = 0\n"
    assert play(SERVER + lines).verdict == "conforms"


@pytest.mark.parametrize("stack", ["lwip", "smoltcp", "reference"])
def test_a_socket_that_was_never_opened_has_no_error(
    stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        registry.open_target(registry.parse(stack), registry.Settings()).close()
    except UnusableTarget as reason:
        pytest.skip(str(reason))
    monkeypatch.chdir(tmp_path)
    Path("fresh.pkt").write_text(CLIENT + "+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0\n")
    assert cli.main(["run", "fresh.pkt", "--target", stack]) == 0


@pytest.mark.parametrize("stack", ["linux", "lwip", "reference"])
def test_what_sockets_refuse_is_the_same_everywhere(
    stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("refusals.pkt").write_text(SERVER.rstrip() + REFUSALS)
    assert cli.main(["run", "refusals.pkt", "--target", stack]) == 0


def test_text_that_is_thrown_away_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls = "+0 recv(4, ..., 4, MSG_TRUNC) = 4\n+0 setsockopt(4, 1, 18, [1], 4) = 0\n+0 read(4, ..., 9) = 6\n"
    Path("truncated.pkt").write_text(SERVER + PARTS[0] + calls)
    assert cli.main(["run", "truncated.pkt", "--target", "linux"]) == 0


def test_nobody_waits_for_years() -> None:
    """Else a script would hang; with an end it is the end that is waited for."""
    years = f"+0 {RECEIVES % 3}".replace("tv_sec=0", "tv_sec=99999999")
    played = play(f"{SERVER}{years}+0 accept(3, ..., ...) = -1 EAGAIN\n")
    assert (played.verdict, played.due) == ("not applicable", "accept() that waits for 99999999 s")
    assert play(f"{SERVER}{years}+0...0.2 accept(3, ..., ...) = -1 EAGAIN\n").seen == "it blocks"


def test_a_call_that_nothing_ends_blocks() -> None:
    played = play(SERVER + "+0 read(4, ..., 10) = 0\n")
    assert (played.verdict, played.seen) == ("violates", "it blocks")


def test_much_text_goes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of an adapter's protocol holds it."""
    monkeypatch.chdir(tmp_path)
    nonblocking = "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
    Path("much.pkt").write_text(SERVER + nonblocking + f"+0 write(4, ..., {4 * PIECE}) = ...\n+0 close(4) = 0\n")
    assert cli.main(["run", "much.pkt", "--target", "lwip"]) == 0


@pytest.mark.parametrize(("very_late_ns", "alone"), [(1 << 60, 0), (-1, 3)])
def test_what_is_twice_the_same_beside_others_is_not_played_alone(
    very_late_ns: int, alone: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a folder of scripts that a busy machine is late for would take the sum of their times."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        Path(f"wrong-{number}.pkt").write_text(SERVER + "+.1 close(4) = 0\n+0 > R. 1:1(0) ack 1\n")
    by_itself: list[object] = []
    monkeypatch.setattr(run, "LATE_NS", -1)
    monkeypatch.setattr(run, "VERY_LATE_NS", very_late_ns)
    play_alone = run.play_alone
    monkeypatch.setattr(run, "play_alone", lambda outcome: (by_itself.append(outcome), play_alone(outcome)))
    assert cli.main(["run", ".", "--target", "linux"]) == 1
    assert len(by_itself) == alone


def test_poll_and_epoll_wait_for_their_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    poll = "poll([{fd=4, events=POLLIN, revents=0}], 1, 300) = 0\n"
    epoll = "+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0\n"
    for number, end in enumerate(("+0", "+0...0.3", "+0...0.05")):
        Path(f"poll-{number}.pkt").write_text(f"{SERVER}{end} {poll}{CLOSE}")
        Path(f"epoll-{number}.pkt").write_text(f"{SERVER}{epoll}{end} epoll_wait(5, {{}}, 1, 300) = 0\n{CLOSE}")
    for kind in ("poll", "epoll"):
        assert cli.main(["run", f"{kind}-0.pkt", f"{kind}-1.pkt", "--target", "linux"]) == 0
        assert cli.main(["run", f"{kind}-2.pkt", "--target", "linux"]) == 1
