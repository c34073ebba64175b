"""The peer's side of the figures: what it sent and saw gives its numbers, and the state in the right-hand column."""

from dataclasses import dataclass

import pytest

from harness.case.peer_record import PeerRecord
from harness.spec.options import timestamps
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
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
    TIME_WAIT,
    State,
)


@dataclass
class Sent:
    """A segment of the peer, and its state afterwards."""

    flags: int
    seq: int
    ack: int
    state: State
    data: bytes = b""


@dataclass
class Saw(Sent):
    """A segment of the target."""


Line = Sent | Saw

OPENED = [Sent(SYN, 0, 0, SYN_SENT), Saw(SYN | ACK, 0, 1, ESTABLISHED), Sent(ACK, 1, 1, ESTABLISHED)]

#: Numbers are relative, so 100 and 300 of the figures are 0 here.
FIGURES: dict[str, list[Line]] = {
    "figure 6, side A": OPENED,
    "figure 6, side B": [
        Saw(SYN, 0, 0, LISTEN),
        Sent(SYN | ACK, 0, 1, SYN_RECEIVED),
        Saw(ACK, 1, 1, ESTABLISHED),
        Saw(ACK, 1, 1, ESTABLISHED, b"data"),
    ],
    "figure 7": [
        Sent(SYN, 0, 0, SYN_SENT),
        Saw(SYN, 0, 0, SYN_RECEIVED),
        Sent(SYN | ACK, 0, 1, SYN_RECEIVED),
        Saw(SYN | ACK, 0, 1, ESTABLISHED),
    ],
    "figure 12, side A": [
        *OPENED,
        Sent(FIN | ACK, 1, 1, FIN_WAIT_1),
        Saw(ACK, 1, 2, FIN_WAIT_2),
        Saw(FIN | ACK, 1, 2, TIME_WAIT),
        Sent(ACK, 2, 2, TIME_WAIT),
    ],
    "figure 12, side B": [
        *OPENED,
        Saw(FIN | ACK, 1, 1, CLOSE_WAIT),
        Sent(ACK, 1, 2, CLOSE_WAIT),
        Sent(FIN | ACK, 1, 2, LAST_ACK),
        Saw(ACK, 2, 2, CLOSED),
    ],
    "figure 13": [
        *OPENED,
        Sent(FIN | ACK, 1, 1, FIN_WAIT_1),
        Saw(FIN | ACK, 1, 1, CLOSING),
        Sent(ACK, 2, 2, CLOSING),
        Saw(ACK, 2, 2, TIME_WAIT),
    ],
    "figure 13, seen by a peer that sends its FIN behind the target's": [
        *OPENED,
        Saw(FIN | ACK, 1, 1, CLOSE_WAIT),
        Sent(FIN | ACK, 1, 1, CLOSING),
        Saw(ACK, 2, 2, TIME_WAIT),
    ],
    "a FIN that acknowledges ours": [
        *OPENED,
        Sent(FIN | ACK, 1, 1, FIN_WAIT_1),
        Saw(FIN | ACK, 1, 2, TIME_WAIT),
    ],
    "a half-close with data the other way": [
        *OPENED,
        Sent(FIN | ACK, 1, 1, FIN_WAIT_1, b"last words"),
        Saw(ACK, 1, 11, FIN_WAIT_1),  # the data is acknowledged, the FIN is not
        Saw(ACK, 1, 12, FIN_WAIT_2, b"answer"),
        Sent(ACK, 12, 7, FIN_WAIT_2),
        Saw(FIN | ACK, 7, 12, TIME_WAIT),
    ],
    "a FIN behind a gap": [
        *OPENED,
        Saw(FIN | ACK, 5, 1, ESTABLISHED),
        Saw(ACK, 1, 1, ESTABLISHED, b"gap!"),
        Saw(FIN | ACK, 5, 1, CLOSE_WAIT),
    ],
    "our FIN behind a gap": [
        *OPENED,
        Sent(FIN | ACK, 5, 1, FIN_WAIT_1),
        Saw(ACK, 1, 1, FIN_WAIT_1),
        Sent(ACK, 1, 1, FIN_WAIT_1, b"gap!"),
        Saw(ACK, 1, 6, FIN_WAIT_2),
    ],
    "reset by the target": [*OPENED, Saw(RST, 1, 0, CLOSED)],
    "reset by the peer": [*OPENED, Sent(RST, 1, 0, CLOSED)],
}


def segment(line: Line) -> Segment:
    return Segment(line.flags, line.seq, line.ack, payload=line.data)


