"""Limits of challenges: how one of all connections is honoured, and how a rig finds out what a target does not tell."""

from dataclasses import replace

import pytest

from harness.case import ACK, ESTABLISHED, SYN
from harness.case.limits import find_limit
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import Outcome, run
from harness.case.target_side import TargetSide
from harness.case.walks import Walk
from harness.mutate.variants import play_on
from harness.stack.variants import VARIANTS
from harness.targets.adapter.line import AdapterFailure, Answer
from harness.targets.adapter.target import read_greeting
from harness.targets.reference.target import ReferenceTarget
from testcases.selftest.scripts import scripts

LIMITED = ("challenges-throttled", "ten-challenges-in-five-seconds", "unacceptable-answered-once-in-a-while")
CHALLENGE_LIMIT, INVALID_LIMIT = "net.ipv4.tcp_challenge_ack_limit", "net.ipv4.tcp_invalid_ratelimit"


def silent_about(settings: dict[str, str]) -> Rig:
    """Return a rig whose target does not tell how it limits its answers."""
    target = ReferenceTarget(settings=settings)
    target.facts = replace(target.facts, throttle_s=0.0, throttles_all=False, throttles_host=False, throttle_told=False)
    return Rig(target, guarded=False)


def challenged(target: TargetSide, peer: PeerSide) -> None:
    peer.send(SYN, seq=100)
    target.must_send(ACK, seq=1, ack=1)


def play(on: Rig) -> Outcome:
    return run(on.begin(4, name="limits"), Walk(ESTABLISHED), challenged)


@pytest.mark.parametrize(
    ("settings", "found_s"),
    [
        ({CHALLENGE_LIMIT: "1"}, 5.0),
        ({CHALLENGE_LIMIT: "10"}, 5.0),
        ({INVALID_LIMIT: "500"}, 0.5),
        ({}, 0.0),
    ],
)
def test_what_is_not_told_is_found_out(settings: dict[str, str], found_s: float) -> None:
    on = silent_about(settings)
    find_limit(on)
    assert on.target.facts.throttle_s == pytest.approx(found_s)
    assert on.target.facts.throttles_host is (found_s > 0)


def test_what_is_told_is_believed() -> None:
    on = silent_about({CHALLENGE_LIMIT: "1"})
    on.target.facts.throttle_told = True
    find_limit(on)
    assert on.target.facts.throttle_s == 0


def test_a_limit_of_all_connections_excuses_another_one_and_only_for_its_time() -> None:
    on = Rig(ReferenceTarget(settings={CHALLENGE_LIMIT: "1"}), guarded=False)
    assert on.is_held_to_one_case
    first, second = play(on), play(on)
    assert (first.findings, second.findings) == ([], [])
    assert [each.conversation.unobserved for each in (first, second) if each.conversation] == [0, 1]
    on.sweep()  # and time passes
    third = play(on)
    assert third.conversation is not None
    assert (third.findings, third.conversation.unobserved) == ([], 0)


def test_a_target_that_never_challenges_is_not_excused() -> None:
    on = Rig(ReferenceTarget(settings={CHALLENGE_LIMIT: "0"}), guarded=False)
    assert [str(finding.code) for finding in play(on).findings] == ["silent"]


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITED)
def test_no_case_holds_a_limit_against_a_stack(name: str) -> None:
    played = play_on(scripts("resets/*", "grid/fin-wait-2-*/*", "grid/closing/*", "grid/established/*"), VARIANTS[name])
    assert [f"{each.case_id}: {each.shown.verdict} {each.shown.text}" for each in played.failed] == []


def greeting(throttle: str) -> Answer:
    return Answer([], "", ["tcpspec-adapter", "1", "name=x", "version=1", "time=virtual", f"throttle={throttle}"])


@pytest.mark.parametrize(
    ("text", "seconds", "of"),
    [("0", 0.0, set()), ("500", 0.5, set()), ("5000,host", 5.0, {"host"}), ("10,text,host", 0.01, {"host", "text"})],
)
def test_an_adapter_tells_its_limit(text: str, seconds: float, of: set[str]) -> None:
    read = read_greeting(greeting(text))
    assert (read.throttle_s, set(read.throttles), read.throttle_told) == (seconds, of, True)


@pytest.mark.parametrize("text", ["", "-1", "0.5", "500,all", "99999999"])
def test_a_limit_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(AdapterFailure, match="it takes milliseconds up to 60000"):
        read_greeting(greeting(text))
