"""The vocabulary of `harness.spec`: states, sequence arithmetic, segments and their notation, options."""

import random

import pytest

from harness.spec import options, seqno, states
from harness.spec.segment import (
    ACK,
    CWR,
    ECE,
    FIN,
    NO_FLAGS,
    PSH,
    RST,
    SYN,
    URG,
    Flags,
    Segment,
    flag_names,
    parse_flags,
)
from harness.spec.states import State

TOP = 2**32 - 1
EDGES = (0, 1, 2, 2**31 - 1, 2**31, 2**31 + 1, TOP - 1, TOP)


# --- states


def test_the_eleven_states_are_spelled_as_in_the_rfc() -> None:
    spelled = (
        "LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT CLOSED"
    )
    assert sorted(State) == sorted(spelled.split())
    assert f"{State.FIN_WAIT_1}" == "FIN-WAIT-1"


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_name_of_its_own_in_the_module(state: State) -> None:
    assert getattr(states, state.name) is state


def test_the_states_before_both_numbers_are_agreed_on_are_not_synchronized() -> None:
    assert set(State) - states.SYNCHRONIZED == {states.CLOSED, states.LISTEN, states.SYN_SENT, states.SYN_RECEIVED}


# --- arithmetic


@pytest.mark.parametrize(
    ("number", "octets", "result"),
    [(TOP, 1, 0), (TOP - 1, 4, 2), (0, -1, TOP), (1, -3, TOP - 1), (5, 2**32, 5), (7, 0, 7)],
)
def test_addition_wraps_at_two_to_the_32(number: int, octets: int, result: int) -> None:
    assert seqno.add(number, octets) == result


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [(0, TOP, 1), (TOP, 0, -1), (3, TOP - 1, 5), (9, 9, 0), (2**31 - 1, 0, 2**31 - 1), (2**31, 0, -(2**31))],
)
def test_a_distance_is_signed_and_looks_across_the_wrap(left: int, right: int, distance: int) -> None:
    assert seqno.diff(left, right) == distance


def test_adding_and_measuring_are_inverse_all_around_the_circle() -> None:
    rng = random.Random(9293)
    for _ in range(2000):
        start = rng.choice((rng.choice(EDGES), rng.randrange(2**32)))
        step = rng.choice((rng.randrange(-3, 4), rng.randrange(-(2**31), 2**31)))
        assert seqno.diff(seqno.add(start, step), start) == step


@pytest.mark.parametrize("number", EDGES)
def test_a_number_is_before_its_successor_wherever_it_lies(number: int) -> None:
    after = seqno.add(number, 1)
    assert seqno.lt(number, after)
    assert seqno.leq(number, after)
    assert not seqno.lt(after, number)
    assert not seqno.leq(after, number)


@pytest.mark.parametrize("number", EDGES)
def test_a_number_is_not_before_itself_but_leq(number: int) -> None:
    assert not seqno.lt(number, number)
    assert seqno.leq(number, number)


@pytest.mark.parametrize("left", EDGES)
def test_a_window_holds_its_two_ends_and_neither_neighbour(left: int) -> None:
    size = 1000
    assert seqno.in_window(left, left, size)
    assert seqno.in_window(seqno.add(left, size - 1), left, size)
    assert not seqno.in_window(seqno.add(left, -1), left, size)
    assert not seqno.in_window(seqno.add(left, size), left, size)


@pytest.mark.parametrize("left", EDGES)
def test_an_empty_window_holds_nothing(left: int) -> None:
    assert not seqno.in_window(left, left, 0)


# --- flags and segments


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (SYN | ACK, "SYN,ACK"),
        (ACK | FIN, "FIN,ACK"),
        (RST | ACK, "RST,ACK"),
        (FIN | PSH | ACK, "FIN,PSH,ACK"),
        (NO_FLAGS, ""),
        (Flags(0xFF), "SYN,FIN,RST,PSH,URG,ACK,ECE,CWR"),
    ],
)
def test_flags_are_named_in_the_order_of_the_figures(flags: Flags, names: str) -> None:
    assert flag_names(flags) == names


def test_flags_have_their_places_in_the_header() -> None:
    assert [int(flag) for flag in (FIN, SYN, RST, PSH, ACK, URG, ECE, CWR)] == [1, 2, 4, 8, 16, 32, 64, 128]


@pytest.mark.parametrize("value", range(256))
def test_names_of_flags_read_back_as_the_flags(value: int) -> None:
    assert parse_flags(filter(None, flag_names(value).split(","))) == value


def test_an_unknown_flag_name_is_refused() -> None:
    with pytest.raises(KeyError, match="SIN"):
        parse_flags(["ACK", "SIN"])


@pytest.mark.parametrize(
    ("flags", "payload", "length"),
    [(ACK, b"", 0), (SYN, b"", 1), (FIN | ACK, b"", 1), (SYN | FIN, b"", 2), (ACK, b"abc", 3), (SYN | FIN, b"abc", 5)],
)
def test_syn_and_fin_take_a_number_each(flags: Flags, payload: bytes, length: int) -> None:
    segment = Segment(flags, seq=TOP, payload=payload)
    assert segment.length == length
    assert segment.end == (TOP + length) % 2**32


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        (Segment(SYN, seq=100), "<SEQ=100><CTL=SYN>"),
        (Segment(SYN | ACK, seq=300, ack=101), "<SEQ=300><ACK=101><CTL=SYN,ACK>"),
        (Segment(FIN | ACK, seq=1, ack=1), "<SEQ=1><ACK=1><CTL=FIN,ACK>"),
        (Segment(ACK, seq=1, ack=1, payload=b"four"), "<SEQ=1><ACK=1><DATA=4><CTL=ACK>"),
        (Segment(RST, seq=0, ack=77), "<SEQ=0><CTL=RST>"),
        (Segment(NO_FLAGS, seq=5), "<SEQ=5><CTL=none>"),
    ],
)
def test_segments_are_written_as_in_the_figures(segment: Segment, text: str) -> None:
    assert segment.notation() == text


