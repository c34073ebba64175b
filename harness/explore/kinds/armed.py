"""Armed: what is pending on a connection meets every form of segment, call, neighbour and former life, by a table.

A conversation takes a row of each table (`harness.explore.kinds.armed_table`): what was before, how it is opened, its
state, what is under way, what has come, what the application waits for, what is beside it; then several events, of
which a segment is put together from its parts; then what is looked at behind it. Of some that chance has drawn the one
is taken in which most pairs of rows meet, and most triples of two parts of an event and what is pending, that have not
met yet: a covering array that is made as it is needed.

There are four ways to look: `loud`, where the judge alone decides; `quiet`, where all events must change nothing;
`beside`, where they are about a neighbour; `former`, where something was on the pair before; `healed`, where something
was pending before and came to its end. In all but the first a twin goes without it, and all timers go as in the twin.
"""

import itertools
import random
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from harness.explore.kinds import armed_table as table
from harness.explore.kinds.armed_table import Row
from harness.explore.kinds.needs import needs_of
from harness.explore.kinds.pairs import NEEDS
from harness.explore.notation import generated_from
from harness.explore.run import Generated

#: How often each way to look is taken, and in how many that are loud no time passes, so that real stacks play them.
MODES = ("loud",) * 6 + ("quiet",) * 4 + ("beside",) * 2 + ("former",) * 2 + ("healed",)
QUICK = 0.3
#: Where the peer's text goes on.
OPEN = frozenset({"SS", "SR", "CR", "E", "Q", "F1", "F2"})
STATES = ("E", "E", "E", "F1", "F1", "F2", "CW", "CW", "LA", "CL", "TW", "Q", "QC", "SS", "SR", "CR")
#: Where a timer may run, if only for what is under way; what is not.
RUNNING = ("E", "E", "F1", "CW", "LA", "CL", "TW", "SS", "SR", "CR", "F2")
IDLE = ("nothing", "acknowledged")
#: Where something may have been pending before.
HEALED = ("E", "E", "F1", "CW", "LA", "CL")
#: What is over, so that nothing of it may show.
FORMER = tuple(row for row in table.BEFORE if row.words and row.name != "waits")
#: Of so many the best is taken: contexts, and events.
CONTEXTS, EVENTS = 24, 10
#: How many events there are, and how often time passes before one.
LENGTHS, PAUSED = (2, 4, 6, 8), 0.3
#: A triple counts so much, a pair 1.
TRIPLE = 0.3
#: What is under way when an acknowledgment of nothing new, or another window, must leave its timer as it is.
TIMED = frozenset({"flight", "flight-narrow", "repeated-narrow", "repeated", "lost", "part", "urgent"})
#: Where an old segment may rightly restart something, or have an acknowledgment that is delayed come sooner.
RESTARTED = frozenset({"kept-alive", "kept-alive-probed", "patient", "lost-next", "delayed", "delayed-read"})
#: What leaves something for good.
LASTING = RESTARTED | {"deaf", "edges", "writer", "fin-above-a-gap", "full-buffer"}
#: Exchanges behind which all estimates are what they were (RFC 6298 §2.3).
WELL = "send:10 A@p,r send:10 A@p,r send:10 A@p,r send:10 A@p,r"
#: How long a twin is compared, in milliseconds: whoever is heard of may be given up later (MUST-37).
HEARD, UNHEARD = 60_000, 400_000
_FATAL = re.compile(r"RA?@[pn](,\S*)?(/\d+)?|abort|hard@u")
_SLOW = re.compile(r"wait:|await|recover")

#: What an event is made of: names of parts with their values.
Parts = tuple[str, ...]


