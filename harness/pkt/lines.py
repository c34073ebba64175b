"""The lines of a script that say what the target sends, each held against what comes, and nothing else may come."""

from collections import Counter, deque
from collections.abc import Callable, Generator
from dataclasses import replace

from harness.case.connection import Connection
from harness.case.repeats import is_timer_repeat
from harness.case.timers import Wait, Waits
from harness.case.violation import Code
from harness.pkt import matching
from harness.pkt.descriptors import MTU, Stage
from harness.pkt.differences import Differences
from harness.pkt.injection import Peer
from harness.pkt.matching import Mismatch, Piece
from harness.pkt.schedule import NS, Schedule, Window
from harness.pkt.support import Unsupported, beyond
from harness.pkt.tree import Clock, Event, TcpOption, TcpSegment
from harness.spec import seqno
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Flags
from harness.spec.states import State
from harness.targets.protocol import Capability

#: Behind the last line so much time is waited for what was not due: the longest delay of an acknowledgment, and a tick;
#: where time is real, only if something is left to be acknowledged.
TAIL_S = 0.55
#: A line that has not come is waited for so much longer, to tell whether it is late.
AFTERWARDS_S = 1.0
#: A line that may come at any time is waited for as long as there is a connection, at which is looked so often.
LOOK_S = 2.0
#: The MSS that a wire of 1500 octets leaves to IPv4 (RFC 6691 §2), and to IPv6.
FOR_BOTH, ON_IPV6 = TcpOption("mss", (1460,)), TcpOption("mss", (1440,))


