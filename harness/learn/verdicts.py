"""Holds a difference of two stacks against the rules: both are asked again, as `fuzz` does it, side by side.

Where the rules of §3.10.7 allow what each did, or it is declared, that explains it; else one of the two violates them,
or it is a difference that nothing explains. A case in the vocabulary, and a script of packetdrill, say what the first
of the two did, or the second where the first one violates the rules; the other one fails them.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.case.violation import Replay, Unjudgeable
from harness.explore.talk import Talk
from harness.fuzz import report, session
from harness.fuzz.difference import BOTH_ALLOWED
from harness.fuzz.play import Played, Player
from harness.fuzz.steps import parse as parse_steps
from harness.learn.alphabet import Alphabet
from harness.learn.cases import case_of, module
from harness.learn.difference import Parting
from harness.learn.judging import conversation, cut
from harness.learn.record import SILENT, parts
from harness.learn.sides import Finding, Side
from harness.pkt.writer import UNSAID

ALLOWED, DECLARED, UNEXPLAINED, NOT_JUDGED = "both are allowed", "declared", "unexplained", "not judged"
#: One of the two has parted from the rules before, in a way that is declared: what comes behind that nobody can judge.
BEHIND = "behind what is declared"
#: What stands behind the name of a side that nobody can ask.
_AS_LEARNED = ", as it was learned: no target here does so"
#: How what the rules of one segment leave unexplained begins, where the whole conversation explains it.
_BY_THE_SEGMENT = "explained by the whole conversation: "
#: And how where what one of the two does there is declared, but no table knows the other's answer beside it.
_BY_WHAT_IS_KNOWN = "declared, beside what the other one may do: "
#: Windows and options of an answer, for which cases and scripts demand nothing.
_UNSAID = re.compile(r"[%~]\S*")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say to a difference, in a word; `told` has both ladders, and the reasons."""

    word: str
    told: str = ""

    @property
    def explained(self) -> bool:
        """Tell whether nobody has to look at it."""
        return self.word in (ALLOWED, DECLARED, BEHIND)

    def blames(self, name: str) -> bool:
        """Tell whether it is this target that violates the rules."""
        return self.word == f"{name} violates"


def judged(player: Player | None, sides: Sequence[Side], alphabet: Alphabet, parting: Parting) -> Verdict:
    """Return what the rules say: both are asked side by side where both are here, and `player` has both."""
    here = [side.is_here(parting.word) for side in sides]
    if player is None or not all(here):
        return as_conversations(sides, here, alphabet, parting)
    names = sides[0].label, sides[1].label
    sequence = parse_steps(conversation(alphabet, parting.word))
    try:
        played = player.play(sequence)
    except Unjudgeable as error:
        return Verdict(NOT_JUDGED, str(error))
    finally:
        for rig in player.rigs:
            rig.discard()
    told = "\n".join((report.replayed(played, names), *_reasons(played, names)))
    alone = Verdict(_word(played, names), told)
    if alone.explained:
        return Verdict(alone.word, told.replace(f"{UNEXPLAINED}: ", _BY_WHAT_IS_KNOWN))
    # The rules of §3.10.7 know no call that waits, and the tables of `fuzz` not all that is declared.
    whole = as_conversations(sides, here, alphabet, parting, ladders=False)
    if whole.word == NOT_JUDGED:
        return alone
    told = told.replace(f"{UNEXPLAINED}: ", _BY_THE_SEGMENT) if whole.explained else told
    return Verdict(whole.word, f"{told}\n{whole.told}".rstrip("\n"))


def as_conversations(
    sides: Sequence[Side], here: Sequence[bool], alphabet: Alphabet, parting: Parting, *, ladders: bool = True
) -> Verdict:
    """Return what the rules say where each side is judged as a conversation of `explore`: time and calls too.

    A side that is not here (any more) has what was found in it when it was learned.
    """
    wrong, known, told = [], [], []
    for side, present in zip(sides, here, strict=True):
        try:
            heard = _heard(side, alphabet, parting) if present else _kept(side, parting)
        except (Unjudgeable, Replay) as error:
            return Verdict(NOT_JUDGED, str(error))
        told += [f"  {side.label}{'' if present else _AS_LEARNED}"] if ladders or not present else []
        told += [f"  {line}" for line in heard.ladder] if ladders or not present else []
        told += [f"  {side.label}: {each.told}" for each in heard.found]
        told += (
            [f"  {side.label}: nothing was found in it then"] if not (present or heard.found or heard.why_not) else []
        )
        told += [""] if ladders else []
        if heard.why_not:
            return Verdict(heard.word, "\n".join([*told, f"  {side.label} {heard.why_not}"]))
        wrong += [side.label for each in heard.found[:1] if not each.reason]
        known += [each.reason for each in heard.found if each.reason]
    word = f"{' and '.join(wrong)} violates" if wrong else DECLARED if known else ALLOWED
    return Verdict(word, "\n".join(told))


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the rules say to a side; `why_not` they can't say anything, and what that is in a word."""

    found: tuple[Finding, ...]
    ladder: tuple[str, ...]
    why_not: str = ""
    word: str = NOT_JUDGED