@dataclass(slots=True)
class _Context:
    """The rows that a conversation takes before anything comes."""

    mode: str
    state: str
    rows: dict[str, Row]
    like: tuple[str, ...]
    there: str
    #: The target has sent before the peer's FIN came; no time passes.
    first: bool = False
    quick: bool = False
    others: int = 90

    def numbered(self, words: str) -> list[str]:
        """Return words in which another neighbour has a number of its own."""
        self.others += "91{" in words
        return re.sub(r"\b91(?=[:{])", str(self.others), words.replace(",peer", "")).split()

    @property
    def features(self) -> list[str]:
        """What all the rest meets."""
        return [f"in {self.state}", self.mode, *(f"{name} {row.name}" for name, row in self.rows.items()), *self.like]

    @property
    def pending(self) -> list[str]:
        """What an event meets most of all: the state, and what is pending in it."""
        names = ("outgoing", "incoming", "waiting")
        return [f"in {self.state}", *(f"{name} {self.rows[name].name}" for name in names)]


@dataclass(slots=True)
class _Met:
    """What has met in all conversations so far."""

    pairs: set[tuple[str, ...]] = field(default_factory=set)

    def news(self, found: Sequence[tuple[str, ...]]) -> float:
        """Return how much of it is new."""
        return sum(1 if len(each) == 2 else TRIPLE for each in found if each not in self.pairs)

    def see(self, found: Sequence[tuple[str, ...]]) -> None:
        self.pairs.update(found)


def generate(seed: int = 1, count: int = 6000) -> Iterator[Generated]:
    """Yield `count` conversations of a seed, those with most that is new first."""
    met = _Met()
    for number in range(count):
        rng = random.Random(f"tcpspec armed {seed} {number}")
        mode = rng.choice(MODES)
        context = _best(met, [_context(rng, mode) for _each in range(CONTEXTS)])
        text = _MAKERS[context.mode](rng, context, met)
        names = [context.mode, context.state, *(row.name for row in context.rows.values())]
        made = generated_from(text, f"{seed}.{number}.{'.'.join(names)}", "armed")
        needs = needs_of(text, NEEDS)
        yield Generated("armed", made.name, made.plan, made.twin, _SLOW.search(text) is not None, needs)


# --- the context -----------------------------------------------------------------------------------------------------


def _best(met: _Met, contexts: Sequence[_Context]) -> _Context:
    found = [list(itertools.combinations(context.features, 2)) for context in contexts]
    at = max(range(len(contexts)), key=lambda at: met.news(found[at]))
    met.see(found[at])
    return contexts[at]


def _fitting(rows: Sequence[Row], state: str, quick: bool, without: Container[str] = ()) -> list[Row]:
    return [row for row in rows if row.fits(state) and row.name not in without and not (quick and row.slow)]


def _context(rng: random.Random, mode: str) -> _Context:
    state = rng.choice({"loud": STATES, "healed": HEALED}.get(mode, RUNNING))
    quick = mode == "loud" and rng.random() < QUICK

    def row(rows: Sequence[Row], *without: str) -> Row:
        return rng.choice(_fitting(rows, state, quick, without))

    opened = row(table.OPENING.get(state, table.UNACCEPTED if state in ("Q", "QC") else table.OPENED))
    apart = RESTARTED if mode != "loud" else frozenset()
    neighbour = row([each for each in table.NEIGHBOURS if state not in ("Q", "QC", "SR") or "accept" not in each.words])
    if mode == "beside" and opened.words.startswith("listen:1"):
        opened = table.OPENED[0] if state not in ("Q", "QC") else table.UNACCEPTED[0]
    rows = {
        "before": rng.choice(FORMER)
        if mode == "former"
        else row(table.BEFORE, *(("waits",) if state == "SR" or not opened.words.startswith("listen") else ())),
        "opened": opened,
        "outgoing": row(table.OUTGOING, *(IDLE if mode != "loud" and state in ("E", "CW") else ())),
        "incoming": row(table.INCOMING, *apart),
        "waiting": row(table.WAITING, *apart),
        "neighbour": rng.choice(table.NEIGHBOURS[:1]) if mode in ("former", "quiet", "healed") else neighbour,
        "listener": row(table.LISTENER) if mode == "loud" and state not in ("Q", "QC", "SR") else table.LISTENER[0],
    }
    if mode in ("quiet", "beside", "healed"):
        rows["before"] = table.BEFORE[0]
    asked = [each for name in ("outgoing", "incoming") for each in rows[name].likes.split()]
    drawn = [
        rng.choice(table.LIKE),
        rng.choice(table.NUMBERS),
        *([rng.choice(table.STAMPS)] if rng.random() < 0.4 else []),
    ]
    like = {each.partition("=")[0]: each for each in (*drawn, *asked) if each}
    if mode != "loud":
        like.pop("delay", None)
    if {"tsval", "own-tsval"} & like.keys():
        like.setdefault("offer", "offer=t")
    return _Context(mode, state, rows, tuple(like.values()), rng.choice(table.THERE), rng.random() < 0.5, quick)


