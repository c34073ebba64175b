"""Who imports whom in the harness, read from its files; `picture` draws the packages as the floors of a house."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

HARNESS = Path(__file__).parents[1]
#: The page with the picture, and the lines around it.
PAGE = HARNESS / "ARCHITECTURE.md"
BEGIN, END = "<!-- drawn by `tcpspec docs --layers` -->", "<!-- end of the picture -->"


class Import:
    """One import statement: the full name of a module (or of something in it), and whether it runs on import."""

    def __init__(self, name: str, line: int, lazy: bool) -> None:
        self.name, self.line, self.lazy = name, line, lazy
        self.top, *self.rest = name.split(".")


def imports_of(source: str, package: str) -> Iterator[Import]:
    """Yield the imports of a module that lies in `package` (such as ``harness.case``)."""
    ahead: list[tuple[ast.AST, bool]] = [(ast.parse(source), False)]
    while ahead:
        node, lazy = ahead.pop()
        for name in _names(node, package):
            yield Import(name, getattr(node, "lineno", 0), lazy)
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ahead.extend((inner, lazy) for inner in ast.iter_child_nodes(node))


def _names(node: ast.AST, package: str) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            parts = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            base = ".".join([*parts, *([module] if module else [])])
            return [f"{base}.{alias.name}" for alias in names]
        case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__")):
            argument = node.args[0] if node.args else None
            written = argument.value if isinstance(argument, ast.Constant) else None
            return [written if isinstance(written, str) else "a name that is made up at run time"]
    return []


@cache
def packages() -> dict[str, set[str]]:
    """Return what each package of the harness imports of the others; `cli` is a file."""
    found: dict[str, set[str]] = {}
    for path in sorted(HARNESS.rglob("*.py")):
        parts = path.relative_to(HARNESS).with_suffix("").parts
        if parts[0].startswith("__"):
            continue
        package = ".".join(("harness", *parts[:-1]))
        names = imports_of(path.read_text(encoding="utf-8"), package)
        ours = {each.rest[0] for each in names if each.top == "harness" and each.rest}
        found.setdefault(parts[0], set()).update(ours - {parts[0]})
    # The command that completes a line asks the table of verbs; nothing else looks up.
    return {name: {one for one in below if one in found and one != "cli"} for name, below in found.items()}


def picture(below: Mapping[str, set[str]]) -> str:
    """Return the packages by floors, the highest first, each with those that it stands on directly."""
    floors: dict[str, int] = {}
    while len(floors) < len(below):
        ready = {name for name in below if name not in floors and below[name] <= floors.keys()}
        if not ready:
            raise ValueError(f"packages import each other: {', '.join(sorted(below.keys() - floors.keys()))}")
        floors |= {name: 1 + max((floors[one] for one in below[name]), default=0) for name in ready}
    reached = {name: _reached(name, below) for name in below}
    lines = []
    for name in sorted(floors, key=lambda each: (-floors[each], each)):
        direct = sorted(one for one in below[name] if not any(one in reached[other] for other in below[name]))
        lines.append(f"{floors[name]:>2}  {name:<13}{_standing(direct)}".rstrip())
    return "\n".join(lines)


def _standing(direct: list[str]) -> str:
    return f"on {', '.join(direct)}" if direct else ""


def _reached(name: str, below: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        fresh = below[ahead.pop()] - found
        found |= fresh
        ahead.extend(fresh)
    return found


def drawn(page: str) -> str:
    """Return the text of the page of architecture with the picture as it is now."""
    head, _begin, rest = page.partition(BEGIN)
    _old, _end, tail = rest.partition(END)
    lines = "\n".join(f"    {line}" for line in picture(packages()).splitlines())
    return f"{head}{BEGIN}\n\n{lines}\n\n{END}{tail}"
