"""Entries of an expectations file as text: what a person may edit, and what a later run may take out again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.expectations.deviations import DRAFT

#: The order in which keys are written; what only a person knows stands last.
_ORDER = ("case", "place", "setting", "flags", "seq", "ack", "payload", "tsval", "when", "ip", "state", "observed")
_WORDS = ("reason", "source", "looks_like", "issue", "until")


@dataclass(frozen=True)
class Entry:
    """One entry. `cases` counts what it covers in the run; `words` are those of an entry that it takes the place of."""

    table: str
    keys: Mapping[str, Any]
    cases: int
    example: str = ""
    words: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """Return the entry as TOML, with a comment that says what it is about."""
        due = ("reason", "source", "looks_like") if self.table == "grid" else ("reason", "source")
        words = dict.fromkeys(due, DRAFT) | dict(self.words)
        count = "1 case" if self.cases == 1 else f"{self.cases} cases"
        head = [f"# {count}, such as {self.example}" if self.example else f"# {count}", f"[[{self.table}]]"]
        lines = [f"{name} = {value(self.keys[name])}" for name in _ORDER if name in self.keys]
        return (
            "\n".join([*head, *lines, *(f"{name} = {value(words[name])}" for name in _WORDS if name in words)]) + "\n"
        )


def value(thing: Any) -> str:
    """Return a value as TOML writes it: texts, numbers, lists of texts, and tables in a line."""
    if isinstance(thing, Mapping):
        return "{ " + ", ".join(f"{name} = {value(each)}" for name, each in thing.items()) + " }"
    if isinstance(thing, list | tuple):
        texts = [value(each) for each in thing]
        line = f"[{', '.join(texts)}]"
        return line if len(line) < 100 else "[\n" + "".join(f"    {text},\n" for text in texts) + "]"
    # A JSON text is a TOML text, but for what TOML wants escaped and JSON does not.
    return json.dumps(thing, ensure_ascii=False).replace("\x7f", "\\u007f")


def compact(values: Sequence[str]) -> str | list[str]:
    """Return one value alone, several as a list."""
    return values[0] if len(values) == 1 else list(values)


def together(entries: Iterable[Entry]) -> str:
    """Return the entries as the text of a file."""
    return "\n".join(entry.text() for entry in entries)
