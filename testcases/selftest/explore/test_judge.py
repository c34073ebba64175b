"""The judge of whole conversations, by hand: what explains a conversation, and by which rule each wrong one falls."""

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.case.rig import Rig
from harness.case.violation import Level
from harness.explore import notation, run
from harness.explore.kinds import KINDS
from harness.spec.history.calls import Answer
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.history import LIMIT, History, Sent
from harness.spec.history.world import World, text
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from harness.stack.variants import VARIANTS
from harness.targets.registry import Settings, open_target, parse
from testcases.selftest.explore.by_hand import PEER, SECOND, Hand, closing, established, own, segment, waiting


@pytest.mark.parametrize("states", [True, False], ids=["states", "no-states"])
def test_a_whole_conversation_has_one_explanation(states: bool) -> None:
    hand = established(Hand(states=states))
    hand.peer(segment(ACK, 1, 1, 10), own(ACK, 1, 11), state=ESTABLISHED)
    hand.call("recv", 100, Answer(data=text(1, 10, PEER)), state=ESTABLISHED)
    hand.call("send", 20, Answer(taken=20), own(ACK, 1, 11, 20), state=ESTABLISHED)
    hand.wait(3, (1, own(ACK, 1, 11, 20)), state=ESTABLISHED)
    hand.peer(segment(FIN | ACK, 11, 21), own(ACK, 21, 12), state=CLOSE_WAIT)
    hand.call("recv", 100, Answer(data=b""), state=CLOSE_WAIT)
    hand.call("close", 0, Answer(), own(FIN | ACK, 21, 12), state=LAST_ACK)
    hand.peer(segment(ACK, 12, 22), state=CLOSED)
    assert hand.history.states == {CLOSED}
    assert len(hand.history.worlds) == 1


@pytest.mark.parametrize("closed", [True, False], ids=["listener-closed", "listener-open"])
def test_what_came_from_a_closed_listener_may_go_with_it_though_another_listens(closed: bool) -> None:
    """It may be shown for a while still; a connection of a listener that is there is not forgotten."""
    hand = Hand()
    hand.history.listens(True)
    hand.peer(segment(SYN, 0), own(SYN | ACK, 0, 1), state=SYN_RECEIVED)
    if closed:
        hand.history.listens(False)
        hand.history.listens(True)
    with contextlib.nullcontext() if closed else pytest.raises(Fall):
        hand.peer(segment(FIN | ACK, 1, 1), own(RST, 1, 0), state=LISTEN)
    if closed:
        hand.peer(segment(SYN, 50), own(SYN | ACK, 0, 51), state=SYN_RECEIVED)
        with pytest.raises(Fall):  # this one is of the listener that is there
            hand.peer(segment(ACK, 51, 1), own(RST, 1, 0), state=LISTEN)


@pytest.mark.parametrize("challenged", [True, False], ids=["challenged", "silent"])
def test_what_is_due_at_once_does_not_wait_with_text_that_follows(challenged: bool) -> None:
    """Text of a SYN may be queued. When another SYN sets it free its ACK may be delayed, and the challenge not."""
    hand = Hand()
    hand.call("connect", 0, Answer(), own(SYN, 0, 0), state=SYN_SENT)
    hand.peer(segment(SYN, 0, octets=1), own(SYN | ACK, 0, 1), state=SYN_RECEIVED)
    hand.peer(segment(FIN | ACK, 2, 1), state=ESTABLISHED)
    with contextlib.nullcontext() if challenged else pytest.raises(Fall) as fallen:
        hand.peer(segment(SYN, 1), *([own(ACK, 1, 1)] if challenged else []), state=ESTABLISHED)
    assert challenged or fallen.value.code is Broken.SILENT


