"""``tcpspec coverage --by``: what other suites, or the sections of the RFCs, ask for, and which cases show it."""

import fnmatch
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report import markdown
from harness.report.matrix import VERDICTS
from harness.spec import requirements
from harness.spec.citations import Citation
from harness.trace.results import Results

_FOLDER = Path(__file__).with_name("catalogues")
CATALOGUES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
RFC = "rfc"
#: Cases that a line names; it says how many more there are.
NAMED = 3


@dataclass(frozen=True)
class Item:
    """One thing that is asked for: `cases` are ids or patterns, `why_not` says why there are none."""

    id: str
    state: str
    about: str
    cases: tuple[str, ...]
    why_not: str = ""


@dataclass(frozen=True)
class Line:
    """An item, the cases that show it, and per target what came of them."""

    item: Item
    cases: tuple[str, ...]
    verdicts: Mapping[str, Counter[str]]

    @property
    def is_gap(self) -> bool:
        """Whether a case is missing, and nothing says why."""
        return not self.cases and not self.item.why_not

    def words(self, target: str) -> str:
        """Return what came of the cases on a target: ``12 conforms, 1 known``."""
        counts = self.verdicts.get(target, Counter())
        return ", ".join(f"{counts[name]} {title}" for name, title, _style in VERDICTS if counts[name]) or "not run"

    @property
    def named(self) -> str:
        """The cases in a few words, or why there are none."""
        plain = list(dict.fromkeys(name.partition("[")[0] for name in self.cases))
        more = f" and {len(plain) - NAMED} more" if len(plain) > NAMED else ""
        return ", ".join(plain[:NAMED]) + more if plain else self.item.why_not or "no case yet"


def load(name: str) -> list[Item]:
    """Return the items of a catalogue."""
    data = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return [
        Item(entry["id"], entry["state"], entry["about"], tuple(entry.get("cases", ())), entry.get("why_not", ""))
        for entry in data["case"]
    ]


def of_sections(cited: Mapping[str, Iterable[Citation]]) -> list[Item]:
    """Return the sections that cases cite, themselves or by a requirement, in the order of the documents."""
    cases: dict[tuple[int, str], list[str]] = {}
    for case_id, citations in cited.items():
        for place in {_place(citation) for citation in citations} - {None}:
            assert place is not None
            cases.setdefault(place, []).append(case_id)
    titles = {
        (number, section): title
        for number, document in requirements.documents().items()
        for section, title in document.sections.items()
    }
    order = {place: at for at, place in enumerate(titles)}
    places = sorted(cases, key=lambda place: (order.get(place, len(order)), place))
    return [Item(f"RFC {rfc} §{section}", "", titles.get((rfc, section), ""), tuple(cases[rfc, section]))
            for rfc, section in places]  # fmt: skip


def _place(citation: Citation) -> tuple[int, str] | None:
    if citation.requirement:
        found = requirements.by_id(citation.requirement)
        return int(found.rfc), found.section.split(" ")[0]
    if citation.rfc is None or not citation.section:
        return None
    return citation.rfc, citation.section.split(" ")[0]


def lines(items: Sequence[Item], known: Iterable[str], runs: Sequence[Results] = ()) -> list[Line]:
    """Return a line per item; `known` are the ids of all cases."""
    ids = sorted(set(known))
    seen: dict[str, list[tuple[str, str]]] = {}
    for run in runs:
        for record in run.cases:
            seen.setdefault(record["id"], []).append((record["target"], record["verdict"]))
    table = []
    for item in items:
        found = tuple(dict.fromkeys(name for pattern in item.cases for name in _named(pattern, ids)))
        verdicts: dict[str, Counter[str]] = {}
        for name in found:
            for target, verdict in seen.get(name, ()):
                verdicts.setdefault(target, Counter())[verdict] += 1
        table.append(Line(item, found, verdicts))
    return table


def _named(pattern: str, ids: Sequence[str]) -> Iterator[str]:
    """Yield the cases that an id (with all of its rows) or a pattern names."""
    if "*" in pattern:
        plain = pattern.replace("[", "[[]")
        yield from (name for name in ids if fnmatch.fnmatchcase(name, plain))
    else:
        yield from (name for name in ids if name == pattern or name.startswith(f"{pattern}["))


def unknown(items: Iterable[Item], known: Iterable[str]) -> list[str]:
    """Return the names in a catalogue that no case has."""
    ids = sorted(set(known))
    return [pattern for item in items for pattern in item.cases if not any(_named(pattern, ids))]


def print_table(console: Console, table: Sequence[Line], targets: Sequence[str]) -> None:
    """Print a row per item, and how many are covered."""
    grid = Table(box=None, pad_edge=False)
    for title in _titles(targets):
        grid.add_column(title, overflow="fold")
    for line in table:
        grid.add_row(*(Text(text, style="bold red" if line.is_gap else "") for text in _fields(line, targets)))
    console.print(grid)
    done = sum(bool(line.cases) for line in table)
    apart = sum(bool(line.item.why_not) and not line.cases for line in table)
    console.print(f"{done} of {len(table)} have cases; {apart} have none, for the reason that is given")


def as_markdown(table: Sequence[Line], targets: Sequence[str]) -> str:
    """Return the table as Markdown."""
    rows = ([markdown.code(text) or "·" for text in _fields(line, targets)] for line in table)
    return "\n".join(markdown.table(_titles(targets), rows)) + "\n"


def _titles(targets: Sequence[str]) -> list[str]:
    return ["id", "state", "about", *targets, "cases"]


def _fields(line: Line, targets: Sequence[str]) -> list[str]:
    seen = [line.words(target) if line.cases else "–" for target in targets]
    return [line.item.id, line.item.state, line.item.about, *seen, line.named]
