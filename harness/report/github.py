"""What a run tells GitHub Actions: annotations on the files of cases, and a summary of the step."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.report import markdown
from harness.report.matrix import VERDICTS, Matrix
from harness.report.runs import Case

#: Cases that an annotation or a section of the summary names; it says how many more there are.
NAMED = 10


def by_rule(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Return requirement (or section, where none is cited) -> cases; each case stands at the first that it cites."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(next(iter((*case.requirements, *case.sections)), "no rule"), []).append(case)
    return groups


def annotations(cases: Sequence[Case], root: Path, workspace: Path) -> Iterator[str]:
    """Yield one ``::error`` per rule, at the source of its first case if that lies in the workspace.

    GitHub shows ten of a step, so what belongs together is one. `root` is where the paths of the cases begin.
    """
    for rule, group in by_rule(cases).items():
        properties = {**_place(group[0], root, workspace), "title": f"{rule}: {_count(group)} not as expected"}
        named = ",".join(f"{name}={_escaped(value, ':', ',')}" for name, value in properties.items())
        lines = [f"{case.key.id} on {case.target}, IPv{case.key.ip}: {case.verdict}: {case.reason}" for case in group]
        more = [f"and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
        yield f"::error {named}::{_escaped(chr(10).join([*lines[:NAMED], *more, f'again: {group[0].reproduce}']))}"


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
    """Return the matrix of each target, and what is not as expected by rule, as Markdown."""
    lines: list[str] = []
    for target in matrix.targets:
        lines += [f"## {markdown.code(matrix.title(target))}", "", *_table(matrix, target), ""]
    if unexpected:
        lines += [f"### Not as expected: {_count(unexpected)}", ""]
    for rule, group in by_rule(unexpected).items():
        lines += [f"* **{rule}**", *(f"  * {_sentence(case)}" for case in group[:NAMED])]
        lines += [f"  * and {len(group) - NAMED} more"] if len(group) > NAMED else []
    return "\n".join([*lines, "", ""])


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
