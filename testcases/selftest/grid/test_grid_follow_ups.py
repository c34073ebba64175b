"""A follow-up proves a state to a stack whose states nobody sees, also where its ACK comes on a FIN sent again."""

import ctypes.util
from pathlib import Path

import pytest

from harness.trace import results
from testcases.selftest import forked

ROOT = Path(__file__).resolve().parents[3]
LIBSLIRP = ctypes.util.find_library("slirp")
#: The reference stack with states that are hidden. What it says behind its FIN, it says on the FIN, sent again.
REPEATING = """
from harness.spec.segment import ACK, FIN
from harness.targets.protocol import Capability
from harness.targets.reference.target import ReferenceTarget
from harness.wire import codec
from harness.wire.link import Arrival

plain, start = ReferenceTarget.exchange, ReferenceTarget.__init__
fins = {}

def hidden(self, **options):
    start(self, **options | {"lacks": frozenset({Capability.STATES})})

def exchange(self, *rest, **more):
    for arrival in plain(self, *rest, **more):
        packet = codec.decode(arrival.packet)
        seen = packet.segment
        path = codec.Path(packet.source, packet.destination)
        ends = (path, seen.source_port, seen.destination_port)
        if seen.flags & FIN:
            fins[ends] = seen.seq
        if seen.flags == ACK and fins.get(ends) == seen.seq - 1:
            seen.flags, seen.seq = FIN | ACK, seen.seq - 1 + SHIFT
            arrival = Arrival(arrival.time_ns, codec.encode(path, seen))
        yield arrival

ReferenceTarget.__init__ = hidden
ReferenceTarget.snapshot = lambda self, ends: None
ReferenceTarget.exchange = lambda *rest, **more: list(exchange(*rest, **more))
"""


#: Cells that prove LAST-ACK by what a segment from far outside draws, and the one that asks what it draws.
PROVING = ("grid/last-ack/call-close", "grid/last-ack/call-receive", "grid/close-wait/call-close")
ASKING = "grid/last-ack/ack/far/dup/none"


def verdicts(folder: Path, *cases: str, shift: int) -> dict[str, str]:
    (folder / "meddling.py").write_text(f"SHIFT = {shift}\n{REPEATING}")
    chosen = [word for case in cases for word in ("--case", case)]
    done = forked.tcpspec(
        *("run", "--target", "reference", "--ip", "4", "-p", "meddling", *chosen),
        environment={"PYTHONPATH": f"{ROOT}:{folder}"},
        cwd=folder,
    )
    assert "all" in done.stdout, done.stdout + done.stderr
    return {record["id"]: record["verdict"] for record in results.read(folder / "results").cases}


def test_an_ack_on_a_fin_that_is_sent_again_shows_that_the_fin_waits(tmp_path: Path) -> None:
    assert set(verdicts(tmp_path, *PROVING, shift=0).values()) <= {"conforms", "unobserved"}


def test_a_fin_of_another_number_is_a_habit_that_the_cell_tells_which_asks_for_it(tmp_path: Path) -> None:
    found = verdicts(tmp_path, *PROVING, ASKING, shift=1)
    assert found.pop(ASKING) == "violates"
    assert set(found.values()) <= {"conforms", "unobserved"}


#: Any stack behind an adapter, with states that are hidden.
HIDDEN = """
from harness.targets.adapter.target import AdapterTarget

AdapterTarget.snapshot = lambda self, ends: None
"""


@pytest.mark.skipif(not LIBSLIRP, reason="needs libslirp0")
def test_a_connection_that_may_end_in_silence_may_be_gone(tmp_path: Path) -> None:
    (tmp_path / "meddling.py").write_text(HIDDEN)
    # libslirp cuts off what lies below the window, and takes the reset that is left.
    cases = ("grid/established/rst/overlap/-/data", "grid/last-ack/fin-rst/left1/-/data")
    done = forked.tcpspec(
        *("run", "--target", "libslirp", "--ip", "4", "-p", "meddling", "--case", cases[0], "--case", cases[1]),
        environment={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        cwd=tmp_path,
    )
    found = {record["id"]: record["verdict"] for record in results.read(tmp_path / "results").cases}
    assert set(found) == set(cases), done.stdout + done.stderr
    assert set(found.values()) <= {"conforms", "unobserved"}, done.stdout
