"""From findings and declared deviations to a verdict: a declaration is an assertion too."""

import pytest

from harness.case.conversation import Conversation
from harness.case.runner import Ending, Outcome
from harness.case.verdict import BAD, Judgement, Verdict, judge
from harness.case.violation import Code, Finding, Level
from harness.expectations.deviations import Deviation


class Told:
    """As much of a conversation as a verdict looks at."""

    def __init__(self, findings: tuple[Finding, ...], unobserved: int) -> None:
        self.findings = list(findings)
        self.unobserved = unobserved
        self.other_course = ""


def outcome(*findings: Finding, ending: Ending | None = None, unobserved: int = 0) -> Outcome:
    broken = any(finding.level is Level.MUST for finding in findings)
    how = ending or (Ending.VIOLATION if broken else Ending.COMPLETED)
    told: Conversation = Told(findings, unobserved)  # type: ignore[assignment]
    return Outcome(how, "the message", told)


def finding(observed: str = "", *, code: Code = Code.SILENT, level: Level = Level.MUST, state: str = "") -> Finding:
    return Finding(code, level, "<CTL=ACK>", observed, state)


def declared(
    *observed: str, state: str = "", reason: str = "It waits.", setting: str = "", chance: bool = False
) -> Deviation:
    place = "mine.toml:3"
    return Deviation("topic/case", observed, reason, "tcp.c", state=state, origin=place, setting=setting, chance=chance)


SILENT = finding()
EXTRA = finding("<SEQ=1><CTL=RST>", code=Code.EXTRA)
SHOULD = finding("<SEQ=1><CTL=ACK>", code=Code.EXTRA, level=Level.SHOULD)


@pytest.mark.parametrize(
    ("came", "deviations", "verdict"),
    [
        (outcome(), [], Verdict.CONFORMS),
        (outcome(SILENT), [], Verdict.VIOLATES),
        (outcome(SHOULD), [], Verdict.DEVIATES),
        (outcome(SHOULD, SILENT), [], Verdict.VIOLATES),
        (outcome(unobserved=2), [], Verdict.UNOBSERVED),
        (outcome(SHOULD, unobserved=2), [], Verdict.DEVIATES),
        (outcome(ending=Ending.NOT_APPLICABLE), [], Verdict.NOT_APPLICABLE),
        (outcome(ending=Ending.INCONCLUSIVE), [], Verdict.INCONCLUSIVE),
        (outcome(ending=Ending.HARNESS_ERROR), [], Verdict.HARNESS_ERROR),
        # declared, and as declared
        (outcome(SILENT), [declared("silent")], Verdict.KNOWN),
        (outcome(EXTRA), [declared("silent", "extra: <SEQ=1><CTL=RST>")], Verdict.KNOWN),
        (outcome(SHOULD), [declared("extra: <SEQ=1><CTL=ACK>")], Verdict.KNOWN),
        (outcome(SHOULD, SILENT), [declared("silent"), declared("extra: <SEQ=1><CTL=ACK>")], Verdict.KNOWN),
        (outcome(SILENT), [declared("silent", reason="ours"), declared("silent", reason="theirs")], Verdict.KNOWN),
        (outcome(finding(state="CLOSED")), [declared("silent", state="CLOSED")], Verdict.KNOWN),
        # declared, but no longer so
        (outcome(), [declared("silent")], Verdict.GONE),
        (outcome(unobserved=1), [declared("silent")], Verdict.GONE),
        (outcome(SILENT), [declared("silent"), declared("reset: <CTL=RST>")], Verdict.GONE),
        # declared of a setting: it may show, and need not
        (outcome(SILENT), [declared("silent", setting="metrics-cache=on")], Verdict.KNOWN),
        (outcome(), [declared("silent", setting="metrics-cache=on")], Verdict.CONFORMS),
        (outcome(EXTRA), [declared("silent", setting="metrics-cache=on")], Verdict.VIOLATES),
        # declared as what shows by chance
        (outcome(SILENT), [declared("silent", chance=True)], Verdict.KNOWN),
        (outcome(), [declared("silent", chance=True)], Verdict.CONFORMS),
        (outcome(EXTRA), [declared("silent", chance=True)], Verdict.VIOLATES),
        # declared, but it deviates differently
        (outcome(EXTRA), [declared("silent")], Verdict.GONE),
        (outcome(EXTRA), [declared("extra: <SEQ=2><CTL=RST>")], Verdict.GONE),
        (outcome(finding(state="LISTEN")), [declared("silent", state="CLOSED")], Verdict.GONE),
        # declared as it is, and something else besides
        (outcome(SILENT, EXTRA), [declared("silent")], Verdict.VIOLATES),
        (outcome(SILENT, SHOULD), [declared("silent")], Verdict.DEVIATES),
        # where there is no judgement, a declaration changes nothing
        (outcome(ending=Ending.NOT_APPLICABLE), [declared("silent")], Verdict.NOT_APPLICABLE),
        (outcome(ending=Ending.INCONCLUSIVE), [declared("silent")], Verdict.INCONCLUSIVE),
        (outcome(ending=Ending.HARNESS_ERROR), [declared("silent")], Verdict.HARNESS_ERROR),
        # unless it is about just that: a state that can't be reached
        (outcome(ending=Ending.INCONCLUSIVE), [declared("inconclusive: the message")], Verdict.KNOWN),
        # or the end of a target, which is a finding
        (outcome(finding("a panic", code=Code.DIED)), [declared("died: a panic")], Verdict.KNOWN),
        (outcome(finding("a panic", code=Code.DIED)), [declared("died: another")], Verdict.GONE),
        (outcome(finding("a panic", code=Code.DIED)), [], Verdict.VIOLATES),
        # but never our own trouble
        (outcome(ending=Ending.HARNESS_ERROR), [declared("harness error: the message")], Verdict.HARNESS_ERROR),
        (outcome(), [declared("harness error: the message")], Verdict.GONE),
    ],
)
def test_the_verdict(came: Outcome, deviations: list[Deviation], verdict: Verdict) -> None:
    assert judge(came, deviations).verdict is verdict


