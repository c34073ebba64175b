"""ns-3 behind our header for C: built on first use, in the simulator's time; what brings it down is told of who did."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.case import ACK, FIN, SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.spec.states import ESTABLISHED, FIN_WAIT_2, LISTEN, TIME_WAIT
from harness.targets import doctor
from harness.targets.adapter import check
from harness.targets.adapter.process import Command
from harness.targets.adapter.target import AdapterTarget
from harness.targets.building import drivers
from harness.targets.protocol import NotOffered, UnusableTarget
from testcases.selftest.joined import run_as_declared

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def command() -> Command:
    """Return the adapter; where the library is not installed there is nothing to test."""
    try:
        return Command(drivers.command("ns-3"))
    except UnusableTarget as error:
        pytest.skip(f"ns-3 is not tested: {error}")


def _codes(folder: Path, *words: str) -> dict[str, set[str]]:
    """Run cases without what is declared, and return the codes of what each has found."""
    command = [sys.executable, "-m", "harness", "run", "--target", "ns-3", "--ip", "4", "--no-expectations"]
    done = subprocess.run(
        [*command, f"--results={folder}", *words], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-1000:]
    records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return {
        each["id"]: {finding["code"] for finding in each.get("findings", [])}
        for each in records
        if each["kind"] == "case"
    }


def test_without_the_library_one_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnusableTarget, match=r"no C\+\+ compiler\n.*apt-get install g\+\+ libns3-dev$"):
        drivers.build("ns-3")


def test_the_adapter_passes_the_check(command: Command) -> None:
    lines: list[str] = []
    assert check.check(command, lines.append, limit_s=60), "\n".join(lines)
    assert any("the stack has no ABORT" in line for line in lines)


@pytest.mark.parametrize("version", [4, 6])
def test_a_connection_lives_in_the_time_of_the_simulator(command: Command, version: int) -> None:
    rig = Rig(AdapterTarget(command, name="ns-3"), guarded=False)
    main = rig.begin(version, name="selftest").main
    target, peer = TargetSide(main), PeerSide(main)
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()
    target.send(b"text")
    target.must_send(ACK, seq=1, ack=1, data=b"text")
    peer.send(ACK, ack=5)
    target.shutdown()
    target.must_send(FIN | ACK, seq=5, ack=1)
    peer.send(ACK, ack=6)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=6, ack=2)
    with pytest.raises(NotOffered, match=r"abort\(\)"):
        target.connection.app.abort()  # type: ignore[union-attr]
    target.wait(239)
    target.must_be(TIME_WAIT)
    target.wait(2)
    target.must_be(LISTEN)
    rig.close()


@pytest.mark.slow
def test_what_crashes_or_hangs_is_a_verdict_of_its_own_case_only(command: Command, tmp_path: Path) -> None:
    names = ("one", "zero", "mss-zero", "mss-too-long")  # of a missing length it reads whatever lies behind the header
    chosen = [f"header/illegal-length-in-a-syn[{name}]" for name in names]
    codes = _codes(tmp_path, *(f"--case={case}" for case in (*chosen, "sanity/*")))
    fatal = [codes[case] & {"died", "hung"} for case in chosen]
    endless = fatal.pop(1)  # it reads for ever, into memory that comes to its bound before or behind the time limit
    assert endless in ({"hung"}, {"died"})
    assert fatal == [set(), {"died"}, {"died"}]
    assert codes["sanity/open-and-close-first"] == codes["sanity/open-and-close-last"] == set()


@pytest.mark.slow
def test_a_crash_among_timer_cases_is_one_verdict_and_leaves_the_others_theirs(
    command: Command, tmp_path: Path
) -> None:
    codes = _codes(tmp_path, "--timers", "--case", "timers/*closed-window*", "--case", "timers/time-wait-*")
    died = [case for case, each in codes.items() if "died" in each]
    assert died == ["timers/connection-outlasts-a-closed-window[fin]"]
    assert len(codes) > 10


def test_the_doctor_says_what_to_install_for_a_stack_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = [check for check in doctor.examine() if check.title == "other stacks"]
    assert [check.found for check in found if check.mark is doctor.Mark.NOTE][:2] == ["no lwip", "no ns-3"]
    assert "apt-get install g++ libns3-dev" in found[1].hint


@pytest.mark.slow
def test_cases_come_out_as_declared(command: Command, tmp_path: Path) -> None:
    chosen = ["sanity/*", "closed-and-listening/*"]
    run_as_declared("ns-3", tmp_path, chosen, "--ip=4")