def _heard(side: Side, alphabet: Alphabet, parting: Parting) -> _Heard:
    assert side.scribe is not None
    heard = side.scribe.judge(conversation(alphabet, parting.word))
    last = [(each, why) for each, why in heard.found if cut(alphabet, parting.word, each) == parting.word]
    before = [why for each, why in heard.found if (each, why) not in last]
    if before and all(before):
        return _Heard((), heard.ladder, f"has parted from the rules before, as is declared: {before[0]}", BEHIND)
    if before or not heard.followed:
        return _Heard((), heard.ladder, "has parted from the rules before")
    found = [
        Finding(
            f"{each.code}, {each.observed or 'nothing'}; {f'declared: {why}' if why else f'due {each.expected}'}", why
        )
        for each, why in last
    ]
    return _Heard(tuple(found), heard.ladder)


def _kept(side: Side, parting: Parting) -> _Heard:
    found, was_judged = side.kept(parting.word)
    why_not = "" if was_judged else "had parted from the rules before, as was declared"
    return _Heard(tuple(found), (*side.ladder(parting.word),), why_not, BEHIND)


def _word(played: Played, names: tuple[str, str]) -> str:
    difference = played.unexplained
    if difference is None:
        titles = [each.title for found in played.differences for each in found.explanations]
        if not titles:
            return NOT_JUDGED
        return ALLOWED if all(title == BOTH_ALLOWED for title in titles) else DECLARED
    pairs = zip(names, difference.readings, strict=True)
    wrong = [name for name, reading in pairs if reading is not None and not (reading.allowed or reading.declared)]
    if wrong:
        return f"{' and '.join(wrong)} violates"
    return DECLARED if _reasons(played, names) and all(difference.readings) else UNEXPLAINED


def _reasons(played: Played, names: tuple[str, str]) -> list[str]:
    """Return why what is not explained is known, as lines: the declared deviations of each."""
    readings = played.unexplained.readings if played.unexplained else ()
    pairs = zip(names, readings, strict=False)
    return [f"  {name}: declared: {reading.reason}" for name, reading in pairs if reading and reading.declared]


def plan_of(names: tuple[str, str], ip: int) -> session.Plan:
    """Return the plan by which `fuzz` starts both targets."""
    return session.Plan(names[0], names[1], ip)


@dataclass(frozen=True, slots=True)
class Written:
    """A difference as a case and as a script, "" where that can't tell the two apart."""

    case: str
    script: str


def written(sides: Sequence[Side], parting: Parting, verdict: Verdict) -> Written | None:
    """Return a difference as a case and as a script: what one side does, and the other not; None where none is here.

    It is the first side's, or the second's where the first one violates the rules, or only the second one is here. A
    script does not see silence at its end, so that it is of the side that speaks there, unless that one is to blame.
    """
    order = (1, 0) if verdict.blames(sides[0].label) else (0, 1)
    here = [at for at in order if sides[at].is_here(parting.word)]
    if not here:
        return None
    at = here[0]
    demanded = [tuple(map(_demanded, parts(answer))) for answer in parting.answers]
    case = _case(sides, parting, at) if demanded[0] != demanded[1] else ""
    if demanded[0][:2] == demanded[1][:2]:
        return Written(case, "")
    if demanded[at][1] == SILENT and 1 - at in here and not verdict.blames(sides[1 - at].label):
        at = 1 - at
    return Written(case, _script(sides, parting, at))


def _demanded(part: str) -> str:
    """Return what a case or a script demands of a part of an answer: no windows, and no options."""
    return _UNSAID.sub("", part)


def _title(sides: Sequence[Side], parting: Parting, at: int) -> str:
    letters = parting.letters(sides[at].record.machine)
    return (
        f"{letters}: {sides[at].label} answers {parting.answers[at]}, {sides[1 - at].label} {parting.answers[1 - at]}"
    )


def _case(sides: Sequence[Side], parting: Parting, at: int) -> str:
    """Return what a side does as a case, "" where it can't be said as one."""
    with _talk(sides[at], parting) as talk:
        _call, segments, state = parts(parting.answers[at])
        differs = state if state != parts(parting.answers[1 - at])[2] else ""
        letters = parting.letters(sides[at].record.machine)
        case = case_of(talk, letters, _title(sides, parting, at), silent=segments == SILENT, state=differs)
        return module([case]) if case else ""


def _script(sides: Sequence[Side], parting: Parting, at: int) -> str:
    """Return what a side does as a script, "" where it ends before the last letter, which tells the two apart."""
    scribe = sides[at].scribe
    assert scribe is not None
    with _talk(sides[at], parting) as talk:
        text = scribe.script(talk, _title(sides, parting, at))
        return "" if UNSAID in text else text


@contextmanager
def _talk(side: Side, parting: Parting) -> Iterator[Talk]:
    """Yield a difference's letters, played on a side."""
    assert side.scribe is not None
    talk = side.scribe.play(conversation(side.record.alphabet, parting.word))
    try:
        yield talk
    finally:
        side.scribe.forget()
