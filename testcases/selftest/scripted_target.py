"""A target that speaks by a script, in virtual time or as if it were real, and timer cases on it."""

from collections.abc import Callable, Generator, Iterable
from typing import Any

from harness.case.connection import Connection
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import CaseRun
from harness.case.target_side import TargetSide
from harness.case.timer_batch import TimerCase, run_together
from harness.case.timers import Wait
from harness.case.walks import Walk
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.segment import ACK, Segment
from harness.spec.states import State
from harness.targets.protocol import Addresses, Capability, Facts, TargetError
from harness.wire import codec
from harness.wire.link import Arrival

Body = Generator[Wait, None, Any]
CaseBody = Callable[[TargetSide, PeerSide], Body]


class ScriptedTarget:
    """Sends what the script says at its time; time passes when somebody waits, and `cost_s` with each exchange.

    `overslept_s` is how much later than asked for the clock returns, as on a busy machine.
    """

    name = "scripted"
    facts = Facts("scripted", "scripted", "0")
    silence_proof = "scripted"
    capabilities = frozenset({Capability.VIRTUAL_TIME})

    def __init__(self, *, cost_s: float = 0.0, overslept_s: float = 0.0) -> None:
        self.clock = self
        self.time_ns = 1_000_000_000
        self.cost_ns, self.overslept_ns = int(cost_s * 1e9), int(overslept_s * 1e9)
        self.script: list[Arrival] = []
        self.closes_ns: dict[FourTuple, int] = {}
        self.breaks_ns: int | None = None

    def say(self, connection: Connection, after_s: float, flags: int = ACK, seq: int = 0) -> None:
        """Put a segment of the target into the script."""
        tuple4 = connection.tuple4
        made = Segment(flags, seq, connection.peer_iss, source_port=tuple4.port, destination_port=tuple4.peer_port)
        arrival = Arrival(self.time_ns + round(after_s * 1e9), codec.encode(connection.path.reversed(), made))
        self.script = sorted([*self.script, arrival], key=lambda item: item.time_ns)

    def now_ns(self) -> int:
        return self.time_ns

    def wait(self, seconds: float) -> None:
        until_ns = self.time_ns + max(0, round(seconds * 1e9))
        first_ns = min([until_ns, *(item.time_ns for item in self.script)])
        self.time_ns = max(self.time_ns, first_ns) + self.overslept_ns
        if self.breaks_ns is not None and self.time_ns >= self.breaks_ns:
            raise TargetError("the agent is dead")

    def waiting(self) -> list[Arrival]:
        come = [item for item in self.script if item.time_ns <= self.time_ns]
        self.script = self.script[len(come) :]
        return come

    def exchange(self, _packets: Iterable[bytes], _mac: bytes | None = None) -> list[Arrival]:
        self.time_ns += self.cost_ns
        return self.waiting()

    def snapshot(self, tuple4: FourTuple) -> Snapshot:
        closes_ns = self.closes_ns.get(tuple4)
        closed = closes_ns is not None and self.time_ns >= closes_ns
        return Snapshot(State.CLOSED if closed else State.ESTABLISHED)

    def addresses(self, _version: int) -> Addresses:
        return Addresses(("192.0.2.1",), ("192.0.2.2",))

    def guard_s(self, *, syn_sent: bool) -> float:
        return 0.035

    def evidence(self, _tuple4: FourTuple) -> str | None:
        return None


def run(target: ScriptedTarget, *bodies: CaseBody, time_scale: float = 1.0) -> list[TimerCase]:
    """Run timer cases together to their end."""
    rig = Rig(target, guarded=False, time_scale=time_scale)  # type: ignore[arg-type]
    cases = [
        TimerCase(CaseRun(rig.begin(4, name=f"case-{number}"), Walk(State.CLOSED)), body)
        for number, body in enumerate(bodies)
    ]
    run_together(rig, cases)
    assert all(case.ended for case in cases)
    return cases


def findings(case: TimerCase) -> list[str]:
    """Return the signatures of what a case found."""
    return [finding.signature for finding in case.run.conversation.findings]
