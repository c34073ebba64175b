"""What is not as a script says: each difference is a violation that names its line."""

import re

from harness.case.connection import Connection
from harness.case.violation import Code as Problem
from harness.case.violation import Level
from harness.pkt.descriptors import Doubt, Stage
from harness.pkt.matching import Mismatch, Piece
from harness.pkt.schedule import NS, Window
from harness.pkt.support import Unsupported
from harness.pkt.text_calls import READERS, WRITERS
from harness.pkt.tree import Call, Code, Event, TcpSegment
from harness.spec.segment import RST, SYN, Segment
from harness.trace.events import Kind, Mark

#: The value of a timestamp is another one in each run, and what is declared of a script must be the same.
_STAMP = re.compile(r"\bTS val \d+")
#: What is told of a segment where no line is left: packetdrill holds lines against what comes, and not the other way.
UNSEEN = "(packetdrill does not look)"
#: What of TCP_INFO depends on how fast text is sent.
_PACE = re.compile(r"cwnd|ssthresh|ca_state|pacing|delivery")


class Differences:
    """Raises the violations of one run. `event` is the event that is under way, or that has failed."""

    def __init__(self, script_name: str, stage: Stage, event: Event) -> None:
        self.script_name = script_name
        self.stage = stage
        self.event = event

    def missing(self, line: TcpSegment, event: Event) -> None:
        """Say that a line has not come."""
        __tracebackhide__ = True
        self.stage.conversation.note(Kind.EXPECTED, _notation(line), self.stage.current)
        self.fail(Problem.SILENT, f"`{_written(event)}`", "", event)

    def differs(self, piece: Piece, line: TcpSegment, wrong: Mismatch, event: Event) -> None:
        """Say in what a segment differs from the line that was due."""
        __tracebackhide__ = True
        piece.received.event.mark = Mark.UNEXPECTED
        self.stage.conversation.note(Kind.EXPECTED, _notation(line), piece.connection)
        seen = f"`{piece}`" + (f": {wrong.problem}" if wrong.problem else "")
        self._refuse_doubtful(event, piece.connection, acknowledges=piece.is_bare_ack)
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
        self.fail(Problem.EARLY if early else Problem.LATE, f"`{_written(event)}`", seen, event, piece.connection)

    def extra(self, piece: Piece, event: Event) -> None:
        """Say that a segment came which no line says, behind the last one."""
        __tracebackhide__ = True
        piece.received.event.mark = Mark.UNEXPECTED
        piece.received.event.annotations.append(UNSEEN)
        speaks_of_text = piece.is_bare_ack or bool(piece.payload)
        self._refuse_doubtful(event, piece.connection, acknowledges=speaks_of_text)
        self.fail(Problem.EXTRA, "nothing more", f"`{piece}`", event, piece.connection)

    def fail(self, code: Problem, due: str, seen: str, event: Event, connection: Connection | None = None) -> None:
        """Raise the violation that something is not as a line says."""
        __tracebackhide__ = True
        self.event = event
        self._refuse_doubtful(event, connection or self.stage.current)
        cites = (f"{self.script_name}:{event.place.line}",)
        seen = _STAMP.sub("TS val ...", seen)
        self.stage.conversation.fail(
            code, due, seen, connection=connection or self.stage.current, level=Level.MUST, cites=cites
        )

    def _refuse_doubtful(self, event: Event, about: Connection | None, *, acknowledges: bool = False) -> None:
        """Raise Unsupported where a difference may come of something that was not done as the script has it."""
        for doubt in self.stage.doubts:
            own = doubt.connection is not None and doubt.connection is about
            if doubt.of_all:
                raise Unsupported(f"{doubt.construct}, without which line {event.place.line} differs", doubt.place)
            if (own and acknowledges) or (doubt.connection in (None, about) and _depends(event, doubt)):
                raise Unsupported(f"{doubt.construct}, and line {event.place.line} differs behind it", doubt.place)


def _depends(event: Event, doubt: Doubt) -> bool:
    """Tell whether what an event says may come of what was not done as the script has it."""
    line = event.action
    if isinstance(line, TcpSegment):
        return bool(line.length) or (doubt.connection is not None and not line.flags & (SYN | RST))
    if isinstance(line, Code):
        return doubt.connection is not None or _PACE.search(line.text) is not None
    return doubt.connection is not None and isinstance(line, Call) and line.function in WRITERS | READERS


def _written(event: Event) -> str:
    """Return a line without its time."""
    text = event.text
    at = min((text.find(sign) for sign in "<>" if sign in text), default=0)
    return text[at:]


def _notation(line: TcpSegment) -> str:
    return Segment(line.flags, line.seq, line.ack or 0, payload=bytes(line.length)).notation()
