"""The suite's cases as scripts that a stack of any class can be played with, for the tests of defects."""

from collections.abc import Sequence
from functools import cache

from harness.case.selection import matches
from harness.mutate.script import Script
from harness.verbs import starting

#: Few cases that bring a stack through all of its states.
FEW = (
    "closed-and-listening/*",
    "passive-open/three-way-handshake",
    "active-close/four-way-close*",
    "resets/too-old-ack",
)


@cache
def every_script() -> tuple[Script, ...]:
    code, collector = starting.collect(["--target", "reference", "--ip", "4"])
    assert code == 0
    return tuple(collector.scripts())


def scripts(*patterns: str) -> tuple[Script, ...]:
    found = tuple(each for each in every_script() if any(matches(pattern, each.name) for pattern in patterns))
    assert found
    return found


def collect_few(_options: Sequence[str], _patterns: Sequence[str]) -> tuple[int, list[Script]]:
    return 0, list(scripts(*FEW))
