"""Several workers (`-n`) that ask one board behind ``net:``: which one a process is, and what is handed on to it."""

from collections.abc import Iterable
from typing import Any

import pytest

from harness.case.engine import Engine
from harness.targets.lane import MOST, Lane
from harness.targets.registry import TargetSpec

_FOUND = "tcpspec_found"


def of(config: pytest.Config) -> Lane:
    """Return the lane of this process."""
    told = getattr(config, "workerinput", None)
    if told is None:
        count = getattr(config.option, "numprocesses", None) or 1
        return Lane(count=count) if count > 1 else Lane()
    number = told["workerid"].removeprefix("gw")
    return Lane(int(number), told["workercount"], told.get(_FOUND, {}))


def demand(specs: Iterable[TargetSpec], lane: Lane) -> None:
    """Raise pytest.UsageError where several processes can't ask the same board."""
    boards = [spec for spec in specs if spec.kind == "net"]
    if lane.count == 1 or not boards:
        return
    from harness.targets.wired.options import AGENT, LINES

    for spec in boards:
        if spec.options.get("app", "").partition(":")[0] in (LINES, AGENT):
            raise pytest.UsageError(
                "-n: one application on the board is told what to call, by one process: leave -n out"
            )
        if lane.count > MOST:
            raise pytest.UsageError(f"-n: no more than {MOST} processes ask one board")


def found(engine: Engine) -> dict[str, bytes]:
    """Return what was found out about the boards, by the targets' texts."""
    told = {rig.target.name: getattr(rig.target, "found", b"") for rig in engine.running()}
    return {name: what for name, what in told.items() if what}


def hand_on(what: dict[str, bytes], node: Any) -> None:
    """Tell a worker what was found out."""
    node.workerinput[_FOUND] = what
