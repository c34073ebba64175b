"""The judge of what the application is told, by hand: readiness, edges, errors, and calls that wait."""

import select
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.explore import notation, plan
from harness.explore.application import Application
from harness.explore.kinds import KINDS
from harness.explore.playing import Player, Stage
from harness.fuzz.steps import BadSequence
from harness.observe.snapshot import FourTuple
from harness.spec.history.answers import Answer, conditions
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.readiness import Edges
from harness.spec.history.waiting import Call
from harness.spec.history.world import text
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED, FIN_WAIT_1, LAST_ACK, SYN_SENT
from harness.targets.registry import parse
from testcases.selftest.explore.by_hand import PEER, SECOND, Hand, established, own, segment

IN, OUT, ERR, HUP, RDHUP = select.POLLIN, select.POLLOUT, select.POLLERR, select.POLLHUP, select.POLLRDHUP
ENDED = IN | OUT | HUP | RDHUP


def opening(hand: Hand) -> Hand:
    hand.call("connect", 0, Answer(), own(SYN, 0, 0), state=SYN_SENT)
    return hand


def with_text(hand: Hand) -> Hand:
    established(hand).peer(segment(ACK, 1, 1, 10), own(ACK, 1, 11), state=ESTABLISHED)
    return hand


def half_closed(hand: Hand) -> Hand:
    established(hand).peer(segment(FIN | ACK, 1, 1), own(ACK, 1, 2), state=CLOSE_WAIT)
    return hand


def last_ack(hand: Hand) -> Hand:
    half_closed(hand).call("shutdown", 0, Answer(), own(FIN | ACK, 1, 2), state=LAST_ACK)
    return hand


def was_reset(hand: Hand) -> Hand:
    established(hand).peer(Segment(RST, 1, 0), state=CLOSED)
    return hand


def in_flight(hand: Hand) -> Hand:
    established(hand).call("send", 10, Answer(taken=10), own(ACK, 1, 1, 10), state=ESTABLISHED)
    return hand


def deaf(hand: Hand) -> Hand:
    established(hand).call("shut-rd", 0, Answer(), state=ESTABLISHED)
    return hand


def polled(mask: int) -> Callable[[Hand], None]:
    return lambda hand: hand.call("poll", 0, Answer(ready=mask))


Reached = Callable[[Hand], Hand]
#: What poll() may say, and what it may not: too much or too little.
POLLS: dict[str, tuple[Reached, tuple[int, ...], tuple[int, ...]]] = {
    "opening": (opening, (0,), (OUT, IN, ERR, HUP)),
    "open": (established, (OUT,), (0, OUT | IN, OUT | HUP, OUT | RDHUP, OUT | ERR)),
    "text": (with_text, (IN | OUT,), (OUT, IN, IN | OUT | RDHUP)),
    "in flight": (in_flight, (0, OUT), (IN, HUP)),
    "the peer's FIN": (half_closed, (IN | OUT | RDHUP,), (OUT | RDHUP, IN | OUT, IN | OUT | RDHUP | HUP)),
    "both have closed": (last_ack, (ENDED, IN | RDHUP | HUP), (ENDED & ~HUP, ENDED & ~IN, ENDED | ERR)),
    "reset": (was_reset, (ENDED | ERR, IN | HUP | ERR), (ENDED, OUT | ERR | HUP, IN | ERR)),
    "nobody reads": (deaf, (IN | OUT | RDHUP,), (OUT, IN | OUT, IN | OUT | RDHUP | HUP)),
}


@pytest.mark.parametrize("name", POLLS)
def test_poll_says_what_holds_and_no_more(name: str) -> None:
    reached, right, wrong = POLLS[name]
    for mask in right:
        polled(mask)(reached(Hand()))
    for mask in wrong:
        hand = reached(Hand())
        with pytest.raises(Fall) as fallen:
            polled(mask)(hand)
        assert fallen.value.code is Broken.WRONG_ANSWER, conditions(mask)


def test_an_error_is_told_once_and_only_where_there_is_one() -> None:
    hand = was_reset(Hand())
    with pytest.raises(Fall):
        hand.call("error", 0, Answer())
    hand.call("error", 0, Answer("ECONNRESET"))
    polled(ENDED)(hand)
    for wrong in (Answer("ECONNRESET"), Answer("EPIPE")):
        with pytest.raises(Fall):
            hand.call("error", 0, wrong)
    with pytest.raises(Fall):
        established(Hand()).call("error", 0, Answer("ECONNRESET"))


