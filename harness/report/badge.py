"""A badge: one line about runs, as SVG or as the JSON that shields.io reads."""

import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from harness.report.runs import Column

#: Width of a character of the badge's font, in units of the drawing: Verdana at 11.
_CHARACTER = 6.8
_PADDING = 10
_COLOURS = {"brightgreen": "#2f8f3a", "red": "#c0392b", "lightgrey": "#777"}
#: What the right half counts where all is as expected.
_WORDS = {"conforms": "conform", "known deviation": "known deviations", "deviates": "deviate from a SHOULD"}


class UnknownBadge(ValueError):
    """A badge of another kind than those there are."""


def write(path: Path, columns: Sequence[Column]) -> None:
    """Write a badge: SVG, or JSON for shields.io, as the file's name ends. Raises UnknownBadge and OSError."""
    writers = {".svg": as_svg, ".json": as_json}
    writer = writers.get(path.suffix)
    if writer is None:
        raise UnknownBadge(f"{path}: a badge is written as {' or '.join(writers)}")
    path.write_text(writer(columns), encoding="utf-8")


def label(columns: Sequence[Column]) -> str:
    """Return the left half: the tool, and the targets where they are few."""
    names = list(dict.fromkeys(column.target for column in columns))
    return f"tcpspec {', '.join(names)}" if len(names) <= 2 else f"tcpspec {len(names)} targets"


def message(columns: Sequence[Column]) -> tuple[str, str]:
    """Return the right half, and its colour by the names of shields.io."""
    cases = [(case, column.run.level) for column in columns for case in column.cases.values()]
    if any(column.partial for column in columns) or not cases:
        return "incomplete run", "lightgrey"
    unexpected = sum(not case.as_expected(level) for case, level in cases)
    if unexpected:
        return f"{unexpected} of {len(cases)} not as expected", "red"
    counts = Counter(case.verdict for case, _level in cases)
    parts = [f"{counts[verdict]} {words}" for verdict, words in _WORDS.items() if counts[verdict]]
    return ", ".join(parts) or "nothing to judge", "brightgreen"


def as_json(columns: Sequence[Column]) -> str:
    """Return the JSON of a shields.io endpoint."""
    words, colour = message(columns)
    return json.dumps({"schemaVersion": 1, "label": label(columns), "message": words, "color": colour}) + "\n"


def as_svg(columns: Sequence[Column]) -> str:
    """Return the badge as a picture of its own."""
    left, (right, colour) = label(columns), message(columns)
    widths = [round(len(text) * _CHARACTER + 2 * _PADDING) for text in (left, right)]
    total = sum(widths)
    texts = "".join(
        f'<text x="{x}" y="14" textLength="{width - 2 * _PADDING}">{escape(text)}</text>'
        for x, width, text in ((_PADDING, widths[0], left), (widths[0] + _PADDING, widths[1], right))
    )
    title = escape(f"{left}: {right}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="20" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
        f'<clipPath id="round"><rect width="{total}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#round)"><rect width="{widths[0]}" height="20" fill="#444"/>'
        f'<rect x="{widths[0]}" width="{widths[1]}" height="20" fill="{_COLOURS[colour]}"/></g>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>\n'
    )
