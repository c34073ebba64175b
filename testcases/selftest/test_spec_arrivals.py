"""The rules of §3.10.7 say what the figures and sections of the RFC say, everywhere and at every edge."""

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from harness.spec import options, seqno
from harness.spec.ambiguities import REGISTER
from harness.spec.arrivals import RULES, allowed
from harness.spec.citations import Citation
from harness.spec.connection import Connection, Origin
from harness.spec.machine import TABLE
from harness.spec.mutations import mutations
from harness.spec.policy import DEFAULT, Policy
from harness.spec.reaction import Outgoing, Reaction, Reply, Signal, select
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

RFC793 = frozenset({Policy.RFC793_RST, Policy.RFC793_SYN, Policy.RFC793_ACK, Policy.LITERAL_SEQUENCE})
WINDOW = 1000
FIN_OUT = {FIN_WAIT_1, CLOSING, LAST_ACK}
FIN_SENT = FIN_OUT | {FIN_WAIT_2, TIME_WAIT}

Outcome = tuple[str, str]


def at(state: State, **changes: object) -> Connection:
    """Return a connection of the tester's usual numbers: ISS 1000, 100 octets sent, RCV.NXT 5001, window 1000."""
    handshake = state in (SYN_SENT, SYN_RECEIVED)
    snd_nxt = 1001 if handshake else 1101 + (state in FIN_SENT)
    values: dict[str, object] = {
        "state": state,
        "origin": Origin.ACTIVE if state is SYN_SENT else Origin.PASSIVE,
        "iss": 1000,
        "snd_una": 1000 if handshake else snd_nxt - (state in FIN_OUT),
        "snd_nxt": snd_nxt,
        "max_snd_wnd": 500,
        "rcv_nxt": 5001,
        "rcv_wnd": WINDOW,
        "fin_sent": state in FIN_SENT,
        "listener_open": state in (LISTEN, SYN_RECEIVED),
    }
    return Connection(**(values | changes))  # type: ignore[arg-type]


def outcomes(connection: Connection, segment: Segment, policies: frozenset[Policy] = DEFAULT) -> set[Outcome]:
    return {(str(each.reply), str(each.next)) for each in select(allowed(connection, segment), policies)}


def only(connection: Connection, segment: Segment, policies: frozenset[Policy] = DEFAULT) -> Reaction:
    (reaction,) = select(allowed(connection, segment), policies)
    return reaction


# --- the figures ---


def test_figure_6_three_way_handshake() -> None:
    syn = only(Connection(LISTEN), Segment(SYN, 100))
    assert (syn.segments, syn.next) == ((Outgoing(SYN | ACK, None, 101),), SYN_RECEIVED)
    a = Connection(SYN_SENT, Origin.ACTIVE, iss=100, snd_una=100, snd_nxt=101)
    syn_ack = only(a, Segment(SYN | ACK, 300, 101))
    assert (syn_ack.reply, syn_ack.segments, syn_ack.next) == ("ack", (Outgoing(ACK, 101, 301),), ESTABLISHED)
    b = Connection(SYN_RECEIVED, iss=300, snd_una=300, snd_nxt=301, rcv_nxt=101, listener_open=True)
    assert outcomes(b, Segment(ACK, 101, 301)) == {("none", "ESTABLISHED")}
    with_data = only(b, Segment(ACK, 101, 301, payload=b"data"))
    assert (with_data.segments, with_data.next) == ((Outgoing(ACK, 301, 105),), ESTABLISHED)
    assert with_data.signals == (Signal.DATA,)
    assert with_data.deferrable


