"""A target as something that is asked: a fresh connection, letter by letter, and what each brings, as one text.

The text of an answer is that of `harness.fuzz.compare`, with what would make a machine infinite left out: how many
octets a segment has (``/+``) or a call gives (``data``), where what is sent again begins (``u``, SND.UNA), and numbers
that are of another connection (``other``): how far away these are grows with each octet of this one.
"""

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace

from harness.case.rig import Rig
from harness.case.violation import Code
from harness.fuzz.compare import OPTION_OF, Shown, shown
from harness.fuzz.side import Outcome, Side
from harness.fuzz.steps import Position, Step, text_of
from harness.fuzz.view import View
from harness.learn.alphabet import Alphabet, Letter, Time
from harness.spec.segment import ACK
from harness.spec.states import CLOSED, LISTEN
from harness.targets.protocol import Capability, TargetError
from harness.trace.events import Kind

#: So many queries share the tidying up; with time among the letters each has its own.
BATCH = 200
#: What a target shows that has come to its end before in the same query.
GONE = "gone"
#: How the answer begins with which a target comes to its end, and each behind it.
_ENDS = tuple(f"{word}; " for word in (Code.DIED, Code.HUNG, Code.STORM, GONE))
#: A stretch of time in which a target speaks more often than this is cut there.
MOST_WORDS = 100

_HIDDEN = tuple(OPTION_OF)
#: A reset that answers an acknowledgment of SND.NXT has that number, whoever it was taken from (RFC 9293 §3.5.2).
_RESET = re.compile(r"^(RA?)@n(?=,|$)")
#: A number by how far it is from where the connection is.
_OFFSET = re.compile(r"(?<=[@,])n[+-](\d+)")
#: What the peer acknowledges where the target has never had a number: not 0, which a reset has for another reason.
NOBODYS = 0x1234567


class _Numbered(View):
    """A view in which the numbers of a target that has none yet are nobody's."""

    def acknowledgment(self, position: Position) -> int:
        """Return a number of the target that the peer acknowledges."""
        none = not self.snd_nxt and self.state in (None, CLOSED, LISTEN)
        return NOBODYS + position.offset if none else View.acknowledgment(self, position)


class Subject:
    """Asks one target. `open_rig` starts it, and starts it anew where somebody else has ended it."""

    def __init__(self, open_rig: Callable[[], Rig], version: int, alphabet: Alphabet, *, states: bool) -> None:
        self.rig = open_rig()
        self.version = version
        self.alphabet = alphabet
        self.states = states
        #: Queries and steps that the target was really asked.
        self.queries = 0
        self.steps = 0
        #: Something was broken off in the middle: the target is started anew before it is asked again.
        self.doubted = False
        self._open_rig = open_rig
        self._side: Side | None = None
        self._begin_ns = 0

    @property
    def side(self) -> Side:
        """The connection of the query that is under way."""
        assert self._side is not None
        return self._side

    def begin(self) -> None:
        """Start a query: a fresh connection, set up."""
        if self.doubted:
            self.renew()
        ended = self._side is not None and self._side.ended
        if ended or self.rig.batch_size >= (1 if self.alphabet.times else BATCH):
            self.rig.discard()  # which starts one that has come to its end anew
        self.queries += 1
        self._side = Side(self.rig, self.version, self.alphabet.setup)
        self._side.view = _Numbered()
        self._begin_ns = self.rig.target.clock.now_ns()
        for step in self.alphabet.setup:
            self._perform(step)

    def ask(self, letter: Letter) -> str:
        """Make a letter happen and return what it brought."""
        return str(self.outcome(letter)[1])

    def outcome(self, letter: Letter) -> tuple[Outcome | None, Shown]:
        """Make a letter happen; return it as it was seen, None behind the target's end, and in short."""
        self.steps += 1
        if self.side.ended:
            return None, Shown(GONE, (), "")
        before = self.side.view.state, self.side.view.snd_una - self.side.view.snd_nxt
        outcome = self._pass(letter) if isinstance(letter, Time) else self._perform(letter)
        seen = shown(outcome, _HIDDEN)
        replies = tuple(_bounded(reply, before[1], self.alphabet.reach) for reply in seen.replies)
        segment = outcome.segment
        if segment is not None and segment.flags & ACK and segment.ack == outcome.before.snd_nxt:
            replies = tuple(_RESET.sub(r"\1@seg.ack", reply) for reply in replies)
        if isinstance(letter, Time):
            replies = tuple(dict.fromkeys(replies))
        answer = re.sub(r"^\d+ octets \(.*\)$", "data", seen.answer)
        return outcome, Shown(answer, replies, seen.state if self.states else "")

    def disturbed(self) -> bool:
        """Tell whether a timer of the target may have sent something of what this query has shown."""
        lasted = (self.rig.target.clock.now_ns() - self._begin_ns) / 1e9
        quick = lasted < self.rig.target.guard_s(syn_sent=True)
        return not quick and self.side.disturbed()

    def renew(self) -> None:
        """Start the target anew, which somebody else has ended, or of which nobody knows what it is doing."""
        with contextlib.suppress(TargetError):
            self.rig.close()
        self._side, self.rig = None, self._open_rig()
        self.doubted = False

    def close(self) -> None:
        """End the target."""
        self.rig.close()

    def _perform(self, step: Step) -> Outcome:
        outcome = self.side.perform(step)
        if self.alphabet.accepts_at_once and outcome.segment is not None and outcome.segment.flags & ACK:
            self._accept()
        return outcome

    def _accept(self) -> None:
        """Accept what can be accepted; the application lets go of a connection that has come to its end before."""
        connection = self.side.connection
        if connection.listener is None:
            return
        try:
            accepted = connection.listener.accept()
        except OSError:
            return
        if connection.app is not None:
            connection.app.close()
        connection.app = accepted
        self.side.view.reader_gone = False

    def _pass(self, letter: Time) -> Outcome:
        """Let time pass, in one go or until the target speaks."""
        side, clock = self.side, self.rig.target.clock
        side.conversation.note(Kind.NOTE, f"{letter} passes", side.connection)
        deadline_ns = clock.now_ns() + round(letter.seconds * 1e9)
        first: Outcome | None = None
        for _word in range(MOST_WORDS):
            outcome = side.let_pass(max(0.0, (deadline_ns - clock.now_ns()) / 1e9))
            received = (*(first.received if first else ()), *outcome.received)
            first = replace(outcome, received=received, before=first.before if first else outcome.before)
            if clock.now_ns() >= deadline_ns or side.ended or (letter.until_heard and received):
                break
        assert first is not None
        return first


def is_end(answer: str) -> bool:
    """Tell whether a target that answers so has come to its end."""
    return answer.startswith(_ENDS)


def _bounded(reply: str, una: int, reach: int) -> str:
    """Return a reply without what grows without end: octets, how far back it begins, numbers of other connections."""
    if una < 0:
        reply = reply.replace(f"@n{una:+d},", "@u,")
    reply = _OFFSET.sub(lambda found: found[0] if int(found[1]) <= reach else "other", reply)
    return re.sub(r"/\d+", "/+", reply)


def text(letters: tuple[Letter, ...]) -> str:
    """Return a word of letters as `fuzz` writes sequences."""
    return " ".join(map(str, letters)) if any(isinstance(each, Time) for each in letters) else text_of(letters)  # type: ignore[arg-type]


def in_virtual_time(rig: Rig) -> bool:
    """Tell whether time costs nothing on a target."""
    return Capability.VIRTUAL_TIME in rig.target.capabilities
