"""Cases that are not as expected, put together by what is wrong with them: a thousand failures have a few dozen kinds.

A kind is a difference without its numbers: what was due, what came, and the code. It may break many rules: a stack that
sends <CTL=RST,ACK> wherever <CTL=RST> is due does so by one line of its source. A scenario and a cell of the grid that
show the same difference are of one kind.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from harness.report.runs import Case

#: Patterns that are named of a kind's cases; of further ones it says how many there are.
PATTERNS = 6
#: What everything else follows from comes first: a crash, then what the target does, then what hinders a judgement.
_VERDICTS = ("violates", "deviates", "gone deviation", "unstable", "inconclusive", "harness error")
_ENDS = ("died", "hung", "storm")
#: What is another one in a segment whose control bits are as they were due.
_ANOTHER = {
    "wrong-seq": "another sequence number",
    "wrong-ack": "another acknowledgment",
    "wrong-data": "another text",
    "wrong-window": "another window",
    "wrong-options": "other options",
}
_NOTHING = "nothing"
_CONTROL = re.compile(r"<CTL=([A-Za-z,]+)>")
_NUMBER = re.compile(r"-?\d+")
#: What an inconclusive case says of the step of its walk that went wrong.
_IN_A_WALK = re.compile(r"(?P<due>.+?), but (?P<came>.+) \(state (?P<state>.+)\)")


@dataclass(frozen=True, slots=True)
class Difference:
    """What distinguishes a kind. `due` and `came` are segments by their control bits, states, or answers."""

    target: str
    verdict: str
    code: str
    due: str
    came: str

    def __str__(self) -> str:
        return f"{self._words()} [{self.code}]" if self.code else self._words()

    def _words(self) -> str:
        if not self.came:
            return self.due
        if self.code == "wrong-state":
            return f"state {self.due}, but {self.came}"
        if self.due == self.came:
            return f"{self.due} with {_ANOTHER.get(self.code, 'other contents')}"
        if self.code == "wrong-answer":
            return f"{self.due}, but {self.came}"
        return f"{self.due} due, but {self.came}" + ("" if self.came.startswith("it ") else " came")


@dataclass
class Kind:
    """Cases that show one difference. The first is the one to look at: its ladder is the shortest."""

    difference: Difference
    cases: list[Case] = field(default_factory=list)

    @cached_property
    def first(self) -> Case:
        """The case that tells most: a scenario before a cell of the grid, then the shortest ladder."""
        return min(self.cases, key=_telling)

    @property
    def rule(self) -> str:
        """The rule to name it by; "" where no rule is broken, as by a harness error."""
        return next(iter(self.rules), "")

    @cached_property
    def rules(self) -> list[str]:
        """The rules that the cases break, those of the first case first, then the most frequent."""
        counts = Counter(rule for case in self.cases for rule in broken_rules(case)[:1])
        return list(dict.fromkeys([*broken_rules(self.first), *(rule for rule, _count in counts.most_common())]))

    @property
    def level(self) -> str:
        """The strongest level among the rules that are broken."""
        return "MUST" if any(case.level == "MUST" for case in self.cases) else self.first.level

    @property
    def patterns(self) -> list[tuple[str, int]]:
        """The cases by pattern, with counts, the most frequent first; the first case is left out."""
        rest = Counter(pattern_of(case.key.id) for case in self.cases if case.key.id != self.first.key.id)
        return rest.most_common()

    def others(self, most: int = PATTERNS) -> str:
        """Return the other cases in a line: ``41 more: grid/syn-sent/* (38), resets/no-refusal[*] (3)``."""
        patterns = self.patterns
        if not patterns:
            return f"also on IPv{self.cases[-1].key.ip}" if len(self.cases) > 1 else ""
        named = [f"{name} ({count})" if count > 1 else name for name, count in patterns[:most]]
        left = len(patterns) - most
        named += [f"{left} other pattern{'s' if left > 1 else ''}"] if left > 0 else []
        return f"{len(self.cases) - 1} more: {', '.join(named)}"


def grouped(cases: Iterable[Case]) -> list[Kind]:
    """Return the kinds, the one with the most telling first case first."""
    found: dict[Difference, Kind] = {}
    for case in cases:
        difference = difference_of(case)
        found.setdefault(difference, Kind(difference)).cases.append(case)
    return sorted(found.values(), key=_order)


def _order(kind: Kind) -> tuple[bool, int, tuple[bool, int, str, int], int]:
    verdict = kind.difference.verdict
    rank = _VERDICTS.index(verdict) if verdict in _VERDICTS else len(_VERDICTS)
    return kind.difference.code not in _ENDS, rank, _telling(kind.first), -len(kind.cases)


def _telling(case: Case) -> tuple[bool, int, str, int]:
    return case.group == "grid", len(case.ladder) or 1000, case.key.id, case.key.ip


def pattern_of(case_id: str) -> str:
    """Return the pattern of a case's kin: its rows, or the cells of one state."""
    group, _slash, name = case_id.partition("/")
    if group == "grid":
        return f"grid/{name.partition('/')[0]}/*"
    return f"{case_id.partition('[')[0]}[*]" if "[" in name else case_id


def broken_rules(case: Case) -> list[str]:
    """Return what the finding that decides cites (without one, what the case does), requirements before sections."""
    cited = (case.finding or {}).get("cites") or case.record["cites"]
    return sorted(dict.fromkeys(cited), key=lambda text: text.startswith("RFC "))


def difference_of(case: Case) -> Difference:
    """Return what a case shows, without its numbers."""
    finding = case.finding
    if case.verdict in ("violates", "deviates") and finding is not None:
        code, due, came = finding["code"], finding["expected"], finding["observed"]
        if code == "wrong-state":
            return Difference(case.target, case.verdict, code, _states(due), _states(came))
        if code == "wrong-answer":  # what an application is told has no control bits
            return Difference(case.target, case.verdict, code, _NUMBER.sub("*", due), _NUMBER.sub("*", came))
        return Difference(case.target, case.verdict, code, shape(due), shape(came))
    if case.verdict == "gone deviation":
        return Difference(case.target, case.verdict, "", f"declared at {case.declared}, but not so", "")
    if walk := _IN_A_WALK.fullmatch(case.reason):
        due, came = shape(walk["due"]), shape(walk["came"].removesuffix(" came"))
        return Difference(case.target, case.verdict, case.verdict, f"in {walk['state']}, {due}", came)
    return Difference(case.target, case.verdict, case.verdict, _NUMBER.sub("*", case.reason), "")


def shape(text: str) -> str:
    """Return what is sent without numbers, as the RFC writes control bits: of a scenario, or of a cell of the grid.

    ``<SEQ=2><ACK=1><DATA=4><CTL=ACK>`` is "ACK with text"; ``ack-new → ESTABLISHED or none → CLOSED`` is "ACK or
    nothing".
    """
    if not text:
        return _NOTHING
    if "→" in text:
        return _alternatives(_reply(part.partition("→")[0]) for part in text.split(" or "))
    if _CONTROL.search(text):
        return _alternatives(map(_segment, text.split(" or ")))
    return _NUMBER.sub("*", text)


def _alternatives(replies: Iterable[str]) -> str:
    return " or ".join(sorted(set(replies), key=lambda reply: (reply == _NOTHING, reply)))


def _segment(text: str) -> str:
    control = _CONTROL.search(text)
    if control is None:
        return _NOTHING if text == _NOTHING else _NUMBER.sub("*", text)
    return control[1] + (" with text" if "<DATA=" in text else "")


def _reply(text: str) -> str:
    """Return a reply in the grid's words as control bits: ``rst-ack(seq=0) + syn`` is "RST,ACK + SYN"."""
    return " + ".join(map(_bits, text.strip().split(" + ")))


def _bits(reply: str) -> str:
    name, _parenthesis, numbers = reply.rpartition(": ")[2].partition("(")
    if name.strip() == "none":
        return _NOTHING
    bits = name.strip().removesuffix("-new").replace("-", ",").upper()
    return bits + (" with text" if "data=" in numbers else "")


def _states(text: str) -> str:
    """Return the states in a text, of a scenario or of a cell of the grid."""
    if "→" in text:
        return " or ".join(dict.fromkeys(part.partition("→")[2].strip() for part in text.split(" or ")))
    return text.removeprefix("state ")


def counted(cases: Sequence[Case]) -> Mapping[str, int]:
    """Return verdict -> how many cases have it, in the order of the kinds."""
    counts = Counter(case.verdict for case in cases)
    return {name: counts[name] for name in _VERDICTS if counts[name]}
