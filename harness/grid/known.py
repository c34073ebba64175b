"""Known deviations of the grid: `[[grid]]` entries in the expectations files of a target.

An entry selects cells and pins what all of them show instead of what the RFC asks: one reply and one next state. The
state is "same" where the cell's remains, "not same" where the target says so (or its reply does) and the follow-up
shows that it is another one, "not CLOSED" where it shows that of a further state, "?" where nothing shows it. A
selector names values for any of state, route, place ("fin-wait-1-close"), setting, flags, seq, ack, payload and tsval;
what it does not name may be anything, "-" stands for "plays no part". Flags are exact ("FIN,ACK", "none"), or at least
these ("RST,*"). `any_of` is a list of further selectors of which one must hold.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.expectations import changes, deviations
from harness.expectations.changes import Scope
from harness.expectations.deviations import DRAFT, Deviation, demand_no_draft, is_over, until_of
from harness.expectations.entries import BrokenExpectations, read
from harness.grid.cells import PLACES, SEQ_POSITIONS, SETTINGS, TSVALS, Cell, segment_cells
from harness.grid.observed import UNKNOWN, Observation
from harness.spec.segment import Flags, parse_flags
from harness.spec.states import State

SAME, NOT_SAME = "same", "not same"
LOOKS_LIKE = ("by design", "defect worth reporting")

_NEXT = frozenset({SAME, NOT_SAME, UNKNOWN, *State, *(f"not {state}" for state in State)})
_TEXTS = ("reason", "source", "looks_like")
_KEYS = {"when", "since", "before", "ip", "observed", "any_of", "issue", "until", *_TEXTS}
_ACKS = ("le_iss", "good", "unsent", "dup", "old", "too_old", "far_old", "acks_fin", "far_new", "between")
#: What may be asked of each field. Flags have a notation of their own.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "state": tuple(State),
    "place": tuple("-".join(filter(None, (state.lower(), route))) for state, route in PLACES),
    "route": ("-", *dict.fromkeys(route for _state, route in PLACES if route)),
    "setting": ("-", *SETTINGS),
    "flags": (),
    "seq": ("-", *SEQ_POSITIONS),
    "ack": ("-", *_ACKS),
    "payload": ("none", "data"),
    "tsval": ("-", *TSVALS),
}


@dataclass(frozen=True, slots=True)
class FlagPattern:
    """A combination of flags, exact or as a minimum."""

    flags: Flags
    at_least: bool

    @classmethod
    def parse(cls, text: str) -> "FlagPattern":
        """Read "FIN,ACK", "none" or "RST,*"; raises KeyError."""
        names = [] if text == "none" else text.split(",")
        at_least = names[-1:] == ["*"]
        return cls(parse_flags(names[:-1] if at_least else names), at_least)

    def matches(self, flags: Flags) -> bool:
        """Tell whether a segment's flags are meant."""
        return flags & self.flags == self.flags if self.at_least else flags == self.flags


@dataclass(frozen=True, slots=True)
class Selector:
    """A set of cells: allowed values per field. `fields` excludes the flags."""

    fields: Mapping[str, frozenset[str]]
    flags: tuple[FlagPattern, ...] = ()

    def may_take(self, state: State, flags: Flags) -> bool:
        """Tell whether a cell in this state and with these flags can be one of the set."""
        return state in self.fields.get("state", (state,)) and self._means(flags)

    def _means(self, flags: Flags) -> bool:
        return not self.flags or any(pattern.matches(flags) for pattern in self.flags)

    def takes(self, cell: Cell) -> bool:
        """Tell whether the cell is one of the set."""
        fields = self.fields.items()
        return self._means(cell.flags) and all((getattr(cell, name) or "-") in values for name, values in fields)


