"""The rules of §3.10.7 say what the sections of the RFC say, check by check."""

import pytest

from harness.spec import options, seqno
from harness.spec.arrivals import allowed
from harness.spec.connection import Connection, Origin
from harness.spec.policy import DEFAULT, Policy
from harness.spec.reaction import Outgoing, Signal, select
from harness.spec.segment import ACK, FIN, RST, SYN, URG, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    SYNCHRONIZED,
    TIME_WAIT,
    State,
)
from testcases.selftest.endpoint import RFC793, WINDOW, Outcome, at, only, outcomes

# --- the groups of §3.5.2 and what the checks say ---


@pytest.mark.parametrize("flags", [SYN, FIN, SYN | FIN, ACK, SYN | ACK, FIN | ACK, SYN | FIN | ACK, 0])
def test_group_1_a_closed_port_answers_everything_with_a_reset(flags: int) -> None:
    reset = only(Connection(CLOSED), Segment(flags, 100, 200, payload=b"abc"))
    zero = Outgoing(RST | ACK, 0, 103 + bool(flags & SYN) + bool(flags & FIN))
    assert reset.segments == ((Outgoing(RST, 200, None) if flags & ACK else zero),)
    assert outcomes(Connection(CLOSED), Segment(flags | RST, 100, 200)) == {("none", "CLOSED")}


@pytest.mark.parametrize("state", [LISTEN, SYN_SENT, SYN_RECEIVED])
@pytest.mark.parametrize("ack", [999, 1000, 1002])
def test_group_2_a_bad_ack_before_synchronization_draws_a_reset(state: State, ack: int) -> None:
    found = outcomes(at(state), Segment(ACK, 5001, ack))
    assert ("rst(seq=seg.ack)", str(state)) in found
    assert found - {("ack", "SYN-RECEIVED")} == {("rst(seq=seg.ack)", str(state))}


@pytest.mark.parametrize("state", sorted(SYNCHRONIZED))
@pytest.mark.parametrize(("seq", "ack"), [(5000, 1101), (6001, 1101), (5001 + 2**30, 1101), (5001, 1110)])
def test_group_3_an_unacceptable_segment_draws_an_ack(state: State, seq: int, ack: int) -> None:
    answer = only(at(state), Segment(ACK, seq, ack, payload=b"x" if seq == 6001 else b""))
    assert (answer.reply, answer.next) == ("ack", state)
    assert answer.segments == (Outgoing(ACK, at(state).snd_nxt, 5001),)


@pytest.mark.parametrize(
    ("seq", "length", "window", "expected"),
    [
        (5000, 0, WINDOW, "ack"),
        (5001, 0, WINDOW, "none"),
        (6000, 0, WINDOW, "none"),
        (6001, 0, WINDOW, "ack"),
        (5001, 0, 0, "none"),
        (5002, 0, 0, "ack"),
        (5000, 0, 0, "ack"),
        (5000, 1, WINDOW, "ack"),
        (5000, 2, WINDOW, "ack-new"),
        (5001, 1, WINDOW, "ack-new"),
        (6000, 1, WINDOW, "none"),
        (6001, 1, WINDOW, "ack"),
        (5001, 1, 0, "ack"),
    ],
)
def test_the_edges_of_table_6(seq: int, length: int, window: int, expected: str) -> None:
    found = allowed(at(ESTABLISHED, rcv_wnd=window), Segment(ACK, seq, 1101, payload=bytes(length)))
    assert found[0].reply == expected


def test_text_beyond_the_window_is_cut_with_its_fin() -> None:
    taken = only(at(ESTABLISHED, rcv_wnd=3), Segment(FIN | ACK, 5001, 1101, payload=b"abcd"))
    assert (taken.segments, taken.next) == ((Outgoing(ACK, 1101, 5004),), ESTABLISHED)
    fits = only(at(ESTABLISHED, rcv_wnd=5), Segment(FIN | ACK, 5001, 1101, payload=b"abcd"))
    assert (fits.segments, fits.next) == ((Outgoing(ACK, 1101, 5006),), CLOSE_WAIT)


