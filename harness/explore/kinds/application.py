"""What the application is told: conditions, edges and errors, asked for before and after whatever happens."""

import functools
import itertools
from collections.abc import Iterator

from harness.explore.kinds import user_timeouts, waiting_calls
from harness.explore.plan import Plan, moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: Ways to the states in which an application holds a socket.
STATES = {
    "syn-sent": "connect",
    "syn-received": "connect S@i",
    "active": "connect SA@i,r",
    "passive": "listen S@i A@p,r accept",
    "passive-text": "listen S@i A@p,r A@p,r/10 accept",
    "passive-fin": "listen S@i A@p,r FA@p,r accept",
    "unread": "connect SA@i,r A@p,r/10",
    "flight": "listen S@i A@p,r accept send:100",
    "shut": "listen S@i A@p,r%0 accept send:100",
    "full": "connect SA@i,r buffer:8000 send:100000 send:100000 send:100000",
    "full-and-shut": "connect SA@i,r buffer:8000 A@p,r%0 send:100000 send:100000 send:100000",
    "fin-wait-1": "listen S@i A@p,r accept shutdown",
    "fin-wait-1-flight": "connect SA@i,r send:100 shutdown",
    "fin-wait-2": "listen S@i A@p,r accept shutdown A@p,r",
    "close-wait": "listen S@i A@p,r accept FA@p,r",
    "close-wait-unread": "connect SA@i,r A@p,r/10 FA@p,r",
    "close-wait-flight": "listen S@i A@p,r accept FA@p,r send:100",
    "last-ack": "listen S@i A@p,r accept FA@p,r shutdown",
    "last-ack-flight": "connect SA@i,r FA@p,r send:100 shutdown",
    "closing": "listen S@i A@p,r accept shutdown FA@p,u",
    "closing-unread": "connect SA@i,r A@p,r/10 shutdown FA@p,u",
    "time-wait": "listen S@i A@p,r accept shutdown A@p,r FA@p,r",
    "deaf": "connect SA@i,r shut-rd",
    "deaf-unread": "connect SA@i,r A@p,r/10 shut-rd",
    "both-shut": "listen S@i A@p,r accept shut-rdwr",
    "closed-in-order": "connect SA@i,r FA@p,r shutdown A@p,r",
    "was-reset": "listen S@i A@p,r accept R@p",
    "was-refused": "connect RA@i,r",
}
#: What happens: segments of the peer, then the application's own calls.
EVENTS = {
    "text": "A@p,r/10",
    "fin": "FA@p,r",
    "text-and-fin": "FA@p,r/10",
    "reset": "R@p",
    "reset-and-ack": "RA@p,r",
    "acknowledgment": "A@p,r",
    "old-acknowledgment": "A@p,u",
    "handshake": "SA@i,r",
    "half-handshake": "S@i",
    "refusal": "RA@i,r",
    "wrong-refusal": "RA@i,r+9",
    "text-above-a-gap": "A@p+10,r/10",
    "fin-above-a-gap": "FA@p+10,r/10",
    "gap-filled": "A@p+10,r/10 A@p,r/10",
    "challenged-reset": "R@p+10",
    "challenged-syn": "S@p",
    "out-of-window": "A@e+10,n/10",
    "window-shut": "A@p,r%0",
    "window-opened": "A@p,r%0 A@p,r",
    "send": "send:10",
    "shutdown": "shutdown",
    "shut-rd": "shut-rd",
    "shut-rdwr": "shut-rdwr",
    "all-taken": "A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r",
}
#: What is asked behind each event.
QUESTIONS = {
    "look": "edges edges poll error error poll",
    "read": "poll recv:4 edges poll recv:100000 poll recv:1 poll error",
    "read-first": "recv:100000 error recv:1 poll error edges",
    "write": "buffer:8000 poll send:10 poll send:100000 poll edges error poll",
    "write-first": "send:10 poll error send:10 error poll",
    "close": "poll shutdown poll edges recv:100000 recv:1 poll",
}
#: Pairs of events that change something, one behind the other.
TELLING = ("text", "fin", "text-and-fin", "reset", "shutdown", "shut-rd", "all-taken")
#: What comes over a connection that nobody has accepted yet.
QUEUED = {
    "opening": "S@i",
    "opening-again": "S@i again",
    "opening-reset": "S@i R@p",
    "open": "S@i A@p,r",
    "text": "S@i A@p,r A@p,r/10",
    "fin": "S@i A@p,r FA@p,r",
    "text-and-fin": "S@i A@p,r FA@p,r/10",
    "reset": "S@i A@p,r R@p",
    "stray": "A@i,n+5",
    "two": "S@i 2{same-port}:S@i 2:A@p,r",
    "two-open": "S@i A@p,r 2{same-port}:S@i 2:A@p,r",
}
_NEEDS = frozenset({Capability.READINESS, Capability.SOCKET_OPTIONS})


def generate() -> Iterator[Generated]:
    """Yield each state with each event, then two events, followed by questions in turn; then calls that wait."""
    turn = itertools.cycle(QUESTIONS.items())
    for (state, opening), (event, happens) in itertools.product(STATES.items(), EVENTS.items()):
        for question, asked in itertools.islice(turn, 2):
            yield _asked(f"{state}.{event}.{question}", _watched(opening, asked), happens, asked)
    for (state, opening), first, second in itertools.product(STATES.items(), TELLING, TELLING):
        question, asked = next(turn)
        texts = (_watched(opening, asked), EVENTS[first], QUESTIONS["look"], EVENTS[second], asked)
        yield _asked(f"{state}.{first}.{second}.{question}", *texts)
    for name, opening in QUEUED.items():
        watched = " ".join(f"{word} poll-listener" for word in opening.split())
        for question, asked in QUESTIONS.items():
            text = f"listen poll-listener {watched} accept {asked} poll-listener accept poll-listener"
            yield _asked(f"queue.{name}.{question}", text)
    yield from waiting_calls.generate()
    yield from user_timeouts.generate()


def _watched(opening: str, asked: str) -> str:
    """Return a way to a state with the same kind of look in between."""
    look = "edges" if "edges" in asked else "poll"
    return " ".join(f"{word} {look}" for word in opening.split())


def _asked(name: str, *texts: str) -> Generated:
    return Generated("application", name, tuple(itertools.chain.from_iterable(map(_moves, texts))), needs=_NEEDS)


@functools.cache
def _moves(text: str) -> Plan:
    return moves(text)
