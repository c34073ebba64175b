"""What a case cites: ``cites("RFC 9293 §3.6", "MUST-13", figure=13)``, checked against the documents' own contents.

A requirement knows where it stands, so citing MUST-13 is citing RFC 9293 §3.6.1 as well, and ``--rfc 9293/3.6``
selects both.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Self

from harness.spec import requirements

ACCEPTED = (
    "accepted are a section ('RFC 9293 §3.10.7.4'), a step in it ('RFC 9293 §3.10.7.4 fifth') "
    "and a requirement ('MUST-13', 'SHLD-3', 'RFC5961-3.2-exact')"
)

_SECTION = re.compile(r"RFC ?(\d+) §(\S+(?: \S+)*)")
_SELECTOR = re.compile(r"(?:RFC ?)?(\d+)(?:/§?(\S+(?: \S+)*))?", re.IGNORECASE)


class BadCitation(ValueError):
    """A citation or selector that can't be read, or names a section or figure that does not exist."""


class Selector(NamedTuple):
    """What ``--rfc`` selects: a section with all inside it, or a whole RFC if `section` is None."""

    rfc: int
    section: str | None


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in an RFC, a requirement with its place, or a figure (with the place, if one was cited beside it)."""

    rfc: int | None = None
    section: str | None = None
    requirement: str | None = None
    figure: int | None = None

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, text: str) -> Self:
        """Return what `text` cites.

        Raises BadCitation for other forms and unknown documents or sections, UnknownRequirement for unknown ids;
        both are ValueErrors.
        """
        if match := _SECTION.fullmatch(text):
            rfc, section = int(match[1]), match[2]
            _check_section(rfc, section, text)
            return cls(rfc, section)
        # An id has no blank, and those of other RFCs go on with a hyphen behind the number.
        if not re.fullmatch(r"[A-Za-z]+\d*-\S+", text):
            raise BadCitation(f"can't read the citation {text!r}: {ACCEPTED}")
        item = requirements.by_id(text)
        return cls(item.rfc, item.section, item.id)

    def within(self, rfc: int | str, section: str | None = None) -> bool:
        """Tell whether the cited place is in this RFC, and if `section` is given, is that section or inside it."""
        if self.rfc != int(rfc):
            return False
        return section is None or (self.section is not None and requirements.contains(section, self.section))

    def __str__(self) -> str:
        place = f"RFC {self.rfc} §{self.section}" if self.section else f"RFC {self.rfc}"
        text = f"{self.requirement} ({place})" if self.requirement else place
        return f"{text}, figure {self.figure}" if self.figure is not None else text


def parse_all(texts: Iterable[str], figure: int | None = None) -> tuple[Citation, ...]:
    """Return the citations of one case; raises as `Citation.parse` does.

    A figure belongs to the first citation of a place in an RFC that has figures, or to RFC 9293 by itself if there
    is none; BadCitation if that RFC has no such figure.
    """
    found = [Citation.parse(text) for text in texts]
    if figure is None:
        return tuple(found)
    holder = next((at for at, item in enumerate(found) if not item.requirement and _figures(item.rfc)), None)
    rfc = 9293 if holder is None else found[holder].rfc
    if figure not in _figures(rfc):
        raise BadCitation(f"RFC {rfc} has no figure {figure}; it has {_ranges(_figures(rfc))}")
    if holder is None:
        found.append(Citation(rfc=9293, figure=figure))
    else:
        found[holder] = replace(found[holder], figure=figure)
    return tuple(found)


def parse_selector(text: str) -> Selector:
    """Return what ``9293/3.6`` (or ``9293`` for all of it) selects, to be unpacked into `Citation.within`.

    Raises BadCitation for other forms and for unknown documents or sections.
    """
    match = _SELECTOR.fullmatch(text)
    if match is None:
        raise BadCitation(f"can't read the selector {text!r}: accepted are '9293/3.6' and '9293'")
    rfc, section = int(match[1]), match[2]
    if section is None:
        _document(rfc, text)
    else:
        _check_section(rfc, section, text)
    return Selector(rfc, section)


def _document(rfc: int, text: str) -> requirements.Document:
    known = requirements.documents()
    if rfc not in known:
        raise BadCitation(f"{text!r}: RFC {rfc} is none of the documents that can be cited: {_ranges(known)}")
    return known[rfc]


def _check_section(rfc: int, section: str, text: str) -> None:
    document = _document(rfc, text)
    if section in document.sections:
        return
    parent = section.rpartition(" " if " " in section else ".")[0]
    near = [name for name in document.sections if parent and requirements.contains(parent, name)]
    main = [name for name in document.sections if name.count(".") <= 1 or not document.complete]
    listed = "has" if document.complete else "is listed in sections.toml with"
    raise BadCitation(f"{text!r}: there is no such section; RFC {rfc} {listed} §{', §'.join(near or main)}")


def _figures(rfc: int | None) -> dict[int, str]:
    document = requirements.documents().get(rfc or 0)
    return document.figures if document else {}


def _ranges(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
