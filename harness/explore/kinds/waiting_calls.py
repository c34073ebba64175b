"""Calls that wait: connect, accept, recv, send, close; events that must not wake them, then one that must."""

import itertools
from collections.abc import Iterator

from harness.explore.kinds.needs import needs_of
from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

CONNECTING = {
    "quiet": "",
    "unacceptable-ack": "A@i+5,n+10",
    "stray-reset": "R@i",
    "wrong-reset": "RA@i,n+9",
    "simultaneous": "S@i",
    "simultaneous-again": "S@i again",
}
CONNECTED = {
    "handshake": "SA@i,r",
    "refusal": "RA@i,r",
    "acknowledgment": "A@p,r",
    "text": "SA@i,r A@p,r/10",
    "reset": "SA@i,r R@p",
    "fin": "SA@i,r FA@p,r",
    "given-up": "wait:4000000",
}
ACCEPTING = {
    "quiet": "",
    "half-open": "S@i",
    "reset-opening": "3{same-port}:S@i 3:R@p",
    "stray": "3{same-port}:A@i,n+5",
    "another-half-open": "3{same-port}:S@i",
    "again": "S@i again",
}
ACCEPTED = {
    "open": "S@i A@p,r",
    "open-with-text": "S@i A@p,r/10 recv:100",
    "open-with-fin": "S@i FA@p,r recv:10",
    "in-turn": "S@i A@p,r 2{same-port}:S@i 2:A@p,r",
    "crossed": "S@i 2{same-port}:S@i 2:A@p,r A@p,r",
    "reset": "S@i A@p,r R@p",
}
#: Where a call of recv() or send() waits.
OPEN = {
    "active": "connect SA@i,r",
    "passive": "listen S@i A@p,r accept",
    "simultaneous": "connect S@i SA@i,r",
    "fin-wait-1": "connect SA@i,r shutdown",
    "fin-wait-2": "listen S@i A@p,r accept shutdown A@p,r",
    "flight": "connect SA@i,r send:100",
    "syn-sent": "connect",
    "syn-received": "connect S@i",
    "close-wait": "connect SA@i,r FA@p,r",
    "unread": "connect SA@i,r A@p,r/10",
}
#: What gives a reader nothing.
NOTHING = {
    "quiet": "",
    "acknowledgment": "A@p,r",
    "gap": "A@p+10,r/10",
    "fin-above-a-gap": "FA@p+10,r/10",
    "challenged": "R@p+10",
    "syn": "S@p",
    "window": "A@p,r%0",
    "old-text": "A@n-1,n/1",
    "out-of-window": "A@e+10,n/10",
    "sending": "send:10",
    "handshake": "SA@i,r",
    "asked": "poll edges error",
}
#: What must wake one.
SOMETHING = {
    "text": "A@p,r/10",
    "fin": "FA@p,r",
    "text-and-fin": "FA@p,r/10",
    "reset": "R@p",
    "reset-and-ack": "RA@p,r",
    "rest-of-text": "A@p,r/10 A@p,r/10",
    "shut-rd": "shut-rd",
}
READS = ("begin-recv:100", "begin-recv:4", "begin-recv:4 begin-recv:100", "begin-recv:100000 recv:1")
SENDS = {
    "much": "begin-send:20000",
    "little": "begin-send:10",
    "behind-a-full-buffer": "send:100000 send:100000 begin-send:10",
    "into-a-shut-window": "A@p,r%0 begin-send:20000",
    "two": "begin-send:9000 begin-send:10",
    "reading-too": "begin-recv:10 begin-send:20000",
}
#: What comes while a writer waits.
ROOM = {
    "acknowledgments": "A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r",
    "one-acknowledgment": "A@p,r",
    "old-acknowledgment": "A@p,u",
    "text": "A@p,r/10",
    "fin": "FA@p,u",
    "fin-and-acknowledgment": "FA@p,r",
    "reset": "R@p",
    "reset-later": "A@p,r R@p",
    "fin-and-reset": "FA@p,u R@p",
    "window": "A@p,u%0",
    "window-opens": "A@p,u%0 A@p,u A@p,r A@p,r A@p,r A@p,r A@p,r",
}
CLOSING = {
    "established": "connect SA@i,r",
    "passive": "listen S@i A@p,r accept",
    "close-wait": "connect SA@i,r FA@p,r",
    "flight": "listen S@i A@p,r accept send:100",
    "close-wait-flight": "connect SA@i,r FA@p,r send:100",
    "shut-window": "connect SA@i,r A@p,r%0 send:100",
    "unread": "connect SA@i,r A@p,r/10",
    "fin-wait-1": "connect SA@i,r shutdown",
    "fin-wait-2": "connect SA@i,r shutdown A@p,r",
    "closing": "connect SA@i,r shutdown FA@p,u",
    "last-ack": "connect SA@i,r FA@p,r shutdown",
    "time-wait": "connect SA@i,r shutdown FA@p,r",
}
LEAVING = {
    "acknowledgment": "A@p,r",
    "text": "A@p,u/10",
    "fin": "FA@p,u",
    "fin-and-acknowledgment": "FA@p,r",
    "both-in-turn": "FA@p,u A@p,r",
    "old-acknowledgment": "A@p,u",
    "reset": "R@p",
    "challenged": "R@p+10",
    "window": "A@p,u",
    "half": "A@p,u+50",
}
_NEEDS = frozenset({Capability.READINESS, Capability.SOCKET_OPTIONS})


