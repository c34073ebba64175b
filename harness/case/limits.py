"""Finds out how a target limits its challenges, where it does not tell (RFC 5961 §7).

A connection is challenged a dozen times in one instant of the target's time. Who answers the first and not the last has
a limit, and answers again when that is over.
"""

from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import run
from harness.case.target_side import TargetSide
from harness.case.walks import Walk
from harness.spec.segment import ACK, SYN
from harness.spec.states import ESTABLISHED
from harness.targets.protocol import Capability

#: So many challenges are asked for: the RFC's example of a limit is ten in five seconds.
ASKED = 12
#: The target is asked again so often, and for so long, in seconds.
STEP_S, LONGEST_S = 0.5, 60.0
_NEEDED = frozenset({Capability.RFC5961_SYN, Capability.VIRTUAL_TIME})


def is_unknown(rig: Rig) -> bool:
    """Tell whether a limit can be found out and was not told."""
    return not rig.target.facts.throttle_told and rig.target.capabilities >= _NEEDED


def find_limit(rig: Rig) -> None:
    """Note in the target's facts for how long it may hold challenges back; only where its time is virtual.

    The limit is taken for one of all connections together. What can't be found out is left as it is: a target that
    does not get as far shows that in its cases.
    """
    if not is_unknown(rig):
        return
    rig.target.facts.throttle_told = True
    run(rig.begin(4, name="limits"), Walk(ESTABLISHED), lambda target, peer: _ask(rig, target, peer))
    rig.sweep()


def _ask(rig: Rig, target: TargetSide, peer: PeerSide) -> None:
    answered = [_is_challenged(target, peer) for _ in range(ASKED)]
    if not answered[0] or answered[-1]:
        return
    clock, facts = rig.target.clock, rig.target.facts
    begin_ns = clock.now_ns()
    while not _is_challenged(target, peer):
        if clock.now_ns() - begin_ns > LONGEST_S * 1e9:
            return
        target.wait(STEP_S)
    facts.throttle_s, facts.throttles_host = (clock.now_ns() - begin_ns) / 1e9, True
    facts.details["challenge ACKs"] = f"one may keep others back for {facts.throttle_s:g} s, as found"


def _is_challenged(target: TargetSide, peer: PeerSide) -> bool:
    inbox = target.connection.inbox
    peer.send(SYN, seq=peer.snd_nxt)
    answered = any(received.segment.flags == ACK for received in inbox)
    inbox.clear()
    return answered
