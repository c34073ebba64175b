"""A target that sends without end: that is a verdict of its case, at once, and costs no memory."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.case import SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import CaseRun, Ending, Outcome, death_in, run
from harness.case.target_side import TargetSide
from harness.case.timer_batch import TimerCase, run_together
from harness.case.timers import Stopwatch, Waits
from harness.case.verdict import Verdict
from harness.case.violation import Code
from harness.case.walks import Walk
from harness.fuzz.declared import Table
from harness.fuzz.play import Played, Player
from harness.fuzz.steps import parse
from harness.mutate.script import play
from harness.spec.segment import ACK
from harness.spec.states import CLOSED
from harness.stack import Datagram, Stack
from harness.targets.adapter.process import Command
from harness.targets.adapter.target import AdapterTarget
from harness.targets.protocol import TargetStorms
from harness.targets.reference.target import ReferenceTarget
from harness.wire import link
from testcases.selftest.scripts import scripts

ADAPTER = Path(__file__).parents[1] / "storming_adapter.py"
ROOT = Path(__file__).resolve().parents[3]
#: No storm is watched for longer; on an idle machine it takes a tenth of a second.
AT_ONCE_S = 20.0
#: What a whole run may take, in KiB: an ordinary one takes a third of it.
MEMORY_KIB = 400 << 10


class ManyAtOnce(Stack):
    """Each segment draws a hundred thousand answers."""

    def arrive(self, datagram: Datagram) -> None:
        super().arrive(datagram)
        self._sent *= 100_000


class EachMicrosecond(Stack):
    """From its first ACK on, one each microsecond."""

    last: Datagram | None = None

    def transmit(self, datagram: Datagram) -> None:
        super().transmit(datagram)
        self.last = datagram if datagram.segment.flags & ACK else self.last

    def next_timer(self) -> int | None:
        return self.now + 1_000 if self.last is not None else super().next_timer()

    def advance(self, now: int) -> None:
        self.now = max(self.now, now)
        self._sent += [self.last] if self.last is not None else []

    def clear(self) -> None:
        super().clear()
        self.last = None


STACKS = [ManyAtOnce, EachMicrosecond]
MODES = ["at-once", "over-time"]


@pytest.fixture(params=[*MODES, *STACKS])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    mode = request.param
    if mode in MODES:
        target = AdapterTarget(Command([sys.executable, str(ADAPTER), mode]), name="storming")
        rig = Rig(target, guarded=False)
    else:
        rig = Rig(ReferenceTarget(stack_class=mode), guarded=False)
    yield rig
    rig.close()


def storm(rig: Rig) -> Outcome:
    """Provoke one, in a case that lets time pass without looking at what comes."""

    def body(target: TargetSide, peer: PeerSide) -> None:
        peer.send(SYN)
        until_ns = rig.target.clock.now_ns() + 10**12
        while rig.target.clock.now_ns() < until_ns:
            rig.target.clock.wait(1000)
            target.conversation.rig.collect(target.conversation)

    return run(rig.begin(4, name="storm"), Walk(CLOSED), body)


def over_time(side: TargetSide, peer: PeerSide) -> Waits:
    """Wait for an hour, and do not mind what comes."""
    peer.send(SYN)
    side.connection.inbox.clear()
    yield from Stopwatch(side).sleep(3600)


def test_a_storm_is_a_violation_of_its_case_and_the_ladder_stays_short(rig: Rig) -> None:
    begin = time.monotonic()
    outcomes = [storm(rig) for _ in range(3)]
    rig.sweep()
    assert time.monotonic() - begin < AT_ONCE_S
    for outcome in outcomes:
        assert outcome.ending is Ending.VIOLATION, outcome.message
        assert [each.code for each in outcome.findings] == [Code.STORM]
        assert outcome.findings[0].observed.startswith("it sent more than")
        assert outcome.conversation is not None
        assert len(outcome.conversation.events) < 100
    assert rig.fallen is None


def test_a_storm_in_a_batch_of_timer_cases_is_a_violation_of_those_that_storm(rig: Rig) -> None:
    cases = [TimerCase(CaseRun(rig.begin(4, name=name), Walk(CLOSED)), over_time) for name in ("one", "two")]
    begin = time.monotonic()
    run_together(rig, cases)
    assert time.monotonic() - begin < AT_ONCE_S
    assert [isinstance(death_in(case.error), TargetStorms) for case in cases] == [True, True]


@pytest.mark.parametrize("stack_class", STACKS)
def test_a_storm_of_a_stack_kills_in_scenarios_cells_and_timer_cases(stack_class: type[Stack]) -> None:
    names = ("active-open/s*", "grid/established/syn/*", "timers/half-close-is-not-bounded*")
    begin = time.process_time()
    shown = {script.name: play(script, stack_class) for script in scripts(*names)}
    assert time.process_time() - begin < len(shown) * AT_ONCE_S
    troubles = [each.text for each in shown.values() if each.verdict in (Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE)]
    assert troubles == []
    storms = {name.partition("/")[0] for name, each in shown.items() if each.code == Code.STORM}
    assert storms == {"active-open", "grid", "timers"}


@pytest.mark.parametrize("stack_class", STACKS)
def test_a_storm_is_a_difference_of_two_stacks(stack_class: type[Stack]) -> None:
    def played() -> Played:
        rigs = (Rig(ReferenceTarget(stack_class=stack_class)), Rig(ReferenceTarget()))
        found = Player(rigs, 4, (Table(), Table())).play(parse("listen S@n A@n,n accept FA@n,n"))
        for rig in rigs:
            rig.sweep()
        return found

    if stack_class is ManyAtOnce:
        difference = played().unexplained
        assert difference is not None
        assert [seen.answer for seen in difference.seen] == ["storm", ""]
    else:
        assert played().sides[0].conversation.rig.fallen is not None


#: Runs a command, and tells the peak of its memory last. What the kernel tells a parent (ru_maxrss) counts the parent's
#: own too, which is a child's until it begins its program.
MEASURED = """
import re, sys
from pathlib import Path
from harness.cli import main
code = main(sys.argv[1:])
print("peak KiB", re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def test_a_whole_run_against_a_storm_ends_soon_and_costs_no_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURED, "run", "--target", f"exec:{sys.executable} {ADAPTER} over-time"]
    command += ["--case", "closed-and-listening/closed-port-answers*", "--timers", "0", "--ip", "4"]
    command += ["--results", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    codes = re.findall(r'"code":"([a-z-]+)"', (tmp_path / "results.jsonl").read_text(encoding="utf-8"))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "storm" in codes
    assert "harness error" not in ran.stdout
    assert int(ran.stdout.split()[-1]) < MEMORY_KIB


class Flooded(link.PacketLink):
    """A device from which one frame can be read over and over."""

    def __init__(self) -> None:
        link.Link.__init__(self, bytes(6), bytes(6), bytes(4))

    def wait(self, seconds: float) -> bool:
        return True

    def _transmit(self, frame: bytes) -> None:
        """Nobody hears it."""

    def _receive(self) -> tuple[bytes, int]:
        return bytes(12) + link.ETHERTYPE_IPV4 + bytes(40), 1


@pytest.mark.parametrize("quiet_s", [None, 0.001], ids=["fence", "silence"])
def test_a_wire_that_is_never_quiet_is_a_flood(quiet_s: float | None) -> None:
    wire = Flooded()
    wire.quiet_s = quiet_s
    with pytest.raises(link.Flood, match="it sent more than 10000 packets"):
        wire.exchange([])
    with pytest.raises(link.Flood, match="it sent more than 10000 packets"):
        wire.waiting()