def generate() -> Iterator[Generated]:
    """Yield each call with an event that must not wake it, and then one that must."""
    for (before, quiet), (name, wakes) in itertools.product(CONNECTING.items(), CONNECTED.items()):
        yield _made(f"connect.{before}.{name}", f"begin-connect {quiet} {wakes} recv:100 poll")
    for (before, quiet), (name, wakes) in itertools.product(ACCEPTING.items(), ACCEPTED.items()):
        for calls in ("begin-accept", "begin-accept begin-accept"):
            yield _made(f"{calls.replace(' ', '-')}.{before}.{name}", f"listen {calls} {quiet} {wakes} accept")
            words = f"listen 7:listen {calls} {quiet} {wakes} accept"
            yield _made(f"{calls.replace(' ', '-')}-of-two-listeners.{before}.{name}", words)
        yield _made(f"accept-late.{before}.{name}", f"listen {quiet} {wakes} begin-accept accept")
    turn = itertools.cycle(enumerate(READS, 1))
    for (state, opening), (before, quiet), (name, wakes) in itertools.product(
        OPEN.items(), NOTHING.items(), SOMETHING.items()
    ):
        number, read = next(turn)
        yield _made(f"recv-{number}.{state}.{before}.{name}", f"{opening} {read} {quiet} {wakes} poll recv:100 error")
    for (state, opening), (way, sends), (name, comes) in itertools.product(OPEN.items(), SENDS.items(), ROOM.items()):
        if "shutdown" not in opening and "syn" not in state:
            yield _made(f"send.{state}.{way}.{name}", f"{opening} buffer:8000 {sends} {comes} poll error")
    yield from _closing()


def _closing() -> Iterator[Generated]:
    for (state, opening), (name, comes) in itertools.product(CLOSING.items(), LEAVING.items()):
        yield _made(f"close.{state}.{name}", f"{opening} begin-close:600000 {comes}")
        yield _made(f"close-in-time.{state}.{name}", f"{opening} begin-close:5000 wait:2000 {comes} wait:10000")
        yield _made(f"close-late.{state}.{name}", f"{opening} begin-close:5000 wait:10000 {comes}")
        yield _made(f"close-lost.{state}.{name}", f"{opening} lose:9 begin-close:2000 wait:70000 {comes}")
    for (one, first), (other, second) in itertools.permutations(LEAVING.items(), 2):
        yield _made(f"close.flight.{one}.{other}", f"{CLOSING['flight']} begin-close:600000 {first} {second}")


def _made(name: str, text: str) -> Generated:
    return Generated("application", f"waiting-{name}", moves(text), slow="wait:" in text, needs=_NEEDS | needs_of(text))
