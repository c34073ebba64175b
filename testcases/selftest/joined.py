"""What every stack that has joined must show, whoever wrote it and however it is driven."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.case import ACK, EOF, FIN, RST, SYN
from harness.case.peer_side import PeerSide
from harness.case.target_side import TargetSide
from harness.spec.states import CLOSED, FIN_WAIT_1, FIN_WAIT_2, LISTEN, SYN_SENT, TIME_WAIT

ROOT = Path(__file__).resolve().parents[2]
#: Verdicts of a stack whose deviations are declared, and those that it must have some of.
FINE = {"conforms", "known deviation", "deviates", "not applicable"}
BOTH = {"conforms", "known deviation"}


def run_as_declared(target: str, folder: Path, cases: Sequence[str], *options: str) -> None:
    """Demand that a run of these cases has nothing unexpected, something that conforms and something that is known."""
    chosen = [f"--case={pattern}" for pattern in cases]
    command = [sys.executable, "-m", "harness", "run", "--target", target, f"--results={folder}", *options, *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    verdicts = {each["verdict"] for each in records if each["kind"] == "case"}
    assert BOTH <= verdicts <= FINE


def close_and_wait(target: TargetSide, peer: PeerSide, seconds: float, *, sent: int = 0) -> None:
    """Close an accepted connection on which `sent` octets went out, and demand a TIME-WAIT of so many seconds."""
    end = 1 + sent
    target.close()
    target.must_send(FIN | ACK, seq=end, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, ack=end + 1)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=end + 1, ack=2)
    target.wait(seconds - 0.1)
    target.must_be(TIME_WAIT)
    target.wait(0.2)
    target.must_be(LISTEN)


def is_refused(target: TargetSide, peer: PeerSide, told: int = 0) -> None:
    """Refuse an active open, and demand that the application is told so (an errno), and then of the end."""
    target.connect()
    target.must_send(SYN, seq=0)
    target.must_be(SYN_SENT)
    peer.send(RST | ACK, seq=-target.connection.peer_iss, ack=1)
    target.must_be(CLOSED)
    if told:
        target.must_report(told)
    target.must_deliver(EOF)
