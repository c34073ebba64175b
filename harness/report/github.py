"""What a run tells GitHub Actions: annotations on the files of cases, and a summary of the step."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.report import changes, kinds, markdown
from harness.report.matrix import VERDICTS, Matrix
from harness.report.runs import Case
from harness.trace import ladder

#: Kinds whose ladder stands in the summary; it says how many more there are.
TOLD = 20


def annotations(cases: Sequence[Case], root: Path, workspace: Path) -> Iterator[str]:
    """Yield one ``::error`` per kind, at the source of its first case if that lies in the workspace.

    GitHub shows ten of a step, so what belongs together is one. `root` is where the paths of the cases begin.
    """
    for kind in kinds.grouped(cases):
        title = f"{kind.rule or kind.first.verdict}: {kind.difference}, {_count(kind.cases)}"
        properties = {**_place(kind.first, root, workspace), "title": title}
        named = ",".join(f"{name}={_escaped(value, ':', ',')}" for name, value in properties.items())
        case = kind.first
        lines = [f"{case.key.id} on {case.target}, IPv{case.key.ip}: {case.verdict}: {case.reason}"]
        lines += [kind.others()] if len(kind.cases) > 1 else []
        yield f"::error {named}::{_escaped(chr(10).join([*lines, f'again: {case.reproduce}']))}"


def _count(cases: Sequence[Case]) -> str:
    return "1 case" if len(cases) == 1 else f"{len(cases)} cases"


def _place(case: Case, root: Path, workspace: Path) -> dict[str, str]:
    file, _colon, line = case.at.rpartition(":")
    path = (root / file).resolve()
    if not file or not line.isdigit() or not path.is_relative_to(workspace.resolve()):
        return {}
    return {"file": str(path.relative_to(workspace.resolve())), "line": line}


def _escaped(text: str, *more: str) -> str:
    """Escape as workflow commands need it; `more` are what ends a property."""
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def summary(matrix: Matrix, unexpected: Sequence[Case]) -> str:
    """Return the matrix of each target, and the kinds of what is not as expected, as Markdown."""
    lines: list[str] = []
    for target in matrix.targets:
        lines += [f"## {markdown.code(matrix.title(target))}", "", *_table(matrix, target), ""]
        if words := changes.in_words(matrix.changes(target)):
            lines += [words, ""]
    found = kinds.grouped(unexpected)
    if found:
        lines += [
            f"### Not as expected: {_count(unexpected)} of {len(found)} {'kind' if len(found) == 1 else 'kinds'}",
            "",
        ]
    for kind in found[:TOLD]:
        lines += _told(kind)
    if len(found) > TOLD:
        lines += [f"* and {len(found) - TOLD} more kinds, {sum(len(kind.cases) for kind in found[TOLD:])} cases"]
    return "\n".join([*lines, "", ""])


def _told(kind: kinds.Kind) -> Iterator[str]:
    """Yield a kind as an item of a list: the rule, how many, the first with its ladder, the others."""
    yield f"* **{kind.rule or kind.first.verdict}** {markdown.code(str(kind.difference))}: {_count(kind.cases)}"
    yield f"  * {_sentence(kind.first)}"
    yield from [f"  * {markdown.code(kind.others())}"] if len(kind.cases) > 1 else []
    if kind.first.ladder:
        # Four blanks more than the item: a code block, in which nothing is rendered.
        yield from ("", *(f"      {line}" for line in ladder.render_record(kind.first.ladder).splitlines()), "")


def _table(matrix: Matrix, target: str) -> Iterator[str]:
    rows = matrix.rows(target)
    shown = [(verdict, title) for verdict, title, _style in VERDICTS if rows["all"][verdict]]
    titles = ("topic", *(title for _verdict, title in shown))
    cells = (
        [group, *(str(row[verdict]) if row[verdict] else "·" for verdict, _title in shown)]
        for group, row in rows.items()
    )
    yield from markdown.table(titles, ([markdown.code(group), *rest] for group, *rest in cells), right=True)


def _sentence(case: Case) -> str:
    where = markdown.code(f"{case.key.id} on {case.target}, IPv{case.key.ip}")
    return f"{where} {case.verdict}: {markdown.code(case.reason)}"
