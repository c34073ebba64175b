"""One segment too many that makes most cases fail: a stack that echoes every ACK has one defect, not four hundred."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report import kinds
from harness.report.runs import Case

#: A segment is a common cause from so many cases on, and from this share of all that are not as expected.
FEWEST, SHARE = 20, 0.25
_NOTHING = "nothing"


@dataclass(frozen=True)
class Cause:
    """A segment by its control bits ("ACK", "PSH,ACK with text"), and the cases that fail where it came."""

    segment: str
    cases: tuple[Case, ...]

    def __str__(self) -> str:
        return f"{len(self.cases)} cases fail by the same extra segment, {self.segment}"


def extra_segment(case: Case) -> str:
    """Return the segment that came on top of what was due, "" if that is not why the case fails."""
    difference = kinds.difference_of(case)
    due, came = _parts(difference.due), _parts(difference.came)
    if difference.code == "inconclusive":
        due = _parts(difference.due.rpartition(", ")[2]) if ", nothing" in difference.due else [*came]
    excess = list((Counter(came) - Counter(due)).elements())
    fewer = Counter(due) - Counter(came)
    return excess[0] if len(set(excess)) == 1 and not fewer else ""


def _parts(text: str) -> list[str]:
    return [] if text == _NOTHING or not text else text.split(" + ")


def common(unexpected: Sequence[Case]) -> Cause | None:
    """Return the cause that many of the cases have in common, if there is one."""
    counts = Counter(filter(None, map(extra_segment, unexpected)))
    for segment, count in counts.most_common(1):
        if count >= max(FEWEST, SHARE * len(unexpected)):
            return Cause(segment, tuple(case for case in unexpected if _shows(case, segment)))
    return None


def _shows(case: Case, segment: str) -> bool:
    """Tell whether the segment came where the case failed, on top of or instead of what was due."""
    return segment in _parts(kinds.difference_of(case).came)
