"""What may stand in a line of ``results.jsonl``: the fields of each kind, as data. `RESULTS.md` explains them.

A reader refuses a line that lacks a field or has one of another type, so that no rendering need ask again. Fields
that this table does not name are left alone: who builds on the file may add some.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SCHEMA = 2

#: The words for what came of a case, from the best to the worst for whoever reads a column of them.
VERDICTS = (
    "conforms",
    "not applicable",
    "unobserved",
    "deviates",
    "known deviation",
    "gone deviation",
    "violates",
    "unstable",
    "inconclusive",
    "harness error",
)
#: Not as expected at any level; at level SHOULD also "deviates".
UNEXPECTED = frozenset({"violates", "gone deviation", "unstable", "inconclusive", "harness error"})


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _table_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_whole, value.values()))


def _verdict(value: Any) -> bool:
    return value in VERDICTS


def _ip(value: Any) -> bool:
    return _whole(value) and value in (4, 6)


def _level(value: Any) -> bool:
    return value in ("MUST", "SHOULD")


def _standing(value: Any) -> bool:
    return value in ("has", "lacks", "open")


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of an object: name -> what its value must be. Only those of `optional` may be missing."""

    required: Mapping[str, "Check"]
    optional: Mapping[str, "Check"]

    def problem(self, data: Mapping[str, Any]) -> str:
        """Return what is wrong with an object in a few words, "" if nothing is."""
        for name, check in self.required.items():
            if name not in data:
                return f"{name} is missing"
            if wrong := check.problem(data[name], name):
                return wrong
        for name, check in self.optional.items():
            if name in data and (wrong := check.problem(data[name], name)):
                return wrong
        return ""


@dataclass(frozen=True, slots=True)
class Check:
    """What a value must be, in words and as a test; with `of`, it is an object (`many`: a list of them)."""

    words: str
    test: Callable[[Any], bool] = lambda value: True
    of: Shape | None = None
    many: bool = False

    def problem(self, value: Any, name: str) -> str:
        """Return what is wrong with the value of the field `name`, "" if nothing is."""
        if self.of is None:
            return "" if self.test(value) else f"{name} must be {self.words}"
        entries = value if self.many else [value]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            return f"{name} must be {self.words}"
        return next((f"{name}: {wrong}" for entry in entries if (wrong := self.of.problem(entry))), "")


TEXT = Check("a text", _text)
TEXTS = Check("a list of texts", _texts)
WHOLE = Check("a whole number", _whole)
NUMBER = Check("a number", _number)
TABLE = Check("an object of texts", _table_of_texts)
COUNTS = Check("an object of whole numbers", _counts)
NUMBER_OR_NULL = Check("a whole number or null", lambda value: value is None or _whole(value))

FINDING = Shape(
    {
        "code": TEXT,
        "level": Check("MUST or SHOULD", _level),
        "expected": TEXT,
        "observed": TEXT,
        "state": TEXT,
        "cites": TEXTS,
        "step": TEXT,
    },
    {},
)
SEGMENT = Shape({"seq": WHOLE, "ack": NUMBER_OR_NULL, "flags": TEXT, "length": WHOLE, "window": WHOLE}, {})
SNAPSHOT = Shape({"state": TEXT}, {"receive_queue": WHOLE, "send_queue": WHOLE, "mini": Check("true", bool)})
EVENT = Shape(
    {"ms": NUMBER, "kind": TEXT, "text": TEXT},
    {
        "segment": Check("a segment", of=SEGMENT),
        "snapshot": Check("a snapshot", of=SNAPSHOT),
        "connection": WHOLE,
        "mark": TEXT,
        "peer_state": TEXT,
        "step": TEXT,
    },
)

CHANGE = Shape(
    {"name": TEXT, "was": TEXT, "now": TEXT, "expected": Check("has, lacks or open", _standing)}, {"reached": TEXT}
)

#: The kinds of lines.
LINES: Mapping[str, Shape] = {
    "header": Shape(
        {
            "schema": WHOLE,
            "tool": TEXT,
            "python": TEXT,
            "host": TEXT,
            "started": TEXT,
            "command": TEXTS,
            "level": Check("MUST or SHOULD", _level),
        },
        {"shard": TEXT},
    ),
    "target": Shape(
        {"name": TEXT, "implementation": TEXT, "version": TEXT, "details": TABLE, "sysctls": TABLE},
        {"capabilities": TEXTS, "changes": Check("a list of changes", of=CHANGE, many=True)},
    ),
    "case": Shape(
        {
            "id": TEXT,
            "target": TEXT,
            "ip": Check("4 or 6", _ip),
            "verdict": Check(f"one of {', '.join(VERDICTS)}", _verdict),
            "cites": TEXTS,
        },
        {
            "title": TEXT,
            "at": TEXT,
            "figure": WHOLE,
            "reason": TEXT,
            "findings": Check("a list of findings", of=FINDING, many=True),
            "decides": WHOLE,
            "ladder": Check("a list of events", of=EVENT, many=True),
            "trace": TEXTS,
            "set_up": WHOLE,
            "timer_s": NUMBER,
            "ss": TEXTS,
            "pcap": TEXT,
            "source": TEXT,
            "declared": TEXT,
            "issue": TEXT,
            "changes": TABLE,
            "replays": WHOLE,
            "unobserved": WHOLE,
            "other_course": TEXT,
            "reproduce": TEXT,
        },
    ),
    "footer": Shape({"cases": WHOLE, "collected": WHOLE, "seconds": NUMBER}, {"left_out": COUNTS}),
}