def test_figure_7_simultaneous_open() -> None:
    a = Connection(SYN_SENT, Origin.ACTIVE, iss=100, snd_una=100, snd_nxt=101)
    assert only(a, Segment(SYN, 300)).segments == (Outgoing(SYN | ACK, 100, 301),)
    a = replace(a, state=SYN_RECEIVED, rcv_nxt=301)
    figure = frozenset({Policy.FIGURE_7})
    assert outcomes(a, Segment(SYN | ACK, 300, 101), figure) == {("none", "ESTABLISHED"), ("ack", "ESTABLISHED")}
    literal = frozenset({Policy.LITERAL_SEQUENCE})
    assert outcomes(a, Segment(SYN | ACK, 300, 101), literal) == {("ack", "SYN-RECEIVED")}
    passive = replace(a, origin=Origin.PASSIVE)
    assert outcomes(passive, Segment(SYN | ACK, 300, 101)) == {("ack", "SYN-RECEIVED")}


def test_figure_8_old_duplicate_syn() -> None:
    a = Connection(SYN_SENT, Origin.ACTIVE, iss=100, snd_una=100, snd_nxt=101)
    wrong = only(a, Segment(SYN | ACK, 300, 91))
    assert (wrong.segments, wrong.next) == ((Outgoing(RST, 91, None),), SYN_SENT)
    b = Connection(SYN_RECEIVED, iss=300, snd_una=300, snd_nxt=301, rcv_nxt=91, listener_open=True)
    assert outcomes(b, Segment(RST, 91)) == {("none", "LISTEN")}


def test_figure_9_half_open_connection_discovered_by_syn() -> None:
    b = Connection(ESTABLISHED, iss=299, snd_una=300, snd_nxt=300, rcv_nxt=100)
    assert only(b, Segment(SYN, 400)).segments == (Outgoing(ACK, 300, 100),)
    a = Connection(SYN_SENT, Origin.ACTIVE, iss=400, snd_una=400, snd_nxt=401)
    assert only(a, Segment(ACK, 300, 100)).segments == (Outgoing(RST, 100, None),)
    assert only(b, Segment(RST, 100)).next is CLOSED


def test_figure_10_half_open_connection_discovered_by_data() -> None:
    reset = only(Connection(CLOSED), Segment(ACK, 300, 100, payload=bytes(10)))
    assert reset.segments == (Outgoing(RST, 100, None),)
    b = Connection(ESTABLISHED, iss=299, snd_una=300, snd_nxt=310, rcv_nxt=100)
    assert only(b, Segment(RST, 100)).signals == (Signal.RESET,)


def test_figure_11_old_duplicate_between_two_passive_sockets() -> None:
    reset = only(Connection(LISTEN), Segment(SYN | ACK, 700, 201))
    assert (reset.segments, reset.next) == ((Outgoing(RST, 201, None),), LISTEN)


def test_figure_12_normal_close() -> None:
    b = Connection(ESTABLISHED, iss=299, snd_una=300, snd_nxt=300, rcv_nxt=100)
    fin = only(b, Segment(FIN | ACK, 100, 300))
    assert (fin.segments, fin.next, fin.signals) == ((Outgoing(ACK, 300, 101),), CLOSE_WAIT, (Signal.CLOSING,))
    a = Connection(FIN_WAIT_1, iss=99, snd_una=100, snd_nxt=101, rcv_nxt=300, fin_sent=True)
    assert outcomes(a, Segment(ACK, 300, 101)) == {("none", "FIN-WAIT-2")}
    a = replace(a, state=FIN_WAIT_2, snd_una=101)
    last = only(a, Segment(FIN | ACK, 300, 101))
    assert (last.segments, last.next) == ((Outgoing(ACK, 101, 301),), TIME_WAIT)
    b = replace(b, state=LAST_ACK, snd_nxt=301, rcv_nxt=101, fin_sent=True)
    assert outcomes(b, Segment(ACK, 101, 301)) == {("none", "CLOSED")}


