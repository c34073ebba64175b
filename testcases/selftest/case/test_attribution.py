"""Whose segment is it? What comes late, twice or on nobody's 4-tuple is a finding of the case that caused it, once."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.case.peer_side import PeerSide
from harness.case.received import Received
from harness.case.repeats import is_timer_repeat, may_have_spoken
from harness.case.rig import Rig
from harness.case.runner import Ending, Outcome, run
from harness.case.target_side import TargetSide
from harness.case.walks import Walk
from harness.mutate.saboteur import IDENTITY, Delivery, Sabotage, Saboteur
from harness.mutate.tampering import LATE_S, always, bare_ack, each, late, put, twice
from harness.observe.snapshot import FourTuple
from harness.spec.segment import ACK, FIN, PSH, RST, Segment
from harness.spec.states import CLOSED, ESTABLISHED
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import UnusableTarget
from harness.trace.events import Event, Kind

Body = Callable[[TargetSide, PeerSide], None]


@pytest.fixture(scope="module")
def kernel() -> Iterator[LinuxTarget]:
    try:
        kernel = LinuxTarget()
    except UnusableTarget as reason:
        pytest.skip(str(reason))
    with contextlib.closing(kernel):
        yield kernel


class Play:
    """Runs bodies under sabotages, all in one batch."""

    def __init__(self, kernel: LinuxTarget) -> None:
        self.saboteur = Saboteur(kernel)
        self.rig = Rig(self.saboteur)

    def run(self, body: Body, sabotage: Sabotage = IDENTITY, walk: Walk = Walk(ESTABLISHED)) -> Outcome:  # noqa: B008
        self.saboteur.sabotage = sabotage
        outcome = run(self.rig.begin(4), walk, body)
        self.saboteur.sabotage = IDENTITY
        return outcome


@pytest.fixture
def play(kernel: LinuxTarget) -> Iterator[Play]:
    play = Play(kernel)
    yield play
    play.rig.discard()


def signatures(outcome: Outcome) -> list[str]:
    return [finding.signature for finding in outcome.findings]


def fin_is_acknowledged(target: TargetSide, peer: PeerSide) -> None:
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=2)


def fin_is_answered_somehow(target: TargetSide, peer: PeerSide) -> None:
    peer.send(FIN | ACK)
    target.may_send(ACK)


def test_a_late_segment_is_found_in_its_own_case_and_in_no_other(play: Play) -> None:
    before = play.run(fin_is_acknowledged)
    delayed = play.run(fin_is_answered_somehow, Sabotage("late ACK", each(bare_ack, late)))
    assert delayed.findings == []
    after = play.run(fin_is_acknowledged)
    play.rig.sweep()
    assert signatures(delayed) == ["late: <SEQ=1><ACK=2><CTL=ACK>"]
    assert before.findings == after.findings == []


def test_a_patient_rig_waits_for_a_late_answer(play: Play) -> None:
    play.rig.patient = True
    outcome = play.run(fin_is_acknowledged, Sabotage("late ACK", each(bare_ack, late)))
    assert (outcome.ending, signatures(outcome)) == (Ending.COMPLETED, [])


def test_something_else_that_arrives_does_not_end_its_patience(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = play.rig.target.clock
    wait = clock.wait
    monkeypatch.setattr(clock, "wait", lambda seconds: wait(min(seconds, 0.01)))
    play.rig.patient = True
    outcome = play.run(fin_is_acknowledged, Sabotage("late ACK", each(bare_ack, late)))
    assert (outcome.ending, signatures(outcome)) == (Ending.COMPLETED, [])


def test_a_case_that_ended_early_has_one_finding(play: Play) -> None:
    """What else was in its inbox, or comes later, is no finding besides: a declared deviation pins exactly one."""
    silent = play.run(fin_is_acknowledged, Sabotage("late ACK", each(bare_ack, late)))
    extra = play.run(
        fin_is_answered_somehow, Sabotage("thrice", each(bare_ack, lambda sent: twice(sent) + twice(sent)))
    )
    play.rig.sweep()
    assert silent.ending is extra.ending is Ending.VIOLATION
    assert signatures(silent) == ["silent"]
    assert signatures(extra) == ["extra: <SEQ=1><ACK=2><CTL=ACK>"]


@pytest.mark.parametrize("field", ["source_port", "destination_port"])
def test_a_segment_on_nobodys_ports_is_a_finding(play: Play, field: str) -> None:
    """It has the right flags and numbers, so an expectation alone would take it."""
    wrong_port = Sabotage("another port", each(bare_ack, put(**{field: always(7)})))
    outcome = play.run(fin_is_acknowledged, wrong_port)
    assert outcome.ending is Ending.VIOLATION
    assert signatures(outcome) == ["wrong-header: addresses or ports of no connection"]


def test_what_comes_again_on_nobodys_ports_is_of_the_case_that_drew_the_first(play: Play) -> None:
    """A timer of the target sends it again and again, while other cases are played."""
    elsewhere = put(source_port=always(7))
    again = each(
        bare_ack, lambda sent: [*elsewhere(sent), *(Delivery(made.octets, LATE_S) for made in elsewhere(sent))]
    )
    drawn = play.run(fin_is_acknowledged, Sabotage("another port, again and again", again))
    after = play.run(fin_is_acknowledged)
    play.rig.sweep()
    assert signatures(drawn) == ["wrong-header: addresses or ports of no connection"]
    assert (after.ending, after.findings) == (Ending.COMPLETED, [])


def test_what_comes_of_a_case_that_was_judged_is_no_finding_of_another(play: Play) -> None:
    """Where time is the target's own it may speak for minutes of a connection that a case has left behind."""
    left = play.run(fin_is_acknowledged)
    play.rig.sweep()
    path = left.conversation.main.tuple4
    of_the_past = put(source_port=always(path.port), destination_port=always(path.peer_port))
    again = each(bare_ack, lambda sent: [*of_the_past(sent), Delivery(sent.raw)])
    later = play.run(fin_is_acknowledged, Sabotage("what was left", again))
    play.rig.sweep()
    assert (later.ending, later.findings) == (Ending.COMPLETED, [])


