"""Settling: the outcome of a case becomes a verdict, a record, a capture, and what its report says."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.case import record as case_records
from harness.case.engine import Engine
from harness.case.runner import Outcome
from harness.case.selection import Case
from harness.case.verdict import Judgement, Verdict, judge_release
from harness.expectations import changes
from harness.expectations.deviations import Deviation
from harness.grid.session import GridSession
from harness.plugin import watching
from harness.plugin.items import CASE, OUTCOME, SURPRISE, OwnItem, path_outside
from harness.plugin.options import Options
from harness.plugin.reports import Held, carry, deciding_report, write_verdict
from harness.report import story
from harness.report.runs import Case as Recorded
from harness.targets.protocol import Target
from harness.trace.capture import write_capture
from harness.trace.results import CAPTURES

if TYPE_CHECKING:
    from harness.plugin.pkt_findings import FindingScripts


class Settler:
    """Judges cases with what is declared about their target."""

    def __init__(self, config: pytest.Config, options: Options, engine: Engine, cells: GridSession) -> None:
        self.config = config
        self.options = options
        self.engine = engine
        self.grid = cells
        self.scripts: FindingScripts | None = None
        if options.pkt_folder is not None:
            from harness.plugin import pkt_findings

            self.scripts = pkt_findings.FindingScripts(options.pkt_folder, engine)
        self._announced: set[str] = set()

    @cached_property
    def _properties_count(self) -> bool:
        return watching.each_phase_counts(self.config)

    def settle(self, held: Held) -> None:
        """Turn the outcome of a case into its verdict and write it into its reports."""
        item = held.item
        outcome = item.stash.get(OUTCOME, None)
        if outcome is None:
            return
        case = item.stash[CASE]
        target = self._target(item, timers=held.timers)
        judgement = self.judge(item, outcome, timers=held.timers)
        record = case_records.case_record(
            case, judgement, outcome, case.reproduce(*self.options.again, *path_outside(item))
        )
        expected = judgement.as_expected(self.options.level)
        self._capture(record, outcome, expected, target.facts.as_dict())
        if self.scripts is not None and not expected:
            self.scripts.note(item, judgement, outcome, target)
        told = "" if expected else self._story(record, target)
        self.config.hook.pytest_tcpspec_verdict(
            case=case, outcome=outcome, judgement=judgement, record=record, story=told
        )
        report = deciding_report(held, judgement, surprise=SURPRISE in item.stash)
        if SURPRISE not in item.stash:  # a bug in the case itself keeps pytest's own traceback
            write_verdict(report, judgement, told, expected)
        self._announce(record, case, target)
        carry(report, record)
        if self._properties_count:
            named = properties(record)
            for phase in held.reports[-2:]:  # JUnit's XML takes those of the teardown, other plugins those of the call
                phase.user_properties += named

    def judge(self, item: pytest.Item, outcome: Outcome, *, timers: bool = False) -> Judgement:
        """Return the verdict that the outcome comes to."""
        target = self._target(item, timers=timers)
        having = changes.history(target.facts.implementation).standing(target.facts.version)
        judgement = judge_release(outcome, self._declared(item, target), having)
        if isinstance(item, OwnItem) and judgement.verdict is Verdict.CONFORMS and (notes := item.notes()):
            return replace(judgement, reason=notes)
        return judgement

    def _target(self, item: pytest.Item, *, timers: bool) -> Target:
        as_found = isinstance(item, OwnItem) and item.as_found
        return self.engine.rig(item.stash[CASE].binding.spec, timers=timers, as_found=as_found).target

    def _declared(self, item: pytest.Item, target: Target) -> list[Deviation]:
        case = item.stash[CASE]
        ip = case.binding.version
        found = self.engine.declared(target, case.case_id, ip)
        return found + item.declared(target) if isinstance(item, OwnItem) else found

    def _story(self, record: dict[str, Any], target: Target) -> str:
        return story.tell(
            Recorded(record, self.options.results or Path()), f"{record['target']} {target.facts.version}"
        )

    def _announce(self, record: dict[str, Any], case: Case, target: Target) -> None:
        """Let the first record of a target carry its facts."""
        name = case.binding.spec.text
        if name not in self._announced:
            self._announced.add(name)
            record["facts"] = {**target.facts.as_dict(), "capabilities": sorted(target.capabilities)}
            if known := changes.expected(target.facts.implementation, target.facts.version):
                record["facts"]["changes"] = known

    def _capture(self, record: dict[str, Any], outcome: Outcome, expected: bool, facts: dict[str, Any]) -> None:
        wanted = self.options.pcap == "on" or (self.options.pcap == "retain-on-failure" and not expected)
        if self.options.results is None or not wanted or outcome.conversation is None:
            return
        path = write_capture(self.options.results / CAPTURES, record, outcome.conversation.events, facts)
        record["pcap"] = str(path.relative_to(self.options.results))


def properties(record: dict[str, Any]) -> list[tuple[str, object]]:
    """Return what JUnit's XML says of a case. As properties of the item they come through xdist too."""
    case = Recorded(record, Path())
    named = {
        "case": case.key.id,
        "target": case.target,
        "ip": case.key.ip,
        "verdict": case.verdict,
        "code": case.code,
        "level": case.level,
        "sections": ", ".join(case.sections),
        "requirements": ", ".join(case.requirements),
    }
    return [(f"tcpspec_{name}", value) for name, value in named.items() if value]
