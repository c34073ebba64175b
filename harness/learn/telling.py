"""What `tcpspec learn` says: of a machine, of what the rules say to it, of two machines, of two answers."""

from collections.abc import Iterator

from harness.learn import graphs
from harness.learn.difference import Parting
from harness.learn.judging import BEHIND, DECLARED, Judgement
from harness.learn.learner import Learned
from harness.learn.machine import UNASKED, Machine
from harness.learn.oracle import said
from harness.learn.record import Record
from harness.learn.system import Nondeterminism
from harness.learn.verdicts import Verdict


def of_machine(record: Record, learned: Learned) -> Iterator[str]:
    """Yield the states of a machine, what was proved, and what it took."""
    machine, figures = record.machine, learned.figures
    yield from graphs.ascii_lines(record)
    yield f"{machine.size} states, {machine.size * len(machine.letters)} transitions"
    yield said(learned.stopped, machine.size)
    yield f"{figures.queries:,} queries, {figures.steps:,} steps, {figures.cpu_s:.1f} CPU s, {figures.wall_s:.1f} s"
    if figures.settled or figures.disturbed:
        yield f"{figures.disturbed} queries were disturbed by timers, {figures.settled} settled by playing them again"
    if figures.restarted:
        yield f"the target was ended {figures.restarted} times, not by what it was asked, and started anew"


def of_judgement(judgement: Judgement, record: Record) -> Iterator[str]:
    """Yield what is not simply allowed: what is declared in one line each, the others with all."""
    found = judgement.found
    declared = [each for each in found if each.verdict == DECLARED]
    behind = sum(each.verdict == BEHIND for each in found)
    others = [each for each in found if each.verdict not in (DECLARED, BEHIND)]
    letters = record.machine.letters
    for each in others:
        yield f"{each.verdict}: {' '.join(letters[letter] for letter in each.word)}"
        yield f"  it showed {each.seen}"
        yield f"  the rules  {each.due}   {', '.join((*each.rules, *each.cites))}"
    asked = sum(answer != UNASKED for row in record.machine.answers for answer in row)
    count = asked - judgement.unjudged
    if declared:
        verb = "transition deviates" if len(declared) == 1 else "transitions deviate"
        yield f"{len(declared)} {verb} in a way that is declared:"
        for reason in dict.fromkeys(each.reason for each in declared):
            number = sum(each.reason == reason for each in declared)
            yield f"  {number:>4}  {reason if len(reason) <= 100 else reason[:99] + '…'}"
    if behind:
        yield f"{behind} are reached through such a transition only, and not judged"
    rest = "all others are as the RFC allows" if found else "all are as the RFC allows"
    if judgement.unjudged:
        yield f"{judgement.unjudged:,} transitions were not judged: there was no time left"
    if count:
        yield f"judged: {count} transitions, {len(others)} not declared; {rest}"


def of_parting(parting: Parting, names: tuple[str, str], machine: Machine, verdict: Verdict) -> Iterator[str]:
    """Yield a difference: the letters, both answers, what the rules say, both ladders."""
    more = f", and {parting.count - 1} more of its kind" if parting.count > 1 else ""
    yield f"{parting.letters(machine)}   in {parting.place or 'no visible state'}{more}"
    width = max(map(len, names))
    for name, answer in zip(names, parting.answers, strict=True):
        yield f"  {name:<{width}}  {answer}"
    yield f"  {verdict.word}"
    yield from (f"    {line}".rstrip() for line in verdict.told.splitlines())


def of_two_answers(error: Nondeterminism, head: str = "not deterministic") -> Iterator[str]:
    """Yield the report of two answers to one question: both traces, letter by letter."""
    before, now = error.traces
    yield f"{head}: {error}"
    for at, letter in enumerate(error.word):
        one = before[at] if at < len(before) else "(not asked)"
        other = now[at] if at < len(now) else "(not asked)"
        yield f"  {letter:<10} {one}" + (f"   |   {other}" if one != other else "")