@pytest.mark.parametrize("state", sorted(SYNCHRONIZED | {SYN_RECEIVED}))
def test_a_reset_counts_at_the_left_edge_only_with_rfc_5961(state: State) -> None:
    end = "LISTEN" if state is SYN_RECEIVED else "CLOSED"
    assert outcomes(at(state), Segment(RST, 5001)) == {("none", end)}
    for seq in (5002, 6000):
        assert outcomes(at(state), Segment(RST, seq)) == {("ack", str(state))}
        assert outcomes(at(state), Segment(RST, seq), RFC793) == {("none", end)}
    for seq in (5000, 6001, 5001 + 2**30):
        assert outcomes(at(state), Segment(RST, seq)) == {("none", str(state))}
        assert outcomes(at(state), Segment(RST, seq), RFC793) == {("none", str(state))}


def test_a_reset_ends_a_simultaneous_open_and_says_so() -> None:
    assert only(at(SYN_RECEIVED, origin=Origin.ACTIVE), Segment(RST, 5001)).signals == (Signal.REFUSED,)
    assert only(at(SYN_RECEIVED, listener_open=False), Segment(RST, 5001)).next is CLOSED


def test_a_closed_window_still_hears_resets_and_acknowledgments() -> None:
    assert outcomes(at(ESTABLISHED, rcv_wnd=0), Segment(RST, 5001, payload=b"why")) == {("none", "CLOSED")}
    probe = Segment(FIN | ACK, 5001, 1102, payload=b"x")
    assert outcomes(at(FIN_WAIT_1, rcv_wnd=0), probe) == {("ack", "FIN-WAIT-1"), ("ack", "FIN-WAIT-2")}


@pytest.mark.parametrize("state", sorted(SYNCHRONIZED))
@pytest.mark.parametrize("flags", [SYN, SYN | ACK, SYN | FIN])
@pytest.mark.parametrize("seq", [5000, 5001, 5101, 6000, 6001])
def test_a_syn_in_a_synchronized_state_is_challenged(state: State, flags: int, seq: int) -> None:
    assert outcomes(at(state), Segment(flags, seq, 1101)) == {("ack", str(state))}


def test_a_syn_in_the_window_resets_without_rfc_5961() -> None:
    assert outcomes(at(ESTABLISHED), Segment(SYN, 5001), RFC793) == {("rst-ack(seq=0)", "CLOSED"), ("rst", "CLOSED")}
    assert outcomes(at(ESTABLISHED), Segment(SYN, 6001), RFC793) == {("ack", "ESTABLISHED")}


def test_an_ack_older_than_a_window_condemns_the_segment_with_rfc_5961() -> None:
    connection = at(ESTABLISHED)
    edge = connection.snd_una - connection.max_snd_wnd
    assert outcomes(connection, Segment(FIN | ACK, 5001, edge)) == {("ack-new", "CLOSE-WAIT")}
    assert outcomes(connection, Segment(FIN | ACK, 5001, edge - 1)) == {("ack", "ESTABLISHED")}
    assert outcomes(connection, Segment(FIN | ACK, 5001, edge - 1), RFC793) == {("ack-new", "CLOSE-WAIT")}


@pytest.mark.parametrize(
    ("state", "ack", "fin", "expected"),
    [
        (FIN_WAIT_1, 1101, False, ("none", "FIN-WAIT-1")),
        (FIN_WAIT_1, 1101, True, ("ack-new", "CLOSING")),
        (FIN_WAIT_1, 1102, False, ("none", "FIN-WAIT-2")),
        (FIN_WAIT_1, 1102, True, ("ack-new", "TIME-WAIT")),
        (FIN_WAIT_2, 1102, True, ("ack-new", "TIME-WAIT")),
        (CLOSING, 1101, False, ("none", "CLOSING")),
        (LAST_ACK, 1101, False, ("none", "LAST-ACK")),
        (LAST_ACK, 1102, True, ("none", "CLOSED")),
    ],
)
def test_acknowledgment_of_our_fin_and_the_peers_fin_combine(
    state: State, ack: int, fin: bool, expected: Outcome
) -> None:
    assert outcomes(at(state), Segment(ACK | (FIN if fin else 0), 5001, ack)) == {expected}


def test_a_fin_above_a_gap_is_not_processed() -> None:
    assert outcomes(at(ESTABLISHED), Segment(FIN | ACK, 5101, 1101)) == {
        ("none", "ESTABLISHED"),
        ("ack", "ESTABLISHED"),
    }


