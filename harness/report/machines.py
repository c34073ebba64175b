"""The pages of learned machines that lie beside a run: `tcpspec learn` writes them into its folder `learn`."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.report.runs import Column

#: Of a machine's file, as harness/learn/LEARN.md describes it.
_SCHEMA = "tcpspec-machine/1"
_FOLDER = "learn"


@dataclass(frozen=True, slots=True)
class MachinePage:
    """A link to the page of a machine: which target's, and what it shows."""

    label: str
    text: str
    href: str


def pages(columns: Sequence[Column], folder: Path | None) -> list[MachinePage]:
    """Return the pages of machines that were learned of these very targets; links are relative to `folder`."""
    return [page for column in columns for page in _of(column, folder)]


def _of(column: Column, folder: Path | None) -> Iterator[MachinePage]:
    for file in sorted((column.run.path.parent / _FOLDER).glob("*.json")):
        page, machine = file.with_suffix(".html"), _read(file)
        target = machine.get("target")
        same = isinstance(target, dict) and all(
            target.get(name) == column.facts.get(name) for name in ("implementation", "version")
        )
        if same and page.exists():
            href = os.path.relpath(page, folder) if folder is not None else str(page)
            found = machine.get("machine")
            states = len(found) if isinstance(found, list) else 0
            asked = f"{machine.get('role')}, {machine.get('alphabet')} letters"
            stopped = machine.get("stopped")
            cut = ", cut off" if isinstance(stopped, dict) and "cut" in stopped else ""
            yield MachinePage(column.label, f"{asked}, learned: {states} states{cut}", quote(href))


def _read(file: Path) -> dict[str, object]:
    """Return a machine's file, nothing where it is none."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) and data.get("schema") == _SCHEMA else {}
