"""``results.jsonl``: header, one line per target, one line per case, footer. Append-only; no footer, no complete run.

Every line is a JSON object with a `kind`. `schema.py` beside this has the fields of each; `RESULTS.md` explains them.
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from harness import __version__
from harness.trace.schema import LINES, SCHEMA

FILE_NAME = "results.jsonl"
CAPTURES = "pcap"

_FOREIGN = "this is not a tcpspec results file (no header)"
_BEHIND = "there are lines behind the footer"
#: What no terminal, file or page should get: control characters, and half characters, which JSON can escape.
_UNPRINTABLE = re.compile(r"\\u(?:[dD][89a-fA-F]|00[0189])|\\[bfr]|[\x7f-\x9f]|\\u007[fF]")
#: The same where all is ASCII: what begins with one character is found twenty times as fast.
_ESCAPED = re.compile(r"\\(?:[bfr]|u(?:[dD][89a-fA-F]|00[0189]|007[fF]))")
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


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
    """Writes one run. Each line is flushed, so that a killed run leaves all it had judged, and no footer.

    What the run before left in the folder stays until `begin`: a command that comes to nothing (a case that there is
    not, a target that does not start) takes nothing away.
    """

    def __init__(
        self,
        folder: Path,
        *,
        command: list[str],
        level: str = "MUST",
        shard: str = "",
        keep_captures: bool = False,
    ) -> None:
        self.path = folder / FILE_NAME
        #: What is there only because of this writer.
        self._made = [each for each in (self.path, folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 (closed by `finish`)
        self._keep_captures = keep_captures
        self._begun = False
        self._cases = 0
        self._header = {
            "kind": "header",
            "schema": SCHEMA,
            "tool": f"tcpspec {__version__}",
            "python": sys.version.split()[0],
            "host": os.uname().machine,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "level": level,
            **({"shard": shard} if shard else {}),
        }

    def begin(self) -> None:
        """Take the place of the run before, its captures included, and write the header; again, do nothing."""
        if self._begun:
            return
        self._begun = True
        if not self._keep_captures:
            _remove_captures(self.path)
        self._file.truncate(0)
        self._line(self._header)

    def target(self, facts: dict[str, Any]) -> None:
        """Write the facts of a target."""
        self.begin()
        self._line({"kind": "target", **facts})

    def case(self, record: dict[str, Any]) -> None:
        """Write what came of a case."""
        self.case_text(as_text(record))

    def case_text(self, text: str) -> None:
        """Write what came of a case, given as by `as_text`."""
        self.begin()
        self._cases += 1
        self._write(f'{{"kind":"case",{text[1:]}')

    def finish(
        self,
        *,
        collected: int,
        interrupted: bool,
        seconds: float,
        left_out: Mapping[str, int] | None = None,
        came_to_nothing: bool = False,
    ) -> None:
        """Write the footer, unless the run was interrupted, and close the file.

        `left_out` counts what the command line did not choose, by reason. Where the command `came_to_nothing` before
        it began, all is left as it was found.
        """
        if self._file.closed:
            return
        if came_to_nothing and not self._begun:
            self._file.close()
            self._unmake()
            return
        self.begin()
        if not interrupted:
            counted = {"cases": self._cases, "collected": collected, "seconds": round(seconds, 3)}
            self._line({"kind": "footer", **counted, "left_out": dict(left_out or {})})
        self._file.close()

    def _unmake(self) -> None:
        for each in self._made:
            with contextlib.suppress(OSError):
                each.rmdir() if each.is_dir() else each.unlink()

    def _line(self, data: dict[str, Any]) -> None:
        self._write(as_text(data))

    def _write(self, text: str) -> None:
        self._file.write(text + "\n")
        self._file.flush()


#: One for all: `json.dumps` makes a new one for every text where separators are given.
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def as_text(data: dict[str, Any]) -> str:
    """Return an object as JSON in one line."""
    return _ENCODER.encode(data)


def is_inert(text: str) -> bool:
    """Tell whether a JSON text has nothing that `inert` replaces: in ASCII only an escape may stand for that."""
    if text.isascii() and "\x7f" not in text:
        return not _ESCAPED.search(text)
    return not _UNPRINTABLE.search(text)


def _remove_captures(file: Path) -> None:
    """Remove the captures that the run before wrote beside its results: they would pass for those of the next."""
    folder = file.parent / CAPTURES
    if not folder.is_dir():
        return
    try:
        earlier = read(file).cases
    except BrokenResults:
        return
    for case in earlier:
        capture = file.parent / str(case.get("pcap", ""))
        if capture.parent == folder and capture.suffix == ".pcapng":
            capture.unlink(missing_ok=True)


def read(path: Path) -> Results:
    """Read a results file, or the one in a folder; raises BrokenResults."""
    file = path / FILE_NAME if path.is_dir() else path
    reader = _Reader(file)
    lines = _lines(file)
    for number, data in _objects(file, lines):
        reader.take(number, data)
    return reader.end(len(lines))


class _Reader:
    """Takes the lines of one file, in their order."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._results: Results | None = None
        self._seen: set[tuple[str, str, int]] = set()
        self._number = 0

    def take(self, number: int, data: dict[str, Any]) -> None:
        self._number = number
        results = self._results
        if results is None:
            self._results = self._header(data)
            return
        if results.footer is not None:
            raise self._broken(_BEHIND)
        kind = data.get("kind")
        shape = LINES.get(kind) if isinstance(kind, str) and kind != "header" else None
        if shape is None:
            raise self._broken(f"unknown kind of line {kind!r}")
        if wrong := shape.problem(data):
            raise self._broken(f"a line of kind {kind}: {wrong}")
        if kind == "target":
            results.targets.append(data)
        elif kind == "footer":
            results.footer = data
        else:
            self._case(results, data)

    def end(self, lines: int) -> Results:
        """Return what was read; `lines` is how many the file has."""
        results = self._results
        if results is None:
            raise BrokenResults(f"{self._file}:1: {_FOREIGN if lines else 'the file is empty'}")
        if results.footer is None:
            return results
        if self._number < lines:
            self._number += 1
            raise self._broken(_BEHIND)
        if results.footer["cases"] != len(results.cases):
            raise self._broken(f"the footer counts {results.footer['cases']} cases, the file has {len(results.cases)}")
        return results

    def _header(self, data: dict[str, Any]) -> Results:
        if data.get("kind") != "header" or "schema" not in data:
            raise self._broken(_FOREIGN)
        if data["schema"] != SCHEMA:
            raise self._broken(f"schema {data['schema']!r}, this version reads schema {SCHEMA}; run the cases again")
        if wrong := LINES["header"].problem(data):
            raise self._broken(f"a line of kind header: {wrong}")
        return Results(self._file, data)

    def _case(self, results: Results, data: dict[str, Any]) -> None:
        key = (data["id"], data["target"], data["ip"])
        if key in self._seen:
            raise self._broken(f"case {key[0]} on {key[1]} IPv{key[2]} stands here twice")
        self._seen.add(key)
        results.cases.append(data)

    def _broken(self, problem: str) -> BrokenResults:
        return BrokenResults(f"{self._file}:{self._number}: {problem}")


