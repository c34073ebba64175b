"""Why some cases kill no defect: the entries of ``kills_nothing.toml``, and whether they still hold."""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

TABLE = Path(__file__).with_name("kills_nothing.toml")


class BrokenReasons(ValueError):
    """A table of reasons that can't be used; the message names the file and the entry."""


def load(path: Path = TABLE) -> dict[str, str]:
    """Return the reason of each case, by its id without rows; raises BrokenReasons."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BrokenReasons(f"{path}: {error}") from None
    reasons: dict[str, str] = {}
    for number, entry in enumerate(data.get("idle", []), 1):
        names, reason = entry.get("cases"), entry.get("reason")
        whole = isinstance(names, list) and names and isinstance(reason, str) and reason
        if set(entry) != {"cases", "reason"} or not whole:
            raise BrokenReasons(f"{path}: entry {number} under [[idle]] has a list of cases and a reason")
        for name in names:
            if name in reasons:
                raise BrokenReasons(f"{path}: {name} stands there twice")
            reasons[name] = reason
    return reasons


def unknown(reasons: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each entry whose case does not exist."""
    for name in reasons:
        if name not in known:
            yield f"{TABLE.name}: there is no case {name}; remove or correct the entry"


def problems(reasons: Mapping[str, str], idle: Collection[str], known: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each case that kills nothing without a reason, and for each entry that no longer holds."""
    yield from unknown(reasons, known)
    for name in reasons:
        if name in known and name not in idle:
            yield f"{TABLE.name}: {name} does kill a defect; remove the entry"
    for name in sorted(idle):
        if name not in reasons:
            yield f"{name} kills no defect; add one that it kills, or a reason to {TABLE.name}"
