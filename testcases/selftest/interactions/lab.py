"""The few words in which the proofs are written: a laboratory with one stack, its sockets, and peers beside it.

A peer's numbers are relative: both initial numbers are 0. What the stack sends waits in the peer's `inbox` until a
proof expects it; that something unexpected waits there when the peer goes on sending is an error of the stack.
"""

from collections import deque
from collections.abc import Callable

from harness.observe.snapshot import FourTuple
from harness.spec import options, seqno
from harness.spec.segment import ACK, RST, SYN, Segment, flag_names
from harness.spec.states import State
from harness.stack import Config, Endpoint, Socket, Stack
from harness.stack.config import NS
from harness.targets.reference.target import BEGINNING_NS, ReferenceTarget
from harness.wire import codec

Form = Callable[[bytes], list[bytes]]
#: Virtual time is exact, but a timer may have begun a moment before.
TOLERANCE_S = 0.001
FULL = options.mss(1460) + options.SACK_PERMITTED


class Lab:
    """A reference stack with the addresses of the target; its settings may be changed in `config`."""

    def __init__(self, stack_class: type[Stack] = Stack, beginning_ns: int = BEGINNING_NS) -> None:
        self.target = ReferenceTarget(stack_class=stack_class, beginning_ns=beginning_ns)
        self.stack = self.target.stack
        self.peers: list[Peer] = []
        self._port = 40_000

    @property
    def config(self) -> Config:
        """The settings of the stack."""
        return self.stack.config

    def own(self, ip: int = 4, index: int = 0) -> str:
        """Return an address of the stack."""
        return self.target.addresses(ip).target[index]

    def listen(self, port: int = 80, backlog: int = 100, address: str = "0.0.0.0") -> Socket:
        """Return a listener."""
        sock = self.stack.socket()
        sock.listen(Endpoint(address, port), backlog)
        return sock

    def peer(
        self, port: int = 0, own: int = 80, *, ip: int = 4, address: int = 0, to: int = 0, iss: int = 1000
    ) -> "Peer":
        """Return a peer: its port (0: a new one), the stack's port, and which of the addresses they have."""
        self._port += not port
        here = Endpoint(self.own(ip, to), own)
        there = Endpoint(self.target.addresses(ip).peer[address], port or self._port)
        return Peer(self, here, there, iss)

    def opened(self, listener: Socket | None = None, **how: int) -> tuple[Socket, "Peer"]:
        """Return both ends of a new connection that the peer has opened."""
        return self.opened_with(FULL, listener, **how)

    def opened_with(self, syn: bytes, listener: Socket | None = None, **how: int) -> tuple[Socket, "Peer"]:
        """The same with these options on the SYN; a timestamp among them is kept up."""
        listener = listener or self.listen()
        peer = self.peer(**how)
        stamps = options.timestamps_of(syn)
        if stamps is not None:
            peer.options = options.NOP * 2 + options.timestamps(*stamps)
        peer.open(syn)
        return listener.accept(), peer

    def connected(self, port: int = 0, **how: int) -> tuple[Socket, "Peer"]:
        """Return both ends of a new connection that the stack has opened."""
        sock, peer = self.connecting(port, **how)
        peer.expect(SYN)
        peer.send(SYN | ACK)
        peer.expect(ACK, seq=1, ack=1)
        return sock, peer

    def connecting(self, port: int = 0, **how: int) -> tuple[Socket, "Peer"]:
        """Return a socket in SYN-SENT, and the peer that it has called."""
        self._port += 1
        peer = self.peer(own=port or self._port, **how)
        sock = self.stack.socket()
        sock.connect(peer.there, peer.here)
        self.collect()
        return sock, peer

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.stack.now + round(seconds * NS)
        while self.stack.now < until:
            self.target.pass_time(until - self.stack.now)
            self.collect()

    def collect(self) -> None:
        """Distribute what the stack has sent."""
        for arrival in self.target.waiting():
            self.take(arrival.packet)

    def take(self, packet: bytes) -> None:
        """Give a packet to the latest peer between the two endpoints."""
        found = codec.decode(packet)
        here = Endpoint(found.source, found.segment.source_port)
        there = Endpoint(found.destination, found.segment.destination_port)
        for peer in reversed(self.peers):
            if (peer.here, peer.there) == (here, there):
                peer.inbox.append(peer.relative(found.segment))
                return
        raise AssertionError(f"nobody has asked for a segment from {here} to {there}")


