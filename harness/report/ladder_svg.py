"""Ladders as SVG: time on the left, the target's lifeline, the segments, the peer's lifeline.

The drawing is made of lines, texts and pills whose places come from `GEOMETRY`; the report's script draws the same
rungs from the same numbers, and a test in a browser holds the two against each other.
"""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from harness.report import svg
from harness.report.rungs import CALL, MISSING, PAUSE, RECEIVED, SENT, STATES, Ladder, Rung

#: Everything that has a number, in pixels. Each kind of rung has its height.
GEOMETRY = {
    "width": 720,
    "top": 34,
    "bottom": 12,
    "time": 74,
    "axis": 84,
    "call": 98,
    "target": 278,
    "peer": 578,
    "mark": 590,
    "character": 7,
    "pill": 18,
    "head": 7,
    "longest": 41,
    "height": {SENT: 33, RECEIVED: 33, MISSING: 33, CALL: 23, PAUSE: 28, STATES: 28},
}
_G: dict[str, int] = {name: value for name, value in GEOMETRY.items() if isinstance(value, int)}
_HEIGHT: dict[str, int] = dict(GEOMETRY["height"])  # type: ignore[call-overload]

#: The words beside a segment that stands out.
WORD_OF_MARK = {"unexpected": "✗ unexpected", "late": "✗ late"}
MISSING_WORD = "✗ missing"


def draw(ladder: Ladder, *, title: str, standalone: bool = False) -> str:
    """Return the ladder as an SVG element; `standalone` brings its own colours, for a file of its own."""
    height = _G["top"] + sum(_HEIGHT[rung.kind] for rung in ladder.rungs) + _G["bottom"]
    timed = any(ms is not None for ms in ladder.times)
    parts = [*_frame(height, timed=timed), *_rungs(ladder)]
    return svg.document("ladder", _G["width"], height, title, ladder.in_words(), parts, standalone=standalone)


def _frame(height: int, *, timed: bool) -> Iterator[str]:
    top, end = _G["top"], height - _G["bottom"] + 4
    if timed:
        yield _text(_G["time"], 18, "h t", "ms")
        yield _line("axis", _G["axis"], top - 6, _G["axis"], end)
    yield _text(_G["target"], 18, "h m", "target")
    yield _text(_G["peer"], 18, "h m", "peer")
    yield _line("life", _G["target"], top - 6, _G["target"], end)
    yield _line("life", _G["peer"], top - 6, _G["peer"], end)


def _rungs(ladder: Ladder) -> Iterator[str]:
    y = _G["top"]
    for rung, ms in zip(ladder.rungs, ladder.times, strict=True):
        height = _HEIGHT[rung.kind]
        bottom = y + height
        if ms is not None:
            yield _line("tick", _G["axis"] - 3, bottom - 9, _G["axis"] + 3, bottom - 9)
            yield _text(_G["time"], bottom - 5, "t", f"{ms:.3f}")
        yield from _rung(rung, bottom)
        y = bottom


def _rung(rung: Rung, bottom: int) -> Iterator[str]:
    match rung.kind:
        case "sent" | "received" | "missing":
            yield from _segment(rung, bottom - 9)
        case "call":
            yield _text(_G["call"], bottom - 5, "c" + _bad(rung), _short(rung.text))
        case "pause":
            yield _line("gap", _G["target"], bottom - 24, _G["target"], bottom - 2)
            yield _line("gap", _G["peer"], bottom - 24, _G["peer"], bottom - 2)
            yield _text((_G["target"] + _G["peer"]) // 2, bottom - 8, "m q" + _bad(rung), _short(rung.text))
        case _:
            yield from _pill(_G["target"], bottom - 9, "own", rung.text)
            yield from _pill(_G["peer"], bottom - 9, "other", rung.peer)


def _segment(rung: Rung, y: int) -> Iterator[str]:
    left, right, head = _G["target"] + 2, _G["peer"] - 2, _G["head"]
    style = "a missing bad" if rung.kind == MISSING else "a" + _bad(rung)
    yield _text((left + right) // 2, y - 6, "m s" + ("" if style == "a" else " bad"), _short(rung.text))
    yield _line(style, left, y, right, y)
    tip, back = (left, left + head) if rung.kind == SENT else (right, right - head)
    yield f'<path class="{style} tip" d="M{back} {y - 4}L{tip} {y}L{back} {y + 4}"/>'
    if word := MISSING_WORD if rung.kind == MISSING else WORD_OF_MARK.get(rung.mark, ""):
        yield _text(_G["mark"], y + 4, "w bad", word)


def _pill(middle: int, y: int, style: str, text: str) -> Iterator[str]:
    if text:
        width, height = len(text) * _G["character"] + 14, _G["pill"]
        place = f'x="{middle - width // 2}" y="{y - height // 2}" width="{width}" height="{height}"'
        yield f'<rect class="pill {style}" {place} rx="3"/>'
        yield _text(middle, y + 4, f"m {style}", text)


def _bad(rung: Rung) -> str:
    return " bad" if rung.mark else ""


def _short(text: str) -> str:
    return text if len(text) <= _G["longest"] else text[: _G["longest"] - 1] + "…"


def _line(style: str, x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<path class="{style}" d="M{x1} {y1}L{x2} {y2}"/>'


def _text(x: int, y: int, style: str, text: str) -> str:
    return f'<text class="{style}" x="{x}" y="{y}">{escape(text)}</text>'
