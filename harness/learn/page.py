"""A page per machine: the drawing, and a search over all transitions: what happens on FIN in SYN-RECEIVED?

The page asks nobody for anything; a policy in its head allows no script but its own, by its hash.
"""

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from harness.fuzz.steps import Probe
from harness.learn import drawing
from harness.learn.alphabet import Letter
from harness.learn.graphs import UNKNOWN, places
from harness.learn.oracle import said
from harness.learn.record import UNSEEN, Record, parts
from harness.report import svg
from harness.spec.segment import flag_names

#: What the letters of positions mean, in the RFC's words.
_BASES = {"n": ("RCV.NXT", "SND.NXT"), "u": ("", "SND.UNA"), "e": ("the right edge", ""), "i": ("its ISS", "ISS")}


def render(record: Record) -> str:
    """Return the page as HTML."""
    folder = files("harness.learn").joinpath("templates")
    script = folder.joinpath("search.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(folder.joinpath("machine.html.j2").read_text(encoding="utf-8"))
    machine = record.machine
    return template.render(
        title=f"{record.name}, {record.alphabet.role}",
        facts=f"{machine.size} states, {machine.size * len(machine.letters)} transitions"
        + (f"; {said(dict(record.stopped), machine.size)}" if record.stopped else "")
        + (f"; {record.unjudged:,} were not judged" if record.unjudged else ""),
        drawing=Markup(drawing.draw(record)),
        rows=list(_rows(record)),
        style=Markup(svg.styles()),
        script=Markup(script),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _rows(record: Record) -> Iterator[dict[str, Any]]:
    machine = record.machine
    names = places(machine)
    judged = {str(each["letters"]): each for each in record.judged}
    for state, letter, answer, after in machine.transitions:
        if not machine.was_asked(state):
            continue
        text = machine.letters[letter]
        spelled = spell(record.alphabet.letters[letter])
        word = " ".join(machine.letters[each] for each in (*machine.access[state], letter))
        verdict = judged.get(word, {})
        call, segments, shown = parts(answer)
        here = names[state]
        remark = f"{verdict['verdict']}: {verdict['reason'] or verdict['due']}" if verdict else ""
        words = (here, str(state), text, spelled.replace(",", " "), call, segments, shown, verdict.get("verdict", ""))
        yield {
            "place": f"{here or UNSEEN} ({state})",
            "reached": " ".join(machine.letters[each] for each in machine.access[state]),
            "letter": text,
            "spelled": spelled,
            "answer": "; ".join(each for each in (call, segments) if each),
            "after": f"{shown} ({after if machine.was_asked(after) else UNKNOWN})",
            "verdict": verdict.get("verdict", ""),
            "remark": remark,
            "words": " ".join(words).lower(),
        }


def spell(letter: Letter) -> str:
    """Return a letter in words: "FIN,ACK SEQ=RCV.NXT ACK=SND.UNA"."""
    if not isinstance(letter, Probe):
        return f"{letter}()" if str(letter).isalpha() else f"{letter}"
    found = [flag_names(letter.flags) or "no flags", f"SEQ={_position(str(letter.seq), 0)}"]
    found += [f"ACK={_position(str(letter.ack), 1)}"] if letter.ack is not None else []
    found += [f"DATA={letter.octets}"] if letter.octets else []
    found += [f"WND={letter.window}"] if not letter.window else []
    return " ".join(found)


def _position(text: str, side: int) -> str:
    return f"{_BASES[text[0]][side]}{text[1:]}"
