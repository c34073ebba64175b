"""A machine as a graph in the languages that others draw: DOT (Graphviz) and Mermaid.

States that the RFC does not distinguish stand together in the box of their RFC state; edges between the same two
states are one, with a line for each answer and the letters that draw it.
"""

import json
from collections.abc import Iterator, Mapping

from harness.learn.machine import Machine
from harness.learn.record import SILENT, Record, parts, rfc_states

#: The answers of an edge, each with the letters that draw it.
Labels = Mapping[str, list[str]]
#: More lines than that on one edge are not read by anybody.
MOST_LINES = 8
#: What stands on an edge where there was no answer.
NOTHING = "–"
#: What the state is called of which nothing is known, in a machine that was cut off.
UNKNOWN = "not known"


def edges(machine: Machine, *, loops: bool = True) -> dict[tuple[int, int], dict[str, list[str]]]:
    """Return for each pair of states the answers between them, each with its letters."""
    found: dict[tuple[int, int], dict[str, list[str]]] = {}
    for state, letter, answer, after in machine.transitions:
        if loops or state != after:
            said = found.setdefault((state, after), {})
            said.setdefault(brief(answer), []).append(machine.letters[letter])
    return found


def brief(answer: str) -> str:
    """Return an answer without its state: what stands on an edge."""
    call, segments, _state = parts(answer)
    return (
        " ".join(text for text in (f"({call})" if call else "", segments if segments != SILENT else "") if text) or "–"
    )


def places(machine: Machine) -> list[str]:
    """Return the RFC's name for each state, "" where none was seen, joined where the target showed several."""
    return [
        "|".join(sorted(shown)) or ("" if machine.was_asked(state) else UNKNOWN)
        for state, shown in enumerate(rfc_states(machine))
    ]


def groups(machine: Machine) -> dict[str, list[int]]:
    """Return the machine's states by the RFC's."""
    found: dict[str, list[int]] = {}
    for state, name in enumerate(places(machine)):
        found.setdefault(name, []).append(state)
    return found


def lines_of(labels: Labels) -> list[str]:
    """Return an edge's lines, "S@i / SA@iss,seg.end", those with most letters first."""
    ordered = sorted(labels.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = [f"{', '.join(letters)} / {answer}" for answer, letters in ordered]
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more"]


def dot(record: Record) -> str:
    """Return the machine in Graphviz's language; what changes nothing (the same state, no answer) is left out."""
    machine = record.machine
    lines = [
        "digraph machine {",
        "  newrank=true;",
        f"  label={_quoted(_title(record))};",
        "  node [shape=box, style=rounded];",
    ]
    for at, (name, states) in enumerate(groups(machine).items()):
        inner = "; ".join(f"s{state}" for state in states)
        lines.append(f"  subgraph cluster_{at} {{ label={_quoted(name or 'states not visible')}; {inner} }}")
    lines += [f'  s{state} [label="{state}"];' for state in range(machine.size)]
    for (state, after), labels in edges(machine).items():
        shown = _spoken(labels) if state == after else labels
        if shown:
            lines.append(f"  s{state} -> s{after} [label={_quoted(chr(10).join(lines_of(shown)))}];")
    return "\n".join([*lines, "}", ""])


def mermaid(record: Record) -> str:
    """Return the machine as a state diagram of Mermaid: between states only, loops are in the other forms.

    The title is quoted: the head is YAML, in which a colon would begin a value.
    """
    machine = record.machine
    lines = [
        "---",
        f"title: {json.dumps(_title(record), ensure_ascii=False)}",
        "---",
        "stateDiagram-v2",
        "  [*] --> s0",
    ]
    for at, (name, states) in enumerate(groups(machine).items()):
        lines += [
            f'  state "{name or "states not visible"}" as g{at} {{',
            *(f"    s{state}" for state in states),
            "  }",
        ]
    for (state, after), labels in edges(machine, loops=False).items():
        lines.append(f"  s{state} --> s{after}: {_mermaid(' | '.join(lines_of(labels)))}")
    return "\n".join([*lines, ""])


def ascii_lines(record: Record) -> Iterator[str]:
    """Yield the machine for a terminal: each state, how it is reached, and what leads on from it."""
    machine = record.machine
    for state, name in enumerate(places(machine)):
        reached = " ".join(machine.letters[letter] for letter in machine.access[state]) or "the beginning"
        yield f"{state:>3}  {name or '?':<14} {reached}"


def _title(record: Record) -> str:
    return f"{record.name}, {record.alphabet.role}, {record.alphabet.name} alphabet: {record.machine.size} states"


def _spoken(labels: Labels) -> dict[str, list[str]]:
    return {answer: letters for answer, letters in labels.items() if answer != NOTHING}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _mermaid(text: str) -> str:
    """Return a label without the signs that end one in Mermaid."""
    return "".join({":": "#58;", ";": "#59;"}.get(sign, sign) for sign in text)
