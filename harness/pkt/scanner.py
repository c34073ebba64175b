"""A script as text under a cursor: skips comments, knows line and column, and says what was expected where.

Limits keep what strangers write from costing more than a moment: size, nesting, and digits of a number.
"""

import bisect
import re
from collections.abc import Sequence
from pathlib import Path

from harness.pkt.tree import Place

#: The longest script, in octets; the longest known one has 40 kB.
MAX_OCTETS = 1 << 20
#: Lists in lists, and functions of functions.
MAX_DEPTH = 32
#: More digits than this has no number that fits into 64 bits.
MAX_DIGITS = 20
#: So much of what stands in the wrong place is shown.
SHOWN = 24

_SPACE = re.compile(r"(?:[ \t\r\n\f\v]+|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_COMMENT = re.compile(rb"//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMENT_START = re.compile(r"/\*")
_NEAR = re.compile(r"\s*(\w+|.)?", re.DOTALL)


class BadScript(ValueError):
    """A script that can't be read: ``FILE:LINE:COLUMN: what is wrong``."""

    def __init__(self, name: str, place: Place, message: str) -> None:
        super().__init__(f"{name}:{place.line}:{place.column}: {message}")
        self.name = name
        self.place = place
        self.message = message


def load(path: Path) -> str:
    """Return the text of a script; raises BadScript for one that can't be one."""
    begin = Place(1, 1)
    try:
        if not path.is_dir() and path.exists() and not path.is_file():
            raise BadScript(str(path), begin, "can't be read: it is no ordinary file")
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise BadScript(str(path), begin, f"can't be read: {error.strerror}") from None
    if len(octets) > MAX_OCTETS:
        raise BadScript(str(path), begin, f"a script has at most {MAX_OCTETS >> 20} MiB")
    try:  # names in comments may be in any alphabet
        _COMMENT.sub(lambda found: b" " * len(found[0]), octets).decode("utf-8")
        return octets.decode("utf-8-sig", "replace")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        column = error.start - octets.rfind(b"\n", 0, error.start)
        raise BadScript(str(path), Place(line, column), "not text: an octet that is no UTF-8") from None


class Scanner:
    """A cursor in the text of a script."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.at = 0
        #: Where the last word ended, before what stands between it and the cursor.
        self._end = 0
        #: What was not there and could have been, and where.
        self._possible: tuple[int, list[str]] = (0, [])
        self._depth = 0
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.skip()

    # --- where -------------------------------------------------------------------------------------------------------

    def place(self, at: int | None = None) -> Place:
        """Return the place of the cursor, or of another one."""
        where = self.at if at is None else at
        line = bisect.bisect_right(self._line_starts, where)
        return Place(line, where - self._line_starts[line - 1] + 1)

    def error(self, message: str, at: int | None = None) -> BadScript:
        """Return the error that something is wrong here."""
        return BadScript(self.name, self.place(at), message)

    def expected(self, *what: str) -> BadScript:
        """Return the error that something else stands here, with what else could have stood here."""
        found = _NEAR.match(self.text, self.at)
        word = found[1] if found is not None else None
        seen = f"{word[:SHOWN]!r}" if word else "the end of the file"
        return self.error(f"expected {' or '.join((*self._could_be(), *what))}, found {seen}")

    def _could_be(self) -> list[str]:
        """Return what may go on with the line here, if the cursor is in the midst of one."""
        at, possible = self._possible
        return possible if at == self.at and not self._is_new_line() else []

    def _is_new_line(self) -> bool:
        """Tell whether a line ends between the last word and the cursor."""
        return "\n" in self.text[self._end : self.at] or self.at_end()

    def at_end(self) -> bool:
        """Tell whether nothing is left."""
        return self.at >= len(self.text)

    # --- going on ----------------------------------------------------------------------------------------------------

    def skip(self) -> None:
        """Go over blanks and comments."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found is not None else self.at
        if _COMMENT_START.match(self.text, self.at):
            raise self.error("this comment has no end: expected */")

    def sees(self, literal: str) -> bool:
        """Tell whether this stands here."""
        return self.text.startswith(literal, self.at)

    def take(self, literal: str) -> bool:
        """Go over a literal if it stands here."""
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        self._end = self.at
        self.skip()
        return True

    def could_take(self, literal: str) -> bool:
        """Go over a literal if it stands here; if not, an error that comes of what does tells that it could have."""
        taken = self.take(literal)
        if not taken:
            self.could_be(repr(literal))
        return taken

    def could_be(self, what: str) -> None:
        """Note what could have stood here and does not."""
        at, possible = self._possible
        self._possible = (self.at, [*possible, what] if at == self.at else [what])

    def demand(self, literal: str, *others: str) -> None:
        """Go over a literal, which must stand here; where a line has ended without it the error is of that line."""
        if self.take(literal):
            return
        if self._is_new_line():
            found = "the file" if self.at_end() else "the line"
            raise self.error(f"expected {' or '.join((repr(literal), *others))}, found the end of {found}", self._end)
        raise self.expected(repr(literal), *others)

    def match(self, pattern: "re.Pattern[str]", *, skip: bool = True) -> "re.Match[str] | None":
        """Go over what a pattern matches here, and return it."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = self._end = found.end()
            if skip:
                self.skip()
        return found

    def need(self, pattern: "re.Pattern[str]", what: str) -> str:
        """Go over what a pattern matches, which must stand here, and return its text."""
        found = self.match(pattern)
        if found is None:
            raise self.expected(what)
        return found[0]

    def integer(self, what: str, limits: Sequence[int]) -> int:
        """Go over a decimal number between two limits."""
        at = self.at
        text = self.need(_DIGITS, what)
        if len(text) > MAX_DIGITS or not limits[0] <= int(text) <= limits[1]:
            raise self.error(f"{what} is from {limits[0]} to {limits[1]}, not {text[:SHOWN]}", at)
        return int(text)

    def looks_at(self, pattern: "re.Pattern[str]") -> bool:
        """Tell whether a pattern matches here."""
        return pattern.match(self.text, self.at) is not None

    # --- nesting -----------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Go one level deeper."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep")

    def leave(self) -> None:
        """Come back from a level."""
        self._depth -= 1


_DIGITS = re.compile(r"[0-9]+")