@dataclass(frozen=True)
class GridRule:
    """One declared deviation. `origin` is file and line; the other fields are those of the entry."""

    selector: Selector
    any_of: tuple[Selector, ...]
    reply: str
    next: str
    reason: str
    source: str
    looks_like: str
    scope: Scope
    ip: int
    origin: str
    issue: str = ""
    until: str = ""

    def takes(self, cell: Cell) -> bool:
        """Tell whether the entry speaks of this cell."""
        return self.selector.takes(cell) and (not self.any_of or any(each.takes(cell) for each in self.any_of))

    def holds_for(self, ip: int, version: str) -> bool:
        """Tell whether the entry is about this IP version, and this release in its range."""
        return self.ip in (0, ip) and self.scope.in_range(version)

    def pinned(self, cell: Cell) -> Observation:
        """Return what the cell must show."""
        named = {SAME: str(cell.state), NOT_SAME: f"not {cell.state}"}
        return Observation(self.reply, named.get(self.next, self.next))

    def as_deviation(self, cell: Cell, signature: str, version: str = "") -> Deviation:
        """Return the entry as a declared deviation of one case, with the signature of its finding on this release."""
        return Deviation(
            cell.id,
            (signature,),
            self.reason,
            self.source,
            self.scope,
            ip=self.ip,
            origin=self.origin,
            issue=self.issue,
            until=self.until,
            over=is_over(self.until, version),
        )


def covering(rules: Iterable[GridRule], cell: Cell, ip: int, version: str) -> list[GridRule]:
    """Return the entries that speak of a cell on this IP version and release."""
    return [rule for rule in rules if rule.takes(cell) and rule.holds_for(ip, version)]


@dataclass(slots=True)
class Book:
    """Entries, found by the state and the flags of the cells that they may speak of."""

    rules: tuple[GridRule, ...]
    _by_kind: dict[tuple[State, Flags], list[GridRule]] = field(default_factory=dict)
    _by_cell: dict[Cell, list[GridRule]] = field(default_factory=dict)

    def covering(self, cell: Cell, ip: int, version: str) -> list[GridRule]:
        """Return the entries that speak of a cell on this IP version and release, in their order."""
        if cell not in self._by_cell:
            kind = (cell.state, cell.flags)
            if kind not in self._by_kind:
                self._by_kind[kind] = [rule for rule in self.rules if rule.selector.may_take(*kind)]
            self._by_cell[cell] = [rule for rule in self._by_kind[kind] if rule.takes(cell)]
        return covering(self._by_cell[cell], cell, ip, version)


def cells_of(rule: GridRule) -> tuple[Cell, ...]:
    """Return the cells that an entry speaks of."""
    return tuple(cell for cell in segment_cells() if rule.takes(cell))


def problems(rules: Sequence[GridRule]) -> Iterator[str]:
    """Yield one sentence for each entry that speaks of no cell, and for each cell with two entries at once."""
    for rule in rules:
        if not any(rule.takes(cell) for cell in segment_cells()):
            yield f"{rule.origin}: no cell of the grid is like this; correct or remove the entry"
    for cell in segment_cells():
        taking = [rule for rule in rules if rule.takes(cell)]
        for at, rule in enumerate(taking):
            for other in taking[at + 1 :]:
                if not _apart(rule, other, cell) and (rule.ip == other.ip or 0 in (rule.ip, other.ip)):
                    yield f"{other.origin}: {cell.id} is declared at {rule.origin} already"


def _apart(rule: GridRule, other: GridRule, cell: Cell) -> bool:
    """Tell whether two entries about a cell hold for other releases, or pin the same for each of their own."""
    if rule.scope.when != other.scope.when or rule.scope.excludes(other.scope):
        return True
    return rule.scope != other.scope and rule.pinned(cell) == other.pinned(cell)


@lru_cache(maxsize=16)
def bundled(implementation: str) -> tuple[GridRule, ...]:
    """Return the entries that come with the tool for an implementation such as ``Linux``."""
    return tuple(rule for path in deviations.files_of(implementation) for rule in load(path))


