"""A target that holds challenges back: what that excuses, and what it does not (RFC 5961 §7)."""

from dataclasses import replace

import pytest

from harness.case import ACK, CLOSE_WAIT, ESTABLISHED, FIN, SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import Ending, Outcome, capture, run
from harness.case.target_side import TargetSide
from harness.case.walks import Walk
from harness.grid.cells import by_id
from harness.grid.execute import CellRun
from harness.spec.states import State
from harness.targets.reference.target import ReferenceTarget

LIMIT = {"net.ipv4.tcp_invalid_ratelimit": "500"}


def rig(*, owns_up: bool = True, settings: dict[str, str] | None = None) -> Rig:
    """Return a rig with a target that challenges twice a second; `owns_up`: its facts say so."""
    target = ReferenceTarget(settings=LIMIT if settings is None else settings)
    target.facts = replace(target.facts, throttle_s=0.5 if owns_up else 0.0, throttles_all=False, throttles_host=False)
    return Rig(target, guarded=False)


def play(body: object, on: Rig, state: State = ESTABLISHED) -> Outcome:
    return run(on.begin(4, name="throttled"), Walk(state), body)  # type: ignore[arg-type]


def call_thrice(target: TargetSide, peer: PeerSide) -> None:
    for _call in range(3):
        peer.send(SYN, seq=0)
        assert target.must_send(ACK, seq=1, ack=1).ack == 1


def test_a_repeated_challenge_may_be_missing_and_counts_as_unobserved() -> None:
    outcome = play(call_thrice, rig())
    assert (outcome.ending, outcome.findings) == (Ending.COMPLETED, []), outcome.message
    assert outcome.conversation is not None
    assert outcome.conversation.unobserved == 2


def test_without_the_fact_a_missing_challenge_is_a_violation() -> None:
    assert [str(finding.code) for finding in play(call_thrice, rig(owns_up=False)).findings] == ["silent"]


def test_the_first_challenge_of_a_connection_is_due_whatever_another_had() -> None:
    def body(target: TargetSide, peer: PeerSide) -> None:
        peer.send(SYN, seq=100)
        target.must_send(ACK, seq=1, ack=1)

    on = rig(settings={"net.ipv4.tcp_challenge_ack_limit": "1"})
    assert play(body, on).findings == []
    assert [str(finding.code) for finding in play(body, on).findings] == ["silent"]


def test_another_answer_than_the_one_before_is_due_all_the_same() -> None:
    def body(target: TargetSide, peer: PeerSide) -> None:
        peer.send(SYN, seq=0)
        target.must_send(ACK, seq=1, ack=1)
        peer.send(SYN, seq=0)
        target.must_send(ACK, seq=1, ack=2)

    assert [str(finding.code) for finding in play(body, rig()).findings] == ["silent"]


def test_the_answer_to_a_repeated_fin_is_no_challenge() -> None:
    def body(target: TargetSide, peer: PeerSide) -> None:
        for _ in range(2):
            peer.send(FIN | ACK, seq=1, ack=1)
            target.must_send(ACK, seq=1, ack=2)

    assert [str(finding.code) for finding in play(body, rig(), CLOSE_WAIT).findings] == ["silent"]


def test_later_it_is_due_again() -> None:
    def body(target: TargetSide, peer: PeerSide) -> None:
        call_thrice(target, peer)
        target.wait(0.6)
        call_thrice(target, peer)

    outcome = play(body, rig())
    assert (outcome.ending, outcome.findings) == (Ending.COMPLETED, []), outcome.message


@pytest.mark.parametrize(("owns_up", "observed"), [(True, []), (False, ["ack → not CLOSE-WAIT"])])
def test_a_follow_up_concludes_nothing_from_what_may_be_held_back(owns_up: bool, observed: list[str]) -> None:
    on = rig(owns_up=owns_up)
    cell = CellRun(on, by_id()["grid/close-wait/syn/exact/-/none"], 4)
    outcome = capture(cell.conversation, cell.perform_all)
    assert [finding.observed for finding in outcome.findings] == observed
