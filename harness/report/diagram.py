"""The state diagram: figure 5 of RFC 9293, with what a run showed on each edge, or what two runs showed differently."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from harness.report import svg
from harness.report.diagram_places import BOX_HEIGHT, BOX_WIDTH, BOXES, HEIGHT, LEGEND, LINES, WIDTH
from harness.report.transitions import Edge, Use, edges, use_of

#: Gives the address of an edge's cases.
Link = Callable[[Edge], str]

CONFORMS, KNOWN, VIOLATES, UNUSED = "conforms", "known", "violates", "unused"
#: What the edges of a diagram can be, in words, with their sign: colour is never the only difference.
WORDS = {CONFORMS: "conforms", KNOWN: "known deviation", VIOLATES: "violates", UNUSED: "not exercised"}
SIGNS = {CONFORMS: "✓", KNOWN: "≈", VIOLATES: "✗", UNUSED: "0"}
SAME, DIFFERS = "same", "differs"

_DECLARED = frozenset({"known deviation", "deviates"})


@dataclass(slots=True)
class Count:
    """How many cases went over an edge, and how many verdicts about it are bad: declared, and not."""

    cases: int = 0
    known: int = 0
    violates: int = 0

    @property
    def bad(self) -> int:
        """How many verdicts are about this edge and not simply good."""
        return self.known + self.violates

    @property
    def status(self) -> str:
        """What the edge is coloured by: the worst."""
        if self.violates:
            return VIOLATES
        if self.known:
            return KNOWN
        return CONFORMS if self.cases else UNUSED

    def __str__(self) -> str:
        if self.status in (CONFORMS, UNUSED):
            return f"✓ {self.cases:,}" if self.cases else "0"
        return f"{SIGNS[self.status]} {self.violates or self.known:,} of {self.cases:,}"


@dataclass(slots=True)
class Walked:
    """What the cases of one target show of the machine: a count per edge, and changes that no table has."""

    counts: list[Count] = field(default_factory=lambda: [Count() for _edge in edges()])
    strange: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any]) -> Use:
        """Count a line of the results; return what it shows."""
        use = use_of(record)
        for at in {*use.passed, *([] if use.decided is None else [use.decided])}:
            self.counts[at].cases += 1
        if use.decided is not None:
            count = self.counts[use.decided]
            if record["verdict"] in _DECLARED:
                count.known += 1
            else:
                count.violates += 1
        for change in use.strange:
            self.strange.setdefault(change, []).append(record["id"])
        return use


class Shown(NamedTuple):
    """How an edge is drawn: its style, and the words beside its label."""

    style: str
    words: str


def of_run(walked: Walked, title: str, *, link: Link | None = None, standalone: bool = False) -> str:
    """Return the diagram of one target; `link` gives the address of an edge's cases."""
    shown = [Shown(count.status, str(count)) for count in walked.counts]
    return _draw(shown, title, [(name, f"{SIGNS[name]} {WORDS[name]}") for name in WORDS], link, standalone)


def small(walked: Walked, title: str) -> str:
    """Return the diagram of one target without words on its edges: for a look at where it is red."""
    drawn = [(edge, count.status) for edge, count in zip(edges(), walked.counts, strict=True) if edge.drawn]
    lines = []
    for edge, status in drawn:
        corners = LINES[edge.name].corners
        d = "M" + "L".join(f"{x} {y}" for x, y in corners)
        body = f'<path class="line" d="{d}"/>{_tip(corners)}'
        lines.append(f'<g class="edge {status}"><title>{escape(f"{edge}: {status}")}</title>{body}</g>')
    words = ", ".join(f"{edge}: {status}" for edge, status in drawn if status in (VIOLATES, KNOWN))
    return svg.document("states small", WIDTH, HEIGHT, title, words or "every edge conforms", [*lines, *_boxes()])


