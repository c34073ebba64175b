"""``results.jsonl``: header, one line per target, one line per case, footer. Append-only; no footer, no complete run.

Every line is a JSON object with a `kind`:

* ``header``: schema, tool, python, host (machine type), started (ISO 8601, UTC), command.
* ``target``: the facts of a target: name, implementation, version, details, sysctls (as read back).
* ``case``: id, target, ip (4 or 6), verdict, cites; where there is something to say also reason, findings (code, level,
  expected, observed, state, cites, step), ladder (events with ms since the case began), ss (texts), pcap (path beside
  this file), source and declared (of a known deviation), replays, unobserved, reproduce (a command).
* ``footer``: cases (lines above), collected (tests that the run had), seconds.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from harness import __version__

SCHEMA = 1
FILE_NAME = "results.jsonl"
CAPTURES = "pcap"

_CASE_NEEDS = {"id": str, "target": str, "ip": int, "verdict": str}
_FOREIGN = "this is not a tcpspec results file (no header)"
_BEHIND = "there are lines behind the footer"


class BrokenResults(ValueError):
    """A results file that can't be read; the message names file and line."""


@dataclass(slots=True)
class Results:
    """A run that was read. `footer` is None for an incomplete run."""

    path: Path
    header: dict[str, Any]
    targets: list[dict[str, Any]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    footer: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """Whether the run came to its end."""
        return self.footer is not None


class ResultsWriter:
    """Writes one run. Each line is flushed, so that a killed run leaves all it had judged, and no footer."""

    def __init__(self, folder: Path, *, command: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE_NAME
        _remove_captures(self.path)
        self._file: IO[str] = open(self.path, "w", encoding="utf-8")  # noqa: SIM115 (closed by `finish`)
        self._cases = 0
        self._line(
            {
                "kind": "header",
                "schema": SCHEMA,
                "tool": f"tcpspec {__version__}",
                "python": sys.version.split()[0],
                "host": os.uname().machine,
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "command": command,
            }
        )

    def target(self, facts: dict[str, Any]) -> None:
        """Write the facts of a target."""
        self._line({"kind": "target", **facts})

    def case(self, record: dict[str, Any]) -> None:
        """Write what came of a case."""
        self._cases += 1
        self._line({"kind": "case", **record})

    def finish(self, *, collected: int, interrupted: bool, seconds: float) -> None:
        """Write the footer, unless the run was interrupted, and close the file."""
        if self._file.closed:
            return
        if not interrupted:
            footer = {"kind": "footer", "cases": self._cases, "collected": collected, "seconds": round(seconds, 3)}
            self._line(footer)
        self._file.close()

    def _line(self, data: dict[str, Any]) -> None:
        self._file.write(json.dumps(data, ensure_ascii=True, separators=(",", ":")) + "\n")
        self._file.flush()


def _remove_captures(file: Path) -> None:
    """Remove the captures that the run before wrote beside its results: they would pass for those of the next."""
    try:
        earlier = read(file).cases
    except BrokenResults:
        return
    folder = file.parent / CAPTURES
    for case in earlier:
        capture = file.parent / str(case.get("pcap", ""))
        if capture.parent == folder and capture.suffix == ".pcapng":
            capture.unlink(missing_ok=True)


def read(path: Path) -> Results:
    """Read a results file, or the one in a folder; raises BrokenResults."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenResults(f"{file}: can't be read: {error}") from None
    results: Results | None = None
    seen: set[tuple[Any, ...]] = set()
    number = 0
    for number, data in _objects(file, lines):
        kind = data.get("kind")
        if results is None:
            results = _header(file, number, data)
            continue
        if results.footer is not None:
            raise BrokenResults(f"{file}:{number}: {_BEHIND}")
        match kind:
            case "target":
                results.targets.append(data)
            case "case":
                key = (data.get("id"), data.get("target"), data.get("ip"))
                if not all(isinstance(data.get(name), wanted) for name, wanted in _CASE_NEEDS.items()):
                    raise BrokenResults(f"{file}:{number}: a case needs id, target, ip and verdict")
                if key in seen:
                    raise BrokenResults(f"{file}:{number}: case {key[0]} on {key[1]} IPv{key[2]} stands here twice")
                seen.add(key)
                results.cases.append(data)
            case "footer":
                results.footer = data
            case _:
                raise BrokenResults(f"{file}:{number}: unknown kind of line {kind!r}")
    if results is None:
        raise BrokenResults(f"{file}:1: {_FOREIGN}")
    if results.footer is not None and number < len(lines):
        raise BrokenResults(f"{file}:{number + 1}: {_BEHIND}")
    if results.footer is not None and results.footer.get("cases") != len(results.cases):
        wrong = f"the footer counts {results.footer.get('cases')} cases, the file has {len(results.cases)}"
        raise BrokenResults(f"{file}: {wrong}")
    return results


def _objects(file: Path, lines: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            if number == len(lines):  # killed in the middle of a line: the run is incomplete, not broken
                return
            raise BrokenResults(f"{file}:{number}: not JSON") from None
        if not isinstance(data, dict):
            raise BrokenResults(f"{file}:{number}: {'not a JSON object' if number > 1 else _FOREIGN}")
        yield number, data


def _header(file: Path, number: int, data: dict[str, Any]) -> Results:
    if data.get("kind") != "header" or "schema" not in data:
        raise BrokenResults(f"{file}:{number}: {_FOREIGN}")
    if data["schema"] != SCHEMA:
        raise BrokenResults(f"{file}:{number}: schema {data['schema']}, this version reads schema {SCHEMA}")
    return Results(file, data)
