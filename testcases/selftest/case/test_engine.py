"""The engine's own promises: replays, late segments, silence proofs, lost frames, a second observer."""

import socket
import time
from collections.abc import Iterator

import pytest

from harness.case.peer_side import PeerSide
from harness.case.repeats import MAX_REPLAYS
from harness.case.rig import Rig
from harness.case.runner import Ending, run
from harness.case.target_side import TargetSide
from harness.case.violation import Code, Unjudgeable
from harness.case.walks import Walk
from harness.observe.snapshot import Snapshot
from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSED, ESTABLISHED, SYN_SENT, State
from harness.targets import registry
from harness.targets.addresses import ADDRESSES
from harness.targets.namespace import calibration
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import TargetDied, TargetError
from harness.targets.reference.target import ReferenceTarget
from harness.trace.events import Kind
from harness.wire import codec, link


@pytest.fixture(scope="module")
def linux() -> Iterator[LinuxTarget]:
    target = LinuxTarget()
    yield target
    target.close()


@pytest.fixture
def rig(linux: LinuxTarget) -> Iterator[Rig]:
    rig = Rig(linux)
    yield rig
    rig.discard()


class SlowBody:
    """A body that provokes a reset in SYN-SENT, then dawdles so long that the kernel repeats its SYN by timer."""

    def __init__(self, slow_runs: int) -> None:
        self.slow_runs = slow_runs
        self.runs = 0

    def __call__(self, target: TargetSide, peer: PeerSide) -> None:
        self.runs += 1
        peer.send(ACK, seq=0, ack=7)
        target.must_send(RST, seq=7)
        if self.runs <= self.slow_runs:
            time.sleep(0.05)
        target.wait(0.0)
        target.must_be(SYN_SENT)


def test_a_case_that_a_timer_disturbs_is_replayed_on_a_fresh_connection(rig: Rig) -> None:
    body = SlowBody(slow_runs=1)
    outcome = run(rig.begin(4), Walk(SYN_SENT), body)
    assert outcome.ending is Ending.COMPLETED
    assert outcome.conversation is not None
    # One run is slow on purpose; on a busy machine another may be.
    assert 2 <= body.runs <= outcome.conversation.replays + 1 <= MAX_REPLAYS + 1


@pytest.mark.parametrize("pause_s", [0, 0.006], ids=["at once", "soon"])
def test_a_timer_of_syn_sent_that_repeats_the_syn_ack_is_replayed_too(rig: Rig, pause_s: float) -> None:
    """The short timer behind a reset goes on when a crossing SYN arrives, and then repeats the SYN,ACK.

    If the SYN comes late, which a busy machine may cause, that is only a moment behind the SYN,ACK itself.
    """
    runs = []

    def body(target: TargetSide, peer: PeerSide) -> None:
        runs.append(1)
        peer.send(ACK, seq=0, ack=7)
        target.must_send(RST, seq=7)
        if len(runs) == 1:
            time.sleep(pause_s)
        peer.send(SYN, seq=0)
        target.must_send(SYN | ACK, seq=0, ack=1)
        if len(runs) == 1:
            time.sleep(0.05)
        target.wait(0.0)
        target.must_be(State.SYN_RECEIVED)

    outcome = run(rig.begin(4), Walk(SYN_SENT), body)
    assert outcome.ending is Ending.COMPLETED, outcome.message
    assert 2 <= len(runs) <= MAX_REPLAYS + 1


def test_a_case_that_timers_always_disturb_is_a_harness_error_and_no_verdict(rig: Rig) -> None:
    body = SlowBody(slow_runs=99)
    outcome = run(rig.begin(4), Walk(SYN_SENT), body)
    assert outcome.ending is Ending.HARNESS_ERROR
    assert body.runs == MAX_REPLAYS + 1


@pytest.mark.parametrize(("slow_runs", "ending"), [(99, Ending.COMPLETED), (0, Ending.VIOLATION)])
def test_a_slow_target_is_not_judged_by_a_state_that_its_timers_had_time_to_change(
    slow_runs: int, ending: Ending, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig, "patient", True)
    slow = SlowBody(slow_runs)

    def body(target: TargetSide, peer: PeerSide) -> None:
        slow(target, peer)
        target.must_be(State.ESTABLISHED)

    outcome = run(rig.begin(4), Walk(SYN_SENT), body)
    assert outcome.ending is ending, outcome.message
    assert outcome.conversation is not None
    assert outcome.conversation.unobserved == (slow_runs > 0)


def test_without_the_guard_the_same_segment_is_a_finding(linux: LinuxTarget) -> None:
    rig = Rig(linux, guarded=False)
    outcome = run(rig.begin(4), Walk(SYN_SENT), SlowBody(slow_runs=1))
    assert [finding.code for finding in outcome.findings] == [Code.EXTRA]
    rig.discard()


def test_a_segment_that_comes_after_the_case_is_found_by_the_sweep_and_belongs_to_its_case(rig: Rig) -> None:
    def speak_later(target: TargetSide, _peer: PeerSide) -> None:
        apps.append(target.connection.app)

    apps: list[object] = []
    guilty = run(rig.begin(4, name="guilty"), Walk(ESTABLISHED), speak_later)
    innocent = run(rig.begin(4, name="innocent"), Walk(ESTABLISHED), lambda target, peer: None)
    # The application speaks when its case is over already, as a late ACK would come.
    apps[0].send(b"late")  # type: ignore[attr-defined]
    rig.sweep()
    assert [finding.code for finding in guilty.findings] == [Code.LATE]
    assert innocent.findings == []


