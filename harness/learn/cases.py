"""Letters as cases in the vocabulary and as scripts of packetdrill: what a target does in them is demanded."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from harness.case.rig import Rig
from harness.case.violation import Finding, Level
from harness.explore import notation, pasted, run
from harness.explore.alone import play
from harness.explore.playing import Player, Stage
from harness.explore.talk import Talk
from harness.explore.transcript import Inexpressible, Transcript
from harness.pkt import writer
from harness.spec.states import State
from harness.targets.registry import open_target, parse
from harness.trace import ladder
from harness.trace.events import Kind, Mark

#: The number of a reset that has 0 on the wire (§3.5.2) is another relative one each time.
_ZERO = re.compile(r"(must_send\(RST \| ACK), seq=-?\d{6,}")
#: A conversation in which time passes.
_WAITS = re.compile(r"\ba?wait\b")


@dataclass(frozen=True, slots=True)
class Case:
    """A case that is not yet in a module: its name, what it says of itself, and its lines."""

    name: str
    told: str
    lines: tuple[str, ...]

    @property
    def timed(self) -> bool:
        """Tell whether time passes in it."""
        return any(line.startswith("yield") for line in self.lines)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was found in a conversation, with the reasons of what is known (else ""); `followed`: to its end."""

    found: tuple[tuple[Finding, str], ...]
    followed: bool
    ladder: tuple[str, ...]


class _AsTimed(Player):
    """A player on a target that acknowledges in its own time, as it does in timer cases, and where time is a letter."""

    def _fresh(self) -> Rig:
        return Rig(open_target(self.stage.spec, self.stage.settings, timers=True), guarded=False)


class Scribe:
    """Plays letters on a target and writes down what it did. Raises UnusableTarget where there is none."""

    def __init__(self, target: str, ip: int) -> None:
        self.target = target
        self._ip = ip
        stage = Stage(parse(target), ip)
        self._plain = self._player = Player(stage)
        self._timed = _AsTimed(stage)
        _started = self._player.rig

    def close(self) -> None:
        """End the target."""
        self._plain.close()
        self._timed.close()

    def play(self, text: str) -> Talk:
        """Play a conversation of `explore`, to its end or to what the rules do not allow."""
        self._player = self._timed if _WAITS.search(text) else self._plain
        talk = run.begin(self._player.rig, notation.generated_from(text), self._ip).talk
        play(talk, talk.run())
        return talk

    def judge(self, text: str) -> Heard:
        """Play a conversation, and say what the rules and the known deviations say; raises Replay and Unjudgeable."""
        talk = self.play(text)
        try:
            generated, declared = notation.generated_from(text), self._player.declared
            found = []
            for each in talk.conversation.findings:
                known = declared.about([each], generated)
                if known or each.level is Level.MUST:
                    found.append((each, known[0].reason if known else ""))
            lost = any(link.history.lost for link in talk.links.values())
            lines = ladder.render(talk.conversation.events, times=True).splitlines()
            return Heard(tuple(found), bool(found) or not lost, tuple(lines))
        finally:
            self.forget()

    def forget(self) -> None:
        """Let the target forget what was played; nothing of it can be written afterwards."""
        self._player.rig.discard()

    def script(self, talk: Talk, title: str) -> str:
        """Return what the target did in what was played as a script of packetdrill, whatever was due."""
        done = [replace(each, mark=Mark.NONE) for each in talk.conversation.events if each.kind is not Kind.EXPECTED]
        return writer.write(done, title=title, version=self._ip)


def case_of(talk: Talk, letters: str, told: str, *, silent: bool, state: str) -> Case | None:
    """Return what was played as a case, None if it can't be said in the vocabulary.

    `silent`: the last letter drew nothing; `state` is demanded at the end, "" for none.
    """
    try:
        transcript = Transcript(talk)
    except Inexpressible:
        return None
    lines = list(_lines(transcript))
    lines += ["target.must_not_send()"] if silent else []
    if state in set(State):
        lines.append(f"target.must_be({state.replace('-', '_')})")
    return Case(name_of(letters), told, tuple(transcript.with_beginnings(lines)))


def _lines(transcript: Transcript) -> Iterator[str]:
    """Yield the lines of all blocks; where a SYN opens the same pair again, numbers count anew.

    The application of `explore` lets go of an ended connection where such a SYN comes: before it, in a case.
    """
    blocks = list(transcript.blocks)
    for at, block in enumerate(blocks[:-1]):
        after = blocks[at + 1]
        let_go = "peer.send(SYN," in block.key or any("RST" in line for line in after.demands)
        if let_go and "peer.send(SYN" in block.key and after.key.startswith("close(") and not block.demands:
            blocks[at], blocks[at + 1] = replace(after, demands=[]), replace(block, demands=after.demands)
    opened = False
    for block in blocks:
        opens = any("must_send(SYN" in line for line in block.demands)
        if opens and opened and ("peer.send(SYN," in block.key or block.key.startswith("connect(")):
            yield "peer.renew(0)"
        opened = opened or opens
        yield from (*block.lines, *(_ZERO.sub(r"\1", line) for line in block.demands))


def name_of(letters: str) -> str:
    """Return the name of a case's function: each letter by its signs, so that other letters have other names."""
    spelled = (
        letters.lower().replace("+", " plus ").replace("-", " minus ").replace("%", " window ").replace("/", " text ")
    )
    return "test_" + re.sub(r"[^a-z0-9]+", "_", spelled).strip("_")


def module(cases: Iterable[Case], head: str = "") -> str:
    """Return the source of a module with these cases."""
    kept = list(cases)
    body = "\n".join(line for case in kept for line in case.lines)
    timed = any(case.timed for case in kept)
    names = sorted(pasted.names_in(body) | {"Peer", "Target", "cites"} | ({"timer"} if timed else set()))
    lines = [f'"""{head}"""', ""] if head else []
    lines += ["import errno", ""] if "errno." in body else []
    lines.append(f"from harness.case import {', '.join(names)}")
    lines += ["from harness.case.timers import Stopwatch, Waits"] if timed else []
    lines += ["", "DATA = bytes(range(251)) * 3"] if "DATA[" in body else []
    for case in kept:
        lines += ["", "", *_function(case)]
    return "\n".join([*lines, ""])


def _function(case: Case) -> Iterator[str]:
    if case.timed:
        yield "@timer(seconds=1000)"
    yield '@cites("RFC 9293 §3.3.2")'
    yield f"def {case.name}(target: Target, peer: Peer) -> {'Waits' if case.timed else 'None'}:"
    told = case.told.replace('"', "'").replace("\\", "/")
    yield f'    """{told}."""'
    yield from (f"    {line}" for line in case.lines)
