"""The report's data for its script: every case of every column, each text and each rung of a ladder once.

A column is a target of a run. In it each IP version has, per case, one letter for the verdict and the number of its
ladder; only a case that does not simply conform has more (`_detail`). That keeps 4,000 cells on four targets below five
megabytes, and the page quick: the script reads all of it when it is first needed.
"""

import json
import shlex
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from harness.report import rungs
from harness.report.diagram import Walked
from harness.report.ladder_svg import GEOMETRY, MISSING_WORD, WORD_OF_MARK
from harness.report.runs import Case, Column, Key
from harness.report.sources import source_of
from harness.report.svg import printable
from harness.report.transitions import edges

#: One letter per verdict.
LETTERS = {
    "conforms": "c",
    "violates": "v",
    "deviates": "d",
    "known deviation": "k",
    "gone deviation": "g",
    "unobserved": "u",
    "not applicable": "n",
    "unstable": "s",
    "inconclusive": "i",
    "harness error": "h",
}
#: The letter of a case that a run does not have.
ABSENT = "."
#: What a reader sees: sign and words, by letter. A colour is never the only difference.
SIGNS = {
    "c": ("✓", "conforms"),
    "v": ("✗", "violates"),
    "d": ("~", "deviates from a SHOULD"),
    "k": ("≈", "known deviation"),
    "g": ("≠", "gone deviation"),
    "u": ("?", "unobserved"),
    "n": ("–", "not applicable"),
    "s": ("⇄", "unstable"),
    "i": ("?", "inconclusive"),
    "h": ("!", "harness error"),
    ABSENT: ("", "not run"),
}


class Table:
    """Gives each different thing a number, in the order of their first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def number(self, thing: Hashable) -> int:
        """Return the number of a thing."""
        return self._numbers.setdefault(thing, len(self._numbers))

    def things(self) -> list[Any]:
        """Return the things by their numbers."""
        return list(self._numbers)


class Shapes:
    """Gives each different ladder a number. Most begin alike: each is the end of one before it, and some rungs more.

    A node is a rung behind another node; the nodes of a shape that are new with it have consecutive numbers.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], int] = {}
        self._numbers: dict[int, int] = {}
        #: Per shape: the node that it goes on from (-1 for none), then its own rungs.
        self.written: list[list[int]] = []

    def number(self, rungs: Iterable[int]) -> int:
        """Return the number of a ladder, given as numbers of rungs; it must have some."""
        node, new = -1, [-1]
        for rung in rungs:
            known = self._nodes.get((node, rung))
            if known is None:
                known = self._nodes[node, rung] = len(self._nodes)
                new.append(rung)
            else:
                new[0] = known
            node = known
        if node not in self._numbers:
            self._numbers[node] = len(self.written)
            self.written.append(new)
        return self._numbers[node]


