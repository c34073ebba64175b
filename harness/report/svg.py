"""SVG elements for two places: inside the report, which has the colours, and in a file that brings them along."""

import re
import zlib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from xml.sax.saxutils import escape

#: What XML 1.0 can't hold, and what would turn a line of text around.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def document(
    kind: str,
    width: int,
    height: int,
    title: str,
    words: str,
    parts: Iterable[str],
    *,
    standalone: bool = False,
    interactive: bool = False,
) -> str:
    """Return an SVG element with a name and a description for screen readers.

    `standalone`: with colours, for light and for dark surroundings, and a background that goes with them.
    `interactive`: it holds links, which a reader of the screen must be able to reach.
    """
    name = f"{kind}-{zlib.crc32(f'{title}{words}'.encode('utf-8', 'replace')):08x}"
    style = f"<style>{styles()}</style>" if standalone else ""
    ground = f'<rect class="ground" width="{width}" height="{height}" rx="6"/>' if standalone else ""
    return printable(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="{"group" if interactive else "img"}" aria-labelledby="{name}-t {name}-d">{style}'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(words)}</desc>'
        f"{ground}{''.join(parts)}</svg>"
    )


def printable(text: str) -> str:
    """Return the text with a replacement character for each that XML can't hold or that reorders what follows."""
    return _UNPRINTABLE.sub("\ufffd", text)


@cache
def styles() -> str:
    """Return the colours and the drawings' style sheet, in one line."""
    folder = files("harness.report").joinpath("templates")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in ("colours.css", "drawings.css")]
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", "".join(texts), flags=re.DOTALL)).strip()
