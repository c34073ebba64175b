"""Holds every transition of a machine against the rules: may a stack in this state answer so, and go there?

Two judges look. A segment's answer is read by the rules of §3.10.7 alone, as `fuzz` does, in each transition. And each
transition's letters, from the beginning, are a conversation that `explore` plays and judges as a whole: calls, both
streams and time too. What is declared of the target there is known here.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.case.violation import Finding, Level, Replay, Unjudgeable
from harness.explore import notation, run
from harness.explore.alone import play
from harness.explore.playing import Player, Stage
from harness.fuzz.reader import Reading, read
from harness.fuzz.steps import Probe
from harness.learn.alphabet import Alphabet, Time
from harness.learn.learner import Plan, transitions
from harness.learn.limit import Cut, Limit
from harness.learn.machine import UNASKED, Machine, Word
from harness.learn.subject import Subject
from harness.spec.segment import ACK

VIOLATES, DECLARED, DEVIATES, BEHIND = "violates", "declared", "deviates", "behind"
_BEHIND = "behind a transition that deviates, and there is no way around it"
#: What a conversation of `explore` says for a stretch of time.
_TIMES = {"2MSL": "wait:240000", "RTO": "await", "R2": "wait:3600000"}


@dataclass(frozen=True, slots=True)
class Judged:
    """What is not simply allowed: shortest letters that show it, the answer, what was due, and where that stands.

    `verdict` is "violates", "declared" (a known deviation: `reason` says which), "deviates" (from a SHOULD), or
    "behind": the letters lead through a known deviation, behind which the peer can't know the target's numbers.
    """

    word: Word
    verdict: str
    seen: str
    due: str
    cites: tuple[str, ...]
    rules: tuple[str, ...] = ()
    reason: str = ""

    def as_dict(self, machine: Machine) -> dict[str, Any]:
        """Return JSON-able data."""
        return {
            "letters": " ".join(machine.letters[letter] for letter in self.word),
            "verdict": self.verdict,
            "seen": self.seen,
            "due": self.due,
            "cites": list(self.cites),
            "rules": list(self.rules),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is not simply allowed, violations first, and how many transitions there was no time to judge."""

    found: list[Judged]
    unjudged: int


def judge(subject: Subject, plan: Plan, machine: Machine, limit: Limit | None = None) -> Judgement:
    """Judge each transition that was asked, by the shortest letters that show it, as long as there is time."""
    limit = limit or Limit()
    found: list[Judged] = []
    heard: set[tuple[int, int]] = set()
    with _Conversations(plan, limit) as conversations, contextlib.suppress(Cut), limit.held(judging=True):
        found += _read(subject, machine, conversations.settled, limit)
        for word, each in conversations.judged(machine):
            heard.update(_along(machine, word))
            found += each
    asked = {(state, letter) for state, letter, answer, _after in machine.transitions if answer != UNASKED}
    return Judgement(_ordered(found), len(asked - heard))


def _along(machine: Machine, word: Word) -> Iterator[tuple[int, int]]:
    """Yield the transitions that a word makes."""
    state = 0
    for letter in word:
        yield state, letter
        state = machine.following[state][letter]


def _ordered(found: Sequence[Judged]) -> list[Judged]:
    """Return what was found once, in order; what one judge knows as declared is no violation to the other."""
    kept: dict[tuple[Word, str], Judged] = {}
    for each in found:
        kept.setdefault((each.word, each.verdict), each)
    known = {each.word for each in kept.values() if each.verdict == DECLARED}
    left = [each for each in kept.values() if not (each.verdict == VIOLATES and each.word in known)]
    order = (VIOLATES, DEVIATES, BEHIND, DECLARED)
    return sorted(left, key=lambda each: (order.index(each.verdict), len(each.word), each.word))


# --- each transition alone -------------------------------------------------------------------------------------------


#: Says what is left of a violation of §3.10.7 where the whole conversation is heard.
_Settle = Callable[[Judged], Judged | None]


def _read(subject: Subject, machine: Machine, settle: _Settle, limit: Limit) -> Iterator[Judged]:
    """Yield what the rules of §3.10.7 forbid. Behind a deviation the peer's view may err: a way around is taken."""

    def of_state(state: int, access: Word) -> list[Judged]:
        found = _of_state(subject, machine, state, access, limit)
        return [settled for each in found if (settled := settle(each)) is not None]

    first = {state: of_state(state, word) for state, word in enumerate(machine.access)}
    bad = {(state, each.word[-1]) for state, found in first.items() for each in found}
    ways = _ways(machine, bad)
    for state, found in first.items():
        if not _passes(machine, machine.access[state], bad):
            yield from found
        elif state in ways:
            yield from of_state(state, ways[state])
        else:
            for each in found:
                yield each if each.verdict == DECLARED else replace(each, verdict=BEHIND, reason=_BEHIND)


def _of_state(subject: Subject, machine: Machine, state: int, access: Word, limit: Limit) -> list[Judged]:
    found = []
    for letter, answer in enumerate(machine.answers[state]):
        limit.check()
        if answer != UNASKED and isinstance(subject.alphabet.letters[letter], Probe):
            reading = _reading(subject, (*access, letter))
            if reading is not None and not reading.allowed:
                due = " or ".join(reading.due)
                verdict = DECLARED if reading.declared else VIOLATES
                word = (*access, letter)
                found.append(Judged(word, verdict, answer, due, reading.cites, reading.rules, reading.reason))
    return found


