"""The table of public reports is true: what it names exists, and finds the seeded defect that rebuilds the report."""

import pytest

from harness.case.rig import Rig
from harness.case.verdict import Verdict
from harness.explore.kinds import KINDS
from harness.explore.run import Generated, play_generated
from harness.mutate.reports import PAGE, Report, markdown, reports
from harness.mutate.script import play
from harness.spec.citations import parse_all
from harness.stack import Stack
from harness.stack.defects import defective
from harness.targets.reference.target import ReferenceTarget
from testcases.selftest.scripts import scripts

#: Kinds that have no generator yet.
TO_COME = {"application"}
by_case = [each for each in reports() if each.case]
by_conversation = [each for each in reports() if each.conversation]


def _name(each: Report) -> str:
    return f"{each.stack.split()[0]} {each.report.rpartition('/')[2]}"


def test_each_report_is_there_once_and_has_one_finder() -> None:
    assert len({each.report for each in reports()}) == len(reports()) == 31
    assert all(bool(each.case) is not bool(each.kind) for each in reports())
    assert {each.kind for each in reports() if each.kind} <= set(KINDS) | TO_COME
    assert all(parse_all(each.cites) for each in reports())
    assert all(defective(each.defect) for each in reports() if each.defect)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "python -m harness.mutate.reports > harness/mutate/REPORTS.md"
    )


@pytest.mark.parametrize("each", by_case, ids=_name)
def test_a_named_case_finds_its_report(each: Report) -> None:
    found = scripts(each.case)
    assert {play(script).verdict for script in found} == {Verdict.CONFORMS}
    if each.defect:
        shown = [play(script, defective(each.defect).stack_class).verdict for script in found]
        recommended = any(cite.startswith("SHLD") for cite in each.cites)
        assert (Verdict.DEVIATES if recommended else Verdict.VIOLATES) in shown


@pytest.mark.parametrize("each", by_conversation, ids=_name)
def test_a_named_conversation_finds_its_report(each: Report) -> None:
    generated = next(made for made in KINDS[each.kind].generate() if made.id == each.conversation)
    assert not _violates(generated, Stack)
    assert not each.defect or _violates(generated, defective(each.defect).stack_class)


def _violates(generated: Generated, stack_class: type[Stack]) -> bool:
    rig = Rig(ReferenceTarget(timers=True, stack_class=stack_class), guarded=False)
    return play_generated(rig, generated).violation is not None