def test_a_reset_that_gives_up_what_nobody_answers_is_no_late_segment() -> None:
    target = registry.open_target(registry.parse("reference,variant=reset-when-giving-up"), registry.Settings())
    rig = Rig(target, guarded=False)

    def leave(target: TargetSide, _peer: PeerSide) -> None:
        target.shutdown()
        target.must_send(FIN | ACK, seq=1, ack=1)

    left = run(rig.begin(4, name="left"), Walk(ESTABLISHED), leave)
    run(rig.begin(4, name="waits"), Walk(ESTABLISHED), lambda target, peer: target.wait(3000))
    rig.sweep()
    assert left.conversation is not None
    assert [received.wire.flags & RST for received in left.conversation.main.received][-1], "it gives up meanwhile"
    assert left.findings == []
    rig.close()


def test_timed_silence_gives_the_same_verdicts_as_the_fence(linux: LinuxTarget) -> None:
    def exchange(target: TargetSide, peer: PeerSide) -> None:
        target.listen()
        peer.send(SYN)
        target.must_send(SYN | ACK, seq=0, ack=1)
        peer.send(ACK)
        target.must_not_send()
        target.must_be(ESTABLISHED)

    rig = Rig(linux)
    linux._link.quiet_s = 0.1
    try:
        assert run(rig.begin(4), Walk(CLOSED), exchange).ending is Ending.COMPLETED
    finally:
        linux._link.quiet_s = None
        rig.discard()


def test_where_known_replies_come_behind_the_fence_timed_silence_is_chosen(
    linux: LinuxTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_replies_behind_fence", lambda _link: 3)
    try:
        assert calibration.calibrated_proof(linux._link).startswith("timed silence of 20 ms (3 of 300 known replies")
        assert linux._link.quiet_s == 0.02
    finally:
        linux._link.quiet_s = None


def test_a_fence_without_an_answer_is_an_error_and_never_a_pass(
    linux: LinuxTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "FENCE_TIMEOUT_S", 0.05)
    monkeypatch.setattr(linux._link, "_fence_tail", socket.inet_aton("198.51.100.77"))
    rig = Rig(linux)
    outcome = run(rig.begin(4), Walk(CLOSED), lambda target, peer: target.listen())
    assert outcome.ending is Ending.HARNESS_ERROR
    assert "no answer to the ARP probe" in outcome.message
    monkeypatch.undo()
    rig.discard()


def test_frames_that_the_capture_socket_drops_are_noticed(linux: LinuxTarget) -> None:
    linux.check()
    linux._link._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    addresses = ADDRESSES[4]
    path = codec.Path(addresses.peer[0], addresses.target[0])
    try:
        for number in range(200):
            linux._link.send(codec.encode(path, Segment(SYN, number, source_port=9000 + number, destination_port=9)))
        with pytest.raises(TargetError, match=r"dropped .* frames"):
            linux.check()
    finally:
        linux._link._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        linux.waiting()
        linux._link.dropped()


def test_an_observer_that_contradicts_ss_is_a_harness_error(
    linux: LinuxTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "snapshot", lambda tuple4: Snapshot(State.CLOSING))
    rig = Rig(linux)
    conversation = rig.begin(4)
    with pytest.raises(Unjudgeable, match="sock_diag says CLOSING, ss says CLOSED"):
        conversation.observe(conversation.main)
    rig.discard()


def test_a_segment_without_ack_leaves_the_acknowledgment_field_zero(rig: Rig) -> None:
    """It means nothing there, but a stack that looks at it all the same must not fail by cases about other things."""
    conversation = rig.begin(4, name="selftest")
    target, peer = TargetSide(conversation.main), PeerSide(conversation.main)
    target.connect()
    target.must_send(SYN, seq=0)
    for asked, expected in ((0, 0), (5, seqno.add(conversation.main.target_iss or 0, 5))):
        peer.send(FIN, seq=0, ack=asked)
        sent = [event for event in conversation.events if event.kind is Kind.SENT][-1]
        assert codec.decode(sent.packet).segment.ack == expected


class FallsAtTheEnd(ReferenceTarget):
    """A target that comes to its end when it is made to forget its connections, once."""

    fallen = False

    def forget_connections(self) -> None:
        if not self.fallen:
            self.fallen = True
            raise TargetDied("the program ended with code -11")
        super().forget_connections()


def test_a_target_that_falls_when_it_is_cleared_has_fallen_in_the_sweep_and_voids_nothing() -> None:
    rig = Rig(FallsAtTheEnd())
    run(rig.begin(4, name="x"), Walk(CLOSED), lambda _target, _peer: None)
    rig.sweep()
    assert isinstance(rig.fallen, TargetDied)
    run(rig.begin(4, name="y"), Walk(CLOSED), lambda _target, _peer: None)
    rig.sweep()
    assert rig.fallen is None
