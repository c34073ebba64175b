"""The matrix as the page has it without its script: topics with a row per case, and the grid as heat maps."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from harness.report.html_data import ABSENT, LETTERS, SIGNS
from harness.report.runs import Column, Key

GRID = "grid"
#: From worst to best: what a field shows that stands for several cases.
WORST = "hvsigkdu.nc"
_KINDS = ("state × segment", "state × call", "state × timer")
_BITS = ("SYN", "ACK", "FIN", "RST", "PSH", "URG")


class Mark(NamedTuple):
    """What one field of the matrix shows: verdicts of IPv4 and IPv6 (one, if they are the same)."""

    letters: tuple[tuple[str, str], ...]
    expected: bool

    @property
    def style(self) -> str:
        """The class of the field: the worst letter, and ``x`` where something is not as expected."""
        worst = min((letter for letter, _version in self.letters), key=WORST.index)
        style = "z" if worst == ABSENT else worst
        return style if self.expected else f"{style} x"

    @property
    def signs(self) -> str:
        """The signs, with the IP version where the two differ."""
        return " ".join(SIGNS[letter][0] + version for letter, version in self.letters)

    @property
    def words(self) -> str:
        """The same for a screen reader."""
        told = ", ".join(
            SIGNS[letter][1] + (f" on IPv{version}" if version else "") for letter, version in self.letters
        )
        return told if self.expected else f"{told}, not as expected"


def mark_of(column: Column, case_id: str) -> Mark:
    """Return what a column shows of a case."""
    cases = {ip: column.cases.get(Key(case_id, ip)) for ip in (4, 6)}
    seen = [(LETTERS[case.verdict], str(ip)) for ip, case in cases.items() if case]
    expected = all(case.as_expected(column.run.level) for case in cases.values() if case)
    if len({letter for letter, _version in seen}) == 1:
        seen = [(seen[0][0], "")]
    return Mark(tuple(seen) or ((ABSENT, ""),), expected)


class Row(NamedTuple):
    """A case: its number among all, its id, the part of it behind the topic, and a mark per column."""

    number: int
    id: str
    name: str
    marks: tuple[Mark, ...]


@dataclass
class Topic:
    """A topic with its rows; those of the grid are in heat maps instead."""

    name: str
    rows: list[Row] = field(default_factory=list)

    @cached_property
    def counts(self) -> list[list[tuple[str, str, int | str]]]:
        """Per column: (class, sign, count) of what does not simply conform, the worst first.

        Where there is nothing of that kind the sign of what was run stands alone; nothing, where nothing was run.
        """
        found: list[list[tuple[str, str, int | str]]] = []
        for at in range(len(self.rows[0].marks)):
            marks = [row.marks[at] for row in self.rows]
            counts = Counter((mark.style, SIGNS[_worst(mark)][0]) for mark in marks)
            ordered = sorted(counts.items(), key=lambda item: WORST.index(item[0][0][0].replace("z", ABSENT)))
            alike = sorted(entry for entry in counts if entry[0] in ("c", "n"))
            shown: list[tuple[str, str, int | str]] = [
                (*entry, count) for entry, count in ordered if entry[0][0] not in "cnz"
            ]
            found.append(shown or [(*entry, "") for entry in alike[:1]])
        return found


def _worst(mark: Mark) -> str:
    return min((letter for letter, _version in mark.letters), key=WORST.index)


class Heat(NamedTuple):
    """A field of a heat map: the worst class, how many cells do not simply conform, of how many, which cases."""

    style: str
    odd: int
    cells: int
    words: str


class HeatMap(NamedTuple):
    """The grid of one column: state × segment, or state × call. `rows` are (place, fields)."""

    label: str
    kind: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Heat | None, ...]], ...]


def topics(columns: Sequence[Column], ids: Iterable[str]) -> list[Topic]:
    """Return the topics in the order of the runs, the grid last."""
    found: dict[str, Topic] = {}
    for number, case_id in enumerate(ids):
        group, _slash, name = case_id.partition("/")
        topic = found.setdefault(group, Topic(group))
        topic.rows.append(Row(number, case_id, name, tuple(mark_of(column, case_id) for column in columns)))
    return sorted(found.values(), key=lambda topic: topic.name == GRID)


def fields_of(case_id: str) -> tuple[str, str] | None:
    """Return place and segment (or call) of a cell of the grid, None for other cases."""
    parts = case_id.split("/")
    return (parts[1], parts[2]) if parts[0] == GRID and len(parts) >= 3 else None


def heat_maps(columns: Sequence[Column], grid: Topic | None) -> list[HeatMap]:
    """Return the heat maps of each column that has such cells; those of a kind have the same shape in all columns."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in grid.rows if grid else []:
        if field_of := fields_of(row.id):
            found.setdefault(field_of, []).append(row)
    maps = [_heat_map(found, at, column.label, kind) for at, column in enumerate(columns) for kind in _KINDS]
    return [made for made in maps if any(heat and heat.cells for _place, fields in made.rows for heat in fields)]


def _heat_map(found: Mapping[tuple[str, str], Sequence[Row]], at: int, label: str, kind: str) -> HeatMap:
    fields = [(place, segment) for place, segment in found if _kind(segment) == kind]
    places = dict.fromkeys(place for place, _segment in fields)
    heads = sorted({segment for _place, segment in fields}, key=_order)
    rows = tuple((place, tuple(_heat(found.get((place, head)), at) for head in heads)) for place in places)
    return HeatMap(label, kind, tuple(heads), rows)


def _kind(segment: str) -> str:
    return _KINDS[next((at for at, word in enumerate(("call-", "timer-"), 1) if segment.startswith(word)), 0)]


def _order(segment: str) -> tuple[int, str]:
    """Segments by the number of their control bits."""
    return sum(bit.lower() in segment.split("-") for bit in _BITS), segment


def _heat(rows: Sequence[Row] | None, at: int) -> Heat | None:
    if not rows:
        return None
    marks = [row.marks[at] for row in rows]
    present = [mark for mark in marks if _worst(mark) != ABSENT]
    if not present:
        return Heat("z", 0, 0, "not run")
    odd = sum(1 for mark in present if _worst(mark) not in "cn")
    worst = min(present, key=lambda mark: (mark.expected, WORST.index(_worst(mark))))
    words = f"{odd} of {len(present)}: {worst.words}" if odd else f"{len(present)} conform"
    return Heat(worst.style, odd, len(present), words)


def totals(columns: Sequence[Column]) -> Sequence[Mapping[str, int]]:
    """Return the verdicts of each column, counted, with ``unexpected`` beside them."""
    found = []
    for column in columns:
        counts = Counter(case.verdict for case in column.cases.values())
        counts["unexpected"] = sum(not case.as_expected(column.run.level) for case in column.cases.values())
        found.append(counts)
    return found
