"""Every answer that a target has given, as a tree of letters; on disk, so that an interrupted run goes on.

The file has a header, then a line per query: numbers of letters and of answers, each answer spelled out where it comes
first. Half a line at its end (a run that was killed) costs that query.
"""

import contextlib
import fcntl
import json
import time
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from harness.cache import folder

SCHEMA = "tcpspec-queries/1"
#: So many queries are written at once, or those of so many seconds.
FLUSH, FLUSH_S = 500, 2.0

#: A node: what follows each letter, by the letter's number: the answer's number and the next node.
Node = dict[int, tuple[int, Any]]


class Tree:
    """Answers by the letters that led to them. `path` is where they are kept, None for nowhere."""

    def __init__(self, letters: Sequence[str], path: Path | None, header: dict[str, Any]) -> None:
        self.letters = tuple(letters)
        self.root: Node = {}
        self.answers: list[str] = []
        #: How many queries the file had; whether another run writes it, so that this one neither reads nor writes.
        self.loaded = 0
        self.taken = False
        self._numbers: dict[str, int] = {}
        self._written = 0
        self._waiting: list[str] = []
        self._flushed = time.monotonic()
        self._path = path
        self._header = {"schema": SCHEMA, "letters": list(letters), **header}
        self._file: TextIOWrapper | None = None
        if path is not None:
            with contextlib.suppress(OSError):
                self._open(path)

    def number(self, answer: str) -> int:
        """Return the number of an answer."""
        found = self._numbers.get(answer)
        if found is None:
            found = self._numbers[answer] = len(self.answers)
            self.answers.append(answer)
        return found

    def add(self, word: Sequence[int], answers: Sequence[int]) -> None:
        """Keep a query; what is known of it already must agree."""
        self._insert(word, answers)
        if self._file is not None:
            self._waiting.append(json.dumps([list(word), list(answers)], separators=(",", ":")))
            if len(self._waiting) >= FLUSH or time.monotonic() - self._flushed >= FLUSH_S:
                self.flush()

    def flush(self) -> None:
        """Write what has not been written yet; a full disk costs only what it would have saved."""
        if self._file is None:
            return
        self._flushed = time.monotonic()
        fresh = [json.dumps(answer, ensure_ascii=False) for answer in self.answers[self._written :]]
        self._written = len(self.answers)
        lines, self._waiting = [*fresh, *self._waiting], []
        with contextlib.suppress(OSError):
            self._file.write("".join(f"{line}\n" for line in lines))
            self._file.flush()

    def close(self) -> None:
        """Write all, and let go of the file."""
        self.flush()
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def forget(self) -> None:
        """Throw away everything, on disk too."""
        self.root, self.answers, self._numbers, self._written, self._waiting = {}, [], {}, 0, []
        self.loaded = 0
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._begin(self._file)

    def _insert(self, word: Sequence[int], answers: Sequence[int]) -> None:
        node = self.root
        for letter, answer in zip(word, answers, strict=True):
            following = node.get(letter)
            if following is None:
                following = node[letter] = (answer, {})
            node = following[1]

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.taken = True
            file.close()
            return
        self._file = file
        whole = self._load(path)
        if whole:
            file.truncate(whole)
        else:
            self._begin(file)

    def _begin(self, file: TextIOWrapper) -> None:
        file.truncate(0)
        file.write(json.dumps(self._header, ensure_ascii=False) + "\n")
        file.flush()

    def _load(self, path: Path) -> int:
        """Read the file; return how many octets of it are whole lines of ours, 0 if it is none of ours."""
        lines = path.read_bytes().splitlines(keepends=True)
        size = 0
        for at, line in enumerate(lines):
            try:
                read = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                read = None
            if read is None or (not at and read != self._header):
                break
            if isinstance(read, str):
                self.number(read)
            elif isinstance(read, list):
                self._insert(*read)
                self.loaded += 1
            size += len(line)
        self._written = len(self.answers)
        return size


def place(key: str) -> Path | None:
    """Return the file for a key, below the user's cache folder; None where there is no home."""
    try:
        return folder() / "learn" / f"{key}.queries"
    except RuntimeError:
        return None
