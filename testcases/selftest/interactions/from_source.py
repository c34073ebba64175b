"""Small changes of the stack's own source, drawn at random."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN, URG, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED
from harness.stack.config import NS
from harness.targets.reference.target import BEGINNING_NS
from testcases.selftest.interactions.fresh_courses import in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, Peer, text
from testcases.selftest.interactions.proof import shows

DAYS_24 = 24 * 86_400
STAMPED = FULL + options.NOP * 2 + options.timestamps(1000, 0)
ROUND_TRIPS = 16


def _blocks(segment: Segment) -> list[int]:
    """Return the edges of the SACK blocks, counted from the initial number of the proofs' peers."""
    data = options.find(segment.options, options.KIND_SACK) or b""
    return [int.from_bytes(data[at : at + 4], "big") - 1000 for at in range(0, len(data), 4)]


def _stamp(value: int) -> bytes:
    return options.NOP * 2 + options.timestamps(value, 0)


@shows("D659")
def an_old_fin_ends_nothing(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    peer.send(FIN | ACK, seq=1)
    peer.expect(ACK)
    peer.quiet(1000)
    assert peer.state is CLOSE_WAIT
    sock.send(b"text")
    peer.expect(ACK, data=b"text")


@shows("D660", beginning_ns=BEGINNING_NS + (DAYS_24 + 1000) * NS)
def an_old_host_knows_old_timestamps(lab: Lab) -> None:
    sock, peer = lab.opened_with(STAMPED)
    peer.options = _stamp(900)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=1)
    assert text(sock) == b""


@shows("D661")
def the_timestamp_of_the_return_is_kept(lab: Lab) -> None:
    sock, peer = lab.opened_with(STAMPED)
    peer.quiet(DAYS_24 + 60)
    peer.options = _stamp(900)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
    peer.options = _stamp(899)
    peer.send(ACK, b"more")
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"


@shows("D662")
def pieces_that_touch_are_one_block(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(ACK, b"text", seq=11)
    assert _blocks(peer.expect(ACK)) == [11, 15]
    peer.send(ACK, b"more", seq=15)
    assert _blocks(peer.expect(ACK)) == [11, 19]


@shows("D663")
def the_latest_block_is_first(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(ACK, b"text", seq=11)
    peer.expect(ACK)
    peer.send(ACK, b"more", seq=101)
    assert _blocks(peer.expect(ACK))[:2] == [101, 105]


@shows("D664")
def a_probed_fin_ends_the_connection(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.window = 0
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.shutdown()
    peer.after(1, FIN | ACK, seq=1)
    peer.send(ACK, ack=2)
    assert peer.state is CLOSED


@shows("D665")
def challenges_come_back(lab: Lab) -> None:
    lab.config.challenge_limit = 1
    _sock, peer = lab.opened()
    for _ in range(2):
        peer.send(RST, seq=100)
        peer.expect(ACK)
        peer.send(RST, seq=100)
        peer.quiet(60)


@shows("D667")
def a_window_is_no_duplicate(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(bytes(1460 * 6))
    peer.sleep(0.1)
    peer.inbox.clear()
    for number in range(4):
        peer.send(ACK, ack=1, window=50_000 + number)
        peer.quiet(0.01)


@shows("D668")
def a_reset_is_no_request(lab: Lab) -> None:
    peer = in_time_wait(lab)
    peer.send(SYN | RST)
    assert peer.state is CLOSED


@shows("D669")
def keep_alives_are_as_many_behind_an_active_open(lab: Lab) -> None:
    sock, peer = lab.connected()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 10.0
    sock.settings.keep_alive_interval_s, sock.settings.keep_alive_probes = 1.0, 2
    sock.settings_changed()
    peer.after(10, ACK, seq=0)
    peer.after(1, ACK, seq=0)


@shows("D670")
def an_urgent_pointer_fills_its_field(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(bytes(100_000), urgent=True)
    assert peer.expect(ACK | URG).urgent == 0xFFFF


def _round_trips(lab: Lab, *lengths_s: float) -> Peer:
    """Send and acknowledge a letter in each of so many round trips, then one that is lost."""
    sock, peer = lab.opened()
    for number in range(ROUND_TRIPS):
        sock.send(b"x")
        peer.expect(ACK, seq=1 + number)
        peer.quiet(lengths_s[number % len(lengths_s)])
        peer.send(ACK, ack=2 + number)
    sock.send(b"y")
    peer.expect(ACK)
    return peer


@shows("D671")
def an_uneven_round_trip_makes_patient(lab: Lab) -> None:
    _round_trips(lab, 0.1, 0.9).quiet(1.5)


@shows("D672")
def an_even_round_trip_makes_quick(lab: Lab) -> None:
    peer = _round_trips(lab, 0.8)
    peer.sleep(2)
    peer.expect(ACK, data=b"y")


@shows("D673")
def a_lost_syn_costs_the_window(lab: Lab) -> None:
    sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.after(1, SYN)
    peer.send(SYN | ACK)
    peer.expect(ACK, seq=1, ack=1)
    sock.send(bytes(5000))
    peer.expect(ACK, seq=1)
    peer.quiet(0.1)
