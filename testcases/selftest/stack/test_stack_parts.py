"""The parts of the reference stack, each against the numbers of its RFC."""

import random

from harness.spec import seqno
from harness.stack import Config, Endpoint, Pair
from harness.stack.config import NS
from harness.stack.congestion import Congestion
from harness.stack.isn import TICK_NS, initial_sequence_number
from harness.stack.options import read, write, write_syn
from harness.stack.reassembly import Reassembly
from harness.stack.rtt import RttEstimator

PAIR = Pair(Endpoint("192.0.2.1", 80), Endpoint("192.0.2.2", 1024))
SECOND, MILLISECOND = NS, NS // 1000


# --- RFC 6298 --------------------------------------------------------------------------------------------------------


def test_rto_begins_with_one_second() -> None:
    assert RttEstimator(Config()).rto == SECOND


def test_first_sample_sets_srtt_and_half_of_it_as_rttvar() -> None:
    rtt = RttEstimator(Config())
    rtt.sample(2 * SECOND)
    assert (rtt.srtt, rtt.rttvar, rtt.rto) == (2 * SECOND, SECOND, 6 * SECOND)


def test_next_sample_moves_rttvar_by_a_quarter_and_srtt_by_an_eighth() -> None:
    rtt = RttEstimator(Config())
    rtt.sample(2 * SECOND)
    rtt.sample(4 * SECOND)
    assert rtt.rttvar == 1.25 * SECOND  # with the old SRTT: 3/4 of 1 s and 1/4 of 2 s
    assert rtt.srtt == 2.25 * SECOND
    assert rtt.rto == 7.25 * SECOND


def test_rto_is_one_second_at_least_and_sixty_at_most() -> None:
    rtt = RttEstimator(Config())
    rtt.sample(MILLISECOND)
    assert rtt.rto == SECOND
    for _ in range(10):
        rtt.back_off()
    assert rtt.rto == 60 * SECOND


def test_data_waits_three_seconds_after_a_lost_syn() -> None:
    rtt = RttEstimator(Config())
    rtt.back_off()
    rtt.syn_was_lost()
    assert rtt.rto == 3 * SECOND


# --- RFC 6528 --------------------------------------------------------------------------------------------------------


def test_initial_numbers_tick_every_four_microseconds() -> None:
    first = initial_sequence_number(PAIR, 0, b"key")
    assert seqno.diff(initial_sequence_number(PAIR, SECOND, b"key"), first) == 250_000
    assert initial_sequence_number(PAIR, TICK_NS - 1, b"key") == first


def test_initial_numbers_depend_on_each_end_and_on_the_key() -> None:
    others = [
        initial_sequence_number(PAIR._replace(local=Endpoint("192.0.2.1", 81)), 0, b"key"),
        initial_sequence_number(PAIR._replace(local=Endpoint("192.0.2.9", 80)), 0, b"key"),
        initial_sequence_number(PAIR._replace(remote=Endpoint("192.0.2.2", 1025)), 0, b"key"),
        initial_sequence_number(PAIR._replace(remote=Endpoint("192.0.2.9", 1024)), 0, b"key"),
        initial_sequence_number(PAIR, 0, b"another"),
    ]
    assert len({initial_sequence_number(PAIR, 0, b"key"), *others}) == 6


# --- reassembly ------------------------------------------------------------------------------------------------------


def test_pieces_in_any_order_with_any_overlap_give_the_stream() -> None:
    rng = random.Random(7)
    for start in (0, 5000, seqno.MODULUS - 300):
        stream, pieces = rng.randbytes(600), Reassembly()
        cuts = [(rng.randrange(600), rng.randrange(1, 80)) for _ in range(60)] + [(at, 30) for at in range(0, 600, 30)]
        rng.shuffle(cuts)
        taken, nxt = b"", start
        for at, size in cuts:
            pieces.put(seqno.add(start, at), stream[at : at + size])
            part = pieces.take(nxt)
            taken, nxt = taken + part, seqno.add(nxt, len(part))
        assert taken == stream
        assert len(pieces) == 0


def test_a_gap_holds_what_lies_behind_it() -> None:
    pieces = Reassembly()
    pieces.put(105, b"later")
    assert pieces.take(100) == b""
    pieces.put(100, b"first")
    assert pieces.take(100) == b"firstlater"


def test_the_stream_ends_at_the_earliest_fin() -> None:
    pieces = Reassembly()
    pieces.put(104, b"behind")
    pieces.end_at(106)
    pieces.end_at(120)
    pieces.put(108, b"later")
    pieces.put(100, b"text")
    assert (pieces.fin, pieces.take(100), len(pieces)) == (106, b"textbe", 0)


def test_text_in_sequence_overtakes_a_fin_that_stands_before_its_end() -> None:
    pieces = Reassembly()
    pieces.end_at(102)
    pieces.overtake(102)
    assert pieces.fin == 102
    pieces.overtake(104)
    pieces.put(100, b"text")
    assert (pieces.fin, pieces.take(100)) == (None, b"text")


def test_blocks_begin_with_the_latest_and_merge_what_touches() -> None:
    pieces = Reassembly()
    for seq, text in ((200, b"aa"), (300, b"bb"), (202, b"cc")):
        pieces.put(seq, text)
    assert pieces.blocks() == [(200, 204), (300, 302)]
    pieces.put(302, b"dd")
    assert pieces.blocks() == [(300, 304), (200, 204)]


# --- options and congestion control ----------------------------------------------------------------------------------


def test_options_are_read_as_they_were_written() -> None:
    found = read(write_syn(1460, 7, True, (1, 2)))
    assert (found.mss, found.window_scale, found.sack_permitted, found.timestamps) == (1460, 7, True, (1, 2))
    assert read(write((3, 4), [])).timestamps == (3, 4)
    assert len(write((3, 4), [(n, n + 1) for n in range(9)])) == 40


def test_broken_options_count_as_none() -> None:
    assert read(b"\x02\x00\x05\xb4") == read(b"")


def test_window_doubles_in_slow_start_and_grows_by_a_segment_behind_the_threshold() -> None:
    congestion = Congestion(mss=1000, window=2000, threshold=4000)
    congestion.acknowledged(1000, 1)
    congestion.acknowledged(1000, 2)
    assert congestion.window == 4000
    for number in range(4):
        congestion.acknowledged(1000, 3 + number)
    assert 4900 < congestion.window < 5100


def test_third_duplicate_halves_the_flight_and_a_timeout_leaves_one_segment() -> None:
    congestion = Congestion(mss=1000, window=10_000)
    assert [congestion.duplicate(10_000, 10_000) for _ in range(3)] == [False, False, True]
    assert (congestion.threshold, congestion.window) == (5000, 8000)
    congestion.timed_out(8000, first=True)
    assert (congestion.threshold, congestion.window, congestion.recover) == (4000, 1000, None)