def test_text_after_a_full_close_may_draw_a_reset() -> None:
    segment = Segment(ACK, 5001, 1102, payload=b"late")
    assert outcomes(at(FIN_WAIT_2), segment) == {("ack-new", "FIN-WAIT-2")}
    gone = at(FIN_WAIT_2, reader_gone=True)
    alone, behind = "rst(seq=seg.ack)", "ack-new + rst"
    resets = {(reset, state) for reset in (alone, behind) for state in ("CLOSED", "TIME-WAIT")}
    assert outcomes(gone, segment) == {("ack-new", "FIN-WAIT-2"), *resets}
    assert outcomes(gone, segment, RFC793) == {("ack-new", "FIN-WAIT-2")}


def test_what_is_acknowledged_before_a_reset_is_text_in_sequence() -> None:
    gone = at(FIN_WAIT_2, reader_gone=True)
    (told,) = {each.segments for each in allowed(gone, Segment(ACK, 5001, 1102, payload=b"late")) if each.segments[1:]}
    assert told == (Outgoing(ACK, 1102, 5005), Outgoing(RST, 1102, None))
    last = Segment(FIN | ACK, 5001, 1102, payload=b"last")
    (told,) = {each.segments for each in allowed(gone, last) if each.segments[1:]}
    assert told == (Outgoing(ACK, 1102, 5006), Outgoing(RST, 1102, None))
    assert not any(each.segments[1:] for each in allowed(gone, Segment(ACK, 5003, 1102, payload=b"gap")))


def test_urgent_data_is_signalled_where_data_is_received() -> None:
    segment = Segment(ACK | URG, 5001, 1101, payload=b"abc", urgent=2)
    assert only(at(ESTABLISHED), segment).signals == (Signal.URGENT, Signal.DATA)
    assert only(at(CLOSE_WAIT), segment).signals == ()


def test_text_and_fin_behind_the_syn_ack_need_one_ack_or_two() -> None:
    found = select(allowed(at(SYN_SENT), Segment(SYN | ACK | FIN, 7000, 1001)))
    one, two = Outgoing(ACK, 1001, 7001), Outgoing(ACK, 1001, 7002)
    assert {each.segments for each in found} == {(two,), (one, two)}
    assert {(each.reply, each.next) for each in found} == {("ack", CLOSE_WAIT)}


# --- the SYN and what comes with it ---


@pytest.mark.parametrize("window", [0, 1, 3])
def test_text_behind_the_syn_ack_is_cut_to_the_window(window: int) -> None:
    found = select(allowed(at(SYN_SENT, rcv_wnd=window), Segment(SYN | ACK | FIN, 7000, 1001, payload=b"abcd")))
    assert {each.next for each in found} == {ESTABLISHED}
    assert {each.segments[-1].ack for each in found} == {7001, 7001 + window}


def test_a_fin_behind_the_syn_ack_waits_for_a_closed_window() -> None:
    found = only(at(SYN_SENT, rcv_wnd=0), Segment(SYN | ACK | FIN, 7000, 1001))
    assert (found.segments, found.next) == ((Outgoing(ACK, 1001, 7001),), ESTABLISHED)


@pytest.mark.parametrize(("urgent", "signals"), [(1, ()), (2, (Signal.URGENT,))])
def test_the_urgent_pointer_of_a_syn_ack_counts_from_the_syn(urgent: int, signals: tuple[Signal, ...]) -> None:
    found = only(at(SYN_SENT), Segment(SYN | ACK | URG, 7000, 1001, urgent=urgent))
    assert (found.reply, found.next, found.signals) == ("ack", ESTABLISHED, signals)


def test_an_old_syn_before_text_in_the_window_does_not_return_to_listen() -> None:
    early = at(SYN_RECEIVED)
    stays = {("none", "SYN-RECEIVED"), ("ack", "SYN-RECEIVED")}
    assert outcomes(early, Segment(SYN, 4999, payload=b"abcd")) == stays
    assert outcomes(early, Segment(SYN, 5000, payload=b"abcd")) == stays | {("syn-ack", "SYN-RECEIVED")}
    assert outcomes(early, Segment(SYN, 5001, payload=b"abcd")) == {("none", "LISTEN")}


def test_an_old_syn_is_acknowledged_without_rfc_5961_too() -> None:
    found = outcomes(at(ESTABLISHED), Segment(SYN | ACK, 5000, 1101, payload=b"abcd"), RFC793)
    assert found == {("ack", "ESTABLISHED"), ("ack-new", "ESTABLISHED")}


# --- what is above a gap, and what spans the window ---


