"""From what was learned to the files that keep it."""

from collections.abc import Sequence
from pathlib import Path

from harness.learn import drawing, graphs, page
from harness.learn.judging import Judged
from harness.learn.learner import Learned, Plan
from harness.learn.record import Record
from harness.learn.subject import Subject


def record_of(plan: Plan, subject: Subject, learned: Learned, judged: Sequence[Judged]) -> Record:
    """Return a learned machine with its circumstances."""
    facts = subject.rig.target.facts
    target = {"name": plan.spec.text, "implementation": facts.implementation, "version": facts.version}
    found = tuple(each.as_dict(learned.machine) for each in judged)
    return Record(
        target,
        plan.alphabet,
        learned.machine,
        plan.ip,
        subject.states,
        learned.stopped,
        learned.figures.as_dict(),
        found,
    )


def write(record: Record, folder: Path) -> list[Path]:
    """Write the machine in all its forms; return where."""
    stem = f"{record.target['name'].replace(':', '-').replace('/', '-')}-{record.alphabet.role}"
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
