"""poll() and epoll where sockets do not tell what is ready: worked out from state and queues, as sockets tell it."""

from typing import Any

import pytest

from harness.case.violation import Code
from harness.observe.snapshot import FourTuple, Snapshot
from harness.targets.protocol import Capability
from harness.targets.reference.target import ReferenceTarget
from testcases.selftest.playing import SERVER, Played, play

CLIENT = """
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (x)
+0 > S 0:0(0) <...>
"""
ALL = "POLLIN|POLLOUT|POLLRDHUP"
FIN = "+.1 < F. 1:1(0) ack 1 win 65535\n* > . 1:1(0) ack 2\n"
OWN_FIN = "+.1 shutdown(4, SHUT_WR) = 0\n+0 > F. 1:1(0) ack 1\n"
TEXT = "+.1 < P. 1:11(10) ack 1 win 65535\n* > . 1:1(0) ack 11\n"
NARROW = SERVER.replace("65535", "4000").replace("1460", "1000") + "+0 fcntl(4, F_SETFL, O_NONBLOCK) = 0\n"
NO_ROOM = NARROW + "+0 write(4, ..., 9000000) = ...\n* > . 1:4001(4000) ack 1\n"
#: What a script has done with descriptor 4, or 3 where it is a client's or a listener's, and what is ready then.
MOMENTS = {
    "established": (SERVER, 4, "POLLOUT"),
    "text": (SERVER + TEXT, 4, "POLLIN|POLLOUT"),
    "text that was read": (SERVER + TEXT + "+0 read(4, ..., 99) = 10\n", 4, "POLLOUT"),
    "the peer's FIN": (SERVER + FIN, 4, ALL),
    "the own FIN": (SERVER + OWN_FIN, 4, "POLLOUT"),
    "both": (SERVER + FIN + OWN_FIN.replace("ack 1", "ack 2"), 4, f"{ALL}|POLLHUP"),
    "no more to be read": (SERVER + "+0 shutdown(4, SHUT_RD) = 0\n", 4, ALL),
    "shut both ways": (SERVER + "+0 shutdown(4, SHUT_RDWR) = 0\n+0 > F. 1:1(0) ack 1\n", 4, f"{ALL}|POLLHUP"),
    "a reset": (SERVER + "+.1 < R 1:1(0) win 0\n", 4, f"{ALL}|POLLERR|POLLHUP"),
    "a reset that was told": (
        SERVER + "+.1 < R 1:1(0) win 0\n+0 read(4, ..., 9) = -1 ECONNRESET (x)\n",
        4,
        f"{ALL}|POLLHUP",
    ),
    "no room": (NO_ROOM, 4, "0"),
    "room again": (NO_ROOM + "+.1 < . 1:1(0) ack 4001 win 0\n", 4, "POLLOUT"),
    "a listener": (SERVER, 3, "0"),
    "a handshake under way": (SERVER.partition("+.1")[0], 3, "0"),
    "a connection to be accepted": (SERVER.partition("+0 accept")[0], 3, "POLLIN"),
    "no connection": (" 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n", 3, "POLLOUT|POLLHUP"),
    "an open under way": (CLIENT, 3, "0"),
    "an open that was refused": (CLIENT + "+.1 < R. 0:0(0) ack 1 win 0\n", 3, f"{ALL}|POLLERR|POLLHUP"),
}


