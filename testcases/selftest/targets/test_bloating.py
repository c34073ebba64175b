"""An adapter that eats memory: that is a verdict of its case, and between two cases it is started anew."""

import sys
from collections.abc import Iterator

import pytest

from harness.case.rig import Rig
from harness.case.runner import Ending
from harness.case.violation import Code
from harness.targets.adapter import line as adapter_line
from harness.targets.adapter.process import Command
from harness.targets.adapter.target import AdapterTarget
from testcases.selftest.targets.test_deaths import TOLD, told

MIB = 1 << 20
EAT = f"setattr(sys, 'kept', b'x' * {300 * MIB})"


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(adapter_line, "LOOK_S", 0.1)
    rig = Rig(AdapterTarget(Command([sys.executable, str(TOLD)]), name="told", timers=True), guarded=False)
    yield rig
    rig.close()


@pytest.mark.parametrize("how", [f"{EAT}, time.sleep(60)", EAT], ids=["without an answer", "and answers"])
def test_who_eats_memory_has_died_of_it(rig: Rig, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(adapter_line, "MEMORY_OCTETS", 150 * MIB)
    monkeypatch.setattr(adapter_line, "LOOK_COMMANDS", 1)
    outcome = told(rig, how)
    assert outcome.ending is Ending.VIOLATION, outcome.message
    assert [(each.code, each.observed) for each in outcome.findings] == [
        (Code.DIED, "the adapter holds more than 150 MiB of memory")
    ]
    assert told(rig, "").ending is Ending.COMPLETED


def test_who_has_grown_is_started_anew_between_two_cases(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    target = rig.target
    assert isinstance(target, AdapterTarget)
    assert target._line is not None
    first = target._line.carrier
    assert told(rig, "").ending is Ending.COMPLETED
    assert target._line.carrier is first
    assert 5 * MIB < first.memory() < 150 * MIB
    monkeypatch.setattr(adapter_line, "MEMORY_OCTETS", 400 * MIB)
    assert told(rig, EAT).ending is Ending.COMPLETED
    assert target._line.carrier is not first
    assert target._line.carrier.memory() < 150 * MIB
    assert told(rig, "").ending is Ending.COMPLETED
