"""Beside: the timers of one connection go on as they would alone, whatever another one on the target goes through."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.kinds.needs import needs_of
from harness.explore.notation import generated_from
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: Where a timer of the first connection runs.
RUNNING = (
    *("syn-sent", "syn-received-passive", "syn-received-simultaneous", "established-flight", "established-shut"),
    *("fin-wait-1-data", "fin-wait-2-close", "close-wait-flight", "last-ack-data", "closing-data", "time-wait"),
)
#: What the other one goes through at once; nothing of it is left to be waited for.
LIVES = {
    "orderly": "S@i A@p,r accept FA@p,r close A@p,r",
    "orderly-first": "S@i A@p,r accept close A@p,r FA@p,r",
    "fin-again": "S@i A@p,r accept close A@p,r FA@p,r again again",
    "both-at-once": "S@i A@p,r accept close FA@p,u A@p,r",
    "reset": "S@i A@p,r accept R@p",
    "reset-opening": "S@i R@p",
    "reset-queued": "S@i A@p,r R@p accept",
    "aborted": "S@i A@p,r accept abort",
    "text": "S@i A@p,r accept A@p,r/10 recv:100 send:10 A@p,r FA@p,r close A@p,r",
    "strays": "A@p,n+5 S@i R@p A@p,n+5",
    "hard-error": "S@i A@p,r accept send:10 hard@u",
    "soft-error": "S@i A@p,r accept send:10 soft@u A@p,r FA@p,r close A@p,r",
}
#: A listener on another port comes and goes, with what hangs on it.
LISTENERS = {
    "closed": "listen unlisten",
    "closed-opening": "listen S@i unlisten",
    "closed-queued": "listen S@i A@p,r unlisten",
    "closed-later": "listen S@i A@p,r accept unlisten A@p,r/10 recv:100 R@p",
}
#: What the other one does all the time, until the first one is given up and longer.
BUSY = {
    "sends": "[2:send:10] [2:A@p,r]",
    "receives": "[2:A@p,r/10] [2:recv:100]",
    "both": "[2:A@p,r/10] [2:send:10] [2:A@p,r] [2:recv:100]",
    "strays": "[2:A@n-1,r] [2:A@n,n+100]",
}
#: So often, and after so many milliseconds each time.
BUSY_TIMES = ((12, 40_000), (30, 1_700))
#: How long after the first connection's beginning the other one begins, in milliseconds, and what is watched then.
TIMES = ((50, 60_000), (1500, 60_000))
#: In TIME-WAIT: just before its end, whether that is after one minute, two or four, and just behind that.
WAITS = ((40_000, 25_000), (100_000, 30_000), (200_000, 60_000))
_ICMP = frozenset({Capability.ICMP})


def generate() -> Iterator[Generated]:
    """Yield each running timer with each life beside it, on the same port or another one."""
    for state in RUNNING:
        begun = bases.STATES[state]
        passive = begun.startswith("listen")
        times = WAITS if state == "time-wait" else TIMES
        for (name, life), (time, rest) in itertools.product((LIVES | LISTENERS).items(), times):
            if name in LIVES and not passive:
                life = f"listen {life}"
            like = "same-port" if name in LIVES and passive else ""
            words = life.split()
            first = f"[2{{{like}}}:{words[0]}]" if like else f"[2:{words[0]}]"
            other = " ".join([first, *(f"[2:{word}]" for word in words[1:])])
            made = generated_from(f"{begun} wait:{time} {other} wait:{rest}", f"{state}.{name}.{time}", "beside")
            yield replace(made, slow=True, needs=_ICMP if "error" in name else frozenset())
    yield from _busy()
    yield from _kept_alive()
    yield from _listeners()


def _busy() -> Iterator[Generated]:
    """Yield each running timer beside a connection that goes on and on."""
    for state, (name, words), (times, pause) in itertools.product(RUNNING, BUSY.items(), BUSY_TIMES):
        passive = bases.STATES[state].startswith("listen")
        opened = "[2{same-port}:S@i] [2:A@p,r] [accept]" if passive else "[2:connect] [2:SA@i,r]"
        text = f"{bases.STATES[state]} {opened} {f'wait:{pause} {words} ' * times}"
        made = generated_from(text, f"{state}.busy-{name}.{pause}", "beside")
        yield replace(made, slow=True, strung=True)


#: What the first one goes through before both have keep-alives.
ASKED = {"established": "", "received": "A@p,r/10 ", "close-wait": "FA@p,r ", "fin-wait-2": "shutdown A@p,r "}
OTHERS = "[2{same-port}:S@i] [2:A@p,r] [accept]"


def _kept_alive() -> Iterator[Generated]:
    """Each connection is probed for itself (MUST-24), whatever another one asks for behind it."""
    for (state, words), seconds in itertools.product(ASKED.items(), (9, 30)):
        text = f"listen S@i A@p,r accept {words}keep-alive:10 {OTHERS} [2:keep-alive:{seconds}] mark wait:100000"
        made = generated_from(text, f"{state}.keep-alive-{seconds}", "beside")
        yield replace(made, slow=True, needs=needs_of(text))


#: What a listener closes with another one, and what must be left of that.
HANGING = {"opening": "S@i", "queued": "S@i A@p,r", "queued-text": "S@i A@p,r/10", "accepted": "S@i A@p,r accept"}
GOES_ON = "A@p,r/10 accept recv:100 send:10 A@p,r FA@p,r"


def _listeners() -> Iterator[Generated]:
    """Of two listeners one closes, whose connections go; those of the other stay."""
    for (one, first), (other, second) in itertools.product(HANGING.items(), repeat=2):
        beside = " ".join(f"3:{word}" for word in f"listen {second} unlisten".split())
        yield generated_from(f"listen {first} {beside} {GOES_ON}", f"listeners.{one}.{other}", "beside")
        again = f"3:listen 3:S@i 3:A@p,r 3:accept 3:A@p,r/10 {GOES_ON}"
        yield generated_from(f"listen {first} {beside} {again}", f"listeners.{one}.{other}.again", "beside")
