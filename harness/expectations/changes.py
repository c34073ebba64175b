"""Changes of a target's behaviour between its releases, and which of them a release has.

A fix reaches mainline with one release and the stable branches with others, so that "since 6.6" is rarely true. A
change is therefore data (`changes.toml` beside the expectations that refer to it): what was, what is, where to read
why, and for mainline and each stable branch the first release that has it and the last that has not. A declared
deviation holds `before` a change, or `since` one.

Of a release that was measured, and of those between two on its branch, it is known which changes it has. Of all others
(a distribution's own number, a vendor's tree, a release candidate, what comes next on a branch) each change is *open*:
either what was or what is must be seen, and nothing else.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from harness.expectations.entries import BrokenExpectations, read

FILE_NAME = "changes.toml"
ESTABLISHED = ("measured", "read")
#: A release as upstream numbers it, and as Debian names its builds of one since 6.12. Others stand for trees of their
#: own: 6.1.0-47-amd64 is Debian's name for many releases of 6.1, 6.8.0-45-generic is Ubuntu's for more than 6.8.
_UPSTREAM = re.compile(r"(\d+\.\d+(?:\.\d+)?)(?:\+deb\d+(?:\+\d+)?-[a-z0-9-]+)?", re.ASCII)

Branch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a change came to a line of releases: the first one with it, the last one known to be without.

    The two are `established` by measuring both, or by reading the sources. Mainline's releases are those that begin a
    branch: 6.12 stands for all of 6.12.x.
    """

    first: Version
    last_without: Version
    established: str

    def __str__(self) -> str:
        """Return the release, and how much of that is known."""
        return f"{self.first} ({self.established}; not in {self.last_without})"

    @property
    def branch(self) -> Branch | None:
        """The stable branch, None for mainline."""
        return branch_of(self.first) if len(self.first.release) > 2 else None


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `was` and `now` say in a sentence each what is seen, `source` where it is decided."""

    name: str
    was: str
    now: str
    source: str
    arrivals: tuple[Arrival, ...]
    origin: str = ""

    def reached(self, branch: Branch | None) -> Arrival | None:
        """Return how it came to a stable branch, or to mainline (None)."""
        return next((arrival for arrival in self.arrivals if arrival.branch == branch), None)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an entry holds: in a range of releases, since one change, before another."""

    when: SpecifierSet = field(default_factory=SpecifierSet)
    since: str = ""
    before: str = ""

    def __str__(self) -> str:
        """Return it in words, "" where it is about all releases."""
        since, before = self.since and f"since {self.since}", self.before and f"before {self.before}"
        return ", ".join(filter(None, (str(self.when), since, before)))

    @property
    def changes(self) -> tuple[str, ...]:
        """The names of the changes that it depends on."""
        return tuple(filter(None, (self.since, self.before)))

    def in_range(self, release: str) -> bool:
        """Tell whether a release is in the range; whether it has the changes is another question."""
        return self.when.contains(release_numbers(release), prereleases=True)

    def holds(self, having: Mapping[str, bool]) -> bool:
        """Tell whether it holds for a target that has these changes and lacks those; what is not named is open."""
        return having.get(self.since, True) and not having.get(self.before, False)

    def excludes(self, other: "Scope") -> bool:
        """Tell whether no release can be in both."""
        return bool(self.since and self.since == other.before) or bool(self.before and self.before == other.since)


class History:
    """All changes of an implementation, and the releases in which each was looked for."""

    def __init__(self, changes: Iterable[Change] = (), measured: Iterable[str] = ()) -> None:
        self.changes: Mapping[str, Change] = {change.name: change for change in changes}
        #: The releases that were measured, as they name themselves.
        self.measured = frozenset(measured)
        self._newest: dict[Branch, Version] = {}
        for release in self.measured:
            version = release_numbers(release)
            branch = branch_of(version)
            self._newest[branch] = max(version, self._newest.get(branch, version))

    def standing(self, release: str) -> dict[str, bool]:
        """Return which changes a release is known to have (True) or to lack; one that is open is not named."""
        upstream = _UPSTREAM.fullmatch(release)
        if upstream is None and release not in self.measured:
            return {}
        version = Version(upstream[1]) if upstream else release_numbers(release)
        having = {name: self._has(change, version) for name, change in self.changes.items()}
        return {name: has for name, has in having.items() if has is not None}

    def _has(self, change: Change, version: Version) -> bool | None:
        branch = branch_of(version)
        mainline = change.reached(None)
        if mainline is not None and branch >= branch_of(mainline.first):
            return True
        if (stable := change.reached(branch)) is not None:
            return True if version >= stable.first else False if version <= stable.last_without else None
        if mainline is not None and branch > branch_of(mainline.last_without):
            return None
        newest = self._newest.get(branch)
        return False if newest is not None and version <= newest else None


def branch_of(version: Version) -> Branch:
    """Return the stable branch of a release: (6, 12) for 6.12.43."""
    return version.major, version.minor


