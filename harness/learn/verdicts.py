"""Holds a difference of two stacks against the rules: both are asked again, as `fuzz` does it, side by side.

Where the rules of §3.10.7 allow what each did, or it is declared, that explains it; else one of the two violates them,
or it is a difference that nothing explains. A case in the vocabulary, and a script of packetdrill, say what the first
of the two did, or the second where the first one violates the rules; the other one fails them.
"""

import re
from dataclasses import dataclass

from harness.case.violation import Unjudgeable
from harness.explore import notation, pasted, run
from harness.explore.playing import Player as Explorer
from harness.explore.playing import Stage
from harness.explore.talk import play
from harness.explore.transcript import Inexpressible, Transcript
from harness.fuzz import report, session
from harness.fuzz.difference import BOTH_ALLOWED
from harness.fuzz.play import Played, Player
from harness.fuzz.steps import parse as parse_steps
from harness.learn.alphabet import Alphabet
from harness.learn.difference import Parting
from harness.learn.judging import conversation
from harness.learn.machine import Machine
from harness.learn.record import parts
from harness.pkt import writer
from harness.spec.states import State
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

    def blames(self, name: str) -> bool:
        """Tell whether it is this target that violates the rules."""
        return self.word == f"{name} violates"


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
        self.target = target
        self._player = Explorer(Stage(parse(target), ip))
        self._ip = ip

    def start(self) -> None:
        """Start the target; raises UnusableTarget."""
        _rig = self._player.rig

    def close(self) -> None:
        """End the target."""
        self._player.close()

    def written(self, alphabet: Alphabet, parting: Parting, machine: Machine, side: int, other: str) -> Written:
        """Return a difference as a case and as a script: they say what this target (on `side`) does, not the other."""
        generated = notation.generated_from(conversation(alphabet, parting.word))
        talk = run.begin(self._player.rig, generated, self._ip).talk
        play(talk, talk.run())
        letters = parting.letters(machine)
        own, others = parting.answers[side], parting.answers[1 - side]
        title = f"{letters}: {self.target} answers {own}, {other} {others}"
        script = writer.write(talk.conversation.events, title=title, version=self._ip)
        try:
            transcript = Transcript(talk)
        except Inexpressible:
            return Written("", script)
        finally:
            self._player.rig.discard()
        lines = [line for block in transcript.blocks for line in (*block.lines, *block.demands)]
        _call, segments, state = parts(own)
        lines += ["target.must_not_send()"] if segments == "nothing" else []
        if state != parts(others)[2] and state in set(State):
            lines.append(f"target.must_be({state.replace('-', '_')})")
        return Written(_case(title, letters, transcript.with_beginnings(lines)), script)


def _case(title: str, letters: str, body: list[str]) -> str:
    source = "\n".join(body)
    name = re.sub(r"[^a-z0-9]+", "_", letters.lower()).strip("_")
    timed = "yield" in source
    names = sorted(pasted.names_in(source) | {"Peer", "Target", "cites"} | ({"timer"} if timed else set()))
    head = ["import errno", ""] if "errno." in source else []
    head += [f"from harness.case import {', '.join(names)}"]
    head += ["from harness.case.timers import Stopwatch, Waits"] if timed else []
    head += ["", "DATA = bytes(range(251)) * 3"] if "DATA[" in source else []
    told = title.replace('"', "'")
    indented = "\n".join(f"    {line}" for line in body)
    return "\n".join(
        [
            *head,
            "",
            "",
            *(["@timer(seconds=1000)"] if timed else []),
            '@cites("RFC 9293 §3.10.7")',
            f"def test_{name}(target: Target, peer: Peer) -> {'Waits' if timed else 'None'}:",
            f'    """{told}."""',
            indented,
            "",
        ]
    )
