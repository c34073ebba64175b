"""Which known changes of behaviour a target has, by what its cases showed.

What is known of an implementation's history stands in the line of the target (`changes`: name, was, now, and whether
the release is expected to have it); what a case told stands in its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.runs import Column

HAS, LACKS, BOTH, UNSEEN = "has", "lacks", "both ways", "not seen"


@dataclass(frozen=True, slots=True)
class Seen:
    """One change: what was, what is, how many cases showed the one and the other.

    `expected` is has, lacks, or open; `reached` names the releases with which it came.
    """

    name: str
    was: str
    now: str
    expected: str
    reached: str
    having: int
    lacking: int

    @property
    def word(self) -> str:
        """Whether the target has it, in a word or two."""
        if self.having and self.lacking:
            return BOTH
        return HAS if self.having else LACKS if self.lacking else UNSEEN


def seen(facts: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> list[Seen]:
    """Return the changes of a target, given its facts and the records of its cases; none where none is known."""
    known: Sequence[Mapping[str, str]] = facts.get("changes", [])
    told = [record["changes"] for record in records if record.get("changes")] if known else []
    return [
        Seen(
            change["name"],
            change["was"],
            change["now"],
            change["expected"],
            change.get("reached", ""),
            sum(changes.get(change["name"]) == HAS for changes in told),
            sum(changes.get(change["name"]) == LACKS for changes in told),
        )
        for change in known
    ]


def of_column(column: Column) -> list[Seen]:
    """Return the changes of a column."""
    return seen(column.facts, [case.record for case in column.cases.values()])


def in_words(changes: Sequence[Seen]) -> str:
    """Return a line: "has 11 of 13 known changes; lacks a, b"; "" where no case showed any."""
    names = {word: [change.name for change in changes if change.word == word] for word in (HAS, LACKS, BOTH, UNSEEN)}
    shown = len(changes) - len(names[UNSEEN])
    if not shown:
        return ""
    parts = [f"has {len(names[HAS])} of {shown} known changes"]
    if names[UNSEEN]:
        parts[0] += f" that these cases show, of {len(changes)}"
    parts += [f"lacks {', '.join(names[LACKS])}"] if names[LACKS] else []
    parts += [f"in part {', '.join(names[BOTH])}"] if names[BOTH] else []
    return "; ".join(parts)
