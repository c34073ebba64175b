"""What the wire to a stack is like, before anything is asked: how long the way is, and whether frames arrive in order.

A long way makes a run long, and nothing else. But where frames are lost silence proves nothing, and where they overtake
each other what came first says nothing of what was done first: nobody is judged over such a wire.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.targets.protocol import UnusableTarget
from harness.targets.wired.link import FENCES, WireLink

#: So many probes, one behind the answer to the other, in so many seconds.
PROBES, SPENT_S = 40, 2.0
#: So many at once, so often: few enough for the shortest queue of a card.
BURST, BURSTS = 8, 4
#: A probe of which nothing is heard for so long beyond the usual is lost.
LOST_S = 1.0
#: Who answers none of the first is not asked so.
FIRST = 2
_HINT = "no verdict would be sure: over a wire of its own, and without a queue or a radio in between, nothing is lost"


@dataclass(slots=True)
class _Asked:
    """What became of probes of one kind, one after the other."""

    times_s: list[float] = field(default_factory=list)
    #: Those that were not answered.
    open: set[bytes] = field(default_factory=set)

    @property
    def count(self) -> int:
        return len(self.times_s) + len(self.open)


def examine(link: WireLink, limit_s: float) -> None:
    """Measure the round trip; raises UnusableTarget where frames are lost, whatever is asked, or overtake each other.

    Within `limit_s` a probe has its answer, as a rule.
    """
    lossy = ""
    for fence in link.fences:
        asked = _one_by_one(link, fence, limit_s)
        if not asked.times_s:
            continue
        *_others, latest_s = sorted(asked.times_s)[:-1] or asked.times_s
        link.round_trip_s = max(link.round_trip_s, latest_s)
        if not asked.open:
            _demand_order(link, fence)
            return
        lossy = lossy or f"of {asked.count} probes ({FENCES[fence]}) {len(asked.open)} were not answered"
    if lossy:
        raise UnusableTarget(f"{lossy}: the wire, or the stack itself, loses frames", _HINT)


def _one_by_one(link: WireLink, fence: str, limit_s: float) -> _Asked:
    asked, deadline = _Asked(), time.monotonic() + SPENT_S
    for _ in range(PROBES):
        began, probe = time.monotonic(), link.send_probe(fence)
        asked.open.add(probe)
        for answered in link.answered_probes(limit_s):
            asked.open.discard(answered)
            if answered == probe:
                asked.times_s.append(time.monotonic() - began)
                break
        if time.monotonic() > deadline or (not asked.times_s and len(asked.open) >= FIRST):
            break
    if asked.open and asked.times_s:
        asked.open.difference_update(link.answered_probes(LOST_S))
    return asked


def _demand_order(link: WireLink, fence: str) -> None:
    disordered = sum(not _in_order(list(_numbers(link, fence))) for _ in range(BURSTS))
    if disordered > BURSTS // 2:
        what = f"answers to probes ({FENCES[fence]}) do not come in the order of the probes"
        raise UnusableTarget(f"{what}: frames overtake each other on the wire, or in the stack", _HINT)


def _numbers(link: WireLink, fence: str) -> Iterator[int]:
    """Send probes at once, and yield the number of each answer."""
    sent = [link.send_probe(fence) for _ in range(BURST)]
    for answered in link.answered_probes(link.round_trip_s + LOST_S):
        if answered in sent:
            yield sent.index(answered)
            sent[sent.index(answered)] = b""
            if not any(sent):
                return


def _in_order(numbers: list[int]) -> bool:
    return numbers == sorted(numbers)