def test_a_late_finding_makes_a_completed_case_violate() -> None:
    late = finding("<SEQ=1><CTL=ACK>", code=Code.LATE)
    assert judge(outcome(late, ending=Ending.COMPLETED), []).verdict is Verdict.VIOLATES


def test_a_gone_deviation_says_what_was_declared_where_and_what_is_seen_now() -> None:
    known = declared("silent", "reset: <CTL=RST>")
    gone = judge(outcome(), [known])
    assert gone.deviation is known
    assert "silent or reset: <CTL=RST>" in gone.reason
    assert "as the RFC says" in gone.reason
    differently = judge(outcome(EXTRA), [known])
    assert "it now shows 'extra: <SEQ=1><CTL=RST>'" in differently.reason
    assert differently.finding is EXTRA


def test_a_violation_says_what_was_due_and_what_came() -> None:
    judgement = judge(outcome(SHOULD, EXTRA), [])
    assert judgement.finding is EXTRA
    assert judgement.reason == "<CTL=ACK>, but <SEQ=1><CTL=RST>"
    assert judge(outcome(SILENT), []).reason == "<CTL=ACK>, but nothing came"


def test_a_known_deviation_gives_its_reason() -> None:
    judgement = judge(outcome(SILENT), [declared("silent", reason="It waits for more.")])
    assert (judgement.reason, judgement.finding) == ("It waits for more.", SILENT)


@pytest.mark.parametrize("verdict", Verdict)
def test_what_may_pass_at_which_level(verdict: Verdict) -> None:
    judgement = Judgement(verdict)
    assert judgement.as_expected(Level.MUST) is (verdict not in BAD)
    assert judgement.as_expected(Level.SHOULD) is (verdict not in BAD and verdict is not Verdict.DEVIATES)


def test_the_bad_verdicts_are_those_of_the_documentation() -> None:
    assert {str(verdict) for verdict in BAD} == {"violates", "gone deviation", "inconclusive", "harness error"}
