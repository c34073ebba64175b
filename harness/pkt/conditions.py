"""Parts of a script for some systems alone: ``#ifdef Linux``, ``#ifndef``, ``#else``, ``#endif``.

A name is defined where the script does it (``--define``), and where the target is that system.
"""

import bisect
import re

from harness.pkt.scanner import MAX_DEPTH, Scanner
from harness.pkt.tree import Condition

_DIRECTIVE = re.compile(r"^[ \t]*#(ifdef|ifndef|else|endif)\b[ \t]*(\w*)", re.MULTILINE)


class Conditions:
    """Under which conditions what stands where in a script is played; raises BadScript where they don't match."""

    def __init__(self, scanner: Scanner) -> None:
        self._starts: list[int] = [0]
        self._held: list[tuple[Condition, ...]] = [()]
        held: list[Condition] = []
        for found in _DIRECTIVE.finditer(scanner.text):
            word, name = found[1], found[2]
            if word.startswith("if"):
                if not name or len(held) >= MAX_DEPTH:
                    raise scanner.error(f"#{word} takes a name, and {MAX_DEPTH} are the deepest", found.start())
                held.append((name, word == "ifdef"))
            elif not held:
                raise scanner.error(f"#{word} without #ifdef", found.start())
            else:
                name, defined = held.pop()
                held += [(name, not defined)] if word == "else" else []
            self._starts.append(found.end())
            self._held.append(tuple(held))
        if held:
            raise scanner.error(f"#ifdef {held[-1][0]} has no #endif", self._starts[-1])

    def at(self, offset: int) -> tuple[Condition, ...]:
        """Return what must hold for what stands at an offset of the text."""
        return self._held[bisect.bisect_right(self._starts, offset) - 1]
