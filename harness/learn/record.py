"""``machine.json``: a learned machine with all that says what it is of, and whether it can be trusted.

schema        "tcpspec-machine/1"
target        name, implementation, version (of the target that it was learned of)
role, alphabet, setup, letters, ip, states
              what was asked: role, the alphabet's name, the steps before each query, the letters in their order
stopped       the tests that found nothing more: k, random, seed, tests, and `cut` (seconds) where there was no more
              time for all of them; where there was none for the machine, how many transitions were not asked
              (`unasked`: "not asked → ?"), or may have led to more than one state (`open`): both lead to a
              state of which nothing is known; `proves` says what that means
figures       queries, steps, rounds, cpu_s, wall_s, settled, disturbed, from_disk, restarted
machine       per state: `access` (shortest letters that lead there), `rfc` (the states of RFC 9293 that the target
              showed there; none where they can't be seen), and per letter `on`: [answer, next state]
judged        per transition that is not simply allowed: letters, verdict, seen, due, cites, rules, reason
unjudged      how many transitions there was no time to judge
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.learn.alphabet import Alphabet, BadAlphabet, of_texts
from harness.learn.machine import Machine
from harness.learn.oracle import said

SCHEMA = "tcpspec-machine/1"
_ARROW = " → "
UNSEEN = "?"
#: What the segments of an answer are called where there is none.
SILENT = "nothing"
_JUDGED = ("letters", "verdict", "seen", "due", "cites", "rules", "reason")
_LEARN = "tcpspec learn -o FOLDER writes machines"


class BadMachine(ValueError):
    """A file that is no machine of ours; the message says what is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Record:
    """A learned machine and its circumstances; `judged` are the transitions that are not simply allowed."""

    target: Mapping[str, str]
    alphabet: Alphabet
    machine: Machine
    ip: int = 4
    states: bool = True
    stopped: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    judged: tuple[Mapping[str, Any], ...] = ()
    unjudged: int = 0

    @property
    def name(self) -> str:
        """The target in words."""
        implementation, version = self.target["implementation"], self.target["version"]
        return f"{self.target['name']}: {implementation} {version}"

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        machine, letters = self.machine, self.machine.letters
        shown = rfc_states(machine)
        return {
            "schema": SCHEMA,
            "target": dict(self.target),
            "role": self.alphabet.role,
            "alphabet": self.alphabet.name,
            "setup": " ".join(map(str, self.alphabet.setup)),
            "letters": list(letters),
            "ip": self.ip,
            "states": self.states,
            "stopped": {**self.stopped, **({"proves": said(dict(self.stopped), machine.size)} if self.stopped else {})},
            "figures": dict(self.figures),
            "machine": [
                {
                    "access": " ".join(letters[letter] for letter in machine.access[state]),
                    "rfc": sorted(shown[state]),
                    "on": {
                        letters[letter]: [machine.answers[state][letter], machine.following[state][letter]]
                        for letter in range(len(letters))
                    },
                }
                for state in range(machine.size)
            ],
            "unjudged": self.unjudged,
            "judged": [dict(each) for each in self.judged],
        }

    def write(self, path: Path) -> None:
        """Write the file: one line per state and transition, so that a difference of two versions can be read."""
        data = self.as_dict()
        head = {key: value for key, value in data.items() if key not in ("machine", "judged")}
        lines = [f"{_json(key)}: {_json(value)}," for key, value in head.items()]
        lines.append('"machine": [')
        states = data["machine"]
        for at, state in enumerate(states):
            on = ",\n".join(f"    {_json(letter)}: {_json(after)}" for letter, after in state["on"].items())
            end = "," if at + 1 < len(states) else ""
            first = f'{{"access": {_json(state["access"])}, "rfc": {_json(state["rfc"])}, "on": {{'
            lines.append(f"  {first}\n{on}\n  }}}}{end}")
        lines.append("],")
        judged = ",\n".join(f"  {_json(each)}" for each in data["judged"])
        lines.append(f'"judged": [\n{judged}\n]' if judged else '"judged": []')
        path.write_text("{\n" + "\n".join(lines) + "\n}\n", encoding="utf-8")


def read(path: Path) -> Record:
    """Read a machine; raises BadMachine."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadMachine(f"{path}: {error.strerror}; {_LEARN}") from None
    except (ValueError, RecursionError):
        raise BadMachine(f"{path} is no machine, or not all of one; {_LEARN}") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        seen = f"its schema is {schema!r}" if schema else "it has no schema"
        raise BadMachine(f"{path} can't be used: {seen}, this tool reads {SCHEMA!r}; {_LEARN}")
    try:
        return _record(data)
    except BadAlphabet as error:
        raise BadMachine(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise BadMachine(f"{path} is damaged; {_LEARN}") from None


def _record(data: dict[str, Any]) -> Record:
    alphabet = of_texts(str(data["alphabet"]), str(data["role"]), map(str, data["letters"]), str(data["setup"]))
    if data["ip"] not in (4, 6) or not isinstance(data["states"], bool):
        raise ValueError("asked in no way that there is")
    return Record(
        {key: str(data["target"][key]) for key in ("name", "implementation", "version")},
        alphabet,
        _machine(alphabet.texts, data["machine"]),
        data["ip"],
        data["states"],
        {key: value for key, value in data["stopped"].items() if key != "proves"},
        dict(data["figures"]),
        tuple({key: each[key] for key in _JUDGED} for each in data["judged"]),
        int(data.get("unjudged", 0)),
    )


def _machine(letters: tuple[str, ...], rows: list[dict[str, Any]]) -> Machine:
    """Return the machine of a file; raises ValueError if it is none: a state that nothing leads to, or tells apart."""
    answers = tuple(tuple(str(row["on"][letter][0]) for letter in letters) for row in rows)
    following = tuple(tuple(int(row["on"][letter][1]) for letter in letters) for row in rows)
    if any(after < 0 for row in following for after in row):
        raise ValueError("a transition leads nowhere")

    def step(state: int, letter: int) -> tuple[str, int]:
        return answers[state][letter], following[state][letter]

    machine = Machine.explored(letters, 0, step)
    if machine.size != len(rows) or not machine.minimal:
        raise ValueError("it has other states than it should")
    return machine


def rfc_states(machine: Machine) -> list[set[str]]:
    """Return for each state the states of the RFC that the target showed there."""
    found: list[set[str]] = [set() for _state in range(machine.size)]
    for _state, _letter, answer, after in machine.transitions:
        shown = answer.rpartition(_ARROW)[2]
        if shown != UNSEEN and machine.was_asked(after):
            found[after].add(shown)
    return found


def parts(answer: str) -> tuple[str, str, str]:
    """Return an answer's call result, segments and state, as they are written."""
    said_, _arrow, state = answer.rpartition(_ARROW)
    call, semicolon, segments = said_.rpartition("; ")
    return (call if semicolon else ""), segments, state


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
