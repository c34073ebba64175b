"""TOML files of entries that stand each under a line of its own, such as ``[[deviation]]``."""

import re
import tomllib
from collections.abc import Set
from pathlib import Path
from typing import Any

from harness.cache import kept


class BrokenExpectations(ValueError):
    """A file that can't be used; the message names file and line."""


#: Files below come with the tool, and are read again and again.
_OURS = Path(__file__).parent


def read(path: Path, table: str, *, beside: Set[str] = frozenset()) -> list[tuple[dict[str, Any], int]]:
    """Return the entries ``[[table]]`` of a file, each with its line; raises BrokenExpectations.

    Tables of the names `beside` may stand there too; any other is an error.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BrokenExpectations(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        problem = "no text in UTF-8, and known deviations are a TOML file"
        raise BrokenExpectations(f"{path}: can't be read: {problem}") from None
    try:
        data = _parsed(path, text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))  # "at end of document" is the only place without a number
        where = line.group(1) if line else len(text.splitlines())
        raise BrokenExpectations(f"{path}:{where}: not TOML: {error}") from None
    if unknown := sorted(set(data) - {table} - beside):
        raise BrokenExpectations(f"{path}:1: unknown table {unknown[0]!r}; entries are [[{table}]]")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == f"[[{table}]]"]
    entries = data.get(table, [])
    if not isinstance(entries, list) or len(lines) != len(entries):
        raise BrokenExpectations(f"{path}:1: write each entry under a [[{table}]] line of its own")
    return list(zip(entries, lines, strict=True))


def _parsed(path: Path, text: str) -> dict[str, Any]:
    """Return what a file says: kept where it is one of ours, since to parse them takes longer than most cases."""
    if _OURS not in path.parents:
        return tomllib.loads(text)
    found: dict[str, Any] = kept(f"toml-{path.parent.name}-{path.stem}", [text], lambda: tomllib.loads(text))
    return found
