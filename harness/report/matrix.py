"""The matrix at the end of a run: topics × targets, and in each field how many cases came to which verdict."""

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report import changes
from harness.report.changes import Seen
from harness.report.runs import shown_name

#: The verdicts in the order of the matrix: name in the results, column title, style.
VERDICTS = (
    ("conforms", "conforms", "green"),
    ("violates", "violates", "bold red"),
    ("deviates", "deviates", "yellow"),
    ("known deviation", "known", "cyan"),
    ("gone deviation", "gone", "bold red"),
    ("unobserved", "unobserved", "magenta"),
    ("not applicable", "n/a", "dim"),
    ("unstable", "unstable", "bold red"),
    ("inconclusive", "inconclusive", "bold red"),
    ("harness error", "error", "bold red"),
)
#: What a run may pass with, in the words of a list of such cases.
_AS_EXPECTED = {
    "known deviation": "known deviations, each as declared",
    "deviates": "deviate from a SHOULD",
    "unobserved": "unobserved",
    "not applicable": "not applicable",
}
#: The release of a stack of which nobody knows it.
NO_RELEASE = "0"
#: What conforms tells a reason where something of it was not asserted: scripts do.
_CONFORMS = "conforms"
#: Verdicts that have a column only where they occur.
_ALWAYS = frozenset({"conforms", "violates"})


@dataclass(slots=True)
class Matrix:
    """Counts verdicts per topic and target."""

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What cases told about known changes of their target, by target.
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, record: dict[str, Any]) -> None:
        """Count one case."""
        key = (str(record["target"]), str(record["id"]).partition("/")[0])
        self.counts.setdefault(key, Counter())[record["verdict"]] += 1
        if record["verdict"] != _CONFORMS or record.get("reason"):
            self.records.append(record)
        if "changes" in record:
            self.told.setdefault(str(record["target"]), []).append(record)

    @property
    def targets(self) -> list[str]:
        """The targets, in the order in which they appeared."""
        return list(dict.fromkeys(name for name, _group in self.counts))

    def rows(self, target: str) -> dict[str, Counter[str]]:
        """Return group -> verdict -> number of cases; the last group is "all"."""
        groups = {group: count for (name, group), count in sorted(self.counts.items()) if name == target}
        return {**groups, "all": sum(groups.values(), Counter())}

    def title(self, target: str) -> str:
        """Return the target with what it is."""
        facts = self.facts.get(target)
        if not facts:
            return target
        details = facts.get("details", {})
        release = "" if facts["version"] == NO_RELEASE else f" {facts['version']}"
        has = f", has {text}" if (text := details.get("has")) else ""
        if given := details.get("DHCP"):
            has = f", by DHCP {given}"
        return f"{shown_name(facts, target)}: {facts['implementation']}{release}{has}"

    def changes(self, target: str) -> list[Seen]:
        """Return the known changes of a target, and which of them its cases showed."""
        return changes.seen(self.facts.get(target, {}), self.told.get(target, ()))

    def render(self, *, width: int = 100, colour: bool = False, detailed: bool = True) -> str:
        """Return the matrix as text, with ANSI colours where wanted; `detailed`: with what else was as expected."""
        console = Console(file=io.StringIO(), width=width, force_terminal=colour, no_color=not colour, highlight=False)
        for target in self.targets:
            self._print_target(console, target)
            if detailed:
                self._print_reasons(console, target)
            else:
                self._print_counts(console, target)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def _print_target(self, console: Console, target: str) -> None:
        rows = self.rows(target)
        total = rows.pop("all")
        shown = [entry for entry in VERDICTS if entry[0] in _ALWAYS or total[entry[0]]]
        console.print(Text(self.title(target), style="bold"))
        table = Table(box=None, pad_edge=False)
        table.add_column("topic")
        for _verdict, title, style in shown:
            table.add_column(title, justify="right", header_style=style)
        for group, count in rows.items():
            table.add_row(group, *(_cell(count[verdict], style) for verdict, _title, style in shown))
        table.add_section()
        table.add_row("all", *(_cell(total[verdict], style) for verdict, _title, style in shown), style="bold")
        console.print(table)
        if words := changes.in_words(self.changes(target)):
            console.print(Text(words), soft_wrap=True)

    def _print_counts(self, console: Console, target: str) -> None:
        """Say in a line how many cases do not simply conform, and are as expected all the same."""
        total = self.rows(target)["all"]
        words = [f"{total[verdict]} {text}" for verdict, text in _AS_EXPECTED.items() if total[verdict]]
        if part := len(self._of(target, _CONFORMS)):
            words.append(f"{part} conform with something not asserted")
        if words:
            console.print(Text(f"{', '.join(words)} (-v lists them, tcpspec report shows them)"), soft_wrap=True)

    def _print_reasons(self, console: Console, target: str) -> None:
        """Say once per reason, in a line, what does not simply conform and why."""
        for verdict, title in {**_AS_EXPECTED, _CONFORMS: _CONFORMS}.items():
            reasons: dict[str, set[str]] = {}
            for record in self._of(target, verdict):
                issue = f" ({record['issue']})" if "issue" in record else ""
                reasons.setdefault(record.get("reason", "") + issue, set()).add(record["id"])
            if not reasons:
                continue
            console.print(Text(f"{title}:", style="bold"))
            for reason, ids in reasons.items():
                names = sorted(ids)
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                console.print(Text(f"  {names[0]}{more}: {reason}"), no_wrap=True, overflow="ellipsis")

    def _of(self, target: str, verdict: str) -> list[dict[str, Any]]:
        return [record for record in self.records if (record["target"], record["verdict"]) == (target, verdict)]


def _cell(count: int, style: str) -> Text:
    return Text(str(count), style=style) if count else Text("·", style="dim")