def test_what_the_rfc_leaves_open_stays_open() -> None:
    """Text above a gap is held or not: the next acknowledgment tells."""
    for held, acknowledged in ((True, 21), (False, 11)):
        hand = established(Hand())
        hand.peer(segment(ACK, 11, 1, 10), own(ACK, 1, 1), state=ESTABLISHED)
        hand.peer(segment(ACK, 1, 1, 10), own(ACK, 1, acknowledged), state=ESTABLISHED)
        assert hand.history.some(lambda world, due=20 if held else 10: world.available == due)
        assert not held or hand.history.every(lambda world: world.available == 20)


Act = Callable[[Hand], None]
#: Something wrong: how far the conversation has come, what happens then, and the kind of difference.
WRONG: dict[str, tuple[Callable[[Hand], Hand], Act, Broken]] = {
    "a FIN is not acknowledged": (
        established,
        lambda h: (h.peer(segment(FIN | ACK, 1, 1)), h.wait(1))[1],
        Broken.SILENT,
    ),
    "an ACK answers an ACK": (established, lambda h: h.peer(segment(ACK, 1, 1), own(ACK, 1, 1)), Broken.EXTRA),
    "a reset for nothing": (established, lambda h: h.peer(segment(ACK, 1, 1), own(RST, 1, 0)), Broken.RESET),
    "another ACK": (established, lambda h: h.peer(segment(ACK, 1, 1, 5), own(ACK, 1, 7)), Broken.WRONG_ACK),
    "a reset with ACK where nothing has a number": (
        lambda h: h,
        lambda h: h.peer(segment(ACK, 0, 0), own(RST | ACK, 0, 0), state=CLOSED),
        Broken.WRONG_SEQ,
    ),
    "another number": (established, lambda h: h.peer(segment(ACK, 9000, 5), own(ACK, 2, 1)), Broken.WRONG_SEQ),
    "another state": (established, lambda h: h.peer(segment(ACK, 1, 1), state=CLOSE_WAIT), Broken.WRONG_STATE),
    "text that nobody has sent": (established, lambda h: h.wait(1, (0.5, own(ACK, 1, 1, 5))), Broken.WRONG_DATA),
    "a FIN before CLOSE": (established, lambda h: h.wait(1, (0.5, own(FIN | ACK, 1, 1))), Broken.WRONG_FLAGS),
    "text that never came": (
        established,
        lambda h: h.call("recv", 9, Answer(data=text(1, 9, PEER))),
        Broken.WRONG_ANSWER,
    ),
    "the end of a stream that goes on": (
        established,
        lambda h: h.call("recv", 9, Answer(data=b"")),
        Broken.WRONG_ANSWER,
    ),
    "a refusal to close": (established, lambda h: h.call("shutdown", 0, Answer("ENOTCONN")), Broken.WRONG_ANSWER),
    "a FIN that is not repeated": (closing, lambda h: h.wait(200), Broken.SILENT),
    "a FIN that is given up at once": (closing, lambda h: h.wait(1, state=CLOSED), Broken.WRONG_STATE),
    "TIME-WAIT that ends at once": (waiting, lambda h: h.wait(1, state=CLOSED), Broken.WRONG_STATE),
    "TIME-WAIT that never ends": (waiting, lambda h: h.wait(600, state=TIME_WAIT), Broken.WRONG_STATE),
    "text that is acknowledged twice": (
        established,
        lambda h: h.peer(segment(ACK, 1, 1, 10), own(ACK, 1, 11), own(ACK, 1, 11)),
        Broken.EXTRA,
    ),
    "a FIN again, unanswered": (waiting, lambda h: h.peer(segment(FIN | ACK, 1, 2)), Broken.SILENT),
    "something behind the end": (
        waiting,
        lambda h: (h.wait(600, state=CLOSED), h.wait(1, (0.5, own(ACK, 2, 2))))[1],
        Broken.EXTRA,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_no_history_explains(name: str) -> None:
    reached, act, code = WRONG[name]
    hand = reached(Hand())
    with pytest.raises(Fall) as fallen:
        act(hand)
    assert fallen.value.code is code
    assert fallen.value.cites


def test_text_that_is_ignored_may_be_answered_once() -> None:
    """Behind the peer's FIN there should be none (§3.10.7.4 seventh); no sentence forbids one ACK of where it ended."""
    hand = established(Hand())
    hand.peer(segment(FIN | ACK, 1, 1), own(ACK, 1, 2), state=CLOSE_WAIT)
    hand.peer(segment(ACK, 2, 1, 10), own(ACK, 1, 2), state=CLOSE_WAIT)
    with pytest.raises(Fall):
        hand.peer(segment(ACK, 2, 1, 10), own(ACK, 1, 2), own(ACK, 1, 2), state=CLOSE_WAIT)


@pytest.mark.parametrize("held", [True, False], ids=["behind-a-gap", "in-order"])
def test_a_window_that_came_behind_a_gap_may_wait_with_its_segment(held: bool) -> None:
    """Until the gap is filled the smaller window of what came in order may count; else all that fits is sent."""
    hand = established(Hand())
    wide = Segment(ACK, 11 if held else 1, 1, window=65535, payload=text(11, 10, PEER) if held else b"")
    hand.peer(wide, *([own(ACK, 1, 1)] if held else []), state=ESTABLISHED)
    hand.peer(Segment(ACK, 1, 1, window=5 if held else 65535), state=ESTABLISHED)
    if held:
        hand.call("send", 100, Answer(taken=100), own(ACK, 1, 1, 5), state=ESTABLISHED)
        return
    with pytest.raises(Fall) as fallen:
        hand.call("send", 100, Answer(taken=100), own(ACK, 1, 1, 5), state=ESTABLISHED)
    assert fallen.value.rule == "silly-window"


@pytest.mark.parametrize("told", [0, 5, 10])
def test_what_is_held_may_lie_in_a_window_that_has_grown_and_was_not_told(told: int) -> None:
    """RECEIVE makes room at once, an ACK tells of it later (§3.8.6.2.2); without room nothing is held."""
    for read in (True, False):
        hand = Hand()
        hand.history.listens(True)
        hand.peer(segment(SYN, 0), Segment(SYN | ACK, 0, 1, window=10), state=SYN_RECEIVED)
        hand.peer(segment(ACK, 1, 1, 10), Segment(ACK, 1, 11, window=0), state=ESTABLISHED)
        hand.history.accepted()
        if read:
            hand.call("recv", 100, Answer(data=text(1, 10, PEER)), state=ESTABLISHED)
        hand.peer(segment(ACK, 16, 1, 5), Segment(ACK, 1, 11, window=told if read else 0), state=ESTABLISHED)
        if read:
            hand.peer(segment(ACK, 11, 1, 5), Segment(ACK, 1, 21, window=0), state=ESTABLISHED)
        else:
            with pytest.raises(Fall):
                hand.peer(segment(ACK, 11, 1, 5), Segment(ACK, 1, 21, window=0), state=ESTABLISHED)


def test_the_octet_of_a_probe_need_not_count() -> None:
    """A peer that has not taken it would refuse an ACK behind it; of what was within the window each octet counts."""
    for octets, edge in ((1, 0), (2, 2)):
        hand = established(Hand())
        hand.peer(Segment(ACK, 1, 1, window=edge), state=ESTABLISHED)
        hand.call("send", 9, Answer(taken=9), own(ACK, 1, 1, octets), state=ESTABLISHED)
        probed = Segment(FIN | ACK, 1, 1, window=edge)
        if edge:
            with pytest.raises(Fall):
                hand.peer(probed, own(ACK, 1, 2), state=CLOSE_WAIT)
        else:
            hand.peer(probed, own(ACK, 1, 2), state=CLOSE_WAIT)


def test_a_listener_that_is_full_may_refuse() -> None:
    for crowded in (True, False):
        history = History()
        history.listens(True)
        refusal = Sent(Segment(RST | ACK, 0, 1), 0, SECOND)
        if crowded:
            history.arrives(segment(SYN, 0), SECOND, [refusal], CLOSED, crowded=True)
            history.arrives(segment(SYN, 0), 2 * SECOND, [Sent(own(SYN | ACK, 0, 1), 0, 2 * SECOND)], SYN_RECEIVED)
        else:
            with pytest.raises(Fall):
                history.arrives(segment(SYN, 0), SECOND, [refusal], CLOSED)


def test_the_rule_that_fell_last_is_named() -> None:
    hand = established(Hand())
    with pytest.raises(Fall) as fallen:
        hand.peer(segment(ACK, 1, 9000), state=ESTABLISHED)
    assert fallen.value.rule == "other/fifth/unsent"
    assert "<ACK=1>" in fallen.value.due


def test_a_name_that_comes_early_is_a_remark_and_no_fall() -> None:
    hand = established(Hand())
    hand.peer(Segment(FIN | ACK, 1, 1, window=0), own(ACK, 1, 2), state=CLOSE_WAIT)
    hand.call("close", 0, Answer(), state=LAST_ACK)
    (remark,) = hand.history.remarks
    assert not remark.must
    assert hand.history.states == {CLOSE_WAIT}


def test_too_many_histories_are_given_up_and_never_a_pass() -> None:
    hand = established(Hand(states=False))
    for at in range(LIMIT.bit_length() + 4):
        hand.peer(segment(ACK, 2000 * at + 1000, 1, 10), own(ACK, 1, 1))
        if hand.history.lost:
            return
        hand.history.worlds = [*hand.history.worlds, *_others(hand.history)]
    hand.peer(segment(ACK, 30_000, 1, 10), own(ACK, 1, 1))
    assert hand.history.lost


def _others(history: History) -> list[World]:
    """Return as many worlds again, each a little different."""
    return [replace(world, read=world.read - len(history.worlds)) for world in history.worlds]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_no_conversation_is_unexplained_on_a_correct_but_different_stack(name: str) -> None:
    """One conversation of each kind, another one on each variant."""
    rig = Rig(open_target(parse(f"reference,variant={name}"), Settings()), guarded=False)
    offset = sorted(VARIANTS).index(name)
    try:
        for kind in KINDS.values():
            made = _some(kind.name)
            generated = made[(offset * 37) % len(made)]
            if rig.target.capabilities >= generated.needs:
                outcome = run.play_generated(rig, generated)
                must = [each for each in outcome.conversation.findings if each.level is Level.MUST]
                assert not must, f"{generated.id}: {must[0].expected}, but {must[0].observed}"
    finally:
        rig.close()


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("keep-alive-with-an-octet", "listen S@i A@p,r accept keep-alive:30 wait:31000 A@p,r"),
        ("close-acknowledges-what-it-refuses", "connect SA@i,r close A@p,r A@p,r/10"),
    ],
    ids=["in the place of the SYN", "in front of a reset"],
)
def test_an_octet_and_an_acknowledgment_that_stand_where_they_may_are_no_finding(name: str, plan: str) -> None:
    rig = Rig(open_target(parse(f"reference,variant={name}"), Settings()), guarded=False)
    try:
        outcome = run.play_generated(rig, notation.generated_from(plan))
    finally:
        rig.close()
    assert outcome.conversation is not None
    assert [each for each in outcome.conversation.findings if each.level is Level.MUST] == []
    assert len(outcome.conversation.events) > 8


_MADE: dict[str, list[run.Generated]] = {}
#: What is made at all is dear where each one is found by what the others lack.
MOST = 500


def _some(kind: str) -> list[run.Generated]:
    if kind not in _MADE:
        _MADE[kind] = list(itertools.islice(KINDS[kind].generate(), MOST))
    return _MADE[kind]
