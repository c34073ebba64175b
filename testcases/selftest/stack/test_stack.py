"""The reference stack as a whole: with a peer made by hand, and two stacks over a bad wire."""

import errno
import random

import pytest

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, CLOSING, ESTABLISHED, FIN_WAIT_2, SYN_SENT, TIME_WAIT
from harness.stack import Config, Datagram, Endpoint, Pair, Socket, Stack
from harness.stack.config import NS
from testcases.selftest.lossy_wire import Transfer, Weather, Wire, exchange

PAIR = Pair(Endpoint("192.0.2.1", 80), Endpoint("192.0.2.2", 1024))
SECOND, MILLISECOND = NS, NS // 1000


# --- one stack and a peer made by hand -------------------------------------------------------------------------------


class Peer:
    """Speaks to a stack segment by segment; numbers relative to the initial ones."""

    ISS = 1000

    def __init__(self, config: Config | None = None, field: bytes = b"") -> None:
        self.stack = Stack([PAIR.local.address], config=config, key=b"key")
        self.listener = self.stack.socket()
        self.listener.listen(PAIR.local)
        self.iss = 0
        self.iss = self.send(SYN, seq=0, field=field)[0].seq
        stamp = options.timestamps_of(field)
        self.send(ACK, field=options.timestamps(stamp[0]) if stamp else b"")
        self.sock = self.listener.accept()

    def send(
        self, flags: int, data: bytes = b"", *, seq: int = 1, ack: int = 1, window: int = 65535, field: bytes = b""
    ) -> list[Segment]:
        """Send one segment, return the answers as they are on the wire."""
        wire = Segment(flags, seqno.add(seq, self.ISS), seqno.add(ack, self.iss) if flags & ACK else 0, window)
        wire.payload, wire.options = data, field
        wire.source_port, wire.destination_port = PAIR.remote.port, PAIR.local.port
        self.stack.arrive(Datagram(PAIR.remote.address, PAIR.local.address, wire))
        return self.answers()

    def answers(self) -> list[Segment]:
        """Return what the stack has sent."""
        return [datagram.segment for datagram in self.stack.poll()]

    def notation(self, segments: list[Segment]) -> list[str]:
        """Return segments as the RFC's figures write them."""
        return [segment.relative(self.iss, self.ISS).notation() for segment in segments]

    def wait(self, seconds: float) -> list[Segment]:
        """Let time pass."""
        self.stack.advance(self.stack.now + round(seconds * NS))
        return self.answers()


def test_old_timestamps_are_refused_across_the_wrap() -> None:
    peer = Peer(Config(delayed_ack_s=None), options.timestamps(seqno.MODULUS - 5))
    assert peer.send(ACK, b"new", field=options.timestamps(10), seq=1)
    assert peer.sock.recv(10) == b"new"
    refused = peer.send(ACK, b"old", seq=4, field=options.timestamps(seqno.MODULUS - 1))
    assert peer.notation(refused) == ["<SEQ=1><ACK=4><CTL=ACK>"]
    with pytest.raises(BlockingIOError):
        peer.sock.recv(10)


def test_old_duplicates_do_not_change_the_timestamp_to_echo() -> None:
    peer = Peer(field=options.timestamps(100))
    answer = peer.send(ACK, b"stray", seq=-5, field=options.timestamps(999))[0]
    assert (options.timestamps_of(answer.options) or ())[1] == 100
    answer = peer.send(ACK, b"later", seq=50, field=options.timestamps(999))[0]
    assert (options.timestamps_of(answer.options) or ())[1] == 100
    peer.send(ACK, b"next", field=options.timestamps(101))
    answer = peer.send(ACK, b"stray", seq=-5, field=options.timestamps(101))[0]
    assert (options.timestamps_of(answer.options) or ())[1] == 101


def test_timestamps_of_a_connection_idle_for_weeks_are_forgotten() -> None:
    peer = Peer(field=options.timestamps(1 << 31))
    peer.wait(25 * 24 * 3600)
    peer.send(ACK, b"hello", field=options.timestamps(1))
    assert peer.sock.recv(10) == b"hello"


def test_small_segments_wait_for_the_small_one_before_unless_nagle_is_off() -> None:
    peer = Peer()
    peer.sock.send(b"one")
    peer.sock.send(b"two")
    assert peer.notation(peer.answers()) == ["<SEQ=1><ACK=1><DATA=3><CTL=PSH,ACK>"]
    assert peer.notation(peer.send(ACK, ack=4)) == ["<SEQ=4><ACK=1><DATA=3><CTL=PSH,ACK>"]
    peer.sock.settings.no_delay = True
    peer.sock.send(b"three")
    assert len(peer.answers()) == 1


def test_sender_does_not_fill_a_silly_window_before_the_override() -> None:
    peer = Peer()
    peer.send(ACK, window=0)
    peer.sock.send(bytes(5000))
    assert peer.send(ACK, window=10) == []
    assert [len(segment.payload) for segment in peer.wait(1)] == [10]


