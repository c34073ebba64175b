"""Public reports of bugs, and what finds each. ``python -m harness.mutate.reports`` prints the page from its table."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("reports.toml")
PAGE = Path(__file__).with_name("REPORTS.md")

_HEAD = """# Public reports

{count} reports of bugs in {stacks} stacks, in our words, and what finds each: {cases} by a case, {others} only by whole
conversations, of which {known} are named here. The column *defect* names the seeded defect that rebuilds the bug, where
there is one: a selftest plays the case, or the conversation, on the reference stack with that defect, and without it.
`tcpspec show CASE` and `tcpspec explore --kind KIND` show them. A kind without a conversation is the kind that the
report belongs to; that one of its conversations finds it is not shown yet.

| report | what it was | breaks | found by | defect |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Report:
    """One report; the fields are those of ``reports.toml``, "" for what is not given."""

    report: str
    stack: str
    what: str
    cites: tuple[str, ...]
    case: str = ""
    kind: str = ""
    conversation: str = ""
    defect: str = ""


@cache
def reports() -> tuple[Report, ...]:
    """Return all reports, in the order of the table."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["report"]
    return tuple(Report(**{**entry, "cites": tuple(entry["cites"])}) for entry in entries)


def markdown() -> str:
    """Return the page."""
    rows = reports()
    by_case = sum(bool(each.case) for each in rows)
    head = _HEAD.format(
        count=len(rows),
        stacks=len({each.stack.split(";")[0].split(" ")[0] for each in rows}),
        cases=by_case,
        others=len(rows) - by_case,
        known=sum(bool(each.conversation) for each in rows),
    )
    return head + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for each in reports():
        where = f"[{each.stack}]({each.report})" if each.report.startswith("https") else f"{each.stack}: {each.report}"
        finder = f"`{each.case}`" if each.case else f"kind *{each.kind}*"
        finder += f": `{each.conversation}`" if each.conversation else ""
        yield f"| {where} | {each.what} | {', '.join(each.cites)} | {finder} | {each.defect or '–'} |"


if __name__ == "__main__":
    print(markdown(), end="")
