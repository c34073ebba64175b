"""``tcpspec bench``: full handshake-and-close cases per CPU second, at four levels.

1. *wire*: prebuilt segments patched and sent, replies read; no fence, no snapshot. Limit: system calls and Python.
2. *engine*: the same with a fence behind and a snapshot after each step, through the codec.
3. *cases*: the vocabulary, as a case uses it: events, judgement, snapshots.
4. *pytest*: the same case as pytest items, with reports and the late sweep.

CPU seconds count user and system time of this process, so the kernel's TCP is included: it runs inside our `send()`.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import Ending, run
from harness.case.target_side import TargetSide
from harness.case.walks import Walk
from harness.observe.snapshot import FourTuple
from harness.spec.segment import ACK, FIN, SYN, Segment
from harness.spec.states import CLOSED, ESTABLISHED, LAST_ACK
from harness.targets.addresses import ADDRESSES
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import UnusableTarget
from harness.wire import codec

PORT = 8000
ROUNDS = 2000
PYTEST_ROUNDS = 500
USAGE = "usage: tcpspec bench [ROUNDS] | tcpspec bench stability [--runs N]"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: cases per CPU second and per wall second."""

    level: str
    per_cpu_s: float
    per_wall_s: float
    limit: str


def main(arguments: list[str]) -> int:
    """Measure and print; the number of rounds may be given."""
    if len(arguments) > 1 or (arguments and not arguments[0].isdigit()):
        helped = {"-h", "--help"} >= {*arguments}
        print(USAGE, file=sys.stdout if helped else sys.stderr)
        return 0 if helped else 4
    rounds = int(arguments[0]) if arguments else ROUNDS
    try:
        figures = [*_in_process(rounds), _through_pytest(PYTEST_ROUNDS)]
    except UnusableTarget as error:
        print(error, file=sys.stderr)
        return 4
    print(f"{'level':<8} {'cases per CPU second':>22} {'per wall second':>16}   limited by")
    for figure in figures:
        print(f"{figure.level:<8} {figure.per_cpu_s:>22,.0f} {figure.per_wall_s:>16,.0f}   {figure.limit}")
    return 0


def _in_process(rounds: int) -> list[Figure]:
    target = LinuxTarget()
    try:
        wire = _measure("wire", lambda: _raw(target, rounds, proven=False), rounds, "system calls")
        target.forget_connections()
        engine = _measure("engine", lambda: _raw(target, rounds, proven=True), rounds, "fence and snapshot per step")
        target.forget_connections()
        rig = Rig(target)
        cases = _measure("cases", lambda: _cases(rig, rounds), rounds, "events and judgement, in Python")
        return [wire, engine, cases]
    finally:
        target.close()


def _measure(level: str, action: Callable[[], None], rounds: int, limit: str) -> Figure:
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return Figure(level, rounds / (time.process_time() - cpu), rounds / (time.perf_counter() - wall), limit)


def _raw(target: LinuxTarget, rounds: int, *, proven: bool) -> None:
    """Open and close `rounds` connections with bare segments; `proven` adds fence and snapshot to each step."""
    addresses = ADDRESSES[4]
    path = codec.Path(addresses.peer[0], addresses.target[0])
    listener = target.socket(4)
    listener.listen(addresses.target[0], PORT, 1024)
    for port in range(10_000, 10_000 + rounds):
        tuple4 = FourTuple(addresses.target[0], PORT, addresses.peer[0], port)

        def say(flags: int, seq: int, ack: int, *, port: int = port, tuple4: FourTuple = tuple4) -> list[Segment]:
            packet = codec.encode(path, Segment(flags, seq, ack, source_port=port, destination_port=PORT))
            arrivals = target.exchange([packet]) if proven else target.unproven_exchange(packet)
            if proven:
                target.snapshot(tuple4)
            return [codec.decode(arrival.packet).segment for arrival in arrivals if codec.is_tcp(arrival.packet)]

        opened = say(SYN, 100, 0)[0]
        after = (opened.seq + 1) & 0xFFFFFFFF
        say(ACK, 101, after)
        accepted = listener.accept()
        accepted.close()
        say(FIN | ACK, 101, (after + 1) & 0xFFFFFFFF)
    listener.close()


def _cases(rig: Rig, rounds: int) -> None:
    for number in range(rounds):
        outcome = run(rig.begin(4, name="bench"), Walk(CLOSED), open_and_close)
        if outcome.ending is not Ending.COMPLETED:
            raise SystemExit(f"the benchmark's case does not pass: {outcome.message}")
        if number % 400 == 399:
            rig.discard()
    rig.discard()


def open_and_close(target: TargetSide, peer: PeerSide) -> None:
    """One connection opened by the peer and closed by the peer first."""
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=2)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK)
    target.must_be(CLOSED)


_BENCH_MODULE = '''
import pytest
from harness.bench.speed import open_and_close
from harness.case import cites

@cites("RFC 9293 §3.5")
@pytest.mark.parametrize("number", range({rounds}))
def test_open_and_close(target, peer, number):
    """The benchmark's case."""
    open_and_close(target, peer)
'''


def _through_pytest(rounds: int) -> Figure:
    """Time a pytest process with `rounds` items and subtract one with a single item (imports, pod)."""
    with tempfile.TemporaryDirectory() as folder:
        cpu, wall = _pytest_process(Path(folder), rounds)
        cpu_one, wall_one = _pytest_process(Path(folder), 1)
    done = rounds - 1
    return Figure("pytest", done / max(cpu - cpu_one, 1e-9), done / max(wall - wall_one, 1e-9), "pytest's own work")


def _pytest_process(folder: Path, rounds: int) -> tuple[float, float]:
    file = folder / f"test_bench_{rounds}.py"
    file.write_text(_BENCH_MODULE.format(rounds=rounds))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter()
    ini = Path(__file__).parents[1] / "verbs/run.ini"
    arguments = ["-q", "--ip", "4", "-p", "no:cacheprovider", "-c", str(ini), "--rootdir", str(folder), str(file)]
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the benchmark's pytest run fails:\n{done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - wall