def _opening(rng: random.Random, context: _Context, bracketed: bool = False) -> list[str]:
    """Return the words up to where what is pending begins; those about the neighbour may be for this one only."""
    words = context.rows["opened"].words
    beside = _beside(context, context.rows["neighbour"].words)
    if beside and context.mode == "beside":
        beside = " ".join(f"[{word}]" for word in beside.split())
    accepts = "accept" in words.split() and "accept" not in beside
    if context.mode == "beside" or accepts or not words.startswith("listen * "):
        words = f"{words.replace(' *', '')} {beside}"  # it is served behind the first one
    else:
        words = words.replace("*", beside)
    return [*words.split(), *context.rows["listener"].words.split()]


def _beside(context: _Context, words: str) -> str:
    """Return what comes of a neighbour: on the same port where somebody listens there, else on one of its own."""
    if context.rows["opened"].words.startswith("listen"):
        return words.replace("{T}", f"{{{context.there}}}")
    if words.startswith("90{T}"):
        return "90:listen " + words.replace("{T}", "").replace(" accept", " 90:accept")
    return words.replace("{T}", "{same-port}")


def _arming(rng: random.Random, context: _Context) -> list[str]:
    """Return the words by which everything comes to be pending, and the state is reached."""
    outgoing, incoming, waiting = (context.rows[name].words for name in ("outgoing", "incoming", "waiting"))
    way = rng.choice(table.WAYS.get(context.state, ("",)))
    # What the application chooses holds for what it sends from then on.
    first = waiting.endswith("send:60000") or waiting.startswith(("keep-alive:20", "timeout"))
    if context.state in ("CW", "LA") and context.first:
        fin, *rest = way.split()
        before, behind = (waiting, "") if first else ("", waiting)
        return f"{fin} {before} {outgoing} {' '.join(rest)} {behind} {incoming}".split()
    if first:
        return f"{waiting} {outgoing} {way} {incoming}".split()
    return f"{outgoing} {way} {incoming} {waiting}".split()


# --- events ----------------------------------------------------------------------------------------------------------


def _segment(rng: random.Random, context: _Context, finished: bool) -> tuple[str, Parts]:
    """Return a segment that is put together from its parts."""
    flags, octets = rng.choice(table.FLAGS), rng.choice(table.OCTETS)
    seq = rng.choice(table.FIRST if "S" in flags and context.state in ("SS", "CR") else table.SEQ)
    ack = rng.choice(table.ACK) if "A" in flags else ""
    window = rng.choice(table.LARGE if seq in table.BEYOND else table.WINDOW)
    stamped = rng.choice(table.STAMPED)
    if "U" in flags and not octets:
        octets = "/10"
    if set(flags) & set("SR"):
        stamped = ""
    old = table.OLD.get(seq, 0)
    if (old and finished and int(octets[1:] or 0) > old) or (
        octets and set(flags) & set("SR") and (old or seq[0] == "e")
    ):
        octets = ""
    if (octets or "F" in flags) and ack not in table.NEW:
        ack = rng.choice(table.NEW) if ack else ""
    word = f"{flags}@{seq}{f',{ack}' if ack else ''}{octets}{window}{stamped}"
    parts = (f"flags {flags}", f"seq {seq}", f"ack {ack}", f"octets {octets}", f"window {window}", f"stamp {stamped}")
    return word, parts


