"""Variants that the stacks of large systems are known for: SYN cookies, options that are only granted, other clocks."""

import random
from dataclasses import replace

from harness.spec import options as coding
from harness.spec import seqno
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import SYN_RECEIVED
from harness.stack.config import Config
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Pair
from harness.stack.listener import Listener, answering
from harness.stack.options import NONE as NO_OPTIONS
from harness.stack.options import TIMESTAMPS_LENGTH, Options
from harness.stack.settings import SocketSettings
from harness.stack.stack import Stack
from harness.stack.tcb import Host
from harness.stack.variants.variant import variant

EXTENSIONS = ("timestamps", "window-scale", "sack")
#: The largest shift count (RFC 7323 §2.3).
LARGEST_SHIFT = 14
MILLISECOND_NS = 1_000_000


@variant(
    "mss-of-jumbo-frames",
    "Segments of 8,960 octets are asked for, and none is sent that the link can't carry.",
    "SHLD-5",
    "MUST-16",
    "MUST-67",
    allows="The MSS option says what the receiver can put together, which is no less than what its link takes at once.",
    mss={4: 8960, 6: 8940},
)
class MssOfJumboFrames(Connection):
    @property
    def send_mss(self) -> int:
        return min(
            super().send_mss, Config().mss_of(self.pair.local.version) - (TIMESTAMPS_LENGTH if self.stamping else 0)
        )


@variant(
    "window-scale-of-fourteen",
    "The window counts in units of 16 KiB: the shift is the largest there is, whatever the buffer.",
    "RFC 7323 §2.3",
    "RFC 7323 §2.4",
    allows="A shift of up to 14 may be offered, and what the field can't say of the window is not offered.",
)
class WindowScaleOfFourteen(Connection):
    def choose_numbers(self) -> None:
        super().choose_numbers()
        self.rcv_shift = LARGEST_SHIFT


@variant(
    "options-granted-only-to-others",
    "A SYN asks for the MSS alone; the answer to a SYN grants what that asks for, as Windows does with timestamps.",
    "RFC 7323 §1.3",
    "RFC 2018 §2",
    allows="An option may be sent on a SYN, and on the answer only where the SYN had it.",
    lacks=EXTENSIONS,
)
class OptionsGrantedOnlyToOthers(Connection):
    def offered_shift(self, answers: bool) -> int | None:
        return super().offered_shift(answers) if self.passive else None

    def offers_timestamps(self, answers: bool) -> bool:
        return self.passive and super().offers_timestamps(answers)

    def offers_sack(self, answers: bool) -> bool:
        return self.passive and super().offers_sack(answers)

    def negotiate(self, found: Options) -> None:
        super().negotiate(found if self.passive else Options(mss=found.mss))


@variant(
    "options-asked-for-and-not-granted",
    "A SYN asks for scaled windows, timestamps and SACK; the answer to a SYN has the MSS alone.",
    "RFC 7323 §1.3",
    "RFC 4987 §3.6",
    allows="Whoever answers a SYN may leave its options aside, as where SYN cookies have no place for them.",
    lacks=EXTENSIONS,
)
class OptionsAskedForAndNotGranted(Connection):
    def negotiate(self, found: Options) -> None:
        super().negotiate(Options(mss=found.mss) if self.passive else found)


@variant(
    "syn-cookies",
    "A SYN for which there is no room is answered with a cookie: only what acknowledges it makes the connection.",
    "RFC 4987 §3.6",
    "RFC 9293 §3.9.1.1",
    allows="Backlogs are the implementation's own; a cookie in the sequence number takes the place of the record.",
)
class SynCookies(Listener):
    """Remembers of its cookies the numbers only: nothing that a peer could tell from a hash that is computed again."""

    def __init__(self, host: Host, settings: SocketSettings, backlog: int) -> None:
        super().__init__(host, settings, backlog)
        #: By pair and the peer's initial number, our own.
        self.cookies: dict[tuple[Pair, int], int] = {}

    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        flags = datagram.segment.flags & (SYN | ACK | RST)
        if flags == SYN and self.full and len(self.ready) < self.backlog and replaced is None:
            self.answer_with_cookie(datagram)
            return None
        if flags == ACK and len(self.ready) < self.backlog:
            asked = datagram.pair, seqno.add(datagram.segment.seq, -1)
            if self.cookies.get(asked) == seqno.add(datagram.segment.ack, -1):
                return self.open_by_cookie(datagram, asked[1], self.cookies.pop(asked))
        return super().arrive(datagram, replaced)

    def answer_with_cookie(self, datagram: Datagram) -> None:
        """Send a SYN,ACK that nobody will repeat."""
        pair, irs = datagram.pair, datagram.segment.seq
        iss = self.cookies.setdefault((pair, irs), self.host.choose_iss(pair))
        field = coding.mss(self.host.config.mss_of(pair.local.version))
        window = min(self.settings.receive_buffer or self.host.config.receive_buffer, 0xFFFF)
        answer = Segment(SYN | ACK, iss, seqno.add(irs, 1), window, options=field)
        self.host.transmit(answering(datagram, answer))

    def open_by_cookie(self, datagram: Datagram, irs: int, iss: int) -> Connection:
        """Make the connection that the SYN would have made, and let it have the ACK."""
        connection = self.connection_class(self.host, datagram.pair, self)
        connection.settings = replace(self.settings)
        connection.passive = True
        self.opening.append(connection)
        connection.choose_numbers()
        connection.iss = connection.snd_una = iss
        connection.snd_nxt = connection.snd_first = connection.cursor = connection.small_end = seqno.add(iss, 1)
        connection.learn_from_syn(Segment(SYN, irs, window=datagram.segment.window), NO_OPTIONS)
        connection.offer_window(0)
        connection.enter(SYN_RECEIVED)
        connection.arrive(datagram.segment)
        return connection


@variant(
    "round-trips-by-timestamps",
    "Each new acknowledgment measures a round trip by the timestamp that it echoes, of what was sent again too.",
    "RFC 7323 §4.1",
    "RFC 6298 §3",
    allows="Timestamps tell which transmission is acknowledged, so that Karn's algorithm is not needed.",
)
class RoundTripsByTimestamps(Connection):
    echoed: int | None = None

    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        self.echoed = found.timestamps[1] if found.timestamps is not None and segment.flags & ACK else None
        return super().check_timestamp(segment, found)

    def measure(self, ack: int) -> None:
        if not self.stamping or not self.echoed or self.snd_una == self.iss:
            super().measure(ack)
            return
        self.timed = None
        self.rtt.sample(max(0, seqno.diff(self.timestamp(), self.echoed)) * MILLISECOND_NS)


@variant(
    "ports-at-random",
    "An active OPEN that names no port gets any that is free.",
    "RFC 6056 §3.3.1",
    "MUST-45",
    allows="How the local port is chosen is left open; nobody should be able to guess it.",
)
class PortsAtRandom(Stack):
    def _free_pair(self, pair: Pair) -> Pair:
        first, last = self.config.ephemeral_ports
        self._next_port = random.Random(f"{self._next_port} {self.now}").randint(first, last)
        return super()._free_pair(pair)
