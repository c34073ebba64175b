"""``tcpspec matrix --page FILE``: the page on which many stacks stand in one table, from what their runs have left."""

import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from harness.report import markdown
from harness.report.matrix import VERDICTS
from harness.report.runs import Column
from harness.trace.schema import UNEXPECTED

#: What a field of the second table shows, in this order, where nothing is unexpected.
_SHOWN = ("conforms", "known deviation", "deviates", "not applicable")
_TITLES = {
    "conforms": "conforms",
    "violates": "violates, undeclared",
    "deviates": "leaves a SHOULD",
    "known deviation": "violates, declared",
    "gone deviation": "declared, and gone",
    "not applicable": "n/a",
    "harness error": "error",
}
_WORDS = {verdict: title for verdict, title, _style in VERDICTS}
_HEAD = """\
# The stacks in one table

Each row is a run of one stack: cases, cells of the grid, timers, and conversations that nobody wrote, on each IP
version that it speaks; the command behind the table says how much of the grid and which timers. What is *declared* has
its reason and its source in the files beside this page; the worst of it is on [the page of findings](FINDINGS.md). This
page is drawn from the runs' `results.jsonl`:

    tcpspec matrix RESULTS… --page harness/expectations/TABLE.md --note 'of which commit, on what machine'
"""
_TOPICS = """\
## By topic

Of each topic: cases that conform / violations, each as declared / SHOULDs that are left / not applicable; what else
came of it is named.
"""


def render(found: Sequence[Column], note: str = "") -> str:
    """Return the page: a row per target, first with its sums, then by topic. `note` says what the runs do not know."""
    counts = [_by_topic(column) for column in found]
    sums = [sum(topics.values(), Counter[str]()) for topics in counts]
    began = sorted(column.run.started[:10] for column in found)
    days = " to ".join(dict.fromkeys((began[0], began[-1])))
    told = "\n".join(textwrap.wrap(f"The runs are of {days}{': ' * bool(note)}{note}.", 120)) + "\n"
    parts = [_HEAD, told, *_sums(found, sums), "", *_commands(found), "", _TOPICS, *_topics(found, counts)]
    return "\n".join(parts) + "\n"


def _by_topic(column: Column) -> dict[str, Counter[str]]:
    topics: dict[str, Counter[str]] = {}
    for case in column.cases.values():
        topics.setdefault(case.group, Counter())[case.verdict] += 1
    return topics


def _sums(found: Sequence[Column], sums: Sequence[Counter[str]]) -> Iterator[str]:
    verdicts = [name for name, _title, _style in VERDICTS]
    titles = ["target", "stack", *(_TITLES.get(name, name) for name in verdicts), "wall time"]
    rows = [
        [
            markdown.code(column.label),
            _stack(column),
            *(f"{count[name]:,}" if count[name] else "·" for name in verdicts),
            _wall_time(column),
        ]
        for column, count in zip(found, sums, strict=True)
    ]
    return markdown.table(titles, rows, right=True)


def _stack(column: Column) -> str:
    facts = column.facts
    return markdown.code(f"{facts['implementation']} {facts['version']}") if facts else ""


def _wall_time(column: Column) -> str:
    """Return the time of the run; a run of several targets tells no time of each."""
    seconds = column.run.seconds
    if seconds is None:
        return "incomplete"
    if len(column.run.targets) > 1:
        return "·"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"


def _commands(found: Sequence[Column]) -> Iterator[str]:
    """Yield how the runs were started, with NAME for the target, and where."""
    for words in dict.fromkeys(_command(column) for column in found):
        yield f"    {words}"


def _command(column: Column) -> str:
    words, place = [], False
    for word in column.run.command:
        if not place and not word.startswith("--results="):
            words.append("NAME" if word == column.target else word)
        place = word == "--results" and not place
    return shlex.join(word for word in words if word != "--results")


def _topics(found: Sequence[Column], counts: Sequence[dict[str, Counter[str]]]) -> Iterator[str]:
    names = sorted({name for topics in counts for name in topics})
    rows = [
        [markdown.code(column.label), *(_field(topics.get(name, Counter())) for name in names)]
        for column, topics in zip(found, counts, strict=True)
    ]
    return markdown.table(["target", *names], rows)


def _field(count: Counter[str]) -> str:
    if not count:
        return "·"
    shown = " / ".join(str(count[verdict]) for verdict in _SHOWN)
    rest = [verdict for verdict in _WORDS if count[verdict] and (verdict in UNEXPECTED or verdict == "unobserved")]
    return ", ".join([shown, *(f"{count[verdict]} {_WORDS[verdict]}" for verdict in rest)])