class Lines:
    """What has come of the target and which lines it was.

    While a line is waited for, `meanwhile` is called each time that something may have happened, and `pause` says until
    when to wait at most.
    """

    def __init__(self, stage: Stage, schedule: Schedule, peer: Peer, differences: Differences) -> None:
        self.stage = stage
        self.schedule = schedule
        self.peer = peer
        self._differences = differences
        self.meanwhile: Callable[[], None] = lambda: None
        self.pause: Callable[[int, int], int] = lambda _now, until: until
        self.arrived: deque[Piece] = deque()
        #: The highest acknowledgment that a line or a tolerated segment has shown, by connection.
        self._acknowledged: dict[int, int] = {}
        #: Whether a call, and whether text of the peer, came behind the last line.
        self._called = False
        self._owed = False
        #: How many segments of the peer came behind the last line that bring nothing new in order: they are answered.
        self._refused = 0
        #: How many segments had come, and were not asked for, when the first call behind the last line was made.
        self._unexcused = 0
        #: The number of the FIN that a line has shown, by connection.
        self._finished: dict[int, int] = {}
        #: An acknowledgment that was tolerated while a line was waited for.
        self._spared: Piece | None = None
        #: Whether a part of the line that is due has come.
        self._continued = False

    # --- what excuses a segment behind the last line -----------------------------------------------------------------

    def injected(self, segment: TcpSegment, connection: Connection) -> None:
        """Note that the peer has sent a segment."""
        self._owed = self._owed or bool(segment.length or segment.flags & (FIN | SYN))
        due = self._acknowledged.get(connection.index)
        bare = int(segment.flags) & ~int(PSH) == ACK and not segment.length
        self._refused += due is not None and bare and seqno.lt(segment.seq, due)
        self._refused += not self.stage.streams_of(connection).take_from_peer(segment)
        self._called = False

    def called(self) -> None:
        """Note that the application has made a call of which something may come."""
        if not self._called:
            self._called, self._unexcused = True, len(self.arrived)

    # --- lines -------------------------------------------------------------------------------------------------------

    def expect(self, event: Event, line: TcpSegment) -> Waits:
        """Wait for what a line says, in one segment or, unless the profile is strict, cut in another way."""
        __tracebackhide__ = True
        if line.around:
            raise Unsupported(beyond(line.around), event.place)
        acknowledges = not line.length and int(line.flags) & ~int(PSH) == ACK and self._is_owed(line)
        window = self.schedule.window(event.time, acknowledges=acknowledges)
        due, self._spared, self._continued = line, None, False
        while True:
            piece = yield from self._next(due, window, event)
            if self._stands_for_a_repeated_fin(piece, due):
                due = replace(due, flags=Flags(due.flags & ~FIN), seq=piece.seq)
            if self._tolerated(piece, due) or self._is_of_another_time(piece, due):
                continue
            octets = min(due.length, len(piece.payload)) if self.stage.in_pieces else due.length
            self._hold(piece, due, octets, event)
            self._differences.judge_time(piece, window, event)
            self._acknowledged[piece.connection.index] = piece.ack
            self.arrived.popleft()
            rest = piece.cut(octets)
            ended = not rest.payload and bool(piece.flags & FIN)
            if ended:
                self._finished[piece.connection.index] = rest.seq
            if rest.payload or (ended and octets and not due.flags & FIN):
                self.arrived.appendleft(rest)
            due = replace(due, seq=seqno.add(due.seq, octets), length=due.length - octets)
            self.schedule.happened(window.due_ns, piece.time_ns)
            if not due.length and (ended or not due.flags & FIN):
                self._called = self._owed = False
                self._refused = 0
                return
            self.stage.left_out["segmentation"] += 1
            self._continued = True

    def _hold(self, piece: Piece, line: TcpSegment, octets: int, event: Event) -> None:
        """Hold a segment against a line, of which it carries so many octets."""
        __tracebackhide__ = True
        part = self.stage.in_pieces and line.length > 0
        wrong = self._mismatch(line, piece, self.stage.left_out)
        asked = self.peer.asked_for(line) if line.sock is None else self.stage.current
        if wrong is None and asked is not None and asked is not piece.connection:
            wrong = Mismatch(Code.WRONG_HEADER, f"ports of another connection, {piece.connection.tuple4}")
        if wrong is None and (not octets if part else len(piece.payload) != line.length):
            wrong = Mismatch(Code.WRONG_DATA)
        if wrong is None and not self._is_text(piece, octets):
            wrong = Mismatch(Code.WRONG_DATA, "other octets than the application has written")
        if wrong is not None:
            self._differences.differs(piece, line, wrong, event)
        self.peer.learn(line, piece.connection)

    def _mismatch(self, line: TcpSegment, piece: Piece, left_out: Counter[str]) -> Mismatch | None:
        """Return in what a segment differs from a line; what is not asserted is counted in `left_out`."""
        stamps, strict, lacking = self.peer.stamps_of(piece.connection), self.stage.strict, self.stage.traits.lacking
        part, due = self.stage.in_pieces and line.length > 0, self.peer.resolved(line, piece.connection)
        if not strict and self.stage.version == 6 and self.stage.mtu == MTU:
            due = self._on_our_wire(due, left_out)
        if not strict and self._called:
            due = self._with_or_without_ack(due, piece, left_out)
        several = part and (self._continued or len(piece.payload) < line.length)
        return matching.mismatch(
            due, piece, stamps, left_out, strict=strict, part=part, one_of_several=several, lacking=lacking
        )

    def _with_or_without_ack(self, line: TcpSegment, piece: Piece, left_out: Counter[str]) -> TcpSegment:
        """Return a reset by which a call ends a connection with the ACK bit that the target gives it, or without.

        ABORT sends a bare one (RFC 9293 §3.10.5); the kernels set ACK, and whoever gets it takes both.
        """
        if not line.flags & piece.flags & RST or (line.flags ^ piece.flags) & ~int(PSH) != ACK:
            return line
        left_out["acknowledgment of a reset"] += 1
        return replace(line, flags=Flags(line.flags ^ ACK), ack=None)

    def _on_our_wire(self, line: TcpSegment, left_out: Counter[str]) -> TcpSegment:
        """Return a line with the MSS of IPv6 on this wire, where it has the one of IPv4.

        The kernel's runner of scripts gives IPv6 a wire that holds 20 octets more, so that scripts are for both.
        """
        options = line.options or ()
        if not line.flags & SYN or all(option != FOR_BOTH for option in options):
            return line
        left_out["MSS"] += 1
        return replace(line, options=tuple(ON_IPV6 if option == FOR_BOTH else option for option in options))

    def _next(self, line: TcpSegment, window: Window, event: Event) -> Generator[Wait, None, Piece]:
        __tracebackhide__ = True
        while not self.arrived:
            now = self.stage.now_ns()
            at_any_time = event.time.clock is Clock.ANY and window.latest_ns - now > LOOK_S * NS
            over = at_any_time and self._is_over()
            if now >= window.latest_ns or over:
                if self._spared is not None:  # it was taken to come before what the line says, which has not come
                    wrong = self._mismatch(line, self._spared, Counter()) or Mismatch(Code.WRONG_ACK)
                    self._differences.differs(self._spared, line, wrong, event)
                if not over:
                    yield from self._look_for_it_later(line, window, event)
                self._differences.missing(line, event)
            look_ns = now + int(LOOK_S * NS) if at_any_time else window.latest_ns
            yield Wait(self.pause(now, look_ns), self.stage.current)
            self.take()
            self.meanwhile()
        return self.arrived[0]

    def _is_over(self) -> bool:
        """Tell whether the connection of a line is gone, so that nothing can come of it any more.

        One that nobody has accepted yet may be there though only its listener is to be seen.
        """
        connection = self.stage.under_test
        if self.peer.names_ports or connection in self.stage.incoming:
            return False
        snapshot = self.stage.conversation.rig.snapshot(connection.tuple4)
        return snapshot is not None and (snapshot.listening or snapshot.state is State.CLOSED)

    def _look_for_it_later(self, line: TcpSegment, window: Window, event: Event) -> Waits:
        """Wait a while longer for a line that has not come, to tell whether it is only late."""
        __tracebackhide__ = True
        yield Wait(window.latest_ns + int(AFTERWARDS_S * NS), self.stage.current)
        self.take()
        if not self.arrived:
            return
        piece = self.arrived[0]
        if self._mismatch(line, piece, self.stage.left_out) is None and piece.time_ns > window.latest_ns:
            self._differences.judge_time(piece, window, event)

    def take(self) -> None:
        """Take what has come, in the order in which it was sent."""
        found = []
        for connection in self.stage.conversation.connections:
            while connection.inbox:
                received = connection.inbox.popleft()
                wire = received.wire
                if wire.flags & SYN and wire.flags & ACK:
                    streams = self.stage.streams_of(connection)
                    streams.begun = streams.asked
                if wire.flags & SYN and connection.target_iss != wire.seq:
                    connection.target_iss = wire.seq  # another incarnation on the same ports
                    received.event.segment = wire.relative(wire.seq, connection.peer_iss)
                found.append(matching.piece_of(received, connection))
        self.arrived.extend(sorted(found, key=lambda piece: piece.time_ns))

    def _is_owed(self, line: TcpSegment) -> bool:
        """Tell whether a line acknowledges something that was not acknowledged yet."""
        before = self._acknowledged.get(self.stage.under_test.index, 0)
        return line.ack is not None and seqno.lt(before, line.ack)

    def _tolerated(self, piece: Piece, line: TcpSegment) -> bool:
        """Take an acknowledgment of text by itself where the script has it on what comes next, unless strict."""
        before = self._acknowledged.get(piece.connection.index, 0)
        moves = piece.is_bare_ack and seqno.lt(before, piece.ack)
        later = line.flags & ACK and line.ack is not None and not line.flags & SYN and seqno.leq(piece.ack, line.ack)
        bare = not line.length and not line.flags & FIN
        if self.stage.strict or not moves or not later or (bare and piece.ack == line.ack):
            return False
        self._acknowledged[piece.connection.index] = piece.ack
        self.stage.left_out["acknowledgment"] += 1
        self._spared = self.arrived.popleft()
        return True

    def _stands_for_a_repeated_fin(self, piece: Piece, line: TcpSegment) -> bool:
        """Tell whether something is acknowledged where the script has that done by the FIN once more, unless strict.

        A FIN may be sent again at any time, and what came is to be acknowledged either way (RFC 9293 §3.10.7.4).
        """
        if self.stage.strict or not line.flags & FIN or line.length or not piece.is_bare_ack:
            return False
        before = self._acknowledged.get(piece.connection.index, 0)
        again = self._finished.get(piece.connection.index) == line.seq and piece.seq == seqno.add(line.seq, 1)
        if not again or piece.ack != line.ack or not seqno.lt(before, piece.ack):
            return False
        self.stage.left_out["repeated FIN"] += 1
        return True

    def _is_of_another_time(self, piece: Piece, line: TcpSegment) -> bool:
        """Set a segment aside that no line is about: packetdrill sees the newest connection alone."""
        if not self._is_left_behind(piece) or self._mismatch(line, piece, Counter()) is None:
            return False
        self.arrived.popleft()
        self.stage.left_out["segment of an earlier connection"] += 1
        return True

    def _is_left_behind(self, piece: Piece) -> bool:
        """Tell whether the script has gone on to another connection, and names none by its ports."""
        return piece.connection is not self.stage.under_test and not self.peer.names_ports

    def _is_written(self, piece: Piece) -> bool:
        """Tell whether a segment brings nothing but text that the application has asked to be sent."""
        written = len(self.stage.streams_of(piece.connection).written)
        return bool(piece.payload) and not piece.flags & FIN and piece.seq - 1 + len(piece.payload) <= written

    def _is_text(self, piece: Piece, octets: int) -> bool:
        """Tell whether a segment carries what the application has written there."""
        streams = self.stage.streams_of(piece.connection)
        start = piece.seq - 1 + bool(piece.flags & SYN)
        if streams.urgent or not octets or not 0 <= start < len(streams.written):
            return True
        due = bytes(streams.written[start : start + octets])
        return piece.payload[: len(due)] == due

    def _is_settled(self) -> bool:
        """Tell whether all that the peer has sent is acknowledged, so that nothing but timers has a reason to speak."""
        return not self._owed and all(
            streams.peer_next is None or not seqno.lt(self._acknowledged.get(index, 0), streams.peer_next)
            for index, streams in self.stage.streams.items()
        )

    def tail(self) -> Waits:
        """Demand silence behind the last line, but for what a call there has asked for, and timers repeat."""
        __tracebackhide__ = True
        self.stage.conversation.step()
        self.take()
        if not self.stage.silent_end:
            self.stage.left_out.update({"segment behind the last line": len(self.arrived)} if self.arrived else {})
            return
        waits = self.stage.traits.claims(Capability.VIRTUAL_TIME) or not self._is_settled()
        deadline = self.stage.now_ns() + int(TAIL_S * NS) * waits
        while (now := self.stage.now_ns()) < deadline:
            yield Wait(deadline, None)
            self.take()
            if self.stage.now_ns() == now:
                break
        for at, piece in enumerate(self.arrived):
            if is_timer_repeat(self.stage.conversation, piece.connection, piece.received):
                continue
            before = self._acknowledged.get(piece.connection.index, 0)
            owed = self._owed and piece.is_bare_ack and seqno.lt(before, piece.ack)
            if not owed and piece.is_bare_ack and piece.ack == before and self._refused:
                self._refused, owed = self._refused - 1, True
            if self._is_left_behind(piece):
                self.stage.left_out["segment of an earlier connection"] += 1
                continue
            if (self._called and at >= self._unexcused) or owed or self._is_written(piece):
                self._acknowledged[piece.connection.index] = piece.ack
                self.stage.left_out["segment behind the last line"] += 1
                continue
            self._differences.extra(piece, self._differences.event)
