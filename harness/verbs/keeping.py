"""pytest plugins that keep what `list`, `explain`, `show` and `mutate` want of a collection or a run."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.case.selection import Case
    from harness.mutate.script import Script


@dataclass(eq=False)
class Collector:
    """Keeps the collected cases, without running them, and what went wrong."""

    items: "list[tuple[Case, Any]]" = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def pytest_collection_finish(self, session: Any) -> None:
        """Take the selected items."""
        from harness.plugin.items import CASE

        self.items = [(item.stash[CASE], item) for item in session.items if CASE in item.stash]

    def pytest_collectreport(self, report: Any) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self.problems.append(str(report.longrepr))

    def scripts(self) -> "list[Script]":
        """Return the cases as something that can be played without pytest."""
        from harness.mutate.script import Script
        from harness.plugin.items import CellItem, timer_body
        from harness.plugin.pkt_items import PktItem
        from harness.plugin.talk_items import TalkItem

        scripts = []
        for case, item in self.items:
            if isinstance(item, PktItem):
                continue  # a script is judged by its own lines, not by rules
            if isinstance(item, TalkItem):
                scripts.append(Script(case, generated=item.generated))
                continue
            cell = item.cell if isinstance(item, CellItem) else None
            body = timer_body(item) if cell is None or case.meta.timer_s is not None else None
            scripts.append(Script(case, body, cell))
        return scripts

    def cited(self) -> dict[str, set[str]]:
        """Return the ids of the requirements that each case cites."""
        return {
            case.case_id: {citation.requirement for citation in case.meta.citations() if citation.requirement}
            for case, _item in self.items
        }


@dataclass(eq=False)
class Shower:
    """Keeps the text of every judged case, to be printed at the end."""

    verbose: bool
    texts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def pytest_tcpspec_verdict(self, case: "Case", outcome: Any, judgement: Any, record: Any, story: str) -> None:
        """Write down what happened."""
        from harness.case.record import text_ladder
        from harness.wire.describe import describe

        conversation = outcome.conversation
        self.texts += [
            f"{case.case_id} on {case.binding.spec.text}, IPv{case.binding.version}: {judgement.verdict}",
            *(f"  {line}" for line in (case.summary, ", ".join(map(str, case.meta.citations()))) if line),
            "",
        ]
        if story:
            self.texts.append(story)
        elif conversation is not None:
            self.texts.append(text_ladder(conversation, peer_states=True))
            self.texts += [f"\n  {judgement.reason}"] if judgement.reason else []
        if self.verbose and conversation is not None:
            packets = [event for event in conversation.events if event.packet]
            self.texts += [f"\n{event.notation()}\n{describe(event.packet)}" for event in packets]
        self.texts.append("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep errors that are no verdict."""
        if report.failed and not hasattr(report, "tcpspec"):
            self.problems.append(str(report.longrepr))

    def pytest_collectreport(self, report: Any) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self.problems.append(str(report.longrepr))


@dataclass(eq=False)
class Keeper:
    """Keeps the first case that was played, as a script of packetdrill."""

    text: str = ""

    def pytest_tcpspec_verdict(self, case: "Case", outcome: Any, judgement: Any, record: Any, story: str) -> None:
        """Write down what happened."""
        from harness.pkt import writer

        if outcome.conversation is not None and not self.text:
            about = (case.summary, ", ".join(str(citation) for citation in case.meta.citations()))
            self.text = writer.write(
                writer.own_events(outcome.conversation),
                title=case.case_id,
                about=filter(None, about),
                between=outcome.conversation.addresses,
            )