def _loud_event(rng: random.Random, context: _Context, finished: bool) -> tuple[str, Parts]:
    tables = (None, table.CALLS, table.MOMENTS, table.ERRORS, table.BESIDE)
    beside = 1.5 if context.rows["neighbour"].words else 0.2
    chosen: Sequence[str] | None = rng.choices(tables, (10, 4, 2, 0.7, beside))[0]
    if chosen is None and context.quick:
        chosen = table.PLAIN
    if chosen is None:
        return _segment(rng, context, finished)
    # Others come and go where somebody listens, and nobody who waits stands before them.
    active = not context.rows["opened"].words.startswith("listen")
    waits = context.rows["neighbour"].name.startswith(("opening", "unaccepted"))
    alone = active or waits or context.state in ("Q", "QC", "SR")
    unfit = ("90",) * (beside < 1) + ("repeat:",) * alone + ("wait:", "await") * context.quick
    word = rng.choice([each for each in chosen if not each.startswith(unfit)])
    return _beside(context, word), (word,)


def _choose(
    rng: random.Random, context: _Context, met: _Met, before: Parts, drawn: Sequence[tuple[str, Parts]]
) -> tuple[str, Parts]:
    """Return the event in which most meets that is new."""
    found = []
    for _word, parts in drawn:
        two = list(itertools.combinations(parts, 2))
        meets: list[tuple[str, ...]] = [*two, *itertools.product(context.features, parts)]
        meets += [(pending, *pair) for pending in context.pending for pair in two]
        meets += [(one, *pair) for one in parts for pair in itertools.combinations(context.pending, 2)]
        meets += [("then", one, other) for one, other in itertools.product(before, parts)]
        found.append(meets)
    at = max(range(len(drawn)), key=lambda at: met.news(found[at]) / len(found[at]) ** 0.5)
    met.see(found[at])
    return drawn[at]


# --- ways to look ----------------------------------------------------------------------------------------------------


def _loud(rng: random.Random, context: _Context, met: _Met) -> str:
    before = f"{context.rows['before'].words} close fresh".split() if context.rows["before"].words else []
    if before and not context.rows["opened"].words.startswith("listen"):
        before.append("unlisten")
    words = [*before, *_opening(rng, context), *_arming(rng, context)]
    last: Parts = ()
    asked = rng.choice(table.ASKED).split()
    finished = context.state not in OPEN or "FA" in context.rows["incoming"].words
    for _each in range(rng.choice(LENGTHS)):
        if not context.quick and rng.random() < PAUSED:
            words.append(f"wait:{rng.choice(table.PACES)}")
        word, last = _choose(rng, context, met, last, [_loud_event(rng, context, finished) for _draw in range(EVENTS)])
        finished |= "F" in word
        times, pace = rng.choice(table.TIMES) if "@" in word and word[0] != "9" else 1, rng.choice(table.PACES)
        for turn in range(times):
            words += [*([f"wait:{pace}"] if turn and not context.quick else []), *context.numbered(word), *asked]
        if _FATAL.fullmatch(word):
            break
    return _under(context, [*words, *_behind(rng, context, met, last)])


def _behind(rng: random.Random, context: _Context, met: _Met, last: Parts) -> list[str]:
    """Return what is looked at: all that was pending comes to its end, ordinary things go on, another life begins."""
    draws = []
    for _each in range(EVENTS):
        work, silence, ended, following = (
            rng.choice(_fitting(rows, context.state, context.quick))
            for rows in (table.WORK, table.SILENCE, table.ENDS, table.NEXT)
        )
        rests = [context.rows[name].rest for name in ("incoming", "waiting", "outgoing")] if rng.random() < 0.7 else []
        first, then = (silence.words, " ".join(rests)) if rng.random() < 0.5 else (" ".join(rests), silence.words)
        text = " ".join((first, then, work.words, ended.words, following.words))
        parts = (
            f"work {work.name}",
            f"silence {silence.name}",
            f"end {ended.name}",
            f"next {following.name}",
            f"rest {rests != []}",
        )
        draws.append((text, parts))
    return _choose(rng, context, met, last, draws)[0].split()