@pytest.mark.parametrize(
    ("state", "ack", "expected"),
    [
        (SYN_RECEIVED, 1001, {("none", "SYN-RECEIVED"), ("none", "ESTABLISHED"), ("ack", "ESTABLISHED")}),
        (FIN_WAIT_1, 1102, {(reply, state) for reply in ("none", "ack") for state in ("FIN-WAIT-1", "FIN-WAIT-2")}),
        (CLOSING, 1102, {("none", "TIME-WAIT")}),
        (LAST_ACK, 1102, {("none", "CLOSED")}),
    ],
)
def test_an_ack_above_a_gap_may_wait_only_where_the_gap_can_be_filled(
    state: State, ack: int, expected: set[Outcome]
) -> None:
    assert outcomes(at(state), Segment(ACK, 5101, ack, payload=b"abcd")) == expected


def test_a_bare_ack_above_a_gap_does_not_wait() -> None:
    assert outcomes(at(FIN_WAIT_1), Segment(ACK, 5101, 1102)) == {("none", "FIN-WAIT-2"), ("ack", "FIN-WAIT-2")}


def test_a_segment_that_spans_the_window_may_be_cut_at_both_ends() -> None:
    narrow = at(ESTABLISHED, rcv_wnd=2)
    found = select(allowed(narrow, Segment(FIN | ACK, 5000, 1101, payload=b"abcd")))
    assert {each.segments for each in found} == {(Outgoing(ACK, 1101, 5001),), (Outgoing(ACK, 1101, 5003),)}
    assert {each.next for each in found} == {ESTABLISHED}


# --- after the peer's FIN ---


@pytest.mark.parametrize("state", [CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT])
def test_nothing_acknowledges_text_that_is_ignored(state: State) -> None:
    for flags in (ACK, FIN | ACK):
        for found in select(allowed(at(state), Segment(flags, 5001, 1101, payload=b"abcd"))):
            assert {out.ack for out in found.segments} <= {5001}


def test_a_second_fin_in_closing_may_be_acknowledged() -> None:
    expected = {(reply, "CLOSING") for reply in ("none", "ack", "ack-new")}
    assert outcomes(at(CLOSING), Segment(FIN | ACK, 5001, 1101)) == expected


def test_a_repeated_fin_may_end_closing_by_its_ack() -> None:
    assert outcomes(at(CLOSING), Segment(FIN | ACK, 5000, 1102)) == {("ack", "CLOSING"), ("ack", "TIME-WAIT")}
    assert outcomes(at(CLOSING), Segment(FIN | ACK, 5000, 1101)) == {("ack", "CLOSING")}
    assert outcomes(at(CLOSING), Segment(ACK, 5000, 1102)) == {("ack", "CLOSING")}
    assert outcomes(at(LAST_ACK), Segment(FIN | ACK, 5000, 1102)) == {("ack", "LAST-ACK")}


def test_the_last_ack_beside_refused_text_needs_no_answer() -> None:
    found = outcomes(at(LAST_ACK, rcv_wnd=0), Segment(ACK, 5001, 1102, payload=b"x"))
    assert found == {("ack", "LAST-ACK"), ("ack", "CLOSED"), ("none", "CLOSED")}
    assert outcomes(at(LAST_ACK, rcv_wnd=0), Segment(ACK, 5001, 1101, payload=b"x")) == {("ack", "LAST-ACK")}


def test_a_closed_window_does_not_hide_urgent_data() -> None:
    probe = Segment(ACK | URG, 5001, 1102, payload=b"x", urgent=1)
    found = select(allowed(at(FIN_WAIT_1, rcv_wnd=0), probe))
    assert {each.next for each in found} == {FIN_WAIT_1, FIN_WAIT_2}
    assert {each.signals for each in found} == {(Signal.URGENT,)}


def test_the_ack_of_a_fin_is_not_deferrable_though_that_of_its_text_would_be() -> None:
    assert only(at(ESTABLISHED), Segment(ACK, 5001, 1101, payload=b"abcd")).deferrable
    assert not only(at(ESTABLISHED), Segment(FIN | ACK, 5001, 1101, payload=b"abcd")).deferrable


def test_a_stack_may_hard_code_the_largest_window() -> None:
    connection = at(ESTABLISHED)
    policies = DEFAULT | {Policy.HARD_CODED_WINDOW}
    for ack in (connection.snd_una - 501, connection.snd_una - 65535):
        segment = Segment(FIN | ACK, 5001, seqno.add(ack, 0))
        assert outcomes(connection, segment) == {("ack", "ESTABLISHED")}
        assert outcomes(connection, segment, policies) == {("ack", "ESTABLISHED"), ("ack-new", "CLOSE-WAIT")}
    ancient = Segment(FIN | ACK, 5001, seqno.add(connection.snd_una, -65536))
    assert outcomes(connection, ancient, policies) == {("ack", "ESTABLISHED")}