def of_difference(first: Walked, second: Walked, title: str, *, link: Link | None = None) -> str:
    """Return the diagram of what differs between two targets, called A and B."""
    shown = [_contrast(one.status, other.status) for one, other in zip(first.counts, second.counts, strict=True)]
    legend = [(DIFFERS, "A and B differ"), (SAME, "the same in both"), (UNUSED, "not exercised by both")]
    return _draw(shown, title, legend, link, False)


def _contrast(one: str, other: str) -> Shown:
    """Return how an edge with these two statuses is drawn; what one run did not exercise can't differ."""
    if UNUSED in (one, other):
        only = [f"only {name} {SIGNS[status]}" for name, status in (("A", one), ("B", other)) if status != UNUSED]
        return Shown(UNUSED, "".join(only))
    return Shown(SAME, "") if one == other else Shown(DIFFERS, f"A {SIGNS[one]} B {SIGNS[other]}")


def _draw(
    shown: list[Shown],
    title: str,
    legend: list[tuple[str, str]],
    link: Link | None,
    standalone: bool,
) -> str:
    drawn = [(edge, look) for edge, look in zip(edges(), shown, strict=True) if edge.drawn]
    words = "\n".join(f"{edge}: {look.words or look.style}" for edge, look in drawn)
    parts = [*_legend(legend), *(_edge(edge, look, link) for edge, look in drawn), *_boxes()]
    return svg.document("states", WIDTH, HEIGHT, title, words, parts, standalone=standalone, interactive=bool(link))


def _legend(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    x, y = LEGEND
    for at, (style, words) in enumerate(entries):
        middle = y + 22 * at
        yield f'<g class="edge {style}"><path class="line" d="M{x} {middle}H{x + 34}"/>'
        yield f'<text x="{x + 44}" y="{middle + 4}">{escape(words)}</text></g>'


def _boxes() -> Iterator[str]:
    for state, x, y in BOXES:
        corner = f'x="{x - BOX_WIDTH // 2}" y="{y - BOX_HEIGHT // 2}"'
        yield f'<rect class="box" {corner} width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4"/>'
        yield f'<text class="m state" x="{x}" y="{y + 4}">{state}</text>'


def _edge(edge: Edge, look: Shown, link: Link | None) -> str:
    line = LINES[edge.name]
    d = "M" + "L".join(f"{x} {y}" for x, y in line.corners)
    body = f'<path class="hit" d="{d}"/><path class="line" d="{d}"/>{_tip(line.corners)}{_label(edge, look)}'
    body = f'<g class="edge {look.style}"><title>{escape(f"{edge}: {look.words or look.style}")}</title>{body}</g>'
    if link is None:
        return body
    return f'<a href={quoteattr(link(edge))} data-edge="{edge.name}">{body}</a>'


def _label(edge: Edge, look: Shown) -> str:
    line = LINES[edge.name]
    (x, y), anchor = line.label, line.anchor
    above, below = (y - 7, y + 15) if anchor == "m" else (y, y + 15)
    style = {"m": "m", "end": "e", "start": "b"}[anchor]
    return (
        f'<text class="{style}" x="{x}" y="{above}">{escape(_title(edge))}</text>'
        f'<text class="{style} count" x="{x}" y="{below}">{escape(look.words)}</text>'
    )


def _title(edge: Edge) -> str:
    sent = edge.sends.partition("<CTL=")[2].rstrip(">")
    return f"{edge.event} / {sent}" if sent else str(edge.event)


def _tip(corners: tuple[tuple[int, int], ...]) -> str:
    (x0, y0), (x1, y1) = corners[-2:]
    if x0 == x1:
        step = 9 if y1 > y0 else -9
        d = f"M{x1} {y1}L{x1 - 4} {y1 - step}H{x1 + 4}Z"
    else:
        step = 9 if x1 > x0 else -9
        d = f"M{x1} {y1}L{x1 - step} {y1 - 4}V{y1 + 4}Z"
    return f'<path class="tip" d="{d}"/>'
