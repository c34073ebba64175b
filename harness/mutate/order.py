"""Which cases to play first against a defect: those that speak of the same things, by citations and words.

Places in the RFC and words count the more the fewer cases have them. Among rows of one case the first comes first.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.mutate.script import Script
from harness.spec.citations import Citation, parse_all
from harness.stack.defects import Defect

_WORD = re.compile(r"[a-z0-9]+")
#: Endings that make no difference between words.
_ENDING = re.compile(r"(s|ed|ing|ment)$")


class Order:
    """The cases of a run with what each speaks of."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self._scripts = scripts
        self._tokens = [_tokens_of(script) for script in scripts]
        count = Counter(token for tokens in self._tokens for token in tokens)
        self._weight = {token: math.log(len(scripts) / number) for token, number in count.items()}
        self._penalty = list(_penalties(scripts))

    def for_defect(self, defect: Defect) -> list[Script]:
        """Return all cases, the likeliest killers first; the same in each run."""
        asked = set(_words(defect.title)) | _places(parse_all(defect.sections))
        scores = [
            math.fsum(self._weight[token] for token in tokens & asked) / penalty
            for tokens, penalty in zip(self._tokens, self._penalty, strict=True)
        ]
        order = sorted(range(len(scores)), key=lambda at: (-round(scores[at], 6), self._penalty[at], at))
        return [self._scripts[at] for at in order]


def _penalties(scripts: Iterable[Script]) -> Iterable[float]:
    """Yield for each case by how much it stands back behind the first row of its function."""
    seen: Counter[str] = Counter()
    for script in scripts:
        yield 1 + math.log2(1 + seen[script.function])
        seen[script.function] += 1


def _tokens_of(script: Script) -> set[str]:
    case = script.case
    return set(_words(f"{case.case_id} {case.summary}")) | _places(case.meta.citations())


def _words(text: str) -> Iterable[str]:
    return (_ENDING.sub("", word) for word in _WORD.findall(text.lower()) if len(word) > 2)


def _places(citations: Iterable[Citation]) -> set[str]:
    """Return the cited requirements and sections, with the sections that these lie in."""
    found = set()
    for citation in citations:
        if citation.requirement:
            found.add(citation.requirement)
        section = citation.section or ""
        while section:
            found.add(f"{citation.rfc} {section}")
            section = section.rpartition(" " if " " in section else ".")[0]
    return found