def play(lines: list[Line], record: PeerRecord | None = None) -> PeerRecord:
    record = record or PeerRecord()
    for line in lines:
        (record.saw if isinstance(line, Saw) else record.sent)(segment(line))
    return record


@pytest.mark.parametrize("name", FIGURES)
def test_the_states_are_those_of_the_figure(name: str) -> None:
    record = PeerRecord()
    assert record.state is CLOSED
    for number, line in enumerate(FIGURES[name], 1):
        play([line], record)
        assert record.state is line.state, f"{name}, line {number}"


def test_the_figures_lead_to_all_eleven_states() -> None:
    assert {line.state for lines in FIGURES.values() for line in lines} == set(State)


def numbers(record: PeerRecord) -> tuple[int, int, int]:
    return record.snd_nxt, record.snd_una, record.rcv_nxt


def test_syn_and_fin_take_a_sequence_number_each_and_data_its_octets() -> None:
    record = play(OPENED)
    assert numbers(record) == (1, 1, 1)
    play([Sent(ACK, 1, 1, ESTABLISHED, b"12345"), Saw(ACK, 1, 6, ESTABLISHED, b"abc")], record)
    assert numbers(record) == (6, 6, 4)
    play([Sent(FIN | ACK, 6, 4, FIN_WAIT_1), Saw(FIN | ACK, 4, 7, TIME_WAIT)], record)
    assert numbers(record) == (7, 7, 5)


def test_what_is_sent_beyond_snd_nxt_counts_when_it_is_acknowledged() -> None:
    record = play([*OPENED, Sent(ACK, 3, 1, ESTABLISHED, b"345")])
    assert record.snd_nxt == 1
    play([Saw(ACK, 1, 6, ESTABLISHED)], record)
    assert numbers(record) == (6, 6, 1)


def test_repeated_segments_count_once() -> None:
    fin = Sent(FIN | ACK, 1, 1, FIN_WAIT_1)
    record = play([*OPENED, fin, fin, Sent(SYN, 0, 0, FIN_WAIT_1), Saw(SYN | ACK, 0, 1, FIN_WAIT_1)])
    assert numbers(record) == (2, 1, 1)
    assert record.state is FIN_WAIT_1


def test_an_acknowledgment_never_takes_one_back() -> None:
    record = play([*OPENED, Sent(ACK, 1, 1, ESTABLISHED, b"12"), Saw(ACK, 1, 3, ESTABLISHED)])
    play([Saw(ACK, 1, 1, ESTABLISHED)], record)
    assert numbers(record) == (3, 3, 1)


def test_the_acknowledgment_field_of_a_segment_without_ack_means_nothing() -> None:
    record = play([Sent(SYN, 0, 0, SYN_SENT), Saw(SYN, 0, 77, SYN_RECEIVED)])
    assert (record.snd_una, record.snd_nxt) == (0, 1)


def test_a_stray_segment_before_any_syn_opens_nothing() -> None:
    record = play([Sent(ACK, 9, 9, CLOSED), Saw(RST, 9, 0, CLOSED)])
    assert record.state is CLOSED
    assert not record.syn_sent


def test_what_follows_two_stamped_syns_is_stamped_with_the_latest_value() -> None:
    record = PeerRecord()
    record.sent(Segment(SYN, options=timestamps(10)))
    assert record.stamped == b""
    record.saw(Segment(SYN | ACK, 0, 1, options=timestamps(700, 10)))
    assert record.stamped == timestamps(10, 700)
    record.sent(Segment(ACK, 1, 1, options=timestamps(12, 700)))
    record.sent(Segment(ACK, 1, 1, options=timestamps(5, 700)))
    assert record.stamped == timestamps(12, 700)


@pytest.mark.parametrize(("offer", "answer"), [(timestamps(10), b""), (b"", timestamps(7)), (b"\x08\x00", b"")])
def test_nothing_is_stamped_that_was_not_agreed_on(offer: bytes, answer: bytes) -> None:
    record = PeerRecord()
    record.sent(Segment(SYN, options=offer))
    record.saw(Segment(SYN | ACK, 0, 1, options=answer))
    assert record.stamped == b""


def test_an_active_opener_that_is_answered_with_timestamps_gets_them_from_then_on() -> None:
    record = PeerRecord()
    record.saw(Segment(SYN, options=timestamps(700)))
    record.sent(Segment(SYN | ACK, 0, 1, options=timestamps(10, 700)))
    assert record.stamped == timestamps(10, 700)
