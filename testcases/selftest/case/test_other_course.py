"""Where a case takes another course than its author's, the rules are asked; what is declared or stuck is no way out."""

import pytest

from harness.case.rig import Rig
from harness.case.runner import CaseRun, Outcome, capture
from harness.case.verdict import Verdict, judge
from harness.expectations.deviations import Deviation
from harness.mutate.script import Script, play
from harness.spec.segment import Segment
from harness.spec.states import CLOSING
from harness.stack.connection import Connection
from harness.stack.defects import defective
from harness.stack.defects.defect import stack_with
from harness.stack.variants import varied
from harness.targets.reference.target import ReferenceTarget
from testcases.selftest.scripts import scripts

FIGURE_7 = "simultaneous-open/figure-7-simultaneous-open"
LITERAL = "crossing-syn-ack-out-of-window"


def only(case: str) -> Script:
    (script,) = scripts(case)
    return script


def played_on_a_literal_stack(*declared: Deviation) -> Outcome:
    script, variant = only(FIGURE_7), varied(LITERAL)
    body = script.body
    assert body is not None
    conversation = Rig(ReferenceTarget(stack_class=variant.stack_class, config=variant.config), guarded=False).begin(4)
    run = CaseRun(conversation, script.case.binding.route, asks_rules=True, declared=lambda: declared)

    def whole() -> None:
        run.prepare()
        run.perform(lambda: body(run.target, run.peer))

    return capture(conversation, whole, evidence=False)


def test_another_course_that_is_allowed_is_told() -> None:
    """The case ends there, and says which demand did not hold."""
    outcome = played_on_a_literal_stack()
    judgement = judge(outcome, ())
    assert (judgement.verdict, judgement.reason) == (Verdict.CONFORMS, "another course, which the rules allow")
    assert outcome.conversation is not None
    assert outcome.conversation.other_course == "state ESTABLISHED, but SYN-RECEIVED"
    assert play(only(FIGURE_7)).text == ""


def test_about_what_is_declared_nobody_is_asked() -> None:
    """A declaration is an assertion: it holds as long as that is seen, and no case ends early because of it."""
    known = Deviation(FIGURE_7, ("wrong-state: SYN-RECEIVED",), "It is literal.", "a variant")
    assert judge(played_on_a_literal_stack(known), [known]).verdict is Verdict.KNOWN
    other = Deviation(FIGURE_7, ("silent",), "It sleeps.", "a variant")
    assert judge(played_on_a_literal_stack(other), [other]).verdict is Verdict.GONE


@pytest.mark.parametrize(
    ("defect", "case"),
    [
        ("D171", "passive-open/old-acknowledgment-takes-nothing-back"),
        ("D279", "passive-open/window-of-an-older-segment-does-not-count"),
        ("D225", "time-wait/old-syn-falls-back-to-time-wait"),
    ],
)
def test_another_course_is_no_way_out_for_who_is_stuck(defect: str, case: str) -> None:
    """What is silent for a while may be allowed, and is not where it stays so."""
    assert play(only(case), defective(defect).stack_class).verdict is Verdict.VIOLATES


def test_nothing_is_sent_again_because_of_a_second_acknowledgment() -> None:
    """A third duplicate may call for it, which the case avoids (RFC 5681 §3.2)."""

    class Hasty(Connection):
        def duplicate(self, segment: Segment) -> None:
            super().duplicate(segment)
            if self.state is CLOSING:
                self.resend_front()

    hasty = play(only("simultaneous-close/an-old-ack-is-not-enough[active-open-by-close]"), stack_with(Hasty))
    assert (hasty.verdict, hasty.code, hasty.level) == (Verdict.VIOLATES, "extra", "MUST")
