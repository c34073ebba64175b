"""Timed silence, where no fence holds, on a machine that gives nobody a processor for a while: in a time of our own."""

import fcntl
import resource
import socket
from types import SimpleNamespace

import pytest

from harness.targets.kernel.wire import DatagramLink
from harness.wire import link
from harness.wire.link import ETHERTYPE_ARP, ETHERTYPE_IPV4, Flood, Link

QUIET_S = 0.02
#: Beyond the numbers that select(2) takes.
BEYOND = 1100


class ScriptedLink(Link):
    """Frames come at their times; the clock goes on when somebody waits, and stands still for `stolen` stretches.

    The target does nothing in such a stretch, and neither does who waits: it wakes at its end. A probe is answered as
    soon as the target runs.
    """

    def __init__(self, stolen: tuple[float, float] = (0, 0)) -> None:
        super().__init__(b"\x02" * 6, b"\x04" * 6, bytes(4))
        self.now, self.stolen = 0.0, stolen
        self.frames: list[tuple[float, bytes]] = []
        self.quiet_s = QUIET_S
        self.answers = True

    def come(self, after_s: float, ethertype: bytes = ETHERTYPE_IPV4, to: bytes = b"\x02" * 6) -> None:
        """Let a frame come; one that the target would send in a stolen stretch it sends behind that."""
        begin, end = self.stolen
        at = self.now + after_s
        self.frames.append((end + after_s if begin <= at < end else at, to + bytes(6) + ethertype + b"\x45"))
        self.frames.sort()

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def wait(self, seconds: float) -> bool:
        due = min([at for at, _frame in self.frames], default=1e9)
        until = max(self.now, min(due, self.now + max(0.0, seconds)))
        begin, end = self.stolen
        self.now = end if begin <= until < end else until
        # Who was stopped looks once more when its time is over: what has come by then is there.
        return any(at <= self.now for at, _frame in self.frames)

    def dropped(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def _transmit(self, frame: bytes) -> None:
        if frame[12:14] == ETHERTYPE_ARP and self.answers:
            self.come(0.0001, ETHERTYPE_ARP, to=frame[6:12])

    def _receive(self) -> tuple[bytes, int]:
        if not self.frames or self.frames[0][0] > self.now:
            raise BlockingIOError
        at, frame = self.frames.pop(0)
        return frame, int(at * 1e9)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> ScriptedLink:
    made = ScriptedLink()
    monkeypatch.setattr(link, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


@pytest.mark.parametrize("stolen", [(0.0, 0.3), (0.001, 0.3), (0.01, 0.25), (0.0199, 2.0)])
@pytest.mark.parametrize("late_s", [0.0002, 0.004, 0.015])
def test_an_answer_that_a_stolen_processor_holds_back_is_waited_for(
    wire: ScriptedLink, stolen: tuple[float, float], late_s: float
) -> None:
    wire.stolen = stolen
    wire.come(late_s)
    assert len(wire.exchange([])) == 1


def test_a_target_that_stands_still_alone_is_waited_for(wire: ScriptedLink) -> None:
    """Its answer, and that to the probe, come when it goes on: nobody here was late."""
    wire.answers = False
    wire.come(0.3, ETHERTYPE_ARP, to=b"\x02\xfe\x00\x00\x00\x01")
    wire.come(0.31)
    assert len(wire.exchange([])) == 1


def test_where_no_probe_is_answered_silence_is_all_there_is(wire: ScriptedLink) -> None:
    wire.answers, wire.shows_life = False, False
    assert wire.exchange([]) == []
    assert wire.now == pytest.approx(QUIET_S)


def test_a_probe_that_is_no_longer_answered_makes_it_slow_and_no_more(wire: ScriptedLink) -> None:
    wire.answers = False
    wire.come(0.01)
    assert len(wire.exchange([])) == 1
    assert wire.now == pytest.approx(link.LIFE_LIMIT_S + QUIET_S)


def test_what_is_no_packet_breaks_no_silence(wire: ScriptedLink) -> None:
    for number in range(2000):
        wire.come(number * QUIET_S / 2, ETHERTYPE_ARP, to=b"\xff" * 6)
    assert wire.exchange([]) == []
    assert wire.now < 2 * QUIET_S


def test_packets_without_end_are_a_flood(wire: ScriptedLink) -> None:
    for number in range(2000):
        wire.come(number * QUIET_S / 2)
    with pytest.raises(Flood, match=r"it was not quiet for 0\.02 s within 10 s"):
        wire.exchange([])


def test_what_many_connections_repeat_at_their_own_pace_is_no_flood(wire: ScriptedLink) -> None:
    """Over a long way silence lasts longer than any of the pauses between them."""
    wire.quiet_s = 2.0
    for number in range(300):
        wire.come(number * 0.9)
    assert len(wire.exchange([])) > 8
    assert wire.now < link.UNQUIET_S + 2 * wire.quiet_s


def test_descriptors_may_have_numbers_beyond_those_of_select() -> None:
    """Many timer cases have many sockets, and what is opened behind them is beyond 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < BEYOND + 10:
        pytest.skip("this process may not have so many descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, BEYOND + 10), hard))
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far, socket.socket(fileno=fcntl.fcntl(near, fcntl.F_DUPFD_CLOEXEC, BEYOND)) as beyond:
        assert beyond.fileno() >= BEYOND
        wire = DatagramLink(beyond)
        assert not wire.wait(0)
        far.send(b"frame")
        assert wire.wait(5)
        assert link.comes(beyond.fileno(), 5)
