"""Holds a difference of two stacks against the rules: both are asked again, as `fuzz` does it, side by side.

Where the rules of §3.10.7 allow what each did, or it is declared, that explains it; else one of the two violates them,
or it is a difference that nothing explains. A case in the vocabulary, and a script of packetdrill, say what the first
of the two did, or the second where the first one violates the rules; the other one fails them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.case.violation import Replay, Unjudgeable
from harness.fuzz import report, session
from harness.fuzz.difference import BOTH_ALLOWED
from harness.fuzz.play import Played, Player
from harness.fuzz.steps import parse as parse_steps
from harness.learn.alphabet import Alphabet
from harness.learn.cases import Scribe, case_of, module
from harness.learn.difference import Parting
from harness.learn.judging import conversation, cut
from harness.learn.machine import Machine
from harness.learn.record import parts

ALLOWED, DECLARED, UNEXPLAINED, NOT_JUDGED = "both are allowed", "declared", "unexplained", "not judged"
#: How what the rules of one segment leave unexplained begins, where the whole conversation explains it.
_BY_THE_SEGMENT = "explained by the whole conversation: "


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say to a difference, in a word; `told` has both ladders, and the reasons."""

    word: str
    told: str = ""

    @property
    def explained(self) -> bool:
        """Tell whether nobody has to look at it."""
        return self.word in (ALLOWED, DECLARED)

    def blames(self, name: str) -> bool:
        """Tell whether it is this target that violates the rules."""
        return self.word == f"{name} violates"


def judged(
    player: Player, scribes: Sequence[Scribe], names: tuple[str, str], alphabet: Alphabet, parting: Parting
) -> Verdict:
    """Play the letters on both targets and return what the rules say."""
    sequence = parse_steps(conversation(alphabet, parting.word))
    try:
        played = player.play(sequence)
    except Unjudgeable as error:
        return Verdict(NOT_JUDGED, str(error))
    finally:
        for rig in player.rigs:
            rig.discard()
    alone = Verdict(_word(played, names), report.replayed(played, names))
    if alone.explained:
        return alone
    # The rules of §3.10.7 know no call that waits, and the tables of `fuzz` not all that is declared.
    whole = as_conversations(scribes, alphabet, parting, ladders=False)
    if whole.word == NOT_JUDGED:
        return alone
    told = alone.told.replace(f"{UNEXPLAINED}: ", _BY_THE_SEGMENT) if whole.explained else alone.told
    return Verdict(whole.word, f"{told}\n{whole.told}".rstrip("\n"))


def as_conversations(
    scribes: Sequence[Scribe], alphabet: Alphabet, parting: Parting, *, ladders: bool = True
) -> Verdict:
    """Return what the rules say where each side is judged as a conversation of `explore`: time and calls too."""
    text = conversation(alphabet, parting.word)
    wrong, known, told = [], [], []
    for scribe in scribes:
        try:
            heard = scribe.judge(text)
        except (Unjudgeable, Replay) as error:
            return Verdict(NOT_JUDGED, str(error))
        last = [(each, why) for each, why in heard.found if cut(alphabet, parting.word, each) == parting.word]
        if not heard.followed or len(last) < len(heard.found):
            return Verdict(NOT_JUDGED, f"{scribe.target} has parted from the rules before")
        wrong += [scribe.target for _each, why in last[:1] if not why]
        known += [why for _each, why in last if why]
        told += [f"  {scribe.target}", *(f"  {line}" for line in heard.ladder)] if ladders else []
        for each, why in last:
            about = f"declared: {why}" if why else f"due {each.expected}"
            told.append(f"  {scribe.target}: {each.code}, {each.observed or 'nothing'}; {about}")
        told += [""] if ladders else []
    word = f"{' and '.join(wrong)} violates" if wrong else DECLARED if known else ALLOWED
    return Verdict(word, "\n".join(told))


def _word(played: Played, names: tuple[str, str]) -> str:
    difference = played.unexplained
    if difference is None:
        titles = [each.title for found in played.differences for each in found.explanations]
        if not titles:
            return NOT_JUDGED
        return ALLOWED if all(title == BOTH_ALLOWED for title in titles) else DECLARED
    pairs = zip(names, difference.readings, strict=True)
    wrong = [name for name, reading in pairs if reading is not None and not reading.allowed]
    return f"{' and '.join(wrong)} violates" if wrong else UNEXPLAINED


def plan_of(names: tuple[str, str], ip: int) -> session.Plan:
    """Return the plan by which `fuzz` starts both targets."""
    return session.Plan(names[0], names[1], ip)


@dataclass(frozen=True, slots=True)
class Written:
    """A difference as a case and as a script, "" where that can't say it."""

    case: str
    script: str


def written(scribe: Scribe, alphabet: Alphabet, parting: Parting, machine: Machine, side: int, other: str) -> Written:
    """Return a difference as a case and as a script: what the scribe's target (on `side`) does, and the other not."""
    letters = parting.letters(machine)
    own, others = parting.answers[side], parting.answers[1 - side]
    title = f"{letters}: {scribe.target} answers {own}, {other} {others}"
    talk = scribe.play(conversation(alphabet, parting.word))
    try:
        _call, segments, state = parts(own)
        differs = state if state != parts(others)[2] else ""
        case = case_of(talk, letters, title, silent=segments == "nothing", state=differs)
        return Written(module([case]) if case else "", scribe.script(talk, title))
    finally:
        scribe.forget()
