"""The driver of smoltcp, end to end: built by cargo, cases and cells in virtual time, a listener made of sockets."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.case import ACK, RST, SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.explore import run
from harness.explore.notation import generated_from
from harness.spec.states import (
    CLOSED,
    ESTABLISHED,
    LISTEN,
    SYN_RECEIVED,
)
from harness.targets.adapter import check as adapter_check
from harness.targets.adapter.process import Command
from harness.targets.adapter.target import AdapterTarget
from harness.targets.building import crate, drivers
from harness.targets.protocol import UnusableTarget
from testcases.selftest.joined import close_and_wait

ROOT = Path(__file__).parents[3]
CRATE = drivers.driver_folder() / "smoltcp"


@pytest.fixture(scope="module")
def program() -> Path:
    """Return the driver; without cargo, or without the registry at the first build, there is nothing to test."""
    try:
        return drivers.build("smoltcp")
    except UnusableTarget as error:
        pytest.skip(f"smoltcp is not tested: {error}")


def _open(program: Path, *, timers: bool = False) -> tuple[Rig, TargetSide, PeerSide]:
    rig = Rig(AdapterTarget(Command([str(program)]), name="smoltcp", timers=timers), guarded=False)
    main = rig.begin(4, name="selftest").main
    return rig, TargetSide(main), PeerSide(main)


def _establish(target: TargetSide, peer: PeerSide) -> None:
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()


# --- the build -------------------------------------------------------------------------------------------------------


def test_the_driver_is_built_once(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crate, "_compile", lambda *_arguments: pytest.fail("it is built again"))
    assert drivers.build("smoltcp") == program


def test_without_cargo_one_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    with pytest.raises(UnusableTarget, match=r"smoltcp can't be built: there is no cargo\n.*rustup"):
        crate.build(CRATE, tmp_path)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "error: failed to download `smoltcp v0.14.0`",
            r"cargo can't fetch its crates:\n.*failed to download.*\n.*kept",
        ),
        ("error: rustc 1.70.0 is not supported", r"cargo build --release --locked .* failed:\nerror: rustc 1.70.0"),
    ],
    ids=["no-registry", "old-rust"],
)
def test_a_failing_build_says_what_cargo_said(
    said: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cargo = tmp_path / "cargo"
    cargo.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 101\n")
    cargo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(UnusableTarget, match=message):
        crate.build(CRATE, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir()), "a failed build leaves nothing behind"


def test_the_driver_passes_the_check(program: Path) -> None:
    lines: list[str] = []
    assert adapter_check.check(Command([str(program)]), lines.append), "\n".join(lines)


# --- the cases -------------------------------------------------------------------------------------------------------


def test_cases_cells_and_timers_come_out_as_declared(program: Path, tmp_path: Path) -> None:
    """No verdict is unexplained, and one connection is opened and closed without any."""
    chosen = ["sanity/*", "time-wait/*", "grid/closing/*", "timers/time-wait-ends*", "simultaneous-open/*"]
    command = [sys.executable, "-m", "harness", "run", "--target", "smoltcp", f"--results={tmp_path}", "--timers=300"]
    command += [f"--case={pattern}" for pattern in chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    records = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    verdicts = Counter((each["id"].partition("/")[0], each["verdict"]) for each in records if each["kind"] == "case")
    assert {verdict for folder, verdict in verdicts if folder == "sanity"} == {"conforms"}
    for folder in ("time-wait", "grid", "simultaneous-open"):
        assert verdicts[folder, "conforms"] > 20
        assert verdicts[folder, "known deviation"] >= 2
    assert verdicts["timers", "known deviation"] == 8, "TIME-WAIT of 10 seconds"


# --- the driver ------------------------------------------------------------------------------------------------------


def test_a_listener_takes_as_many_as_its_backlog_says(program: Path) -> None:
    """smoltcp has no backlog: without a socket in LISTEN it resets who comes."""
    _rig, target, peer = _open(program)
    target.listen(backlog=2)
    others = [target.beside() for _ in range(2)]
    for this, that in [(target, peer), others[0]]:
        that.send(SYN)
        this.must_send(SYN | ACK, ack=1)
        this.must_be(SYN_RECEIVED)
    third, peer_of_third = others[1]
    peer_of_third.send(SYN)
    third.must_send(RST | ACK, ack=1)
    third.must_be(CLOSED)
    peer.send(ACK)
    target.accept()
    third.must_be(CLOSED)
    peer_of_third.send(SYN, seq=0)
    third.must_send(SYN | ACK, ack=1)


def test_a_reset_in_syn_received_leaves_one_listening_socket(program: Path) -> None:
    _rig, target, peer = _open(program)
    target.listen(backlog=1)
    for _ in range(3):
        peer.send(SYN, seq=0)
        target.must_send(SYN | ACK, ack=1)
        peer.send(RST, seq=1)
        target.must_be(LISTEN)
    target.close_listener()
    target.must_be(CLOSED)


def test_challenge_acks_are_throttled_in_timer_cases_only(program: Path) -> None:
    for timers, expected in ((False, 3), (True, 1)):
        _rig, target, peer = _open(program, timers=timers)
        target.listen()
        _establish(target, peer)
        seen = 0
        for _ in range(3):
            peer.send(ACK, seq=1 << 30)
            seen += target.may_send(ACK, seq=1, ack=1)
        assert seen == expected


def test_time_wait_costs_no_time(program: Path) -> None:
    _rig, target, peer = _open(program, timers=True)
    target.listen()
    _establish(target, peer)
    close_and_wait(target, peer, 10)


def test_numbers_of_a_connection_do_not_depend_on_those_before(program: Path) -> None:
    """The generator of smoltcp starts anew with each connection, so that a case alone is the case of the whole run."""
    numbers = []
    for before in (0, 3):
        rig, target, peer = _open(program)
        for _ in range(before):
            other = rig.begin(4, name="another").main
            TargetSide(other).listen()
            PeerSide(other).send(SYN)
        target.listen()
        peer.send(SYN)
        numbers.append(target.connection.received[0].wire.seq)
    assert numbers[0] == numbers[1]


def test_a_syn_in_fragments_begins_at_a_number_of_its_own(program: Path) -> None:
    """Two that come behind the same SYN of somebody else's: what was drawn for that one does not count."""
    numbers = set()
    for mine in (3000, 70000):
        plan = f"2{{iss=1000}}:listen 2:S@i 1{{form=fragments,iss={mine}}}:listen S@i"
        rig = Rig(AdapterTarget(Command([str(program)]), name="smoltcp"), guarded=False)
        talk = run.play_generated(rig, generated_from(plan)).talk
        numbers.add(talk.all_links[1].connection.received[0].wire.seq)
    assert len(numbers) == 2


@pytest.mark.parametrize("form", ["", "1{form=fragments-reversed}:"])
def test_a_round_trip_is_measured_by_the_true_clock(form: str, program: Path) -> None:
    """A challenge that needs a later clock in front of it does not lengthen the time-out behind."""
    plan = f"{form}connect SA@n,n [A@p+10,n/1] [A@n,n/1] send:1 A@n,n mark send:1 await"
    rig = Rig(AdapterTarget(Command([str(program)]), name="smoltcp"), guarded=False)
    played = run.play_generated(rig, generated_from(plan))
    assert played.violation is None, played.violation
