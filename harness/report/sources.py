"""The source of a case, where it comes with the tool: the function that its file and line name."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def source_of(at: str, case_id: str) -> str:
    """Return the text of a case's function, "" if this installation has no such function at that place.

    `at` is ``testcases/<topic>/<file>.py:<line>``. The name must be the case's: in another version of the tool
    something else may stand there.
    """
    place, _colon, line = at.rpartition(":")
    parts = Path(place).parts
    if parts[:1] != ("testcases",) or ".." in parts or not line.isdigit():
        return ""
    wanted = case_id.partition("/")[2].partition("[")[0]
    for first, last, name in _functions(parts[1:]):
        if first <= int(line) <= last and name.removeprefix("test_").replace("_", "-") == wanted:
            return "\n".join(_lines(parts[1:])[first - 1 : last])
    return ""


@cache
def _functions(parts: tuple[str, ...]) -> tuple[tuple[int, int, str], ...]:
    return tuple(_spans("\n".join(_lines(parts))))


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield min([node.lineno, *(mark.lineno for mark in node.decorator_list)]), node.end_lineno or 0, node.name


@cache
def _lines(parts: tuple[str, ...]) -> list[str]:
    path = Path(__file__).parents[2].joinpath("testcases", *parts)
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
