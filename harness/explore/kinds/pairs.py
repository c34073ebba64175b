"""Pairs: ordinary things (`harness.explore.kinds.things`) behind each other and inside each other, in every state.

A conversation is a chain of some of them, over a base condition. The next one is always one of those that bring most
that is new: triples of a thing before, this thing, and the state, where the beginning and the conditions count as
things; one that stands directly before, or around this one, counts twice. So few conversations hold many pairs.

Where a thing must change nothing the twin does without it, if time passes in the conversation.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from harness.explore.kinds.beginnings import BEGINNINGS, CONDITIONS, OTHER_WAITS
from harness.explore.kinds.needs import ASKED_FOR, needs_of
from harness.explore.kinds.things import THINGS, Thing
from harness.explore.notation import generated_from
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: How many things a chain has, how many conditions, and how long is watched at the end, in milliseconds.
LENGTHS = (3, 5, 7, 9, 12)
CONDITIONED = (0, 1, 2, 3)
#: How many chains have pauses, how often there is one, and how long it is, in milliseconds: on no step of a back-off.
PAUSED, PAUSES = 0.5, 0.25
#: Likewise where acknowledgments are delayed: what is due then comes by itself only while nothing else happens.
DELAYED_PAUSES = 0.5
PACES = (130, 730, 1170, 4570)
#: The last one is longer than any stack may wait before it sends again what was lost (130 s, the judge's limit).
WATCHED = (0, 12_000, 40_000, 200_000)
#: Likewise in TIME-WAIT, to end in its midst or behind it, whether it lasts for one minute, two or four.
WATCHED_TIME_WAIT = (25_000, 50_000, 100_000, 200_000)
#: How often a thing that leaves the state as it is happens several times, and how often, with a pause in between.
STEADY, TIMES = 0.15, (3, 6, 10)
#: How often a thing is ended before the next one begins.
ENDED_FIRST = 0.5
#: Things behind which a timer may rightly go otherwise, or connections have other numbers, so that there is no twin.
RESTARTING = frozenset(
    {
        "kept-alive",
        "kept-alive-for-long",
        "kept-alive-unanswered",
        "patient",
        "minutes-of-silence",
        "pieces-that-stay-alone",
        "others-wait",
        "kept-alive-later",
        "another-talks",
        "another-waits",
        "another-waits-in-silence",
        "close-waits",
        "twenty-others",
    }
)
#: Things by which the peer has not heard how large the window is, and those that lie at its edge, or behind it.
UNHEARD = frozenset({"syn-ack-lost", "syn-ack-of-crossing-lost", "closed-and-lost-while-opening"})
AT_THE_EDGE = frozenset({"reset-right-of-the-window", "reset-elsewhere-while-opening", "far-text"})
#: What words need, by how they look.
NEEDS = (
    *ASKED_FOR,
    (re.compile(r"\bpoll|edges|error|peek:|buffer:|shut-rd"), Capability.READINESS),
    # Where the SYN,ACK was lost the peer does not know the window's edge, and goes for another one within it.
    (re.compile(r"\[RA?@(n\+|e)"), Capability.RFC5961_RST),
    (re.compile(r"\[S@n\+10"), Capability.RFC5961_SYN),
)
_TEXT = re.compile(r"[^:]*@[^/]*/\d+.*|fill")
SLOW = re.compile(r"wait:|await|recover")

#: By a thing and the state in which it begins: what has stood before it (a thing, a condition, or a beginning), and
#: what has stood directly before it (False) or around it (True).
Met = defaultdict[tuple[str, str], set[str | tuple[str, bool]]]


@dataclass(slots=True)
class _Chain:
    """A conversation that is being made: where it stands, its words, and what its twin does without."""

    rng: random.Random
    state: str
    listening: bool
    before: list[str]
    words: list[str] = field(default_factory=list)
    #: Things that have begun and not ended, with the number of their other connection.
    begun: list[tuple[Thing, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    others: int = 1
    #: The peer's text has come that nobody has read: CLOSE resets the connection then (RFC 9293 §3.10.4, SHLD-3).
    unread: bool = False
    #: Nobody will: its text resets the connection too.
    let_go: bool = False

    def fits(self, thing: Thing) -> bool:
        return self.state in thing.leads and thing.name not in self.names and (self.listening or not thing.listener)

    def fitting(self) -> list[Thing]:
        return [thing for thing in _leading(self.state) if self.fits(thing)]

    def met_now(self) -> set[str | tuple[str, bool]]:
        """Return what the next thing meets."""
        near = [self.begun[-1][0].name] if self.begun else self.names[-1:]
        return {*self.before, *self.names, *((name, bool(self.begun)) for name in near)}

    def begin(self, thing: Thing) -> None:
        self.others += "*" in thing.words and "repeat:" not in thing.words
        after = thing.leads[self.state]
        self._say(thing, thing.words, self.others, first=True)
        if not thing.rest and after == self.state and "*" not in thing.words and self.rng.random() < STEADY:
            pace = self.rng.choice(PACES)
            for _each in range(self.rng.choice(TIMES) - 1):
                self.words.append(f"wait:{pace}")
                self._say(thing, thing.words, self.others)
        self.state = after if "fresh" in thing.words or self.state != "X" else self.state
        self.names.append(thing.name)
        if thing.rest:
            self.begun.append((thing, self.others))

    def end(self) -> None:
        """End the thing that has begun last."""
        thing, other = self.begun.pop()
        self._say(thing, thing.rest, other)
        self.state = thing.leads_later.get(self.state, self.state)

    def _say(self, thing: Thing, words: str, other: int, *, first: bool = False) -> None:
        said = words if "repeat:" in words else words.replace("*:", f"{other}:").replace("*/:", f"{other}:")
        if first and "*/" not in words:
            said = said.replace(f"{other}:", f"{other}{{same-port}}:", 1)
        for word in said.split():
            self.words.append(f"[{word}]" if thing.quiet else word)
            if word in ("listen", "listen:1", "unlisten"):  # of the first connection's port
                self.listening = word != "unlisten"
            self._looks(word)

    def _looks(self, word: str) -> None:
        if word == "fresh" or word.startswith("recv:1"):
            self.unread, self.let_go = False, self.let_go and word != "fresh"
        elif word == "close" or word.startswith("begin-close:"):
            self.let_go = True
        elif _TEXT.fullmatch(word):
            self.unread = True
        if self.unread and self.let_go:
            self.state = "X"


@cache
def _leading(state: str) -> tuple[Thing, ...]:
    return tuple(thing for thing in THINGS.values() if state in thing.leads)


def generate(seed: int = 1, count: int = 6000) -> Iterator[Generated]:
    """Yield `count` conversations of a seed, those with most that is new first."""
    met: Met = defaultdict(set)
    for number in range(count):
        rng = random.Random(f"tcpspec pairs {seed} {number}")
        name, text = _chain(rng, met)
        yield _generated(f"{seed}.{number}.{name}", text)


def _chain(rng: random.Random, met: Met) -> tuple[str, str]:
    state, beginning = rng.choice(BEGINNINGS)
    conditions = _conditions(rng)
    chain = _Chain(rng, state, beginning.startswith("listen"), [beginning, *conditions])
    chain.unread, chain.let_go = "/10" in beginning, "close" in beginning.split()
    paused = PAUSES if rng.random() < PAUSED else 0
    if any(each.startswith("delay") for each in conditions):
        paused = DELAYED_PAUSES
    for _each in range(rng.choice(LENGTHS)):
        if rng.random() < paused:
            chain.words.append(f"wait:{rng.choice(PACES)}")
        while chain.begun and rng.random() < ENDED_FIRST:
            chain.end()
        thing = _newest(chain, met, chain.fitting())
        if thing is not None:
            while chain.begun and "fresh" in thing.words:
                chain.end()
            if chain.fits(thing):  # what was ended may have led elsewhere
                chain.begin(thing)
    while chain.begun:
        chain.end()
    watched = rng.choice(WATCHED_TIME_WAIT if chain.state == "TW" else WATCHED)
    words = [*beginning.split(), *chain.words, *([f"wait:{watched}"] if watched else [])]
    timed = any(SLOW.search(word) for word in words)
    small = any(word.startswith("listen:") for word in words)  # a place that another one takes is missing
    if small or not timed or not _twin_is_alike(chain, conditions):
        words = [word.strip("[]") for word in words]
    return ".".join(chain.names), _under(conditions, words)


def _conditions(rng: random.Random) -> list[str]:
    """Choose some conditions, no two about the same."""
    chosen = {each.partition("=")[0]: each for each in rng.sample(CONDITIONS, rng.choice(CONDITIONED))}
    return list(chosen.values())


def _newest(chain: _Chain, met: Met, things: Sequence[Thing]) -> Thing | None:
    """Return one of those that bring most that is new, and take note of it."""
    if not things:
        return None
    now, state = chain.met_now(), chain.state
    found = [(len(now - met[thing.name, state]), thing) for thing in things]
    most = max(number for number, _thing in found)
    thing = chain.rng.choice([thing for number, thing in found if number == most])
    met[thing.name, state] |= now
    return thing


def _twin_is_alike(chain: _Chain, conditions: Sequence[str]) -> bool:
    apart = OTHER_WAITS in chain.before[0] or any(each.startswith("delay") for each in conditions)
    names = set(chain.names)
    unknown = UNHEARD & names and AT_THE_EDGE & names
    return not apart and not unknown and not RESTARTING & names


def _under(conditions: Sequence[str], words: Sequence[str]) -> str:
    like = f"1{{{','.join(conditions)}}}:" if conditions else ""
    return like + " ".join(words)


def _generated(name: str, text: str) -> Generated:
    made = generated_from(text, name, "pairs")
    needs = needs_of(text, NEEDS)
    return Generated("pairs", name, made.plan, made.twin, SLOW.search(text) is not None, needs)
