"""Whatever comes, whatever is called: the reference stack raises nothing but refusals and keeps its invariants."""

import random

import pytest

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, NO_FLAGS, RST, SYN, URG, Segment
from harness.spec.states import CLOSED, SYN_SENT
from harness.stack import Config, Connection, Datagram, Endpoint, Pair, Socket, Stack
from harness.stack.config import NS

HERE, THERE = "192.0.2.1", "192.0.2.2"
FLAGS = (*[ACK] * 12, SYN, SYN, FIN | ACK, SYN | ACK, RST | ACK, RST, FIN, NO_FLAGS, SYN | FIN, URG | ACK)
OFFSETS = (*[0] * 24, -1, 1, 5, 100, 70_000, -70_000, 1 << 31)
STEPS = 400


class Storm:
    """Random events for one stack; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        config = Config(
            receive_buffer=self.random.choice((100, 3000, 131_072)), delayed_ack_s=self.random.choice((None, 0.2))
        )
        self.stack = Stack([HERE], config=config, key=b"key")
        self.listener = self.stack.socket()
        self.listener.listen(Endpoint(HERE, 80), backlog=5)
        self.sockets: list[Socket] = []
        self.last = Segment(NO_FLAGS)
        self.edges: dict[int, tuple[Connection, int]] = {}

    def step(self) -> None:
        event = self.random.choices((self.segment, self.call, self.open, self.time, self.icmp), (60, 20, 8, 8, 4))[0]
        try:
            event()
        except OSError:
            return

    def segment(self) -> None:
        rng = self.random
        field = rng.choice((b"", b"", options.mss(rng.choice((0, 1, 20, 1460))), rng.randbytes(8)))
        field += rng.choice((b"", options.timestamps(rng.randrange(5)), options.window_scale(rng.randrange(256))))
        segment = Segment(
            rng.choice(FLAGS),
            seqno.add(self.last.ack, rng.choice(OFFSETS)),
            seqno.add(self.last.end, rng.choice(OFFSETS)),
            rng.choice((0, 1, 100, 65535)),
            rng.randbytes(rng.choice((0, 0, 1, 10, 1000))),
            field,
            rng.randrange(1 << 16),
            source_port=rng.choice((1024, 1025)),
            destination_port=rng.choice((80, 80, 2000)),
        )
        self.stack.arrive(Datagram(THERE, HERE, segment))

    def call(self) -> None:
        sock = self.random.choice([*self.sockets, self.listener])
        call = self.random.randrange(20 if sock is not self.listener else 2)
        if call == 2:
            sock.close()
        elif call == 3:
            sock.abort()
        elif call == 4:
            sock.shutdown()
        elif call % 2:
            sock.recv(self.random.choice((1, 1000, 100_000)))
        else:
            sock.send(bytes(self.random.choice((1, 100, 5000))), urgent=self.random.random() < 0.1)

    def open(self) -> None:
        if self.random.random() < 0.5:
            self.sockets.append(self.listener.accept())
        else:
            sock = self.stack.socket()
            sock.connect(Endpoint(THERE, self.random.choice((1024, 1025))), Endpoint(HERE, 2000))
            self.sockets.append(sock)

    def time(self) -> None:
        self.stack.advance(
            self.stack.now
            + round(self.random.choice((0.001, 0.001, 0.2, 0.2, 1, self.random.choice((1, 60, 300)))) * NS)
        )

    def icmp(self) -> None:
        pair = Pair(Endpoint(HERE, 80), Endpoint(THERE, 1024))
        self.stack.icmp_error(pair, self.last.seq, 111, hard=self.random.random() < 0.3)

    def check(self) -> None:
        for datagram in self.stack.poll():
            self.last = datagram.segment
            assert 0 <= self.last.window <= 0xFFFF
            assert 0 <= self.last.seq <= seqno.MASK
            assert 0 <= self.last.ack <= seqno.MASK
        for connection in self.stack.connections.values():
            assert connection.state is not CLOSED
            assert seqno.leq(connection.snd_una, connection.cursor)
            assert seqno.leq(connection.cursor, connection.snd_nxt)
            if connection.state is not SYN_SENT:
                _same, edge = self.edges.get(id(connection), (connection, connection.rcv_edge))
                assert seqno.leq(edge, connection.rcv_edge), "the right edge of the window has moved left"
                self.edges[id(connection)] = connection, connection.rcv_edge


@pytest.mark.parametrize("seed", range(100))
def test_random_events_break_nothing(seed: int) -> None:
    storm = Storm(seed)
    for _ in range(STEPS):
        storm.step()
        storm.check()


def test_nothing_is_left_when_everybody_has_gone() -> None:
    """With all sockets closed, timers alone bring every connection to its end."""
    for seed in range(30):
        storm = Storm(seed)
        for _ in range(STEPS):
            storm.step()
        for sock in (*storm.sockets, storm.listener):
            sock.close()
        storm.stack.advance(storm.stack.now + 24 * 3600 * NS)
        assert storm.stack.connections == {}
        assert storm.stack.next_timer() is None
