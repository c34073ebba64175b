"""Comparisons as one HTML page that needs nothing else: no script, inline style, light and dark."""

from collections.abc import Iterator, Sequence
from html import escape

from harness.report.compare.differences import Change, Comparison
from harness.report.compare.groups import Group, conclusion, grouped
from harness.report.compare.text import heading

_STYLE = """
:root { color-scheme: light dark; --worse: #b3261e; --better: #1b7f3b; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --worse: #ff8a80; --better: #7bd88f; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
summary { cursor: pointer; } .worse { color: var(--worse); } .better { color: var(--better); }
"""
_CLASSES = {Change.WORSE: "worse", Change.BETTER: "better"}


def render(comparisons: Sequence[Comparison]) -> str:
    """Return the page."""
    body = "\n".join(line for comparison in comparisons for line in _comparison(comparison))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>tcpspec: comparison</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>Comparison</h1>\n{body}\n</body></html>\n"
    )


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield f"<section><h2>{escape(comparison.base.label)} → {escape(comparison.other.label)}</h2>"
    if comparison.partial:
        yield '<p class="worse"><strong>Incomplete:</strong> at least one of the two runs did not come to its end.</p>'
    yield f"<p><strong>{escape(conclusion(comparison))}</strong></p>"
    yield f"<p>base: {escape(heading(comparison.base))}<br>other: {escape(heading(comparison.other))}</p>"
    if comparison.facts:
        yield "<h3>Facts that differ</h3><table><thead><tr><th>fact<th>base<th>other</thead><tbody>"
        for fact in comparison.facts:
            yield f"<tr><th>{escape(fact.name)}<td>{_code(fact.before)}<td>{_code(fact.after)}"
        yield "</tbody></table>"
    for change in Change:
        groups = grouped(comparison.of(change))
        if groups:
            yield f'<h3 class="{_CLASSES.get(change, "")}">{change}: {len(comparison.of(change))}</h3>'
            yield "<table><thead><tr><th>cases<th>base<th>other<th>rules</thead><tbody>"
            yield from map(_row, groups)
            yield "</tbody></table>"
    yield "</section>"


def _row(group: Group) -> str:
    names = f"<code>{escape(group.names[0])}</code>"
    if len(group.names) > 1:
        rest = "<br>".join(f"<code>{escape(name)}</code>" for name in group.names[1:])
        names = f"<details><summary>{names} and {len(group.names) - 1} more</summary>{rest}</details>"
    style = ' class="worse"' if group.regression else ""
    rules = escape(", ".join(group.cites))
    return f"<tr{style}><td>{names}<td>{_code(group.before)}<td>{_code(group.after)}<td>{rules}"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else ""
