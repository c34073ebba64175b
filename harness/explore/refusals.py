"""What is wrong in a conversation becomes a finding of it: a history's fall, its remarks, and what options show."""

from collections.abc import Sequence

from harness.case.conversation import Conversation
from harness.case.received import Received
from harness.case.violation import Code, Level
from harness.explore import blocks, first_flight, icmp_errors, loss_window, option_checks, urgent
from harness.explore.link import Link
from harness.spec.history.fall import Fall
from harness.trace.events import Kind, Mark


class Refusals:
    """Notes the findings of one conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def check(self, link: Link, received: Sequence[Received]) -> None:
        """Refuse what no history looks at: options, urgent pointers, and how a connection's first text comes."""
        for each in received:
            problem = (
                option_checks.problem(link, each)
                or blocks.problem(link, each, self._conversation.events)
                or urgent.problem(link, each)
                or first_flight.problem(link, each, self._conversation.events)
                or loss_window.problem(link, each, self._conversation.events)
            )
            if problem is not None:
                each.event.mark = Mark.UNEXPECTED
                self.refuse(link, problem.code, problem.due, problem.seen, problem.cites, problem.level)

    def remark(self, link: Link) -> None:
        """Note what the link's history has seen that only a SHOULD forbids."""
        for fall in link.history.remarks[link.remarked :]:
            link.remarked += 1
            cites = (*fall.cites, f"rule {fall.rule}")
            self.refuse(link, Code(str(fall.code)), fall.due, fall.seen, cites, Level.SHOULD)

    def fallen(self, link: Link, fall: Fall, received: Sequence[Received] = ()) -> None:
        """Refuse what no world of the link's history explains; it judges no more."""
        for each in received:
            if each.segment.notation() == fall.seen or not fall.seen:
                each.event.mark = Mark.UNEXPECTED
                break
        if not fall.seen or fall.code not in ("wrong-state", "wrong-answer"):
            self._conversation.note(Kind.EXPECTED, fall.due, link.connection)
        link.history.lost = True
        level = Level.MUST if fall.must else Level.SHOULD
        cites = (*fall.cites, *((f"rule {fall.rule}",) if fall.rule else ()))
        self.refuse(link, Code(str(fall.code)), fall.due, fall.seen, cites, level)

    def refuse(
        self, link: Link, code: Code, due: str, seen: str, cites: tuple[str, ...], level: Level = Level.MUST
    ) -> None:
        """Note a finding, and what it stands behind; at level MUST it ends the talk (Violation)."""
        details = {"behind": self._behind()}
        self._conversation.fail(code, due, seen, connection=link.connection, level=level, cites=cites, details=details)

    def _behind(self) -> str:
        """Return what was done last: the peer's segment, a call, or how long was waited."""
        for event in reversed(self._conversation.events):
            if event.kind is Kind.SENT and event.segment is not None:
                return event.segment.notation()
            if event.kind in (Kind.CALL, Kind.WAIT) or event.text.startswith(icmp_errors.PREFIX):
                return event.text
        return ""
