"""A machine as a drawing in the report's style: figure 5's states as boxes, and in each the states that the stack has.

Edges between the same two states of the RFC are one line, as wide as many transitions it stands for; what each says is
its title, which a browser shows, and on the page of the machine. Loops are left out: the page has them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import hypot
from xml.sax.saxutils import escape

from harness.learn.graphs import edges, groups, lines_of
from harness.learn.record import Record
from harness.report import svg

WIDTH, HEIGHT = 980, 760
#: The middle of each state of the RFC, as figure 5 has them.
PLACES: dict[str, tuple[int, int]] = {
    "CLOSED": (490, 60),
    "LISTEN": (490, 190),
    "SYN-RECEIVED": (170, 270),
    "SYN-SENT": (810, 270),
    "ESTABLISHED": (490, 370),
    "FIN-WAIT-1": (170, 470),
    "CLOSE-WAIT": (810, 470),
    "FIN-WAIT-2": (170, 640),
    "CLOSING": (335, 600),
    "LAST-ACK": (810, 640),
    "TIME-WAIT": (690, 700),
}
#: States that show no state of the RFC, or several, stand in one place.
ELSEWHERE = (810, 60)
_DOT, _GAP, _HEAD, _PER_ROW = 9, 26, 24, 5
#: A label stands out from the lines that it crosses.
_HALO = "paint-order:stroke;stroke:var(--ground);stroke-width:4px"
#: Lines of two directions between the same places keep so far apart.
_APART = 7


@dataclass(frozen=True, slots=True)
class _Box:
    """A state of the RFC in the drawing, with the numbers of the machine's states in it."""

    name: str
    x: int
    y: int
    states: tuple[int, ...]

    @property
    def width(self) -> int:
        """In pixels: room for the name, and for a row of states."""
        return max(124, _GAP * min(len(self.states), _PER_ROW) + 16)

    @property
    def height(self) -> int:
        """In pixels."""
        return _HEAD + _GAP * (1 + (len(self.states) - 1) // _PER_ROW) + 2


def draw(record: Record, *, standalone: bool = False) -> str:
    """Return the drawing as an SVG element."""
    boxes = _boxes(record)
    title = f"{record.name}: {record.alphabet.role}, {record.machine.size} states"
    words = "; ".join(f"{box.name or 'not visible'}: {len(box.states)}" for box in boxes.values())
    body = [*_lines(record, boxes), *(part for box in boxes.values() for part in _drawn(box, record))]
    return svg.document("states", WIDTH, HEIGHT, title, words, body, standalone=standalone)


def _boxes(record: Record) -> dict[str, _Box]:
    found = {}
    for name, states in groups(record.machine).items():
        x, y = PLACES.get(name, ELSEWHERE)
        found[name] = _Box(name, x, y, tuple(states))
    return found


def _drawn(box: _Box, record: Record) -> Iterator[str]:
    left, top = box.x - box.width // 2, box.y - box.height // 2
    yield f'<rect class="box" x="{left}" y="{top}" width="{box.width}" height="{box.height}" rx="5"/>'
    yield f'<text class="m state" x="{box.x}" y="{top + 16}">{escape(box.name or "not visible")}</text>'
    machine = record.machine
    for at, state in enumerate(box.states):
        row, column = divmod(at, _PER_ROW)
        in_row = min(_PER_ROW, len(box.states) - row * _PER_ROW)
        x = box.x + _GAP * column - _GAP * (in_row - 1) // 2
        y = top + _HEAD + _GAP * row + _GAP // 2 - 2
        reached = " ".join(machine.letters[letter] for letter in machine.access[state]) or "the beginning"
        yield f'<g><title>{escape(f"{state}: {reached}")}</title><circle class="box" cx="{x}" cy="{y}" r="{_DOT}"/>'
        yield f'<text class="m count" x="{x}" y="{y + 4}">{state}</text></g>'


def _lines(record: Record, boxes: Mapping[str, _Box]) -> Iterator[str]:
    """Yield a line for each pair of boxes that transitions lead between."""
    home = {state: name for name, box in boxes.items() for state in box.states}
    between: dict[tuple[str, str], dict[str, list[str]]] = {}
    bad = {str(each["letters"]) for each in record.judged if each["verdict"] == "violates"}
    wrong: set[tuple[str, str]] = set()
    machine = record.machine
    for (state, after), labels in edges(machine, loops=False).items():
        pair = home[state], home[after]
        if pair[0] == pair[1]:
            continue
        for answer, letters in labels.items():
            said = between.setdefault(pair, {}).setdefault(answer, [])
            said += [letter for letter in letters if letter not in said]
    for state, letter, _answer, after in machine.transitions:
        word = " ".join(machine.letters[each] for each in (*machine.access[state], letter))
        if word in bad:
            wrong.add((home[state], home[after]))
    for pair, labels in between.items():
        yield _line(boxes[pair[0]], boxes[pair[1]], lines_of(labels), bad=pair in wrong)


def _line(one: _Box, other: _Box, said: list[str], *, bad: bool) -> str:
    dx, dy = other.x - one.x, other.y - one.y
    length = hypot(dx, dy) or 1
    aside = -dy / length * _APART, dx / length * _APART
    x0, y0 = _border(one, dx, dy)
    x1, y1 = _border(other, -dx, -dy)
    x0, y0, x1, y1 = x0 + aside[0], y0 + aside[1], x1 + aside[0], y1 + aside[1]
    ux, uy = dx / length, dy / length
    tip = f"M{x1:.0f} {y1:.0f}L{x1 - 9 * ux + 4 * uy:.1f} {y1 - 9 * uy - 4 * ux:.1f}"
    tip += f"L{x1 - 9 * ux - 4 * uy:.1f} {y1 - 9 * uy + 4 * ux:.1f}Z"
    count = sum(line.partition(" / ")[0].count(",") + 1 for line in said)
    width = 1.2 + min(count, 12) * 0.2
    style = "violates" if bad else "conforms"
    middle = x0 + (x1 - x0) * 0.42, y0 + (y1 - y0) * 0.42
    first = said[0].partition(" / ")[0].split(", ")[0] + (" …" if count > 1 else "")
    label = f'<text class="m count" style="{_HALO}" x="{middle[0]:.0f}" y="{middle[1] - 4:.0f}">{escape(first)}</text>'
    shown = f"{one.name} to {other.name}\n" + "\n".join(said)
    return (
        f'<g class="edge {style}"><title>{escape(shown)}</title>'
        f'<path class="line" style="stroke-width:{width:.1f}" d="M{x0:.0f} {y0:.0f}L{x1:.0f} {y1:.0f}"/>'
        f'<path class="tip" d="{tip}"/>{label}</g>'
    )


def _border(box: _Box, dx: float, dy: float) -> tuple[float, float]:
    """Return where a ray from the middle of a box leaves it."""
    half_width, half_height = box.width / 2 + 3, box.height / 2 + 3
    scale = min(half_width / abs(dx) if dx else 1e9, half_height / abs(dy) if dy else 1e9)
    return box.x + dx * scale, box.y + dy * scale