@lru_cache(maxsize=64)
def release_numbers(version: str) -> Version:
    """Return the leading numbers of a release: ``6.1.0-47-amd64`` is 6.1.0; 0 where there are none."""
    match = re.match(r"\d+(?:\.\d+)*", version, re.ASCII)
    return Version(match.group() if match else "0")


@lru_cache(maxsize=16)
def history(implementation: str) -> History:
    """Return what is known of an implementation such as ``Linux``; nothing of most."""
    path = Path(__file__).with_name(implementation.lower()) / FILE_NAME
    return load(path) if path.is_file() else History()


def expected(implementation: str, release: str) -> list[dict[str, str]]:
    """Return all changes as plain data; `expected` says whether a release has or lacks it, or which is open."""
    known = history(implementation)
    having = known.standing(release)
    words = {True: "has", False: "lacks", None: "open"}
    return [
        {
            "name": change.name,
            "was": change.was,
            "now": change.now,
            "expected": words[having.get(change.name)],
            "reached": ", ".join(map(str, change.arrivals)),
        }
        for change in known.changes.values()
    ]


def load(path: Path) -> History:
    """Read the ``[[change]]`` and ``[[measured]]`` entries of a file; raises BrokenExpectations."""
    changes = [_change(entry, f"{path}:{line}") for entry, line in read(path, "change", beside=frozenset({"measured"}))]
    measured = [_measured(entry, f"{path}:{line}") for entry, line in read(path, "measured", beside={"change"})]
    for at, change in enumerate(changes):
        if change.name in {other.name for other in changes[:at]}:
            raise BrokenExpectations(f"{change.origin}: {change.name!r} stands here twice")
    return History(changes, measured)


def _measured(entry: dict[str, Any], origin: str) -> str:
    release = entry.get("release")
    if not isinstance(release, str) or not release or not isinstance(entry.get("from", ""), str):
        raise BrokenExpectations(f"{origin}: 'release' is the kernel's own name of its release, 'from' a text")
    return release


def _change(entry: dict[str, Any], origin: str) -> Change:
    texts = ("name", "was", "now", "source")
    wrong = [key for key in texts if not isinstance(entry.get(key), str) or not entry[key]]
    if wrong or set(entry) - {*texts, "reached"}:
        keys = ", ".join((*texts, "reached"))
        raise BrokenExpectations(f"{origin}: {wrong[0] if wrong else 'a key'!r} is not right; keys are {keys}")
    reached = entry.get("reached", [])
    if not isinstance(reached, list) or not reached:
        raise BrokenExpectations(f"{origin}: 'reached' is a list of tables: where the change came, and when")
    arrivals = tuple(_arrival(each, origin) for each in reached)
    if len({arrival.branch for arrival in arrivals}) < len(arrivals):
        raise BrokenExpectations(f"{origin}: 'reached' names a branch twice")
    return Change(entry["name"], entry["was"], entry["now"], entry["source"], arrivals, origin)


def _arrival(entry: Any, origin: str) -> Arrival:
    try:
        arrival = Arrival(Version(entry["first"]), Version(entry["last_without"]), entry["established"])
    except (KeyError, TypeError, InvalidVersion) as error:
        raise BrokenExpectations(
            f"{origin}: an arrival has 'first', 'last_without' (releases) and 'established': {error}"
        ) from None
    if arrival.established not in ESTABLISHED:
        raise BrokenExpectations(f"{origin}: 'established' is one of {', '.join(ESTABLISHED)}")
    if arrival.last_without >= arrival.first:
        raise BrokenExpectations(
            f"{origin}: {entry['last_without']} can't lack what {entry['first']} was the first with"
        )
    if arrival.branch not in (None, branch_of(arrival.last_without)):
        raise BrokenExpectations(f"{origin}: {entry['last_without']} is not on the branch of {entry['first']}")
    return arrival


def scope(entry: Mapping[str, Any], origin: str) -> Scope:
    """Return where an entry with `when`, `since` and `before` holds; raises BrokenExpectations."""
    try:
        when = SpecifierSet(entry.get("when", ""))
    except (InvalidSpecifier, TypeError, AttributeError) as error:
        raise BrokenExpectations(f"{origin}: 'when' is a version range such as '>=5.10,<6.12': {error}") from None
    for key in ("since", "before"):
        if (name := entry.get(key, "")) and name not in known_names():
            listed = ", ".join(sorted(known_names()))
            raise BrokenExpectations(f"{origin}: {key!r} names no change: {name!r}; changes are {listed}")
    return Scope(when, entry.get("since", ""), entry.get("before", ""))


@lru_cache(maxsize=1)
def known_names() -> frozenset[str]:
    """Return the names of all changes of all implementations."""
    files = Path(__file__).parent.glob(f"*/{FILE_NAME}")
    return frozenset(name for path in files for name in history(path.parent.name).changes)
