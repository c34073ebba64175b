"""Comparisons as one HTML page that needs nothing else: no script, inline style, light and dark."""

from collections.abc import Iterator, Sequence
from html import escape

from harness.report.compare.differences import Change, Comparison
from harness.report.compare.groups import Group, conclusion, grouped
from harness.report.compare.text import heading

_STYLE = """
:root { color-scheme: light dark; --worse: #b3261e; --better: #1b7f3b; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --worse: #ff8a80; --better: #7bd88f; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--line); }
thead th, .quiet { font-weight: 400; opacity: .75; }
tbody th { font-weight: 500; }
code { font: 13px ui-monospace, monospace; overflow-wrap: break-word; }
td { max-width: 28rem; overflow-wrap: break-word; }
summary { cursor: pointer; } .worse { color: var(--worse); } .better { color: var(--better); }
@media (max-width: 640px) {
  thead { display: none; }
  table, tbody, tr, td, tbody th { display: block; max-width: none; border: 0; padding: 0; overflow-wrap: anywhere; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  td[data-label]:not(:empty)::before { content: attr(data-label) " "; opacity: .75; }
}
"""
#: Rules that are named in a row; where there are more, their number says it.
MOST_RULES = 8
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
            yield f"<tr><th>{escape(fact.name)}{_field('base', fact.before)}{_field('other', fact.after)}"
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
    rules = escape(", ".join(group.cites if len(group.cites) <= MOST_RULES else [f"{len(group.cites)} rules"]))
    fields = _field("base", group.before) + _field("other", group.after)
    return f'<tr><td{style}>{names}{fields}<td data-label="rules">{rules}'


def _field(label: str, text: str) -> str:
    return f'<td data-label="{label}">' + (f"<code>{escape(text)}</code>" if text else "")
