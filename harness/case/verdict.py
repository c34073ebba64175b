"""From what came of a case to its verdict, with the declared deviations of the target."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from harness.case.runner import Ending, Outcome
from harness.case.violation import Finding, Level
from harness.expectations.deviations import Deviation


class Verdict(StrEnum):
    """The words of the report."""

    CONFORMS = "conforms"
    VIOLATES = "violates"
    DEVIATES = "deviates"
    UNOBSERVED = "unobserved"
    KNOWN = "known deviation"
    GONE = "gone deviation"
    NOT_APPLICABLE = "not applicable"
    INCONCLUSIVE = "inconclusive"
    HARNESS_ERROR = "harness error"


#: The reason of a case that conforms and has not been played to its end.
OTHER_COURSE = "another course, which the rules allow"
#: Verdicts that make a run not as expected, whatever the level.
BAD = frozenset({Verdict.VIOLATES, Verdict.GONE, Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR})


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the finding and the deviation that decide it.

    `changes` are those that the case tells the target to have (True) or to lack.
    """

    verdict: Verdict
    reason: str = ""
    finding: Finding | None = None
    deviation: Deviation | None = None
    changes: Mapping[str, bool] = field(default_factory=dict)

    def as_expected(self, level: Level) -> bool:
        """Tell whether a run at this level may pass with it."""
        return self.verdict not in BAD and not (self.verdict is Verdict.DEVIATES and level is Level.SHOULD)


_PLAIN = {
    Ending.NOT_APPLICABLE: Verdict.NOT_APPLICABLE,
    Ending.INCONCLUSIVE: Verdict.INCONCLUSIVE,
    Ending.HARNESS_ERROR: Verdict.HARNESS_ERROR,
}


def judge(outcome: Outcome, deviations: Sequence[Deviation]) -> Judgement:
    """Judge a case; `deviations` are those declared for this case on this target."""
    if outcome.ending is Ending.INCONCLUSIVE:
        # A state that a target can't be brought to may be declared too; our own trouble never.
        seen = f"{outcome.ending}: {outcome.message}"
        if ended := [deviation for deviation in deviations if seen in deviation.observed]:
            return Judgement(Verdict.KNOWN, ended[0].reason, deviation=ended[0])
    if outcome.ending in _PLAIN:
        return Judgement(_PLAIN[outcome.ending], outcome.message)
    undeclared: list[Finding] = []
    fired: list[tuple[Finding, Deviation]] = []
    for finding in outcome.findings:
        matching = [deviation for deviation in deviations if deviation.explains(finding.signature, finding.state)]
        if matching:
            fired += [(finding, deviation) for deviation in matching]
        else:
            undeclared.append(finding)
    # The worst finding decides: a MUST before a SHOULD, the undeclared before the declared.
    undeclared.sort(key=lambda finding: finding.level is not Level.MUST)
    due = [deviation for deviation in deviations if not deviation.may_stay_away]
    gone = [deviation for deviation in due if deviation not in [known for _finding, known in fired]]
    if gone:
        seen = f"it now shows {undeclared[0].signature!r}" if undeclared else "the case is as the RFC says"
        text = f"declared as a known deviation ({' or '.join(gone[0].observed)}), but {seen}"
        return Judgement(Verdict.GONE, text, undeclared[0] if undeclared else None, gone[0])
    if undeclared:
        worst = undeclared[0]
        verdict = Verdict.VIOLATES if worst.level is Level.MUST else Verdict.DEVIATES
        return Judgement(verdict, f"{worst.expected}, but {worst.observed or 'nothing came'}", worst)
    if fired:
        finding, known = next((pair for pair in fired if pair[1].over), fired[0])
        if known.over:
            return Judgement(
                Verdict.GONE, f"declared until {known.until}, and it is still so: {known.reason}", finding, known
            )
        return Judgement(Verdict.KNOWN, known.reason, finding, known)
    if outcome.conversation is not None and outcome.conversation.unobserved:
        return Judgement(Verdict.UNOBSERVED, f"{outcome.conversation.unobserved} states or answers could not be seen")
    if outcome.conversation is not None and outcome.conversation.other_course:
        return Judgement(Verdict.CONFORMS, OTHER_COURSE)
    return Judgement(Verdict.CONFORMS)


def judge_release(outcome: Outcome, declared: Sequence[Deviation], having: Mapping[str, bool]) -> Judgement:
    """Judge a case on a target of which it is known that it has these changes and lacks those.

    A change that `having` does not name is open. The case must then be as some release is that has it, or as some is
    that has not.
    """
    names = sorted({name for deviation in declared for name in deviation.scope.changes})
    if not names:
        return judge(outcome, declared)
    told: list[tuple[Mapping[str, bool], Judgement]] = []
    for having_it in itertools.product((True, False), repeat=len(names)):
        supposed = dict(zip(names, having_it, strict=True))
        told.append((supposed, judge(outcome, [entry for entry in declared if entry.scope.holds(supposed)])))
    fitting = [supposed for supposed, judgement in told if judgement.verdict in (Verdict.CONFORMS, Verdict.KNOWN)]
    possible = [
        judgement for supposed, judgement in told if all(having.get(name, has) is has for name, has in supposed.items())
    ]
    best = min(possible, key=lambda judgement: _PREFERRED.index(judgement.verdict))
    return replace(best, changes=_told(names, fitting, having))


#: Which of several verdicts counts: one that explains what was seen, else the one that says best what is not explained.
_PREFERRED = (
    Verdict.CONFORMS,
    Verdict.KNOWN,
    Verdict.UNOBSERVED,
    Verdict.NOT_APPLICABLE,
    Verdict.DEVIATES,
    Verdict.VIOLATES,
    Verdict.GONE,
    Verdict.INCONCLUSIVE,
    Verdict.HARNESS_ERROR,
)


def _told(names: Sequence[str], fitting: Sequence[Mapping[str, bool]], having: Mapping[str, bool]) -> dict[str, bool]:
    """Return which changes a case tells apart: all that explains it agrees on them, the others being as known."""
    told = {}
    for name in names:
        others = {other: has for other, has in having.items() if other in names and other != name}
        values = {supposed[name] for supposed in fitting if others.items() <= supposed.items()}
        if len(values) == 1:
            told[name] = values.pop()
    return told