@dataclass
class Collected:
    """All cases of all columns, and the tables that they point into."""

    columns: Sequence[Column]
    ids: list[str]
    walked: list[Walked] = field(default_factory=list)
    _texts: Table = field(default_factory=Table)
    _rungs: Table = field(default_factory=Table)
    _shapes: Shapes = field(default_factory=Shapes)
    _known: dict[str, int] = field(default_factory=dict)
    _uses: dict[int, Sequence[int]] = field(default_factory=dict)

    def as_dict(self, sections: Mapping[str, int]) -> dict[str, Any]:
        """Return everything as JSON-able data; `sections` gives the number of each case's section."""
        first = first_cases(self.columns)
        cases = [self._about(first[name], sections[name]) for name in self.ids]
        columns = [self._column(column) for column in self.columns]
        return {
            "signs": SIGNS,
            "edges": [[edge.name, str(edge)] for edge in edges()],
            "geometry": {**GEOMETRY, "missing": MISSING_WORD, "words": WORD_OF_MARK},
            "ids": _shortened([printable(name) for name in self.ids]),
            "cases": cases,
            "columns": columns,
            "uses": [self._uses[at] for at in range(len(self._shapes.written))],
            "shapes": self._shapes.written,
            "rungs": self._rungs.things(),
            "texts": self._texts.things(),
        }

    def _text(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = self._texts.number(printable(text))
        return self._known[text]

    def _about(self, case: Case, section: int) -> list[Any]:
        cites = [self._text(text) for text in case.record["cites"]]
        source = self._text(source_of(case.at, case.key.id))
        level, title, at = (self._text(text) for text in (case.level, case.title, case.at))
        return [title, at, level, cites, source, case.record.get("figure", 0), section]

    def _column(self, column: Column) -> dict[str, Any]:
        walked = Walked()
        self.walked.append(walked)
        versions = {str(ip): self._version(column, ip, walked) for ip in (4, 6)}
        return {
            "label": printable(column.label),
            "should": column.run.level == "SHOULD",
            **versions,
        }

    def _version(self, column: Column, ip: int, walked: Walked) -> dict[str, Any]:
        letters, shapes, commands, details = [], [], Counter[int](), {}
        found = {at: case for at, name in enumerate(self.ids) if (case := column.cases.get(Key(name, ip)))}
        for at in range(len(self.ids)):
            letters.append(LETTERS[found[at].verdict] if at in found else ABSENT)
            shapes.append(-1)
        for at, case in found.items():
            ladder = rungs.of_record(case.record)
            use = walked.add(case.record)
            commands[self._command(case)] += 1
            if ladder.rungs:
                shapes[at] = self._shape(ladder)
                self._uses[shapes[at]] = use.passed
            if detail := self._detail(case, ladder, use.decided):
                details[at] = detail
        usual = commands.most_common(1)[0][0] if commands else -1
        for at, case in found.items():
            if (command := self._command(case)) != usual:
                details.setdefault(at, {})["again"] = command
        return {"v": "".join(letters), "s": shapes if found else [], "again": usual, "d": details}

    def _shape(self, ladder: rungs.Ladder) -> int:
        return self._shapes.number(
            self._rungs.number((KINDS.index(rung.kind), self._text(rung.text), self._text(rung.peer), rung.mark))
            for rung in ladder.rungs
        )

    def _command(self, case: Case) -> int:
        """The command without the case's name, which nearly all end with: so only a few are different."""
        return self._text(case.reproduce.removesuffix(shlex.quote(case.key.id)))

    def _detail(self, case: Case, ladder: rungs.Ladder, decided: int | None) -> dict[str, Any]:
        """What only a case that does not simply conform has; the names are those of the script."""
        detail: dict[str, Any] = {
            "reason": self._text(case.reason) if case.reason else None,
            "source": self._text(case.source) if case.source else None,
            "declared": self._text(case.declared) if case.declared else None,
            "findings": [self._finding(finding) for finding in case.findings],
            "times": _micro(ladder.times) if any(time is not None for time in ladder.times) else None,
            "ss": [self._text(text) for text in case.ss],
            "pcap": printable(case.record["pcap"]) if case.pcap else None,
            "queues": _queues(case),
            "edge": decided,
        }
        return {name: value for name, value in detail.items() if value not in (None, [])}

    def _finding(self, finding: Mapping[str, Any]) -> list[Any]:
        names = ("code", "level", "expected", "observed", "state", "step")
        return [*(self._text(finding[name]) for name in names), [self._text(text) for text in finding["cites"]]]


KINDS = (rungs.SENT, rungs.RECEIVED, rungs.MISSING, rungs.CALL, rungs.PAUSE, rungs.STATES)


def _micro(times: Iterable[float | None]) -> list[int | None]:
    """Return times as whole microseconds, each but the first as the distance from the one before."""
    found: list[int | None] = []
    before = 0
    for time in times:
        now = None if time is None else round(time * 1000)
        found.append(None if now is None else now - before)
        before = before if now is None else now
    while found and found[-1] == 0:
        found.pop()  # in virtual time nearly all are: the script takes what is missing for 0
    return found


def _queues(case: Case) -> str | None:
    """Return what the last look at the target showed beside the state, None if there was nothing."""
    snapshots = [event["snapshot"] for event in case.ladder if event.get("snapshot")]
    last = snapshots[-1] if snapshots else {}
    parts = [f"{name.replace('_', ' ')} {last[name]}" for name in ("receive_queue", "send_queue") if last.get(name)]
    parts += ["a time-wait record without a socket"] if last.get("mini") else []
    return ", ".join(parts) or None


def _shortened(ids: Sequence[str]) -> list[list[int | str]]:
    """Return each id as how many letters it shares with the one before, and the others."""
    shared = (_shared(one, other) for one, other in pairwise(["", *ids]))
    return [[count, name[count:]] for count, name in zip(shared, ids, strict=True)]


def _shared(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def first_cases(columns: Sequence[Column]) -> dict[str, Case]:
    """Return each case once, from the first column that has it: its title and citations are the same in all."""
    found: dict[str, Case] = {}
    for column in columns:
        for key, case in column.cases.items():
            found.setdefault(key.id, case)
    return found


def in_script(data: Any) -> str:
    """Return JSON that can stand in a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