def _passes(machine: Machine, word: Word, bad: Collection[tuple[int, int]]) -> bool:
    return any(each in bad for each in _along(machine, word))


def _ways(machine: Machine, bad: Collection[tuple[int, int]]) -> dict[int, Word]:
    """Return shortest words that lead to states without a transition that deviates."""
    found: dict[int, Word] = {0: ()}
    waiting = deque([0])
    while waiting:
        state = waiting.popleft()
        for letter, after in enumerate(machine.following[state]):
            if (state, letter) not in bad and after not in found:
                found[after] = (*found[state], letter)
                waiting.append(after)
    return found


def _reading(subject: Subject, word: Word) -> Reading | None:
    letters = subject.alphabet.letters
    subject.begin()
    for letter in word[:-1]:
        subject.ask(letters[letter])
    outcome, _shown = subject.outcome(letters[word[-1]])
    return read(outcome, subject.rig.target, subject.version) if outcome is not None else None


# --- whole conversations ---------------------------------------------------------------------------------------------


def conversation(alphabet: Alphabet, word: Word) -> str:
    """Return letters as a conversation of `explore`: with the calls that accept at once."""
    texts: list[str] = []
    for step in (*alphabet.setup, *(alphabet.letters[letter] for letter in word)):
        texts.append(_TIMES[str(step)] if isinstance(step, Time) else str(step))
        if alphabet.accepts_at_once and isinstance(step, Probe) and step.flags & ACK and _listens(texts):
            texts.append("accept")
    return " ".join(texts)


def _listens(texts: list[str]) -> bool:
    calls = [text for text in texts if text in ("listen", "unlisten")]
    return bool(calls) and calls[-1] == "listen"


class _Conversations:
    """Letters as conversations that `explore` plays and judges, on a target of their own."""

    def __init__(self, plan: Plan, limit: Limit) -> None:
        self._alphabet = plan.alphabet
        self._limit = limit
        self._player = Player(Stage(plan.spec, plan.ip, settings=plan.settings))

    def __enter__(self) -> "_Conversations":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._player.close()

    def judged(self, machine: Machine) -> Iterator[tuple[Word, list[Judged]]]:
        """Yield words that make each transition, and what is found in it of a kind that was not found before."""
        kinds: set[tuple[str, str, str]] = set()
        for word in sorted(transitions(machine), key=len):
            self._limit.check()
            found = []
            generated = notation.generated_from(conversation(self._alphabet, word))
            for finding in self._play(generated)[0]:
                kind = (str(finding.code), finding.expected, finding.state)
                if kind not in kinds:
                    kinds.add(kind)
                    known = self._player.declared.about([finding], generated)
                    found.append(_found(self._alphabet, word, finding, known[0].reason if known else ""))
            yield word, found

    def settled(self, found: Judged) -> Judged | None:
        """Return what is left of a violation of §3.10.7, which alone knows no call that waits: nothing where the whole
        conversation is explained, a known deviation where that is what is found in it; behind a deviation that shows
        earlier, only that.
        """
        if found.verdict != VIOLATES:
            return found
        generated = notation.generated_from(conversation(self._alphabet, found.word))
        findings, followed = self._play(generated)
        known = self._player.declared.about(findings, generated) if findings else []
        if known:
            return replace(found, verdict=DECLARED, reason=known[0].reason)
        if any(len(cut(self._alphabet, found.word, each)) < len(found.word) for each in findings):
            return replace(found, verdict=BEHIND, reason=_BEHIND)
        return found if findings or not followed else None

    def _play(self, generated: run.Generated) -> tuple[list[Finding], bool]:
        """Return what is found as far as the letters go, and whether all could be followed, undisturbed by timers."""
        talk = run.begin(self._player.rig, generated, self._player.stage.ip).talk
        try:
            play(talk, talk.run())
        except (Replay, Unjudgeable):
            return [], False
        finally:
            self._player.rig.discard()
        return talk.conversation.findings, not any(link.history.lost for link in talk.links.values())


def _found(alphabet: Alphabet, word: Word, finding: Finding, reason: str) -> Judged:
    shown = cut(alphabet, word, finding)
    verdict = DECLARED if reason else VIOLATES if finding.level is Level.MUST else DEVIATES
    seen = f"{finding.code}: {finding.observed or 'nothing came'}, in {finding.state or 'no visible state'}"
    rules = tuple(cite.removeprefix("rule ") for cite in finding.cites if cite.startswith("rule "))
    cites = tuple(cite for cite in finding.cites if not cite.startswith("rule "))
    return Judged(shown, verdict, seen, finding.expected, cites, rules, reason)


def cut(alphabet: Alphabet, word: Word, finding: Finding) -> Word:
    """Return the letters up to the move in which something was found."""
    name, _space, number = finding.step.partition(" ")
    if name != "move":
        return word
    for length in range(len(word) + 1):
        if len(conversation(alphabet, word[:length]).split()) >= int(number):
            return word[:length]
    return word
