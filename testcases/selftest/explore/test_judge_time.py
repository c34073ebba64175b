"""The judge of whole conversations, by hand: timers, and what comes by itself."""

import contextlib
from dataclasses import replace

import pytest

from harness.spec.history.calls import Answer
from harness.spec.history.fall import Fall
from harness.spec.history.history import Sent
from harness.spec.history.world import Traits
from harness.spec.segment import ACK, SYN, Segment
from harness.spec.states import (
    CLOSED,
    ESTABLISHED,
    SYN_RECEIVED,
    SYN_SENT,
)
from testcases.selftest.explore.by_hand import SECOND, Hand, established, own, segment, waiting


def test_an_open_without_an_answer_is_repeated_or_given_up_after_a_while() -> None:
    hand = Hand()
    hand.call("connect", 0, Answer(), own(SYN, 0, 0), state=SYN_SENT)
    again = own(SYN, 0, 0)
    hand.wait(20, (1, again), (3, again), (7, again), state=CLOSED)
    hand.call("recv", 1, Answer("ETIMEDOUT"), state=CLOSED)
    with pytest.raises(Fall):
        hand.call("connect", 0, Answer("ECONNREFUSED"))


@pytest.mark.parametrize(
    ("again_s", "end_s", "lawful"), [(122, 245, True), (60, 110, True), (60, 90, False), (20, 120, False)]
)
def test_who_counts_r2_in_time_may_give_up_behind_one_repetition(again_s: int, end_s: int, lawful: bool) -> None:
    """RFC 9293 §3.8.3: "R1 and R2 might be measured in time units or as a count of retransmissions"."""
    hand = established(Hand())
    hand.call("send", 20, Answer(taken=20), own(ACK, 1, 1, 20), state=ESTABLISHED)
    with contextlib.nullcontext() if lawful else pytest.raises(Fall):
        hand.wait(end_s, (again_s, own(ACK, 1, 1, 20)), state=CLOSED)


def test_two_msl_bound_time_wait_where_they_are_known() -> None:
    for measured, ends in (((50.0, 70.0), False), ((2.0, 70.0), True)):
        hand = Hand(traits=Traits(two_msl_s=measured))
        waiting(hand)
        if ends:
            hand.wait(30, state=CLOSED)
            continue
        with pytest.raises(Fall):
            hand.wait(30, state=CLOSED)


@pytest.mark.parametrize("measured", [0.0, 1.0])
def test_who_repeats_within_a_second_does_not_begin_after_half_a_minute(measured: float) -> None:
    hand = established(Hand(traits=Traits(first_s=measured)))
    hand.call("send", 20, Answer(taken=20), own(ACK, 1, 1, 20), state=ESTABLISHED)
    hand.wait(30, state=ESTABLISHED)
    assert [(remark.rule, remark.must) for remark in hand.history.remarks] == [("pace", False)] * bool(measured)
    with pytest.raises(Fall, match="again"):  # what never comes breaks a MUST, by the longest that anybody may wait
        hand.wait(120, state=ESTABLISHED)


def test_behind_a_slow_answer_a_timer_may_be_slow_and_so_may_one_that_is_backed_off() -> None:
    hand = established(Hand(traits=Traits(first_s=1.0)))
    hand.call("send", 20, Answer(taken=20), own(ACK, 1, 1, 20), state=ESTABLISHED)
    hand.wait(5, (1, own(ACK, 1, 1, 20)), state=ESTABLISHED)
    hand.peer(segment(ACK, 1, 21), state=ESTABLISHED)
    hand.call("send", 20, Answer(taken=20), own(ACK, 21, 1, 20), state=ESTABLISHED)
    hand.wait(30, state=ESTABLISHED)
    assert hand.history.remarks == []


@pytest.mark.parametrize("tells", [True, False])
def test_a_bare_segment_that_tells_of_urgent_text_may_come_beside_a_probe(tells: bool) -> None:
    """As Linux sends at a shut window; nobody need answer it, so that it is no probe."""
    hand = established(Hand())
    hand.peer(replace(segment(ACK, 1, 1), window=0), state=ESTABLISHED)
    hand.call("send", 10, Answer(taken=10), state=ESTABLISHED)
    at = hand.now + 5 * SECOND
    sent = [Sent(own(ACK, 1, 1), 1, at, tells), Sent(own(ACK, 0, 1), 0, at)]
    with contextlib.nullcontext() if tells else pytest.raises(Fall):
        hand.history.passes(at, sent, ESTABLISHED)


@pytest.mark.parametrize(("answered", "ends"), [(True, False), (False, True)])
def test_a_user_timeout_behind_a_shut_window_ends_who_hears_no_answer(answered: bool, ends: bool) -> None:
    """MUST-37 keeps it as long as the peer answers; behind that §3.10.8 ends it, at the second probe at the latest."""
    hand = established(Hand())
    shut = replace(segment(ACK, 1, 1), window=0)
    hand.peer(shut, state=ESTABLISHED)
    hand.call("timeout", 20_000, Answer(), state=ESTABLISHED)
    hand.call("send", 10, Answer(taken=10), state=ESTABLISHED)
    for pause in (1, 2, 4, 8, 16):
        hand.wait(pause, (pause, own(ACK, 1, 1, 1)), state=ESTABLISHED)
        if answered:
            hand.peer(shut, state=ESTABLISHED)
    if answered:  # the pause between probes has grown, and the next two are allowed for
        hand.wait(100, (32, own(ACK, 1, 1, 1)), (96, own(ACK, 1, 1, 1)), state=ESTABLISHED)
    with pytest.raises(Fall):
        hand.wait(400, (64, own(ACK, 1, 1, 1)), state=ESTABLISHED)


@pytest.mark.parametrize(
    ("late_ns", "complete", "holds"), [(50_000, True, True), (50_000, False, False), (0, True, False)]
)
def test_what_a_timer_sent_just_before_an_event_may_stand_in_front_of_its_answer_in_real_time(
    late_ns: int, complete: bool, holds: bool
) -> None:
    """A repeated SYN between the look at the clock and the peer's crossing one; in simulated time both are exact."""
    hand = Hand()
    hand.call("connect", 0, Answer(), Segment(SYN, 0), state=SYN_SENT)
    hand.now += SECOND
    at = hand.now + late_ns
    sent = [Sent(Segment(SYN, 0), 0, at), *([Sent(Segment(SYN | ACK, 0, 1), 0, at)] if complete else [])]
    with contextlib.nullcontext() if holds else pytest.raises(Fall):
        hand.history.arrives(Segment(SYN, 0), hand.now, sent, SYN_RECEIVED)
