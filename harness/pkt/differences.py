"""What is not as a script says: each difference is a violation that names its line."""

from harness.case.connection import Connection
from harness.case.violation import Code, Level
from harness.pkt.descriptors import Stage
from harness.pkt.matching import Mismatch, Piece
from harness.pkt.schedule import NS, Window
from harness.pkt.tree import Event, TcpSegment
from harness.spec.segment import Segment
from harness.trace.events import Kind, Mark


class Differences:
    """Raises the violations of one run. `event` is the event that is under way, or that has failed."""

    def __init__(self, script_name: str, stage: Stage, event: Event) -> None:
        self.script_name = script_name
        self.stage = stage
        self.event = event

    def missing(self, line: TcpSegment, event: Event, spared: Piece | None) -> None:
        """Say that a line has not come; `spared` is what was tolerated while it was waited for."""
        __tracebackhide__ = True
        if spared is not None:  # it was taken to come before what the line says, which has not come
            self.differs(spared, line, Mismatch(Code.WRONG_ACK), event)
        self.stage.conversation.note(Kind.EXPECTED, _notation(line), self.stage.current)
        self.fail(Code.SILENT, f"`{_written(event)}`", "", event)

    def differs(self, piece: Piece, line: TcpSegment, wrong: Mismatch, event: Event) -> None:
        """Say in what a segment differs from the line that was due."""
        __tracebackhide__ = True
        piece.received.event.mark = Mark.UNEXPECTED
        self.stage.conversation.note(Kind.EXPECTED, _notation(line), piece.connection)
        seen = f"`{piece}`" + (f": {wrong.problem}" if wrong.problem else "")
        self.fail(wrong.code, f"`{_written(event)}`", seen, event, piece.connection)

    def judge_time(self, piece: Piece, window: Window, event: Event) -> None:
        """Say that a line came too early or too late, if it did."""
        __tracebackhide__ = True
        if window.earliest_ns <= piece.time_ns <= window.latest_ns:
            return
        early = piece.time_ns < window.earliest_ns
        piece.received.event.mark = Mark.UNEXPECTED if early else Mark.LATE
        off = abs(piece.time_ns - window.due_ns) / NS
        seen = f"it came {off:.3f} s too {'early' if early else 'late'}"
        self.fail(Code.EARLY if early else Code.LATE, f"`{_written(event)}`", seen, event, piece.connection)

    def fail(self, code: Code, due: str, seen: str, event: Event, connection: Connection | None = None) -> None:
        """Raise the violation that something is not as a line says."""
        __tracebackhide__ = True
        self.event = event
        cites = (f"{self.script_name}:{event.place.line}",)
        self.stage.conversation.fail(
            code, due, seen, connection=connection or self.stage.current, level=Level.MUST, cites=cites
        )


def _written(event: Event) -> str:
    """Return a line without its time."""
    text = event.text
    at = min((text.find(sign) for sign in "<>" if sign in text), default=0)
    return text[at:]


def _notation(line: TcpSegment) -> str:
    return Segment(line.flags, line.seq, line.ack or 0, payload=bytes(line.length)).notation()