# --- TIME-WAIT ---


@pytest.mark.parametrize("seq", [5001, 5101, 6000])
def test_a_bare_ack_is_not_answered_in_time_wait(seq: int) -> None:
    assert outcomes(at(TIME_WAIT), Segment(ACK, seq, 1102)) == {("none", "TIME-WAIT")}


def test_text_in_time_wait_may_be_taken_for_a_repetition() -> None:
    found = outcomes(at(TIME_WAIT), Segment(ACK, 5001, 1102, payload=b"abcd"))
    assert found == {("none", "TIME-WAIT"), ("ack", "TIME-WAIT")}


def test_a_repeated_fin_is_acknowledged_and_restarts_the_wait() -> None:
    reaction = only(at(TIME_WAIT), Segment(FIN | ACK, 5000, 1102))
    assert (reaction.reply, reaction.next, reaction.restarts_time_wait) == ("ack", TIME_WAIT, True)


@pytest.mark.parametrize(("flags", "ack"), [(FIN, 0), (FIN | ACK, 1103)])
def test_a_repeated_fin_without_a_good_ack_does_not_restart_the_wait(flags: int, ack: int) -> None:
    reaction = only(at(TIME_WAIT), Segment(flags, 5000, ack))
    assert (reaction.reply, reaction.next, reaction.restarts_time_wait) == ("ack", TIME_WAIT, False)


def test_rfc_1337_ignores_resets_in_time_wait_and_may_challenge_those_that_are_not_exact() -> None:
    assert outcomes(at(TIME_WAIT), Segment(RST, 5001), DEFAULT | {Policy.RFC1337}) == {("none", "TIME-WAIT")}
    challenged = {("none", "TIME-WAIT"), ("ack", "TIME-WAIT")}
    assert outcomes(at(TIME_WAIT), Segment(RST, 5002), DEFAULT | {Policy.RFC1337}) == challenged
    assert outcomes(at(TIME_WAIT), Segment(RST, 5002), RFC793 | {Policy.RFC1337}) == {("none", "TIME-WAIT")}
    overlapping = Segment(RST, 5000, payload=b"abcd")
    assert outcomes(at(TIME_WAIT), overlapping, RFC793) == {("none", "TIME-WAIT"), ("none", "CLOSED")}
    assert outcomes(at(TIME_WAIT), overlapping, RFC793 | {Policy.RFC1337}) == {("none", "TIME-WAIT")}


def test_may_2_reopens_from_time_wait_if_somebody_listens() -> None:
    policies = DEFAULT | {Policy.MAY_2}
    reopened = ("syn-ack", "SYN-RECEIVED")
    assert reopened in outcomes(at(TIME_WAIT, listener_open=True), Segment(SYN, 9000), policies)
    chosen = only(at(TIME_WAIT, listener_open=True), Segment(SYN, 5101), policies - {Policy.RFC5961_SYN})
    assert chosen.iss_above == at(TIME_WAIT).snd_nxt - 1
    assert reopened not in outcomes(at(TIME_WAIT), Segment(SYN, 9000), policies)
    assert reopened not in outcomes(at(TIME_WAIT, listener_open=True), Segment(SYN | ACK, 9000, 1102), policies)


@pytest.mark.parametrize(
    ("last", "new", "seq", "opens"),
    [
        (50, 51, 4000, True),
        (50, 50, 5001, True),
        (50, 50, 5000, False),
        (50, 49, 9000, False),
        (50, None, 5001, True),
        (50, None, 5000, False),
        (None, 1, 4000, True),
        (None, None, 5001, True),
        (None, None, 5000, False),
        (2**32 - 1, 0, 4000, True),
    ],
)
def test_rfc_6191_decides_by_timestamp_then_by_number(last: int | None, new: int | None, seq: int, opens: bool) -> None:
    raw = b"" if new is None else options.timestamps(new)
    connection = at(TIME_WAIT, listener_open=True, last_tsval=last)
    expected = ("syn-ack", "SYN-RECEIVED") if opens else ("none", "TIME-WAIT")
    assert outcomes(connection, Segment(SYN, seq, options=raw), DEFAULT | {Policy.RFC6191}) == {expected}
