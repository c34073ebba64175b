"""Small changes of the stack's own source that no case noticed when they were drawn at random (`mutate --source`)."""

from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import FIN, RST, SYN, URG, Segment
from harness.spec.states import CLOSE_WAIT, LAST_ACK, TIME_WAIT
from harness.stack.arrivals import TIMESTAMP_LIFETIME
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import defect
from harness.stack.options import Options
from harness.stack.reassembly import Reassembly
from harness.stack.rtt import ALPHA, BETA, RttEstimator
from harness.stack.stack import Stack

FIRST = "RFC 9293 §3.10.7.4 first"
BLOCKS = "RFC 2018 §3"
SAMPLES = "RFC 6298 §2"


@defect("D659", "A FIN left of the window has 2 MSL begin in any state: so it ends.", FIRST, kind="stray-timer")
class OldFinEndsAll(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        acceptable = super().check_sequence(segment, found)
        if not acceptable and segment.flags & FIN and self.state is not TIME_WAIT:
            self.restart_time_wait()
        return acceptable


@defect(
    "D660",
    "On a host that has been up for 24 days no timestamp is too old.",
    "RFC7323-5.3-paws",
    "RFC 7323 §5.5",
    kind="wraps",
)
class OldHostTakesOldTimestamps(Connection):
    def is_old_timestamp(self, value: int) -> bool:
        return super().is_old_timestamp(value) and self.now < TIMESTAMP_LIFETIME


@defect(
    "D661",
    "The timestamp that ends 24 days of silence is taken and not kept: from then on any is taken.",
    "RFC 7323 §5.5",
    kind="wraps",
)
class TimestampOfTheReturnIsNotKept(Connection):
    @property
    def timestamp_expired(self) -> bool:
        return super().timestamp_expired and not self._notes

    _notes = False

    def note_timestamp(self, segment: Segment, found: Options) -> None:
        self._notes = True
        super().note_timestamp(segment, found)
        self._notes = False


class Unjoined(Reassembly):
    """Each piece has a block of its own."""

    def blocks(self) -> list[tuple[int, int]]:
        """Return the pieces."""
        return [(seq, seqno.add(seq, len(data))) for seq, data in self._pieces]


class Ordered(Reassembly):
    """Blocks are in the order of their numbers."""

    def blocks(self) -> list[tuple[int, int]]:
        """Return the blocks, the lowest first."""
        blocks = super().blocks()
        return sorted(blocks, key=lambda block: seqno.diff(block[0], blocks[0][0]))


@defect("D662", "SACK blocks that touch each other are not joined.", BLOCKS, kind="options-together")
class BlocksOfPieces(Connection):
    def _init_receiving(self) -> None:
        super()._init_receiving()
        self.reassembly = Unjoined()


@defect("D663", "The lowest SACK block is first, whatever came last.", "RFC 2018 §4", kind="options-together")
class LowestBlockFirst(Connection):
    def _init_receiving(self) -> None:
        super()._init_receiving()
        self.reassembly = Ordered()


@defect(
    "D664",
    "A FIN that CLOSE-WAIT sends as a probe of a closed window leads nowhere, and its acknowledgment neither.",
    "RFC 9293 §3.10.4",
    kind="close-unsent",
)
class ProbedFinLeadsNowhere(Connection):
    def probe_timeout(self) -> None:
        before = self.state
        super().probe_timeout()
        if before is CLOSE_WAIT and self.state is LAST_ACK and self.snd_wnd == 0:
            self.enter(CLOSE_WAIT)


@defect("D665", "A limit of challenges that was reached once holds for ever.", "RFC 5961 §7", kind="many")
class LimitIsForEver(Stack):
    def challenge_allowed(self) -> bool:
        before = self._challenges
        allowed = super().challenge_allowed()
        self._challenges = before + 1
        return allowed and self._challenges <= self.config.challenge_limit


@defect("D667", "ACKs that only tell another window count as duplicates.", "RFC 5681 §3.2", kind="loss-state")
class UpdatesAreDuplicates(Connection):
    def duplicate(self, segment: Segment) -> None:
        super().duplicate(replace(segment, window=self.snd_wnd >> self.snd_shift))


@defect(
    "D668",
    "A reset with a SYN is given to the listener in place of the connection in TIME-WAIT.",
    "RFC 9293 §3.10.7.4 second",
    kind="residue",
)
class ResetIsARequest(Stack):
    def _reopen(self, connection: Connection, datagram: Datagram) -> bool:
        wanted = connection.state is TIME_WAIT and self.listener_for(datagram.pair.local) is not None
        if wanted and datagram.segment.flags & (SYN | RST) == SYN | RST:
            return True
        return super()._reopen(connection, datagram)


@defect("D669", "After an active OPEN a peer has one keep-alive less to answer.", "MUST-29", kind="application")
class OneKeepAliveLess(Connection):
    def open_active(self) -> None:
        super().open_active()
        self.keep_alives = 1


@defect("D670", "An urgent pointer too large for its field is cut to its 16 bits.", "MUST-62", kind="wraps")
class UrgentPointerIsCut(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & URG and self.snd_up is not None:
            segment.urgent = seqno.diff(self.snd_up, segment.seq) & 0xFFFF
        super().emit(segment)


class Calm(RttEstimator):
    """Its variation only falls."""

    def sample(self, rtt: int) -> None:
        """Take a measurement without its distance from what was expected."""
        if self.srtt is None:
            super().sample(rtt)
        else:
            rttvar = (1 - BETA) * self.rttvar
            super().sample(rtt)
            self.rttvar = rttvar
            self.rto = self._bounded(self.srtt + 4 * rttvar)


class Wandering(RttEstimator):
    """Each measurement moves it away."""

    def sample(self, rtt: int) -> None:
        """Take a measurement with the wrong sign."""
        super().sample(rtt)
        assert self.srtt is not None
        self.srtt -= 2 * ALPHA * rtt


@defect("D671", "The variation of the round trip falls, whatever is measured.", SAMPLES, kind="loss-state")
class VariationOnlyFalls(Connection):
    def _init_sending(self) -> None:
        super()._init_sending()
        self.rtt = Calm(self.config)


@defect("D672", "Each measurement moves the smoothed round trip away from it.", SAMPLES, kind="loss-state")
class EstimateWanders(Connection):
    def _init_sending(self) -> None:
        super()._init_sending()
        self.rtt = Wandering(self.config)


@defect("D673", "A SYN that was lost leaves the initial window whole.", "RFC 5681 §3.1", kind="loss-state")
class LostSynLeavesTheWindow(Connection):
    def measure(self, ack: int) -> None:
        window = self.congestion.window
        super().measure(ack)
        self.congestion.window = max(window, self.congestion.window)