def test_relative_numbers_count_from_the_initial_ones_across_the_wrap() -> None:
    wire = Segment(ACK, seq=4, ack=TOP, payload=b"x", window=7)
    relative = wire.relative(seq_base=TOP, ack_base=TOP - 1)
    assert (relative.seq, relative.ack) == (5, 1)
    assert (relative.payload, relative.window, relative.flags) == (b"x", 7, ACK)
    assert (wire.seq, wire.ack) == (4, TOP), "the segment itself stays as it was"


def test_a_number_below_the_base_is_negative() -> None:
    assert Segment(ACK, seq=9, ack=9).relative(seq_base=10, ack_base=12).notation() == "<SEQ=-1><ACK=-3><CTL=ACK>"


def test_the_acknowledgment_field_without_ack_is_left_alone() -> None:
    assert Segment(SYN, seq=10, ack=7).relative(seq_base=10, ack_base=1000).ack == 7


# --- options

WELL_FORMED = (
    (options.mss(1460), options.KIND_MSS, "020405b4"),
    (options.window_scale(7), options.KIND_WINDOW_SCALE, "030307"),
    (options.timestamps(1, 2), options.KIND_TIMESTAMPS, "080a0000000100000002"),
    (options.SACK_PERMITTED, options.KIND_SACK_PERMITTED, "0402"),
    (options.unknown(253, b"\xaa\xbb\xcc"), 253, "fd05aabbcc"),
    (options.NOP, options.KIND_NOP, "01"),
)


@pytest.mark.parametrize(("built", "kind", "octets"), WELL_FORMED)
def test_builders_write_kind_length_and_data(built: bytes, kind: int, octets: str) -> None:
    assert built.hex() == octets
    assert options.parse(built) == [options.Option(kind, built[2:])]


def test_what_is_built_reads_back_in_any_order_and_alignment() -> None:
    rng = random.Random(7323)
    for _ in range(300):
        chosen = [rng.choice(WELL_FORMED)[:2] for _ in range(rng.randrange(8))]
        field = b"".join(built for built, _ in chosen)
        assert [option.kind for option in options.parse(field)] == [kind for _, kind in chosen]
        assert b"".join(built[2:] for built, _ in chosen) == b"".join(option.data for option in options.parse(field))


def test_values_come_back_from_a_typical_syn() -> None:
    field = options.mss(1220) + options.NOP + options.window_scale(14) + options.timestamps(TOP, 2**31)
    assert options.mss_of(field) == 1220
    assert options.window_scale_of(field) == 14
    assert options.timestamps_of(field) == (TOP, 2**31)


def test_options_that_are_not_there_are_none() -> None:
    assert (options.mss_of(b""), options.window_scale_of(options.NOP), options.timestamps_of(options.EOL)) == (
        None,
    ) * 3


def test_timestamps_wrap_like_the_field() -> None:
    assert options.timestamps_of(options.timestamps(2**32 + 5, -1)) == (5, TOP)


def test_timestamps_of_another_length_are_no_timestamps() -> None:
    assert options.timestamps_of(options.unknown(options.KIND_TIMESTAMPS, bytes(7))) is None


def test_a_window_scale_without_shift_is_no_window_scale() -> None:
    assert options.window_scale_of(options.unknown(options.KIND_WINDOW_SCALE)) is None


def test_the_first_of_two_equal_options_counts() -> None:
    assert options.mss_of(options.mss(1000) + options.mss(2000)) == 1000


def test_nothing_is_read_behind_the_end_of_the_list() -> None:
    assert options.parse(options.NOP + options.EOL + b"\x02\x00\xff") == [options.Option(options.KIND_NOP)]


def test_an_option_may_fill_the_field_to_its_last_octet() -> None:
    assert options.parse(options.unknown(254, bytes(38))) == [options.Option(254, bytes(38))]


@pytest.mark.parametrize(
    ("octets", "kind", "at", "length"),
    [
        ("0200", 2, 0, 0),
        ("0201ffff", 2, 0, 1),
        ("02", 2, 0, 0),
        ("020405", 2, 0, 4),
        ("0101fd28aa", 253, 2, 40),
        ("020405b4080a00", 8, 4, 10),
        ("03030708", 8, 3, 0),
    ],
)
def test_a_length_that_cannot_be_is_named_with_its_place(octets: str, kind: int, at: int, length: int) -> None:
    field = bytes.fromhex(octets)
    said = f"kind {kind} at octet {at} has length {length} in a field of {len(field)}"
    with pytest.raises(options.MalformedOptions, match=said):
        options.parse(field)


def test_random_fields_are_read_or_refused_and_never_anything_else() -> None:
    rng = random.Random(793)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(3000):
        field = bytes(rng.choice((0, 1, 2, 3, 4, 8, 10, 255)) for _ in range(rng.randrange(41)))
        try:
            found = options.parse(field)
        except options.MalformedOptions:
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        assert sum(1 if option.kind == options.KIND_NOP else 2 + len(option.data) for option in found) <= len(field)
    assert min(outcomes.values()) > 300, f"the fields are too much alike to prove anything: {outcomes}"