class Peer:
    """One end of a connection, played by the proof."""

    def __init__(self, lab: Lab, here: Endpoint, there: Endpoint, iss: int) -> None:
        self.lab, self.here, self.there, self.iss = lab, here, there, iss
        self.irs: int | None = None
        #: Its next number and what it acknowledges, as they go along.
        self.seq, self.ack = 0, 0
        self.window = 65_535
        self.options = b""
        self.form: Form = lambda packet: [packet]
        self.ttl, self.traffic_class = 64, 0
        self.inbox: deque[Segment] = deque()
        self.last = Segment(0)
        lab.peers.append(self)

    @property
    def state(self) -> State:
        """The state of the connection in the stack."""
        return self.lab.target.snapshot(FourTuple(*self.here, *self.there)).state

    def relative(self, segment: Segment) -> Segment:
        """Return what the stack has sent, with numbers from its first SYN on and of ours."""
        if self.irs is None:
            self.irs = segment.seq if segment.flags & SYN else 0
        return segment.relative(self.irs, self.iss)

    def open(self, syn_options: bytes = FULL) -> None:
        """Do the three-way handshake."""
        self.send(SYN, options=syn_options)
        self.expect(SYN | ACK, ack=1)
        self.send(ACK)

    def send(
        self,
        flags: int,
        data: bytes = b"",
        *,
        seq: int | None = None,
        ack: int | None = None,
        window: int | None = None,
        options: bytes | None = None,
    ) -> None:
        """Send a segment; what is not said goes along: the next number, all that has come, the window, the options."""
        self.quiet()
        segment = Segment(flags, self.seq if seq is None else seq, payload=data)
        if seq is None:
            self.seq += segment.length
        segment.seq = seqno.add(self.iss, segment.seq)
        if flags & ACK:
            segment.ack = seqno.add(self.irs or 0, self.ack if ack is None else ack)
        segment.window = self.window if window is None else window
        segment.options = self.options if options is None else options
        segment.source_port, segment.destination_port = self.there.port, self.here.port
        path = codec.Path(self.there.address, self.here.address)
        packet = codec.encode(path, segment, ttl=self.ttl, traffic_class=self.traffic_class)
        for arrival in self.lab.target.exchange(self.form(packet)):
            self.lab.take(arrival.packet)

    def expect(
        self, flags: int, *, seq: int | None = None, ack: int | None = None, data: bytes | None = None
    ) -> Segment:
        """Take the next segment of the stack, and see that it is this one."""
        self.lab.collect()
        assert self.inbox, f"{flag_names(flags)} is missing"
        segment = self.last = self.inbox.popleft()
        shown = segment.notation()
        assert segment.flags & ~0x08 == flags, f"{shown}, not {flag_names(flags)}"
        assert seq is None or segment.seq == seq, f"{shown}, not SEQ={seq}"
        assert ack is None or segment.ack == ack, f"{shown}, not ACK={ack}"
        assert data is None or segment.payload == data, f"{shown} with {segment.payload!r}, not {data!r}"
        if not flags & RST and segment.seq == self.ack:
            self.ack = segment.end
        return segment

    def after(
        self, seconds: float, flags: int, *, seq: int | None = None, ack: int | None = None, data: bytes | None = None
    ) -> Segment:
        """The same after exactly so many seconds, and nothing before."""
        begun = self.lab.stack.now
        self.quiet()
        self.sleep(seconds + TOLERANCE_S)
        took = (self.lab.stack.now - begun) / NS
        segment = self.expect(flags, seq=seq, ack=ack, data=data)
        assert took >= seconds - TOLERANCE_S, f"{segment.notation()} comes after {took:g} s, not {seconds:g} s"
        return segment

    def sleep(self, seconds: float) -> None:
        """Let at most so much time pass, until something comes from the stack."""
        until = self.lab.stack.now + round(seconds * NS)
        while not self.inbox and self.lab.stack.now < until:
            self.lab.target.pass_time(until - self.lab.stack.now)
            self.lab.collect()

    def quiet(self, seconds: float = 0) -> None:
        """See that the stack sends nothing for so long."""
        self.lab.collect()
        self.sleep(seconds)
        assert not self.inbox, f"{self.inbox[0].notation()} comes unasked"

    def skip(self) -> None:
        """Lose what has come."""
        self.lab.collect()
        self.inbox.clear()

    def is_gone(self) -> bool:
        """Tell whether the stack has no connection any more: an ACK draws a reset."""
        self.send(ACK)
        self.expect(RST)
        return True


def text(sock: Socket) -> bytes:
    """Return all that can be read at once."""
    parts = []
    try:
        while part := sock.recv(1 << 20):
            parts.append(part)
    except BlockingIOError:
        pass
    return b"".join(parts)


def ended(sock: Socket) -> bool:
    """Tell whether the stream is at its end: an empty string, and no waiting."""
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False


def error(call: Callable[[], object]) -> int:
    """Return the errno that a call raises, 0 if it raises none."""
    try:
        call()
    except OSError as refusal:
        return refusal.errno or 0
    return 0