def test_receiver_does_not_advance_its_window_in_small_steps() -> None:
    peer = Peer(Config(delayed_ack_s=None, receive_buffer=4000))
    assert peer.send(ACK, bytes(536))[-1].window == 4000 - 536
    peer.sock.recv(100)
    assert peer.send(ACK, bytes(100), seq=537)[-1].window == 4000 - 636
    peer.sock.recv(536)
    assert peer.send(ACK, bytes(10), seq=637)[-1].window == 4000 - 10


def test_probe_of_a_closed_window_carries_an_octet_and_backs_off() -> None:
    peer = Peer()
    peer.send(ACK, window=0)
    peer.sock.send(b"waiting")
    assert peer.answers() == []
    times = []
    for _ in range(40):
        begun = peer.stack.now
        if probes := peer.wait(0.5):
            assert peer.notation(probes) == ["<SEQ=1><ACK=1><DATA=1><CTL=ACK>"]
            times.append((begun + SECOND // 2) / SECOND)
            peer.send(ACK, window=0)
    assert times == [1, 3, 7, 15]
    assert peer.notation(peer.send(ACK, window=100)) == ["<SEQ=1><ACK=1><DATA=7><CTL=PSH,ACK>"]


def test_retransmission_doubles_and_ends_with_r2() -> None:
    peer = Peer(Config(user_timeout_s=20))
    peer.sock.send(b"data")
    sent = peer.answers()
    times = [at for at in range(1, 25) if peer.notation(peer.wait(1)) == peer.notation(sent)]
    assert times == [1, 3, 7, 15]
    assert peer.sock.status() is CLOSED
    with pytest.raises(TimeoutError):
        peer.sock.recv(1)


def test_r2_may_be_set_while_it_runs() -> None:
    peer = Peer()
    peer.sock.send(b"data")
    peer.wait(2)
    peer.sock.settings.user_timeout_s = 5
    peer.sock.settings_changed()
    peer.wait(2.9)
    assert peer.sock.status() is ESTABLISHED
    peer.wait(0.1)
    assert peer.sock.status() is CLOSED


def test_delayed_ack_comes_in_time_and_at_once_for_the_second_full_segment() -> None:
    peer = Peer(Config(delayed_ack_s=0.2))
    assert peer.send(ACK, bytes(1460)) == []
    assert peer.notation(peer.send(ACK, bytes(1460), seq=1461)) == ["<SEQ=1><ACK=2921><CTL=ACK>"]
    assert peer.send(ACK, b"x", seq=2921) == []
    assert peer.wait(0.19) == []
    assert peer.notation(peer.wait(0.02)) == ["<SEQ=1><ACK=2922><CTL=ACK>"]


def test_challenges_are_limited_for_all_connections_together() -> None:
    peer = Peer(Config(challenge_limit=3, challenge_period_s=5))
    assert sum(len(peer.send(RST, seq=100)) for _ in range(10)) == 3
    peer.wait(5)
    assert len(peer.send(RST, seq=100)) == 1


def test_keep_alive_probes_then_gives_up() -> None:
    peer = Peer()
    peer.sock.settings.keep_alive = True
    peer.sock.settings_changed()
    assert peer.wait(7199) == []
    assert peer.notation(peer.wait(1)) == ["<SEQ=0><ACK=1><CTL=ACK>"]
    assert len(peer.wait(75 * 8)) == 8
    assert peer.notation(peer.wait(75)) == ["<SEQ=1><CTL=RST>"]
    assert peer.sock.status() is CLOSED


def test_time_wait_lasts_two_msl_and_begins_anew_with_a_repeated_fin() -> None:
    peer = Peer(Config(delayed_ack_s=None))
    peer.sock.shutdown()
    peer.answers()
    peer.send(FIN | ACK, ack=2)
    assert peer.sock.status() is TIME_WAIT
    peer.wait(200)
    assert peer.notation(peer.send(FIN | ACK, ack=2)) == ["<SEQ=2><ACK=2><CTL=ACK>"]
    peer.wait(239)
    assert peer.sock.status() is TIME_WAIT
    peer.wait(1)
    assert peer.sock.status() is CLOSED
    assert peer.stack.connections == {}
    assert peer.stack.next_timer() is None


def test_backlog_bounds_what_waits_to_be_accepted() -> None:
    stack = Stack([PAIR.local.address])
    listener = stack.socket()
    listener.listen(PAIR.local, backlog=2)
    for port in range(5):
        syn = Segment(SYN, 0, source_port=2000 + port, destination_port=80)
        stack.arrive(Datagram(PAIR.remote.address, PAIR.local.address, syn))
    assert len(stack.connections) == len(stack.poll()) == 2


def test_calls_are_refused_as_sockets_refuse_them() -> None:
    stack = Stack([PAIR.local.address])
    fresh = stack.socket()
    for call in (lambda: fresh.send(b"x"), lambda: fresh.recv(1), fresh.shutdown):
        with pytest.raises(OSError, match="does not exist") as refusal:
            call()
        assert refusal.value.errno == errno.ENOTCONN
    stack.socket().listen(PAIR.local)
    with pytest.raises(OSError, match="listens") as refusal:
        stack.socket().listen(PAIR.local)
    assert refusal.value.errno == errno.EADDRINUSE
    with pytest.raises(OSError, match="multicast"):
        stack.socket().connect(Endpoint("224.0.0.1", 80))
    peer = Peer()
    peer.sock.shutdown()
    with pytest.raises(BrokenPipeError):
        peer.sock.send(b"too late")


# --- two stacks ------------------------------------------------------------------------------------------------------

CALM = Weather()
RAIN = Weather(loss=0.02, duplication=0.02, jitter=5 * MILLISECOND)
STORM = Weather(loss=0.1, duplication=0.1, jitter=30 * MILLISECOND)


@pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("weather", [CALM, RAIN, STORM], ids=["calm", "rain", "storm"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_megabyte_each_way_arrives_intact(weather: Weather, version: int, seed: int) -> None:
    wire = Wire(weather, seed=seed, version=version)
    client, server = wire.pair()
    there, back = (random.Random(number).randbytes(1 << 20) for number in (1, 2))
    outward, homeward = Transfer(client, there), Transfer(server, back)
    exchange(wire, outward, homeward)
    assert (bytes(homeward.received), bytes(outward.received)) == (there, back)
    wire.run(600)
    assert wire.left.connections == wire.right.connections == {}


@pytest.mark.parametrize(
    "config",
    [
        Config(timestamps=False, window_scale=False, sack=False),
        Config(receive_buffer=3000),
        Config(mss={4: 100, 6: 100}, send_buffer=1000),
        Config(delayed_ack_s=None),
    ],
    ids=["no-options", "small-window", "small-segments", "quick-acks"],
)
def test_other_settings_carry_data_as_well(config: Config) -> None:
    wire = Wire(RAIN, config=config)
    client, server = wire.pair()
    data = random.Random(1).randbytes(50_000)
    outward, homeward = Transfer(client, data), Transfer(server, data[::-1])
    exchange(wire, outward, homeward)
    assert (bytes(homeward.received), bytes(outward.received)) == (data, data[::-1])


@pytest.mark.slow
def test_a_thousand_short_connections_in_a_storm() -> None:
    wire = Wire(STORM)
    listener = wire.listen(port=80)
    clients = [wire.connect() for _ in range(100)]
    served = 0
    for _ in range(10):
        servers: list[Socket] = []
        while len(servers) < 100:
            wire.run(1)
            while True:
                try:
                    servers.append(listener.accept())
                except BlockingIOError:
                    break
        transfers = [Transfer(sock, b"short" * 10) for sock in (*clients, *servers)]

        def done(transfers: list[Transfer] = transfers) -> bool:
            for transfer in transfers:
                transfer.work()
            return all(transfer.ended for transfer in transfers)

        wire.run(600, until=done)
        served += sum(bytes(transfer.received) == b"short" * 10 for transfer in transfers)
        for sock in (*clients, *servers):
            sock.close()
        clients = [wire.connect() for _ in range(100)]
    assert served == 2000


def test_simultaneous_open_and_close() -> None:
    """Both ends call connect() and then close(): SYN-SENT, SYN-RECEIVED, ESTABLISHED, CLOSING, TIME-WAIT."""
    wire = Wire()
    ends = [Endpoint(stack.addresses[0], 4000) for stack in (wire.left, wire.right)]
    left, right = wire.left.socket(), wire.right.socket()
    left.connect(ends[1], ends[0])
    right.connect(ends[0], ends[1])
    assert left.status() is right.status() is SYN_SENT
    wire.run(1)
    assert left.status() is right.status() is ESTABLISHED
    left.shutdown()
    right.shutdown()
    wire.run(0.015)
    assert left.status() is right.status() is CLOSING
    wire.run(1)
    assert left.status() is right.status() is TIME_WAIT
    wire.run(240)
    assert wire.left.connections == wire.right.connections == {}


def test_half_close_lets_the_other_side_speak_on() -> None:
    wire = Wire()
    client, server = wire.pair()
    client.shutdown()
    wire.run(1)
    assert (client.status(), server.status()) == (FIN_WAIT_2, CLOSE_WAIT)
    server.send(b"still speaking")
    wire.run(1)
    assert client.recv(100) == b"still speaking"


def test_two_runs_are_the_same() -> None:
    def record() -> list[tuple[int, Datagram]]:
        wire = Wire(STORM, seed=5)
        client, server = wire.pair()
        exchange(wire, Transfer(client, bytes(100_000)), Transfer(server, bytes(1000)))
        return wire.sent

    assert record() == record()
