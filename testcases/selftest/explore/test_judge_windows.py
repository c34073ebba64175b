"""The judge of whole conversations, by hand: windows that open, shut, and are larger inside than was shown."""

import contextlib

import pytest

from harness.spec import options
from harness.spec.history.calls import Answer
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.world import text
from harness.spec.segment import ACK, FIN, PSH, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, SYN_RECEIVED, TIME_WAIT
from testcases.selftest.explore.by_hand import OWN, PEER, Hand, established, own, segment

#: A shift of one: the lowest bit of a window is not shown.
SCALED = options.window_scale(1)


def scaled(hand: Hand) -> Hand:
    """A connection with scaled windows, on which one octet has come: RCV.NXT is 2, and the right edge shown is 6."""
    hand.history.listens(True)
    hand.peer(Segment(SYN, 0, options=SCALED), Segment(SYN | ACK, 0, 1, window=4, options=SCALED), state=SYN_RECEIVED)
    hand.peer(segment(ACK, 1, 1, 1), Segment(ACK, 1, 2, window=2), state=ESTABLISHED)
    hand.history.accepted()
    return hand


@pytest.mark.parametrize(("taken", "allowed"), [(6, True), (7, True), (8, True), (9, False)])
def test_a_window_may_be_larger_by_what_was_read_and_by_what_its_scale_rounds_off(taken: int, allowed: bool) -> None:
    """Each of these, and all together: what stands behind is acknowledged alike."""
    hand = scaled(Hand())
    hand.call("recv", 1, Answer(data=text(1, 1, PEER)), state=ESTABLISHED)

    def go_on() -> None:
        hand.peer(segment(ACK, 2, 1, 10), Segment(ACK | PSH, 1, taken, window=0), state=ESTABLISHED)
        hand.call("send", 1, Answer(taken=1), Segment(ACK | PSH, 1, taken, window=0, payload=text(1, 1, OWN)))

    if allowed:
        go_on()
        return
    with pytest.raises(Fall) as fallen:
        go_on()
    assert fallen.value.code is Broken.WRONG_ACK


@pytest.mark.parametrize("again_s", [110, 400])
def test_a_window_that_opens_does_not_shorten_what_the_timer_has_backed_off_to(again_s: int) -> None:
    """RFC 6298 §5.5 doubles the time-out of the FIN, whatever the window; and lets nobody wait for ever."""
    hand = established(Hand())
    hand.peer(Segment(ACK, 1, 1, window=0), state=ESTABLISHED)
    fin = own(FIN | ACK, 1, 1)
    hand.call("shutdown", 0, Answer(), fin, state=FIN_WAIT_1)
    hand.wait(120, (2.5, fin), (7.5, fin), (17.5, fin), (37.5, fin), (77.5, fin), state=FIN_WAIT_1)
    hand.peer(Segment(ACK, 1, 1, window=65535), state=FIN_WAIT_1)
    hand.wait(60, (36.5, fin), state=FIN_WAIT_1)
    if again_s == 110:
        hand.wait(again_s, state=FIN_WAIT_1)
        return
    with pytest.raises(Fall) as fallen:
        hand.wait(again_s, state=FIN_WAIT_1)
    assert fallen.value.code is Broken.WRONG_STATE  # behind R2 it may have given up, and has not


@pytest.mark.parametrize("window", [0, 65535])
def test_a_window_that_was_taken_back_is_probed_below_what_is_under_way(window: int) -> None:
    """An ACK below SND.UNA asks for the window, as one below SND.NXT does; where it is open there is nothing to ask."""
    hand = established(Hand())
    hand.call("send", 9, Answer(taken=9), own(ACK, 1, 1, 9), state=ESTABLISHED)
    hand.peer(Segment(ACK, 1, 1, window=window), state=ESTABLISHED)
    probe = Segment(ACK, 0, 1)
    if not window:
        hand.wait(2, (1, probe), state=ESTABLISHED)
        return
    with pytest.raises(Fall) as fallen:
        hand.wait(2, (1, probe), state=ESTABLISHED)
    assert fallen.value.code is Broken.WRONG_SEQ


