"""Bringing an expectations file up to a run: what no longer fires goes, and what people wrote stays."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.declare import cells, scenarios
from harness.declare.entries import Entry
from harness.expectations.deviations import Deviation
from harness.expectations.deviations import load as load_deviations
from harness.grid import known
from harness.grid.cells import by_id
from harness.report.runs import Case, Column

_WORDS = ("reason", "source", "looks_like", "issue", "until")


@dataclass
class Block:
    """An entry of the file as it stands there: its lines with the comment above them, from `line` on."""

    line: int
    text: str

    @property
    def words(self) -> dict[str, Any]:
        """What a person wrote in it."""
        ((entry,),) = tomllib.loads(self.text).values()
        return {name: entry[name] for name in _WORDS if name in entry}


@dataclass
class Update:
    """What becomes of a file: the text that stays, how many entries went, and drafts in the place of narrowed ones."""

    text: str
    dropped: int
    drafts: list[Entry]


def blocks_of(text: str) -> tuple[str, list[Block]]:
    """Return what stands above the first entry, and the entries; a comment belongs to what follows it."""
    lines = text.splitlines(keepends=True)
    starts = []
    for at, line in enumerate(lines):
        if line.startswith("[["):
            first = at
            while first and lines[first - 1].startswith("#"):
                first -= 1
            starts.append((first, at + 1))
    ends = [first for first, _line in starts[1:]] + [len(lines)]
    blocks = [Block(line, "".join(lines[first:end])) for (first, line), end in zip(starts, ends, strict=True)]
    return "".join(lines[: starts[0][0]] if starts else lines), blocks


def update(path: Path, column: Column) -> Update:
    """Return what a run makes of a file; raises BrokenExpectations. Entries about no case of the run stay."""
    version = str(column.facts.get("version", ""))
    entries: dict[int, list[Deviation | known.GridRule]] = {}
    found: list[Deviation | known.GridRule] = [*load_deviations(path, drafts=True), *known.load(path, drafts=True)]
    for entry in found:
        entries.setdefault(int(entry.origin.rpartition(":")[2]), []).append(entry)
    head, blocks = blocks_of(path.read_text(encoding="utf-8"))
    kept, dropped, drafts = [head], 0, []
    for block in blocks:
        parts = [_firing(entry, column, version) for entry in entries[block.line]]
        about, firing = ([case for part in parts for case in part[at]] for at in (0, 1))
        if len(firing) == len(about):
            kept.append(block.text)
            continue
        dropped += not firing
        gone = [case for case in column.cases.values() if case not in firing]
        redraft = cells.drafts if isinstance(entries[block.line][0], known.GridRule) else scenarios.drafts
        drafts += [replace(made, words=block.words) for made in redraft(firing, gone)]
    return Update("".join(kept), dropped, drafts)


def _firing(entry: Deviation | known.GridRule, column: Column, version: str) -> tuple[Sequence[Case], Sequence[Case]]:
    """Return the cases of the run that an entry is about, and those that show what it pins."""
    if isinstance(entry, known.GridRule):
        about = [case for case in column.cases.values() if _speaks_of(entry, case, version)]
        pinned = {case.key: str(entry.pinned(by_id()[case.key.id])) for case in about}
        return about, [case for case in about if any(found["observed"] == pinned[case.key] for found in case.findings)]
    about = [case for case in column.cases.values() if entry.covers(case.key.id, case.key.ip, version)]
    about = [case for case in about if case.verdict not in ("not applicable", "harness error")]
    firing = [case for case in about if _fires(entry, case)]
    return (firing if entry.may_stay_away else about), firing


def _speaks_of(rule: known.GridRule, case: Case, version: str) -> bool:
    cell = by_id().get(case.key.id)
    return cell is not None and rule.takes(cell) and rule.holds_for(case.key.ip, version)


def _fires(entry: Deviation, case: Case) -> bool:
    """Tell whether a case shows what an entry pins; of what can't begin, a declared case keeps the reason only."""
    if case.verdict == "known deviation" and not case.findings:
        return case.reason == entry.reason
    if case.verdict == "inconclusive":
        return f"inconclusive: {case.reason}" in entry.observed
    return any(
        entry.explains(": ".join(filter(None, (found["code"], found["observed"]))), found["state"])
        for found in case.findings
    )
