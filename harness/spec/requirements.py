"""The requirements that conformance cases are about (``requirements.toml``), and where they stand (``sections.toml``).

The first file explains ids, levels and scopes at its top. Everything is checked while loading, because an entry with
a slip in it would silently be left out of the coverage.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LEVELS = ("MUST", "SHOULD", "MAY")
OBSERVABLE = ("yes", "partly", "no")
SCOPES = ("handshake-teardown", "outside")

REQUIRED = frozenset({"id", "rfc", "section", "level", "text", "observable", "scope"})
OPTIONAL = frozenset({"why_not", "same_as"})

#: Labels of RFC 9293 appendix B, and the level that each prefix stands for.
_PREFIX_LEVELS = {"MUST": "MUST", "SHLD": "SHOULD", "MAY": "MAY", "REC": "SHOULD"}
_LABEL = re.compile(r"(MUST|SHLD|MAY|REC)-[1-9]\d*")
_NAMED = re.compile(r"RFC(\d+)-([0-9A-Z][0-9.]*)-([a-z][a-z0-9-]*)")


class BadRequirement(ValueError):
    """An entry of the catalogue is not as it must be; the message names the entry."""


class UnknownRequirement(ValueError):
    """No requirement has this id; the message offers ids that look like it."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement, in our own words; the fields are explained at the top of ``requirements.toml``.

    `why_not` is empty where nothing but a missing case stands in the way of coverage. `same_as` are ids that
    together say the same.
    """

    id: str
    rfc: int
    section: str
    level: str
    text: str
    observable: str
    scope: str
    why_not: str = ""
    same_as: tuple[str, ...] = ()

    @property
    def expects_case(self) -> bool:
        """Whether the lack of a case is a gap: observable in full, and about opening, closing, resets or states."""
        return self.observable == "yes" and self.scope == "handshake-teardown"


@dataclass(frozen=True, slots=True)
class Document:
    """One RFC: its title, and section number -> title, figure number -> caption.

    A key of `sections` may have words behind the number (``3.10.7.4 fifth``, ``3.5.2 group 1``): a step inside the
    section. `complete` is False where only the sections that requirements name are listed.
    """

    number: int
    title: str
    complete: bool
    sections: dict[str, str]
    figures: dict[int, str]


@cache
def documents() -> dict[int, Document]:
    """Return the documents that can be cited, by RFC number."""
    return {
        int(number): Document(
            int(number),
            table["title"],
            table["complete"],
            table["sections"],
            {int(figure): caption for figure, caption in table.get("figures", {}).items()},
        )
        for number, table in _toml("sections.toml").items()
    }


def contains(outer: str, inner: str) -> bool:
    """Tell whether section `inner` is `outer` or inside it: 3.6 contains 3.6.1, 3.10.7.4 contains its steps."""
    return inner == outer or inner.startswith((outer + ".", outer + " "))


@cache
def load() -> tuple[Requirement, ...]:
    """Return all requirements in the order of the file; raises BadRequirement."""
    return read(_toml("requirements.toml")["requirement"])


def read(entries: Iterable[Mapping[str, Any]]) -> tuple[Requirement, ...]:
    """Check the tables of a catalogue and return them as requirements; raises BadRequirement."""
    found: dict[str, Requirement] = {}
    for position, entry in enumerate(entries, start=1):
        name = str(entry.get("id") or f"requirement number {position} (it has no id)")
        requirement = _requirement(name, entry)
        if name in found:
            raise BadRequirement(f"{name}: this id occurs twice")
        found[name] = requirement
    for requirement in found.values():
        for other in requirement.same_as:
            if other not in found or other == requirement.id:
                raise BadRequirement(f"{requirement.id}: same_as names {other!r}, which is no other requirement")
    return tuple(found.values())


def by_id(id: str) -> Requirement:
    """Return the requirement of this id; raises UnknownRequirement with the closest ids in its message."""
    known = _index()
    if id in known:
        return known[id]
    close = difflib.get_close_matches(id.upper(), [name.upper() for name in known], n=3)
    offered = [name for name in known if name.upper() in close]
    hint = f"did you mean {' or '.join(offered)}?" if offered else "ids look like MUST-13, SHLD-3, RFC5961-3.2-exact"
    raise UnknownRequirement(f"no requirement has the id {id!r}; {hint}")


def by_section(rfc: int | str, section: str) -> tuple[Requirement, ...]:
    """Return the requirements that stand in this section of an RFC or inside it: "3.6" includes "3.6.1"."""
    return tuple(item for item in load() if item.rfc == int(rfc) and contains(section, item.section))


@cache
def _index() -> dict[str, Requirement]:
    return {item.id: item for item in load()}


def _requirement(name: str, entry: Mapping[str, Any]) -> Requirement:
    if missing := sorted(REQUIRED - entry.keys()):
        raise BadRequirement(f"{name}: {', '.join(missing)} is missing")
    if unknown := sorted(entry.keys() - REQUIRED - OPTIONAL):
        raise BadRequirement(
            f"{name}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(REQUIRED | OPTIONAL))}"
        )
    for key, value in entry.items():
        wanted = int if key == "rfc" else list if key == "same_as" else str
        if type(value) is not wanted or not value:
            raise BadRequirement(f"{name}: {key} must be a non-empty {wanted.__name__}, not {value!r}")
    for key, allowed in (("level", LEVELS), ("observable", OBSERVABLE), ("scope", SCOPES)):
        if entry[key] not in allowed:
            raise BadRequirement(f"{name}: {key} is {entry[key]!r}; it must be one of {', '.join(allowed)}")
    if not all(isinstance(other, str) for other in entry.get("same_as", ())):
        raise BadRequirement(f"{name}: same_as must be a list of ids")
    requirement = Requirement(**{**entry, "same_as": tuple(entry.get("same_as", ()))})
    _check_place(requirement)
    _check_reason(requirement)
    return requirement


def _check_place(item: Requirement) -> None:
    """The section exists, and the id, which repeats it or the level, agrees with it."""
    document = documents().get(item.rfc)
    if document is None or item.section not in document.sections:
        raise BadRequirement(f"{item.id}: sections.toml lists no section {item.section!r} of RFC {item.rfc}")
    if label := _LABEL.fullmatch(item.id):
        if item.rfc != 9293 or item.level != _PREFIX_LEVELS[label[1]]:
            raise BadRequirement(f"{item.id}: such a label is {_PREFIX_LEVELS[label[1]]} of RFC 9293")
    elif not (named := _NAMED.fullmatch(item.id)):
        raise BadRequirement(f"{item.id}: an id is MUST-n, SHLD-n, MAY-n, REC-n or RFC<number>-<section>-<word>")
    elif int(named[1]) != item.rfc or not contains(named[2], item.section):
        raise BadRequirement(f"{item.id}: the id disagrees with RFC {item.rfc} section {item.section}")


def _check_reason(item: Requirement) -> None:
    """A requirement without a case must be able to say why; one that expects a case must not excuse itself."""
    if not item.why_not and (item.observable == "no" or item.scope == "outside"):
        raise BadRequirement(f"{item.id}: why_not is missing ({item.scope}, observable: {item.observable})")
    if item.why_not and item.expects_case:
        raise BadRequirement(f"{item.id}: why_not excuses a requirement that is observable and in scope")


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files("harness.spec").joinpath(name).read_text(encoding="utf-8"))