class Mute(ReferenceTarget):
    """The reference stack behind sockets that have no poll(); `untold`: it does not say how full its queues are."""

    untold: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.capabilities -= {Capability.READINESS}

    def socket(self, version: int) -> Any:
        """Return a socket without poll()."""
        return MuteSocket(super().socket(version))

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Return a state, without what is not told."""
        seen = super().snapshot(tuple4)
        if seen is None or not self.untold:
            return seen
        gone = {"recvq": "receive_queue", "sendq": "send_queue"}
        return seen._replace(untold=self.untold, **{gone[name]: 0 for name in self.untold})


class MuteSocket:
    """A socket with the calls that each target has."""

    CALLS = ("listen", "connect", "send", "recv", "shutdown", "close", "abort", "pending_error")

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        for name in (*self.CALLS, "set_option", "get_option"):
            setattr(self, name, getattr(sock, name))

    def accept(self) -> "MuteSocket":
        """Return the next connection."""
        return MuteSocket(self._sock.accept())


def polled(moment: str, target: ReferenceTarget, revents: str = "") -> Played:
    text, descriptor, ready = MOMENTS[moment]
    revents = revents or ready
    count = int(revents != "0")
    ask = f"+0 poll([{{fd={descriptor}, events={ALL}, revents={revents}}}], 1, 0) = {count}\n"
    return play(text + ask * 2, target=target)


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_ready_is_worked_out_as_sockets_tell_it(moment: str) -> None:
    assert polled(moment, ReferenceTarget()).verdict == "conforms"
    assert polled(moment, Mute()).verdict == "conforms"
    wrong = polled(moment, Mute(), "POLLIN|POLLERR" if MOMENTS[moment][2] != "POLLIN|POLLERR" else "POLLIN")
    assert wrong.code is Code.WRONG_ANSWER


def test_an_error_that_poll_has_seen_is_told_by_the_next_call_once() -> None:
    text, _descriptor, _ready = MOMENTS["a reset"]
    ask = "+0 poll([{fd=4, events=POLLIN, revents=POLLIN|POLLERR|POLLHUP}], 1, 0) = 1\n"
    for call in ("read(4, ..., 9) = -1 ECONNRESET (x)", "getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0"):
        once = f"{text}{ask}+0 {call}\n+0 poll([{{fd=4, events=0, revents=POLLHUP}}], 1, 0) = 1\n"
        assert play(once + "+0 read(4, ..., 9) = 0\n", target=Mute()).verdict == "conforms"


@pytest.mark.parametrize(
    ("moment", "untold", "verdict"),
    [
        ("text", "recvq", "not applicable"),
        ("established", "recvq", "not applicable"),
        ("the peer's FIN", "recvq", "conforms"),
        ("established", "sendq", "conforms"),
        ("no room", "sendq", "not applicable"),
        ("room again", "sendq", "not applicable"),
    ],
)
def test_what_a_stack_does_not_tell_of_its_buffers_is_not_guessed(moment: str, untold: str, verdict: str) -> None:
    target = Mute()
    target.untold = frozenset({untold})
    assert polled(moment, target).verdict == verdict


def test_the_length_of_a_queue_that_is_not_told_is_not_taken_for_0() -> None:
    target = Mute()
    target.untold = frozenset({"sendq"})
    played = play(SERVER + "+0 ioctl(4, SIOCOUTQ, [0]) = 0\n", target=target)
    assert (played.verdict, played.due) == ("not applicable", "the length of a queue that can't be seen")


@pytest.mark.parametrize("kind", [ReferenceTarget, Mute])
def test_poll_and_epoll_wait_for_what_comes(kind: type[ReferenceTarget]) -> None:
    waits = "+0...0.2 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 1000) = 1\n" + TEXT.replace("+.1", "+.2")
    assert play(SERVER + waits, target=kind()).verdict == "conforms"
    armed = "+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0\n"
    waits = "+0...0.2 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 1000) = 1\n" + TEXT.replace("+.1", "+.2")
    assert play(SERVER + armed + waits, target=kind()).verdict == "conforms"


def test_epoll_by_edges_tells_each_epoll_once() -> None:
    add = "EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, fd=4}"
    armed = "".join(f"+0 epoll_create(1) = {poll}\n+0 epoll_ctl({poll}, {add}) = 0\n" for poll in (5, 6))
    told = "".join(f"+0 epoll_wait({number}, {{events=EPOLLIN, fd=4}}, 1, 0) = 1\n" for number in (5, 6))
    nothing = "".join(f"+0 epoll_wait({number}, {{events=0, ptr=0}}, 1, 0) = 0\n" for number in (5, 6))
    more = TEXT.replace("1:11(10)", "11:21(10)").replace("ack 11", "ack 21")
    text = SERVER + armed + nothing + TEXT + told + nothing + more + told + nothing
    assert play(text).verdict == "conforms"
    assert play(SERVER + TEXT + armed + told).verdict == "conforms"  # what holds already is news
    assert play(SERVER + armed, target=Mute()).verdict == "not applicable"


def test_epoll_refuses_what_makes_no_sense() -> None:
    add = "epoll_ctl(5, EPOLL_CTL_ADD, {}, {{events=EPOLLIN, fd=4}}) = {}"
    text = SERVER + "+0 epoll_create(1) = 5\n"
    for number, answer in ((4, "0"), (4, "-1 EEXIST (x)"), (5, "-1 EINVAL (x)"), (9, "-1 EBADF (x)")):
        text += f"+0 {add.format(number, answer)}\n"
    text += "+0 epoll_ctl(5, EPOLL_CTL_DEL, 3, {}) = -1 ENOENT (x)\n+0 epoll_ctl(5, EPOLL_CTL_DEL, 4, {}) = 0\n"
    text += f"+0 {add.format(4, 0)}\n+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n"
    again = "+.1 < S 9:9(0) win 65535 <mss 1460>\n+0 > S. 0:0(0) ack 10 <...>\n+.1 < . 10:10(0) ack 1 win 9\n"
    last = f"+0 accept(3, ..., ...) = 4\n+0 {add.format(4, 0)}\n"  # what is closed is not watched any more
    ended = "+.1 < R. 1:1(0) ack 2 win 0\n"
    for target in (ReferenceTarget(), Mute()):
        assert play(text + ended + again + last, target=target).verdict == "conforms"
