"""Plays one talk alone, in its target's own time."""

from harness.case.timers import Waits
from harness.case.violation import Violation
from harness.explore.talk import STILL, Talk


def play(talk: Talk, waits: Waits) -> Violation | None:
    """Let a talk go on to its end in its target's own time, alone; return the violation that ended it."""
    clock, still = talk.rig.target.clock, 0
    try:
        for wait in waits:
            while (left := wait.until_ns - clock.now_ns()) > 0:
                before = clock.now_ns()
                clock.wait(left / 1e9)
                talk.rig.collect(talk.conversation)
                still = still + 1 if clock.now_ns() == before else 0
                if any(link.connection.inbox for link in talk.links.values()) or still > STILL:
                    break
    except Violation as violation:
        return violation
    return None