def test_figure_13_simultaneous_close() -> None:
    a = Connection(FIN_WAIT_1, iss=99, snd_una=100, snd_nxt=101, rcv_nxt=300, fin_sent=True)
    crossing = only(a, Segment(FIN | ACK, 300, 100))
    assert (crossing.segments, crossing.next) == ((Outgoing(ACK, 101, 301),), CLOSING)
    a = replace(a, state=CLOSING, rcv_nxt=301)
    assert outcomes(a, Segment(ACK, 301, 100)) == {("none", "CLOSING")}
    assert outcomes(a, Segment(ACK, 301, 101)) == {("none", "TIME-WAIT")}


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
        (CLOSING, 1101, True, ("none", "CLOSING")),
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
    assert outcomes(gone, segment) == {("ack-new", "FIN-WAIT-2"), ("rst(seq=seg.ack)", "CLOSED")}
    assert outcomes(gone, segment, RFC793) == {("ack-new", "FIN-WAIT-2")}


def test_urgent_data_is_signalled_where_data_is_received() -> None:
    segment = Segment(ACK | URG, 5001, 1101, payload=b"abc", urgent=2)
    assert only(at(ESTABLISHED), segment).signals == (Signal.URGENT, Signal.DATA)
    assert only(at(CLOSE_WAIT), segment).signals == ()


def test_text_and_fin_behind_the_syn_ack_need_one_ack_or_two() -> None:
    found = select(allowed(at(SYN_SENT), Segment(SYN | ACK | FIN, 7000, 1001)))
    one, two = Outgoing(ACK, 1001, 7001), Outgoing(ACK, 1001, 7002)
    assert {each.segments for each in found} == {(two,), (one, two)}
    assert {(each.reply, each.next) for each in found} == {("ack", CLOSE_WAIT)}


# --- TIME-WAIT ---


def test_a_repeated_fin_is_acknowledged_and_restarts_the_wait() -> None:
    reaction = only(at(TIME_WAIT), Segment(FIN | ACK, 5000, 1102))
    assert (reaction.reply, reaction.next, reaction.restarts_time_wait) == ("ack", TIME_WAIT, True)


def test_rfc_1337_ignores_resets_in_time_wait() -> None:
    for seq in (5001, 5002):
        assert outcomes(at(TIME_WAIT), Segment(RST, seq), DEFAULT | {Policy.RFC1337}) == {("none", "TIME-WAIT")}


def test_may_2_reopens_from_time_wait_if_somebody_listens() -> None:
    policies = DEFAULT | {Policy.MAY_2}
    reopened = ("syn-ack", "SYN-RECEIVED")
    assert reopened in outcomes(at(TIME_WAIT, listener_open=True), Segment(SYN, 9000), policies)
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


# --- every segment at every edge ---

FLAGS = tuple(a | b | c | d for a, b, c, d in product((0, SYN), (0, ACK), (0, FIN), (0, RST)))
POSITIONS = (5000, 5001, 5101, 6000, 6001, 5001 + 2**30)
Cell = tuple[Connection, Segment]


def connections() -> Iterator[Connection]:
    yield from (at(state) for state in State)
    yield at(SYN_RECEIVED, origin=Origin.ACTIVE)
    yield at(SYN_RECEIVED, listener_open=False)
    yield at(TIME_WAIT, listener_open=True, last_tsval=50)
    yield from (at(state, reader_gone=True) for state in (FIN_WAIT_1, FIN_WAIT_2))
    yield from (at(state, rcv_wnd=0) for state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT))


@cache
def cells() -> tuple[Cell, ...]:
    found = []
    for connection in connections():
        una, nxt = connection.snd_una, connection.snd_nxt
        acks = sorted({una - connection.max_snd_wnd - 1, una - connection.max_snd_wnd, una - 1, una, nxt, nxt + 1})
        for flags, seq, ack, payload in product(FLAGS, POSITIONS, acks, (b"", b"abcd")):
            if flags & ACK or ack == una:
                found.append(
                    (connection, Segment(flags | (URG if payload else 0), seq, ack, payload=payload, urgent=2))
                )
    return tuple(found)


@cache
def reactions() -> tuple[tuple[Reaction, ...], ...]:
    return tuple(allowed(*cell) for cell in cells())


def test_every_segment_has_a_reaction_under_every_choice_of_policies() -> None:
    choices = (DEFAULT, RFC793, DEFAULT | {Policy.MAY_2, Policy.RFC6191, Policy.RFC1337})
    for cell, found in zip(cells(), reactions(), strict=True):
        assert all(select(found, policies) for policies in choices), cell