def _lines(file: Path) -> list[bytes]:
    try:
        octets = file.read_bytes()
    except OSError as error:
        hint = "" if file.parent.exists() else f"; there is no folder {file.parent}"
        raise BrokenResults(f"{file}: can't be read: {error.strerror}{hint}") from None
    # At newlines only: `splitlines` would also cut at characters that may stand in a text.
    return octets.removesuffix(b"\n").split(b"\n") if octets else []


def _objects(file: Path, lines: list[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        try:
            data = inert(line.decode("utf-8"))
        except (ValueError, RecursionError):
            if 1 < number == len(lines):  # killed in the middle of a line: the run is incomplete, not broken
                return
            raise BrokenResults(f"{file}:{number}: {'not JSON' if number > 1 else _FOREIGN}") from None
        if not isinstance(data, dict):
            raise BrokenResults(f"{file}:{number}: {'not a JSON object' if number > 1 else _FOREIGN}")
        yield number, data


def inert(text: str) -> Any:
    """Return the value of a JSON text with pictures (␛) in place of control characters other than line feed and tab."""
    value = json.loads(text, parse_constant=_no_number)
    return value if is_inert(text) else _inert(value)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def printable(text: str) -> str:
    """Return the text with pictures in place of control characters, and without half characters."""
    return text.encode("utf-8", "replace").decode("utf-8").translate(_PICTURES)


def _inert(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_inert(entry) for entry in value]
    if isinstance(value, dict):
        return {_inert(name): _inert(entry) for name, entry in value.items()}
    return value