def test_behind_both_fins_an_error_is_open_but_told_in_one_way() -> None:
    for error, mask in (("ECONNRESET", ENDED | ERR), ("", ENDED)):
        hand = last_ack(Hand())
        hand.peer(Segment(RST, 2, 0), state=CLOSED)
        polled(mask)(hand)
        with pytest.raises(Fall):
            hand.call("error", 0, Answer("" if error else "ECONNRESET"))
        hand.call("error", 0, Answer(error))


def test_an_edge_is_told_once_and_not_forgotten() -> None:
    def look(hand: Hand, mask: int) -> None:
        hand.call("edges", 0, Answer(ready=mask))

    hand = established(Hand())
    hand.history.edges = Edges()
    look(hand, OUT)
    look(hand, 0)
    hand.peer(segment(ACK, 1, 1, 10), own(ACK, 1, 11), state=ESTABLISHED)
    kept = replace(hand.history.worlds[0])
    with pytest.raises(Fall):
        look(hand, OUT)
    hand.history.worlds = [kept]
    look(hand, IN | OUT)
    with pytest.raises(Fall):
        look(hand, IN)


def waiting(name: str, amount: int = 10, at: int = 0) -> Callable[[Hand], None]:
    return lambda hand: hand.history.waits(Call(name, amount, at), hand.now)


def returned(name: str, answer: Answer, amount: int = 10) -> Callable[[Hand], None]:
    return lambda hand: hand.call(name, amount, answer)


def refused(hand: Hand) -> Hand:
    opening(hand).peer(segment(RST | ACK, 0, 1), state=CLOSED)
    return hand


def much_to_send(hand: Hand) -> Hand:
    established(hand).call("begin-send", 10, Answer(), own(ACK, 1, 1, 10), state=ESTABLISHED)
    return hand


def all_sent(hand: Hand) -> Hand:
    much_to_send(hand).peer(segment(ACK, 1, 11), state=ESTABLISHED)
    return hand


def leaving(hand: Hand) -> Hand:
    half_closed(hand).call("begin-close", 5000, Answer(), own(FIN | ACK, 1, 2), state=LAST_ACK)
    return hand


def has_left(hand: Hand) -> Hand:
    leaving(hand).peer(segment(ACK, 2, 2), state=CLOSED)
    return hand


