"""Known deviations of targets: TOML files that pin what a target does instead of what an RFC demands.

A deviation is an assertion too. It names the case (id or pattern), the versions it holds for, exactly what is observed
instead, why that is so, and where one can read it. A target that behaves in yet another way, or as the RFC says, is not
covered by it.
"""

import fnmatch
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

_KEYS = {"case", "when", "ip", "observed", "state", "reason", "source"}
_TEXTS = ("case", "when", "state", "reason", "source")
_REQUIRED = ("case", "observed", "reason", "source")


class BrokenExpectations(ValueError):
    """An expectations file that can't be used; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One entry. `observed` are signatures of findings ("code: what was seen"), `state` the target's state then.

    `case` is an id or a pattern with ``*``; `when` a version range over the leading numbers of the target's release.
    """

    case: str
    observed: tuple[str, ...]
    reason: str
    source: str
    when: SpecifierSet
    state: str = ""
    ip: int = 0
    origin: str = ""

    def covers(self, case_id: str, ip: int, version: str) -> bool:
        """Tell whether this entry is about the case on this IP version and this release of the target."""
        return (
            self.names(case_id)
            and self.ip in (0, ip)
            and self.when.contains(release_numbers(version), prereleases=True)
        )

    def names(self, case_id: str) -> bool:
        """Tell whether the entry's pattern matches a case id."""
        return fnmatch.fnmatchcase(case_id, _bracket_safe(self.case))

    def explains(self, signature: str, state: str) -> bool:
        """Tell whether what was seen is what this entry pins."""
        return signature in self.observed and self.state in ("", state)


@lru_cache(maxsize=64)
def release_numbers(version: str) -> Version:
    """Return the leading numbers of a release: ``6.1.0-47-amd64`` is 6.1.0; 0 where there are none."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return Version(match.group() if match else "0")


def load(path: Path) -> tuple[Deviation, ...]:
    """Read a file of deviations; raises BrokenExpectations."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenExpectations(f"{path}: can't be read: {error}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))  # "at end of document" is the only place without a number
        where = line.group(1) if line else len(text.splitlines())
        raise BrokenExpectations(f"{path}:{where}: not TOML: {error}") from None
    unknown = set(data) - {"deviation", "grid"}
    if unknown:
        raise BrokenExpectations(f"{path}:1: unknown table {sorted(unknown)[0]!r}; entries are [[deviation]]")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == "[[deviation]]"]
    entries = data.get("deviation", [])
    if not isinstance(entries, list) or len(lines) != len(entries):
        raise BrokenExpectations(f"{path}:1: write each entry under a [[deviation]] line of its own")
    return tuple(_entry(entry, f"{path}:{line}") for entry, line in zip(entries, lines, strict=True))


def bundled(implementation: str) -> tuple[Deviation, ...]:
    """Return the deviations that come with the tool for an implementation such as ``Linux``: one file per topic."""
    folder = Path(__file__).with_name(implementation.lower())
    return tuple(entry for path in sorted(folder.glob("*.toml")) for entry in load(path))


def all_bundled() -> tuple[Deviation, ...]:
    """Return the deviations of all implementations that the tool knows."""
    folders = sorted(path.name for path in Path(__file__).parent.iterdir() if path.is_dir() and path.name[0] != "_")
    return tuple(entry for name in folders for entry in bundled(name))


def _entry(entry: dict[str, Any], origin: str) -> Deviation:
    unknown = sorted(set(entry) - _KEYS)
    missing = [key for key in _REQUIRED if not entry.get(key)]
    if unknown or missing:
        problem = f"unknown key {unknown[0]!r}" if unknown else f"{missing[0]!r} is missing or empty"
        raise BrokenExpectations(f"{origin}: {problem}; keys are {', '.join(sorted(_KEYS))}")
    observed = entry["observed"] if isinstance(entry["observed"], list) else [entry["observed"]]
    if not all(isinstance(text, str) for text in observed):
        raise BrokenExpectations(f"{origin}: 'observed' is a text or a list of texts")
    for key in _TEXTS:
        if not isinstance(entry.get(key, ""), str):
            raise BrokenExpectations(f"{origin}: {key!r} is a text")
    if entry.get("ip", 0) not in (0, 4, 6):
        raise BrokenExpectations(f"{origin}: 'ip' is 4 or 6")
    try:
        when = SpecifierSet(entry.get("when", ""))
    except InvalidSpecifier as error:
        raise BrokenExpectations(f"{origin}: 'when' is a version range such as '>=5.10,<6.12': {error}") from None
    return Deviation(
        entry["case"],
        tuple(observed),
        entry["reason"],
        entry["source"],
        when,
        entry.get("state", ""),
        entry.get("ip", 0),
        origin,
    )


def _bracket_safe(pattern: str) -> str:
    # A row stands in brackets in a case id; for fnmatch they would be a set of characters.
    return pattern.replace("[", "[[]")