def _quiet(rng: random.Random, context: _Context, met: _Met) -> str:
    state = context.state
    words = [*_opening(rng, context), *_arming(rng, context)]
    choices = list(table.QUIET_IN.get(state, ()))
    if state not in table.OPENING:
        choices += table.QUIET
    if state == "TW":
        choices = [word for word in choices if not word.startswith("F")]
    if "close" in words:
        choices = [word for word in choices if "/" not in word]
    timed = context.rows["outgoing"].name in TIMED and context.rows["waiting"].name != "writer"
    pace, heard = rng.choice(table.PACES), False
    if state == "TW":
        pace = rng.choice((*table.PACES, 20_000))
    last: Parts = (f"pace {pace}",)
    duplicates = 0
    for _each in range(rng.choice(LENGTHS)):
        drawn = [rng.choice(table.UNDER_WAY if timed and rng.random() < 0.5 else choices) for _draw in range(EVENTS)]
        if duplicates:  # a third one would rightly draw a repetition (RFC 5681 §3.2)
            drawn = [word for word in drawn if word != "A@n,u"] or [rng.choice(choices)]
        word, last = _choose(rng, context, met, last, [(word, (f"quiet {word}", f"pace {pace}")) for word in drawn])
        duplicates, heard = duplicates + (word == "A@n,u"), heard or word in table.UNDER_WAY
        words += [f"wait:{pace}", f"[{word}]"]
    return _under(context, [*words, _watch(rng, context, HEARD if heard else UNHEARD)])


def _beside_it(rng: random.Random, context: _Context, met: _Met) -> str:
    words = [*_opening(rng, context), *_arming(rng, context)]
    choices = [
        word
        for word in table.BESIDE
        if (context.rows["neighbour"].words or not word.startswith("90"))
        and not word.startswith("repeat:")
        and (context.state not in ("Q", "QC", "SR") or "accept" not in word)
    ]
    last: Parts = ()
    for _each in range(rng.choice(LENGTHS)):
        words.append(f"wait:{rng.choice(table.PACES)}")
        drawn = [(_beside(context, word), (f"beside {word}",)) for word in rng.choices(choices, k=EVENTS)]
        word, last = _choose(rng, context, met, last, drawn)
        words += [f"[{each}]" for each in context.numbered(word)]
    return _under(context, [*words, _watch(rng, context, UNHEARD)])


def _former(rng: random.Random, context: _Context, met: _Met) -> str:
    before = [f"[{word}]" for word in f"{context.rows['before'].words} close fresh".split()]
    opened = _opening(rng, context)
    if not opened[0].startswith("listen"):
        opened.insert(0, "unlisten")
    at = len(opened) if context.state not in table.OPENING else 1
    # What the connection is like stands with a word that both have.
    words = ["unlisten", *before, *opened[:at], "mark", *opened[at:], *_arming(rng, context)]
    return _under(context, [*words, _watch(rng, context, UNHEARD)])


def _healed(rng: random.Random, context: _Context, met: _Met) -> str:
    rows = [
        rng.choice([row for row in rows if row.fits("E") and row.name not in LASTING])
        for rows in (table.OUTGOING, table.INCOMING, table.WAITING)
    ]
    rng.shuffle(rows)
    words = [f"{row.words}" for row in rows] + [row.rest for row in rng.sample(rows, len(rows))]
    healed = [f"[{word}]" for word in " ".join((*words, "recv:100 recv:100")).split()]
    met.see([("healed", row.name, each) for row in rows for each in context.features])
    words = [*_opening(rng, context), *healed, *WELL.split(), "mark", *_arming(rng, context)]
    return _under(context, [*words, _watch(rng, context, UNHEARD)])


def _watch(rng: random.Random, context: _Context, most: int) -> str:
    choices = table.WATCHED_TIME_WAIT if context.state == "TW" else (*table.WATCHED, most)
    return f"wait:{rng.choice([each for each in choices if each <= most])}"


def _under(context: _Context, words: Sequence[str]) -> str:
    return (f"1{{{','.join(context.like)}}}:" if context.like else "") + " ".join(words)


_MAKERS = {"loud": _loud, "quiet": _quiet, "beside": _beside_it, "former": _former, "healed": _healed}