@pytest.mark.parametrize("seq", [1, 2])
def test_the_acknowledgment_of_a_part_has_a_number_that_is_sent(seq: int) -> None:
    """Text may be acknowledged by itself before the FIN of its segment; SND.NXT is the same for both."""
    hand = established(Hand())
    both = segment(FIN | ACK, 1, 1, 9)
    if seq == 1:
        hand.peer(both, own(ACK, seq, 10), own(ACK, 1, 11), state=CLOSE_WAIT)
        return
    with pytest.raises(Fall) as fallen:
        hand.peer(both, own(ACK, seq, 10), own(ACK, 1, 11), state=CLOSE_WAIT)
    assert fallen.value.code in (Broken.WRONG_ACK, Broken.WRONG_SEQ)


@pytest.mark.parametrize("again_s", [170, 300])
def test_what_a_window_lets_out_as_it_opens_keeps_what_the_timer_has_backed_off_to(again_s: int) -> None:
    """Probes may have backed it off (RFC 6298 §5.5), and a segment that leaves with the window measures nothing."""
    hand = established(Hand())
    hand.call("send", 9, Answer(taken=9), own(ACK, 1, 1, 9), state=ESTABLISHED)
    hand.peer(Segment(ACK, 1, 1, window=0), state=ESTABLISHED)
    probe = own(ACK, 0, 1)
    hand.wait(200, (10, probe), (30, probe), (70, probe), (150, probe), state=ESTABLISHED)
    hand.peer(Segment(ACK, 1, 1, window=65535), own(ACK, 1, 1, 9), state=ESTABLISHED)
    with contextlib.nullcontext() if again_s == 170 else pytest.raises(Fall):
        hand.wait(again_s, state=ESTABLISHED)


@pytest.mark.parametrize("shut", [True, False])
def test_a_timer_may_count_from_when_the_window_was_shut(shut: bool) -> None:
    """The first probe comes when a zero window has existed for the time-out (SHLD-29)."""
    hand = established(Hand())
    hand.call("send", 9, Answer(taken=9), own(ACK, 1, 1, 9), state=ESTABLISHED)
    hand.wait(100, state=ESTABLISHED)
    hand.peer(Segment(ACK, 1, 1, window=0 if shut else 65535), state=ESTABLISHED)
    with contextlib.nullcontext() if shut else pytest.raises(Fall):
        hand.wait(100, state=ESTABLISHED)


@pytest.mark.parametrize("told", [True, False])
def test_a_probe_may_count_from_when_the_peer_has_told_last_that_its_window_is_shut(told: bool) -> None:
    """Whoever hears of it every 100 s knows, and Linux begins its time anew with each such ACK."""
    hand = established(Hand())
    hand.peer(Segment(ACK, 1, 1, window=0), state=ESTABLISHED)
    hand.call("send", 9, Answer(taken=9), state=ESTABLISHED)
    with contextlib.nullcontext() if told else pytest.raises(Fall):
        for _each in range(3):
            hand.wait(100, state=ESTABLISHED)
            if told:
                hand.peer(Segment(ACK, 1, 1, window=0), state=ESTABLISHED)


def test_an_acknowledgment_that_need_not_come_may_come_late() -> None:
    """What stands behind a gap MAY be acknowledged (MAY-13): once, and within the time that any ACK has (MUST-40)."""
    for late_s, twice in ((0.3, False), (0.9, False), (0.3, True)):
        hand = established(Hand())
        hand.peer(segment(ACK, 11, 1, 10), state=ESTABLISHED)
        with contextlib.nullcontext() if late_s < 0.5 and not twice else pytest.raises(Fall):
            hand.wait(1, (late_s, own(ACK, 1, 1)), *([(late_s + 0.1, own(ACK, 1, 1))] * twice), state=ESTABLISHED)


def test_a_fin_that_is_heard_again_in_closing_is_acknowledged_at_once() -> None:
    """That it is heard is open (RFC 9293 §A.2), the ACK on what is unacceptable is not."""
    hand = established(Hand())
    hand.call("shutdown", 0, Answer(), own(FIN | ACK, 1, 1), state=FIN_WAIT_1)
    hand.peer(segment(FIN | ACK, 1, 1), own(ACK, 2, 2), state=CLOSING)
    with pytest.raises(Fall):
        hand.peer(segment(FIN | ACK, 1, 2), state=TIME_WAIT)