Act = Callable[[Hand], None]
#: Where a call waits rightly or returns rightly, and where not.
CALLS: dict[str, tuple[Reached, tuple[Act, ...], tuple[Act, ...]]] = {
    "connect under way": (opening, (waiting("connect"),), (returned("connected", Answer()),)),
    "connect done": (established, (returned("connected", Answer()),), (waiting("connect"),)),
    "connect refused": (
        refused,
        (returned("connected", Answer("ECONNREFUSED")),),
        (waiting("connect"), returned("connected", Answer()), returned("connected", Answer("ETIMEDOUT"))),
    ),
    "recv with nothing to read": (established, (waiting("recv"),), (returned("recv", Answer(data=b"")),)),
    "recv with text": (with_text, (), (waiting("recv"), returned("recv", Answer(data=b"")))),
    "recv at the FIN": (half_closed, (returned("recv", Answer(data=b"")),), (waiting("recv"),)),
    "recv at a reset": (
        was_reset,
        (returned("recv", Answer("ECONNRESET")),),
        (waiting("recv"), returned("recv", Answer(data=b""))),
    ),
    "recv after SHUT_RD": (deaf, (returned("recv", Answer(data=b"")),), (waiting("recv"),)),
    "send without room": (
        much_to_send,
        (waiting("send"), returned("sent", Answer(taken=10))),
        (returned("sent", Answer(taken=4)), returned("sent", Answer("EPIPE"))),
    ),
    "send that need not wait": (
        established,
        (returned("sent-at-once", Answer(taken=10)),),
        (returned("sent-at-once", Answer(taken=4)), returned("sent-at-once", Answer("EAGAIN"))),
    ),
    "send with all room": (all_sent, (returned("sent", Answer(taken=10)),), (waiting("send"),)),
    "close under way": (
        leaving,
        (waiting("close", 5000, 4 * SECOND),),
        (returned("lingered", Answer(whole=True), 1000), returned("lingered", Answer(whole=False), 1000)),
    ),
    "close in vain": (
        leaving,
        (returned("lingered", Answer(whole=False), 0),),
        (waiting("close", 1000, SECOND), returned("lingered", Answer(whole=True), 0)),
    ),
    "close done": (
        has_left,
        (returned("lingered", Answer(whole=True), 1000),),
        (waiting("close", 5000, 4 * SECOND), returned("lingered", Answer(whole=False), 1000)),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_waits_as_long_as_it_must_and_no_longer(name: str) -> None:
    reached, right, wrong = CALLS[name]
    for act in right:
        act(reached(Hand()))
    for act in wrong:
        hand = reached(Hand())
        with pytest.raises(Fall):
            act(hand)


def impatient(hand: Hand) -> Hand:
    established(hand).call("timeout", 20_000, Answer(), state=ESTABLISHED)
    hand.call("send", 10, Answer(taken=10), own(ACK, 1, 1, 10), state=ESTABLISHED)
    hand.call("close", 0, Answer(), own(FIN | ACK, 11, 1), state=FIN_WAIT_1)
    return hand


def test_a_user_timeout_ends_a_connection_when_it_is_over_and_behind_close_too() -> None:
    again = own(ACK | FIN, 1, 1, 10)
    repeated = [(at, again) for at in (1, 3, 7, 15)]
    impatient(Hand()).wait(25, *repeated, state=CLOSED)
    for seconds, state in ((10, CLOSED), (100, FIN_WAIT_1)):
        with pytest.raises(Fall):
            impatient(Hand()).wait(seconds, *(each for each in repeated if each[0] < seconds), state=state)


def test_text_that_was_peeked_at_comes_again() -> None:
    hand = with_text(Hand())
    for name in ("peek", "peek", "recv"):
        hand.call(name, 10, Answer(data=text(1, 10, PEER)))
    with pytest.raises(Fall):
        hand.call("recv", 10, Answer(data=text(1, 10, PEER)))


def test_unread_text_that_close_loses_in_silence_is_a_remark() -> None:
    hand = with_text(Hand())
    hand.call("close", 0, Answer(), own(FIN | ACK, 1, 11), state=FIN_WAIT_1)
    (remark,) = hand.history.remarks
    assert not remark.must
    hand = with_text(Hand())
    hand.call("close", 0, Answer(), Segment(RST | ACK, 1, 11), state=CLOSED)
    assert hand.history.remarks == []


@pytest.mark.parametrize("word", ["poll:1", "edges:2", "begin-recv", "begin-recv:0", "begin-close", "begin-accept:3"])
def test_a_word_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(BadSequence, match=word.partition(":")[0]):
        plan.moves(f"connect {word}")


def test_every_conversation_of_the_kind_can_be_read_back() -> None:
    names = set()
    for generated in KINDS["application"].generate():
        assert generated.name not in names
        names.add(generated.name)
        assert notation.generated_from(notation.text_of(generated)).plan == generated.plan


@pytest.mark.parametrize(
    ("defect", "text"),
    [
        ("D505", "listen begin-accept S@i A@p,r"),
        ("D506", "connect SA@i,r begin-recv:10 FA@p,r"),
        ("D507", "connect SA@i,r buffer:8000 A@p,r%0 begin-send:12000 A@p,r A@p,r A@p,r wait:3000"),
        ("D509", "begin-connect RA@i,r"),
        ("D514", "connect SA@i,r A@p,r/10 edges edges"),
        ("D523", "listen S@i poll-listener"),
        ("D525", "connect SA@i,r send:10 begin-close:60000 FA@p,u"),
    ],
)
def test_a_wake_up_that_is_lost_or_wrong_is_found_and_the_sound_stack_is_clean(defect: str, text: str) -> None:
    for target, finds in (("reference", False), (f"reference,defect={defect}", True)):
        player = Player(Stage(parse(target)))
        try:
            _outcome, findings = player.findings(notation.generated_from(text), late=True)
        finally:
            player.close()
        assert bool(findings) == finds, target


class _Named:
    """A socket that tells whose connection it is."""

    def remote(self) -> tuple[str, int]:
        return "198.51.100.2", 60_001


def test_a_connection_is_told_from_one_of_another_host_with_the_same_port() -> None:
    others, own = (
        SimpleNamespace(connection=SimpleNamespace(tuple4=FourTuple("198.51.100.1", 1024, peer, 60_001)))
        for peer in ("198.51.100.3", "198.51.100.2")
    )
    application = Application.__new__(Application)
    found = application._identify([others, own], _Named(), ("198.51.100.1", 1024))  # type: ignore[list-item, arg-type]
    assert found is own