def test_every_rule_decides_something() -> None:
    fired = {name for found in reactions() for reaction in found for name in reaction.path}
    assert {rule.id for rule in RULES} == fired


def test_rule_ids_are_unique_and_every_condition_prints() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(str(rule.when) for rule in RULES)


def test_every_ambiguity_is_referred_to_and_every_reference_exists() -> None:
    machine_only = {"abort-time-wait", "second-passive-open"}
    assert {name for rule in RULES for name in rule.ambiguities} | machine_only == set(REGISTER)


def test_every_citation_is_one_of_a_known_place() -> None:
    texts = {cite for rule in RULES for cite in rule.cites}
    texts |= {cite for row in TABLE for cite in row.cites}
    texts |= {cite for entry in REGISTER.values() for cite in entry.sections}
    for text in texts:
        assert Citation.parse(text)


def test_a_reset_is_never_answered_but_by_a_challenge() -> None:
    for (_, segment), found in zip(cells(), reactions(), strict=True):
        if segment.flags & RST:
            assert {reaction.reply for reaction in found} <= {Reply.NONE, Reply.ACK}


def test_the_default_is_rfc_9293_with_rfc_5961() -> None:
    optional = {Policy.MAY_2, Policy.RFC6191, Policy.RFC1337} | (RFC793 - {Policy.LITERAL_SEQUENCE})
    for found in reactions():
        assert all(reaction.default == optional.isdisjoint(reaction.policies) for reaction in found)


@pytest.mark.parametrize("offset", [2**32 - 1000, 2**32 - 1101, 2**32 - 5001, 2**31])
def test_nothing_depends_on_where_the_numbers_lie(offset: int) -> None:
    for (connection, segment), found in zip(cells()[::7], reactions()[::7], strict=True):
        assert _shifted_back(connection, segment, offset) == [_numbers(each, 0, segment) for each in found]


def _shifted_back(connection: Connection, segment: Segment, offset: int) -> list[object]:
    names = ("iss", "snd_una", "snd_nxt", "rcv_nxt")
    moved = {name: seqno.add(getattr(connection, name), offset) for name in names}
    there = replace(segment, seq=seqno.add(segment.seq, offset), ack=seqno.add(segment.ack, offset))
    return [_numbers(each, offset, there) for each in allowed(replace(connection, **moved), there)]


def _numbers(reaction: Reaction, offset: int, segment: Segment) -> object:
    def back(number: int | None) -> int | None:
        return None if number is None else seqno.add(number, -offset)

    zero = reaction.reply is Reply.RST_ACK_ZERO
    sent = [(out.flags, 0 if zero else back(out.seq), back(out.ack)) for out in reaction.segments]
    return reaction.reply, sent, reaction.next, reaction.signals, reaction.policies, reaction.rule


def _seen(found: tuple[Reaction, ...]) -> object:
    """Return what a harness can see of reactions: segments and next states, and under which policies."""
    return {(each.segments, each.next, each.policies) for each in found}


def test_a_wrong_rule_is_noticed() -> None:
    noticed: dict[str, bool] = {}
    by_rule: dict[str, list[int]] = {}
    for index, found in enumerate(reactions()):
        for name in {name for reaction in found for name in reaction.path}:
            by_rule.setdefault(name, []).append(index)
    chance = random.Random(9293)
    for mutation in mutations():
        assert mutation.id not in noticed
        near = chance.sample(by_rule[mutation.rule], min(60, len(by_rule[mutation.rule])))
        noticed[mutation.id] = any(
            _seen(allowed(*cells()[index], mutation.rules)) != _seen(reactions()[index])
            for index in (*near, *chance.sample(range(len(cells())), 40))
        )
    assert sum(noticed.values()) > 400
    for rule in RULES:
        assert any(seen for name, seen in noticed.items() if name.startswith(f"{rule.id}: ")), rule.id