def load(path: Path, *, drafts: bool = False) -> tuple[GridRule, ...]:
    """Read the `[[grid]]` entries of a file; raises BrokenExpectations. `drafts`: texts may still be "?"."""
    entries = read(path, "grid", beside=frozenset({"deviation", "explore"}))
    return tuple(_rule(entry, f"{path}:{line}", drafts=drafts) for entry, line in entries)


def _rule(entry: dict[str, Any], origin: str, *, drafts: bool) -> GridRule:
    unknown = sorted(set(entry) - _KEYS - set(_FIELDS))
    if unknown:
        raise BrokenExpectations(
            f"{origin}: unknown key {unknown[0]!r}; keys are {', '.join(sorted(_KEYS | set(_FIELDS)))}"
        )
    for name in _TEXTS:
        if not entry.get(name) or not isinstance(entry[name], str):
            raise BrokenExpectations(f"{origin}: {name!r} is missing or not a text")
    if not drafts:
        demand_no_draft(entry, origin)
    if not isinstance(entry.get("issue", ""), str):
        raise BrokenExpectations(f"{origin}: 'issue' is a text")
    if entry["looks_like"] not in (*LOOKS_LIKE, DRAFT):
        raise BrokenExpectations(f"{origin}: 'looks_like' is one of {' | '.join(LOOKS_LIKE)}")
    if entry.get("ip", 0) not in (0, 4, 6):
        raise BrokenExpectations(f"{origin}: 'ip' is 4 or 6")
    any_of = entry.get("any_of", [])
    if not isinstance(any_of, list) or not all(isinstance(each, dict) for each in any_of):
        raise BrokenExpectations(f"{origin}: 'any_of' is a list of tables")
    reply, following = _observed(entry.get("observed"), origin)
    selector = _selector({name: value for name, value in entry.items() if name in _FIELDS}, origin)
    if not selector.fields and not selector.flags and not any_of:
        raise BrokenExpectations(f"{origin}: the entry selects every cell; name a state, flags or positions")
    return GridRule(
        selector,
        tuple(_selector(each, origin) for each in any_of),
        reply,
        following,
        entry["reason"],
        entry["source"],
        entry["looks_like"],
        changes.scope(entry, origin),
        entry.get("ip", 0),
        origin,
        entry.get("issue", ""),
        until_of(entry, origin),
    )


def _observed(value: Any, origin: str) -> tuple[str, str]:
    if not isinstance(value, dict) or set(value) != {"reply", "next"}:
        raise BrokenExpectations(f'{origin}: \'observed\' pins both: {{ reply = "none", next = "CLOSED" }}')
    if value["next"] not in _NEXT or not isinstance(value["reply"], str):
        raise BrokenExpectations(
            f"{origin}: 'next' is a state in the RFC's spelling, or not one ('not CLOSED'), "
            f"{SAME!r}, {NOT_SAME!r} or {UNKNOWN!r}"
        )
    return value["reply"], value["next"]


def _selector(table: dict[str, Any], origin: str) -> Selector:
    fields = {}
    flags: list[FlagPattern] = []
    for name, value in table.items():
        values = value if isinstance(value, list) else [value]
        if name == "flags":
            try:
                flags = [FlagPattern.parse(text) for text in values]
            except (KeyError, AttributeError) as error:
                raise BrokenExpectations(
                    f"{origin}: flags are written 'FIN,ACK', 'none' or 'RST,*', not {error}"
                ) from None
            continue
        allowed = _FIELDS.get(name)
        if allowed is None:
            raise BrokenExpectations(f"{origin}: unknown field {name!r}; fields are {', '.join(_FIELDS)}")
        wrong = [each for each in values if each not in allowed]
        if wrong or not values:
            shown = repr(str(wrong[0])) if wrong else "an empty list"
            raise BrokenExpectations(f"{origin}: {name} is {shown}; possible are {', '.join(allowed)}")
        fields[name] = frozenset(values)
    return Selector(fields, tuple(flags))