def test_an_answer_to_another_address_of_the_peer_is_taken_if_the_peer_asked_from_there(play: Play) -> None:
    def body(target: TargetSide, peer: PeerSide) -> None:
        elsewhere = play.rig.target.addresses(4).peer[1]
        peer.send(ACK, seq=1, ack=1, source=elsewhere)
        target.must_send(RST)

    outcome = play.run(body, walk=Walk(CLOSED))
    assert (outcome.ending, outcome.findings) == (Ending.COMPLETED, [])


def test_the_identity_of_a_saboteur_is_transparent(play: Play, kernel: LinuxTarget) -> None:
    assert (play.saboteur.name, play.saboteur.facts) == (kernel.name, kernel.facts)
    assert play.saboteur.capabilities == kernel.capabilities
    assert play.saboteur.addresses(6) == kernel.addresses(6)
    outcome = play.run(fin_is_acknowledged)
    tuple4 = outcome.conversation.main.tuple4
    assert play.saboteur.snapshot(tuple4) == kernel.snapshot(tuple4)
    assert str(tuple4.peer_port) in (play.saboteur.evidence(tuple4) or "no ss")


class Clockless:
    """As much of a rig as the question needs: anything 0.9 s later may be a timer's."""

    guarded, patient = True, False

    class target:
        @staticmethod
        def guard_s(*, syn_sent: bool) -> float:
            return 0.9


@pytest.mark.parametrize(
    ("seconds", "again", "explained"),
    [
        (15.0, Segment(ACK | PSH, 1, 1, payload=b"data"), True),
        (15.0, Segment(ACK | PSH | FIN, 1, 1, payload=b"data"), True),
        (15.0, Segment(ACK | FIN, 5, 1), True),
        (15.0, Segment(ACK | FIN, 3, 1, payload=b"ta"), True),
        (0.1, Segment(ACK | PSH, 1, 1, payload=b"data"), False),
        (15.0, Segment(ACK | PSH, 1, 1, payload=b"other"), False),
        (15.0, Segment(ACK | PSH | FIN, 1, 1, payload=b"data and more"), False),
        (15.0, Segment(ACK, 1, 2), False),
        (15.0, Segment(ACK, 6, 1), False),
        (15.0, Segment(RST, 6), False),
    ],
    ids=["data", "data joined with the FIN", "FIN", "data cut", "too early", "other data", "more data",
         "ACK below what was sent", "the same ACK", "reset"],
)  # fmt: skip
def test_a_timer_explains_what_was_sent_before_and_no_bare_acknowledgment(
    seconds: float, again: Segment, explained: bool
) -> None:
    conversation = Conversation.__new__(Conversation)
    conversation.rig = Clockless()  # type: ignore[assignment]
    connection = Connection(conversation, 0, FourTuple("198.51.100.1", 1, "198.51.100.2", 2), 0)
    sent = [Segment(ACK | PSH, 1, 1, payload=b"data"), Segment(ACK | FIN, 5, 1), Segment(ACK, 6, 1), Segment(RST, 6)]
    connection.received = [Received(Event(0, Kind.RECEIVED, "", segment), segment) for segment in sent]
    last = Received(Event(int(seconds * 1e9), Kind.RECEIVED, "", again), again)
    connection.received.append(last)
    assert is_timer_repeat(conversation, connection, last) is explained


@pytest.mark.parametrize(("at_s", "counts"), [(0.5, False), (2.0, True)], ids=["in front of it", "behind it"])
def test_what_came_in_front_of_a_timers_segment_is_not_the_timers(at_s: float, counts: bool) -> None:
    conversation = Conversation.__new__(Conversation)
    conversation.rig = Clockless()  # type: ignore[assignment]
    connection = Connection(conversation, 0, FourTuple("198.51.100.1", 1, "198.51.100.2", 2), 0)
    conversation.connections = [connection]
    arrivals = [(0.0, Segment(ACK | FIN, 1, 1)), (1.0, Segment(ACK | FIN, 1, 1)), (at_s, Segment(RST, 2))]
    connection.received = [
        Received(Event(int(seconds * 1e9), Kind.RECEIVED, "", segment), segment) for seconds, segment in arrivals
    ]
    assert may_have_spoken(conversation)
    assert may_have_spoken(conversation, connection.received[-1]) is counts
