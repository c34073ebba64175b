"""A machine as a drawing in the report's style: figure 5's states as boxes, and in each the states that the stack has.

Edges between the same two states of the RFC are one line, as wide as many transitions it stands for; what each says is
its title, which a browser shows, and on the page of the machine. Loops are left out: the page has them.

Where no state is visible each of the machine's states has a place of its own, in rows by how many letters lead there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import hypot
from xml.sax.saxutils import escape

from harness.learn.graphs import UNKNOWN, edges, groups, lines_of
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
#: States that show no state of the RFC, or several, stand here, by what they show.
ELSEWHERE = ((810, 60), (170, 60), (650, 60), (330, 60))
#: The room that a state has in a row, and a row, where no state is visible.
_ROOM, _ROW = 54, 110
_DOT, _GAP, _HEAD, _PER_ROW = 9, 26, 24, 5
#: A label stands out from the lines that it crosses.
_HALO = "paint-order:stroke;stroke:var(--ground);stroke-width:4px"
#: Lines of two directions between the same places keep so far apart.
_APART = 7
#: Where no state is visible lines are bent, the longer ones more, by at most so many times that.
_BENT = 14


@dataclass(frozen=True, slots=True)
class _Box:
    """A state of the RFC in the drawing, with the numbers of the machine's states in it."""

    name: str
    x: int
    y: int
    states: tuple[int, ...]

    head: int = _HEAD

    @property
    def called(self) -> str:
        """What it is in words."""
        return self.name or ("not visible" if self.head else f"state {self.states[0]}")

    @property
    def width(self) -> int:
        """In pixels: room for the name, and for a row of states."""
        return max(124 if self.head else 0, _GAP * min(len(self.states), _PER_ROW) + 16)

    @property
    def height(self) -> int:
        """In pixels."""
        return self.head + _GAP * (1 + (len(self.states) - 1) // _PER_ROW) + 2


def draw(record: Record, *, standalone: bool = False) -> str:
    """Return the drawing as an SVG element."""
    by_rfc = groups(record.machine)
    boxes = _rows(record) if set(by_rfc) <= {"", UNKNOWN} else _boxes(by_rfc)
    title = f"{record.name}: {record.alphabet.role}, {record.machine.size} states"
    words = "; ".join(f"{box.called}: {len(box.states)}" for box in boxes)
    body = [*_lines(record, boxes), *(part for box in boxes for part in _drawn(box, record))]
    width, height = _size(boxes)
    return svg.document("states", width, height, title, words, body, standalone=standalone)


def _boxes(by_rfc: Mapping[str, list[int]]) -> list[_Box]:
    elsewhere = cycle(ELSEWHERE)
    return [_Box(name, *(PLACES.get(name) or next(elsewhere)), tuple(states)) for name, states in by_rfc.items()]


def _rows(record: Record) -> list[_Box]:
    """Return a box per state, in rows by the length of the shortest word that leads to it."""
    rows: dict[int, list[int]] = {}
    for state, word in enumerate(record.machine.access):
        rows.setdefault(len(word), []).append(state)
    width = max(WIDTH, _ROOM * max(map(len, rows.values())))
    found = []
    for at, states in enumerate(rows.values()):
        for place, state in enumerate(states, 1):
            x = place * width // (len(states) + 1) + (_ROOM // 4 if at % 2 else 0)
            found.append(_Box("", x, _ROW // 2 + at * _ROW, (state,), head=0))
    return found


def _size(boxes: Sequence[_Box]) -> tuple[int, int]:
    """Return the drawing's width and height."""
    if boxes[0].head:
        return WIDTH, HEIGHT
    return max(WIDTH, *(box.x + _ROOM for box in boxes)), max(box.y for box in boxes) + _ROW // 2


def _drawn(box: _Box, record: Record) -> Iterator[str]:
    left, top = box.x - box.width // 2, box.y - box.height // 2
    yield f'<rect class="box" x="{left}" y="{top}" width="{box.width}" height="{box.height}" rx="5"/>'
    if box.head:
        yield f'<text class="m state" x="{box.x}" y="{top + 16}">{escape(box.called)}</text>'
    machine = record.machine
    for at, state in enumerate(box.states):
        row, column = divmod(at, _PER_ROW)
        in_row = min(_PER_ROW, len(box.states) - row * _PER_ROW)
        x = box.x + _GAP * column - _GAP * (in_row - 1) // 2
        y = top + box.head + _GAP * row + _GAP // 2 - 2
        reached = " ".join(machine.letters[letter] for letter in machine.access[state]) or "the beginning"
        yield f'<g><title>{escape(f"{state}: {reached}")}</title><circle class="box" cx="{x}" cy="{y}" r="{_DOT}"/>'
        yield f'<text class="m count" x="{x}" y="{y + 4}">{state}</text></g>'


def _lines(record: Record, boxes: Sequence[_Box]) -> Iterator[str]:
    """Yield a line for each pair of boxes that transitions lead between."""
    home = {state: at for at, box in enumerate(boxes) for state in box.states}
    between: dict[tuple[int, int], dict[str, list[str]]] = {}
    bad = {str(each["letters"]) for each in record.judged if each["verdict"] == "violates"}
    wrong: set[tuple[int, int]] = set()
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
    bend = 0 if one.head else min(_BENT, length / 90)
    over = (one.x + other.x) / 2 + aside[0] * bend, (one.y + other.y) / 2 + aside[1] * bend
    x0, y0 = _border(one, over[0] - one.x, over[1] - one.y)
    x1, y1 = _border(other, over[0] - other.x, over[1] - other.y)
    x0, y0, x1, y1 = x0 + aside[0], y0 + aside[1], x1 + aside[0], y1 + aside[1]
    over = over[0] + aside[0], over[1] + aside[1]
    last = hypot(x1 - over[0], y1 - over[1]) or 1
    ux, uy = (x1 - over[0]) / last, (y1 - over[1]) / last
    tip = f"M{x1:.0f} {y1:.0f}L{x1 - 9 * ux + 4 * uy:.1f} {y1 - 9 * uy - 4 * ux:.1f}"
    tip += f"L{x1 - 9 * ux - 4 * uy:.1f} {y1 - 9 * uy + 4 * ux:.1f}Z"
    count = sum(line.partition(" / ")[0].count(",") + 1 for line in said)
    width = 1.2 + min(count, 12) * 0.2
    style = "violates" if bad else "conforms"
    middle = x0 + (x1 - x0) * 0.42 + aside[0] * bend / 2, y0 + (y1 - y0) * 0.42 + aside[1] * bend / 2
    first = said[0].partition(" / ")[0].split(", ")[0] + (" …" if count > 1 else "")
    label = f'<text class="m count" style="{_HALO}" x="{middle[0]:.0f}" y="{middle[1] - 4:.0f}">{escape(first)}</text>'
    shown = f"{one.called} to {other.called}\n" + "\n".join(said)
    way = f"Q{over[0]:.0f} {over[1]:.0f} {x1:.0f} {y1:.0f}" if bend else f"L{x1:.0f} {y1:.0f}"
    return (
        f'<g class="edge {style}"><title>{escape(shown)}</title>'
        f'<path class="line" style="stroke-width:{width:.1f}" d="M{x0:.0f} {y0:.0f}{way}"/>'
        f'<path class="tip" d="{tip}"/>{label}</g>'
    )


def _border(box: _Box, dx: float, dy: float) -> tuple[float, float]:
    """Return where a ray from the middle of a box leaves it."""
    half_width, half_height = box.width / 2 + 3, box.height / 2 + 3
    scale = min(half_width / abs(dx) if dx else 1e9, half_height / abs(dy) if dy else 1e9)
    return box.x + dx * scale, box.y + dy * scale
