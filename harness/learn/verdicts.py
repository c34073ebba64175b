"""Holds a difference of two stacks against the rules: both are asked again, as `fuzz` does it, side by side.

Where the rules of §3.10.7 allow what each did, or it is declared, that explains it; else one of the two violates them,
or it is a difference that nothing explains. A case in the vocabulary, and a script of packetdrill, say what the first
of the two did, so that the second one fails them.
"""

import re
from dataclasses import dataclass

from harness.case.violation import Unjudgeable
from harness.explore import notation, pasted
from harness.explore.playing import Player as Explorer
from harness.explore.playing import Stage
from harness.explore.transcript import Inexpressible, Transcript
from harness.fuzz import report, session
from harness.fuzz.difference import BOTH_ALLOWED
from harness.fuzz.play import Played, Player
from harness.fuzz.steps import parse as parse_steps
from harness.learn.alphabet import Alphabet
from harness.learn.difference import Parting
from harness.learn.judging import conversation
from harness.learn.machine import Machine
from harness.pkt import writer
from harness.targets.registry import parse

ALLOWED, DECLARED, UNEXPLAINED, NOT_JUDGED = "both are allowed", "declared", "unexplained", "not judged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say to a difference, in a word; `told` has both ladders, and the reasons."""

    word: str
    told: str = ""

    @property
    def explained(self) -> bool:
        """Tell whether nobody has to look at it."""
        return self.word in (ALLOWED, DECLARED)


def judged(player: Player, names: tuple[str, str], alphabet: Alphabet, parting: Parting) -> Verdict:
    """Play the letters on both targets and return what the rules say."""
    if alphabet.times:
        return Verdict(NOT_JUDGED, "time is among the letters; tcpspec learn --target judges the transitions of each")
    sequence = parse_steps(conversation(alphabet, parting.word))
    try:
        played = player.play(sequence)
    except Unjudgeable as error:
        return Verdict(NOT_JUDGED, str(error))
    finally:
        for rig in player.rigs:
            rig.discard()
    return Verdict(_word(played, names), report.replayed(played, names))


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


class Writer:
    """Writes what one target does as cases and scripts."""

    def __init__(self, target: str, ip: int) -> None:
        self._target = target
        self._player = Explorer(Stage(parse(target), ip))
        self._ip = ip

    def start(self) -> None:
        """Start the target; raises UnusableTarget."""
        _rig = self._player.rig

    def close(self) -> None:
        """End the target."""
        self._player.close()

    def written(self, alphabet: Alphabet, parting: Parting, machine: Machine, other: str) -> Written:
        """Return a difference as a case and as a script: they say what this target does, and the other does not."""
        text = conversation(alphabet, parting.word)
        outcome, _findings = self._player.findings(notation.generated_from(text), late=False)
        letters = parting.letters(machine)
        title = f"{letters}: {self._target} answers {parting.answers[0]}, {other} {parting.answers[1]}"
        events = outcome.talk.conversation.events[: outcome.talk.planned]
        script = writer.write(events, title=title, version=self._ip)
        try:
            transcript = Transcript(outcome.talk)
        except Inexpressible:
            return Written("", script)
        lines = [line for block in transcript.blocks for line in (*block.lines, *block.demands)]
        return Written(_case(title, letters, transcript.with_beginnings(lines)), script)


def _case(title: str, letters: str, body: list[str]) -> str:
    source = "\n".join(body)
    name = re.sub(r"[^a-z0-9]+", "_", letters.lower()).strip("_")
    names = sorted(pasted.names_in(source) | {"Peer", "Target", "cites"})
    head = ["import errno", ""] if "errno." in source else []
    head += [f"from harness.case import {', '.join(names)}"]
    head += ["", "DATA = bytes(range(251)) * 3"] if "DATA[" in source else []
    told = title.replace('"', "'")
    indented = "\n".join(f"    {line}" for line in body)
    return "\n".join(
        [
            *head,
            "",
            "",
            '@cites("RFC 9293 §3.10.7")',
            f"def test_{name}(target: Target, peer: Peer) -> None:",
            f'    """{told}."""',
            indented,
            "",
        ]
    )
