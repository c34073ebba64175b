"""Where a case takes another course than its author's, the rules are asked; what is declared or stuck is no way out."""

import errno

import pytest

from harness.case.rig import Rig
from harness.case.runner import CaseRun, Outcome, capture
from harness.case.verdict import Verdict, judge
from harness.expectations.deviations import Deviation
from harness.mutate.script import Script, play
from harness.spec.segment import ACK, ECE, SYN, URG, Segment
from harness.spec.states import CLOSED, CLOSING
from harness.stack.connection import Connection
from harness.stack.defects import defective
from harness.stack.defects.defect import stack_with
from harness.stack.sockets import Socket
from harness.stack.variants import varied
from harness.targets.protocol import Capability
from harness.targets.reference.target import ReferenceTarget
from testcases.selftest.scripts import scripts

FIGURE_7 = "simultaneous-open/figure-7-simultaneous-open"
LITERAL = "crossing-syn-ack-out-of-window"


def only(case: str) -> Script:
    (script,) = scripts(case)
    return script


def played(case: str, target: ReferenceTarget, *declared: Deviation) -> Outcome:
    script = only(case)
    body = script.body
    assert body is not None
    conversation = Rig(target, guarded=False).begin(4)
    run = CaseRun(conversation, script.case.binding.route, asks_rules=True, declared=lambda: declared)

    def whole() -> None:
        run.prepare()
        run.perform(lambda: body(run.target, run.peer))

    return capture(conversation, whole, evidence=False)


def played_on_a_literal_stack(*declared: Deviation) -> Outcome:
    variant = varied(LITERAL)
    return played(FIGURE_7, ReferenceTarget(stack_class=variant.stack_class, config=variant.config), *declared)


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


def test_nothing_is_acknowledged_twice() -> None:
    """One ACK for each segment (MUST-58; RFC 5681 §4.2: no more), but for what a reader makes of the window."""

    class Stammering(Connection):
        heard = 0

        def arrive(self, segment: Segment) -> None:
            self.heard = segment.length
            super().arrive(segment)

        def send_ack(self) -> None:
            super().send_ack()
            if self.heard and self.state is not CLOSED:
                super().send_ack()

    stammering = play(only("half-close/peer-goes-on-sending[passive-open]"), stack_with(Stammering))
    assert (stammering.verdict, stammering.code, stammering.level) == (Verdict.VIOLATES, "extra", "MUST")
    assert play(only("half-close/peer-goes-on-sending[passive-open]")).verdict is Verdict.CONFORMS


@pytest.mark.parametrize(
    ("defect", "case"),
    [
        ("D111", "passive-open/wrong-acknowledgment-is-reset[one-above]"),
        ("D161", "resets/abort-in-syn-received"),
        ("D27", "passive-open/repeated-syn-is-answered-with-the-same-numbers"),
        ("D117", "simultaneous-open/crossing-syn-after-a-stray-syn-ack"),
        ("D28", "passive-open/reset-returns-to-listen[rst]"),
        ("D12", "isolation/refused-listen-beside-established"),
        ("D327", "time-wait/own-open-is-refused[passive-open-by-close]"),
        ("D288", "passive-open/small-opening-is-not-filled"),
    ],
)
def test_what_no_sentence_allows_is_no_other_course(defect: str, case: str) -> None:
    """The alternative answer may be left out; the answer itself, numbers and listeners may not."""
    assert play(only(case), defective(defect).stack_class).verdict is Verdict.VIOLATES


class NeverChallenges(Connection):
    def send_challenge(self) -> None:
        pass


@pytest.mark.parametrize("host", [False, True], ids=["of-a-connection", "of-all"])
def test_a_limit_excuses_nobody_who_never_answers(host: bool) -> None:
    """A challenge may be missing behind another answer, and for as long as the limit lasts (RFC 5961 §7)."""
    target = ReferenceTarget(stack_class=stack_with(NeverChallenges))
    target.facts.throttle_s, target.facts.throttles_host = 0.5, host
    outcome = played("resets/syn-is-challenged[inside-established]", target)
    assert [str(finding.code) for finding in outcome.findings] == ["silent"]


class ErrorOfNobody(Socket):
    def pending_error(self) -> int:
        return super().pending_error() or errno.ECONNREFUSED


def test_an_error_that_nothing_has_caused_is_no_other_course() -> None:
    shown = play(only("active-open/handshake-of-the-active-opener"), stack_with(ErrorOfNobody))
    assert (shown.verdict, shown.code) == (Verdict.VIOLATES, "wrong-answer")


class GrantsWhatNobodyAsks(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & (SYN | ACK) == SYN | ACK:
            segment.flags |= ECE
        super().emit(segment)


class UrgentThroughout(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.payload:
            segment.flags |= URG
        super().emit(segment)


@pytest.mark.parametrize(
    ("part", "case"),
    [
        (GrantsWhatNobodyAsks, "passive-open/three-way-handshake"),
        (UrgentThroughout, "active-close/fin-follows-the-data[close-passive-open]"),
    ],
)
def test_control_bits_that_the_rules_do_not_look_at_are_the_authors(part: type[Connection], case: str) -> None:
    shown = play(only(case), stack_with(part))
    assert (shown.verdict, shown.code) == (Verdict.VIOLATES, "wrong-flags")


@pytest.mark.parametrize("lacks", [(), (Capability.VIRTUAL_TIME,)], ids=["virtual", "real"])
@pytest.mark.parametrize(("below", "verdict"), [("far", Verdict.CONFORMS), ("half-way", Verdict.VIOLATES)])
def test_silence_that_is_allowed_for_ever_is_another_course(
    lacks: tuple[Capability, ...], below: str, verdict: Verdict
) -> None:
    """Within the largest window that can be, an old ACK need not be challenged (RFC 5961 §5.2); below it, it must."""
    target = ReferenceTarget(stack_class=stack_with(NeverChallenges), lacks=lacks)
    assert judge(played(f"resets/too-old-ack[bare-{below}]", target), ()).verdict is verdict
