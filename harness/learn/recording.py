"""From what was learned to the files that keep it."""

import re
from pathlib import Path

from harness.learn import drawing, graphs, page
from harness.learn.judging import Judgement
from harness.learn.learner import Learned, Plan
from harness.learn.options import ALPHABET, IP
from harness.learn.record import Record
from harness.learn.subject import Subject

#: A file's name has at most 255 octets; a target may be a command of any length.
LONGEST_NAME = 200


def record_of(plan: Plan, subject: Subject, learned: Learned, judgement: Judgement | None = None) -> Record:
    """Return a learned machine with its circumstances."""
    facts = subject.rig.target.facts
    target = {"name": plan.spec.text, "implementation": facts.implementation, "version": facts.version}
    found = tuple(each.as_dict(learned.machine) for each in judgement.found) if judgement else ()
    return Record(
        target,
        plan.alphabet,
        learned.machine,
        plan.ip,
        subject.states,
        learned.stopped,
        learned.figures.as_dict(),
        found,
        judgement.unjudged if judgement else 0,
    )


def stem_of(record: Record) -> str:
    """Return the name of a machine's files: the target, the role, and what was asked otherwise than usually."""
    asked = [record.target["name"], record.alphabet.role]
    asked += [record.alphabet.name.replace(".txt", "")] if record.alphabet.name != ALPHABET else []
    asked += [f"ipv{record.ip}"] if record.ip != IP else []
    asked += [] if record.states else ["no-states"]
    return re.sub(r"[^A-Za-z0-9._+,=-]+", "-", "-".join(asked)).strip("-")[:LONGEST_NAME]


def write(record: Record, folder: Path) -> list[Path]:
    """Write the machine in all its forms; return where."""
    stem = stem_of(record)
    record.write(folder / f"{stem}.json")
    texts = {
        "dot": graphs.dot(record),
        "mmd": graphs.mermaid(record),
        "svg": drawing.draw(record, standalone=True) + "\n",
        "html": page.render(record),
    }
    for suffix, text in texts.items():
        (folder / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
    return [folder / f"{stem}.{suffix}" for suffix in ("json", *texts)]
