"""The rules of §3.10.7 hold for every segment at every edge, and any mistake in them is noticed."""

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from harness.spec import seqno
from harness.spec.ambiguities import REGISTER
from harness.spec.arrivals import RULES, allowed
from harness.spec.citations import Citation
from harness.spec.connection import Connection, Origin
from harness.spec.machine import TABLE
from harness.spec.mutations import mutations
from harness.spec.policy import DEFAULT, Policy
from harness.spec.reaction import Reaction, Reply, select
from harness.spec.segment import ACK, FIN, RST, SYN, URG, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    State,
)
from testcases.selftest.endpoint import RFC793, at

FLAGS = tuple(a | b | c | d for a, b, c, d in product((0, SYN), (0, ACK), (0, FIN), (0, RST)))
POSITIONS = (5000, 5001, 5101, 6000, 6001, 5001 + 2**30)
Cell = tuple[Connection, Segment]


def connections() -> Iterator[Connection]:
    yield from (at(state) for state in State)
    yield at(SYN_RECEIVED, origin=Origin.ACTIVE)
    yield at(SYN_RECEIVED, listener_open=False)
    yield at(TIME_WAIT, listener_open=True, last_tsval=50)
    yield from (at(state, reader_gone=True) for state in (FIN_WAIT_1, FIN_WAIT_2))
    yield from (at(state, rcv_wnd=0) for state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, LAST_ACK, SYN_SENT))
    yield from (at(state, rcv_wnd=2) for state in (SYN_SENT, FIN_WAIT_1, CLOSING))


@cache
def cells() -> tuple[Cell, ...]:
    found = []
    for connection in connections():
        una, nxt = connection.snd_una, connection.snd_nxt
        oldest, permissible = una - connection.max_snd_wnd, una - connection.permissible_snd_wnd
        acks = sorted(
            seqno.add(ack, 0) for ack in {permissible - 1, permissible, oldest - 1, oldest, una - 1, una, nxt, nxt + 1}
        )
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
    by_no_rule = {"abort-time-wait", "second-passive-open", "fin-behind-the-window"}
    assert {name for rule in RULES for name in rule.ambiguities} | by_no_rule == set(REGISTER)


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
    optional = {Policy.MAY_2, Policy.RFC6191, Policy.RFC1337, Policy.HARD_CODED_WINDOW} | (
        RFC793 - {Policy.LITERAL_SEQUENCE}
    )
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
